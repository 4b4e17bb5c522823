//! Replies that are costly to read delay only their own tenant, not the process or its shutdown.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::canned::Canned;
use crate::gateway_process::{GatewayProcess, master_key};

/// A contact of 30,000 fields, in some 300 KB.
fn heavy() -> String {
    let fields: Vec<String> = (0..30_000).map(|n| format!("\"f{n}\":{}", n % 10)).collect();
    format!("{{\"_id\":\"abc123\",\"email\":\"a@example.com\",{}}}", fields.join(","))
}

async fn canned(contact: &str, row: &str) -> Canned {
    let canned = Canned::start().await;
    canned.tell("GET /api/contacts/abc123", &[(200, contact)]);
    canned.tell("GET /api/contacts", &[(200, &format!("{{\"data\":[{row}],\"count\":1,\"page\":0}}"))]);
    canned
}

fn credential(crm: &Canned) -> serde_json::Value {
    let settings = json!({ "baseUrl": crm.base_url() });
    json!({ "provider": "aptly", "name": "a", "settings": settings, "secret": { "apiKey": "key-of-a-company" } })
}

/// Sends a read as `who` and ignores its result.
async fn abandoned(address: &str, path: &str, who: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {who}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream.read_to_end(&mut Vec::new()).await);
}

/// Waits up to 20 s until the process has ended. Returns its status.
async fn ended(serving: &mut GatewayProcess) -> ExitStatus {
    let began = Instant::now();
    loop {
        match serving.process.try_wait().unwrap() {
            Some(status) => break status,
            None if began.elapsed() < Duration::from_secs(20) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            None => panic!("it does not end: {}", serving.logged()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_replies_hold_up_neither_the_process_nor_another_tenant_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
    let small = r#"{"_id":"abc123","firstname":"Ada","email":"a@example.com"}"#;
    // The row has other field names than the single read, so that the two are merged.
    let (hostile, honest) =
        (canned(&heavy(), &heavy().replace("\"f", "\"row")).await, canned(small, small).await);
    let (_, attacker) = serving.tenant("attacker").await;
    let (_, neighbour) = serving.tenant("neighbour").await;
    let heavy = serving.link(&attacker, credential(&hostile)).await;
    let light = serving.link(&neighbour, credential(&honest)).await;
    let [heavy, light] = [heavy, light].map(|id| format!("/crm/contacts/abc123?credentialId={id}"));
    let attack = async || {
        let calls = [(); 3].map(|()| serving.call("GET", &heavy, &attacker, None));
        futures_util::future::join_all(calls).await
    };
    let watch = async || {
        let until = Instant::now() + Duration::from_secs(2);
        let mut slowest = Duration::ZERO;
        while Instant::now() < until {
            let began = Instant::now();
            let live = serving.call("GET", "/livez", "", None);
            let live = tokio::time::timeout(Duration::from_secs(10), live).await;
            assert!(live.is_ok_and(|live| live.status == 200), "/livez is silent");
            slowest = slowest.max(began.elapsed());
            let read = serving.call("GET", &light, &neighbour, None).await;
            assert_eq!(read.status, 200, "{read:?}");
        }
        slowest
    };
    let (answers, slowest) = tokio::join!(attack(), watch());
    assert!(slowest < Duration::from_secs(1), "/livez took {slowest:?}");
    for answer in answers {
        let (status, contact) = (answer.status, answer.json());
        assert_eq!(status, 200, "{}", answer.text);
        // A row with so many fields is returned without them.
        assert_eq!(contact["contact"]["remoteFields"], json!({}), "{}", answer.text);
        let warnings = contact["warnings"].as_array().unwrap();
        let told = |warning: &&serde_json::Value| {
            warning["code"] == "incomplete" && warning["pointer"] == "/remoteFields"
        };
        assert_eq!(warnings.iter().filter(told).count(), 1, "{}", answer.text);
    }
    // The process ends while the attack continues.
    let id = i32::try_from(serving.id()).unwrap();
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    };
    let still = async {
        let calls = [(); 3].map(|()| abandoned(&serving.address, &heavy, &attacker));
        futures_util::future::join_all(calls).await
    };
    tokio::join!(still, end);
    let status = ended(&mut serving).await;
    assert_eq!(status.code(), Some(0), "{}", serving.logged());
}

/// Processor time that process `id` has used.
fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // User and system time are fields 14 and 15, in hundredths of a second; the name in parentheses is field 2.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_of_custom_fields_costs_a_write_little() {
    let folder = tempfile::tempdir().unwrap();
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
    let contact = |changed: usize| {
        let field = |n: usize| {
            let value = if n < changed { "new" } else { "held" };
            format!(
                "\"cf{n}\":{{\"name\":\"Custom field {n}\",\"dataType\":\"text\",\"value\":\"{value} {n}\"}}"
            )
        };
        let fields: Vec<String> = (0..14_000).map(field).collect();
        format!(
            "{{\"_id\":\"abc123\",\"lastname\":\"X\",\"email\":[\"a@example.com\"],\"customFields\":{{{}}}}}",
            fields.join(",")
        )
    };
    assert!(contact(0).len() > 950_000);
    let crm = canned("{}", &contact(0)).await;
    crm.tell("GET /api/contacts/abc123", &[(200, &contact(0)), (200, &contact(200))]);
    crm.tell("POST /api/contacts/abc123", &[(200, "{}")]);
    let (_, key) = serving.tenant("honest").await;
    let id = serving.link(&key, credential(&crm)).await;
    let sent: serde_json::Map<String, serde_json::Value> =
        (0..200).map(|n| (format!("custom field {n}"), json!(format!("new {n}")))).collect();
    let body = json!({ "remoteFields": { "customFields": sent } }).to_string();
    let before = processor_time(serving.id());
    let path = format!("/crm/contacts/abc123?credentialId={id}");
    let changed = serving.call("PATCH", &path, &key, Some(body)).await;
    let took = processor_time(serving.id()).saturating_sub(before);
    println!("a change beside {} bytes of custom fields took {took:?} of processor time", contact(0).len());
    assert_eq!(changed.status, 200, "{}", changed.text);
    let posted = crm.asked().into_iter().find(|asked| asked.method == "POST").unwrap().body;
    let posted: serde_json::Value = serde_json::from_str(&posted).unwrap();
    assert_eq!(posted["customFields"].as_object().unwrap().len(), 200);
    assert_eq!(posted["customFields"]["cf7"], "new 7");
    // A debug build on a loaded machine takes a second or two; quadratic work took minutes.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_of_too_many_fields_can_be_changed_and_what_was_not_read_is_not_verified() {
    let folder = tempfile::tempdir().unwrap();
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
    let row = r#"{"_id":"abc123","email":["a@example.com"]}"#;
    let crm = canned("{}", row).await;
    let named = heavy().replacen('{', "{\"firstname\":\"Ada\",", 1);
    crm.tell("GET /api/contacts/abc123", &[(200, &heavy()), (200, &named)]);
    crm.tell("POST /api/contacts/abc123", &[(200, "{}")]);
    let (_, key) = serving.tenant("honest").await;
    let id = serving.link(&key, credential(&crm)).await;
    let body = json!({ "firstName": "Ada", "remoteFields": { "title": "Countess" } }).to_string();
    let path = format!("/crm/contacts/abc123?credentialId={id}");
    let changed = serving.call("PATCH", &path, &key, Some(body)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let changed = changed.json();
    assert_eq!(changed["contact"]["firstName"], "Ada");
    assert_eq!(changed["contact"]["remoteFields"], json!({}));
    let warnings: Vec<(&str, &str)> = changed["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| (warning["code"].as_str().unwrap(), warning["pointer"].as_str().unwrap()))
        .collect();
    for told in [("not_verified", "/remoteFields/title"), ("incomplete", "/remoteFields")] {
        assert!(warnings.contains(&told), "{told:?} {warnings:?}");
    }
    let posted = crm.asked().into_iter().find(|asked| asked.method == "POST").unwrap().body;
    assert_eq!(posted, r#"{"First Name":"Ada","Title":"Countess"}"#);
    // In a list, the error names such a row by its index.
    crm.tell(
        "GET /api/contacts",
        &[(200, &format!("{{\"data\":[{row},{}]}}", named.replace("abc123", "def456")))],
    );
    let listed = serving.call("GET", &format!("/crm/contacts?credentialId={id}"), &key, None).await.json();
    assert_eq!(listed["contacts"][1]["remoteFields"], json!({}));
    let last = &listed["warnings"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["pointer"], "/contacts/1/remoteFields");
    assert!(last["message"].as_str().unwrap().contains("def456"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_too_many_values_or_too_deep_is_no_reply() {
    let folder = tempfile::tempdir().unwrap();
    let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
    let crm = canned("{}", "{}").await;
    let (_, key) = serving.tenant("honest").await;
    let id = serving.link(&key, credential(&crm)).await;
    let values = format!("[{}0]", "0,".repeat(600_000));
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for (value, reason) in [(values, "more than 500000 values"), (deep, "nested deeper than 64 levels")] {
        crm.tell("GET /api/contacts/abc123", &[(200, &format!("{{\"_id\":\"abc123\",\"x\":{value}}}"))]);
        let path = format!("/crm/contacts/abc123?credentialId={id}");
        let refused = serving.call("GET", &path, &key, None).await;
        assert_eq!((refused.status, refused.code().as_str()), (502, "upstream_invalid_response"));
        assert!(refused.text.contains(reason), "{}", refused.text);
    }
}
