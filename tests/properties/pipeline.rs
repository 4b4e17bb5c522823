//! Properties of the translation: what goes out comes back, and nothing that comes in can break it.

use proptest::prelude::*;

use super::{PipelineChange, decode_account, decode_deleted, decode_page, decode_single, decode_written};
use crate::adapters::strategies::{
    draft, echo, json, long_number, nobody, number, region, remote_fields, sends_what_was_written, text,
};
use crate::domain::{
    ContactDraft, ContactPatch, Field, Patch, PhoneIdentity, PhoneNumber, Region, RemoteId, Text,
};
use crate::json::{CheckedJson, REPLY};

const NAMES: &[&str] = &[
    "_id",
    "data",
    "contacts",
    "contact",
    "total",
    "page",
    "size",
    "success",
    "message",
    "deletedCount",
    "firstName",
    "lastName",
    "phoneNumber",
    "secondaryPhoneNumber",
    "email",
    "value",
    "isPrimary",
    "verifiedAt",
    "lastMessageTime",
    "createdAt",
    "updatedAt",
    "status",
    "pipelineStage",
    "pipelineId",
    "process",
    "organizationId",
    "assignees",
    "__v",
];

fn kept(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then(|| text.trim())
}

proptest! {
    #![proptest_config(crate::proptest_config::usual())]

    #[test]
    fn a_number_is_sent_with_the_digits_written_or_refused_or_with_a_warning(number in number(), region in region()) {
        let phone = PhoneNumber { number: number.as_str().into(), kind: None };
        let draft = ContactDraft { phone_numbers: vec![phone], ..nobody() };
        if let Ok(change) = PipelineChange::of_draft(&draft, Region::named(region)) {
            let (_, expected, losses) = change.encode().unwrap();
            sends_what_was_written(&number, &expected, &losses)?;
        }
    }

    #[test]
    fn what_is_written_reads_back_as_it_was(draft in draft(), us in any::<bool>()) {
        let region = Region::named(us.then_some("US"));
        let (body, expected, _) = PipelineChange::of_draft(&draft, region).unwrap().encode().unwrap();
        let read = decode_written(&echo(&body)).unwrap().unwrap();
        prop_assert_eq!(read.first_name.as_deref().map(str::trim), draft.first_name.as_deref().and_then(kept));
        prop_assert_eq!(read.last_name.as_deref().map(str::trim), kept(&draft.last_name));
        let lower = |address: &Text| address.to_lowercase();
        let sent: Vec<_> = draft.email_addresses.iter().map(|email| lower(&email.address)).collect();
        let back: Vec<_> = read.email_addresses.iter().map(|email| lower(&email.address)).collect();
        prop_assert!(sent.iter().all(|email| back.contains(email)) && back.iter().all(|email| sent.contains(email)));
        prop_assert_eq!(expected.phone_numbers.value(), Some(&read.phone_numbers));
        let primaries = read.phone_numbers.iter().filter(|phone| phone.kind.as_deref() == Some("primary"));
        prop_assert_eq!(primaries.count(), 1, "exactly one is primary");
        let mains = read.email_addresses.iter().filter(|email| email.kind.as_deref() == Some("main"));
        prop_assert_eq!(mains.count(), usize::from(!read.email_addresses.is_empty()));
        let sent: Vec<_> = draft.phone_numbers.iter().map(|phone| PhoneIdentity::of(region, &phone.number)).collect();
        let back: Vec<_> = read.phone_numbers.iter().map(|phone| PhoneIdentity::of(region, &phone.number)).collect();
        prop_assert!(sent.iter().all(|phone| back.contains(phone)) && back.iter().all(|phone| sent.contains(phone)));
    }

    #[test]
    fn no_key_of_the_crms_own_is_ever_written(draft in draft(), remote_fields in remote_fields(NAMES)) {
        let draft = ContactDraft { remote_fields, ..draft };
        if let Ok((body, _, _)) = PipelineChange::of_draft(&draft, Region::default()).and_then(PipelineChange::encode) {
            let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
            for key in ["_id", "id", "organizationId", "userId", "createdBy", "assignees", "createdAt", "updatedAt", "__v", "success", "data"] {
                prop_assert!(!body.contains_key(key));
            }
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in json(NAMES)) {
        let id = RemoteId::from("abc123");
        for text in [value.to_string(), format!(r#"{{"data":{{"contacts":[{value}]}}}}"#), format!(r#"{{"_id":"abc123","email":{value},"phoneNumber":{value}}}"#)] {
            let Ok(text) = CheckedJson::new(text.into(), REPLY) else { continue };
            let _ = (decode_account(&text).is_ok(), decode_single(&text, &id).is_ok(), decode_written(&text).is_ok(), decode_deleted(&text).is_ok());
            if let Ok(rows) = decode_page(&text) {
                let _ = rows.from(3, 1, 0, 50);
            }
        }
    }

    #[test]
    fn long_numbers_survive_to_the_last_digit(number in long_number(), name in "[a-z]{3,8}x") {
        let record = CheckedJson::from(format!(r#"{{"_id":"abc123","{name}":{number}}}"#));
        let read = decode_written(&record).unwrap().unwrap();
        prop_assert_eq!(read.remote_fields.get(&name).unwrap().as_str(), number.as_str());
    }

    #[test]
    fn a_change_of_one_field_sends_that_field_alone(held in draft(), name in text()) {
        let (body, _, _) = PipelineChange::of_draft(&held, Region::default()).unwrap().encode().unwrap();
        let held = decode_written(&echo(&body)).unwrap().unwrap();
        let patch = ContactPatch { first_name: Patch::Set(name.as_str().into()), ..ContactPatch::default() };
        let change = PipelineChange::of_patch(&held, &patch, Region::default()).unwrap();
        let nothing = change.is_empty();
        let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&change.encode().unwrap().0).unwrap();
        // Exactly the text that is shown; blanks alone ask for none.
        let wanted = Some(name.as_str()).filter(|name| !name.trim().is_empty());
        let is_held = held.shows(Field::FirstName) && held.first_name.as_deref() == wanted;
        prop_assert_eq!(nothing, is_held);
        prop_assert!(body.keys().all(|key| key == "firstName") && body.is_empty() == nothing);
    }

    #[test]
    fn a_contact_sent_back_as_read_changes_nothing(value in json(NAMES)) {
        let text = CheckedJson::from(format!(r#"{{"_id":"abc123","phoneNumber":{value},"secondaryPhoneNumber":{value},"email":{value},"x":{value}}}"#));
        let Ok(Some(read)) = decode_written(&text) else { return Ok(()) };
        // What the reading does not show is left out of the response.
        let shown = |field: Field| !read.unseen.contains(field);
        let patch = ContactPatch {
            email_addresses: if shown(Field::EmailAddresses) { Patch::Set(read.email_addresses.clone()) } else { Patch::Keep },
            phone_numbers: if shown(Field::PhoneNumbers) { Patch::Set(read.phone_numbers.clone()) } else { Patch::Keep },
            remote_fields: read.remote_fields.clone(),
            ..ContactPatch::default()
        };
        prop_assert!(PipelineChange::of_patch(&read, &patch, Region::default()).unwrap().is_empty());
    }
}
