//! Dry runs: each plan is what the write then sends, refusals are those of the write, and nothing is written or stored.

use axum::body::Body;
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::support::crm::{Crm, all, all_permissive};
use crate::support::person::with;
use crate::support::worlds::WORLDS;
use crate::test_gateway::signed;

/// One write over HTTP.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    /// Behind `/crm/contacts`.
    path: String,
    /// More parameters, each with `&` before it.
    query: &'static str,
    body: Value,
    if_match: Option<&'static str>,
}

fn asked(method: &'static str, path: impl Into<String>, body: Value) -> Asked {
    Asked { method, path: path.into(), query: "", body, if_match: None }
}

impl Asked {
    /// Sends it as a dry run, or for real.
    async fn send(&self, crm: &Crm, is_dry_run: bool) -> Reply {
        self.send_with(crm, if is_dry_run { "&dryRun=true" } else { "" }, &[]).await
    }

    async fn send_with(&self, crm: &Crm, more: &str, headers: &[(&str, &str)]) -> Reply {
        let Self { method, path, query, body, if_match } = self;
        let uri = format!("/crm/contacts{path}?credentialId={}{query}{more}", crm.credential);
        let mut request = signed(method, &uri).header("content-type", "application/json");
        for (name, value) in if_match.iter().map(|tag| ("if-match", *tag)).chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        crm.gateway.send(request.body(body).unwrap()).await
    }
}

/// Every CRM in each of its documented forms, where the credential allows all that the CRM can do.
async fn every_form() -> Vec<Crm> {
    let mut crms = Vec::new();
    for world in WORLDS {
        for variant in world.variants(0).await {
            let settings = with(variant.settings, &world.permissive());
            crms.push(Crm::at(variant.at, *world, settings).await);
        }
    }
    crms
}

/// The calls that could write, as a plan shows them.
fn sent(crm: &Crm) -> Vec<Value> {
    let shown = |call: &contacts_gateway::simulators::RecordedCall| {
        let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
        let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
        json!({ "method": call.method, "path": format!("{}{query}", call.path), "body": body })
    };
    crm.sent().iter().map(shown).collect()
}

/// Writes of every operation: each changes something.
fn writes(crm: &Crm, rich: &str) -> Vec<Asked> {
    let person = |number: usize| {
        json!({ "firstName": "Grace", "lastName": format!("Ho{number}"),
            "emailAddresses": [{ "emailAddress": format!("grace{number}@example.com") }],
            "phoneNumbers": [{ "phoneNumber": format!("+1 416 555 {:04}", 4100 + number) }] })
    };
    let more = |number: usize, members: Value| {
        let mut person = person(number);
        person.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        person
    };
    let several = json!({ "account": "Engines", "addresses": [{ "city": "London" }],
        "emailAddresses": [{ "emailAddress": "a2@example.com" }, { "emailAddress": "b2@example.com", "emailAddressType": "main" }],
        "phoneNumbers": [{ "phoneNumber": "+14165554202", "phoneNumberType": "work" }, { "phoneNumber": "416 555 4203" }] });
    let mut all = vec![
        asked("POST", "", person(1)),
        asked("POST", "", more(2, several)),
        asked("POST", "/upsert", person(3)),
        asked("POST", "/upsert", more(1, json!({ "firstName": "Gracia", "lastName": "Ho1" }))),
    ];
    for (index, field) in crm.spec.remote_fields.iter().enumerate() {
        if let Some(sample) = crm.world.remote_sample(field.name) {
            let fields = json!({ "remoteFields": { field.name: sample.value } });
            all.push(asked("POST", "", more(10 + index, fields)));
        }
    }
    let at = |id: &str| format!("/{id}");
    all.push(asked("PATCH", at(rich), json!({ "firstName": "Augusta", "lastName": "King" })));
    all.push(asked(
        "PUT",
        at(rich),
        json!({ "emailAddresses": [{ "emailAddress": "countess@example.com" }] }),
    ));
    all.push(asked(
        "PATCH",
        at(rich),
        json!({ "phoneNumbers": [{ "phoneNumber": "+14165550288", "phoneNumberType": "home" }] }),
    ));
    for change in crm.world.remote_changes() {
        let change = change.to_string().replace("{id}", rich);
        all.push(asked("PATCH", at(rich), serde_json::from_str(&change).unwrap()));
    }
    all.push(Asked { if_match: Some("*"), ..asked("PATCH", at(rich), json!({ "firstName": "Ada" })) });
    if crm.spec.operations.delete {
        all.push(asked("DELETE", at(rich), Value::Null));
    }
    all
}

#[tokio::test]
async fn a_plan_is_what_the_write_sends_and_writes_nothing() {
    for crm in every_form().await {
        let rich = crm.put_rich();
        let (mut methods, mut refused) = (std::collections::BTreeSet::new(), 0);
        for write in writes(&crm, &rich) {
            let before = crm.at.contacts();
            let plan = write.send(&crm, true).await;
            crm.assert_nothing_sent();
            assert_eq!(crm.at.contacts(), before, "{write:?}");
            if plan.code() == "validation_failed" {
                // A change after another one may be none that the contact can take.
                refused += 1;
                write.send(&crm, false).await.is(422, "validation_failed");
                continue;
            }
            assert_eq!(plan.status, 200, "{write:?}: {}", plan.text);
            assert!(!plan.text.contains(crm.at.token()) && plan.header("etag").is_empty(), "{}", plan.text);
            let plan = plan.json();
            assert_eq!(plan["dryRun"], true, "{write:?}: {plan}");
            let done = write.send(&crm, false).await;
            // A plan says what is sent, and not what the CRM will make of it.
            refused += usize::from(done.code() == "upstream_rejected");
            assert!(done.status == 200 || done.code() == "upstream_rejected", "{write:?}: {}", done.text);
            let sent = sent(&crm);
            assert_eq!(sent.len(), 1, "{write:?}: {sent:?}");
            assert_eq!(plan["calls"], json!(sent), "{write:?}");
            methods.insert(sent[0]["method"].to_string());
            if let Some(told) = done.json()["warnings"].as_array() {
                let planned = plan["warnings"].as_array().unwrap();
                assert!(
                    planned.iter().all(|warning| told.contains(warning)),
                    "{write:?}: {planned:?} {told:?}"
                );
            }
            crm.at.journal().clear();
        }
        let several = if crm.spec.operations.delete { 3 } else { 1 };
        assert_eq!(methods.len(), several, "{methods:?}");
        assert!(refused < 3, "{refused} writes were refused");
    }
}

#[tokio::test]
async fn a_plan_for_what_is_held_already_has_no_calls() {
    for crm in all().await {
        let rich = crm.put_rich();
        let read =
            crm.gateway.ask("GET", &format!("/crm/contacts/{rich}?credentialId={}", crm.credential)).await;
        let tag = read.header("etag").to_owned();
        for body in [read.json()["contact"].clone(), json!({}), json!({ "firstName": "Ada" })] {
            let write = asked("PATCH", format!("/{rich}"), body);
            let plan = write.send_with(&crm, "&dryRun=true", &[("if-match", &tag)]).await;
            assert_eq!((plan.status, &plan.json()["calls"]), (200, &json!([])), "{}", plan.text);
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn a_dry_run_is_refused_exactly_as_the_write() {
    for crm in all().await {
        let rich = crm.put_rich();
        crm.put("Eve", "King", "eve@example.com", "+14165550333");
        let twin = json!({ "firstName": "Ada", "lastName": "Byron",
            "emailAddresses": [{ "emailAddress": "ada@example.com" }],
            "phoneNumbers": [{ "phoneNumber": "+14165550277" }] });
        let strange = json!({ "lastName": "X", "phoneNumbers": [{ "phoneNumber": "+14165550399" }], "remoteFields": { "nonsense": 1 } });
        let lossy = json!({ "lastName": "X", "phoneNumbers": [{ "phoneNumber": "+14165550399" }], "addresses": [{ "city": "London" }] });
        let eves = json!({ "emailAddresses": [{ "emailAddress": "eve@example.com" }], "phoneNumbers": [{ "phoneNumber": "+14165550333" }] });
        let at = format!("/{rich}");
        for (write, code) in [
            (asked("POST", "", twin.clone()), "contact_exists"),
            (asked("POST", "", strange.clone()), "validation_failed"),
            (asked("POST", "", json!({ "firstName": "Ada" })), "validation_failed"),
            (Asked { query: "&strict=true", ..asked("POST", "", lossy) }, "validation_failed"),
            (asked("PATCH", at.as_str(), strange), "validation_failed"),
            (asked("PATCH", at.as_str(), eves), "contact_exists"),
            (asked("PATCH", "/nobody", json!({ "firstName": "Ada" })), "contact_not_found"),
            (
                Asked {
                    if_match: Some("\"other\""),
                    ..asked("PATCH", at.as_str(), json!({ "firstName": "X" }))
                },
                "contact_changed",
            ),
            (Asked { query: "&matchOn=fax", ..asked("POST", "/upsert", twin.clone()) }, "invalid_parameter"),
            (asked("POST", "/upsert", json!({ "lastName": "Byron" })), "validation_failed"),
            (
                asked("DELETE", at.as_str(), Value::Null),
                if crm.spec.operations.delete { "delete_not_allowed" } else { "operation_unsupported" },
            ),
        ] {
            let (plan, done) = (write.send(&crm, true).await, write.send(&crm, false).await);
            assert_eq!(plan.code(), code, "{write:?}: {}", plan.text);
            let said = |reply: &Reply| {
                let mut problem = reply.json();
                problem["requestId"] = Value::Null;
                (reply.status, reply.header("etag").to_owned(), problem)
            };
            assert_eq!(said(&plan), said(&done), "{write:?}");
        }
        crm.assert_nothing_sent();
    }
    for crm in all_permissive().await {
        let write = asked("DELETE", "/0123456789abcdef01234567", Value::Null);
        let (plan, done) = (write.send(&crm, true).await, write.send(&crm, false).await);
        assert_eq!((plan.status, plan.code()), (done.status, done.code()));
        let gone = if crm.spec.operations.delete { "contact_not_found" } else { "operation_unsupported" };
        assert_eq!(plan.code(), gone);
    }
}

#[tokio::test]
async fn a_dry_run_takes_no_key_and_leaves_no_record() {
    for crm in all().await {
        let person = json!({ "lastName": "Ho", "emailAddresses": [{ "emailAddress": "ho@example.com" }], "phoneNumbers": [{ "phoneNumber": "+14165554301" }] });
        let write = asked("POST", "", person);
        let key = [("idempotency-key", "k-1")];
        let refused = write.send_with(&crm, "&dryRun=true", &key).await;
        refused.is(400, "invalid_parameter");
        assert_eq!(refused.places(), ["dryRun"]);
        for wrong in ["", "=", "=1", "=TRUE", "=yes", "=true&dryRun=true"] {
            let refused = write.send_with(&crm, &format!("&dryRun{wrong}"), &[]).await;
            refused.is(400, "invalid_parameter");
            assert_eq!(refused.places(), ["dryRun"], "{wrong}");
        }
        crm.assert_silence();
        let audit = async || {
            crm.gateway.ask("GET", "/admin/audit?pageSize=100").await.json()["items"]
                .as_array()
                .unwrap()
                .len()
        };
        let before = audit().await;
        assert_eq!(write.send(&crm, true).await.status, 200);
        assert_eq!(audit().await, before, "a dry run changes nothing that an audit names");
        // The key is free: the refused dry run has not claimed it.
        let done = write.send_with(&crm, "&dryRun=false", &key).await;
        assert!(
            done.status == 200 && !done.is_replay() && done.json()["contact"].is_object(),
            "{}",
            done.text
        );
        assert_eq!(audit().await, before + 1);
    }
}

#[tokio::test]
async fn a_dry_run_waits_for_no_write_and_no_write_for_it() {
    for crm in all().await {
        let rich = crm.put_rich();
        let write = asked("PATCH", format!("/{rich}"), json!({ "firstName": "Augusta" }));
        crm.at.fault(Fault::once(FaultKind::Latency { ms: 4_000 }).on_writes());
        let planned = async {
            while crm.sent().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            write.send(&crm, true).await
        };
        let slow = write.send(&crm, false);
        tokio::pin!(slow, planned);
        tokio::select! {
            biased;
            plan = &mut planned => assert!(plan.json()["calls"][0]["method"].is_string(), "{}", plan.text),
            done = &mut slow => panic!("the dry run waited for the write: {}", done.text),
        }
        assert_eq!(slow.await.status, 200);
    }
}
