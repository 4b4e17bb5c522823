//! A login that the CRM refuses: no caller can cause so many attempts that the CRM locks its user out.

use std::time::Instant;

use contacts_gateway::domain::Scope;
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::canned::Canned;
use crate::reply::Reply;
use crate::testbed::Testbed;

const EMAIL: &str = "user1@example.com";

/// A credential with a login at `base_url`, and its tenant's key.
struct Account {
    testbed: Testbed,
    key: String,
    credential: String,
    base_url: String,
}

impl Account {
    async fn new(base_url: String, password: &str) -> Self {
        let testbed = Testbed::open().await;
        let key = testbed.key(&testbed.tenant("one").await, &Scope::ALL, None).await;
        let secret = json!({ "email": EMAIL, "password": password });
        let credential = testbed.at_pipeline(&key, &base_url, secret).await;
        Self { testbed, key, credential, base_url }
    }

    async fn check(&self) -> Reply {
        let uri = format!("/credentials/{}/check", self.credential);
        self.testbed.send("POST", &uri, &self.key, None).await
    }

    async fn list(&self) -> Reply {
        let uri = format!("/crm/contacts?credentialId={}", self.credential);
        self.testbed.send("GET", &uri, &self.key, None).await
    }

    async fn patch(&self, body: Value) -> Reply {
        let uri = format!("/credentials/{}", self.credential);
        self.testbed.send("PATCH", &uri, &self.key, Some(&body.to_string())).await
    }

    async fn add(&self, name: &str, password: &str) -> Reply {
        let body = json!({ "provider": "pipeline", "name": name, "settings": { "baseUrl": self.base_url },
            "secret": { "email": EMAIL, "password": password } });
        self.testbed.send("POST", "/credentials", &self.key, Some(&body.to_string())).await
    }
}

/// How many logins are allowed by now, at one per so many seconds: 1, unless the machine is very slow.
fn after(began: Instant, seconds: u64) -> usize {
    1 + usize::try_from(began.elapsed().as_secs() / seconds).unwrap()
}

#[tokio::test]
async fn a_hundred_checks_with_a_refused_password_are_one_login() {
    let crm = PipelineSimulator::start(PipelineOptions::empty()).await.unwrap();
    let (account, began) = (Account::new(crm.base_url(), "wrong").await, Instant::now());
    for _ in 0..10 {
        // At most as many at once as a credential allows.
        for answer in join_all((0..10).map(|_| account.check())).await {
            assert_eq!(answer.json()["ok"], false, "{}", answer.text);
            assert_eq!(answer.json()["problem"]["code"], "upstream_credential_rejected", "{}", answer.text);
        }
    }
    let logins = || crm.journal().calls_to("POST", "/api/auth/login").len();
    assert_eq!(logins(), after(began, 30));
    // A call or a change of something else does not end the pause.
    for region in ["US", "CA", "US"] {
        assert_eq!(account.patch(json!({ "settings": { "defaultRegion": region } })).await.status, 200);
        assert_eq!(account.list().await.code(), "upstream_credential_rejected");
        let same = json!({ "secret": { "email": EMAIL, "password": "wrong" } });
        assert_eq!(account.patch(same).await.code(), "upstream_credential_rejected");
        assert_eq!(account.add(region, "wrong").await.code(), "upstream_credential_rejected");
    }
    assert_eq!(logins(), after(began, 30));
    // The right password is tried at once.
    let right = json!({ "secret": { "email": EMAIL, "password": PipelineOptions::empty().password } });
    assert_eq!(account.patch(right).await.status, 200);
    let before = logins();
    assert_eq!(account.list().await.status, 200);
    assert_eq!(logins(), before, "the session of the check serves the calls");
}

#[tokio::test]
async fn passwords_tried_one_after_another_are_five_logins_a_minute() {
    let crm = PipelineSimulator::start(PipelineOptions::empty()).await.unwrap();
    let account = Account::new(crm.base_url(), "wrong").await;
    let mut codes = Vec::new();
    for number in 0..10 {
        let secret = json!({ "email": EMAIL, "password": format!("wrong {number}") });
        codes.push(account.patch(json!({ "secret": secret })).await.code());
        codes.push(account.add(&format!("new {number}"), &format!("wrong as well {number}")).await.code());
    }
    assert_eq!(crm.journal().calls_to("POST", "/api/auth/login").len(), 5, "{codes:?}");
    assert_eq!(codes[..5], ["upstream_credential_rejected"; 5]);
    assert_eq!(codes[5..], ["rate_limited"; 15]);
}

#[tokio::test]
async fn a_crm_that_takes_every_login_and_refuses_every_token_is_logged_in_to_once_in_ten_seconds() {
    let crm = Canned::start().await;
    crm.tell("POST /api/auth/login", &[(200, r#"{"token":"no-token-is-good"}"#)]);
    for path in ["GET /api/contacts", "GET /api/auth/verify-token"] {
        crm.tell(path, &[(401, r#"{"error":"Invalid or expired token"}"#)]);
    }
    let (account, began) = (Account::new(crm.base_url(), "any").await, Instant::now());
    for round in 0..20 {
        assert_eq!(account.list().await.code(), "upstream_credential_rejected");
        assert_eq!(account.check().await.json()["ok"], false);
        assert_eq!(account.patch(json!({ "settings": { "defaultRegion": "US" } })).await.status, 200);
        assert_eq!(account.add(&format!("new {round}"), "any").await.code(), "upstream_credential_rejected");
    }
    let logins = crm.asked().iter().filter(|asked| asked.path == "/api/auth/login").count();
    assert_eq!(logins, after(began, 10));
}
