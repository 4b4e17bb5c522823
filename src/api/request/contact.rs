//! Contacts to create and changes to contacts, read by one reader: what is `null` or blank is absent in the one and
//! cleared in the other.

use serde_json::value::RawValue;

use super::{FieldReader, under};
use crate::api::extract::FromBody;
use crate::domain::bounds::{
    ADDRESSES_MOST, CHANGED_REMOTE_FIELDS_MOST, EMAILS_MOST, PHONES_MOST, SENT_REMOTE_FIELDS_MOST,
};
use crate::domain::rules::{self, Lines};
use crate::domain::{
    Address, ContactDraft, ContactPatch, ContactUpsert, EmailAddress, Patch, PhoneNumber, ReadOnlyMember,
    RemoteFields, Text,
};
use crate::json::{self, Kind, Members, Steps};

/// Members that a caller sets.
pub(in crate::api) const WRITABLE: [&str; 7] =
    ["firstName", "lastName", "account", "addresses", "emailAddresses", "phoneNumbers", "remoteFields"];
/// Members that name a contact.
pub(in crate::api) const IDS: [&str; 2] = ["id", "remoteId"];
/// Members that the CRM alone sets.
pub(in crate::api) const READ_ONLY: [&str; 6] =
    ["lastActivityAt", "remoteCreatedAt", "remoteUpdatedAt", "remoteDeleted", "createdAt", "updatedAt"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Create,
    Update,
    Upsert,
}

impl FromBody for ContactPatch {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        Some(contact(reader, members, Purpose::Update))
    }
}

impl FromBody for ContactDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        let patch = contact(reader, members, Purpose::Create);
        require_last_name(reader, members, &patch);
        patch.to_draft()
    }
}

impl FromBody for ContactUpsert {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        let patch = contact(reader, members, Purpose::Upsert);
        require_last_name(reader, members, &patch);
        Self::of(patch)
    }
}

fn require_last_name(reader: &mut FieldReader<'_>, members: &Members<'_>, patch: &ContactPatch) {
    // A name of the wrong type was named already.
    let named = members.0.iter().any(|(name, _)| name == "lastName");
    if patch.last_name == Patch::Clear || (patch.last_name == Patch::Keep && !named) {
        reader.required("/lastName");
    }
}

fn set<T>(patch: Patch<T>) -> Option<T> {
    match patch {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Clear => None,
    }
}

fn contact(reader: &mut FieldReader<'_>, members: &Members<'_>, purpose: Purpose) -> ContactPatch {
    let mut patch = ContactPatch::default();
    if purpose != Purpose::Create {
        reader.leave_rules();
    }
    for (name, raw) in &members.0 {
        let (at, raw) = (under("", name), raw.get());
        match name.as_ref() {
            "firstName" => patch.first_name = reader.text(&at, raw, Lines::One),
            "lastName" => patch.last_name = reader.text(&at, raw, Lines::One),
            "account" => patch.account = reader.text(&at, raw, Lines::One),
            "addresses" => patch.addresses = reader.list(&at, raw, ADDRESSES_MOST, address),
            "emailAddresses" => patch.email_addresses = reader.list(&at, raw, EMAILS_MOST, email),
            "phoneNumbers" => patch.phone_numbers = reader.list(&at, raw, PHONES_MOST, phone),
            "remoteFields" => patch.remote_fields = remote_fields(reader, &at, raw, purpose),
            other => patch.read_only.extend(read_only(reader, &at, other, raw, purpose)),
        }
    }
    patch
}

fn read_only(
    reader: &mut FieldReader<'_>,
    at: &str,
    name: &str,
    raw: &str,
    purpose: Purpose,
) -> Option<ReadOnlyMember> {
    let Some(known) = IDS.iter().chain(&READ_ONLY).find(|known| **known == name) else {
        reader.unknown(at, &WRITABLE);
        return None;
    };
    match purpose {
        // Clients that write every member say nothing by a null.
        Purpose::Create | Purpose::Upsert if json::kind(raw) == Kind::Null => return None,
        Purpose::Create | Purpose::Upsert if IDS.contains(&name) => {
            reader.fault(
                at,
                "read_only",
                "A create that names it would mean an update: PATCH /crm/contacts/{id}.",
            );
            return None;
        }
        Purpose::Create | Purpose::Update | Purpose::Upsert => {}
    }
    Some(ReadOnlyMember { name: known, value: reader.raw(raw) })
}

fn address(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<Address> {
    let mut address = Address::default();
    for (name, raw) in &reader.object(at, raw)?.0 {
        let (at, raw) = (under(at, name), raw.get());
        let (part, lines) = match name.as_ref() {
            "addressType" => (&mut address.address_type, Lines::One),
            "street1" => (&mut address.street1, Lines::Several),
            "street2" => (&mut address.street2, Lines::Several),
            "city" => (&mut address.city, Lines::One),
            "state" => (&mut address.state, Lines::One),
            "countrySubdivision" => (&mut address.country_subdivision, Lines::One),
            "country" => (&mut address.country, Lines::One),
            "postalCode" => (&mut address.postal_code, Lines::One),
            _ => {
                reader.unknown(&at, &ADDRESS_PARTS);
                continue;
            }
        };
        *part = set(reader.text(&at, raw, lines));
    }
    if address == Address::default() {
        // Left out in silence, it would shift the others, and `[{}]` would clear the list.
        reader.fault(at, "empty", "An address needs one part at least.");
    }
    Some(address)
}

const ADDRESS_PARTS: [&str; 8] =
    ["addressType", "street1", "street2", "city", "state", "countrySubdivision", "country", "postalCode"];

fn email(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<EmailAddress> {
    let (address, kind) = pair(reader, at, raw, "emailAddress", "emailAddressType")?;
    reader.judge(&under(at, "emailAddress"), || rules::email_address(&address));
    Some(EmailAddress { address, kind })
}

fn phone(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<PhoneNumber> {
    let (number, kind) = pair(reader, at, raw, "phoneNumber", "phoneNumberType")?;
    Some(PhoneNumber { number, kind })
}

/// A required text and its optional type.
fn pair(
    reader: &mut FieldReader<'_>,
    at: &str,
    raw: &str,
    value: &'static str,
    kind: &'static str,
) -> Option<(Text, Option<Text>)> {
    let members = reader.object(at, raw)?;
    for (name, _) in members.0.iter().filter(|(name, _)| name != value && name != kind) {
        reader.unknown(&under(at, name), &[value, kind]);
    }
    let word = members.get(kind).map(|raw| reader.text(&under(at, kind), raw.get(), Lines::One));
    let text = reader.required_text(&under(at, value), members.get(value).map(RawValue::get))?;
    Some((text, word.and_then(set)))
}

fn remote_fields(reader: &mut FieldReader<'_>, at: &str, raw: &str, purpose: Purpose) -> RemoteFields {
    // `null` names none of them.
    if json::kind(raw) == Kind::Null {
        return RemoteFields::default();
    }
    let Some(members) = reader.object(at, raw) else { return RemoteFields::default() };
    let most = if purpose == Purpose::Create { CHANGED_REMOTE_FIELDS_MOST } else { SENT_REMOTE_FIELDS_MOST };
    if let Some((code, detail)) = rules::count("members", most, members.0.len()) {
        reader.fault(at, code, detail);
        return RemoteFields::default();
    }
    for (name, _) in &members.0 {
        // The pointer is made where a fault is noted: names can be long.
        if let Some((code, detail)) = rules::remote_name(name).filter(|_| purpose == Purpose::Create) {
            reader.fault(&under(at, name), code, detail);
        }
    }
    // What the CRM holds can be sent back as it is, whatever it is; what is new keeps to the rules of strings.
    if purpose == Purpose::Create {
        let fields = Steps { before: None, step: "remoteFields" };
        for (name, raw) in &members.0 {
            reader.strings(&Steps { before: Some(&fields), step: name }, raw.get());
        }
    }
    RemoteFields(
        members.0.iter().map(|(name, raw)| (Text::from(name.as_ref()), reader.raw(raw.get()))).collect(),
    )
}

#[cfg(test)]
mod tests {
    use bytestring::ByteString;

    use super::*;
    use crate::domain::Result;

    fn read<T: FromBody>(text: &str) -> Result<T> {
        FieldReader::read(&ByteString::from(text))
    }

    #[test]
    fn what_is_blank_is_absent_in_a_draft_and_cleared_in_a_change() {
        let text =
            r#"{"lastName":" x ","firstName":" ","account":null,"emailAddresses":[],"addresses":null}"#;
        let draft: ContactDraft = read(text).unwrap();
        assert_eq!((draft.first_name, draft.account, draft.addresses), (None, None, vec![]));
        assert_eq!(draft.last_name, " x ", "what is not blank is kept to the letter");
        let patch: ContactPatch = read(text).unwrap();
        assert_eq!((&patch.first_name, &patch.account), (&Patch::Clear, &Patch::Clear));
        assert_eq!((&patch.email_addresses, &patch.addresses), (&Patch::Clear, &Patch::Clear));
        assert_eq!((&patch.phone_numbers, patch.remote_fields.is_empty()), (&Patch::Keep, true));
    }

    #[test]
    fn an_upsert_reads_as_a_change_and_as_a_draft() {
        let text = r#"{"lastName":"x","firstName":"","account":null,"emailAddresses":null,"phoneNumbers":[],"remoteFields":{"title":null}}"#;
        let ContactUpsert { draft, patch } = read(text).unwrap();
        assert_eq!((&patch.first_name, &patch.account), (&Patch::Clear, &Patch::Clear));
        assert_eq!((&patch.email_addresses, &patch.phone_numbers), (&Patch::Clear, &Patch::Clear));
        assert_eq!(patch.addresses, Patch::Keep);
        assert_eq!((draft.first_name, draft.account, draft.phone_numbers.len()), (None, None, 0));
        assert!(read::<ContactUpsert>(r#"{"lastName":null}"#).is_err());
        let odd = r#"{"lastName":"a\tb","emailAddresses":[{"emailAddress":"n/a"}],"remoteFields":null}"#;
        assert!(read::<ContactUpsert>(odd).is_ok() && read::<ContactPatch>(odd).is_ok());
        let failure = read::<ContactDraft>(odd).unwrap_err();
        let places: Vec<&str> = failure.faults.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(places, ["/lastName", "/emailAddresses/0/emailAddress"]);
    }

    #[test]
    fn remote_fields_keep_every_digit_and_every_null() {
        let text = r#"{"remoteFields":{"n": 1234567890123456789012345678901.50 ,"s":"\u00e9","z":null,"o":{ "b":1,"a":[ ] }}}"#;
        let patch: ContactPatch = read(text).unwrap();
        let shown = |name| patch.remote_fields.get(name).unwrap().as_str();
        assert_eq!(shown("n"), "1234567890123456789012345678901.50");
        assert_eq!(shown("s"), r#""\u00e9""#);
        assert_eq!(shown("z"), "null");
        assert_eq!(shown("o"), r#"{ "b":1,"a":[ ] }"#);
    }

    #[test]
    fn read_only_members_come_along_and_a_draft_drops_those_that_say_nothing() {
        let text =
            r#"{"lastName":"x","id":null,"createdAt":"2024-01-01","remoteDeleted":false,"updatedAt":null}"#;
        let named = |members: &[ReadOnlyMember]| members.iter().map(|member| member.name).collect::<Vec<_>>();
        let draft: ContactDraft = read(text).unwrap();
        assert_eq!(named(&draft.read_only), ["createdAt", "remoteDeleted"]);
        let patch: ContactPatch = read(text).unwrap();
        assert_eq!(named(&patch.read_only), ["id", "createdAt", "remoteDeleted", "updatedAt"]);
        assert_eq!(patch.read_only[1].value.as_str(), r#""2024-01-01""#);
    }

    #[test]
    fn text_is_unescaped_and_lists_keep_their_order() {
        let text = r#"{"lastName":"O\u2019Neil \ud83d\ude00","phoneNumbers":[{"phoneNumber":"2"},{"phoneNumber":"1","phoneNumberType":""}],
            "addresses":[{"street1":"a\nb"}]}"#;
        let draft: ContactDraft = read(text).unwrap();
        assert_eq!(draft.last_name, "O\u{2019}Neil \u{1f600}");
        assert_eq!(
            draft.phone_numbers.iter().map(|phone| phone.number.as_str()).collect::<Vec<_>>(),
            ["2", "1"]
        );
        assert_eq!(draft.phone_numbers[1].kind, None);
        assert_eq!(draft.addresses[0].street1.as_deref(), Some("a\nb"));
    }

    #[test]
    fn the_document_describes_exactly_the_members_that_are_read() {
        let document: serde_json::Value = serde_json::from_str(&crate::api::openapi::document()).unwrap();
        let described = |schema: &str| {
            let properties = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
            let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
            names.sort_unstable();
            names.join(" ")
        };
        let sorted = |lists: &[&[&'static str]]| {
            let mut names = lists.concat();
            names.sort_unstable();
            names.join(" ")
        };
        assert_eq!(described("ContactCreate"), sorted(&[&WRITABLE, &READ_ONLY]));
        assert_eq!(described("ContactUpsert"), sorted(&[&WRITABLE, &READ_ONLY]));
        assert_eq!(described("ContactUpdate"), sorted(&[&WRITABLE, &READ_ONLY, &IDS]));
        assert_eq!(described("AddressInput"), sorted(&[&ADDRESS_PARTS]));
        assert_eq!(described("AddressUpdate"), sorted(&[&ADDRESS_PARTS]));
    }
}
