//! Golden translations: one unified contact and one change, what each CRM was sent and what came back.

use std::fmt::Write as _;

use contacts_gateway::adapters::Paging;
use contacts_gateway::gateway::contacts::{ContactView, PageStart};
use serde_json::{Value, json};

use crate::support::crm::Crm;
use crate::support::fixtures;
use crate::support::person::shown;
use crate::support::worlds::{Variant, WORLDS};

/// What was sent since the journal was cleared, then what was answered.
fn told(crm: &Crm, answered: &ContactView) -> String {
    let mut text = String::from("sent\n");
    for call in crm.at.calls() {
        let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
        writeln!(text, "  {} {}{query}", call.method, call.path).unwrap();
        if !call.body.is_empty() {
            let body: Value = serde_json::from_str(&call.body).unwrap();
            writeln!(text, "{}", serde_json::to_string_pretty(&body).unwrap()).unwrap();
        }
    }
    text.push_str("came back\n");
    let mut contact = shown(&answered.contact);
    for name in ["createdAt", "updatedAt", "remoteCreatedAt", "remoteUpdatedAt"] {
        assert!(contact[name].is_string(), "{name}");
        contact[name] = json!("[time]");
    }
    writeln!(text, "{}", serde_json::to_string_pretty(&contact).unwrap()).unwrap();
    text.push_str("warnings\n");
    for warning in &answered.warnings {
        writeln!(text, "  {} {} {}", warning.code.as_str(), warning.pointer, warning.message.as_str())
            .unwrap();
    }
    crm.at.journal().clear();
    text
}

async fn worlds() -> Vec<(&'static str, Crm)> {
    let mut crms = Vec::new();
    for world in WORLDS {
        for Variant { name, at, .. } in world.variants(0).await.into_iter().filter(|form| form.is_dialect) {
            crms.push((name, Crm::at(at, *world, json!({ "defaultRegion": "US" })).await));
        }
    }
    crms
}

#[tokio::test]
async fn one_contact_in_every_crm() {
    for (name, crm) in worlds().await {
        let made = crm.create(fixtures::json("unified-contact.json")).await.unwrap();
        insta::assert_snapshot!(format!("{name}_create"), told(&crm, &made));
        let changed = crm.update(&made.id, fixtures::json("unified-change.json")).await.unwrap();
        insta::assert_snapshot!(format!("{name}_update"), told(&crm, &changed));
    }
}

#[tokio::test]
async fn one_list_in_every_crm() {
    for (name, crm) in worlds().await {
        let mut text = String::new();
        for filter in crm.spec.filters {
            let time = "2026-01-02T03:04:05.678Z";
            let value =
                if filter.name.parameter().ends_with("Address") { "Zoë+x@example.com" } else { time };
            let number = if matches!(crm.spec.paging, Paging::Cursor) { 1 } else { 3 };
            let start = PageStart::PageNumber(number);
            crm.list(&[(filter.name.parameter(), value)], start, 50).await.unwrap();
            let call = crm.at.calls().pop().unwrap();
            writeln!(text, "{} {} {}?{}", filter.name.parameter(), call.method, call.path, call.query)
                .unwrap();
        }
        insta::assert_snapshot!(format!("{name}_lists"), text);
    }
}
