//! Dependable calls, judged by the CRM's own journal: how often a call is sent, after which pause, and when not at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contacts_gateway::domain::{CallContext, Effect, Failure, FailureKind, Result};
use contacts_gateway::gateway::contacts::{PageStart, WriteOptions};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::json;

use crate::support::account::Account;
use crate::support::crm::{Crm, all};
use crate::support::person::ada;
use crate::test_gateway::Link;

pub(super) fn within(millis: u64) -> CallContext {
    CallContext::within(Duration::from_millis(millis), "test".into())
}

fn status(code: u16, retry_after: Option<&str>) -> FaultKind {
    let headers = retry_after.map(|after| ("retry-after".to_owned(), after.to_owned()));
    let (body, content_type) = ("{}".to_owned(), "application/json".to_owned());
    FaultKind::Status { code, body, content_type, headers: headers.into_iter().collect() }
}

pub(super) async fn list(account: &Account, context: &CallContext) -> Result<usize> {
    let page = account.list_within(context, &[], PageStart::PageNumber(1), 50).await?;
    Ok(page.contacts.len())
}

pub(super) async fn refused(account: &Account, context: &CallContext) -> Failure {
    list(account, context).await.unwrap_err()
}

#[tokio::test]
async fn a_read_is_repeated_twice_where_that_may_help_and_never_elsewhere() {
    let cases = [
        (status(500, None), FailureKind::UpstreamError, 3),
        (status(502, None), FailureKind::UpstreamError, 3),
        (status(503, None), FailureKind::UpstreamError, 3),
        (status(504, None), FailureKind::UpstreamError, 3),
        (FaultKind::ResetBeforeReading, FailureKind::UpstreamUnreachable, 3),
        (FaultKind::ResetAfterApplying, FailureKind::UpstreamUnreachable, 3),
        (FaultKind::ResetAfterHead, FailureKind::UpstreamInvalidResponse, 3),
        (FaultKind::ResetMidBody, FailureKind::UpstreamInvalidResponse, 3),
        (FaultKind::TruncatedBody, FailureKind::UpstreamInvalidResponse, 3),
        (FaultKind::CutChunk, FailureKind::UpstreamInvalidResponse, 3),
        (status(501, None), FailureKind::UpstreamError, 1),
        (status(401, None), FailureKind::UpstreamCredentialRejected, 1),
        (status(403, None), FailureKind::UpstreamPermissionDenied, 1),
        (status(422, None), FailureKind::UpstreamRejected, 1),
        (status(302, None), FailureKind::UpstreamRedirected, 1),
        (FaultKind::CutJson, FailureKind::UpstreamInvalidResponse, 1),
        (FaultKind::EmptyAnswer, FailureKind::UpstreamInvalidResponse, 1),
        (FaultKind::HtmlBody { status: 200 }, FailureKind::UpstreamInvalidResponse, 1),
        (FaultKind::GzipBomb { bytes: 64 << 20 }, FailureKind::UpstreamInvalidResponse, 1),
        (FaultKind::Oversized { bytes: 100 << 20, declared: true }, FailureKind::UpstreamInvalidResponse, 1),
        (FaultKind::Oversized { bytes: 100 << 20, declared: false }, FailureKind::UpstreamInvalidResponse, 1),
    ];
    for crm in all().await {
        for (fault, kind, calls) in &cases {
            let (account, before) = (crm.afresh().await, crm.at.calls().len());
            crm.at.fault(Fault::always(fault.clone()));
            let failure = refused(&account, &within(8000)).await;
            crm.at.faults().clear();
            assert_eq!((failure.kind, crm.at.calls().len() - before), (*kind, *calls), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_read_succeeds_where_one_of_three_tries_does() {
    for crm in all().await {
        for fault in [status(503, None), FaultKind::ResetMidBody] {
            let (account, before) = (crm.afresh().await, crm.at.calls().len());
            crm.at.fault(Fault::next(2, fault));
            assert_eq!(list(&account, &within(8000)).await.unwrap(), 0);
            assert_eq!(crm.at.calls().len() - before, 3);
        }
    }
}

#[tokio::test]
async fn an_answer_that_stalls_is_given_up_after_five_seconds_and_asked_for_again() {
    let crms = all().await;
    let stalled = async |crm: Crm| {
        crm.at.fault(Fault::once(FaultKind::Stall));
        let began = Instant::now();
        assert_eq!(list(&crm, &within(9000)).await.unwrap(), 0);
        let took = began.elapsed();
        assert!(took > Duration::from_millis(4900) && took < Duration::from_millis(8500), "{took:?}");
        assert_eq!(crm.at.calls().len(), 2);
    };
    futures_util::future::join_all(crms.into_iter().map(stalled)).await;
}

#[tokio::test]
async fn nothing_is_sent_that_could_not_end_in_time() {
    for crm in all().await {
        let failure = refused(&crm, &within(0)).await;
        assert_eq!((failure.kind, failure.effect), (FailureKind::GatewayTimeout, Effect::None));
        crm.assert_silence();
    }
}

/// The forms of `Retry-After`: what a read does within three seconds, how often it is sent, and in which time.
#[tokio::test]
async fn each_form_of_retry_after_is_kept_within_the_deadline() {
    let past = "Wed, 21 Oct 2015 07:28:00 GMT";
    for crm in all().await {
        for (form, calls, least, most) in [
            (Some("1"), 2, 1000, 2500),
            (Some("0"), 2, 10, 1000),
            (Some(past), 2, 10, 1000),
            (Some("soon"), 2, 1000, 2500),
            (Some("-1"), 2, 1000, 2500),
            (None, 2, 1000, 2500),
            (Some("60"), 1, 0, 900),
            (Some("99999999999999999999"), 1, 0, 900),
            (Some("Wed, 01 Dec 9999 00:00:00 GMT"), 1, 0, 900),
        ] {
            let (account, before) = (crm.afresh().await, crm.at.calls().len());
            crm.at.fault(Fault::once(FaultKind::TooManyRequests { retry_after: form.map(str::to_owned) }));
            let began = Instant::now();
            let outcome = list(&account, &within(3000)).await;
            let took = began.elapsed().as_millis();
            assert_eq!(outcome.is_ok(), calls == 2, "{form:?} {outcome:?}");
            assert_eq!(crm.at.calls().len() - before, calls, "{form:?}");
            assert!((least..most).contains(&took), "{form:?} took {took} ms");
            if let Err(failure) = outcome {
                assert_eq!(failure.kind, FailureKind::UpstreamRateLimited);
                assert!(failure.retry_after.unwrap() >= Duration::from_secs(58));
            }
        }
    }
}

#[tokio::test]
async fn after_a_429_the_account_keeps_quiet_and_others_do_not() {
    for crm in all().await {
        let gateway = &crm.gateway;
        let link = || Link {
            base_url: crm.at.base_url(),
            secret: crm.at.token(),
            settings: json!({}),
            verify: false,
        };
        let other = Account::link(gateway, crm.spec.provider.as_str(), link()).await;
        crm.at.fault(Fault::once(FaultKind::TooManyRequests { retry_after: Some("2".into()) }));
        let began = Instant::now();
        assert_eq!(refused(&crm, &within(1000)).await.upstream.unwrap().status, Some(429));
        let failure = refused(&crm, &within(1000)).await;
        assert_eq!((failure.kind, failure.effect), (FailureKind::UpstreamRateLimited, Effect::None));
        assert_eq!(failure.upstream.unwrap().status, None, "nobody was asked");
        assert!(failure.retry_after.unwrap() <= Duration::from_secs(2));
        assert_eq!(crm.at.calls().len(), 1);
        list(&other, &within(1000)).await.unwrap();
        list(&crm, &within(5000)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(2));
        assert_eq!(crm.at.calls().len(), 3);
    }
}

async fn create(crm: &Crm, fault: FaultKind, times: u32, millis: u64) -> (Result<()>, usize) {
    crm.at.fault(Fault::next(times, fault).on_writes());
    let (account, before) = (crm.afresh().await, crm.sent().len());
    let made = account.create_within(&within(millis), ada(), WriteOptions::default()).await;
    crm.at.faults().clear();
    (made.map(|_| ()), crm.sent().len() - before)
}

#[tokio::test]
async fn a_create_is_sent_again_only_after_a_429_and_once() {
    let throttled = |after: &str| FaultKind::TooManyRequests { retry_after: Some(after.into()) };
    for crm in all().await {
        for code in [500, 502, 503, 504] {
            let (outcome, sent) = create(&crm, status(code, Some("0")), 9, 8000).await;
            assert_eq!((outcome.unwrap_err().effect, sent), (Effect::Unknown, 1), "{code}");
        }
        let (outcome, sent) = create(&crm, FaultKind::ResetBeforeReading, 9, 8000).await;
        assert_eq!((outcome.unwrap_err().effect, sent), (Effect::Unknown, 1));
        for (after, sends) in [("0", 2), ("60", 1)] {
            let (outcome, sent) = create(&crm, throttled(after), 9, 8000).await;
            let failure = outcome.unwrap_err();
            assert_eq!((failure.kind, failure.effect), (FailureKind::UpstreamRateLimited, Effect::None));
            assert_eq!(sent, sends, "{after}");
        }
        assert!(crm.at.contacts().is_empty());
        let (outcome, sent) = create(&crm, throttled("1"), 1, 8000).await;
        outcome.unwrap();
        assert_eq!((sent, crm.at.contacts().len()), (2, 1));
    }
}

#[tokio::test]
async fn a_write_leaves_time_to_look_at_what_became_of_it() {
    for crm in all().await {
        let began = Instant::now();
        let (outcome, sent) = create(&crm, FaultKind::NeverAnswer, 1, 3000).await;
        assert_eq!((outcome.unwrap_err().effect, sent), (Effect::Unknown, 1));
        let took = began.elapsed();
        assert!(took > Duration::from_millis(1500) && took < Duration::from_millis(2700), "{took:?}");
    }
}

#[tokio::test]
async fn a_host_of_ones_own_is_left_alone_after_five_failures() {
    for crm in all().await {
        crm.at.fault(Fault::always(status(500, None)));
        let kinds = [refused(&crm, &within(5000)).await.kind, refused(&crm, &within(5000)).await.kind];
        assert_eq!(kinds, [FailureKind::UpstreamError; 2]);
        assert_eq!(crm.at.calls().len(), 5);
        crm.at.faults().clear();
        for _ in 0..10 {
            let failure = refused(&crm, &within(5000)).await;
            assert_eq!((failure.kind, failure.effect), (FailureKind::UpstreamCircuitOpen, Effect::None));
            assert!(failure.retry_after.unwrap() <= Duration::from_secs(5));
        }
        let failure = crm.create(ada()).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::UpstreamCircuitOpen, Effect::None));
        assert_eq!(crm.at.calls().len(), 5, "nothing was sent while it was open");
    }
}

#[tokio::test]
async fn refusals_never_open_it_nor_do_callers_in_a_hurry() {
    for crm in all().await {
        for code in [401, 403, 404, 422] {
            crm.at.fault(Fault::always(status(code, None)));
            for _ in 0..30 {
                assert_ne!(refused(&crm, &within(5000)).await.kind, FailureKind::UpstreamCircuitOpen);
            }
            crm.at.faults().clear();
        }
        crm.at.fault(Fault::always(FaultKind::NeverAnswer));
        for _ in 0..8 {
            assert_eq!(refused(&crm, &within(100)).await.kind, FailureKind::UpstreamTimeout);
        }
        crm.at.faults().clear();
        list(&crm, &within(5000)).await.unwrap();
    }
}

#[tokio::test]
async fn a_credential_has_sixteen_requests_under_way_and_refuses_what_waits_in_vain() {
    let crm = all().await.remove(0);
    crm.at.fault(Fault::next(16, FaultKind::Latency { ms: 2000 }));
    let account = Arc::new(crm.afresh().await);
    let slow: Vec<_> = (0..16)
        .map(|_| {
            let account = Arc::clone(&account);
            tokio::spawn(async move { list(&account, &within(8000)).await })
        })
        .collect();
    while crm.at.calls().len() < 16 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    let failure = refused(&account, &within(8000)).await;
    assert_eq!(
        (failure.kind, failure.retry_after),
        (FailureKind::TooManyConcurrentRequests, Some(Duration::from_secs(1)))
    );
    assert!(began.elapsed() >= Duration::from_millis(250) && began.elapsed() < Duration::from_millis(1500));
    assert_eq!(crm.at.calls().len(), 16);
    for task in slow {
        task.await.unwrap().unwrap();
    }
    list(&account, &within(8000)).await.unwrap();
}
