//! Limits on memory: large replies of CRMs, large responses, and callers who do not read.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use contacts_gateway::domain::Scope;
use serde_json::{Value, json};

use crate::gateway_process::{GatewayProcess, master_key};
use crate::reply::Reply;
use crate::testbed::{Tenant, Testbed};

const MIB: usize = 1024 * 1024;

/// A contact with the most e-mail addresses that are shown. Each has so many characters, plus 50 in a response and 3 in a
/// reply.
fn of_many_addresses(id: &str, length: usize) -> Value {
    let filler = "f".repeat(length - 8);
    let emails: Vec<String> = (0..1000).map(|number| format!("{number:04}{filler}@c.d")).collect();
    json!({ "_id": id, "firstname": "Ada", "firstName": "Ada", "email": emails })
}

fn at<'a>(testbed: &'a Testbed, tenant: &Tenant) -> [(&'a contacts_gateway::simulators::Running, String); 2] {
    let [aptly, pipeline] = tenant.credentials.clone();
    [(&testbed.aptly, aptly), (&testbed.pipeline, pipeline)]
}

fn warned(answer: &Reply) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let warnings = answer.json()["warnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().map(|warning| (text(&warning["code"]), text(&warning["pointer"]))).collect()
}

#[tokio::test]
async fn a_read_of_more_than_eight_mib_is_refused_and_one_below_is_answered() {
    for (length, status, code) in [(10, 200, ""), (40, 502, "upstream_response_too_large")] {
        let testbed = Testbed::open().await;
        let tenant = testbed.tenant("large").await;
        let key = testbed.key(&tenant, &Scope::ALL, None).await;
        for number in 0..100 {
            testbed.aptly.put(of_many_addresses(&format!("many{number}"), length)).unwrap();
        }
        let pipeline =
            testbed.at_pipeline(&key, &crm(length).await, json!({ "token": "t-0123456789" })).await;
        for credential in [&tenant.credentials[0], &pipeline] {
            let uri = format!("/crm/contacts?pageSize=100&credentialId={credential}");
            let answer = testbed.send("GET", &uri, &key, None).await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{length}");
            assert!(answer.text.len() < 8 * MIB);
        }
    }
}

#[tokio::test]
async fn a_write_never_fails_for_its_size_and_is_replayed_as_it_was_sent() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("writer").await;
    let key = testbed.key(&tenant, &[Scope::ContactsRead, Scope::ContactsWrite], None).await;
    for ((crm, credential), member) in at(&testbed, &tenant).into_iter().zip(["title", "notes"]) {
        let long = |len: usize| json!({ "firstname": "Ada", "firstName": "Ada", member: "x".repeat(len) });
        let without = [("incomplete".to_owned(), "/remoteFields".to_owned())];
        let ids_only = [("incomplete".to_owned(), String::new())];
        for (contact, warnings, fields) in [
            (long(60_000), &[][..], None),
            (long(70_000), &without[..], None),
            (of_many_addresses("many", 40), &ids_only[..], Some(4)),
        ] {
            let id = crm.put(contact).unwrap();
            let uri = format!("/crm/contacts/{id}?credentialId={credential}");
            let mut texts = Vec::new();
            for once in ["", "first", "first"] {
                let (calls, body) = (testbed.calls(), format!(r#"{{"lastName":"L{once}"}}"#));
                let answer = if once.is_empty() {
                    testbed.send("PATCH", &uri, &key, Some(&body)).await
                } else {
                    let once = format!("{once}-{id}-{credential}");
                    let headers = [("idempotency-key", once.as_str())];
                    testbed.send_with("PATCH", &uri, &key, Some(&body), &headers).await
                };
                assert_eq!(answer.status, 200, "{}", answer.text);
                // What these records lack beside is told too.
                let about = |pointer: &str| ["", "/remoteFields"].contains(&pointer);
                let warned = warned(&answer).into_iter();
                let incomplete = warned.filter(|(code, pointer)| code == "incomplete" && about(pointer));
                assert_eq!(incomplete.collect::<Vec<_>>(), warnings, "{once}");
                let shown = answer.json()["contact"].as_object().cloned().unwrap();
                assert_eq!(
                    (fields.is_none_or(|fields| fields == shown.len()), &shown["remoteId"]),
                    (true, &json!(id))
                );
                assert_eq!(shown["remoteFields"] == json!({}), !warnings.is_empty(), "{once}");
                assert!(answer.text.len() <= 64 * 1024, "{}", answer.text.len());
                if answer.headers.contains_key("idempotency-replayed") {
                    assert_eq!(
                        (testbed.calls(), texts.last()),
                        (calls, Some(&answer.text)),
                        "a replay reads nothing"
                    );
                }
                texts.push(answer.text);
            }
        }
    }
}

/// A CRM that lists 100 contacts with addresses of so many characters; it ends with the test.
async fn crm(length: usize) -> String {
    let contacts: Vec<Value> =
        (0..100).map(|number| of_many_addresses(&format!("id{number}"), length)).collect();
    let text = bytes::Bytes::from(json!({ "data": { "contacts": contacts } }).to_string());
    let reply = move || std::future::ready(([("content-type", "application/json")], text.clone()));
    let router = Router::new().route("/api/contacts", get(reply));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base_url
}

/// A credential at the CRM of [`crm`].
fn linked(base_url: &str) -> Value {
    let secret = json!({ "token": "t-0123456789abcdef" });
    json!({ "provider": "pipeline", "name": "p", "secret": secret, "settings": { "baseUrl": base_url } })
}

/// A connection with a request whose response is not read.
fn asked(serving: &GatewayProcess, key: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nx-request-timeout-ms: 30000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Waits for the first bytes of a response, and reads no further.
fn begins(stream: &TcpStream) {
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut head = [0; 12];
    stream.peek(&mut head).unwrap();
    assert_eq!(String::from_utf8_lossy(&head), "HTTP/1.1 200");
}

async fn eventually(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < within, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The peak and current memory of the process, in MiB.
fn memory(serving: &GatewayProcess) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.id())).unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() / 1024
    };
    (of("VmHWM:"), of("VmRSS:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_nobody_reads_keeps_its_places_and_those_of_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let limits = [("GATEWAY_TENANT_IN_FLIGHT", "2"), ("GATEWAY_TENANT_IN_FLIGHT_MIB", "16")];
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &limits).await;
    let link = linked(&crm(15).await);
    let ((_, one), (_, two)) = (serving.tenant("one").await, serving.tenant("two").await);
    let (first, second) = (serving.link(&one, link.clone()).await, serving.link(&two, link).await);
    let path = |credential: &str| format!("/crm/contacts?pageSize=100&credentialId={credential}");
    let hurried = [("x-request-timeout-ms", "2000")];

    // Each step takes less than the 30 seconds after which a caller who does not read is disconnected.
    let unread = asked(&serving, &one, &path(&first));
    begins(&unread);
    // Small requests use the tenant's second place; there is no third one.
    assert_eq!(serving.call("GET", "/credentials", &one, None).await.status, 200);
    // The second place may be given back a moment after the response to the small request.
    let waiting = loop {
        let waiting = asked(&serving, &one, &path(&first));
        tokio::time::sleep(Duration::from_millis(300)).await;
        waiting.set_nonblocking(true).unwrap();
        let is_refused = waiting.peek(&mut [0; 1]).is_ok();
        waiting.set_nonblocking(false).unwrap();
        if !is_refused {
            break waiting;
        }
    };
    eventually("the place is not kept", Duration::from_mins(1), async || {
        serving.call("GET", "/credentials", &one, None).await.code() == "too_many_concurrent_requests"
    })
    .await;
    // A caller who disconnects releases everything.
    drop(unread);
    begins(&waiting);
    // A response takes 6 of the tenant's 8 MiB. The next one finds no room; that of another tenant does.
    let refused = serving.call_with("GET", &path(&first), &one, None, &hurried).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"), "{}", refused.text);
    let other = serving.call("GET", &path(&second), &two, None).await;
    assert_eq!((other.status, other.text.len() / MIB), (200, 6));
    drop(waiting);
    eventually("the places are not given back", Duration::from_mins(1), async || {
        serving.call("GET", &path(&first), &one, None).await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_sent_is_answered_although_there_is_no_room_to_read_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let limits = [("GATEWAY_TENANT_IN_FLIGHT_MIB", "16")];
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &limits).await;
    let testbed = Testbed::open().await;
    let link = json!({ "provider": "pipeline", "name": "p", "secret": { "token": testbed.pipeline.token() },
        "settings": { "baseUrl": testbed.pipeline.base_url() } });
    let (_, key) = serving.tenant("one").await;
    let credential = serving.link(&key, link).await;
    // Two replies of 4.5 MiB exceed the tenant's 8 MiB: the one read before the write, and the write's own reply or the
    // read after it.
    let id = testbed.pipeline.put(json!({ "firstName": "Ada", "notes": "x".repeat(4_700_000) })).unwrap();
    let path = format!("/crm/contacts/{id}?credentialId={credential}");
    let (body, time) = (Some(r#"{"lastName":"Okafor"}"#.to_owned()), [("x-request-timeout-ms", "6000")]);
    let answer = serving.call_with("PATCH", &path, &key, body, &time).await;
    assert_eq!(testbed.pipeline.contact(&id).unwrap()["lastName"], "Okafor");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let codes: Vec<Value> =
        answer.json()["warnings"].as_array().unwrap().iter().map(|w| w["code"].clone()).collect();
    assert!(codes.contains(&json!("not_verified")) && codes.contains(&json!("incomplete")), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_large_responses_that_nobody_reads_take_bounded_memory_and_give_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
    let (_, key) = serving.tenant("one").await;
    let idle = memory(&serving).1;
    // Responses just above and just below the limit.
    for (length, fits) in [(40, false), (15, true)] {
        let mut link = linked(&crm(length).await);
        link["name"] = json!(format!("of {length}"));
        let credential = serving.link(&key, link).await;
        let path = format!("/crm/contacts?pageSize=100&credentialId={credential}");
        let streams: Vec<TcpStream> = (0..40).map(|_| asked(&serving, &key, &path)).collect();
        let mut statuses = BTreeMap::<String, u32>::new();
        for mut stream in streams {
            stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).unwrap();
            let status = String::from_utf8_lossy(&head[9..]).into_owned();
            *statuses.entry(status).or_default() += 1;
        }
        println!("{length}: {statuses:?}");
        let known = ["200", "429", "502", "503", "504"];
        assert!(statuses.keys().all(|status| known.contains(&status.as_str())), "{statuses:?}");
        // Responses that fit are sent, the others are refused.
        assert_eq!(statuses.contains_key("200"), fits, "{statuses:?}");
    }
    let peak = memory(&serving).0;
    println!("idle {idle} MiB, peak {peak} MiB");
    assert!(peak < idle + 500, "idle {idle} MiB, peak {peak} MiB");
    eventually("the memory is not given back", Duration::from_mins(1), async || {
        memory(&serving).1 <= idle * 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_has_a_listener_of_its_own_where_the_operator_wants_one() {
    let folder = tempfile::tempdir().unwrap();
    let ops = [("GATEWAY_OPS_LISTEN", "127.0.0.1:0")];
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &ops).await;
    let said = || {
        let lines = serving.logged();
        let mut lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == "listening for health checks and scrapes")
    };
    eventually("it does not say where", Duration::from_secs(10), async || said().is_some()).await;
    let line = said().unwrap();
    let address = line["address"].as_str().unwrap().to_owned();
    let ask = |address: &str, path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text[9..12].to_owned()
    };
    for (path, on_ops, on_api) in [
        ("/livez", "200", "200"),
        ("/readyz", "200", "200"),
        ("/credentials", "404", "401"),
        ("/admin/tenants", "404", "401"),
        ("/ops", "200", "404"),
        ("/docs/", "200", "200"),
        ("/openapi.json", "200", "200"),
    ] {
        assert_eq!(
            (ask(&address, path).as_str(), ask(&serving.address, path).as_str()),
            (on_ops, on_api),
            "{path}"
        );
    }
    let run = |command: &str, more: &[(&str, &str)]| {
        let database = format!("sqlite://{}/other.db", folder.path().display());
        let key = master_key();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .arg(command)
            .env_clear()
            .env("GATEWAY_MASTER_KEY", &key)
            .env("GATEWAY_DATABASE_URL", database)
            .envs(more.iter().copied())
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    // Nothing listens at the API's address, so the check must call the second listener.
    let dead = ("GATEWAY_LISTEN", "127.0.0.1:1");
    assert!(run("healthcheck", &[dead, ("GATEWAY_OPS_LISTEN", &address)]).0);
    assert!(!run("healthcheck", &[dead]).0);
    let (ended, words) = run("serve", &[("GATEWAY_LISTEN", "127.0.0.1:0"), ("GATEWAY_OPS_LISTEN", &address)]);
    assert!(
        !ended && words.contains(&format!("{address} is in use")) && words.contains("GATEWAY_OPS_LISTEN"),
        "{words}"
    );
}
