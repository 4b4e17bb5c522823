//! Who may do what: every operation × every set of scopes, the operator and nobody.

use contacts_gateway::domain::Scope;

use crate::operations::Operation;
use crate::test_gateway::admin;
use crate::testbed::Testbed;

/// The allow table. An operation that is missing here fails the test.
const ALLOWED: [(&str, Scope); 17] = [
    ("GET /crm/contacts", Scope::ContactsRead),
    ("GET /crm/contacts/count", Scope::ContactsRead),
    ("GET /crm/contacts/search", Scope::ContactsRead),
    ("GET /crm/contacts/export", Scope::ContactsRead),
    ("GET /crm/contacts/{id}", Scope::ContactsRead),
    ("GET /crm/contacts/fields", Scope::ContactsRead),
    ("POST /crm/contacts", Scope::ContactsWrite),
    ("POST /crm/contacts/upsert", Scope::ContactsWrite),
    ("PUT /crm/contacts/{id}", Scope::ContactsWrite),
    ("PATCH /crm/contacts/{id}", Scope::ContactsWrite),
    ("DELETE /crm/contacts/{id}", Scope::ContactsWrite),
    ("GET /credentials", Scope::CredentialsRead),
    ("GET /credentials/{id}", Scope::CredentialsRead),
    ("POST /credentials/{id}/check", Scope::CredentialsRead),
    ("POST /credentials", Scope::CredentialsWrite),
    ("PATCH /credentials/{id}", Scope::CredentialsWrite),
    ("DELETE /credentials/{id}", Scope::CredentialsWrite),
];
/// What any key may call.
const ANY_KEY: [&str; 1] = ["GET /providers"];
/// What answers to everybody.
const OPEN: [&str; 2] = ["GET /livez", "GET /readyz"];

/// A request that changes nothing where it is let in.
fn uri(operation: &Operation) -> String {
    let path = operation.path.replace("{id}", "nobody").replace("{keyId}", "nobody");
    if operation.takes("credentialId") {
        return format!("{path}?credentialId=nobody{}", operation.needs());
    }
    if operation.takes("verify") { format!("{path}?verify=false") } else { path }
}

/// Every set of scopes.
fn subsets() -> Vec<Vec<Scope>> {
    let pick = |bits: usize| Scope::ALL.into_iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1);
    (0..16).map(|bits| pick(bits).map(|(_, scope)| scope).collect()).collect()
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("mine").await;
    let tenants = |operation: &Operation| operation.plane().as_deref() == Some("bearer");
    let operations: Vec<Operation> = Operation::all().into_iter().filter(tenants).collect();
    assert_eq!(operations.len(), ALLOWED.len() + ANY_KEY.len());
    for scopes in subsets() {
        let key = testbed.key(&tenant, &scopes, None).await;
        for operation in &operations {
            if ANY_KEY.contains(&operation.name.as_str()) {
                let answer = testbed.send(&operation.method, &uri(operation), &key, None).await;
                assert_eq!(answer.status, 200, "{} with {scopes:?}", operation.name);
                continue;
            }
            let row = ALLOWED.iter().find(|(name, _)| *name == operation.name);
            let (_, needed) = row.unwrap_or_else(|| panic!("{} is not in the table", operation.name));
            let answer =
                testbed.send(&operation.method, &uri(operation), &key, operation.body().as_deref()).await;
            let refused = (answer.status, answer.code().as_str()) == (403, "insufficient_scope");
            assert_eq!(
                refused,
                !scopes.contains(needed),
                "{} with {scopes:?}: {}",
                operation.name,
                answer.text
            );
            let reached = matches!(answer.code().as_str(), "" | "credential_not_found" | "name_taken");
            assert!(refused || reached, "{} was not driven: {}", operation.name, answer.text);
        }
    }
    assert_eq!(testbed.calls(), 0, "something was sent to a CRM");
}

#[tokio::test]
async fn whoever_may_not_write_is_told_so_before_a_body_is_read() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("mine").await;
    let reader = testbed.key(&tenant, &[Scope::ContactsRead, Scope::CredentialsRead], None).await;
    let writer = testbed.key(&tenant, &Scope::ALL, None).await;
    let mut written = 0;
    for operation in Operation::all() {
        let changes = ALLOWED.iter().any(|(name, scope)| {
            *name == operation.name && matches!(scope, Scope::ContactsWrite | Scope::CredentialsWrite)
        });
        if !changes || operation.body().is_none() {
            continue;
        }
        written += 1;
        let answer = testbed.send(&operation.method, &uri(&operation), &reader, Some("no JSON")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "insufficient_scope"),
            "{}",
            operation.name
        );
        let answer = testbed.send(&operation.method, &uri(&operation), &writer, Some("no JSON")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "malformed_request"), "{}", operation.name);
    }
    assert_eq!(written, 6);
}

#[tokio::test]
async fn each_plane_opens_to_its_own_and_neither_to_nobody() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("mine").await;
    let key = testbed.key(&tenant, &Scope::ALL, None).await;
    for operation in Operation::all() {
        let ask = async |who: &str| {
            let answer =
                testbed.send(&operation.method, &uri(&operation), who, operation.body().as_deref()).await;
            (answer.status, answer.code())
        };
        let Some(plane) = operation.plane() else {
            assert!(OPEN.contains(&operation.name.as_str()), "{} is open to everybody", operation.name);
            continue;
        };
        let foreign = if plane == "bearer" { admin() } else { key.clone() };
        assert_eq!(ask(&foreign).await, (403, "insufficient_scope".into()), "{}", operation.name);
        for nobody in ["", "Bearer nobody", "Basic YTpi", "Bearer cg_demo"] {
            assert_eq!(ask(nobody).await, (401, "unauthenticated".into()), "{} {nobody}", operation.name);
        }
        if plane == "admin" {
            let (status, code) = ask(&admin()).await;
            assert!(
                status < 300 || status == 404 && code != "route_not_found",
                "{} {status}",
                operation.name
            );
        }
    }
    assert_eq!(
        testbed.send("GET", &format!("/admin/tenants/{}", tenant.id()), &admin(), None).await.status,
        200
    );
}
