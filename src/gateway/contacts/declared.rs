//! Checks a write against the CRM's declaration alone: what is refused, and what is lost.

use crate::adapters::{AdapterSpec, FieldSpec, Write};
use crate::domain::{
    Address, Contact, ContactDraft, ContactPatch, Failure, Field, FieldFault, Patch, RawJson, ReadOnlyMember,
    RemoteId, Result, Text, Timestamp, Warning, WarningCode,
};
use crate::json;

/// The warnings for a draft. Fails with `validation_failed` if a field that the CRM requires is missing.
pub(super) fn of_draft(spec: &AdapterSpec, draft: &ContactDraft) -> Result<Vec<Warning>> {
    let missing = spec.fields.iter().filter(|spec| spec.required && !draft.gives(spec.field));
    let faults: Vec<FieldFault> = missing
        .map(|field| {
            let detail = format!("{} requires `{}` to create a contact.", spec.name, field.field.name());
            FieldFault::member(format!("/{}", field.field.name()), "required", detail)
        })
        .collect();
    if !faults.is_empty() {
        return Err(Failure::validation(faults));
    }
    let lost = spec.fields.iter().filter(|spec| draft.gives(spec.field)).filter_map(not_stored);
    Ok(lost.chain(draft.read_only.iter().filter_map(ignored)).collect())
}

fn not_stored(spec: &FieldSpec) -> Option<Warning> {
    let Write::Never(reason) = spec.write else { return None };
    Some(Warning::new(
        WarningCode::NotStored,
        format!("/{}", spec.field.name()),
        format!("Not stored: {reason}."),
    ))
}

/// `null` and `false` mean nothing.
fn ignored(member: &ReadOnlyMember) -> Option<Warning> {
    let empty = member.value.is_null() || member.value.as_str() == "false";
    (!empty).then(|| read_only(member.name))
}

fn read_only(name: &str) -> Warning {
    Warning::new(
        WarningCode::ReadOnly,
        format!("/{name}"),
        format!("`{name}` can only be set by the gateway or the CRM and was ignored."),
    )
}

/// The warnings for a patch that do not depend on the record: fields that the CRM neither shows nor stores.
pub(super) fn of_patch(spec: &AdapterSpec, patch: &ContactPatch) -> Vec<Warning> {
    let nothing = Contact::bare(RemoteId::from(""));
    let lost = |spec: &&FieldSpec| spec.read.is_none() && differs(patch, &nothing, spec.field);
    spec.fields.iter().filter(lost).filter_map(not_stored).collect()
}

/// Whether a patch of `field` differs from the record. A field that the read does not show is not empty.
fn differs(patch: &ContactPatch, held: &Contact, field: Field) -> bool {
    let unseen = held.unseen.contains(field);
    let text = |patch: &Patch<Text>, held: &Option<Text>| {
        patch.touches() && (unseen || patch.value() != held.as_ref())
    };
    match field {
        Field::FirstName => text(&patch.first_name, &held.first_name),
        Field::LastName => text(&patch.last_name, &held.last_name),
        Field::Account => text(&patch.account, &held.account),
        Field::Addresses => {
            patch.addresses.list().is_some_and(|sent| unseen || !are_held(sent, &held.addresses))
        }
        Field::EmailAddresses => {
            patch.email_addresses.list().is_some_and(|sent| unseen || sent != held.email_addresses)
        }
        Field::PhoneNumbers => {
            patch.phone_numbers.list().is_some_and(|sent| unseen || sent != held.phone_numbers)
        }
        // The adapter checks the types in lists, entry by entry. The other fields are set only by the CRM.
        Field::EmailAddressType
        | Field::PhoneNumberType
        | Field::RemoteFields
        | Field::LastActivityAt
        | Field::RemoteCreatedAt
        | Field::RemoteUpdatedAt
        | Field::RemoteDeleted => false,
    }
}

/// The warnings for a patch given the record: fields that differ and that the CRM shows but does not store, and
/// read-only fields that differ.
pub(super) fn of_change(spec: &AdapterSpec, id: &str, held: &Contact, patch: &ContactPatch) -> Vec<Warning> {
    let lost = |spec: &&FieldSpec| spec.read.is_some() && differs(patch, held, spec.field);
    let lost = spec.fields.iter().filter(lost).filter_map(not_stored);
    let ignored = patch
        .read_only
        .iter()
        .filter(|member| !is_held(member, id, held))
        .map(|member| read_only(member.name));
    lost.chain(ignored).collect()
}

/// Whether the record has these addresses. An address without a type matches any type.
fn are_held(addresses: &[Address], held: &[Address]) -> bool {
    let same = |(sent, held): (&Address, &Address)| {
        let address_type = sent.address_type.clone().or_else(|| held.address_type.clone());
        Address { address_type, ..sent.clone() } == *held
    };
    addresses.len() == held.len() && addresses.iter().zip(held).all(same)
}

/// Whether the record has the value. A field that the read does not show counts as equal.
fn is_held(member: &ReadOnlyMember, id: &str, held: &Contact) -> bool {
    let ReadOnlyMember { name, value } = member;
    let time = |field: Field, now: Option<Timestamp>| held.unseen.contains(field) || is_time(value, now);
    match *name {
        "id" => is_text(value, id),
        "remoteId" => is_text(value, held.remote_id.as_str()),
        "remoteDeleted" => value.as_str() == if held.remote_deleted { "true" } else { "false" },
        "lastActivityAt" => time(Field::LastActivityAt, held.last_activity_at),
        "remoteCreatedAt" | "createdAt" => time(Field::RemoteCreatedAt, held.remote_created_at),
        "remoteUpdatedAt" | "updatedAt" => time(Field::RemoteUpdatedAt, held.remote_updated_at),
        _ => false,
    }
}

fn is_text(value: &RawJson, held: &str) -> bool {
    json::string(value.as_str()).is_some_and(|text| text == held)
}

/// Responses show milliseconds, so times are compared in milliseconds.
fn is_time(value: &RawJson, held: Option<Timestamp>) -> bool {
    let sent =
        json::string(value.as_str()).and_then(|text| Text::from(text.as_ref()).parse::<Timestamp>().ok());
    match (sent, held) {
        (Some(sent), Some(held)) => sent.as_millisecond() == held.as_millisecond(),
        (None, None) => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{ADAPTERS, Verify, spec};
    use crate::domain::{EmailAddress, PhoneNumber};

    /// If a CRM cannot store a field, a patch that names it gets a warning, whichever field it is.
    #[test]
    fn a_field_without_a_home_is_lost_in_no_change_in_silence() {
        let email = |address: &str| vec![EmailAddress { address: address.into(), kind: None }];
        let phone = |number: &str| vec![PhoneNumber { number: number.into(), kind: None }];
        let address = |city: &str| vec![Address { city: Some(city.into()), ..Address::default() }];
        let set = |value: &str| Patch::Set(Text::from(value));
        let patch = ContactPatch {
            first_name: set("Ada"),
            last_name: set("Byron"),
            account: set("Engines"),
            addresses: Patch::Set(address("London")),
            email_addresses: Patch::Set(email("ada@example.com")),
            phone_numbers: Patch::Set(phone("+14155550101")),
            ..ContactPatch::default()
        };
        let other = Contact::bare(RemoteId::from("abc123"));
        let same = Contact {
            first_name: Some("Ada".into()),
            last_name: Some("Byron".into()),
            account: Some("Engines".into()),
            addresses: address("London"),
            email_addresses: email("ada@example.com"),
            phone_numbers: phone("+14155550101"),
            ..other.clone()
        };
        for field in [
            Field::FirstName,
            Field::LastName,
            Field::Account,
            Field::Addresses,
            Field::EmailAddresses,
            Field::PhoneNumbers,
        ] {
            let lost = |read: Option<&'static str>, held: &Contact| {
                let never = Write::Never("it has no home");
                let field = FieldSpec {
                    field,
                    read,
                    write: never,
                    verify: Verify::Never,
                    required: false,
                    in_lists: true,
                };
                let spec = AdapterSpec { fields: Box::leak(Box::new([field])), ..*spec("aptly").unwrap() };
                let (before, given) = (of_patch(&spec, &patch), of_change(&spec, "con_1", held, &patch));
                (before.len(), given.len())
            };
            let name = field.name();
            assert_eq!(lost(None, &other), (1, 0), "{name} is never shown");
            assert_eq!(lost(Some("there"), &other), (0, 1), "{name} is shown and differs");
            assert_eq!(lost(Some("there"), &same), (0, 0), "{name} is shown and equal");
        }
    }

    /// A field that is declared as verified but not compared would count as verified without a check.
    #[test]
    fn every_field_that_a_crm_declares_as_verified_is_compared_after_a_write() {
        let compared = [
            Field::FirstName,
            Field::LastName,
            Field::Account,
            Field::EmailAddresses,
            Field::PhoneNumbers,
            Field::PhoneNumberType,
            Field::RemoteFields,
        ];
        for spec in ADAPTERS {
            for field in spec.fields.iter().filter(|field| field.verify != Verify::Never) {
                let name = field.field.name();
                assert!(compared.contains(&field.field), "{}: `judge` does not compare {name}", spec.name);
            }
        }
    }
}
