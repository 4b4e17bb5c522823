//! The rates that Aptly publishes, and how credentials share them.

use std::time::{Duration, Instant};

use contacts_gateway::domain::{Effect, FailureKind};
use contacts_gateway::gateway::contacts::{ExportPart, ExportRequest};
use contacts_gateway::simulators::aptly::AptlyOptions;
use serde_json::{Value, json};

use super::start;
use crate::dependable::{list, refused, within};
use crate::support::account::{Account, query};
use crate::support::crm::Crm;
use crate::test_gateway::{Link, soon};

/// An Aptly that counts as the real one does, so that one call too many is a 429 in its journal.
async fn counting_aptly(settings: Value) -> (Crm, Account) {
    let pace = AptlyOptions::default().pace;
    let crm = start(AptlyOptions { pace, ..AptlyOptions::empty() }, json!({})).await;
    let account = crm.paced(settings).await;
    (crm, account)
}

#[tokio::test]
async fn the_call_beyond_the_published_rate_waits_or_is_refused_at_once() {
    let (crm, account) = counting_aptly(json!({})).await;
    let began = Instant::now();
    for _ in 0..20 {
        list(&account, &within(5000)).await.unwrap();
    }
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "{:?}: too slow a machine to see it",
        began.elapsed()
    );
    let failure = refused(&account, &within(40)).await;
    assert_eq!((failure.kind, failure.effect), (FailureKind::RateLimited, Effect::None));
    assert!(failure.retry_after.unwrap() <= Duration::from_millis(1050));
    assert_eq!(crm.at.calls().len(), 20, "nothing was sent");
    list(&account, &within(5000)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(crm.at.calls().iter().all(|call| call.status == Some(200)));
}

#[tokio::test]
async fn a_share_and_a_group_narrow_what_a_credential_may_send() {
    let (crm, half) = counting_aptly(json!({ "rateLimitShare": 0.1, "rateLimitGroup": "company" })).await;
    let link =
        |settings| Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings, verify: false };
    let same = json!({ "rateLimitShare": 0.1, "rateLimitGroup": "company" });
    let mate = Account::link(&half.gateway, "aptly", link(same)).await;
    let stranger = Account::link(&half.gateway, "aptly", link(json!({ "rateLimitGroup": "other" }))).await;
    list(&half, &within(200)).await.unwrap();
    list(&mate, &within(200)).await.unwrap();
    for account in [&half, &mate] {
        assert_eq!(refused(account, &within(40)).await.kind, FailureKind::RateLimited);
    }
    list(&stranger, &within(200)).await.unwrap();
    for bad in
        [json!({ "rateLimitShare": 0 }), json!({ "rateLimitShare": 1.5 }), json!({ "rateLimitGroup": " " })]
    {
        let gateway = &half.gateway;
        let failure = gateway.link(&gateway.caller, "aptly", link(bad)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationFailed);
    }
}

/// How many calls start at once.
async fn burst(account: &Account) -> usize {
    let mut started = 0;
    while list(account, &within(300)).await.is_ok() {
        started += 1;
    }
    started
}

#[tokio::test]
async fn a_credential_lowers_the_rate_and_cannot_raise_it() {
    for (rate, started) in [
        (json!({ "perSecond": 3 }), 3),
        (json!({ "perMinute": 4 }), 4),
        (json!({ "perMinute": 5, "perSecond": 3 }), 3),
        (json!({ "perMinute": 1_000_000, "perSecond": 1_000_000 }), 20),
    ] {
        let (_crm, account) = counting_aptly(json!({ "rateLimit": rate })).await;
        assert_eq!(burst(&account).await, started, "{rate}");
    }
    let (crm, account) =
        counting_aptly(json!({ "rateLimitShare": 0.1, "rateLimit": { "perSecond": 3 } })).await;
    assert_eq!(burst(&account).await, 2, "the share is lower");
    for bad in [json!(5), json!({ "perSecond": 0 }), json!({ "perMinute": 1.5 }), json!({ "perHour": 1 })] {
        let settings = json!({ "rateLimit": bad });
        let link = Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings, verify: false };
        let failure = account.gateway.link(&account.gateway.caller, "aptly", link).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationFailed);
    }
}

#[tokio::test]
async fn in_a_group_the_lowest_rate_counts_for_all() {
    let (crm, fast) = counting_aptly(json!({ "rateLimitGroup": "company" })).await;
    let settings = json!({ "rateLimitGroup": "company", "rateLimit": { "perMinute": 3 } });
    let link = Link { base_url: crm.at.base_url(), secret: crm.at.token(), settings, verify: false };
    let slow = Account::link(&fast.gateway, "aptly", link).await;
    list(&slow, &within(300)).await.unwrap();
    assert_eq!(burst(&fast).await, 2);
    assert_eq!(refused(&slow, &within(40)).await.kind, FailureKind::RateLimited);
}

/// How long interactive calls wait beside a job is tested with the rate limiter, on a clock that this machine does not slow.
#[tokio::test]
async fn exports_and_interactive_calls_together_keep_to_the_rate() {
    let options = AptlyOptions { pace: AptlyOptions::default().pace, people: 3_000, ..AptlyOptions::empty() };
    let crm = start(options, json!({})).await;
    let account = crm.paced(json!({})).await;
    let export = async {
        let (contacts, caller) = (account.contacts(), &account.gateway.caller);
        let request = ExportRequest { query: query(&[]), cursor: None };
        let mut export = contacts.export(&soon(), caller, &account.credential, request).await.unwrap();
        loop {
            if let ExportPart::End(end) = export.next().await.unwrap() {
                return (end.is_complete, end.count);
            }
        }
    };
    let people = async {
        for _ in 0..12 {
            list(&account, &within(10_000)).await.unwrap();
        }
    };
    let (exported, ()) = tokio::join!(export, people);
    assert_eq!(exported, (true, 3_000));
    assert!(crm.at.calls().iter().all(|call| call.status == Some(200)));
}
