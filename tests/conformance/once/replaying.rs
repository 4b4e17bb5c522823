//! What a key is good for the second time: the same answer, a refusal of another request, or a fresh start.

use contacts_gateway::domain::{Caller, FailureKind, Field, Scope, Scopes};
use contacts_gateway::simulators::{Disruption, Fault, FaultKind};
use serde_json::json;

use super::{all, code, got, next_write_meets, refused, someone, stage, status, writes_meet};
use crate::support::account::Account;
use crate::support::person::{ada, with};
use crate::test_gateway::{Link, soon};

#[tokio::test]
async fn a_replay_is_the_same_bytes_and_no_call() {
    for crm in all().await {
        let first = crm.keyed("k").create(ada()).await.unwrap();
        assert!(!first.replayed);
        let calls = crm.at.calls().len();
        for _ in 0..3 {
            let again = crm.keyed("k").create(ada()).await.unwrap();
            assert!(again.replayed);
            assert_eq!((again.status, &again.bytes), (first.status, &first.bytes));
        }
        assert_eq!((crm.at.calls().len(), crm.sent().len(), crm.at.contacts().len()), (calls, 1, 1));
        // Also where the person was changed or removed meanwhile.
        assert!(crm.at.take_out(first.remote_id()));
        assert_eq!(crm.keyed("k").create(ada()).await.unwrap().bytes, first.bytes);
        assert_eq!(crm.at.calls().len(), calls);
    }
}

#[tokio::test]
async fn another_request_under_the_key_is_refused_without_a_call() {
    for crm in all().await {
        let first = crm.keyed("k").create(ada()).await.unwrap();
        let calls = crm.at.calls().len();
        let link =
            Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings: json!({}), verify: false };
        let other = Account::link(&crm.gateway, crm.spec.provider.as_str(), link).await;
        let id = first.remote_id().to_owned();
        for outcome in [
            crm.keyed("k").create(with(ada(), &json!({ "firstName": "Augusta" }))).await,
            crm.keyed("k").strictly().create(ada()).await,
            crm.keyed("k").upsert(ada(), None).await,
            crm.keyed("k").update(&id, ada()).await,
            crm.keyed("k").delete(&id).await,
            other.keyed("k").create(ada()).await,
        ] {
            assert_eq!(refused(outcome).kind, FailureKind::IdempotencyKeyReused);
        }
        assert_eq!(crm.at.calls().len(), calls);
        // Another tenant's key of the same name is another key.
        let stranger = crm.gateway.tenant("second").await;
        let failure = refused(crm.keyed("k").by(stranger).create(ada()).await);
        assert_eq!(failure.kind, FailureKind::CredentialNotFound);
    }
}

#[tokio::test]
async fn our_own_refusals_free_the_key() {
    for crm in all().await {
        let account = crm.spec.provider.as_str();
        let nobody = with(ada(), &json!({ "lastName": "", "phoneNumbers": [], "emailAddresses": [] }));
        if crm.spec.fields.iter().any(|field| field.required) {
            assert_eq!(code(&crm.keyed("k").create(nobody).await), "validation_failed");
            assert_eq!(stage(&crm).await, None, "{account}");
        }
        let strict = with(ada(), &json!({ "addresses": [{ "city": "London" }] }));
        assert_eq!(code(&crm.keyed("k").strictly().create(strict).await), "validation_failed");
        assert_eq!(stage(&crm).await, None, "{account}");

        let in_the_way = someone(&crm, "Will", "King");
        let failure = refused(crm.keyed("k").create(ada()).await);
        assert_eq!((failure.kind, failure.candidates.len()), (FailureKind::ContactExists, 1));
        assert_eq!(stage(&crm).await, None, "{account}");
        assert!(crm.at.take_out(&in_the_way));
        crm.assert_nothing_sent();

        let throttled = FaultKind::TooManyRequests { retry_after: Some("60".into()) };
        for (fault, kind) in [
            (status(401), "upstream_credential_rejected"),
            (status(403), "upstream_permission_denied"),
            (FaultKind::Redirect { status: 302, location: "/elsewhere".into() }, "upstream_redirected"),
            (throttled, "upstream_rate_limited"),
        ] {
            let account = crm.afresh().await;
            writes_meet(&crm, fault);
            let outcome = account.keyed("k").create(ada()).await;
            assert_eq!(code(&outcome), kind);
            crm.at.faults().clear();
            let account = Account { gateway: account.gateway, ..crm.afresh().await };
            assert!(crm.at.contacts().is_empty());
            // Another body under the key tells that it is free.
            let failure = refused(account.keyed("k").create(json!({ "lastName": "" })).await);
            assert_ne!(failure.kind, FailureKind::IdempotencyKeyReused, "{kind}");
        }
    }
}

#[tokio::test]
async fn an_open_breaker_frees_the_key() {
    for crm in all().await {
        let account = crm.afresh().await;
        crm.at.fault(Fault::always(status(500)).on("GET", crm.world.list_path()));
        let mut codes = Vec::new();
        for _ in 0..8 {
            codes.push(code(&account.keyed("k").within(900).create(ada()).await));
        }
        assert_eq!(codes.last(), Some(&"upstream_circuit_open"), "{codes:?}");
        let failure = refused(account.keyed("k").create(with(ada(), &json!({ "firstName": "A" }))).await);
        assert_eq!(failure.kind, FailureKind::UpstreamCircuitOpen);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn the_crms_own_refusals_are_the_last_word() {
    for crm in all().await {
        for fault in [
            status(400),
            status(404),
            status(409),
            status(422),
            FaultKind::SuccessFalse { message: "Wrong".into() },
            FaultKind::SuccessFalse { message: "Contact already exists".into() },
        ] {
            let account = crm.afresh().await;
            let before = crm.sent().len();
            next_write_meets(&crm, fault.clone());
            let first = account.keyed("k").create(ada()).await.unwrap();
            assert_ne!(first.code(), "", "{fault:?}");
            let calls = crm.at.calls().len();
            let again = account.keyed("k").create(ada()).await.unwrap();
            assert_eq!((again.replayed, &again.bytes), (true, &first.bytes), "{fault:?}");
            let other = with(ada(), &json!({ "firstName": "Augusta" }));
            let failure = refused(account.keyed("k").create(other).await);
            assert_eq!(failure.kind, FailureKind::IdempotencyKeyReused);
            assert_eq!((crm.at.calls().len(), crm.sent().len()), (calls, before + 1), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_change_that_did_not_stick_is_the_last_word() {
    for crm in all().await {
        let id = someone(&crm, "Ada", "Byron");
        let field = crm.world.stored_name(Field::LastName);
        next_write_meets(&crm, FaultKind::Field(Disruption::dropping(field)));
        let change = || json!({ "lastName": "King" });
        let first = crm.keyed("k").update(&id, change()).await.unwrap();
        assert_eq!(first.code(), "upstream_did_not_apply");
        let calls = crm.at.calls().len();
        let again = crm.keyed("k").update(&id, change()).await.unwrap();
        assert_eq!((again.replayed, again.bytes, crm.at.calls().len()), (true, first.bytes, calls));
    }
}

#[tokio::test]
async fn a_write_that_runs_is_said_to_run() {
    for crm in all().await {
        next_write_meets(&crm, FaultKind::LateAnswer { ms: 1500 });
        let meanwhile = async {
            got(&crm, 1).await;
            let failure = refused(crm.keyed("k").create(ada()).await);
            assert_eq!(failure.kind, FailureKind::IdempotencyInProgress);
            assert!(failure.retry_after.is_some());
            let other = with(ada(), &json!({ "firstName": "Augusta" }));
            let failure = refused(crm.keyed("k").create(other).await);
            assert_eq!(failure.kind, FailureKind::IdempotencyKeyReused);
        };
        let (first, ()) = tokio::join!(crm.keyed("k").create(ada()), meanwhile);
        let again = crm.keyed("k").create(ada()).await.unwrap();
        assert_eq!((again.replayed, again.bytes), (true, first.unwrap().bytes));
        assert_eq!(crm.sent().len(), 1);
    }
}

#[tokio::test]
async fn a_replay_needs_the_right_that_the_write_needed() {
    for crm in all().await {
        crm.keyed("k").create(ada()).await.unwrap();
        let reader = Caller { scopes: Scopes::new(&[Scope::ContactsRead]), ..crm.gateway.caller.clone() };
        let failure = refused(crm.keyed("k").by(reader).create(ada()).await);
        assert_eq!(failure.kind, FailureKind::InsufficientScope);
        let elsewhere = Caller { credentials: Some(Vec::new()), ..crm.gateway.caller.clone() };
        let failure = refused(crm.keyed("k").by(elsewhere).create(ada()).await);
        assert_eq!(failure.kind, FailureKind::CredentialNotFound);
        let credentials = &crm.gateway.credentials;
        credentials.delete(&soon(), &crm.gateway.caller, &crm.credential).await.unwrap();
        let failure = refused(crm.keyed("k").create(ada()).await);
        assert_eq!(failure.kind, FailureKind::CredentialNotFound);
    }
}
