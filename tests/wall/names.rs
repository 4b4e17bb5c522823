//! Names and ids reveal nothing to callers who may not know them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use contacts_gateway::auth::Issuers;
use contacts_gateway::config::{JwtAlgorithm, JwtIssuer, JwtKeys};
use contacts_gateway::domain::{CredentialId, Result, Scope, TenantId};
use contacts_gateway::store::{
    After, CheckRecord, CredentialRecord, CredentialStore, Store, TenantRecord, now,
};
use contacts_gateway::upstream::AllowList;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use crate::isolation::{Aim, attacked};
use crate::operations::Operation;
use crate::test_gateway::{Setup, admin};
use crate::testbed::Testbed;

const ISSUER: &str = "https://login.example.com";
const SECRET: &str = "a secret of an issuer, longer than 32 characters";

#[tokio::test]
async fn a_key_limited_to_a_list_cannot_ask_for_names_by_taking_them() {
    let testbed = Testbed::open().await;
    let mine = testbed.tenant("mine").await;
    let all = testbed.key(&mine, &Scope::ALL, None).await;
    let rename = |id: &str, name: &str| (format!("/credentials/{id}"), json!({ "name": name }).to_string());
    let [first, second] = &mine.credentials;
    let (uri, taken) = rename(second, "the other's name");
    assert_eq!(testbed.send("PATCH", &uri, &all, Some(&taken)).await.status, 200);
    let limited = testbed.key(&mine, &Scope::ALL, Some(&[first])).await;
    for name in ["the other's name", "a free name"] {
        for (id, code) in [
            (first.as_str(), "insufficient_scope"),
            (second, "credential_not_found"),
            ("cred_nobody", "credential_not_found"),
        ] {
            let (uri, body) = rename(id, name);
            let answer = testbed.send("PATCH", &uri, &limited, Some(&body)).await;
            assert_eq!(answer.code(), code, "{}", answer.text);
        }
        let create = Operation::all().into_iter().find(|one| one.name == "POST /credentials").unwrap();
        let mut body: serde_json::Value = serde_json::from_str(&create.body().unwrap()).unwrap();
        body["name"] = json!(name);
        let body = body.to_string();
        let answer = testbed.send("POST", "/credentials?verify=false", &limited, Some(&body)).await;
        assert_eq!((answer.status, &*answer.code()), (403, "insufficient_scope"), "{}", answer.text);
    }
    // Changes that do not involve a name are still allowed.
    let answer =
        testbed.send("PATCH", &format!("/credentials/{first}"), &limited, Some(r#"{"settings":{}}"#)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (uri, free) = rename(first, "a free name");
    assert_eq!(testbed.send("PATCH", &uri, &all, Some(&free)).await.status, 200, "others may rename");
}

/// Records the database's credential queries, with tenant and credential.
static ASKED: Mutex<Vec<(&str, String, String)>> = Mutex::new(Vec::new());

fn note(what: &'static str, tenant: &TenantId, id: &str) {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    asked.push((what, tenant.as_str().to_owned(), id.to_owned()));
}

struct Watched(Arc<dyn CredentialStore>);

#[async_trait]
impl CredentialStore for Watched {
    async fn insert(&self, credential: &CredentialRecord) -> Result<()> {
        self.0.insert(credential).await
    }
    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> Result<Option<CredentialRecord>> {
        note("get", tenant, id.as_str());
        self.0.get(tenant, id).await
    }
    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<CredentialRecord>> {
        note("list", tenant, "");
        self.0.list(tenant, after, limit).await
    }
    async fn update(&self, credential: &CredentialRecord) -> Result<bool> {
        note("update", &credential.tenant, credential.id.as_str());
        self.0.update(credential).await
    }
    async fn note_check(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<()> {
        note("check", tenant, id.as_str());
        self.0.note_check(tenant, id, revision, check).await
    }
    async fn note_change(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<bool> {
        // Not noted: it is the work of an earlier request, of the credential's owner.
        self.0.note_change(tenant, id, revision, check).await
    }
    async fn delete(&self, tenant: &TenantId, id: &CredentialId) -> Result<bool> {
        note("delete", tenant, id.as_str());
        self.0.delete(tenant, id).await
    }
}

#[tokio::test]
async fn a_foreign_credential_costs_the_same_work_as_an_unknown_one() {
    let watch = |store: &mut Store| store.credentials = Arc::new(Watched(store.credentials.clone()));
    let testbed = Testbed::with(Setup { watch, ..Setup::default() }).await;
    let (mine, theirs) = (testbed.tenant("mine").await, testbed.tenant("theirs").await);
    let (key, their_key) =
        (testbed.key(&mine, &Scope::ALL, None).await, testbed.key(&theirs, &Scope::ALL, None).await);
    for operation in attacked() {
        let mut works = Vec::new();
        let foreign = testbed.more(&theirs, "aptly").await;
        // Its owner uses it, so that all its cache entries exist.
        testbed.send("GET", &format!("/crm/contacts?credentialId={foreign}"), &their_key, None).await;
        let unknown: String = foreign[..foreign.len() - 4].to_owned() + "zzzz";
        for id in [foreign, unknown] {
            ASKED.lock().unwrap_or_else(PoisonError::into_inner).clear();
            for _ in 0..2 {
                let (uri, _) = Aim { credential: &id, contact: "con_nobody" }.uri(&operation);
                let answer = testbed.send(&operation.method, &uri, &key, operation.body().as_deref()).await;
                assert_eq!(answer.code(), "credential_not_found", "{}: {}", operation.name, answer.text);
            }
            let asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
            let asked: Vec<_> =
                asked.iter().filter(|(_, _, of)| *of == id || of.is_empty()).cloned().collect();
            assert!(!asked.is_empty(), "{}", operation.name);
            assert!(asked.iter().all(|(_, tenant, _)| tenant == mine.id().as_str()), "{asked:?}");
            works.push(asked.into_iter().map(|(what, _, _)| what).collect::<Vec<_>>());
        }
        assert_eq!(works[0], works[1], "{}", operation.name);
    }
}

fn token(tenant: &str) -> String {
    let iat = now().as_second();
    let claims = json!({ "iss": ISSUER, "aud": "gateway", "iat": iat, "exp": iat + 600, "tenant": tenant,
        "scope": "credentials:read" });
    let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_tenants_name_never_stands_for_anothers_id() {
    let configured = [JwtIssuer {
        issuer: ISSUER.to_owned(),
        audience: "gateway".to_owned(),
        algorithms: vec![JwtAlgorithm::Hs256],
        keys: JwtKeys::Secret(SECRET.into()),
        tenant_claim: "tenant".to_owned(),
        scope_claim: "scope".to_owned(),
        max_lifetime: Duration::from_hours(1),
        origin: contacts_gateway::config::SettingOrigin::Default,
    }];
    let issuers = Issuers::new(&configured, &AllowList::default()).ok().unwrap();
    let testbed = Testbed::with(Setup { issuers, ..Setup::default() }).await;
    let victim = testbed.tenant("victim").await;
    let id = victim.id().as_str().to_owned();
    for name in [id.as_str(), "ten_", " ten_x ", "ten_0192f0c1"] {
        let body = json!({ "name": name }).to_string();
        let answer = testbed.send("POST", "/admin/tenants", &admin(), Some(&body)).await;
        assert_eq!((answer.status, &*answer.code()), (422, "validation_failed"), "{name}: {}", answer.text);
        assert_eq!(answer.places(), ["/name"]);
    }
    // A tenant that was created before such names were refused.
    let squatter = TenantRecord { id: "ten_squatter".into(), name: id.as_str().into(), created_at: now() };
    testbed.store.tenants.insert(&squatter).await.unwrap();
    let taken = |answer: crate::reply::Reply| answer.status == 200;
    assert!(taken(testbed.send("GET", "/credentials", &token(&id), None).await), "the id of one who is here");
    let shown = testbed.send("GET", "/credentials", &token(&id), None).await.json();
    assert_eq!(shown["items"].as_array().unwrap().len(), 2, "the victim's own: {shown}");
    let removed = testbed.send("DELETE", &format!("/admin/tenants/{id}"), &admin(), None).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    let answer = testbed.send("GET", "/credentials", &token(&id), None).await;
    assert_eq!((answer.status, &*answer.code()), (401, "unauthenticated"), "{}", answer.text);
    assert!(
        testbed.gateway.tenants.find(&id).await.is_err(),
        "the operator's commands meet the name no more"
    );
    assert!(testbed.gateway.tenants.find(&format!(" {id} ")).await.is_err());
    assert!(
        taken(testbed.send("GET", "/credentials", &token("ten_squatter"), None).await),
        "by its id it is here"
    );
}
