//! Whether credentials work, as calls show it: in `GET /credentials`, in the log, and in the metrics.

use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::testbed::{Account, PATIENCE, Testbed, crm, has};

/// Lists contacts, which a CRM without any answers too. Returns the status.
async fn list(bed: &Testbed, account: &Account) -> u16 {
    let path = format!("/crm/contacts?credentialId={}", account.credential);
    bed.gateway.call("GET", &path, &account.key, None).await.status
}

async fn last_check(bed: &Testbed, account: &Account) -> Value {
    let listed = bed.gateway.call("GET", "/credentials", &account.key, None).await.json();
    listed["items"][0]["lastCheck"].clone()
}

/// Calls with `list` until the credential's health is `ok`.
async fn until(bed: &Testbed, account: &Account, ok: bool) -> Value {
    let call = async || {
        list(bed, account).await;
    };
    shown(bed, account, ok, call).await
}

/// Does something until the credential's health is `ok`.
async fn shown(bed: &Testbed, account: &Account, ok: bool, meanwhile: impl AsyncFn()) -> Value {
    let began = Instant::now();
    loop {
        meanwhile().await;
        let check = last_check(bed, account).await;
        if check["ok"] == ok {
            return check;
        }
        assert!(began.elapsed() < PATIENCE, "{check}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn unauthorized() -> FaultKind {
    let (body, content_type) = ("{}".to_owned(), "application/json".to_owned());
    FaultKind::Status { code: 401, body, content_type, headers: Vec::new() }
}

#[tokio::test]
async fn calls_show_since_when_a_credential_works_or_not_and_each_change_is_logged_once() {
    let bed = Testbed::open().await;
    let crm = crm().await;
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    assert_eq!(last_check(&bed, &account).await, Value::Null);
    let works = until(&bed, &account, true).await;
    assert_eq!((&works["at"], &works["code"]), (&works["since"], &Value::Null));
    bed.series(r#"gateway_credentials{health="ok"}"#, |count| count > 0.0).await;
    // Not found is no failure of the credential, and a slow CRM is none.
    bed.get(&account, "abc", "any").await.is(404, "contact_not_found");
    assert_eq!(last_check(&bed, &account).await, works);
    crm.fault(Fault::always(unauthorized()));
    let refused = until(&bed, &account, false).await;
    assert_eq!(refused["code"], "upstream_credential_rejected");
    assert!(refused["since"].as_str() > works["since"].as_str(), "{refused} {works}");
    for _ in 0..5 {
        assert_eq!(list(&bed, &account).await, 424);
    }
    assert_eq!(last_check(&bed, &account).await, refused, "only changes are written");
    bed.series(r#"gateway_credentials{health="failing"}"#, |count| count > 0.0).await;
    // A check is stored each time, and leaves since when it fails.
    let path = format!("/credentials/{}/check", account.credential);
    let checked = bed.gateway.call("POST", &path, &account.key, None).await.json();
    assert_eq!(checked["ok"], false);
    let rechecked = last_check(&bed, &account).await;
    assert!(rechecked["since"] == refused["since"] && rechecked["at"] != refused["at"], "{rechecked}");
    crm.faults().clear();
    let again = until(&bed, &account, true).await;
    assert!(again["since"].as_str() > refused["since"].as_str(), "{again}");
    let change = |message: &str| {
        let fields = json!({ "message": message, "tenant": account.tenant, "credential": account.credential,
            "provider": "aptly", "host": crm.base_url() });
        bed.lines().into_iter().filter(|line| has(line, &fields)).collect::<Vec<_>>()
    };
    // The line is written a little after the change.
    let began = Instant::now();
    while change("credential works").len() < 2 && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (stopped, works) = (change("credential stopped working"), change("credential works"));
    assert_eq!((stopped.len(), works.len()), (1, 2), "{stopped:?} {works:?}");
    assert!(has(&stopped[0], &json!({ "level": "WARN", "code": "upstream_credential_rejected" })));
    bed.series(r#"gateway_credential_changes_total{provider="aptly",health="failing"}"#, |count| count > 0.0)
        .await;
}

/// Changes are written at most every few seconds, and no other call may follow.
#[tokio::test]
async fn one_success_right_after_a_refusal_is_enough() {
    let bed = Testbed::open().await;
    let crm = crm().await;
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    crm.fault(Fault::always(unauthorized()));
    assert_eq!(list(&bed, &account).await, 424);
    shown(&bed, &account, false, async || ()).await;
    crm.faults().clear();
    assert_eq!(list(&bed, &account).await, 200);
    shown(&bed, &account, true, async || ()).await;
}

/// The status alone would look like a success.
#[tokio::test]
async fn a_reply_that_nobody_can_read_is_an_outcome_of_its_own() {
    let bed = Testbed::open().await;
    let crm = crm().await;
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    assert_eq!(list(&bed, &account).await, 200);
    let calls =
        |outcome: &str| format!(r#"gateway_upstream_calls_total{{provider="aptly",outcome="{outcome}"}}"#);
    bed.series(&calls("ok"), |count| count > 0.0).await;
    // Counts are small and whole, so their texts are compared.
    let sum =
        async |outcome: &str| bed.scrape().await.values(&calls(outcome)).iter().sum::<f64>().to_string();
    let (ok, mut unreadable) = (sum("ok").await, 0);
    for text in ["{\"data\":", "<html>", r#"{"data":7}"#, "[]{}"] {
        crm.fault(Fault::always(FaultKind::Body { text: text.to_owned() }));
        let before = crm.calls().len();
        assert_eq!(list(&bed, &account).await, 502, "{text}");
        unreadable += crm.calls().len() - before;
        crm.faults().clear();
        bed.series(&calls("unreadable"), |count| count.to_string() == unreadable.to_string()).await;
    }
    assert_eq!(sum("ok").await, ok);
}
