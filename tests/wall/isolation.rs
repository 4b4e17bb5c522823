//! One tenant cannot see another's credentials, contacts or lists: every operation of the document, attacked.

use contacts_gateway::domain::Scope;

use crate::operations::Operation;
use crate::reply::Reply;
use crate::testbed::{Tenant, Testbed};

/// Operations that name no credential: what they show of others is tested by itself below. A new one belongs here only
/// with a test of its own.
const NAME_NONE: [&str; 3] = ["GET /credentials", "POST /credentials", "GET /providers"];
/// What says that a request never came so far as to ask for the credential: the attack would prove nothing.
const NOT_DRIVEN: [&str; 9] = [
    "invalid_parameter",
    "malformed_request",
    "validation_failed",
    "unsupported_media_type",
    "route_not_found",
    "method_not_allowed",
    "unauthenticated",
    "insufficient_scope",
    "internal",
];

/// One request of an operation: which credential, which contact.
pub(crate) struct Aim<'a> {
    pub(crate) credential: &'a str,
    pub(crate) contact: &'a str,
}

impl Aim<'_> {
    /// The path with the query, and the path alone.
    pub(crate) fn uri(&self, operation: &Operation) -> (String, String) {
        let names_credential = operation.path.starts_with("/credentials/");
        let id = if names_credential { self.credential } else { self.contact };
        let path = operation.path.replace("{id}", id);
        if operation.takes("credentialId") {
            return (format!("{path}?credentialId={}{}", self.credential, operation.needs()), path);
        }
        let skip = if operation.takes("verify") { "?verify=false" } else { "" };
        (format!("{path}{skip}"), path)
    }

    async fn answer(&self, testbed: &Testbed, operation: &Operation, method: &str, who: &str) -> Reply {
        let (uri, path) = self.uri(operation);
        testbed.send(method, &uri, who, operation.body().as_deref()).await.without(&path)
    }
}

/// The operations that name a credential. Fails for one that the attacks could not drive.
pub(crate) fn attacked() -> Vec<Operation> {
    let tenants = |operation: &Operation| operation.plane().as_deref() == Some("bearer");
    let mut all: Vec<Operation> = Operation::all().into_iter().filter(tenants).collect();
    all.retain(|operation| !NAME_NONE.contains(&operation.name.as_str()));
    for operation in &all {
        let Operation { name, path, .. } = operation;
        let names = operation.takes("credentialId") || path.starts_with("/credentials/{id}");
        assert!(names, "{name} names no credential in a way that the attacks know: teach them");
        let variables = path.matches('{').count();
        assert!(
            variables == path.matches("{id}").count() && variables <= 1,
            "{name}: teach the attacks its path"
        );
        assert_eq!(operation.strange(), [""; 0], "{name}: teach the attacks what it needs");
    }
    assert!(all.len() >= 11);
    all
}

/// The methods that reach an operation.
fn methods(operation: &Operation) -> Vec<&str> {
    let method = operation.method.as_str();
    if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] }
}

/// A contact of the credential, as its list shows it.
async fn contact(testbed: &Testbed, key: &str, credential: &str) -> String {
    let list = testbed.send("GET", &format!("/crm/contacts?credentialId={credential}"), key, None).await;
    list.json()["contacts"][0]["id"].as_str().unwrap().to_owned()
}

async fn two_tenants(testbed: &Testbed) -> (Tenant, Tenant) {
    (testbed.tenant("mine").await, testbed.tenant("theirs").await)
}

#[tokio::test]
async fn a_credential_that_is_foreign_outside_the_list_or_unknown_is_one_answer_and_no_call() {
    let testbed = Testbed::open().await;
    let (mine, theirs) = two_tenants(&testbed).await;
    let outside = testbed.more(&mine, "aptly").await;
    let removed = testbed.more(&mine, "pipeline").await;
    let whole = testbed.key(&mine, &Scope::ALL, None).await;
    let own = [mine.credentials[0].as_str(), mine.credentials[1].as_str()];
    let listed = testbed.key(&mine, &Scope::ALL, Some(&[own[0], own[1], &removed])).await;
    assert_eq!(testbed.send("DELETE", &format!("/credentials/{removed}"), &whole, None).await.status, 204);
    let contact = contact(&testbed, &whole, own[0]).await;
    let before = testbed.calls();
    for operation in attacked() {
        for method in methods(&operation) {
            let aim = |credential| Aim { credential, contact: &contact };
            let unknown = aim("cred_nobody").answer(&testbed, &operation, method, &listed).await;
            assert_eq!(unknown.status, 404, "{}: {}", operation.name, unknown.text);
            if method != "HEAD" {
                assert_eq!(unknown.code(), "credential_not_found", "{}", operation.name);
            }
            for key in [&whole, &listed] {
                for id in [&theirs.credentials[0], &theirs.credentials[1], &removed] {
                    let answer = aim(id).answer(&testbed, &operation, method, key).await;
                    assert_eq!(answer, unknown, "{} {id}", operation.name);
                }
            }
            let answer = aim(&outside).answer(&testbed, &operation, method, &listed).await;
            assert_eq!(answer, unknown, "{} outside of the key's list", operation.name);
        }
    }
    assert_eq!(testbed.calls(), before, "something was sent to a CRM");
}

#[tokio::test]
async fn a_malformed_credential_is_refused_and_no_call() {
    let testbed = Testbed::open().await;
    let (mine, theirs) = two_tenants(&testbed).await;
    let key = testbed.key(&mine, &Scope::ALL, None).await;
    let foreign = &theirs.credentials[0];
    let long = "x".repeat(1500);
    let (upper, blank, cut) =
        (foreign.to_uppercase(), format!("{foreign}%20"), &foreign[..foreign.len() - 1]);
    let encoded: String = foreign.bytes().fold(String::new(), |out, byte| out + &format!("%{byte:02x}"));
    let doubled = format!("{foreign}&credentialId={}", mine.credentials[0]);
    let aliased = format!("{foreign}&connectionId={}", mine.credentials[0]);
    let before = testbed.calls();
    for operation in attacked() {
        let in_query = operation.takes("credentialId");
        let malformed = [
            "%00",
            "%ff",
            "%2e%2e",
            "%2e%2e%2f",
            "'%20OR%201=1--",
            "*",
            "%25",
            &long,
            &upper,
            &blank,
            cut,
            &encoded,
        ];
        let twice = [doubled.as_str(), aliased.as_str()];
        let is_single = in_query && !operation.asks_several();
        for credential in malformed.into_iter().chain(twice.into_iter().filter(|_| is_single)) {
            let aim = Aim { credential, contact: "abc123" };
            let answer = aim.answer(&testbed, &operation, &operation.method, &key).await;
            let refused = matches!(answer.code().as_str(), "credential_not_found" | "invalid_parameter");
            assert!(refused, "{} {credential}: {} {}", operation.name, answer.status, answer.text);
        }
    }
    assert_eq!(testbed.calls(), before, "something was sent to a CRM");
}

#[tokio::test]
async fn the_attacks_reach_every_operation() {
    let testbed = Testbed::open().await;
    let mine = testbed.tenant("mine").await;
    let key = testbed.key(&mine, &Scope::ALL, None).await;
    for operation in attacked() {
        // Each on credentials of its own: some of them end it.
        for provider in ["aptly", "pipeline"] {
            let credential = testbed.more(&mine, provider).await;
            let contact = contact(&testbed, &key, &credential).await;
            let aim = Aim { credential: &credential, contact: &contact };
            let body = operation.body_for(provider);
            let (uri, _) = aim.uri(&operation);
            let answer = testbed.send(&operation.method, &uri, &key, body.as_deref()).await;
            let code = answer.code();
            let driven = !NOT_DRIVEN.contains(&code.as_str()) && code != "credential_not_found";
            assert!(driven, "{} was not driven: {}", operation.name, answer.text);
        }
    }
}

#[tokio::test]
async fn a_contact_of_another_credential_is_an_unknown_one_and_no_call() {
    let testbed = Testbed::open().await;
    let (mine, theirs) = two_tenants(&testbed).await;
    let (my_key, their_key) =
        (testbed.key(&mine, &Scope::ALL, None).await, testbed.key(&theirs, &Scope::ALL, None).await);
    let on_contacts = |operation: &Operation| operation.path.starts_with("/crm/contacts/{id}");
    let operations: Vec<Operation> = attacked().into_iter().filter(on_contacts).collect();
    for (at, credential) in mine.credentials.iter().enumerate() {
        let foreign = contact(&testbed, &their_key, &theirs.credentials[at]).await;
        let sideways = contact(&testbed, &my_key, &mine.credentials[1 - at]).await;
        let before = testbed.calls();
        for operation in &operations {
            let ask = async |contact: &str| {
                Aim { credential, contact }.answer(&testbed, operation, &operation.method, &my_key).await
            };
            let unknown = ask("con_nobody").await;
            // What a CRM cannot do at all is said before any look at the id.
            assert!(matches!(unknown.code().as_str(), "contact_not_found" | "operation_unsupported"));
            for id in [foreign.as_str(), &sideways, "con_", "a%2fb", "%2e%2e", "con_%00"] {
                assert_eq!(ask(id).await, unknown, "{} {id}", operation.name);
            }
        }
        assert_eq!(testbed.calls(), before, "something was sent to a CRM");
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_does_not_open_and_no_call() {
    let testbed = Testbed::open().await;
    let (mine, theirs) = two_tenants(&testbed).await;
    let (my_key, their_key) =
        (testbed.key(&mine, &Scope::ALL, None).await, testbed.key(&theirs, &Scope::ALL, None).await);
    let tenants = |operation: &Operation| operation.plane().as_deref() == Some("bearer");
    let mut lists = 0;
    // An export is streamed and has no page size; its checkpoints are tested with it.
    let has_pages = |one: &Operation| one.takes("cursor") && one.takes("pageSize");
    for operation in Operation::all().into_iter().filter(tenants).filter(has_pages) {
        lists += 1;
        for at in 0..2 {
            let uri = |tenant: &Tenant| {
                let scope = operation
                    .takes("credentialId")
                    .then(|| format!("credentialId={}&", tenant.credentials[at]));
                format!("{}?{}pageSize=1", operation.path, scope.unwrap_or_default())
            };
            let page = testbed.send(&operation.method, &uri(&theirs), &their_key, None).await.json();
            let cursor = page["nextCursor"].as_str().or(page["pageInfo"]["nextCursor"].as_str());
            let cursor =
                cursor.unwrap_or_else(|| panic!("{} gave no cursor: {page}", operation.name)).to_owned();
            let theirs_goes_on = format!("{}&cursor={cursor}", uri(&theirs));
            assert_eq!(testbed.send(&operation.method, &theirs_goes_on, &their_key, None).await.status, 200);
            let before = testbed.calls();
            let ask = async |cursor: &str| {
                let uri = format!("{}&cursor={cursor}", uri(&mine));
                testbed.send(&operation.method, &uri, &my_key, None).await
            };
            let garbage = ask("garbage").await;
            assert_eq!(garbage.code(), "invalid_parameter", "{}: {}", operation.name, garbage.text);
            assert_eq!(ask(&cursor).await, garbage, "{}", operation.name);
            assert_eq!(testbed.calls(), before, "something was sent to a CRM");
        }
    }
    assert!(lists >= 2);
}

#[tokio::test]
async fn a_list_of_credentials_shows_ones_own_within_the_keys_list() {
    let testbed = Testbed::open().await;
    let (mine, _) = two_tenants(&testbed).await;
    let first = mine.credentials[0].as_str();
    let shown = async |key: &str| {
        let list = testbed.send("GET", "/credentials", key, None).await.json();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["credentialId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut all = shown(&testbed.key(&mine, &Scope::ALL, None).await).await;
    all.sort();
    let mut own = mine.credentials.to_vec();
    own.sort();
    assert_eq!(all, own);
    let limited = testbed.key(&mine, &Scope::ALL, Some(&[first])).await;
    assert_eq!(shown(&limited).await, [first]);
    let body = Operation::all().into_iter().find(|one| one.name == "POST /credentials").unwrap().body();
    let answer = testbed.send("POST", "/credentials?verify=false", &limited, body.as_deref()).await;
    assert_eq!(answer.code(), "insufficient_scope", "a key with a list adds none");
}
