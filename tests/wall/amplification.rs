//! Small requests and replies that would cause large responses, large rows or high memory use: each is limited.

use contacts_gateway::domain::Scope;
use contacts_gateway::store::{CredentialRecord, now};
use serde_json::{Value, json};

use super::canned::Canned;
use crate::gateway_process::{ADMIN_TOKEN, GatewayProcess, master_key, secret_of};
use crate::reply::Reply;
use crate::testbed::Testbed;

/// No response below may be larger than this.
const LARGEST: usize = 128 * 1024;

/// The real binary, a tenant's key, and a CRM with a given response.
struct Fixture {
    serving: GatewayProcess,
    crm: Canned,
    key: String,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
        let (_, key) = serving.tenant("one").await;
        Self { serving, crm: Canned::start().await, key, _folder: folder }
    }

    async fn link(&self, provider: &str) -> String {
        self.link_as(provider, provider).await
    }

    async fn link_as(&self, provider: &str, name: &str) -> String {
        let secret: Value = serde_json::from_str(&secret_of(provider, "secret-of-the-crm")).unwrap();
        let credential = json!({ "provider": provider, "name": name,
            "settings": { "baseUrl": self.crm.base_url() }, "secret": secret });
        self.serving.link(&self.key, credential).await
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        self.serving.call(method, path, &self.key, Some(body.to_owned())).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.serving.call("GET", path, &self.key, None).await
    }

    /// The peak memory of the process, in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serving.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// An object of `count` fields with short names.
fn fields(count: usize) -> String {
    let fields: Vec<String> = (0..count).map(|n| format!("\"{n:x}\":0")).collect();
    format!("{{{}}}", fields.join(","))
}

/// The response names the first 100 of `faults` faults and counts the others.
fn assert_first_hundred(reply: &Reply, faults: usize) {
    let (json, size) = (reply.json(), reply.text.len());
    assert!(size <= LARGEST, "{size} bytes: {}", &reply.text[..300]);
    assert_eq!(json["errors"].as_array().map(Vec::len), Some(100), "{:.300}", reply.text);
    assert_eq!(json["errorsOmitted"], faults - 100, "{:.300}", reply.text);
    let detail = json["detail"].as_str().unwrap();
    let counted =
        detail.contains(&format!("and {} more", faults - 1)) || detail.starts_with(&format!("{faults} "));
    assert!(counted && detail.contains("`errors` lists the first 100"), "{detail}");
}

#[tokio::test]
async fn a_body_of_a_hundred_thousand_unknown_fields_names_the_first_hundred() {
    let fixture = Fixture::start().await;
    let contacts = format!("/crm/contacts?credentialId={}", fixture.link("aptly").await);
    let many = fields(100_000);
    let before = fixture.peak();
    let reply = fixture.send("POST", &contacts, &many).await;
    assert_first_hundred(&reply, 100_001); // `lastName` is missing too
    let credential = |settings: &str| {
        format!(r#"{{"provider":"aptly","name":"n","settings":{settings},"secret":{{"apiKey":"k"}}}}"#)
    };
    let few = fields(4_000);
    let reply = fixture.send("POST", "/credentials?verify=false", &credential(&few)).await;
    assert_first_hundred(&reply, 4_000);
    let defaults = format!(r#"{{"createDefaults":{few}}}"#);
    let reply = fixture.send("POST", "/credentials?verify=false", &credential(&defaults)).await;
    assert_first_hundred(&reply, 4_000);
    let reply = fixture.send("POST", "/credentials?verify=false", &credential(&many)).await;
    assert!(reply.status == 422 && reply.text.len() <= LARGEST, "{} bytes", reply.text.len());
    // A name as long as the body is echoed only in part.
    let long = format!(r#"{{"lastName":"x","{}":1}}"#, "n".repeat(900_000));
    let reply = fixture.send("POST", &contacts, &long).await;
    assert!(reply.status == 422 && reply.text.len() < 4_096, "{} bytes", reply.text.len());
    let twice = format!(r#"{{"{0}":1,"{0}":1}}"#, "n".repeat(400_000));
    let reply = fixture.send("POST", &contacts, &twice).await;
    assert!(reply.status == 400 && reply.text.len() < 4_096, "{} bytes", reply.text.len());
    let audit = fixture.serving.call("GET", "/admin/audit?pageSize=100", ADMIN_TOKEN, None).await;
    assert!(audit.status == 200 && audit.text.len() < 16_384, "{} bytes of audit", audit.text.len());
    let grown = fixture.peak().saturating_sub(before);
    println!("six bodies of up to 1 MiB: {grown} KiB more memory at the most");
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn a_hundred_and_twenty_unknown_parameters_are_named_up_to_the_bound() {
    let fixture = Fixture::start().await;
    let query: Vec<String> = (0..120).map(|n| format!("x{n}=1&x{n}=2")).collect();
    let reply = fixture.get(&format!("/credentials?{}", query.join("&"))).await;
    assert_first_hundred(&reply, 120);
}

#[tokio::test]
async fn two_hundred_unknown_custom_fields_list_fifty_valid_ones_once() {
    let fixture = Fixture::start().await;
    let credential = fixture.link("aptly").await;
    let shown: Vec<String> = (0..3_000)
        .map(|n| format!(r#""id{n:015}":{{"name":"Field number {n}","dataType":"text","value":"v"}}"#))
        .collect();
    let contact =
        format!(r#"{{"_id":"abc","lastname":"x","company":"c","customFields":{{{}}}}}"#, shown.join(","));
    fixture.crm.tell("GET /api/contacts/abc", &[(200, &contact)]);
    fixture.crm.tell("GET /api/contacts", &[(200, &format!(r#"{{"data":[{contact}]}}"#))]);
    let unknown: Vec<String> = (0..200).map(|n| format!(r#""no such {n}":1"#)).collect();
    let body = format!(r#"{{"remoteFields":{{"customFields":{{{}}}}}}}"#, unknown.join(","));
    let reply = fixture.send("PATCH", &format!("/crm/contacts/abc?credentialId={credential}"), &body).await;
    assert_eq!((reply.status, reply.code().as_str()), (422, "validation_failed"), "{:.300}", reply.text);
    assert_first_hundred(&reply, 200);
    assert_eq!(reply.text.matches("Field number").count(), 50);
    assert!(reply.text.contains("2950 more"), "{:.9000}", reply.text);
}

/// A page of `count` rows, all with one e-mail address and one phone number.
fn matching(count: usize) -> [String; 2] {
    let rows = |email: &str, phone: &str| -> String {
        let row =
            |n| format!(r#"{{"_id":"r{n}","lastname":"x","lastName":"x","company":"",{email},{phone}}}"#);
        (0..count).map(row).collect::<Vec<_>>().join(",")
    };
    let aptly = rows(r#""email":["a@example.com"]"#, r#""phone":[]"#);
    let pipeline = rows(r#""email":null"#, r#""phoneNumber":[{"value":"+14155550100","isPrimary":true}]"#);
    [format!(r#"{{"data":[{aptly}]}}"#), format!(r#"{{"data":{{"contacts":[{pipeline}]}}}}"#)]
}

#[tokio::test]
async fn a_lookup_that_matches_thousands_names_twenty_candidates() {
    let fixture = Fixture::start().await;
    let pages = matching(1_900);
    let body = r#"{"lastName":"New","emailAddresses":[{"emailAddress":"a@example.com"}],"phoneNumbers":[{"phoneNumber":"+14155550100"}]}"#;
    for (provider, page) in ["aptly", "pipeline"].into_iter().zip(&pages) {
        let credential = fixture.link(provider).await;
        fixture.crm.tell("GET /api/contacts", &[(200, page)]);
        fixture.crm.tell("POST /api/contacts", &[(200, page)]);
        for (path, code) in [("/crm/contacts", "contact_exists"), ("/crm/contacts/upsert", "ambiguous_match")]
        {
            let reply = fixture.send("POST", &format!("{path}?credentialId={credential}"), body).await;
            assert_eq!((reply.status, reply.code().as_str()), (409, code), "{provider} {:.300}", reply.text);
            assert!(reply.text.len() < 8_192, "{} bytes", reply.text.len());
            assert_eq!(reply.json()["candidates"].as_array().map(Vec::len), Some(20), "{provider} {path}");
            assert_eq!(reply.json()["candidatesOmitted"], 1_880, "{provider} {path}");
        }
        let calls = fixture.crm.asked();
        let calls: Vec<String> = calls
            .iter()
            .map(|call| format!("{} {}?{} {}", call.method, call.path, call.query, call.body))
            .collect();
        assert!(calls.iter().all(|call| !call.contains("New")), "nothing was written: {calls:?}");
    }
}

#[tokio::test]
async fn a_page_of_two_hundred_thousand_rows_is_refused_before_its_rows_are_read() {
    let fixture = Fixture::start().await;
    let rows = vec![r#"{"_id":"a"}"#; 200_000].join(",");
    for provider in ["aptly", "pipeline"] {
        let credential = fixture.link(provider).await;
        let page = match provider {
            "aptly" => format!(r#"{{"data":[{rows}]}}"#),
            _ => format!(r#"{{"data":{{"contacts":[{rows}]}}}}"#),
        };
        for route in ["GET /api/contacts", "POST /api/contacts", "GET /api/contacts/abc"] {
            fixture.crm.tell(route, &[(200, &page)]);
        }
        for path in ["/crm/contacts", "/crm/contacts/count", "/crm/contacts/abc"] {
            if (provider, path) == ("pipeline", "/crm/contacts/abc") {
                continue; // It returns a single contact, never a list.
            }
            let (before, began) = (fixture.peak(), std::time::Instant::now());
            let reply = fixture.get(&format!("{path}?credentialId={credential}")).await;
            let grown = fixture.peak().saturating_sub(before);
            println!("{provider} {path}: {grown} KiB more memory at the most, {:?}", began.elapsed());
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (502, "upstream_invalid_response"),
                "{}",
                reply.text
            );
            assert!(reply.text.contains("2000 rows"), "{}", reply.text);
            assert!(grown < 64 * 1024, "{grown} KiB");
        }
    }
}

#[tokio::test]
async fn a_count_by_scan_keeps_digests_of_what_it_counted() {
    let fixture = Fixture::start().await;
    let credential = fixture.link("aptly").await;
    // Each page is 2 MB of 200 rows, without a total. Keeping 25 pages would take 50 MB.
    let pages: Vec<String> = (0..25)
        .map(|page| {
            let filler = "f".repeat(10_000);
            let rows = (0..200).map(|n| format!(r#"{{"_id":"p{page}n{n}","filler":"{filler}"}}"#));
            format!(r#"{{"data":[{}]}}"#, rows.collect::<Vec<_>>().join(","))
        })
        .collect();
    let pages: Vec<(u16, &str)> = pages.iter().map(|page| (200, page.as_str())).collect();
    fixture.crm.tell("GET /api/contacts", &pages);
    let before = fixture.peak();
    let reply = fixture.get(&format!("/crm/contacts/count?credentialId={credential}")).await;
    let grown = fixture.peak().saturating_sub(before);
    println!("a count over 25 pages of 2 MB: {grown} KiB more memory at the most");
    assert_eq!(reply.code(), "scan_limit_reached", "{}", reply.text);
    assert!(reply.text.contains("5000 contacts"), "{}", reply.text);
    assert_eq!((&reply.json()["rowsRead"], reply.json().get("nextCursor")), (&json!(5000), None));
    assert!(grown < 32 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn settings_and_secrets_of_a_credential_are_bounded() {
    let fixture = Fixture::start().await;
    let draft = |filler: usize, secret: usize| {
        let settings =
            json!({ "baseUrl": fixture.crm.base_url(), "createDefaults": { "title": "t".repeat(filler) } });
        json!({ "provider": "aptly", "name": "n", "settings": settings, "secret": { "apiKey": "k".repeat(secret) } })
    };
    let reply = fixture.send("POST", "/credentials?verify=false", &draft(900_000, 9).to_string()).await;
    assert_eq!((reply.status, reply.code().as_str()), (422, "validation_failed"));
    let error = &reply.json()["errors"][0];
    assert_eq!((&error["pointer"], &error["code"]), (&json!("/settings"), &json!("too_long")));
    assert!(error["detail"].as_str().unwrap().contains("65536 bytes"), "{error}");
    let reply = fixture.send("POST", "/credentials?verify=false", &draft(9, 20_000).to_string()).await;
    let error = &reply.json()["errors"][0];
    assert_eq!(
        (reply.status, &error["pointer"], &error["code"]),
        (422, &json!("/secret"), &json!("too_long"))
    );
    assert!(!reply.text.contains("kkkk"), "a secret is never shown");
    // Settings just below the limit are stored. A change above it is refused and changes nothing.
    let id = fixture.serving.link(&fixture.key, draft(65_000, 9)).await;
    let path = format!("/credentials/{id}?verify=false");
    let more = json!({ "settings": { "rateLimitGroup": "g".repeat(50), "createDefaults": { "title": "t".repeat(65_500) } } });
    let reply = fixture.send("PATCH", &path, &more.to_string()).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["pointer"]), (422, &json!("/settings")));
    let held = fixture.get(&format!("/credentials/{id}")).await.json();
    assert_eq!(
        held["credential"]["settings"]["createDefaults"]["title"].as_str().map(str::len),
        Some(65_000)
    );
}

/// A credential as an earlier version may have stored it, with settings of about `size` bytes.
fn record(house_tenant: &super::testbed::Tenant, number: usize, size: usize) -> CredentialRecord {
    let settings =
        json!({ "baseUrl": "https://crm.example.com", "createDefaults": { "title": "t".repeat(size) } });
    CredentialRecord {
        id: format!("cred_{number:04}").into(),
        tenant: house_tenant.id().clone(),
        provider: "aptly".into(),
        name: format!("large {number}").into(),
        settings: settings.to_string().into(),
        base_url: "https://crm.example.com/".into(),
        secret: vec![1; 64],
        revision: 1,
        created_at: now(),
        updated_at: now(),
        last_check: None,
    }
}

#[tokio::test]
async fn a_list_of_large_credentials_ends_early_and_goes_on() {
    let testbed = Testbed::open().await;
    let tenant = testbed.tenant("large").await;
    let key = testbed.key(&tenant, &Scope::ALL, None).await;
    for (number, size) in (0..60).map(|number| (number, if number < 3 { 1_000_000 } else { 65_000 })) {
        testbed.store.credentials.insert(&record(&tenant, number, size)).await.unwrap();
    }
    let (mut seen, mut path, mut pages): (Vec<String>, _, _) =
        (Vec::new(), "/credentials?pageSize=100".to_owned(), 0);
    loop {
        let page = testbed.send("GET", &path, &key, None).await;
        assert_eq!(page.status, 200, "{:.300}", page.text);
        assert!(page.text.len() < 2_100_000, "{} bytes", page.text.len());
        let json = page.json();
        let items = json["items"].as_array().unwrap();
        assert!(!items.is_empty());
        seen.extend(items.iter().map(|item| item["credentialId"].as_str().unwrap().to_owned()));
        pages += 1;
        match &json["nextCursor"] {
            Value::String(cursor) => path = format!("/credentials?pageSize=100&cursor={cursor}"),
            _ => break,
        }
    }
    assert!(pages >= 6, "{pages} pages");
    let (mut once, all) = (seen.clone(), seen.len());
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len(), all), (62, 62), "each once, with those of both CRMs");
    // A stored row above the limit can still be read.
    let large = testbed.send("GET", "/credentials/cred_0000", &key, None).await;
    assert_eq!((large.status, large.text.len() > 1_000_000), (200, true));
}

#[tokio::test]
async fn a_contact_of_a_hundred_thousand_addresses_is_shown_in_part() {
    let fixture = Fixture::start().await;
    for provider in ["aptly", "pipeline"] {
        let (credential, list) = (fixture.link(provider).await, vec![r#""a@b""#; 100_000].join(","));
        let phones = vec![r#""1""#; 100_000].join(",");
        let key = if provider == "aptly" { "phone" } else { "phoneNumber" };
        let contact = format!(r#"{{"_id":"abc","lastname":"x","email":[{list}],"{key}":[{phones}]}}"#);
        fixture.crm.tell("GET /api/contacts/abc", &[(200, &contact)]);
        fixture.crm.tell("GET /api/contacts", &[(200, &format!(r#"{{"data":[{contact}]}}"#))]);
        let reply = fixture.get(&format!("/crm/contacts/abc?credentialId={credential}")).await;
        assert_eq!(reply.status, 200, "{provider} {:.300}", reply.text);
        assert!(reply.text.len() <= LARGEST, "{} bytes", reply.text.len());
        let json = reply.json();
        for field in ["emailAddresses", "phoneNumbers"] {
            assert_eq!(json["contact"][field].as_array().map(Vec::len), Some(1_000), "{provider} {field}");
            let warned = |warning: &Value| {
                warning["code"] == "incomplete" && warning["pointer"] == format!("/{field}")
            };
            assert!(
                json["warnings"].as_array().unwrap().iter().any(warned),
                "{provider} {}",
                json["warnings"]
            );
        }
    }
    // One text with many comma-separated addresses is not a list of addresses.
    let credential = fixture.link_as("aptly", "again").await;
    let contact = format!(r#"{{"_id":"abc","lastname":"x","email":"{}"}}"#, vec!["a@b"; 100_000].join(","));
    fixture.crm.tell("GET /api/contacts/abc", &[(200, &contact)]);
    fixture.crm.tell("GET /api/contacts", &[(200, &format!(r#"{{"data":[{contact}]}}"#))]);
    let reply = fixture.get(&format!("/crm/contacts/abc?credentialId={credential}")).await;
    assert_eq!(
        reply.json()["contact"]["emailAddresses"].as_array().map(Vec::len),
        Some(1),
        "{:.300}",
        reply.text
    );
}
