//! Two releases run side by side during an upgrade: each reads the rows that the other has sealed.

use std::time::Duration;

use serde::Deserialize;

use super::house::{candidate, evidence, warning};
use super::{Destination, WriteState, unknown};
use crate::store::Stage;

/// What the previous release reads, field by field as it declares them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PreviousForm {
    evidence: Option<PreviousEvidence>,
    found: Option<PreviousFound>,
    candidates: Option<Vec<PreviousCandidate>>,
}

#[derive(Deserialize)]
struct PreviousEvidence {
    draft: PreviousDraft,
    sent_at: String,
    settled_from: String,
    seen: Vec<String>,
    looked_at: Option<String>,
    absent_since: Option<String>,
}

#[derive(Deserialize)]
struct PreviousDraft {
    first_name: Option<String>,
    last_name: String,
    account: Option<String>,
    addresses: Vec<PreviousAddress>,
    email_addresses: Vec<(String, Option<String>)>,
    phone_numbers: Vec<(String, Option<String>)>,
    remote_fields: Vec<(String, String)>,
    read_only: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct PreviousAddress {
    address_type: Option<String>,
    street1: Option<String>,
    street2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country_subdivision: Option<String>,
    country: Option<String>,
    postal_code: Option<String>,
}

#[derive(Deserialize)]
struct PreviousFound {
    remote_id: String,
    warnings: Vec<PreviousWarning>,
}

#[derive(Deserialize)]
struct PreviousWarning {
    code: String,
    pointer: String,
    message: String,
}

#[derive(Deserialize)]
struct PreviousCandidate {
    id: Option<String>,
    remote_id: String,
    matched_on: Vec<String>,
}

fn sent_to() -> Destination {
    Destination { base_url: "https://crm.example.com".into(), secret: "digest".into(), account_id: None }
}

fn read_by_previous(state: &WriteState) -> PreviousForm {
    let bytes = state.to_bytes(Some(&sent_to())).unwrap().unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_previous_release_reads_what_this_one_seals() {
    let text = |text: &str| Some(text.to_owned());
    let lost = read_by_previous(&unknown()).evidence.unwrap();
    assert_eq!(
        (lost.sent_at.as_str(), lost.looked_at),
        ("2026-02-03T04:05:06.123456789Z", text("2026-02-03T04:05:05Z"))
    );
    assert_eq!((lost.settled_from.as_str(), lost.absent_since), ("2026-02-03T04:05:18Z", None));
    assert_eq!(lost.seen, ["r7", "r8"]);
    let (draft, sent) = (lost.draft, evidence().draft);
    assert_eq!(draft.first_name.as_deref(), sent.first_name.as_deref());
    assert_eq!((draft.last_name.as_str(), draft.account), ("canary", None));
    let PreviousAddress {
        address_type,
        street1,
        street2,
        city,
        state,
        country_subdivision,
        country,
        postal_code,
    } = &draft.addresses[1];
    let parts = [address_type, street1, street2, city, state, country_subdivision, country, postal_code];
    assert_eq!(parts.map(|part| part.clone().unwrap()), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(draft.email_addresses[0], ("canary@example.com".to_owned(), text("main")));
    assert_eq!(draft.email_addresses[1], ("b@example.com".to_owned(), None));
    assert_eq!(draft.phone_numbers[1], ("+1 416 555 0124".to_owned(), text("")));
    assert_eq!(draft.remote_fields[0], ("z".to_owned(), "{\"b\": 1.50,\"a\":\"\\u0041\\/\"}".to_owned()));
    assert_eq!(draft.read_only[0], ("createdAt".to_owned(), "\"2026-01-01\"".to_owned()));

    let applied = WriteState::Applied { remote_id: "r1".into(), warnings: vec![warning()] };
    let found = read_by_previous(&applied).found.unwrap();
    let PreviousWarning { code, pointer, message } = &found.warnings[0];
    assert_eq!((found.remote_id.as_str(), code.as_str()), ("r1", "changed_by_upstream"));
    assert_eq!((pointer.as_str(), message.as_str()), ("/phoneNumbers/0", warning().message.as_str()));

    let ambiguous = WriteState::Ambiguous { candidates: vec![candidate()].into() };
    let candidates = read_by_previous(&ambiguous).candidates.unwrap();
    let PreviousCandidate { id, remote_id, matched_on } = &candidates[0];
    assert_eq!((id.as_deref(), remote_id.as_str()), (Some("con_1"), "r1"));
    assert_eq!(*matched_on, ["emailAddress", "phoneNumber"]);

    for state in [WriteState::Sent, WriteState::NotApplied] {
        let PreviousForm { evidence, found, candidates } = read_by_previous(&state);
        assert!(evidence.is_none() && found.is_none() && candidates.is_none());
    }
}

/// A row of the previous release: it names no destination, and its lookups prove nothing, as it compared clocks.
#[test]
fn this_release_reads_what_the_previous_one_sealed() {
    let lost = r#"{"evidence":{"draft":{"first_name":"Ada","last_name":"Byron","account":null,
        "addresses":[{"address_type":null,"street1":"1","street2":null,"city":null,"state":null,
        "country_subdivision":null,"country":null,"postal_code":null}],
        "email_addresses":[["a@example.com","main"]],"phone_numbers":[["+1 416 555 0123",null]],
        "remote_fields":[["title","\"Ms\""]],"read_only":[["createdAt","null"],["of a later release","1"]]},
        "sent_at":"2026-02-03T04:05:06Z","settled_from":"2026-02-03T04:05:07Z","seen":["r7"],"looked_at":null,
        "absent_since":"2026-02-03T04:05:08Z"},"of a later release":true}"#;
    let (state, destination) = WriteState::from_bytes(Stage::Unknown, Some(lost.as_bytes())).unwrap();
    let context = state.recovery_context().unwrap();
    assert_eq!((destination, &context.absent_lookup), (None, &None));
    assert_eq!(context.open_for, Duration::from_secs(30));
    assert_eq!(context.draft.first_name.as_deref(), Some("Ada"));
    assert_eq!(context.draft.email_addresses[0].kind.as_deref(), Some("main"));
    assert_eq!(context.draft.phone_numbers[0].kind, None);
    assert_eq!(context.draft.addresses[0].street1.as_deref(), Some("1"));
    assert_eq!(context.draft.remote_fields.get("title").unwrap().as_str(), "\"Ms\"");
    assert_eq!(context.draft.read_only.len(), 1, "what this release does not know is left out");

    let found = r#"{"found":{"remote_id":"r1","warnings":[
        {"code":"not_stored","pointer":"/a","message":"m"},{"code":"of a later release","pointer":"","message":""}]}}"#;
    let (state, _) = WriteState::from_bytes(Stage::Found, Some(found.as_bytes())).unwrap();
    assert!(matches!(state, WriteState::Applied { warnings, .. } if warnings.len() == 1));
    let matched =
        r#"{"candidates":[{"id":null,"remote_id":"r1","matched_on":["phoneNumber","externalId"]}]}"#;
    let (state, _) = WriteState::from_bytes(Stage::Ambiguous, Some(matched.as_bytes())).unwrap();
    // A CRM may identify contacts by a remote field, so any name is kept.
    assert!(
        matches!(state, WriteState::Ambiguous { candidates } if candidates.as_slice()[0].matched_on == ["phoneNumber", "externalId"])
    );
    for (stage, state) in [
        (Stage::Reserved, WriteState::Reserved),
        (Stage::Sending, WriteState::Sent),
        (Stage::Absent, WriteState::NotApplied),
    ] {
        assert_eq!(WriteState::from_bytes(stage, None).unwrap(), (state, None));
    }
}
