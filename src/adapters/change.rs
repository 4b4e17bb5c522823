//! What of a change differs from what is held: the part that is the same for every CRM.

use crate::domain::{ContactDraft, ContactPatch, EmailAddress, Patch, RemoteFields, Text};

/// A draft as the change of a record that holds nothing, so that a CRM needs one way of writing and not two.
/// Members that are `null` ask for nothing of a new record.
pub(super) fn of_draft(draft: &ContactDraft) -> ContactPatch {
    let ContactDraft {
        first_name,
        last_name,
        account,
        addresses,
        email_addresses,
        phone_numbers,
        remote_fields,
        read_only: _, // Nothing of a new record is read-only yet; the gateway warns.
    } = draft;
    let named = remote_fields.0.iter().filter(|(_, value)| !value.is_null());
    ContactPatch {
        first_name: first_name.clone().into(),
        last_name: Patch::Set(last_name.clone()),
        account: account.clone().into(),
        addresses: unless_empty(addresses),
        email_addresses: unless_empty(email_addresses),
        phone_numbers: unless_empty(phone_numbers),
        remote_fields: RemoteFields(named.cloned().collect()),
        read_only: Vec::new(),
    }
}

fn unless_empty<T: Clone>(list: &[T]) -> Patch<Vec<T>> {
    if list.is_empty() { Patch::Keep } else { Patch::Set(list.to_vec()) }
}

/// What is left of a change to a text: nothing where the record holds it already. Blanks alone ask for no text.
pub(super) fn text(patch: &Patch<Text>, held: Option<&Text>) -> Patch<Text> {
    let (wanted, held) = (patch.value().filter(|text| !text.trim().is_empty()), held.map(|held| held.trim()));
    match wanted {
        _ if !patch.touches() || wanted.map(|text| text.trim()) == held => Patch::Keep,
        Some(text) => Patch::Set(text.clone()),
        None => Patch::Clear,
    }
}

/// The whole list that is asked for; `None` where it is untouched.
pub(super) fn list<T>(patch: &Patch<Vec<T>>) -> Option<&[T]> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(&[]),
        Patch::Set(list) => Some(list),
    }
}

/// What the CRM should hold where `sent` is what it was sent.
pub(super) fn expected<T>(sent: Option<Vec<T>>) -> Patch<Vec<T>> {
    sent.map_or(Patch::Keep, |list| if list.is_empty() { Patch::Clear } else { Patch::Set(list) })
}

/// Whether two e-mail addresses are one: no CRM tells them apart by case.
pub(super) fn same_email(one: &EmailAddress, other: &EmailAddress) -> bool {
    one.address.trim().to_lowercase() == other.address.trim().to_lowercase()
}

/// Whether a type is one of `words`.
pub(super) fn is_word(kind: Option<&Text>, words: &[&str]) -> bool {
    kind.is_some_and(|kind| words.iter().any(|word| kind.trim().eq_ignore_ascii_case(word)))
}
