//! Updates of a contact of which a read shows only a part: names that it does not show, and lists of which it
//! shows some entries. Replacing a list by its part would delete the other entries.

use std::collections::HashSet;

use super::errors::unsent;
use super::operation::WriteOperation;
use super::verify::known;
use crate::adapters::{has_name_of_company, merge};
use crate::domain::{
    Contact, ContactPatch, EmailAddress, FailureKind, Faults, Field, FieldFault, Fields, Patch, PhoneNumber,
    Result, Text, Warning, WarningCode, is_read_back,
};

/// Removes unchanged lists from a patch. In a body made from a row of a list, addresses and numbers may be
/// only a part: replacing the list by it would delete the other entries. With `If-Match`, which needs a
/// read by id, such a list is a change.
pub(super) async fn without_parts(
    operation: &WriteOperation<'_>,
    mut patch: ContactPatch,
    held: &Contact,
    warnings: &mut Vec<Warning>,
) -> Result<ContactPatch> {
    let has_parts = may_be_part(&patch.email_addresses, &held.email_addresses, address_of)
        || may_be_part(&patch.phone_numbers, &held.phone_numbers, number_of);
    if operation.condition.is_some() || !is_read_back(&patch.read_only) || !has_parts {
        return Ok(patch);
    }
    if let Some(row) =
        operation.opened.adapter.read_other_way(operation.context, held).await.map_err(unsent)?
    {
        if row.partial.contains(Field::EmailAddresses) {
            let lists = [&held.email_addresses[..], &row.email_addresses];
            let kept = keep_part(&mut patch.email_addresses, lists, address_of);
            warnings.extend(kept.map(|code| part_kept(code, Field::EmailAddresses)));
        }
        if row.partial.contains(Field::PhoneNumbers) {
            let lists = [&held.phone_numbers[..], &row.phone_numbers];
            let kept = keep_part(&mut patch.phone_numbers, lists, number_of);
            warnings.extend(kept.map(|code| part_kept(code, Field::PhoneNumbers)));
        }
    }
    Ok(patch)
}

/// `held` with the complete names and lists that `patch` replaces, read in the CRM's other way if the first
/// read does not show them. A list that equals the shown part is no change. Fails if only a part of a list
/// can be read: its other entries would be deleted.
pub(super) async fn with_replaced_fields(
    operation: &WriteOperation<'_>,
    mut held: Contact,
    patch: &ContactPatch,
) -> Result<Contact> {
    let differs = |held: &Contact, field: Field| match field {
        Field::EmailAddresses => is_other(&patch.email_addresses, &held.email_addresses),
        _ => is_other(&patch.phone_numbers, &held.phone_numbers),
    };
    let (mut replaced, mut kept) = (Fields::NONE, Fields::NONE);
    for field in [Field::EmailAddresses, Field::PhoneNumbers] {
        match differs(&held, field) {
            Some(false) if held.partial.contains(field) => kept.insert(field),
            Some(_) if !held.shows(field) => replaced.insert(field),
            _ => {}
        }
    }
    // The row may show a full name where the single read shows empty names.
    let is_named = patch.first_name.value().is_some() || patch.last_name.value().is_some();
    let shows_none = held.first_name.is_none() && held.last_name.is_none();
    let nameless = is_read_back(&patch.read_only) && is_named && shows_none;
    for (field, name) in [(Field::FirstName, &patch.first_name), (Field::LastName, &patch.last_name)] {
        if name.touches() && (nameless || !held.shows(field)) {
            replaced.insert(field);
        }
    }
    if replaced.is_empty() {
        return Ok(held);
    }
    let is_partial = |held: &Contact| replaced.iter().any(|field| held.partial.contains(field));
    match operation.opened.adapter.read_other_way(operation.context, &known(None, patch, &held)).await {
        Ok(Some(other)) => {
            kept.iter().for_each(|field| held.partial.remove(field));
            if nameless && other.names_derived && !has_name_of_company(&other, held.account.as_ref()) {
                held.unseen.insert(Field::FirstName);
                held.unseen.insert(Field::LastName);
            }
            held = merge(held, other);
            kept.iter().for_each(|field| held.partial.insert(field));
        }
        Err(failure) if is_partial(&held) => return Err(failure),
        Ok(None) | Err(_) => {}
    }
    // A list that equals the part shown only by the other read is no change either.
    let lost = |field: &Field| held.partial.contains(*field) && differs(&held, *field) == Some(true);
    let partial: Vec<Field> = replaced.iter().filter(lost).collect();
    if partial.is_empty() {
        return Ok(held);
    }
    let detail = "The CRM shows only a part of this list, so a change would delete the other entries.";
    let fault = |field: Field| FieldFault::member(format!("/{}", field.name()), "incomplete", detail);
    let detail = format!(
        "{detail} Nothing was sent. Leave the list out, or change it in {}.",
        operation.opened.spec.name
    );
    let failure = operation.opened.failure(FailureKind::UpstreamInvalidResponse, detail);
    Err(failure.with_faults(partial.into_iter().map(fault).collect::<Faults>()))
}

/// Whether all entries of the sent list are held, in any number and order.
fn may_be_part<T: PartialEq>(patch: &Patch<Vec<T>>, held: &[T], value: fn(&T) -> &Text) -> bool {
    let Some(sent) = patch.value().filter(|sent| sent.len() <= held.len() && sent.as_slice() != held) else {
        return false;
    };
    let held: HashSet<&Text> = held.iter().map(value).collect();
    !sent.is_empty() && sent.iter().all(|entry| held.contains(value(entry)))
}

/// Keeps the held list if the sent one equals the row and may be a part of it. Returns the code of the warning
/// about it.
fn keep_part<T: PartialEq>(
    patch: &mut Patch<Vec<T>>,
    [held, row]: [&[T]; 2],
    value: fn(&T) -> &Text,
) -> Option<WarningCode> {
    let is_row = patch.value().is_some_and(|sent| sent.iter().map(value).eq(row.iter().map(value)));
    if !is_row || !may_be_part(patch, held, value) {
        return None;
    }
    *patch = Patch::Keep;
    Some(if row.len() == held.len() { WarningCode::OrderChanged } else { WarningCode::Incomplete })
}

fn part_kept(code: WarningCode, field: Field) -> Warning {
    let message = "Not changed: the list equals the part that the CRM's lists show. To change its entries or their order, read the contact by its id and send the list with If-Match.";
    Warning::new(code, format!("/{}", field.name()), message)
}

const fn address_of(email: &EmailAddress) -> &Text {
    &email.address
}

const fn number_of(phone: &PhoneNumber) -> &Text {
    &phone.number
}

/// Whether `patch` has another list than the shown one; `None` if it does not name the list.
fn is_other<T: PartialEq>(patch: &Patch<Vec<T>>, shown: &[T]) -> Option<bool> {
    patch.list().map(|list| list != shown)
}
