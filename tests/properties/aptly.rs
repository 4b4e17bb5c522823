//! Properties of the translation: what goes out comes back, and nothing that comes in can break it.

use proptest::prelude::*;

use super::{AptlyChange, Definitions, Format, decode_account, decode_page, decode_single, decode_written};
use crate::adapters::strategies::{
    draft, echo, json, long_number, nobody, number, region, remote_fields, sends_what_was_written, text,
};
use crate::domain::{
    Contact, ContactDraft, ContactPatch, Field, Patch, PhoneIdentity, PhoneNumber, RawJson, Region,
    RemoteFields, RemoteId, Text,
};
use crate::json::{CheckedJson, REPLY};

const NAMES: &[&str] = &[
    "_id",
    "data",
    "count",
    "page",
    "pageSize",
    "contact",
    "firstname",
    "First Name",
    "lastname",
    "fullname",
    "fullName",
    "name",
    "email",
    "Email",
    "phone",
    "Phone",
    "number",
    "type",
    "value",
    "address",
    "street",
    "city",
    "company",
    "isCompany",
    "createdAt",
    "updatedAt",
    "customFields",
    "Mobile Phone",
    "companyId",
    "companyName",
    "contactType",
    "title",
    "typeId",
    "imageUrl",
];

/// What a text reads back as: blanks are nothing.
fn kept(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then(|| text.trim())
}

/// What a client sends back of a list: nothing where it was not shown.
fn shown<T: Clone>(read: &Contact, field: Field, list: &[T]) -> Patch<Vec<T>> {
    if read.shows(field) { Patch::Set(list.to_vec()) } else { Patch::Keep }
}

fn encoded(draft: &ContactDraft, format: Format, region: Region) -> Option<(String, ContactPatch)> {
    let change = AptlyChange::of_draft(draft, &Definitions::default(), region).ok()?;
    change.encode(format).ok().map(|(body, expected, _)| (body, expected))
}

proptest! {
    #![proptest_config(crate::proptest_config::usual())]

    #[test]
    fn a_number_is_sent_with_the_digits_written_or_with_a_warning(number in number(), region in region()) {
        let phone = PhoneNumber { number: number.as_str().into(), kind: None };
        let draft = ContactDraft { phone_numbers: vec![phone], ..nobody() };
        let (_, expected, losses) = AptlyChange::of_draft(&draft, &Definitions::default(), Region::named(region)).unwrap().encode(Format::Auto).unwrap();
        sends_what_was_written(&number, &expected, &losses)?;
    }

    #[test]
    fn what_is_written_reads_back_as_it_was(draft in draft(), native in any::<bool>(), us in any::<bool>()) {
        let region = Region::named(us.then_some("US"));
        let format = if native { Format::Native } else { Format::Auto };
        let (body, expected) = encoded(&draft, format, region).unwrap();
        let read = decode_written(&echo(&body)).unwrap().unwrap();
        prop_assert_eq!(read.first_name.as_deref().map(str::trim), draft.first_name.as_deref().and_then(kept));
        prop_assert_eq!(read.last_name.as_deref().map(str::trim), kept(&draft.last_name));
        prop_assert_eq!(read.account.as_deref().map(str::trim), draft.account.as_deref().and_then(kept));
        let lower = |address: &Text| address.to_lowercase();
        let sent: Vec<_> = draft.email_addresses.iter().map(|email| lower(&email.address)).collect();
        let back: Vec<_> = read.email_addresses.iter().map(|email| lower(&email.address)).collect();
        prop_assert!(sent.iter().all(|email| back.contains(email)) && back.iter().all(|email| sent.contains(email)));
        let sent: Vec<_> = draft.phone_numbers.iter().map(|phone| PhoneIdentity::of(region, &phone.number)).collect();
        let back: Vec<_> = read.phone_numbers.iter().map(|phone| PhoneIdentity::of(region, &phone.number)).collect();
        prop_assert!(sent.iter().all(|phone| back.contains(phone)) && back.iter().all(|phone| sent.contains(phone)), "{:?} {:?}", sent, back);
        // What is expected is what the body says, to the letter.
        let (mut wanted, mut got) = (expected.phone_numbers.value().cloned().unwrap_or_default(), read.phone_numbers.clone());
        wanted.sort_by(|a, b| a.number.cmp(&b.number));
        got.sort_by(|a, b| a.number.cmp(&b.number));
        prop_assert_eq!(wanted, got);
    }

    #[test]
    fn no_key_of_the_crms_own_is_ever_written(draft in draft(), remote_fields in remote_fields(NAMES), native in any::<bool>()) {
        let draft = ContactDraft { remote_fields, ..draft };
        let format = if native { Format::Native } else { Format::Auto };
        if let Some((body, _)) = encoded(&draft, format, Region::default()) {
            let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
            for key in ["_id", "id", "uuid", "companyId", "createdAt", "updatedAt", "photoId", "data", "address", "fullname"] {
                prop_assert!(!body.contains_key(key));
            }
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in json(NAMES)) {
        let id = RemoteId::from("abc123");
        for text in [value.to_string(), format!(r#"{{"data":[{value}]}}"#), format!(r#"{{"_id":"abc123","email":{value},"phone":{value}}}"#)] {
            let Ok(text) = CheckedJson::new(text.into(), REPLY) else { continue };
            let _ = (decode_account(&text).is_ok(), decode_single(&text, &id).is_ok(), decode_written(&text).is_ok());
            if let Ok(rows) = decode_page(&text) {
                let _ = rows.from(3, 0, 0, 200);
            }
        }
    }

    #[test]
    fn long_numbers_survive_to_the_last_digit(number in long_number(), name in "[a-z]{3,8}x") {
        let record = CheckedJson::from(format!(r#"{{"_id":"abc123","{name}":{number}}}"#));
        let read = decode_written(&record).unwrap().unwrap();
        prop_assert_eq!(read.remote_fields.get(&name).unwrap().as_str(), number.as_str());
        let custom = RawJson::from_validated(format!(r#"{{"DbJT6rMdnuds7vSbP":{number}}}"#).into());
        let patch = ContactPatch { remote_fields: RemoteFields(vec![("customFields".into(), custom)]), ..ContactPatch::default() };
        let change = AptlyChange::of_patch(&read, &patch, &Definitions::default(), Region::default()).unwrap();
        let body = change.encode(Format::Auto).unwrap().0;
        prop_assert!(body.contains(number.as_str()));
    }

    #[test]
    fn a_change_of_one_field_sends_that_field_alone(held in draft(), name in text()) {
        let (body, _) = encoded(&held, Format::Native, Region::default()).unwrap();
        let held = decode_written(&echo(&body)).unwrap().unwrap();
        let patch = ContactPatch { first_name: Patch::Set(name.as_str().into()), ..ContactPatch::default() };
        let change = AptlyChange::of_patch(&held, &patch, &Definitions::default(), Region::default()).unwrap();
        let nothing = change.is_empty();
        let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&change.encode(Format::Auto).unwrap().0).unwrap();
        // Exactly the text that is shown; blanks alone ask for none.
        let wanted = Some(name.as_str()).filter(|name| !name.trim().is_empty());
        let is_held = held.shows(Field::FirstName) && held.first_name.as_deref() == wanted;
        prop_assert_eq!(nothing, is_held);
        prop_assert!(body.keys().all(|key| key == "First Name") && body.is_empty() == nothing);
    }

    #[test]
    fn a_contact_sent_back_as_read_changes_nothing(value in json(NAMES)) {
        let Ok(Some(read)) = decode_written(&CheckedJson::from(format!(r#"{{"_id":"abc123","phone":{value},"Email":{value},"x":{value}}}"#))) else { return Ok(()) };
        if !read.partial.is_empty() {
            return Ok(());
        }
        let patch = ContactPatch {
            first_name: if read.shows(Field::FirstName) { read.first_name.clone().map_or(Patch::Clear, Patch::Set) } else { Patch::Keep },
            email_addresses: shown(&read, Field::EmailAddresses, &read.email_addresses),
            phone_numbers: shown(&read, Field::PhoneNumbers, &read.phone_numbers),
            remote_fields: read.remote_fields.clone(),
            ..ContactPatch::default()
        };
        let change = AptlyChange::of_patch(&read, &patch, &Definitions::of(Some(&read)), Region::default()).unwrap();
        prop_assert!(change.is_empty());
    }
}
