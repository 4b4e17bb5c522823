//! Contacts written as unified JSON, to the domain and back.

use contacts_gateway::domain::{
    Address, Contact, ContactDraft, ContactPatch, ContactUpsert, EmailAddress, Field, Patch, PhoneNumber,
    RawJson, ReadOnlyMember, RemoteFields, Text, Timestamp,
};
use serde_json::{Map, Value, json};

/// Ada, whom both CRMs can hold to the letter.
pub(crate) fn ada() -> Value {
    json!({
        "firstName": "Ada", "lastName": "Byron",
        "emailAddresses": [{ "emailAddress": "ada@example.com", "emailAddressType": "main" }],
        "phoneNumbers": [{ "phoneNumber": "+14165550277" }],
    })
}

/// `contact` with other members.
pub(crate) fn with(mut contact: Value, members: &Value) -> Value {
    let Value::Object(all) = &mut contact else { panic!("a contact is an object") };
    all.extend(members.as_object().unwrap().clone());
    contact
}

pub(crate) fn draft(contact: &Value) -> ContactDraft {
    patch(contact).to_draft().unwrap()
}

pub(crate) fn upsert(contact: &Value) -> ContactUpsert {
    ContactUpsert::of(patch(contact)).unwrap()
}

pub(crate) fn patch(change: &Value) -> ContactPatch {
    let members = change.as_object().unwrap();
    let field = |name: &str| match members.get(name) {
        None => Patch::Keep,
        Some(Value::Null) => Patch::Clear,
        Some(value) => Patch::Set(value.clone()),
    };
    let entries = |value: Value| value.as_array().unwrap().clone();
    ContactPatch {
        first_name: field("firstName").map(|value| text(&value).unwrap()),
        last_name: field("lastName").map(|value| text(&value).unwrap()),
        account: field("account").map(|value| text(&value).unwrap()),
        addresses: field("addresses").map(|value| entries(value).iter().map(address).collect()),
        email_addresses: field("emailAddresses").map(|value| entries(value).iter().map(email).collect()),
        phone_numbers: field("phoneNumbers").map(|value| entries(value).iter().map(phone).collect()),
        remote_fields: RemoteFields(members.get("remoteFields").map_or_else(Vec::new, remote)),
        read_only: READ_ONLY.iter().filter_map(|name| read_only(members, name)).collect(),
    }
}

const READ_ONLY: [&str; 8] = [
    "id",
    "remoteId",
    "remoteDeleted",
    "lastActivityAt",
    "remoteCreatedAt",
    "remoteUpdatedAt",
    "createdAt",
    "updatedAt",
];

fn read_only(members: &Map<String, Value>, name: &'static str) -> Option<ReadOnlyMember> {
    members.get(name).map(|value| ReadOnlyMember { name, value: raw(value) })
}

fn text(value: &Value) -> Option<Text> {
    value.as_str().map(Text::from)
}

fn raw(value: &Value) -> RawJson {
    RawJson::from_validated(value.to_string().into())
}

fn remote(value: &Value) -> Vec<(Text, RawJson)> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.as_str().into(), raw(value))).collect()
}

fn email(value: &Value) -> EmailAddress {
    EmailAddress { address: text(&value["emailAddress"]).unwrap(), kind: text(&value["emailAddressType"]) }
}

fn phone(value: &Value) -> PhoneNumber {
    PhoneNumber { number: text(&value["phoneNumber"]).unwrap(), kind: text(&value["phoneNumberType"]) }
}

fn address(value: &Value) -> Address {
    Address {
        address_type: text(&value["addressType"]),
        street1: text(&value["street1"]),
        street2: text(&value["street2"]),
        city: text(&value["city"]),
        state: text(&value["state"]),
        country_subdivision: text(&value["countrySubdivision"]),
        country: text(&value["country"]),
        postal_code: text(&value["postalCode"]),
    }
}

/// The contact as the unified API shows it, apart from the gateway's own `id`.
pub(crate) fn shown(contact: &Contact) -> Value {
    let Contact {
        remote_id,
        first_name,
        last_name,
        account,
        addresses,
        email_addresses,
        phone_numbers,
        remote_fields,
        last_activity_at,
        remote_created_at,
        remote_updated_at,
        remote_deleted,
        unseen,
        // Said by warnings.
        partial: _,
        unreadable: _,
        names_derived: _,
        read_by: _,
        remote_fields_unread: _,
    } = contact;
    let time = |time: &Option<Timestamp>| time.map(|time| format!("{time:.3}"));
    let remote: Map<String, Value> = remote_fields
        .0
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), serde_json::from_str(value.as_str()).unwrap()))
        .collect();
    let mut shown = json!({
        "remoteId": remote_id.as_str(),
        "firstName": word(first_name.as_ref()), "lastName": word(last_name.as_ref()), "account": word(account.as_ref()),
        "addresses": addresses.iter().map(shown_address).collect::<Vec<_>>(),
        "emailAddresses": email_addresses.iter().map(|EmailAddress { address, kind }| {
            json!({ "emailAddress": address.as_str(), "emailAddressType": word(kind.as_ref()) })
        }).collect::<Vec<_>>(),
        "phoneNumbers": phone_numbers.iter().map(|PhoneNumber { number, kind }| {
            json!({ "phoneNumber": number.as_str(), "phoneNumberType": word(kind.as_ref()) })
        }).collect::<Vec<_>>(),
        "remoteFields": remote,
        "lastActivityAt": time(last_activity_at),
        "remoteCreatedAt": time(remote_created_at), "remoteUpdatedAt": time(remote_updated_at),
        "createdAt": time(remote_created_at), "updatedAt": time(remote_updated_at),
        "remoteDeleted": remote_deleted,
    });
    for field in unseen.iter() {
        let copy = match field {
            Field::RemoteCreatedAt => "createdAt",
            Field::RemoteUpdatedAt => "updatedAt",
            _ => field.name(),
        };
        for name in [field.name(), copy] {
            shown.as_object_mut().unwrap().shift_remove(name);
        }
    }
    shown
}

fn word(text: Option<&Text>) -> Value {
    text.map_or(Value::Null, |text| json!(text.as_str()))
}

fn shown_address(address: &Address) -> Value {
    let Address { address_type, street1, street2, city, state, country_subdivision, country, postal_code } =
        address;
    json!({
        "addressType": word(address_type.as_ref()), "street1": word(street1.as_ref()), "street2": word(street2.as_ref()),
        "city": word(city.as_ref()), "state": word(state.as_ref()),
        "countrySubdivision": word(country_subdivision.as_ref()), "country": word(country.as_ref()),
        "postalCode": word(postal_code.as_ref()),
    })
}
