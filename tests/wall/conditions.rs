//! `ETag` and `If-Match` over HTTP: who gets a tag, which headers are refused, and that no caller overwrites another's change.

use contacts_gateway::domain::Scope;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::testbed::Testbed;

/// A gateway, the key of one tenant, and for each CRM the path of one contact.
struct Fixture {
    testbed: Testbed,
    key: String,
    contacts: Vec<String>,
    credentials: [String; 2],
}

impl Fixture {
    async fn open() -> Self {
        let testbed = Testbed::open().await;
        let tenant = testbed.tenant("mine").await;
        let key = testbed.key(&tenant, &Scope::ALL, None).await;
        let mut contacts = Vec::new();
        for (crm, credential) in [(&testbed.aptly, 0), (&testbed.pipeline, 1)] {
            let id = crm.contacts()[0]["_id"].as_str().unwrap().to_owned();
            contacts.push(format!("/crm/contacts/{id}?credentialId={}", tenant.credentials[credential]));
        }
        let credentials = tenant.credentials.clone();
        Self { testbed, key, contacts, credentials }
    }

    async fn send(&self, method: &str, uri: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let body = if body.is_null() { None } else { Some(body.to_string()) };
        self.testbed.send_with(method, uri, &self.key, body.as_deref(), headers).await
    }

    async fn get(&self, uri: &str) -> Reply {
        self.send("GET", uri, &Value::Null, &[]).await
    }
}

impl Reply {
    /// The entity tag; empty where there is none.
    fn tag(&self) -> &str {
        self.headers.get("etag").map_or("", |tag| tag.to_str().unwrap())
    }
}

#[tokio::test]
async fn two_clients_who_edit_one_contact_over_http_lose_no_change() {
    let fixture = Fixture::open().await;
    for contact in &fixture.contacts {
        let (ann, ben) = (fixture.get(contact).await, fixture.get(contact).await);
        assert!(
            ann.tag().len() > 20 && ann.tag().starts_with('"') && ann.tag().ends_with('"'),
            "{}",
            ann.tag()
        );
        assert_eq!(ann.tag(), ben.tag());
        for (method, field) in [("PATCH", "firstName"), ("PUT", "firstName")] {
            let ann = fixture.get(contact).await;
            let change = json!({ field: method });
            let first = fixture.send(method, contact, &change, &[("if-match", ann.tag())]).await;
            assert_eq!(first.status, 200, "{}", first.text);
            let calls = fixture.testbed.calls();
            let second = fixture
                .send(method, contact, &json!({ "lastName": "King" }), &[("if-match", ann.tag())])
                .await;
            assert_eq!((second.status, second.code().as_str()), (412, "contact_changed"), "{}", second.text);
            assert_eq!(second.tag(), first.tag(), "it tells the current tag");
            assert!(fixture.testbed.calls() > calls, "it was read");
            let again = fixture.get(contact).await;
            assert_eq!(again.tag(), first.tag());
            let change = json!({ "lastName": method });
            let third = fixture.send(method, contact, &change, &[("if-match", again.tag())]).await;
            assert_eq!(third.status, 200, "{}", third.text);
            let both = third.json();
            assert_eq!(
                (&both["contact"]["firstName"], &both["contact"]["lastName"]),
                (&json!(method), &json!(method))
            );
        }
    }
}

#[tokio::test]
async fn a_tag_stands_on_one_contact_s_responses_and_not_on_lists_refusals_or_removals() {
    let fixture = Fixture::open().await;
    for (contact, credential) in fixture.contacts.iter().zip(&fixture.credentials) {
        let all = format!("/crm/contacts?credentialId={credential}");
        let person = json!({ "firstName": "Ada", "lastName": "Byron", "emailAddresses": [{ "emailAddress": "ada@example.com" }],
            "phoneNumbers": [{ "phoneNumber": "+14165550277" }] });
        let created = fixture.send("POST", &all, &person, &[]).await;
        let made = format!(
            "/crm/contacts/{}?credentialId={credential}",
            created.json()["contact"]["id"].as_str().unwrap()
        );
        assert_eq!(created.tag(), fixture.get(&made).await.tag(), "{}", created.text);
        let upsert = format!("/crm/contacts/upsert?credentialId={credential}");
        let upserted = fixture.send("POST", &upsert, &person, &[]).await;
        assert_eq!((upserted.status, upserted.tag()), (200, created.tag()), "{}", upserted.text);
        for uri in [all.as_str(), &format!("/crm/contacts/count?credentialId={credential}")] {
            let listed = fixture.get(uri).await;
            assert_eq!((listed.status, listed.tag()), (200, ""));
        }
        assert_eq!(fixture.send("PATCH", contact, &json!({ "lastName": 5 }), &[]).await.tag(), "");
        // Conditions on reads are ignored: a 200 is always right.
        let tag = fixture.get(&made).await.tag().to_owned();
        for header in ["if-none-match", "if-match", "if-modified-since", "if-unmodified-since"] {
            let read = fixture.send("GET", &made, &Value::Null, &[(header, &tag)]).await;
            assert_eq!((read.status, read.tag()), (200, tag.as_str()), "{header}");
        }
    }
    let removed = fixture.send("DELETE", &fixture.contacts[1], &Value::Null, &[("if-match", "*")]).await;
    assert_eq!((removed.status, removed.tag()), (200, ""));
}

#[tokio::test]
async fn a_replay_carries_the_stored_tag() {
    let fixture = Fixture::open().await;
    for (contact, key) in fixture.contacts.iter().zip(["one", "two"]) {
        let tag = fixture.get(contact).await.tag().to_owned();
        let (change, headers) =
            (json!({ "firstName": "Augusta" }), [("if-match", tag.as_str()), ("idempotency-key", key)]);
        let first = fixture.send("PATCH", contact, &change, &headers).await;
        assert_eq!(first.status, 200, "{}", first.text);
        fixture.send("PATCH", contact, &json!({ "firstName": "Will" }), &[]).await;
        let again = fixture.send("PATCH", contact, &change, &headers).await;
        assert_eq!((again.status, again.headers["idempotency-replayed"].as_bytes()), (200, &b"true"[..]));
        assert_eq!((again.tag(), &again.text), (first.tag(), &first.text));
        assert_ne!(again.tag(), "");
        let other = fixture.send("PATCH", contact, &change, &[("idempotency-key", key)]).await;
        assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    }
}

#[tokio::test]
async fn conditions_that_a_write_does_not_take_are_refused_before_any_call() {
    let fixture = Fixture::open().await;
    for (contact, credential) in fixture.contacts.iter().zip(&fixture.credentials) {
        let (create, upsert) = (
            format!("/crm/contacts?credentialId={credential}"),
            format!("/crm/contacts/upsert?credentialId={credential}"),
        );
        let body = json!({ "lastName": "Byron" });
        for (method, uri, body) in [
            ("POST", &create, &body),
            ("POST", &upsert, &body),
            ("PATCH", contact, &body),
            ("PUT", contact, &body),
            ("DELETE", contact, &Value::Null),
        ] {
            for (header, value) in [
                ("If-Match", "\"x\""),
                ("If-Match", "*"),
                ("If-None-Match", "*"),
                ("If-Unmodified-Since", "Sat, 28 Nov 2026 00:00:00 GMT"),
            ] {
                if header == "If-Match" && method != "POST" {
                    continue;
                }
                refused(&fixture.send(method, uri, body, &[(header, value)]).await, &[header]);
            }
        }
        for (method, body) in [("PATCH", &body), ("PUT", &body), ("DELETE", &Value::Null)] {
            for value in ["x", "", "\"x", "*, \"x\"", "\"x\" \"y\""] {
                refused(&fixture.send(method, contact, body, &[("If-Match", value)]).await, &["If-Match"]);
            }
            let lines = [("If-Match", "\"x\""), ("If-Match", "*")];
            refused(&fixture.send(method, contact, body, &lines).await, &["If-Match"]);
        }
        let all = [("if-unmodified-since", "x"), ("if-match", "*"), ("if-none-match", "*")];
        let named = ["If-Match", "If-None-Match", "If-Unmodified-Since"];
        refused(&fixture.send("POST", &create, &body, &all).await, &named);
    }
    assert_eq!(fixture.testbed.calls(), 0);
    // Several lines are one list.
    let contact = &fixture.contacts[0];
    let tag = fixture.get(contact).await.tag().to_owned();
    let lines = [("if-match", "\"x\", \"y\""), ("if-match", tag.as_str())];
    assert_eq!(fixture.send("PATCH", contact, &json!({ "firstName": "Augusta" }), &lines).await.status, 200);
}

#[track_caller]
fn refused(answer: &Reply, headers: &[&str]) {
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_parameter"), "{}", answer.text);
    let faults = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    let named: Vec<&str> = faults.iter().map(|fault| fault["parameter"].as_str().unwrap()).collect();
    assert_eq!(named, headers, "{}", answer.text);
}
