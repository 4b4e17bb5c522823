//! The pipeline CRM by e-mail and password: one login for many calls, another when the token ends, never a word of it.

#![expect(clippy::unwrap_used, reason = "shared pieces of tests fail as tests do")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contacts_gateway::adapters::spec;
use contacts_gateway::domain::{Effect, Failure, FailureKind, RawJson, Result};
use contacts_gateway::gateway::ListingRequest;
use contacts_gateway::gateway::contacts::PageStart;
use contacts_gateway::gateway::credentials::{CredentialDraft, CredentialPatch};
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::account::{Account, hurried};
use crate::support::canned::Canned;
use crate::test_gateway::{TestGateway, soon};

const EMAIL: &str = "user1@example.com";
const PASSWORD: &str = "demo-pipeline-password";
const LOGIN: &str = "/api/auth/login";

async fn crm(people: usize) -> Running {
    PipelineSimulator::start(PipelineOptions { people, ..PipelineOptions::empty() }).await.unwrap()
}

async fn link(gateway: &Arc<TestGateway>, base_url: &str, password: &str, verify: bool) -> Result<Account> {
    let settings = json!({ "baseUrl": base_url, "defaultRegion": "US", "allowDelete": true });
    let draft = CredentialDraft {
        provider: "pipeline".into(),
        name: "by login".into(),
        settings: RawJson::from_validated(settings.to_string().into()),
        secret: json!({ "email": EMAIL, "password": password }).to_string().into(),
    };
    let made = gateway.credentials.create(&soon(), &gateway.caller, draft, verify).await?;
    Ok(Account { gateway: Arc::clone(gateway), credential: made.id, spec: spec("pipeline").unwrap() })
}

/// An account that has not been logged in to yet.
async fn account(crm: &Running) -> Account {
    link(&TestGateway::open().await, &crm.base_url(), PASSWORD, false).await.unwrap()
}

fn logins(crm: &Running) -> usize {
    crm.journal().calls_to("POST", LOGIN).len()
}

fn ada() -> Value {
    json!({ "firstName": "Ada", "lastName": "Byron", "phoneNumbers": [{ "phoneNumber": "+14165550277" }] })
}

#[tokio::test]
async fn one_login_serves_every_operation() {
    let crm = crm(5).await;
    let account = account(&crm).await;
    assert_eq!(account.page(1, 3).await.unwrap().contacts.len(), 3);
    assert_eq!(account.count(&[]).await.unwrap(), 5);
    let made = account.create(ada()).await.unwrap();
    account.get(&made.id).await.unwrap();
    account.update(&made.id, json!({ "lastName": "Lovelace" })).await.unwrap();
    account.delete(&made.id).await.unwrap();
    assert_eq!((crm.contacts().len(), crm.writes().len(), logins(&crm)), (5, 3, 1));
    let calls = crm.calls();
    assert_eq!(calls[0].path, LOGIN);
    // The login bears no token; every other call bears its.
    let tokens: BTreeSet<_> = calls[1..].iter().map(|call| call.token.clone().unwrap()).collect();
    assert_eq!((calls[0].token.as_ref(), tokens.len()), (None, 1));
}

#[tokio::test]
async fn many_first_callers_share_one_login_and_it_outlives_the_reading_anew_of_the_credential() {
    let crm = crm(5).await;
    let account = account(&crm).await;
    let pages = join_all((0..20).map(|_| account.page(1, 3))).await;
    assert!(pages.iter().all(Result::is_ok));
    assert_eq!(logins(&crm), 1);
    // Longer than the gateway uses a credential that it has read.
    tokio::time::sleep(Duration::from_millis(3300)).await;
    account.page(1, 3).await.unwrap();
    assert_eq!(logins(&crm), 1);
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_once_for_twenty_callers() {
    let crm = crm(5).await;
    let account = account(&crm).await;
    account.page(1, 3).await.unwrap();
    crm.revoke("session-1-of-user-1");
    crm.journal().clear();
    let pages = join_all((0..20).map(|_| account.page(1, 3))).await;
    assert!(pages.iter().all(Result::is_ok));
    assert_eq!(logins(&crm), 1);
    let refused = crm.calls().iter().filter(|call| call.status == Some(401)).count();
    assert!((1..=20).contains(&refused), "{refused}");
    assert_eq!(crm.calls().len(), 20 + refused + 1);
}

#[tokio::test]
async fn a_write_that_met_a_dead_token_is_done_once() {
    let crm = crm(0).await;
    let account = account(&crm).await;
    let expired = FaultKind::Status {
        code: 401,
        body: r#"{"error":"Invalid or expired token"}"#.into(),
        content_type: "application/json".into(),
        headers: vec![],
    };
    crm.fault(Fault::once(expired.clone()).on_writes());
    account.create(ada()).await.unwrap();
    assert_eq!((crm.contacts().len(), crm.writes().len(), logins(&crm)), (1, 1, 2));
    assert_eq!(crm.journal().calls_to("POST", "/api/contact").len(), 2);
    // A token that is refused although it is fresh is not the login's fault, and no reason for a third login.
    crm.journal().clear();
    crm.fault(Fault::always(expired).on("GET", "/api/contacts"));
    let failure = account.page(1, 3).await.err().unwrap();
    assert_eq!(failure.kind, FailureKind::UpstreamCredentialRejected);
    assert_eq!((crm.calls().len(), logins(&crm)), (1, 0));
}

#[tokio::test]
async fn a_wrong_password_is_refused_once_for_all_and_nothing_is_stored() {
    let (crm, gateway) = (crm(0).await, TestGateway::open().await);
    let refused = link(&gateway, &crm.base_url(), "wrong-canary", true).await.err().unwrap();
    assert_eq!(refused.kind, FailureKind::UpstreamCredentialRejected);
    assert_eq!(refused.upstream.as_ref().unwrap().status, Some(401));
    says_nothing(&refused);
    let credentials = &gateway.credentials;
    let page = ListingRequest { cursor: None, page_size: 10 };
    assert!(credentials.list(&gateway.caller, &page).await.unwrap().items.is_empty());

    // A CRM may lock a user out who mistypes too often.
    let account = link(&gateway, &crm.base_url(), "wrong-canary", false).await.unwrap();
    crm.journal().clear();
    for outcome in join_all((0..20).map(|_| account.create(ada()))).await {
        let failure = outcome.unwrap_err();
        assert_eq!(
            (&failure.kind, &failure.effect),
            (&FailureKind::UpstreamCredentialRejected, &Effect::None)
        );
    }
    assert_eq!(crm.calls().len(), 0, "it was refused when it was linked first");
    // A check waits too; whoever changes the secret need not.
    let checked = credentials.check(&soon(), &gateway.caller, &account.credential).await.unwrap();
    assert_eq!((checked.outcome.is_err(), logins(&crm)), (true, 0));
    let secret = json!({ "email": EMAIL, "password": PASSWORD }).to_string().into();
    let patch = CredentialPatch { secret: Some(secret), ..CredentialPatch::default() };
    credentials.update(&soon(), &gateway.caller, &account.credential, patch, true).await.unwrap();
    account.create(ada()).await.unwrap();
}

#[tokio::test]
async fn a_login_that_fails_has_written_nothing_and_repeats_nothing_of_the_answer() {
    for (status, body, kind) in [
        (400, "", FailureKind::UpstreamCredentialRejected),
        (403, "", FailureKind::UpstreamCredentialRejected),
        (422, "", FailureKind::UpstreamCredentialRejected),
        (200, r#"{"success":false,"message":"wrong-canary"}"#, FailureKind::UpstreamCredentialRejected),
        (200, r#"{"user":"wrong-canary"}"#, FailureKind::UpstreamInvalidResponse),
        (200, r#"{"token":17,"user":"wrong-canary"}"#, FailureKind::UpstreamInvalidResponse),
        (200, r#"{"token":"wrong-canary\n"}"#, FailureKind::UpstreamInvalidResponse),
        (200, "wrong-canary", FailureKind::UpstreamInvalidResponse),
        (302, "", FailureKind::UpstreamRedirected),
        (404, "", FailureKind::UpstreamError),
        (429, "", FailureKind::UpstreamRateLimited),
        (500, "", FailureKind::UpstreamError),
    ] {
        let crm = Canned::start().await;
        let echo = r#"{"error":"no user user1@example.com with wrong-canary"}"#;
        crm.tell("POST /api/auth/login", &[(status, if body.is_empty() { echo } else { body })]);
        let account = link(&TestGateway::open().await, &crm.base_url(), "wrong-canary", false).await.unwrap();
        let failure = account.create(ada()).await.unwrap_err();
        assert_eq!((failure.kind, &failure.effect), (kind, &Effect::None), "{status} {body}");
        assert_eq!(failure.upstream.as_ref().unwrap().status, Some(status));
        says_nothing(&failure);
        // After a complete 429 a login is sent once more.
        assert_eq!(crm.asked().len(), if status == 429 { 2 } else { 1 });
        let sent: Value = serde_json::from_str(&crm.asked()[0].body).unwrap();
        assert_eq!(sent, json!({ "email": EMAIL, "password": "wrong-canary" }));
    }
}

#[tokio::test]
async fn a_hurried_caller_gives_up_alone() {
    let crm = crm(5).await;
    let account = account(&crm).await;
    crm.fault(Fault::once(FaultKind::NeverAnswer).on("POST", LOGIN));
    let hurry = hurried();
    let (hurried, patient) =
        tokio::join!(account.list_within(&hurry, &[], PageStart::PageNumber(1), 3), async {
            while logins(&crm) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            account.page(1, 3).await
        });
    let failure = hurried.err().unwrap();
    assert_eq!((failure.kind, failure.effect), (FailureKind::UpstreamTimeout, Effect::None));
    patient.unwrap();
    assert_eq!(logins(&crm), 2);
}

#[tokio::test]
async fn a_token_that_the_crm_repeats_is_not_passed_on() {
    let crm = Canned::start().await;
    crm.tell("POST /api/auth/login", &[(200, r#"{"token":"canary-token-5f2b8d1c"}"#)]);
    crm.tell("GET /api/contacts", &[(401, r#"{"error":"Token canary-token-5f2b8d1c is dead"}"#)]);
    let account = link(&TestGateway::open().await, &crm.base_url(), "wrong-canary", false).await.unwrap();
    let failure = account.page(1, 3).await.err().unwrap();
    assert_eq!(failure.kind, FailureKind::UpstreamCredentialRejected);
    says_nothing(&failure);
}

fn says_nothing(failure: &Failure) {
    let all = format!("{failure:?} {}", failure.detail.as_str());
    assert!(!all.contains("canary") && !all.contains(EMAIL), "{all}");
}

#[tokio::test]
async fn a_password_that_the_crm_repeats_on_a_later_call_is_struck_out() {
    let crm = crm(0).await;
    let account = account(&crm).await;
    account.count(&[]).await.unwrap();
    let body = json!({ "message": format!("user {EMAIL} with {PASSWORD} may not") }).to_string();
    let fault =
        FaultKind::Status { code: 403, body, content_type: "application/json".to_owned(), headers: vec![] };
    crm.fault(Fault::once(fault));
    let failure = account.count(&[]).await.unwrap_err();
    assert!(failure.detail.contains("may not"), "{}", failure.detail.as_str());
    assert!(
        !failure.detail.contains(PASSWORD) && !failure.detail.contains(EMAIL),
        "{}",
        failure.detail.as_str()
    );
}
