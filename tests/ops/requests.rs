//! The line of each request, whatever becomes of it.

use std::time::Duration;

use contacts_gateway::simulators::{Fault, FaultKind, aptly};
use serde_json::{Value, json};

use crate::front::Front;
use crate::gateway_process::{ADMIN_TOKEN, client, send};
use crate::testbed::{Testbed, crm, has};

fn requests(bed: &Testbed) -> Vec<Value> {
    bed.lines().into_iter().filter(|line| line["message"] == "request").collect()
}

#[tokio::test]
async fn a_request_is_one_line_with_all_that_is_known_and_no_value() {
    let bed = Testbed::with(&[("GATEWAY_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::default()).await.unwrap();
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    let contact = crm.contacts()[0]["_id"].as_str().unwrap().to_owned();
    let path = format!("/2024-03/one/crm/contacts/{contact}?credentialId={}", account.credential);
    let headers = [
        ("x-request-id", "id-1"),
        ("x-forwarded-for", "198.51.100.9, 203.0.113.7"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    assert_eq!(bed.gateway.call_with("GET", &path, &account.key, None, &headers).await.status, 200);
    let mut line = bed.line(&json!({ "request_id": "id-1" })).await;
    let fields = line.as_object_mut().unwrap();
    for (name, most) in [("duration_ms", 5_000.0), ("upstream_ms", 5_000.0), ("waiting_ms", 1_000.0)] {
        let time = fields.remove(name).map_or(0.0, |time| time.as_f64().unwrap());
        assert!(time < most, "{name} {time}");
    }
    assert!(fields.remove("timestamp").unwrap().as_str().unwrap().ends_with('Z'));
    let expected = json!({ "level": "INFO", "message": "request", "method": "GET", "route": "/crm/contacts/{id}",
        "status": 200, "tenant": account.tenant, "key": account.key_id, "credential": account.credential,
        "provider": "aptly", "attempts": crm.calls().len(), "upstream_status": 200, "upstream_host": crm.base_url(),
        "client": "203.0.113.7", "request_id": "id-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "target": "contacts_gateway::access" });
    assert_eq!(line, expected);
    // A write has a line too, with its warnings; health checks have none.
    let body = json!({ "lastName": "Tandlebrook", "account": "Zephyrquill",
        "emailAddresses": [{ "emailAddress": "quorvex@example.com" }], "phoneNumbers": [{ "phoneNumber": "73195" }] });
    let path = format!("/crm/contacts?credentialId={}", account.credential);
    let headers = [("x-request-id", "id-2"), ("idempotency-key", "secret-of-mine")];
    for replayed in [None, Some("true")] {
        let reply =
            bed.gateway.call_with("POST", &path, &account.key, Some(body.to_string()), &headers).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let codes: Vec<String> = reply.json()["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w["code"].as_str().unwrap().to_owned())
            .collect();
        let mut expected = json!({ "request_id": "id-2", "method": "POST", "route": "/crm/contacts" });
        match replayed {
            None => expected["warnings"] = codes.join(",").into(),
            Some(word) => expected["replayed"] = word.into(),
        }
        bed.line(&expected).await;
    }
    assert_eq!(bed.gateway.call("GET", "/readyz", "", None).await.status, 200);
    bed.gateway.call("GET", "/nowhere", "", None).await;
    bed.line(&json!({ "route": "none", "status": 404, "code": "route_not_found" })).await;
    assert!(requests(&bed).iter().all(|line| line["route"] != "/readyz"));
    let log = bed.gateway.logged();
    for value in
        [contact.as_str(), "Tandlebrook", "Zephyrquill", "quorvex", "secret-of-mine", &account.key[24..]]
    {
        assert!(!log.contains(value), "{value} is in the log");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_and_an_export_have_a_line_at_their_end() {
    let bed = Testbed::open().await;
    let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::default()).await.unwrap();
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    let export = format!("/crm/contacts/export?credentialId={}", account.credential);
    let headers = [("x-request-id", "id-export")];
    let exported = bed.gateway.call_with("GET", &export, &account.key, None, &headers).await;
    assert_eq!(exported.status, 200);
    let line = bed.line(&json!({ "request_id": "id-export", "status": 200 })).await;
    let calls = crm.calls().iter().filter(|call| call.method == "GET").count();
    assert!(calls > 1 && line["attempts"] == calls, "{line}: {calls} calls");
    crm.fault(Fault::always(FaultKind::LateAnswer { ms: 5_000 }));
    let left = tokio::time::timeout(Duration::from_millis(300), bed.get(&account, "abc", "id-left"));
    assert!(left.await.is_err());
    let line = bed.line(&json!({ "request_id": "id-left" })).await;
    let why = json!({ "status": 499, "tenant": account.tenant, "attempts": 1, "cause": "caller left",
        "upstream_host": crm.base_url() });
    assert!(has(&line, &why), "{line}");
    assert!(line["upstream_ms"].as_f64() > Some(100.0), "the time is the CRM's: {line}");
    assert!(line.get("write").is_none(), "{line}");
    // What becomes of a write whose caller left has a line of its own.
    crm.faults().clear();
    crm.fault(Fault::always(FaultKind::Latency { ms: 1_500 }).on_writes());
    let body =
        json!({ "lastName": "Tandlebrook", "emailAddresses": [{ "emailAddress": "left@example.com" }] });
    let path = format!("/crm/contacts?credentialId={}", account.credential);
    let headers = [("x-request-id", "id-left-write")];
    let write = bed.gateway.call_with("POST", &path, &account.key, Some(body.to_string()), &headers);
    assert!(tokio::time::timeout(Duration::from_millis(500), write).await.is_err());
    let left =
        json!({ "request_id": "id-left-write", "message": "request", "status": 499, "write": "continues" });
    bed.line(&left).await;
    let ended = json!({ "request_id": "id-left-write", "message": "a write whose caller left has ended", "status": 200 });
    let line = bed.line(&ended).await;
    assert!(line["upstream_ms"].as_f64() >= Some(1_500.0), "{line}");
    // A method may be any text, such as a key in the wrong place.
    let headers = [("x-request-id", "id-method")];
    bed.gateway.call_with("SECRETOFMINE", "/crm/contacts", "", None, &headers).await;
    let line = bed.line(&json!({ "request_id": "id-method" })).await;
    assert_eq!(line["method"], "other", "{line}");
}

#[tokio::test]
async fn an_export_and_a_body_that_the_caller_breaks_off_are_those_of_a_caller_who_left() {
    let bed = Testbed::open().await;
    let options = aptly::AptlyOptions { people: 3_000, ..aptly::AptlyOptions::empty() };
    let crm = aptly::AptlySimulator::start(options).await.unwrap();
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    crm.fault(Fault::always(FaultKind::Latency { ms: 100 }));
    let export = format!("{}/crm/contacts/export?credentialId={}", bed.gateway.url(), account.credential);
    let sent = client().get(export).bearer_auth(&account.key).header("x-request-id", "id-export");
    let mut response = sent.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let left = json!({ "status": 499, "route": "/crm/contacts/export", "tenant": account.tenant });
    let line = bed.line(&json!({ "request_id": "id-export" })).await;
    assert!(has(&line, &left), "{line}");
    for (id, framing) in [("id-body", "content-length: 100"), ("id-chunk", "transfer-encoding: chunked")] {
        let head = format!(
            "POST /crm/contacts?credentialId={} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-request-id: {id}\r\n\
             content-type: application/json\r\n{framing}\r\n\r\n20\r\n{{",
            account.credential, account.key
        );
        let mut connection = tokio::net::TcpStream::connect(&bed.gateway.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut connection, head.as_bytes()).await.unwrap();
        drop(connection);
        let line = bed.line(&json!({ "request_id": id })).await;
        let left = json!({ "status": 499, "route": "/crm/contacts", "tenant": account.tenant });
        assert!(has(&line, &left) && line.get("code").is_none(), "{line}");
    }
    // A body that is no valid one at all is the caller's mistake.
    let head = format!(
        "POST /crm/contacts?credentialId={} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-request-id: id-bad\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
        account.credential, account.key
    );
    let mut connection = tokio::net::TcpStream::connect(&bed.gateway.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut connection, head.as_bytes()).await.unwrap();
    bed.line(&json!({ "request_id": "id-bad", "status": 400, "code": "malformed_request" })).await;
}

#[tokio::test]
async fn successes_can_be_left_out_or_sampled_and_failures_never_are() {
    for (setting, most) in [("off", 0), ("sampled", 2)] {
        let bed = Testbed::with(&[("GATEWAY_LOG_SUCCESS", setting)]).await;
        for _ in 0..100 {
            assert_eq!(bed.gateway.call("GET", "/docs/errors", "", None).await.status, 200);
        }
        bed.gateway
            .call("GET", "/admin/tenants/ten_none", ADMIN_TOKEN, None)
            .await
            .is(404, "tenant_not_found");
        bed.line(&json!({ "code": "tenant_not_found", "caller": "operator" })).await;
        let successes = requests(&bed).iter().filter(|line| line["status"] == 200).count();
        assert!(successes <= most && (most == 0 || successes > 0), "{setting}: {successes}");
    }
}

#[tokio::test]
async fn debug_adds_each_call_to_a_crm_by_its_path_without_ids() {
    let bed = Testbed::with(&[("GATEWAY_LOG", "debug")]).await;
    let crm = crm().await;
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    bed.get(&account, "hushhush", "id-1").await.is(404, "contact_not_found");
    let expected = json!({ "level": "DEBUG", "message": "upstream call", "provider": "aptly", "method": "GET",
        "path": "api/contacts/{id}", "status": 404, "host": crm.base_url(), "request_id": "id-1" });
    let line = bed.line(&expected).await;
    assert!(line["micros"].is_u64(), "{line}");
    assert!(!bed.gateway.logged().contains("hushhush"));
}

#[tokio::test]
async fn a_second_listener_serves_the_metrics_and_the_operator_page_alone() {
    let bed = Testbed::with(&[("GATEWAY_OPS_LISTEN", "127.0.0.1:0")]).await;
    let line = bed.line(&json!({ "message": "listening for health checks and scrapes" })).await;
    let ops = format!("http://{}/metrics", line["address"].as_str().unwrap());
    let page = send(client().get(&ops)).await.unwrap();
    assert!(page.status == 200 && page.text.contains("gateway_build_info{version="), "{page:?}");
    let unknown = send(client().get(format!("{ops}?x=1"))).await.unwrap();
    unknown.is(400, "invalid_parameter");
    bed.gateway.call("GET", "/metrics", "", None).await.is(404, "route_not_found");
    let base = ops.strip_suffix("/metrics").unwrap();
    let form = client().post(format!("{base}/ops/sign-in")).body(format!("token={ADMIN_TOKEN}"));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let signed_in = send(form.header("sec-fetch-site", "same-origin")).await.unwrap();
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    bed.gateway.call("GET", "/crm/contacts", "", None).await.is(401, "unauthenticated");
    let page = send(client().get(format!("{base}/ops")).header("cookie", cookie)).await.unwrap();
    assert!(
        page.status == 200 && page.text.contains("401 <a href=\"docs/errors/unauthenticated\">"),
        "{page:?}"
    );
    assert_eq!(send(client().get(format!("{base}/docs/assets/ops.css"))).await.unwrap().status, 200);
    for path in ["/ops", "/ops/sign-in"] {
        bed.gateway.call("GET", path, "", None).await.is(404, "route_not_found");
    }
    // Its requests are in the log like all others.
    bed.line(&json!({ "route": "/ops", "status": 200, "caller": "operator" })).await;
}

#[tokio::test]
async fn a_search_names_each_credential_that_failed_and_why() {
    let bed = Testbed::open().await;
    let (crm, nobody) = (crm().await, Front::nobody());
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    let linked = async |name: &str, base_url: &str, secret: &str| {
        let settings = json!({ "baseUrl": base_url });
        let credential = json!({ "provider": "aptly", "name": name, "settings": settings, "secret": { "apiKey": secret } });
        bed.gateway.link(&account.key, credential).await
    };
    let down = linked("down", &nobody.url, "any").await;
    let refused = linked("refused", &crm.base_url(), "wrong").await;
    let path = "/crm/contacts/search?emailAddress=ada@example.com";
    let headers = [("x-request-id", "id-search"), ("x-request-timeout-ms", "3000")];
    assert_eq!(bed.gateway.call_with("GET", path, &account.key, None, &headers).await.status, 200);
    let line = bed.line(&json!({ "request_id": "id-search", "status": 200 })).await;
    let failed = format!("{down}=upstream_unreachable,{refused}=upstream_credential_rejected");
    assert_eq!(line["failed"], failed, "{line}");
}

#[tokio::test]
async fn the_line_of_an_expired_key_names_its_tenant() {
    let bed = Testbed::open().await;
    let crm = crm().await;
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    let end = (contacts_gateway::store::now() + Duration::from_secs(1)).to_string();
    let body = json!({ "name": "short", "scopes": ["contacts:read"], "expiresAt": end }).to_string();
    let path = format!("/admin/tenants/{}/keys", account.tenant);
    let made = bed.gateway.call("POST", &path, ADMIN_TOKEN, Some(body)).await.json();
    let (id, key) = (made["key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for path in ["/credentials", "/admin/tenants"] {
        bed.gateway.call("GET", path, key, None).await.is(401, "unauthenticated");
        let line = bed.line(&json!({ "route": path, "status": 401, "reason": "expired key" })).await;
        assert!(has(&line, &json!({ "tenant": account.tenant, "key": id })), "{line}");
    }
    bed.gateway.call("GET", "/admin/audit", &account.key, None).await.is(403, "insufficient_scope");
    let line = bed.line(&json!({ "route": "/admin/audit", "status": 403 })).await;
    assert!(has(&line, &json!({ "tenant": account.tenant, "key": account.key_id })), "{line}");
    // Of a key with another secret, the tenant is not known: anybody can send the public part.
    let forged = contacts_gateway::auth::ApiKey::from_parts(&id[4..], &"0".repeat(43)).unwrap();
    let forged = secrecy::ExposeSecret::expose_secret(forged.text()).to_owned();
    bed.gateway.call("GET", "/providers", &forged, None).await.is(401, "unauthenticated");
    let line = bed.line(&json!({ "route": "/providers", "status": 401, "key": id })).await;
    assert!(line.get("tenant").is_none(), "{line}");
}

#[tokio::test]
async fn a_breaker_that_opens_and_one_that_closes_have_a_line() {
    let bed = Testbed::open().await;
    let crm = crm().await;
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    let content_type = "application/json".to_owned();
    crm.fault(Fault::always(FaultKind::Status {
        code: 503,
        body: "{}".to_owned(),
        content_type,
        headers: Vec::new(),
    }));
    let mut codes = Vec::new();
    while codes.last().is_none_or(|code| code != "upstream_circuit_open") {
        assert!(codes.len() < 100, "the breaker never opens: {codes:?}");
        codes.push(bed.get(&account, "abc", "any").await.code());
    }
    bed.line(&json!({ "level": "WARN", "message": "breaker opened", "host": crm.base_url(), "of": account.tenant })).await;
    crm.faults().clear();
    let began = std::time::Instant::now();
    while bed.get(&account, "abc", "any").await.code() != "contact_not_found" {
        assert!(began.elapsed() < crate::testbed::PATIENCE);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    bed.line(&json!({ "message": "breaker closed", "host": crm.base_url(), "of": account.tenant })).await;
}

#[tokio::test]
async fn calls_that_a_stop_cuts_off_have_a_line_that_says_so() {
    let mut bed = Testbed::open().await;
    let crm = crm().await;
    let account = bed.account("one", &crm.base_url(), crm.token()).await;
    crm.fault(Fault::always(FaultKind::Latency { ms: 60_000 }));
    let body =
        json!({ "lastName": "Tandlebrook", "emailAddresses": [{ "emailAddress": "cut@example.com" }] });
    let path = format!("/crm/contacts?credentialId={}", account.credential);
    let headers = [("x-request-id", "id-cut")];
    let write = bed.gateway.call_with("POST", &path, &account.key, Some(body.to_string()), &headers);
    assert!(tokio::time::timeout(Duration::from_millis(500), write).await.is_err());
    bed.line(&json!({ "request_id": "id-cut", "status": 499, "write": "continues" })).await;
    // A caller who waits did not leave.
    let (address, path, key) = (
        bed.gateway.address.clone(),
        format!("/crm/contacts/abc?credentialId={}", account.credential),
        account.key.clone(),
    );
    let held = tokio::spawn(async move {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nx-request-id: id-held\r\n\r\n"
        );
        crate::refused::sent(&address, request.as_bytes()).await
    });
    bed.series("gateway_requests_in_flight", |count| count >= 2.0).await;
    let process = rustix::process::Pid::from_child(&bed.gateway.process);
    let began = std::time::Instant::now();
    // The second signal cuts off.
    while bed.gateway.runs() {
        assert!(began.elapsed() < crate::testbed::PATIENCE);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let cut_off = json!({ "level": "WARN", "request_id": "id-cut", "message": "a write whose caller left was cut off" });
    bed.line(&cut_off).await;
    let why = json!({ "request_id": "id-held", "status": 503, "code": "draining", "origin": "gateway",
        "reason": "cut off by the stop", "cause": "cut off by the stop" });
    bed.line(&why).await;
    assert_eq!(held.await.unwrap(), "");
}
