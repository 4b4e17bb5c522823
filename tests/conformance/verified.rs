//! Verified writes: every field that is declared as stored is dropped and altered in turn, and the caller hears of it.
//!
//! Driven by the declarations: a new field without a sample here fails the test.

use contacts_gateway::adapters::{AdapterSpec, Verify, Write};
use contacts_gateway::domain::{FailureKind, Field, WarningCode};
use contacts_gateway::simulators::aptly::{self, Dialect};
use contacts_gateway::simulators::pipeline;
use contacts_gateway::simulators::{Disruption, Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::person::{ada, with};
use crate::support::world::{Crm, places, warned};

/// How one declared field is written, and where the CRM keeps it.
struct Sample {
    name: &'static str,
    /// What a create or an update says.
    write: Value,
    /// The CRM's own name, as its faults take it.
    stored: &'static str,
    /// Where the loss or the change is told.
    at: &'static str,
}

fn sample(name: &'static str, write: Value, stored: &'static str, at: &'static str) -> Sample {
    Sample { name, write, stored, at }
}

fn of_field(provider: &str, field: Field) -> Option<Sample> {
    let aptly = provider == "aptly";
    let pick = |one, other| if aptly { one } else { other };
    Some(match field {
        Field::FirstName => sample(
            "firstName",
            json!({ "firstName": "Augusta" }),
            pick("firstname", "firstName"),
            "/firstName",
        ),
        Field::LastName => {
            sample("lastName", json!({ "lastName": "Lovelace" }), pick("lastname", "lastName"), "/lastName")
        }
        Field::Account => sample("account", json!({ "account": "Engines" }), "company", "/account"),
        Field::EmailAddresses => sample(
            "emailAddresses",
            json!({ "emailAddresses": [{ "emailAddress": "augusta@example.com" }] }),
            "email",
            "/emailAddresses/0",
        ),
        Field::PhoneNumbers => sample(
            "phoneNumbers",
            json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299" }] }),
            pick("phone", "phoneNumber"),
            "/phoneNumbers/0",
        ),
        _ => return None,
    })
}

fn of_remote(provider: &str, name: &str) -> Option<Sample> {
    let written = |name: &'static str, value: Value, at| {
        sample(name, json!({ "remoteFields": { name: value } }), name, at)
    };
    Some(match (provider, name) {
        ("aptly", "contactType") => written("contactType", json!("Owner"), "/remoteFields/contactType"),
        // The simulator keeps the type by its name.
        ("aptly", "typeId") => Sample {
            stored: "contactType",
            ..written("typeId", json!("oWn3rTyp3Xc5LmPqS"), "/remoteFields/typeId")
        },
        ("aptly", "title") => written("title", json!("Countess"), "/remoteFields/title"),
        ("aptly", "isCompany") => written("isCompany", json!(true), "/remoteFields/isCompany"),
        ("aptly", "customFields") => Sample {
            stored: "customFields/5D8LYiyMt54aKD7x9",
            ..written(
                "customFields",
                json!({ "5D8LYiyMt54aKD7x9": "Guest" }),
                "/remoteFields/customFields/5D8LYiyMt54aKD7x9",
            )
        },
        ("pipeline", "status") => written("status", json!("Contacted"), "/remoteFields/status"),
        ("pipeline", "pipelineStage") => {
            written("pipelineStage", json!("64f0a1b2c3d4e5f6a7b8ca02"), "/remoteFields/pipelineStage")
        }
        ("pipeline", "pipelineId") => {
            written("pipelineId", json!("64f0a1b2c3d4e5f6a7b8cb01"), "/remoteFields/pipelineId")
        }
        ("pipeline", "process") => written("process", json!("import"), "/remoteFields/process"),
        _ => return None,
    })
}

/// A sample of every field and remote field whose write is declared to be verified.
fn samples(spec: &AdapterSpec) -> Vec<Sample> {
    let provider = spec.provider.as_str();
    let stored = spec
        .fields
        .iter()
        .filter(|field| matches!(field.write, Write::Stored(_)) && field.verify != Verify::Never);
    let fields = stored.map(|field| {
        of_field(provider, field.field).unwrap_or_else(|| panic!("no sample of {:?}", field.field))
    });
    let remote = spec.remote_fields.iter().filter(|field| field.verify != Verify::Never);
    let remote = remote.map(|field| {
        of_remote(provider, field.name).unwrap_or_else(|| panic!("no sample of {}", field.name))
    });
    fields.chain(remote).collect()
}

async fn worlds() -> Vec<Crm> {
    let native = json!({ "writeFormat": "native" });
    vec![
        Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await,
        Crm::aptly(aptly::AptlyOptions { dialect: Dialect::V3, ..aptly::AptlyOptions::empty() }, native)
            .await,
        Crm::pipeline(pipeline::PipelineOptions::empty(), json!({})).await,
        Crm::pipeline(
            pipeline::PipelineOptions { update_with_contact: true, ..pipeline::PipelineOptions::empty() },
            json!({}),
        )
        .await,
    ]
}

fn disturbances(stored: &str) -> [Disruption; 4] {
    let (drops, alters) = (Disruption::dropping(stored), Disruption::altering(stored));
    [drops.clone(), alters.clone(), Disruption { lies: true, ..drops }, Disruption { lies: true, ..alters }]
}

/// What a record must have before a sample can be written to it.
fn base(crm: &Crm, number: usize) -> Value {
    let unique = json!({
        "emailAddresses": [{ "emailAddress": format!("ada{number}@example.com") }],
        "phoneNumbers": [{ "phoneNumber": format!("+1416{:06}1", 550_000 + number) }],
    });
    let base = with(ada(), &unique);
    if crm.is("aptly") { with(base, &json!({ "remoteFields": { "contactType": "Tenant" } })) } else { base }
}

/// `base` with the sample's members; remote fields come on top.
fn sampled(base: Value, sample: &Sample, number: usize) -> Value {
    let mut remote = base.get("remoteFields").cloned().unwrap_or_else(|| json!({}));
    let mut contact = with(base, &sample.write);
    for (name, value) in sample.write.get("remoteFields").and_then(Value::as_object).into_iter().flatten() {
        if name == "typeId" {
            remote.as_object_mut().unwrap().remove("contactType");
        }
        remote[name] = value.clone();
    }
    contact["remoteFields"] = remote;
    // Identities differ from case to case, or the next one would find them taken.
    if sample.name == "emailAddresses" {
        contact["emailAddresses"][0]["emailAddress"] = json!(format!("augusta{number}@example.com"));
    }
    if sample.name == "phoneNumbers" {
        contact["phoneNumbers"][0]["phoneNumber"] = json!(format!("+1416{:06}1", 770_000 + number));
    }
    contact
}

#[tokio::test]
async fn a_create_whose_field_got_lost_or_altered_says_so() {
    let mut number = 0;
    for crm in worlds().await {
        for sample in samples(crm.spec) {
            for disturbance in disturbances(sample.stored) {
                number += 1;
                crm.at.fault(Fault::once(FaultKind::Field(disturbance.clone())));
                let what = format!("{} {} {disturbance:?}", crm.spec.title, sample.name);
                let made = crm
                    .create(sampled(base(&crm, number), &sample, number))
                    .await
                    .unwrap_or_else(|failure| panic!("{what} {failure:?}"));
                let warned = warned(&made);
                // A number or an address that is another one is not there; so is a stage that is none.
                let code = if disturbance.drop || sample.at.ends_with("/0") {
                    WarningCode::NotStored
                } else {
                    WarningCode::ChangedByUpstream
                };
                let told =
                    |code: WarningCode| warned.iter().any(|(told, at)| *told == code && *at == sample.at);
                assert!(
                    told(code)
                        || (sample.name == "typeId" && told(WarningCode::NotStored))
                        || (sample.name == "isCompany" && told(WarningCode::ChangedByUpstream)),
                    "{what} {warned:?}"
                );
                assert!(crm.at.faults().waiting().is_empty(), "the fault was met");
            }
        }
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn an_update_whose_field_got_lost_did_not_apply_and_one_whose_field_was_altered_says_so() {
    let mut number = 0;
    for crm in worlds().await {
        for sample in samples(crm.spec) {
            if sample.name == "process" {
                continue; // Written on create alone.
            }
            for disturbance in disturbances(sample.stored) {
                number += 1;
                let made = crm.create(base(&crm, number)).await.unwrap();
                crm.at.fault(Fault::once(FaultKind::Field(disturbance.clone())));
                let whole = sampled(json!({}), &sample, number);
                let what = format!("{} {} {disturbance:?}", crm.spec.title, sample.name);
                let outcome = crm.update(&made.id, whole).await;
                // Neither the old value nor the new one is held. A flag has no third value.
                if !disturbance.drop && sample.name != "isCompany" {
                    let changed = outcome.unwrap_or_else(|failure| panic!("{what} {failure:?}"));
                    let told = warned(&changed);
                    assert!(told.contains(&(WarningCode::ChangedByUpstream, sample.at)), "{what} {told:?}");
                    continue;
                }
                let failure = outcome.expect_err(&what);
                assert_eq!(failure.kind, FailureKind::UpstreamDidNotApply, "{what}");
                assert!(places(&failure).contains(&sample.at), "{what} {:?}", places(&failure));
                assert!(failure.detail.contains(sample.at), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_fault_every_sample_is_stored_and_nothing_is_warned_about() {
    let mut number = 0;
    for crm in worlds().await {
        for sample in samples(crm.spec) {
            number += 1;
            let made = crm.create(sampled(base(&crm, number), &sample, number)).await.unwrap();
            assert_eq!(warned(&made), [], "{}", sample.name);
        }
    }
}

#[tokio::test]
async fn what_is_declared_as_never_verified_is_never_complained_about() {
    for crm in worlds().await {
        if crm.is("aptly") {
            let image = json!({ "remoteFields": { "imageUrl": "https://images.example.com/ada.png" } });
            assert_eq!(warned(&crm.create(with(ada(), &image)).await.unwrap()), []);
        }
        let never = crm
            .spec
            .remote_fields
            .iter()
            .filter(|field| field.verify == Verify::Never)
            .map(|field| field.name);
        assert!(never.clone().all(|name| name == "imageUrl"), "a new one needs a case here");
    }
}

#[tokio::test]
async fn every_unified_field_has_a_declared_fate() {
    for crm in worlds().await {
        let declared: Vec<Field> = crm.spec.fields.iter().map(|field| field.field).collect();
        assert_eq!(declared, Field::ALL);
    }
}
