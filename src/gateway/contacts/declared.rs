//! What a CRM's declaration alone says about a write: what is refused, what is lost.

use crate::adapters::{AdapterSpec, FieldSpec, Write};
use crate::domain::{
    Address, Contact, ContactDraft, ContactPatch, Failure, Field, FieldFault, Patch, RawJson, ReadOnlyMember,
    RemoteId, Result, Text, Timestamp, Warning, WarningCode,
};
use crate::json;

/// What a draft loses in this CRM by declaration.
/// Fails with `validation_failed` where it lacks what the CRM requires.
pub(super) fn of_draft(spec: &AdapterSpec, draft: &ContactDraft) -> Result<Vec<Warning>> {
    let missing = spec.fields.iter().filter(|spec| spec.required && !names(draft, spec.field));
    let faults: Vec<FieldFault> = missing
        .map(|field| {
            let detail = format!("{} requires `{}` to create a contact.", spec.title, field.field.name());
            FieldFault::member(format!("/{}", field.field.name()), "required", detail)
        })
        .collect();
    if !faults.is_empty() {
        return Err(Failure::validation(faults));
    }
    let lost = spec.fields.iter().filter(|spec| names(draft, spec.field)).filter_map(not_stored);
    Ok(lost.chain(draft.read_only.iter().filter_map(ignored)).collect())
}

fn names(draft: &ContactDraft, field: Field) -> bool {
    match field {
        Field::FirstName => draft.first_name.is_some(),
        Field::LastName => true,
        Field::Account => draft.account.is_some(),
        Field::Addresses => !draft.addresses.is_empty(),
        Field::EmailAddresses => !draft.email_addresses.is_empty(),
        Field::PhoneNumbers => !draft.phone_numbers.is_empty(),
        // Parts of lists are judged by the adapter, entry by entry; the others only the CRM sets.
        Field::EmailAddressType
        | Field::PhoneNumberType
        | Field::RemoteFields
        | Field::LastActivityAt
        | Field::RemoteCreatedAt
        | Field::RemoteUpdatedAt
        | Field::RemoteDeleted => false,
    }
}

fn not_stored(spec: &FieldSpec) -> Option<Warning> {
    let Write::Never(reason) = spec.write else { return None };
    Some(Warning::new(
        WarningCode::NotStored,
        format!("/{}", spec.field.name()),
        format!("Not stored: {reason}."),
    ))
}

/// `null` and `false` ask for nothing.
fn ignored(member: &ReadOnlyMember) -> Option<Warning> {
    let empty = member.value.is_null() || member.value.as_str() == "false";
    (!empty).then(|| read_only(member.name))
}

fn read_only(name: &str) -> Warning {
    Warning::new(
        WarningCode::ReadOnly,
        format!("/{name}"),
        format!("`{name}` is set by the gateway or the CRM alone and was ignored."),
    )
}

/// What a change loses before the record was looked at: members that the CRM neither shows nor stores.
pub(super) fn of_patch(spec: &AdapterSpec, patch: &ContactPatch) -> Vec<Warning> {
    let nothing = Contact::bare(RemoteId::from(""));
    let lost = |spec: &&FieldSpec| spec.read.is_none() && differs(patch, &nothing, spec.field);
    spec.fields.iter().filter(lost).filter_map(not_stored).collect()
}

/// Whether a change of `field` asks for another value than the record holds. What the reading does not show is not empty.
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
        // As for a draft.
        Field::EmailAddressType
        | Field::PhoneNumberType
        | Field::RemoteFields
        | Field::LastActivityAt
        | Field::RemoteCreatedAt
        | Field::RemoteUpdatedAt
        | Field::RemoteDeleted => false,
    }
}

/// What a change loses given the record: members that the CRM shows and does not store, where they differ; read-only
/// members, where they differ.
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

/// Whether these addresses are held; one without a type is the same whatever its type.
fn are_held(addresses: &[Address], held: &[Address]) -> bool {
    let same = |(sent, held): (&Address, &Address)| {
        let address_type = sent.address_type.clone().or_else(|| held.address_type.clone());
        Address { address_type, ..sent.clone() } == *held
    };
    addresses.len() == held.len() && addresses.iter().zip(held).all(same)
}

/// Whether the record holds the value; one that the reading does not show is not known to differ.
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

/// Answers show milliseconds, so that is how far a time that came back can agree.
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

    /// Whichever field a CRM has no home for, a change that names it is warned about.
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

    /// A field that is declared as verified and compared by nobody would count as checked in silence.
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
                assert!(compared.contains(&field.field), "{}: `judge` does not compare {name}", spec.title);
            }
        }
    }
}
