//! New contacts and changes to contacts, read by one table. A `null` or blank value counts as absent in a new contact, and
//! clears the field in a change.

use super::object::{BodyField, BodyObject, BodyValue, Presence, documented, field, list, text};
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

/// Fields that identify a contact.
const IDS: [&str; 2] = ["id", "remoteId"];
/// Fields that only the CRM sets.
const READ_ONLY: [&str; 6] =
    ["lastActivityAt", "remoteCreatedAt", "remoteUpdatedAt", "remoteDeleted", "createdAt", "updatedAt"];

static CREATE: BodyObject<ContactPatch> = BodyObject {
    name: "ContactCreate",
    about: "A contact to create. Fields that only the CRM sets are ignored with a warning.",
    is_new: true,
    fields: &fields(
        true,
        Presence::Required,
        "Fields of the CRM that the common model lacks, by their names in the CRM; at most 200. A field \
        that is `null` counts as absent. If `remoteFields` is `null`, all fields count as absent.",
    ),
    ignored: &[&READ_ONLY],
};

static UPDATE: BodyObject<ContactPatch> = BodyObject {
    name: "ContactUpdate",
    about: "Changes to a contact. An absent field is unchanged, `null` or a blank value clears the field, and a list \
        replaces the whole list. Fields that only the CRM sets are ignored, so that a contact can be sent back as it was read.\n\n\
        The rules of a new contact (1000 characters a text, 50 e-mail addresses, 50 phone numbers, 20 postal addresses, \
        well-formed e-mail addresses, 200 `remoteFields`) apply only to values that differ from those of the CRM. A contact \
        that breaks a rule can be sent back unchanged.",
    is_new: false,
    fields: &fields(
        false,
        Presence::Optional,
        "Fields of the CRM that the common model lacks, by their names in the CRM; at most 2,000, of \
        which 200 may differ from the values of the CRM. `null` clears a field; absent fields are unchanged. If `remoteFields` \
        is `null`, all fields are unchanged. If the body has the `id`, `remoteId` or `remoteUpdatedAt` of a contact that you \
        read, fields that cannot be written are ignored; one warning `read_only` names those that differ. In other bodies they \
        cause 422.",
    ),
    ignored: &[&IDS, &READ_ONLY],
};

static UPSERT: BodyObject<ContactPatch> = BodyObject {
    name: "ContactUpsert",
    about: "A contact to update if it is found, or to create otherwise. In an update, `null`, a blank text or an empty list \
        clears the field. In a create, these count as absent.\n\n\
        The rules of a new contact apply only to values that differ from those of the CRM, as in `ContactUpdate`.",
    is_new: false,
    fields: &fields(
        false,
        Presence::Required,
        "Fields of the CRM that the common model lacks, by their names in the CRM; at most 2,000, of \
        which 200 may differ from the values of the CRM. In an update, `null` clears a field. If `remoteFields` is `null`, all \
        fields count as absent.",
    ),
    ignored: &[&READ_ONLY],
};

/// The fields of a contact. `is_new`: whether all values are new. `last_name`: whether the family name is required.
#[rustfmt::skip]
const fn fields(is_new: bool, last_name: Presence, remote: &'static str) -> [BodyField<ContactPatch>; 7] {
    [
        field("lastName", "Family name. Must not be blank if it is required.", last_name,
            BodyValue::Text(Lines::One, |patch, text| patch.last_name = text)),
        text("firstName", "Given name.", Lines::One, |patch, text| patch.first_name = text),
        text("account", "The company of the person.", Lines::One, |patch, text| patch.account = text),
        list("addresses", "Postal addresses", ADDRESSES_MOST,
            if is_new { || ADDRESS.reference() } else { || ADDRESS_UPDATE.reference() },
            |reader, at, raw, most, patch| { patch.addresses = reader.list(at, raw, most, address); }),
        list("emailAddresses", "E-mail addresses, the main one first", EMAILS_MOST,
            if is_new { || EMAIL.reference() } else { || EMAIL_UPDATE.reference() },
            |reader, at, raw, most, patch| { patch.email_addresses = reader.list(at, raw, most, email); }),
        list("phoneNumbers", "Phone numbers", PHONES_MOST,
            if is_new { || PHONE.reference() } else { || PHONE_UPDATE.reference() },
            |reader, at, raw, most, patch| { patch.phone_numbers = reader.list(at, raw, most, phone); }),
        field("remoteFields", remote, Presence::Optional,
            BodyValue::Any(if is_new {
                |reader, at, raw, patch| patch.remote_fields = new_remote_fields(reader, at, raw)
            } else {
                |reader, at, raw, patch| patch.remote_fields = remote_fields(reader, at, raw, SENT_REMOTE_FIELDS_MOST)
            })),
    ]
}

static ADDRESS: BodyObject<Address> = BodyObject {
    name: "AddressInput",
    about: "A postal address, with at least one part.",
    is_new: true,
    fields: &ADDRESS_PARTS,
    ignored: &[],
};

static ADDRESS_UPDATE: BodyObject<Address> = BodyObject {
    name: "AddressUpdate",
    about: "A postal address in a change, with at least one part. A new part is limited to 1000 characters.",
    is_new: false,
    ..ADDRESS
};

#[rustfmt::skip]
const ADDRESS_PARTS: [BodyField<Address>; 8] = [
    text("addressType", "A type of your choice, such as `billing`.", Lines::One,
        |address, text| { address.address_type = set(text); }),
    text("street1", "First line.", Lines::Several, |address, text| address.street1 = set(text)),
    text("street2", "Second line.", Lines::Several, |address, text| address.street2 = set(text)),
    text("city", "City.", Lines::One, |address, text| address.city = set(text)),
    text("state", "State.", Lines::One, |address, text| address.state = set(text)),
    text("countrySubdivision", "Subdivision of the country.", Lines::One,
        |address, text| { address.country_subdivision = set(text); }),
    text("country", "Country.", Lines::One, |address, text| address.country = set(text)),
    text("postalCode", "Postal code.", Lines::One, |address, text| address.postal_code = set(text)),
];

#[rustfmt::skip]
static EMAIL: BodyObject<EmailAddress> = BodyObject {
    name: "EmailAddressInput",
    about: "An e-mail address and its type.",
    is_new: true,
    fields: &[
        text("emailAddressType", "A type of your choice, such as `main`.", Lines::One,
            |email, text| { email.kind = set(text); }),
        field("emailAddress", "The address.", Presence::Required,
            BodyValue::EmailAddress(|email, text| email.address = text)),
    ],
    ignored: &[],
};

static EMAIL_UPDATE: BodyObject<EmailAddress> = BodyObject {
    name: "EmailAddressUpdate",
    about: "An e-mail address in a change, and its type. Without a type, the current type is kept. A new address must be \
        valid and is limited to 254 characters.",
    is_new: false,
    ..EMAIL
};

#[rustfmt::skip]
static PHONE: BodyObject<PhoneNumber> = BodyObject {
    name: "PhoneNumberInput",
    about: "A phone number and its type.",
    is_new: true,
    fields: &[
        text("phoneNumberType", "A type of your choice, such as `mobile`.", Lines::One,
            |phone, text| { phone.kind = set(text); }),
        field("phoneNumber", "The number.", Presence::Required,
            BodyValue::Text(Lines::One, |phone, text| phone.number = set(text).unwrap_or_default())),
    ],
    ignored: &[],
};

static PHONE_UPDATE: BodyObject<PhoneNumber> = BodyObject {
    name: "PhoneNumberUpdate",
    about: "A phone number in a change, and its type. Without a type, the current type is kept. A new number is limited to \
        1000 characters.",
    is_new: false,
    ..PHONE
};

documented! {
    ContactDraft: CREATE, [
        ("AddressInput", || ADDRESS.schema()), ("EmailAddressInput", || EMAIL.schema()), ("PhoneNumberInput", || PHONE.schema())
    ];
    ContactPatch: UPDATE, [
        ("AddressUpdate", || ADDRESS_UPDATE.schema()), ("EmailAddressUpdate", || EMAIL_UPDATE.schema()),
        ("PhoneNumberUpdate", || PHONE_UPDATE.schema())
    ];
    // Its lists have the same elements as those of a change.
    ContactUpsert: UPSERT, [];
}

impl FromBody for ContactPatch {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        Some(contact(reader, members, &UPDATE))
    }
}

impl FromBody for ContactDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        contact(reader, members, &CREATE).to_draft()
    }
}

impl FromBody for ContactUpsert {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        Self::of(contact(reader, members, &UPSERT))
    }
}

fn set<T>(patch: Patch<T>) -> Option<T> {
    match patch {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Clear => None,
    }
}

fn contact(
    reader: &mut FieldReader<'_>,
    members: &Members<'_>,
    object: &BodyObject<ContactPatch>,
) -> ContactPatch {
    let mut patch = ContactPatch::default();
    if !object.is_new {
        reader.leave_rules();
    }
    object.read_with(reader, "", members, &mut patch, |reader, at, name, raw, patch| {
        patch.read_only.extend(read_only(reader, at, name, raw, object));
    });
    patch
}

fn read_only(
    reader: &mut FieldReader<'_>,
    at: &str,
    name: &str,
    raw: &str,
    object: &BodyObject<ContactPatch>,
) -> Option<ReadOnlyMember> {
    let Some(known) = IDS.iter().chain(&READ_ONLY).find(|known| **known == name) else {
        reader.unknown(at, name, &object.names());
        return None;
    };
    let may_create = object.fields[0].need == Presence::Required;
    // Clients that send every field use null for "no value".
    if may_create && json::kind(raw) == Kind::Null {
        return None;
    }
    if may_create && IDS.contains(&name) {
        reader.fault(
            at,
            "read_only",
            "Must be absent in a create. To update a contact, use PATCH /crm/contacts/{id}.",
        );
        return None;
    }
    Some(ReadOnlyMember { name: known, value: reader.raw(raw) })
}

fn address(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<Address> {
    let address = ADDRESS.element(reader, at, raw, Address::default())?;
    if address == Address::default() {
        // If it were dropped silently, the other entries would shift, and `[{}]` would clear the list.
        reader.fault(at, "empty", "An address must have at least one part.");
    }
    Some(address)
}

fn email(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<EmailAddress> {
    EMAIL.element(reader, at, raw, EmailAddress { address: Text::default(), kind: None })
}

fn phone(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<PhoneNumber> {
    PHONE.element(reader, at, raw, PhoneNumber { number: Text::default(), kind: None })
}

/// Reads the fields of the CRM without the rules of new values, so that fields can be sent back as they were read.
fn remote_fields(reader: &mut FieldReader<'_>, at: &str, raw: &str, most: usize) -> RemoteFields {
    let Some(members) = reader.object(at, raw) else { return RemoteFields::default() };
    if let Some((code, detail)) = rules::count("fields", most, members.0.len()) {
        reader.fault(at, code, detail);
        return RemoteFields::default();
    }
    RemoteFields(
        members.0.iter().map(|(name, raw)| (Text::from(name.as_ref()), reader.raw(raw.get()))).collect(),
    )
}

/// The same for new fields, which must follow the rules of names and strings.
fn new_remote_fields(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> RemoteFields {
    let fields = remote_fields(reader, at, raw, CHANGED_REMOTE_FIELDS_MOST);
    for (name, _) in &fields.0 {
        // The pointer is built only for a fault, because names can be long.
        if let Some((code, detail)) = rules::remote_name(name) {
            reader.fault(&under(at, name), code, detail);
        }
    }
    let steps = Steps { before: None, step: "remoteFields" };
    for (name, raw) in &fields.0 {
        reader.strings(&Steps { before: Some(&steps), step: name }, raw.as_str());
    }
    fields
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
        assert_eq!(draft.last_name, " x ", "a text that is not blank is kept exactly");
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
}
