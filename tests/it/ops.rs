//! `/ops`: who may see the operator page, and that it shows what happened.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use contacts_gateway::domain::{Actor, Caller, CredentialId, Principal};
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use contacts_gateway::store::{Advance, IdempotencyRecord, Stage, now};
use http::Request;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::postgres::Server;
use crate::reply::Reply;
use crate::test_gateway::{ADMIN_TOKEN, Link, Setup, TestGateway, signed};

const FORM: &str = "application/x-www-form-urlencoded";
/// What browsers accept.
const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// An operator's browser.
struct OpsBrowser<'a> {
    gateway: &'a TestGateway,
    cookie: String,
}

impl<'a> OpsBrowser<'a> {
    async fn signed_in(gateway: &'a TestGateway) -> Self {
        let reply = post(gateway, "/ops/sign-in", "", &format!("token={ADMIN_TOKEN}"), SAME).await;
        assert_eq!((reply.status, reply.header("location")), (303, "../ops"), "{}", reply.text);
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { gateway, cookie }
    }

    async fn page(&self, query: &str) -> String {
        let reply = get(self.gateway, &format!("/ops{query}"), &self.cookie).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(reply.text.contains("Sign out"), "{}", reply.text);
        reply.text
    }

    async fn check(&self, tenant: &str, credential: &str) -> Reply {
        let form = format!("tenant={tenant}&credential={credential}");
        post(self.gateway, "/ops/check", &self.cookie, &form, SAME).await
    }
}

/// The headers of a form of the page itself.
const SAME: &[(&str, &str)] = &[("host", "gateway"), ("origin", "http://gateway")];

async fn get(gateway: &TestGateway, path: &str, cookie: &str) -> Reply {
    let request = Request::get(path).header("cookie", cookie).header("accept", HTML);
    gateway.send(request.body(Body::empty()).unwrap()).await
}

async fn post(
    gateway: &TestGateway,
    path: &str,
    cookie: &str,
    form: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let mut request =
        Request::post(path).header("cookie", cookie).header("content-type", FORM).header("accept", HTML);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

/// The HTML of one section.
fn section<'a>(page: &'a str, anchor: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<section id=\"{anchor}\"")).unwrap();
    rest.split("</section>").next().unwrap()
}

/// The rows of the tables in `html`, as text.
fn rows(html: &str) -> Vec<String> {
    html.split("<tr>").skip(1).map(|row| text(row.split("</tr>").next().unwrap())).collect()
}

/// The text of HTML, with single blanks.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for c in html.replace("<wbr>", "").chars() {
        match c {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                text.push(' ');
            }
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn crm() -> Running {
    AptlySimulator::start(AptlyOptions { people: 3, ..AptlyOptions::empty() }).await.unwrap()
}

async fn linked(gateway: &TestGateway, caller: &Caller, crm: &Running) -> CredentialId {
    let link = Link { base_url: crm.base_url(), secret: crm.token(), settings: json!({}), verify: false };
    gateway.link(caller, "aptly", link).await.unwrap()
}

fn status(code: u16) -> FaultKind {
    let content_type = "application/json".to_owned();
    FaultKind::Status { code, body: "{}".to_owned(), content_type, headers: Vec::new() }
}

#[tokio::test]
async fn only_the_admin_token_opens_the_page_for_half_an_hour() {
    let gateway = TestGateway::open().await;
    let form = get(&gateway, "/ops", "").await;
    assert_eq!(form.status, 200);
    assert!(form.text.contains("name=\"token\"") && !form.text.contains("Tenants"), "{}", form.text);
    let policy = form.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("script"),
        "{policy}"
    );
    assert_eq!((form.header("cache-control"), form.header("referrer-policy")), ("no-store", "same-origin"));
    for wrong in ["token=", "token=nonsense", "other=1", &format!("token={ADMIN_TOKEN}x"), ""] {
        let refused = post(&gateway, "/ops/sign-in", "", wrong, SAME).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (403, ""), "{wrong}");
        assert!(refused.text.contains("This is not the admin token of this gateway."), "{}", refused.text);
    }
    let reply = post(&gateway, "/ops/sign-in", "", &format!("token=+{ADMIN_TOKEN}+"), SAME).await;
    let cookie = reply.header("set-cookie");
    assert!(cookie.ends_with("; Max-Age=1800; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(ADMIN_TOKEN) && !cookie.contains("Path"), "{cookie}");
    let https = [("sec-fetch-site", "same-origin"), ("origin", "https://ops.example.com")];
    let reply = post(&gateway, "/ops/sign-in", "", &format!("token={ADMIN_TOKEN}"), &https).await;
    assert!(reply.header("set-cookie").ends_with("; SameSite=Strict; Secure"), "{reply:?}");

    let browser = OpsBrowser::signed_in(&gateway).await;
    browser.page("").await;
    let session = browser.cookie.split_once('=').unwrap().1;
    for tampered in
        [format!("1{session}"), session.replace('.', ".A"), format!("{session}A"), ADMIN_TOKEN.to_owned()]
    {
        let cookie = format!("contacts_gateway_ops={tampered}");
        let refused = get(&gateway, "/ops", &cookie).await;
        assert!(
            refused.text.contains("The session has ended. Sign in again."),
            "{tampered}: {}",
            refused.text
        );
        let refused = post(&gateway, "/ops/check", &cookie, "tenant=a&credential=b", SAME).await;
        assert_eq!(refused.status, 403, "{tampered}");
    }
    // Neither a key nor the admin token as a header opens the page, and a session opens nothing else.
    let reply = gateway.send(signed("GET", "/ops").body(Body::empty()).unwrap()).await;
    assert!(reply.text.contains("name=\"token\""), "{}", reply.text);
    get(&gateway, "/admin/tenants", &browser.cookie).await.is(401, "unauthenticated");
    let out = post(&gateway, "/ops/sign-out", &browser.cookie, "", SAME).await;
    assert_eq!((out.status, out.header("location")), (303, "../ops"));
    assert!(out.header("set-cookie").starts_with("contacts_gateway_ops=; Max-Age=0;"), "{out:?}");
    let moved = get(&gateway, "/ops/", "").await;
    assert_eq!((moved.status, moved.header("location")), (303, "../ops"));

    let audit = gateway.ask("GET", "/admin/audit?pageSize=100").await.json();
    let outcomes = |action: &str| {
        let items = audit["items"].as_array().unwrap().iter().filter(|item| item["action"] == action);
        items.map(|item| (item["actor"]["kind"].clone(), item["outcome"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("operator.sign_in"), vec![(json!("operator"), json!("ok")); 3]);
    let refusals = outcomes("authentication.refuse");
    assert!(refusals.len() >= 5 && refusals.iter().all(|(kind, _)| kind == "nobody"), "{refusals:?}");
}

#[tokio::test]
async fn without_an_admin_token_the_page_says_how_to_set_one() {
    let gateway = TestGateway::with(Setup { has_operator: false, ..Setup::default() }).await;
    let page = get(&gateway, "/ops", "").await;
    assert_eq!(page.status, 404);
    assert!(page.text.contains("GATEWAY_ADMIN_TOKEN") && !page.text.contains("<form"), "{}", page.text);
    for token in ["", ADMIN_TOKEN] {
        let refused = post(&gateway, "/ops/sign-in", "", &format!("token={token}"), SAME).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (404, ""));
    }
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let gateway = TestGateway::open().await;
    let (crm, browser) = (crm().await, OpsBrowser::signed_in(&gateway).await);
    let credential = linked(&gateway, &gateway.caller, &crm).await;
    let form = format!("tenant={}&credential={credential}", gateway.caller.tenant);
    for headers in [
        &[("host", "gateway"), ("origin", "https://evil.example")][..],
        &[("host", "gateway"), ("origin", "http://gateway"), ("sec-fetch-site", "cross-site")],
        &[("host", "gateway"), ("origin", "null")],
        &[("host", "gateway")],
    ] {
        for path in ["/ops/check", "/ops/sign-out"] {
            let reply = post(&gateway, path, &browser.cookie, &form, headers).await;
            assert_eq!((reply.status, reply.header("set-cookie")), (403, ""), "{path} {headers:?}");
        }
        let token = format!("token={ADMIN_TOKEN}");
        assert_eq!(post(&gateway, "/ops/sign-in", "", &token, headers).await.status, 403);
    }
    assert!(crm.calls().is_empty(), "{:?}", crm.calls());
    let reply = browser.check(gateway.caller.tenant.as_str(), credential.as_str()).await;
    assert_eq!((reply.status, crm.calls().is_empty()), (200, false), "{}", reply.text);
}

#[tokio::test]
async fn browsers_get_every_failure_as_a_page_and_programs_as_a_problem() {
    let gateway = TestGateway::open().await;
    let browser = OpsBrowser::signed_in(&gateway).await;
    let unlinked = format!("tenant={}&credential=cred_none", gateway.caller.tenant);
    let large = format!("token={}", "x".repeat(20_000));
    let foreign: &[(&str, &str)] = &[("host", "gateway"), ("origin", "https://evil.example")];
    let json: &[(&str, &str)] = &[SAME[0], SAME[1], ("content-type", "application/json")];
    for (method, path, form, headers, status, code) in [
        ("GET", "/ops?tenants=0", "", SAME, 400, "invalid_parameter"),
        ("GET", "/ops?x=1", "", SAME, 400, "invalid_parameter"),
        ("GET", "/ops/nowhere", "", SAME, 404, "route_not_found"),
        ("DELETE", "/ops", "", SAME, 405, "method_not_allowed"),
        ("PUT", "/ops/sign-in", "", SAME, 405, "method_not_allowed"),
        ("POST", "/ops/sign-out", "", foreign, 403, "insufficient_scope"),
        ("POST", "/ops/sign-in", "", foreign, 403, "insufficient_scope"),
        ("POST", "/ops/sign-in", large.as_str(), SAME, 413, "body_too_large"),
        ("POST", "/ops/check", "tenant=\u{fffd}", json, 415, "unsupported_media_type"),
        ("POST", "/ops/check", "tenant=a&credential=b", SAME, 404, "tenant_not_found"),
        ("POST", "/ops/check", unlinked.as_str(), SAME, 404, "credential_not_found"),
    ] {
        let ask = async |accept: &str| {
            let mut request = Request::builder().method(method).uri(path).header("accept", accept);
            request = request.header("cookie", &browser.cookie);
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", FORM);
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            gateway.send(request.body(Body::from(form.to_owned())).unwrap()).await
        };
        let page = ask(HTML).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, "text/html; charset=utf-8"),
            "{path}"
        );
        assert!(!page.text.contains(" key "), "the operator has no key: {}", page.text);
        assert_eq!(!page.header("allow").is_empty(), status == 405, "{path}");
        let up = if path.starts_with("/ops/") { "../" } else { "" };
        assert!(page.text.contains(&format!("href=\"{up}docs/errors/{code}\"")), "{path}: {}", page.text);
        assert!(page.text.contains(&format!("class=\"button\" href=\"{up}ops\"")), "{path}: {}", page.text);
        ask("application/json").await.is(status, code);
    }
    // The address of a form is also asked for by those who load its response again.
    for path in ["/ops/sign-in", "/ops/sign-out", "/ops/check"] {
        let moved = get(&gateway, path, "").await;
        assert_eq!((moved.status, moved.header("location")), (303, "../ops"), "{path}");
    }
}

#[tokio::test]
async fn a_paused_host_is_named_and_nothing_is_said_that_is_not_true() {
    let gateway = TestGateway::open().await;
    let (crm, browser) = (crm().await, OpsBrowser::signed_in(&gateway).await);
    let (tenant, credential) = (gateway.caller.tenant.clone(), linked(&gateway, &gateway.caller, &crm).await);
    assert!(text(&browser.page("").await).contains("CRM hosts paused 0 after repeated failures"));
    crm.fault(Fault::always(status(503)));
    let list = format!("/crm/contacts?credentialId={credential}");
    let mut codes = Vec::new();
    while codes.last().is_none_or(|code| code != "upstream_circuit_open") {
        assert!(codes.len() < 100, "the breaker never opens: {codes:?}");
        codes.push(gateway.ask("GET", &list).await.code());
    }
    let tile = format!("CRM hosts paused 1 after repeated failures: {}", crm.base_url());
    assert!(text(&browser.page("").await).contains(&tile), "{}", text(&browser.page("").await));
    let shown = text(&browser.check(tenant.as_str(), credential.as_str()).await.text);
    assert!(
        shown.contains("failed upstream_circuit_open The CRM failed repeatedly; calls to it are paused"),
        "{shown}"
    );
    assert!(!shown.contains("respond"), "{shown}");
    // Its port has no TLS, so there is no connection.
    let base_url = crm.base_url().replace("http://", "https://");
    let link = Link { base_url, secret: "any", settings: json!({}), verify: false };
    let credential = gateway.link(&gateway.caller, "aptly", link).await.unwrap();
    let shown = text(&browser.check(tenant.as_str(), credential.as_str()).await.text);
    assert!(shown.contains("failed upstream_") && !shown.contains("respond"), "{shown}");
}

#[tokio::test]
async fn the_button_checks_a_credential_and_the_audit_has_it() {
    let gateway = TestGateway::open().await;
    let (crm, browser) = (crm().await, OpsBrowser::signed_in(&gateway).await);
    let (tenant, credential) = (gateway.caller.tenant.clone(), linked(&gateway, &gateway.caller, &crm).await);
    let before = browser.page("").await;
    let row = rows(section(&before, "credentials"))[1].clone();
    assert!(row.contains("never checked") && row.ends_with("Check"), "{row}");
    let reply = browser.check(tenant.as_str(), credential.as_str()).await;
    assert!(
        reply.status == 200 && text(&reply.text).contains("works The CRM accepted it, after"),
        "{}",
        reply.text
    );
    crm.fault(Fault::always(status(401)));
    let reply = browser.check(tenant.as_str(), credential.as_str()).await;
    let shown = text(&reply.text);
    assert!(reply.status == 200 && shown.contains("failed upstream_credential_rejected"), "{shown}");
    assert!(shown.contains("The CRM responded with status 401."), "{shown}");
    let page = browser.page("").await;
    let row = rows(section(&page, "credentials"))[1].clone();
    assert!(row.contains("refused upstream_credential_rejected 0 s ago 0 s ago"), "{row}");
    assert!(text(section(&page, "credentials")).contains("1 refused by their CRM, 0 unknown, 0 working."));
    assert!(rows(section(&page, "tenants"))[1].contains("1 refused"), "{page}");
    for (tenant, credential, code) in [
        (tenant.as_str(), "cred_none", "credential_not_found"),
        ("ten_none", credential.as_str(), "tenant_not_found"),
        ("", "", "tenant_not_found"),
    ] {
        let reply = browser.check(tenant, credential).await;
        assert!(reply.status == 404 && reply.text.contains(code), "{}", reply.text);
    }
    let audit = gateway.ask("GET", "/admin/audit?action=credential.check").await.json();
    let records: Vec<Value> = audit["items"].as_array().unwrap().clone();
    let of = |name: &str| records.iter().map(|record| record[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("outcome"), ["credential_not_found", "upstream_credential_rejected", "ok"]);
    assert_eq!(of("target"), [Value::Null, json!(credential.as_str()), json!(credential.as_str())]);
    assert!(
        records.iter().all(|record| record["actor"]["kind"] == "operator" && record["requestId"].is_string())
    );
}

#[tokio::test]
async fn the_charts_add_up_to_the_requests_and_failures_have_both_legs() {
    let gateway = TestGateway::open().await;
    let (crm, browser) = (crm().await, OpsBrowser::signed_in(&gateway).await);
    let page = browser.page("").await;
    assert!(section(&page, "traffic").contains("No requests in the last hour."), "{page}");
    assert!(section(&page, "codes").contains("No failures in the last hour."));
    assert!(section(&page, "failures").contains("No failures since the start."));
    let credential = linked(&gateway, &gateway.caller, &crm).await;
    let list = format!("/crm/contacts?credentialId={credential}");
    for _ in 0..7 {
        assert_eq!(gateway.ask("GET", &list).await.status, 200);
    }
    gateway.ask("GET", "/crm/contacts?credentialId=cred_none").await.is(404, "credential_not_found");
    crm.fault(Fault::always(status(503)));
    let request = signed("GET", &list).header("x-request-id", "id-of-503").body(Body::empty()).unwrap();
    gateway.send(request).await.is(502, "upstream_error");
    crm.faults().clear();
    // Not counted: what is not for callers.
    for path in ["/docs/errors", "/livez", "/metrics", "/ops"] {
        gateway.ask("GET", path).await;
    }
    let page = browser.page("").await;
    let traffic = section(&page, "traffic");
    assert!(
        traffic.contains("aria-label=\"Requests per minute: 9 in the last hour, of which 2 failed."),
        "{traffic}"
    );
    let sums = rows(traffic).iter().skip(1).fold([0; 4], |sums, row| {
        let cells: Vec<u64> = row.split(' ').skip(1).take(4).map(|cell| cell.parse().unwrap()).collect();
        std::array::from_fn(|index| sums[index] + cells[index])
    });
    assert_eq!(sums, [9, 1, 0, 1], "requests, failed by CRM, gateway, caller");
    // Each part of a bar says its value.
    let titles: Vec<&str> =
        traffic.split("<title>").skip(1).map(|part| part.split('<').next().unwrap()).collect();
    let shown = |name: &str| {
        let values =
            titles.iter().filter_map(|title| title[6..].strip_suffix(name)?.trim().parse::<u64>().ok());
        values.sum::<u64>()
    };
    assert_eq!([shown("succeeded"), shown("failed: CRM"), shown("failed: caller")], [7, 1, 1], "{titles:?}");
    let codes = rows(section(&page, "codes"));
    assert!(codes.iter().any(|row| row.starts_with("upstream_error") && row.ends_with("CRM 1")), "{codes:?}");
    let failures = rows(section(&page, "failures"));
    let (failed, refused) = (&failures[1], &failures[2]);
    let host = crm.base_url();
    for part in [
        "GET /crm/contacts 502 upstream_error CRM",
        " ms",
        &format!("{host} status 503"),
        "3 calls",
        &format!("tenant first {}", gateway.caller.tenant),
        "key key_edge000000000000",
        credential.as_str(),
        "request id-of-503",
    ] {
        assert!(failed.contains(part), "{part} is not in {failed}");
    }
    assert!(refused.contains("404 credential_not_found") && refused.contains(" none "), "{refused}");
    assert_eq!(failures.len(), 3);
}

#[tokio::test]
async fn what_callers_name_is_text_and_no_markup() {
    let gateway = TestGateway::open().await;
    let (crm, browser) = (crm().await, OpsBrowser::signed_in(&gateway).await);
    let evil = "<script>alert('1')</script>\"><img src=x onerror=y>&amp;";
    let tenant = gateway.tenant(evil).await;
    let id = linked(&gateway, &tenant, &crm).await;
    let key = gateway.key(&tenant, &contacts_gateway::domain::Scope::ALL, None).await;
    let body = json!({ "name": format!("label {evil}") }).to_string();
    let request = Request::patch(format!("/credentials/{id}")).header("authorization", &key);
    let request = request.header("content-type", "application/json").body(Body::from(body)).unwrap();
    assert_eq!(gateway.send(request).await.status, 200);
    gateway.ask("GET", "/crm/contacts/%3Cscript%3E?credentialId=%3Cscript%3E").await;
    gateway.ask("GET", "/%3Cscript%3E").await;
    let failing = Request::get("/crm/contacts?credentialId=none").header("authorization", &key);
    gateway.send(failing.body(Body::empty()).unwrap()).await.is(404, "credential_not_found");
    let mut pages = vec![browser.page("").await];
    pages.push(browser.check(tenant.tenant.as_str(), id.as_str()).await.text);
    pages.push(browser.check("<script>", "<img>").await.text);
    for page in &pages {
        assert!(!page.contains("<script") && !page.contains("<img src=x"), "{page}");
    }
    assert!(section(&pages[0], "failures").contains("tenant &lt;script&gt;"), "{}", pages[0]);
    assert!(
        pages[0].contains("label &lt;script&gt;") && pages[1].contains("&lt;script&gt;alert"),
        "{}",
        pages[1]
    );
}

/// A write under a key in the database, in this stage, which nobody holds.
async fn write(gateway: &TestGateway, key: &str, stage: Stage, pause: Duration) {
    let created_at = now();
    let record = IdempotencyRecord {
        tenant: gateway.caller.tenant.clone(),
        key: key.into(),
        fingerprint: vec![7],
        credential: Some("cred_1".into()),
        stage: Stage::Reserved,
        fence: "f".into(),
        sends: 0,
        sealed: None,
        created_at,
        expires_at: created_at + Duration::from_hours(24),
        request_bytes: 0,
    };
    let (store, lease) = (&gateway.store.idempotency, Duration::from_mins(1));
    store.reserve(&record, lease).await.unwrap();
    let to = Advance { stage, sends: 1, sealed: Some(b"secret-of-the-caller"), lease: Some(lease) };
    assert!(store.advance(&record.tenant, key, "f", &to).await.unwrap());
    if pause > Duration::ZERO {
        assert!(store.postpone(&record.tenant, key, "f", pause).await.unwrap());
    }
}

async fn open_writes_are_shown(gateway: &TestGateway) {
    let browser = OpsBrowser::signed_in(gateway).await;
    assert!(section(&browser.page("").await, "writes").contains("No write of unknown outcome."));
    for (key, stage, pause) in [
        ("held", Stage::Sending, Duration::ZERO),
        ("searched", Stage::Unknown, Duration::from_mins(5)),
        ("update", Stage::Sending, Duration::from_hours(24)),
        ("ambiguous", Stage::Ambiguous, Duration::from_millis(1)),
        ("absent", Stage::Absent, Duration::from_millis(1)),
        ("done", Stage::Done, Duration::ZERO),
    ] {
        write(gateway, key, stage, pause).await;
        // Rows are listed by their age, which is in milliseconds.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let page = browser.page("").await;
    let shown = rows(section(&page, "writes"));
    for (row, parts) in shown.iter().skip(1).zip([
        ["in progress", "A request or a lookup works on it."],
        ["unknown", "searches for it in the CRM in 4 min."],
        ["unknown", "the caller must send the request again with the same key."],
        ["cannot be determined", "the caller must check the candidates"],
    ]) {
        assert!(row.starts_with("0 s ") && parts.iter().all(|part| row.contains(part)), "{parts:?}: {row}");
        assert!(row.contains("first") && row.contains("cred_1") && row.contains("sent once"), "{row}");
        assert!(row.ends_with("The key is forgotten in 23 h.") || row.ends_with("in 24 h."), "{row}");
    }
    assert_eq!(shown.len(), 5, "{shown:?}");
    assert!(
        text(section(&page, "writes"))
            .contains("1 finished, 0 applied and found later, 1 proven not applied")
    );
    assert!(text(&page).contains("Open writes 4 the oldest 0 s"), "{}", text(&page));
    assert!(!page.contains("secret-of-the-caller"));
}

#[tokio::test]
async fn writes_of_unknown_outcome_are_shown_with_their_age_and_what_happens_next() {
    open_writes_are_shown(&*TestGateway::open().await).await;
}

#[tokio::test]
async fn the_page_is_the_same_on_postgres_and_a_session_is_valid_on_every_replica() {
    let Some(server) = Server::shared() else { return };
    let name = server.new_name();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
    let [first, second] = TestGateway::two_on(&server.url(&name)).await;
    open_writes_are_shown(&first).await;
    let crm = crm().await;
    let credential = linked(&first, &first.caller, &crm).await;
    first.ask("GET", "/crm/contacts?credentialId=none").await.is(404, "credential_not_found");
    let cookie = OpsBrowser::signed_in(&first).await.cookie;
    let other = OpsBrowser { gateway: &second, cookie };
    let page = other.page("").await;
    assert!(section(&page, "credentials").contains(credential.as_str()), "{page}");
    // What is in memory is that of each process.
    assert!(section(&page, "traffic").contains("No requests in the last hour."));
}

#[tokio::test]
async fn a_create_whose_response_was_lost_is_an_open_write_and_a_failure_with_both_legs() {
    let gateway = TestGateway::open().await;
    let (crm, browser) = (crm().await, OpsBrowser::signed_in(&gateway).await);
    let credential = linked(&gateway, &gateway.caller, &crm).await;
    crm.fault(Fault::always(FaultKind::NeverAnswer).on_writes());
    let body =
        json!({ "lastName": "Tandlebrook", "emailAddresses": [{ "emailAddress": "quorvex@example.com" }] });
    let request = signed("POST", &format!("/crm/contacts?credentialId={credential}"))
        .header("content-type", "application/json")
        .header("idempotency-key", "secret-of-the-caller")
        .header("x-request-timeout-ms", "1500");
    gateway.send(request.body(Body::from(body.to_string())).unwrap()).await.is(504, "outcome_unknown");
    let page = browser.page("").await;
    let open = &rows(section(&page, "writes"))[1];
    assert!(open.contains("unknown sent once first") && open.contains(credential.as_str()), "{open}");
    assert!(open.contains("The gateway searches for it in the CRM in "), "{open}");
    let failed = &rows(section(&page, "failures"))[1];
    assert!(failed.contains("POST /crm/contacts 504 outcome_unknown CRM"), "{failed}");
    assert!(failed.contains(&format!("{} no response in time", crm.base_url())), "{failed}");
    for value in ["Tandlebrook", "quorvex", "secret-of-the-caller"] {
        assert!(!page.contains(value), "{value}");
    }
}

/// The lists are cut into pages, so that the page stays small.
#[tokio::test]
async fn many_tenants_and_credentials_are_shown_page_by_page_and_the_page_stays_small() {
    let gateway = TestGateway::open().await;
    let crm = crm().await;
    let operator = Actor { principal: Principal::Operator, request_id: None };
    for number in 0..60 {
        gateway.tenants.create(&operator, &format!("tenant {number:02}")).await.unwrap();
        linked(&gateway, &gateway.caller, &crm).await;
    }
    for _ in 0..300 {
        gateway.ask("GET", "/crm/contacts?credentialId=none").await;
    }
    let browser = OpsBrowser::signed_in(&gateway).await;
    let (mut names, mut ids) = (Vec::new(), Vec::new());
    for page in 1..=3 {
        let html = browser.page(&format!("?tenants={page}&credentials={page}&refresh=30")).await;
        assert!(html.len() < 400_000, "{}", html.len());
        assert!(html.contains("<meta http-equiv=\"refresh\" content=\"30\">"));
        assert!(html.contains(&format!("Page {page} of 3")), "{html}");
        // The other list stays where it is.
        let is_first = page == 1;
        assert!(is_first || html.contains(&format!("ops?credentials={page}")), "{html}");
        for (found, anchor) in [(&mut names, "tenants"), (&mut ids, "credentials")] {
            found.extend(rows(section(&html, anchor)).into_iter().skip(1));
        }
        assert_eq!(rows(section(&html, "failures")).len(), 202, "two heads and the last 200");
    }
    for all in [&mut names, &mut ids] {
        let read = all.len();
        all.sort();
        all.dedup();
        assert_eq!((read, all.len()), if read == 61 { (61, 61) } else { (60, 60) });
    }
    assert_eq!((names.len(), ids.len()), (61, 60));
    let beyond = browser.page("?tenants=9").await;
    assert!(rows(section(&beyond, "tenants")).len() == 1 && beyond.contains("Page 9 of 3"), "{beyond}");
}

#[tokio::test]
async fn quotas_are_shown_with_what_is_used() {
    let gateway = TestGateway::open().await;
    let crm = crm().await;
    for _ in 0..3 {
        linked(&gateway, &gateway.caller, &crm).await;
    }
    write(&gateway, "k", Stage::Done, Duration::ZERO).await;
    let browser = OpsBrowser::signed_in(&gateway).await;
    let page = browser.page("").await;
    let row = &rows(section(&page, "tenants"))[1];
    let tenant = &gateway.caller.tenant;
    assert!(row.starts_with(&format!("first {tenant} 3 0.3 % of 1,000 ")), "{row}");
    assert!(row.contains(" 1 0.1 % of 1,000,000 ") && row.contains("0.5 KiB 0.1 % of 1.0 GiB"), "{row}");
}

#[tokio::test]
async fn while_the_database_is_down_the_page_shows_what_the_process_knows() {
    let gateway = TestGateway::open().await;
    let browser = OpsBrowser::signed_in(&gateway).await;
    gateway.store.database.close().await;
    gateway.ask("GET", "/crm/contacts?credentialId=any").await.is(503, "store_unavailable");
    let page = browser.page("").await;
    for anchor in ["writes", "credentials", "tenants"] {
        let text = text(section(&page, anchor));
        assert!(text.contains("The database could not be read ( store_unavailable )."), "{text}");
    }
    assert!(rows(section(&page, "failures"))[1].contains("503 store_unavailable"), "{page}");
}

#[tokio::test]
async fn every_link_of_the_page_leads_somewhere_also_under_a_prefix() {
    let gateway = Arc::clone(&TestGateway::open().await);
    gateway.ask("GET", "/crm/contacts?credentialId=none").await;
    let browser = OpsBrowser::signed_in(&gateway).await;
    let check = browser.check("ten_none", "none").await.text;
    let sign_in = get(&gateway, "/ops", "").await.text;
    for (at, page) in [("/ops", browser.page("").await), ("/ops/check", check), ("/ops", sign_in)] {
        assert!(
            !page.contains("style=") && !page.contains("<style") && !page.contains("javascript"),
            "{page}"
        );
        let links: Vec<&str> = ["href=\"", "src=\"", "action=\""]
            .iter()
            .flat_map(|name| page.split(name).skip(1))
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert!(links.len() > 6);
        for link in links {
            let base = url::Url::parse(&format!("http://gateway/some/prefix{at}")).unwrap();
            let target = base.join(&link.replace("&amp;", "&")).unwrap();
            let path = target.path().strip_prefix("/some/prefix").unwrap_or_else(|| panic!("{at}: {link}"));
            let reply = get(&gateway, path, &browser.cookie).await;
            let expected = if path.starts_with("/ops/") { 303 } else { 200 };
            assert_eq!(reply.status, expected, "{at}: {link}");
        }
    }
}
