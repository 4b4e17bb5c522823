//! Verified writes: every field that is declared as stored is dropped and altered in turn, and the caller hears of it.
//!
//! Driven by the declarations: a new field without a sample here fails the test.

use contacts_gateway::adapters::{Verify, Write};
use contacts_gateway::domain::{FailureKind, Field, WarningCode};
use contacts_gateway::simulators::{Disruption, Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::account::{places, warned};
use crate::support::crm::Crm;
use crate::support::person::{ada, with};
use crate::support::worlds::{RemoteSample, WORLDS};

/// How one declared field is written, and where the CRM keeps it.
struct Sample {
    name: &'static str,
    /// What a create or an update says.
    write: Value,
    /// The CRM's own name, as its faults take it.
    stored: &'static str,
    /// Where the loss or the change is told.
    at: String,
    /// The remote fields that it replaces.
    replaces: &'static [&'static str],
}

impl Sample {
    /// Whether it has two values only: neither is a third.
    fn is_flag(&self) -> bool {
        self.write["remoteFields"][self.name].is_boolean()
    }
}

/// A field that is written as `value` and told at `/name` + `entry`.
fn sample(crm: &Crm, field: Field, value: &Value, entry: &str) -> Sample {
    let (name, stored) = (field.name(), crm.world.stored_name(field));
    Sample { name, write: json!({ name: value }), stored, at: format!("/{name}{entry}"), replaces: &[] }
}

fn of_field(crm: &Crm, field: Field) -> Option<Sample> {
    let (value, entry) = match field {
        Field::FirstName => (json!("Augusta"), ""),
        Field::LastName => (json!("Lovelace"), ""),
        Field::Account => (json!("Engines"), ""),
        Field::EmailAddresses => (json!([{ "emailAddress": "augusta@example.com" }]), "/0"),
        Field::PhoneNumbers => (json!([{ "phoneNumber": "+14165550299" }]), "/0"),
        _ => return None,
    };
    Some(sample(crm, field, &value, entry))
}

fn of_remote(crm: &Crm, name: &'static str) -> Option<Sample> {
    let RemoteSample { value, stored, at, replaces } = crm.world.remote_sample(name)?;
    let write = json!({ "remoteFields": { name: value } });
    Some(Sample { name, write, stored, at: format!("/remoteFields/{at}"), replaces })
}

/// A sample of every field and remote field whose write is declared to be verified.
fn samples(crm: &Crm) -> Vec<Sample> {
    let spec = crm.spec;
    let stored = spec
        .fields
        .iter()
        .filter(|field| matches!(field.write, Write::Stored(_)) && field.verify != Verify::Never)
        // Types are parts of their lists.
        .filter(|field| field.field != Field::PhoneNumberType);
    let fields = stored
        .map(|field| of_field(crm, field.field).unwrap_or_else(|| panic!("no sample of {:?}", field.field)));
    let remote = spec.remote_fields.iter().filter(|field| field.verify != Verify::Never);
    let remote = remote
        .map(|field| of_remote(crm, field.name).unwrap_or_else(|| panic!("no sample of {}", field.name)));
    fields.chain(remote).collect()
}

/// Every documented form of every CRM.
async fn worlds() -> Vec<Crm> {
    let mut crms = Vec::new();
    for world in WORLDS {
        for variant in world.variants(0).await {
            crms.push(Crm::at(variant.at, *world, variant.settings).await);
        }
    }
    crms
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
    let remote = json!({ "remoteFields": crm.world.remote_fields_before_samples() });
    with(with(ada(), &unique), &remote)
}

/// `base` with the sample's members; remote fields come on top.
fn sampled(base: Value, sample: &Sample, number: usize) -> Value {
    let mut remote = base.get("remoteFields").cloned().unwrap_or_else(|| json!({}));
    let mut contact = with(base, &sample.write);
    for (name, value) in sample.write.get("remoteFields").and_then(Value::as_object).into_iter().flatten() {
        for replaced in sample.replaces {
            remote.as_object_mut().unwrap().remove(*replaced);
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
        for sample in samples(&crm) {
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
                let told = |code: WarningCode| {
                    warned.iter().any(|(told, at)| *told == code && *at == sample.at.as_str())
                };
                assert!(
                    told(code)
                        || (!sample.replaces.is_empty() && told(WarningCode::NotStored))
                        || (sample.is_flag() && told(WarningCode::ChangedByUpstream)),
                    "{what} {warned:?}"
                );
                assert!(crm.at.faults().all().is_empty(), "the fault was met");
            }
        }
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn an_update_whose_field_got_lost_did_not_apply_and_one_whose_field_was_altered_says_so() {
    let mut number = 0;
    for crm in worlds().await {
        for sample in samples(&crm) {
            if crm.world.written_on_create_alone().contains(&sample.name) {
                continue;
            }
            for disturbance in disturbances(sample.stored) {
                number += 1;
                let made = crm.create(base(&crm, number)).await.unwrap();
                crm.at.fault(Fault::once(FaultKind::Field(disturbance.clone())));
                let whole = sampled(json!({}), &sample, number);
                let what = format!("{} {} {disturbance:?}", crm.spec.title, sample.name);
                let outcome = crm.update(&made.id, whole).await;
                // Neither the old value nor the new one is held. A flag has no third value.
                if !disturbance.drop && !sample.is_flag() {
                    let changed = outcome.unwrap_or_else(|failure| panic!("{what} {failure:?}"));
                    let told = warned(&changed);
                    assert!(
                        told.contains(&(WarningCode::ChangedByUpstream, sample.at.as_str())),
                        "{what} {told:?}"
                    );
                    continue;
                }
                let failure = outcome.expect_err(&what);
                assert_eq!(failure.kind, FailureKind::UpstreamDidNotApply, "{what}");
                assert!(places(&failure).contains(&sample.at.as_str()), "{what} {:?}", places(&failure));
                assert!(failure.detail.contains(&sample.at), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_fault_every_sample_is_stored_and_nothing_is_warned_about() {
    let mut number = 0;
    for crm in worlds().await {
        for sample in samples(&crm) {
            number += 1;
            let made = crm.create(sampled(base(&crm, number), &sample, number)).await.unwrap();
            assert_eq!(warned(&made), [], "{}", sample.name);
        }
    }
}

#[tokio::test]
async fn what_is_declared_as_never_verified_is_never_complained_about() {
    for crm in worlds().await {
        let never = crm.world.never_verified();
        let contact = with(ada(), &json!({ "remoteFields": never }));
        assert_eq!(warned(&crm.create(contact).await.unwrap()), []);
        let declared = crm.spec.remote_fields.iter().filter(|field| field.verify == Verify::Never);
        assert!(declared.into_iter().all(|field| never.get(field.name).is_some()), "a new one needs a value");
    }
}

#[tokio::test]
async fn every_unified_field_has_a_declared_fate() {
    for crm in worlds().await {
        let declared: Vec<Field> = crm.spec.fields.iter().map(|field| field.field).collect();
        assert_eq!(declared, Field::ALL);
    }
}
