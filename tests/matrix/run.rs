//! Runs cases: puts the contact in, asks, and hands everything that is known to the oracle.

use std::collections::HashMap;
use std::sync::Arc;

use contacts_gateway::simulators::{RecordedCall, Running};
use serde_json::{Value, json};

use crate::api::{self, Account, Response, word};
use crate::backends::Backend;
use crate::cases::{Case, Field, Kind, Write};
use crate::contract::Contract;
use crate::held::{Held, address, number, rich};
use crate::oracle;
use crate::report::Report;
use crate::test_gateway::TestGateway;

/// What was asked, held, sent and answered in one case.
pub(crate) struct Seen {
    pub(crate) body: Value,
    pub(crate) before: Option<Held>,
    pub(crate) after: Option<Held>,
    /// The calls that could have written.
    pub(crate) sent: Vec<RecordedCall>,
    pub(crate) response: Response,
}

/// A variant of a CRM that runs, and the account at it.
pub(crate) struct Crm {
    pub(crate) backend: &'static Backend,
    pub(crate) at: Running,
    pub(crate) account: Account,
    _contract: Contract,
}

impl Crm {
    pub(crate) async fn start(api: &Arc<TestGateway>, backend: &'static Backend) -> Self {
        let at = backend.start().await;
        let contract = Contract::watch(backend.provider_name(), &at);
        let account = api::link(api, backend.provider_name(), &at, backend.settings()).await;
        Self { backend, at, account, _contract: contract }
    }

    pub(crate) fn held(&self, id: &str) -> Option<Held> {
        self.at.contact(id).map(|record| Held::of(self.backend.provider, &record))
    }

    /// Takes everybody out, and forgets the calls.
    pub(crate) fn clear(&self) {
        for contact in self.at.contacts() {
            assert!(self.at.take_out(word(&contact["_id"])));
        }
        self.at.journal().clear();
    }
}

/// Runs the cases, each backend's one after the other and the backends side by side.
pub(crate) async fn all(cases: Vec<Case>, aloud: bool) -> Report {
    let api = api::open().await;
    let mut by_backend: HashMap<&str, Vec<Case>> = HashMap::new();
    for case in cases {
        by_backend.entry(case.backend.name).or_default().push(case);
    }
    let mut running = tokio::task::JoinSet::new();
    for cases in by_backend.into_values() {
        let api = Arc::clone(&api);
        running.spawn(async move {
            let crm = Crm::start(&api, cases[0].backend).await;
            let mut report = Report::default();
            for case in cases {
                crm.clear();
                let seen = one(&crm, &case).await;
                let findings = oracle::judge(&case, &seen);
                if aloud {
                    show(&case, &seen);
                }
                report.add(&case, &seen, findings);
            }
            report
        });
    }
    let mut report = Report::default();
    while let Some(of_one) = running.join_next().await {
        report.join(of_one.unwrap());
    }
    report
}

async fn one(crm: &Crm, case: &Case) -> Seen {
    let id =
        if case.write.is_new() { String::new() } else { crm.at.put(rich(crm.backend.provider)).unwrap() };
    let before = crm.held(&id);
    let value = case.value().unwrap();
    let (method, path, query, mut body) = match case.write {
        Write::Create => ("POST", String::new(), "", new_person(case)),
        Write::UpsertNew => ("POST", "/upsert".to_owned(), "", new_person(case)),
        Write::Patch => ("PATCH", format!("/{id}"), "", json!({})),
        Write::Put => {
            let shown = crm.account.call("GET", &format!("/{id}"), "", None).await;
            assert_eq!(shown.status, 200, "{} {}", case.name(), shown.body);
            ("PUT", format!("/{id}"), "", shown.contact().clone())
        }
        Write::UpsertHeld => {
            let (query, body) = known_person(case);
            ("POST", "/upsert".to_owned(), query, body)
        }
    };
    case.field.put(&mut body, value);
    if case.field == Field::CustomFields && case.kind == Kind::Duplicates {
        // The field belongs to owners.
        body["remoteFields"]["contactType"] = json!("Owner");
    }
    crm.at.journal().clear();
    let response = crm.account.call(method, &path, query, Some(&body)).await;
    let calls = crm.at.calls();
    assert!(crm.at.journal().alarms().is_empty(), "{} {:?}", case.name(), crm.at.journal().alarms());
    let sent = calls.into_iter().filter(|call| call.method != "GET").collect();
    let after = match before {
        Some(_) => crm.held(&id),
        None => crm.at.contacts().first().map(|record| Held::of(crm.backend.provider, record)),
    };
    Seen { body, before, after, sent, response }
}

/// The body of somebody new, but for the field in question.
fn new_person(case: &Case) -> Value {
    let mut body = json!({ "firstName": "Ada", "lastName": "Byron",
        "emailAddresses": [{ "emailAddress": address(3), "emailAddressType": "main" }] });
    if case.backend.is_aptly() {
        body["remoteFields"] = json!({ "contactType": "Tenant" });
    } else {
        body["phoneNumbers"] = json!([{ "phoneNumber": number(3), "phoneNumberType": "primary" }]);
    }
    body
}

/// The person who is held, found by the identity that is not in question.
fn known_person(case: &Case) -> (&'static str, Value) {
    let emails = json!([{ "emailAddress": address(0), "emailAddressType": "main" }, { "emailAddress": address(1), "emailAddressType": "secondary" }]);
    let kinds = if case.backend.is_aptly() { ["work", "mobile"] } else { ["secondary", "primary"] };
    let phones: Value =
        (0..2).map(|n| json!({ "phoneNumber": number(n), "phoneNumberType": kinds[n] })).collect();
    if case.field == Field::EmailAddresses {
        ("&matchOn=phoneNumber", json!({ "lastName": "Byron", "phoneNumbers": phones }))
    } else {
        ("&matchOn=emailAddress", json!({ "lastName": "Byron", "emailAddresses": emails }))
    }
}

fn show(case: &Case, seen: &Seen) {
    let held = |held: &Option<Held>| held.as_ref().map(|held| Value::Object(held.record.clone()).to_string());
    println!("== {}\nasked    {}", case.name(), seen.body);
    println!("before   {}", held(&seen.before).unwrap_or_default());
    for call in &seen.sent {
        println!("sent     {} {} {}", call.method, call.path, call.body);
    }
    println!("after    {}", held(&seen.after).unwrap_or_default());
    println!("answered {} {}", seen.response.status, seen.response.body);
}
