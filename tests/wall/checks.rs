//! A credential at a CRM that hangs: its requests and checks leave capacity for the tenant's other keys.

use std::sync::Arc;
use std::time::Duration;

use contacts_gateway::domain::Scope;
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use serde_json::json;
use tokio::task::JoinSet;

use crate::reply::Reply;
use crate::testbed::Testbed;

/// One request of the attack.
struct Attack {
    method: &'static str,
    uri: String,
    body: Option<String>,
}

/// A CRM that never answers, and what the attack sends there.
struct Hung {
    testbed: Arc<Testbed>,
    crm: Running,
    key: String,
    credential: String,
    /// Another key and credential of the same tenant, at a CRM that answers.
    other: (String, String),
}

impl Hung {
    async fn new() -> Self {
        let (testbed, crm) = (
            Arc::new(Testbed::open().await),
            PipelineSimulator::start(PipelineOptions::empty()).await.unwrap(),
        );
        let tenant = testbed.tenant("one").await;
        let whole = testbed.key(&tenant, &Scope::ALL, None).await;
        let credential = testbed.at_pipeline(&whole, &crm.base_url(), json!({ "token": crm.token() })).await;
        let other = tenant.credentials[1].clone();
        let other = (testbed.key(&tenant, &Scope::ALL, Some(&[&other])).await, other);
        crm.fault(Fault::always(FaultKind::NeverAnswer));
        Self { testbed, crm, key: whole, credential, other }
    }

    /// Sends `attack` 70 times at once. Returns the attacks with an immediate response, and whether the other key is served
    /// meanwhile.
    async fn under(&self, attack: impl Fn(usize) -> Attack) -> (Vec<Reply>, Reply) {
        let mut all = JoinSet::new();
        for number in 0..70 {
            let (testbed, key, Attack { method, uri, body }) =
                (self.testbed.clone(), self.key.clone(), attack(number));
            all.spawn(async move { testbed.send(method, &uri, &key, body.as_deref()).await });
        }
        // All requests that do not wait for the CRM have a response by now: the wait for a place is at most 250 ms.
        let mut refused = Vec::new();
        while let Ok(Some(answer)) = tokio::time::timeout(Duration::from_secs(4), all.join_next()).await {
            refused.push(answer.unwrap());
        }
        let (key, credential) = &self.other;
        let uri = format!("/crm/contacts?credentialId={credential}");
        (refused, self.testbed.send("GET", &uri, key, None).await)
    }

    async fn leaves_places(&self, attack: impl Fn(usize) -> Attack, most_sent: usize) {
        let (refused, served) = self.under(attack).await;
        assert_eq!(served.status, 200, "{}", served.text);
        assert!(refused.len() >= 70 - 32, "{} were refused", refused.len());
        for answer in &refused {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (429, "too_many_concurrent_requests"),
                "{}",
                answer.text
            );
        }
        let sent = self.crm.calls().len();
        assert!((1..=most_sent).contains(&sent), "{sent} reached the CRM");
    }
}

#[tokio::test]
async fn seventy_checks_at_a_crm_that_hangs_leave_places_for_the_other_keys() {
    let hung = Hung::new().await;
    let uri = format!("/credentials/{}/check", hung.credential);
    hung.leaves_places(|_| Attack { method: "POST", uri: uri.clone(), body: None }, 16).await;
}

#[tokio::test]
async fn seventy_writes_on_one_contact_leave_places_for_the_other_keys() {
    let hung = Hung::new().await;
    let uri = format!("/crm/contacts/1234?credentialId={}", hung.credential);
    let body = || Some(json!({ "lastName": "Byron" }).to_string());
    hung.leaves_places(|_| Attack { method: "PATCH", uri: uri.clone(), body: body() }, 1).await;
}

#[tokio::test]
async fn seventy_new_credentials_at_a_crm_that_hangs_leave_places_for_the_other_keys() {
    let hung = Hung::new().await;
    let attack = |number| {
        let body = json!({ "provider": "pipeline", "name": format!("new {number}"),
            "settings": { "baseUrl": hung.crm.base_url() }, "secret": { "token": "any" } });
        Attack { method: "POST", uri: "/credentials".to_owned(), body: Some(body.to_string()) }
    };
    hung.leaves_places(attack, 16).await;
}

#[tokio::test]
async fn seventy_changed_secrets_at_a_crm_that_hangs_leave_places_for_the_other_keys() {
    let hung = Hung::new().await;
    let uri = format!("/credentials/{}", hung.credential);
    let body = |number| Some(json!({ "secret": { "token": format!("any {number}") } }).to_string());
    hung.leaves_places(|number| Attack { method: "PATCH", uri: uri.clone(), body: body(number) }, 16).await;
}
