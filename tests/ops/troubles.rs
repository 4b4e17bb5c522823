//! What can go wrong, and the one line and the one series that tell it.

use std::time::Duration;

use contacts_gateway::simulators::{Fault, FaultKind};
use contacts_gateway::telemetry::series::{SERIES, Series, SeriesKind};
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::front::Front;
use crate::gateway_process::ADMIN_TOKEN;
use crate::testbed::{IN_FLIGHT, KEY_RATE, Testbed, crm, has};

/// A trouble that was made: the fields of its log line, and its series with what the value must exceed.
pub(crate) struct Trouble {
    name: &'static str,
    line: Value,
    series: &'static str,
    above: f64,
}

const fn trouble(name: &'static str, line: Value, series: &'static str) -> Trouble {
    Trouble { name, line, series, above: 0.0 }
}

pub(crate) async fn wrong_secret(bed: &Testbed) -> Trouble {
    let crm = crm().await;
    let account = bed.account("wrong secret", &crm.base_url(), "wrong").await;
    bed.get(&account, "abc", "any").await.is(424, "upstream_credential_rejected");
    let line = json!({ "code": "upstream_credential_rejected", "origin": "upstream", "upstream_status": 401,
        "tenant": account.tenant, "key": account.key_id, "credential": account.credential, "provider": "aptly",
        "upstream_host": crm.base_url(), "attempts": 1 });
    trouble("wrong secret", line, r#"gateway_upstream_calls_total{outcome="unauthorized"}"#)
}

pub(crate) async fn crm_down(bed: &Testbed) -> Trouble {
    let nobody = Front::nobody();
    let account = bed.account("down", &nobody.url, "any").await;
    bed.get(&account, "abc", "any").await.is(502, "upstream_unreachable");
    let line = json!({ "level": "INFO", "code": "upstream_unreachable", "cause": "connection refused",
        "upstream_host": nobody.url, "credential": account.credential, "attempts": 3 });
    trouble("CRM down", line, r#"gateway_upstream_calls_total{outcome="connection refused"}"#)
}

async fn crm_slow(bed: &Testbed) -> Trouble {
    let crm = crm().await;
    crm.fault(Fault::always(FaultKind::NeverAnswer));
    let account = bed.account("slow", &crm.base_url(), crm.token()).await;
    bed.get(&account, "abc", "any").await.is(504, "upstream_timeout");
    let line = json!({ "code": "upstream_timeout", "cause": "no response in time",
        "upstream_host": crm.base_url(), "tenant": account.tenant });
    trouble("CRM slow", line, r#"gateway_upstream_calls_total{outcome="no response in time"}"#)
}

pub(crate) async fn crm_429(bed: &Testbed) -> Trouble {
    let crm = crm().await;
    crm.fault(Fault::always(FaultKind::TooManyRequests { retry_after: Some("60".to_owned()) }));
    let account = bed.account("429", &crm.base_url(), crm.token()).await;
    bed.get(&account, "abc", "any").await.is(429, "upstream_rate_limited");
    let line = json!({ "code": "upstream_rate_limited", "upstream_status": 429,
        "credential": account.credential, "upstream_host": crm.base_url() });
    trouble("CRM 429", line, "gateway_upstream_paused_accounts")
}

async fn own_rate_limit(bed: &Testbed) -> Trouble {
    let crm = crm().await;
    let account = bed.account("fast", &crm.base_url(), crm.token()).await;
    for _ in 0..10 * KEY_RATE {
        if bed.gateway.call("GET", "/providers", &account.key, None).await.status == 429 {
            break;
        }
    }
    let line = json!({ "status": 429, "code": "rate_limited", "origin": "caller", "route": "/providers",
        "tenant": account.tenant, "key": account.key_id });
    trouble(
        "our rate limit",
        line,
        r#"gateway_requests_total{code="rate_limited",route="/providers",status="429"}"#,
    )
}

pub(crate) async fn expired_key(bed: &Testbed) -> Trouble {
    let (tenant, _) = bed.gateway.tenant("expired").await;
    let soon = contacts_gateway::store::now() + Duration::from_millis(300);
    let body = json!({ "name": "short", "scopes": ["contacts:read"], "expiresAt": soon.to_string() });
    let path = format!("/admin/tenants/{tenant}/keys");
    let made = bed.gateway.call("POST", &path, ADMIN_TOKEN, Some(body.to_string())).await.json();
    tokio::time::sleep(Duration::from_millis(400)).await;
    bed.gateway
        .call("GET", "/providers", made["secret"].as_str().unwrap(), None)
        .await
        .is(401, "unauthenticated");
    let line = json!({ "status": 401, "code": "unauthenticated", "reason": "expired key", "key": made["key"]["id"] });
    trouble("expired key", line, r#"gateway_authentication_refusals_total{reason="expired key"}"#)
}

/// A write, which needs the database.
pub(crate) async fn refused_write(bed: &Testbed, name: &str) {
    let body = json!({ "name": name }).to_string();
    bed.gateway.call("POST", "/admin/tenants", ADMIN_TOKEN, Some(body)).await.is(503, "store_unavailable");
}

async fn database_locked(bed: &Testbed) -> Trouble {
    let mut other = sqlx::SqliteConnection::connect(&bed.database()).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    refused_write(bed, "locked").await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let line = json!({ "level": "WARN", "message": "request", "code": "store_unavailable", "origin": "gateway",
        "reason": "database locked", "caller": "operator" });
    trouble("database locked", line, r#"gateway_database_errors_total{reason="database locked"}"#)
}

async fn disk_full(bed: &Testbed) -> Trouble {
    bed.limit_files(Some(bed.size_of("gateway.db-wal")));
    refused_write(bed, "full").await;
    bed.limit_files(None);
    let line =
        json!({ "level": "WARN", "message": "request", "code": "store_unavailable", "reason": "disk full" });
    trouble("disk full", line, r#"gateway_database_errors_total{reason="disk full"}"#)
}

pub(crate) async fn clock_off(bed: &Testbed) -> Trouble {
    let crm = crm().await;
    let hour_ago = contacts_gateway::store::now() - Duration::from_hours(1);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&hour_ago).unwrap();
    let headers = vec![("date".to_owned(), date)];
    crm.fault(Fault::always(FaultKind::Status {
        code: 404,
        body: "{}".to_owned(),
        content_type: "application/json".to_owned(),
        headers,
    }));
    // Names are unique, and so is the port.
    let name = format!("clock {}", crm.base_url().rsplit(':').next().unwrap());
    let account = bed.account(&name, &crm.base_url(), crm.token()).await;
    bed.get(&account, "abc", "any").await.is(404, "contact_not_found");
    let line = json!({ "level": "WARN", "provider": "aptly", "host": crm.base_url(),
        "message": "this machine's clock and the CRM's differ; check this machine's, as expiries depend on it" });
    Trouble { above: 3500.0, ..trouble("clock off", line, "gateway_upstream_clock_offset_seconds") }
}

pub(crate) async fn certificate_expired(bed: &Testbed) -> Trouble {
    let crm = crm().await;
    let front = Front::tls("expired", crm.base_url().trim_start_matches("http://").parse().unwrap()).await;
    let account = bed.account("certificate", &front.url, crm.token()).await;
    bed.get(&account, "abc", "id-tls").await.is(502, "upstream_tls");
    let line = json!({ "code": "upstream_tls", "cause": "certificate expired", "upstream_host": front.url,
        "request_id": "id-tls", "credential": account.credential });
    trouble("certificate expired", line, r#"gateway_upstream_calls_total{outcome="certificate expired"}"#)
}

async fn flood(bed: &Testbed) -> Trouble {
    let crm = crm().await;
    crm.fault(Fault::always(FaultKind::LateAnswer { ms: 500 }));
    let account = bed.account("flood", &crm.base_url(), crm.token()).await;
    let many = (0..3 * IN_FLIGHT).map(|_| bed.get(&account, "abc", "any"));
    let refused =
        join_all(many).await.iter().filter(|reply| reply.code() == "too_many_concurrent_requests").count();
    assert!(refused >= IN_FLIGHT, "{refused}");
    let line = json!({ "status": 429, "code": "too_many_concurrent_requests", "tenant": account.tenant,
        "key": account.key_id });
    trouble("one tenant floods", line, r#"gateway_requests_total{code="too_many_concurrent_requests"}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_trouble_is_told_apart_by_the_log_alone_and_by_the_metrics_alone() {
    let bed = Testbed::open().await;
    let mut troubles: Vec<(Trouble, usize)> = Vec::new();
    macro_rules! make {
        ($($trouble:ident)*) => {$(
            let before = bed.lines().len();
            let known = bed.scrape().await;
            let made = $trouble(&bed).await;
            assert!(known.values(made.series).iter().all(|value| value.abs() <= made.above), "{}", made.name);
            // The line exists, and no earlier trouble had one like it.
            bed.line(&made.line).await;
            let first = bed.lines().iter().position(|line| has(line, &made.line)).unwrap();
            assert!(first >= before, "{}: {}", made.name, made.line);
            bed.series(made.series, |value| value.abs() > made.above).await;
            troubles.push((made, before));
        )*};
    }
    make!(wrong_secret crm_down crm_slow crm_429 own_rate_limit expired_key clock_off certificate_expired flood
        database_locked disk_full);
    // Nor had a later one.
    let lines = bed.lines();
    for (at, (made, _)) in troubles.iter().enumerate() {
        let Some((_, next)) = troubles.get(at + 1) else { continue };
        let later = lines[*next..].iter().find(|line| has(line, &made.line));
        assert_eq!(later, None, "{}", made.name);
    }
    check_labels(&bed.scrape().await.0);
}

/// Each series has its declared labels and no others, and none of them names a tenant, a credential, a key or a host.
fn check_labels(page: &str) {
    for line in page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let parts = ["_bucket", "_sum", "_count"];
        let is_of = |declared: &Series| {
            name == declared.name
                || declared.kind == SeriesKind::Histogram
                    && parts.iter().any(|part| name.strip_suffix(part) == Some(declared.name))
        };
        let declared = SERIES.iter().find(|declared| is_of(declared)).unwrap_or_else(|| panic!("{line}"));
        let mut shown: Vec<&str> =
            labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0)).collect();
        shown.retain(|label| *label != "le");
        shown.sort_unstable();
        let mut expected = declared.labels.to_vec();
        expected.sort_unstable();
        assert_eq!(shown, expected, "{line}");
        for private in ["ten_", "cred_", "key_", "127.0.0.1"] {
            assert!(!labels.contains(private), "{line}");
        }
    }
}

#[tokio::test]
async fn a_database_that_stays_locked_is_one_line_with_a_count_and_not_one_for_each_statement() {
    let bed = Testbed::open().await;
    let mut other = sqlx::SqliteConnection::connect(&bed.database()).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let names: Vec<String> = (0..12).map(|number| format!("locked {number}")).collect();
    join_all(names.iter().map(|name| refused_write(&bed, name))).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let failed = json!({ "message": "request", "reason": "database locked" });
    while bed.lines().iter().filter(|line| has(line, &failed)).count() < 12 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let errors = bed.lines().into_iter().filter(|line| line["level"] == "ERROR" && line["error"].is_string());
    let errors: Vec<Value> = errors.collect();
    assert!((1..=3).contains(&errors.len()), "{errors:?}");
}

#[tokio::test]
async fn each_host_whose_clock_differs_has_a_line() {
    let bed = Testbed::open().await;
    for _ in 0..2 {
        let clock = clock_off(&bed).await;
        bed.line(&clock.line).await;
    }
}
