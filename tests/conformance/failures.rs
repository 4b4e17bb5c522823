//! What upstreams do wrong, told as what it is: never a panic, never half a contact, never a repetition of a write.

use std::time::{Duration, Instant};

use contacts_gateway::domain::{Effect, Failure, FailureKind, Field, Result};
use contacts_gateway::gateway::contacts::PageStart;
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::json;

use crate::support::account::{Account, hurried};
use crate::support::crm::{Crm, all};
use crate::support::worlds::{Start, WORLDS};
use crate::test_gateway::{Link, soon};

/// What a get and a list answer while every call meets `fault`.
async fn read_under(crm: &Crm, fault: FaultKind) -> [Result<usize>; 2] {
    read_by(crm, [crm, crm], fault).await
}

/// The same, each as the first call of a gateway: none finds a breaker open or the CRM in a pause.
async fn read_afresh(crm: &Crm, fault: FaultKind) -> [Result<usize>; 2] {
    let accounts = [crm.afresh().await, crm.afresh().await];
    read_by(crm, [&accounts[0], &accounts[1]], fault).await
}

async fn read_by(crm: &Crm, by: [&Account; 2], fault: FaultKind) -> [Result<usize>; 2] {
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    crm.at.fault(Fault::always(fault));
    let got = by[0].get_within(&hurried(), &id).await.map(|_| 1);
    let listed = by[1].list_within(&hurried(), &[], PageStart::PageNumber(1), 50).await;
    crm.at.faults().clear();
    [got, listed.map(|page| page.contacts.len())]
}

fn kind(outcome: &Result<usize>) -> Option<FailureKind> {
    outcome.as_ref().err().map(|failure| failure.kind)
}

pub(super) fn status(code: u16, body: &str) -> FaultKind {
    FaultKind::Status { code, body: body.into(), content_type: "application/json".into(), headers: vec![] }
}

#[tokio::test]
async fn every_status_means_what_the_design_says() {
    for crm in all().await {
        for (code, get, list) in [
            (401, FailureKind::UpstreamCredentialRejected, FailureKind::UpstreamCredentialRejected),
            (403, FailureKind::UpstreamPermissionDenied, FailureKind::UpstreamPermissionDenied),
            (404, FailureKind::ContactNotFound, FailureKind::UpstreamError),
            (422, FailureKind::UpstreamRejected, FailureKind::UpstreamRejected),
            (429, FailureKind::UpstreamRateLimited, FailureKind::UpstreamRateLimited),
            (500, FailureKind::UpstreamError, FailureKind::UpstreamError),
            (502, FailureKind::UpstreamError, FailureKind::UpstreamError),
            (503, FailureKind::UpstreamError, FailureKind::UpstreamError),
            (301, FailureKind::UpstreamRedirected, FailureKind::UpstreamRedirected),
        ] {
            for body in [r#"{"error":"E","message":"M"}"#, "", "<html>", r#"{"message":5}"#, "\u{7f}"] {
                let outcomes = match code {
                    429 | 500.. => read_afresh(&crm, status(code, body)).await,
                    _ => read_under(&crm, status(code, body)).await,
                };
                assert_eq!(
                    outcomes.iter().map(kind).collect::<Vec<_>>(),
                    [Some(get), Some(list)],
                    "{code} {body}"
                );
                let upstream = outcomes[0].as_ref().unwrap_err().upstream.unwrap();
                assert_eq!((upstream.provider, upstream.status), (crm.spec.provider, Some(code)));
            }
        }
    }
}

#[tokio::test]
async fn a_retry_after_is_kept_in_both_of_its_forms() {
    for crm in all().await {
        for (header, seconds) in [
            (Some("7"), Some(7)),
            (Some("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0)),
            (Some("soon"), None),
            (None, None),
        ] {
            let fault = FaultKind::TooManyRequests { retry_after: header.map(str::to_owned) };
            let [got, _] = read_afresh(&crm, fault).await;
            let failure = got.unwrap_err();
            assert_eq!(failure.retry_after, seconds.map(Duration::from_secs), "{header:?}");
        }
    }
}

#[tokio::test]
async fn messages_are_passed_on_without_what_is_nobodys_business() {
    for crm in all().await {
        let body = json!({ "message": "Contact jane@example.com (+14155551234) \u{1b}[31m failed for key 0123456789abcdef0123" }).to_string();
        let [got, _] = read_under(&crm, status(422, &body)).await;
        let detail = got.unwrap_err().detail;
        assert!(detail.contains("failed for key"), "{}", detail.as_str());
        for secret in ["jane", "4155551234", "\u{1b}", "0123456789abcdef"] {
            assert!(!detail.contains(secret), "{}", detail.as_str());
        }
    }
}

#[tokio::test]
async fn redirects_are_never_followed() {
    for crm in all().await {
        for code in [301, 302, 303, 307, 308] {
            let fault = FaultKind::Redirect {
                status: code,
                location: format!("{}/api/contacts/other", crm.at.base_url()),
            };
            let before = crm.at.calls().len();
            let outcomes = read_under(&crm, fault).await;
            assert_eq!(
                outcomes.iter().map(kind).collect::<Vec<_>>(),
                [Some(FailureKind::UpstreamRedirected); 2]
            );
            assert_eq!(crm.at.calls().len() - before, 2);
        }
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_invalid_responses() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_inside = format!(r#"{{"_id":"a","data":{deep}}}"#);
    let texts = [
        "[]",
        "null",
        "5",
        "true",
        "\"text\"",
        "",
        " ",
        "{",
        r#"{"data":5}"#,
        r#"{"data":[5]}"#,
        r#"{"data":[null]}"#,
        r#"{"data":[{}]}"#,
        r#"{"data":[{"_id":[]}]}"#,
        r#"{"data":{"contacts":5}}"#,
        r#"{"contacts":{}}"#,
        r#"{"data":[],"data":[]}"#,
        r#"{"_id":"a","_id":"b"}"#,
        r#"{"data":[{"_id":"a","firstname":"\ud800","firstName":"\udfff"}]}"#,
        r#"{"data":[{"_id":"a","x":1e400}]} trailing"#,
        &deep,
        &deep_inside,
    ];
    for crm in all().await {
        for text in texts {
            let [got, listed] = read_under(&crm, FaultKind::Body { text: text.to_owned() }).await;
            let shown = &text[..text.len().min(60)];
            assert_eq!(kind(&listed), Some(FailureKind::UpstreamInvalidResponse), "{shown} {listed:?}");
            // Nothing there is an unknown contact at Aptly, and a path that answers no record at the other.
            let nothing = [
                FailureKind::UpstreamInvalidResponse,
                FailureKind::ContactNotFound,
                FailureKind::OperationUnsupported,
            ];
            assert!(nothing.contains(&kind(&got).unwrap()), "{shown} {got:?}");
        }
        for base64 in ["/w==", "eyJkYXRhIjpbeyJfaWQiOiL/In1dfQ==", "AA=="] {
            let outcomes = read_under(&crm, FaultKind::Bytes { base64: base64.into() }).await;
            assert_eq!(
                outcomes.iter().map(kind).collect::<Vec<_>>(),
                [Some(FailureKind::UpstreamInvalidResponse); 2]
            );
        }
        assert_eq!(crm.sent().len(), 0);
    }
}

#[tokio::test]
async fn a_body_with_a_byte_order_mark_or_without_a_type_is_read() {
    for crm in all().await {
        let [name, phone] = [Field::FirstName, Field::PhoneNumbers].map(|field| crm.world.stored_name(field));
        let row = crm.world.bare_list(&[json!({ "_id": "a", name: 7, phone: 5_551_234_567_u64 })]);
        crm.at.fault(Fault::always(FaultKind::Body { text: format!("\u{feff}{row}") }));
        let page = crm.page(1, 50).await.unwrap();
        let (_, contact) = &page.contacts[0];
        assert_eq!(
            (contact.first_name.as_deref(), contact.phone_numbers[0].number.as_str()),
            (Some("7"), "5551234567")
        );
        crm.at.faults().clear();
        assert_eq!(
            read_under(&crm, FaultKind::ContentType { value: None })
                .await
                .iter()
                .filter(|outcome| outcome.is_ok())
                .count(),
            2
        );
        let outcomes = read_under(&crm, FaultKind::ContentType { value: Some("text/html".into()) }).await;
        assert_eq!(
            outcomes.iter().map(kind).collect::<Vec<_>>(),
            [Some(FailureKind::UpstreamInvalidResponse); 2]
        );
    }
}

#[tokio::test]
async fn broken_lines_and_floods_end_soon_and_small() {
    for crm in all().await {
        for fault in [
            FaultKind::ResetBeforeReading,
            FaultKind::ResetAfterHead,
            FaultKind::ResetMidBody,
            FaultKind::TruncatedBody,
            FaultKind::CutJson,
            FaultKind::CutChunk,
            FaultKind::WrongContentLength { by: 10 },
            FaultKind::Oversized { bytes: 100 << 20, declared: true },
            FaultKind::Oversized { bytes: 100 << 20, declared: false },
            FaultKind::GzipBomb { bytes: 1 << 30 },
            FaultKind::HtmlBody { status: 200 },
            FaultKind::EmptyAnswer,
            FaultKind::NoContent,
        ] {
            let started = Instant::now();
            let outcomes = read_afresh(&crm, fault.clone()).await;
            assert!(started.elapsed() < Duration::from_secs(12), "{fault:?} {:?}", started.elapsed());
            for outcome in outcomes {
                let kind = kind(&outcome).unwrap();
                let expected = [FailureKind::UpstreamInvalidResponse, FailureKind::UpstreamUnreachable];
                assert!(expected.contains(&kind), "{fault:?} {kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_takes_too_long_is_left_at_the_deadline() {
    for crm in all().await {
        for fault in [
            FaultKind::NeverAnswer,
            FaultKind::Stall,
            FaultKind::Drip { ms: 50 },
            FaultKind::Latency { ms: 5000 },
        ] {
            crm.at.fault(Fault::always(fault.clone()));
            let started = Instant::now();
            let outcome = crm.list_within(&hurried(), &[], PageStart::PageNumber(1), 50).await;
            assert_eq!(
                outcome.err().map(|failure| failure.kind),
                Some(FailureKind::UpstreamTimeout),
                "{fault:?}"
            );
            assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
            crm.at.faults().clear();
        }
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    for crm in all().await {
        let gone = format!("http://127.0.0.1:{}", free_port().await);
        let link = Link { base_url: gone, secret: "token", settings: json!({}), verify: true };
        let failure =
            crm.gateway.link(&crm.gateway.caller, crm.spec.provider.as_str(), link).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::UpstreamUnreachable, Effect::None));
    }
}

async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_probe_tells_whose_account_it_is_or_why_not() {
    for world in WORLDS {
        let start = Start { tells_account: true, account: Some("an-account"), ..Start::default() };
        let crm = Crm::at(world.start(start).await, *world, json!({})).await;
        let credentials = &crm.gateway.credentials;
        let account =
            credentials.check(&soon(), &crm.gateway.caller, &crm.credential).await.unwrap().outcome.unwrap();
        assert_eq!(account.id.as_deref(), Some("an-account"));
        let probe = async || -> Failure {
            let link = Link {
                base_url: crm.at.base_url(),
                secret: crm.at.token(),
                settings: json!({}),
                verify: true,
            };
            crm.gateway.link(&crm.gateway.caller, crm.spec.provider.as_str(), link).await.unwrap_err()
        };
        let fault = Fault::always(status(404, "{}"));
        crm.at.fault(fault);
        assert_eq!(probe().await.kind, FailureKind::UpstreamError, "nothing there is no missing contact");
        crm.at.faults().clear();
        crm.at.revoke(crm.at.token());
        let failure = probe().await;
        assert_eq!((failure.kind, failure.effect), (FailureKind::UpstreamCredentialRejected, Effect::None));
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn the_secret_of_a_credential_is_struck_out_of_what_the_crm_says() {
    for crm in all().await {
        let token = crm.at.token().to_owned();
        let message = format!("bad token {token} of +1 415 555 0142 and (415) 555-0143");
        let body = json!({ "success": false, "message": message }).to_string();
        let fault = FaultKind::Status {
            code: 422,
            body,
            content_type: "application/json".to_owned(),
            headers: vec![],
        };
        crm.at.fault(Fault::once(fault).on_writes());
        let failure = crm.create(crate::support::person::ada()).await.unwrap_err();
        let said = format!(
            "{} {:?}",
            failure.detail.as_str(),
            failure.faults.iter().map(|f| f.detail.as_str().to_owned()).collect::<Vec<_>>()
        );
        assert!(said.contains("bad token"), "{said}");
        assert!(!said.contains(&token) && !said.contains("555") && !said.contains("0142"), "{said}");
    }
}
