//! The steps of a write that only read or refuse.

use std::collections::HashSet;

use super::intent::Intent;
use super::outcome::{candidates, exists, possible_duplicates, unsent};
use super::write::{SHORTEST_SEND, WriteOperation};
use crate::adapters::{LookupResult, Match, Prepared, merge};
use crate::domain::{
    Contact, ContactPatch, Effect, EmailAddress, Failure, FailureKind, Faults, Field, FieldFault, Fields,
    Patch, PhoneNumber, RemoteId, Result, Retryable, Text, Warning, WarningCode, is_read_back, words,
};

impl WriteOperation<'_> {
    /// A write that cannot be answered in time is not sent: its outcome would be unknown for nothing.
    pub(super) fn refuse_if_late(&self) -> Result<()> {
        if self.context.remaining() >= SHORTEST_SEND {
            return Ok(());
        }
        let detail = "The time for this request was used up before the write was sent; nothing was written. Try again with more time.";
        Err(Failure::new(FailureKind::GatewayTimeout, detail))
    }

    /// With `strict=true` nothing is sent that could not be stored to the letter.
    pub(super) fn refuse_if_strict(&self, warnings: &[Warning]) -> Result<()> {
        let lost = |warning: &&Warning| {
            matches!(
                warning.code,
                WarningCode::NotStored | WarningCode::PhoneNotParsed | WarningCode::OrderChanged
            )
        };
        let fault = |warning: &Warning| {
            FieldFault::member(&warning.pointer, warning.code.as_str(), warning.message.clone())
        };
        let faults: Faults = warnings.iter().filter(lost).map(fault).collect();
        if !self.options.strict || faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// The record that is changed, as the CRM holds it now; the one that is removed only where there is a condition on it.
    pub(super) async fn held(&self, intent: &Intent, target: Option<&RemoteId>) -> Result<Option<Contact>> {
        match (intent, target) {
            (Intent::Update(_, patch), Some(id)) => {
                let held = self.opened.adapter.get_contact(self.context, id).await?;
                self.with_whole_lists(held, patch).await.map(Some)
            }
            (Intent::Delete(_), Some(id)) if self.condition.is_some() => {
                self.opened.adapter.get_contact(self.context, id).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Takes the lists out of a change that are no change. A body made from a contact of a list holds of its addresses and
    /// numbers what the CRM's rows show, which may be a part: replacing the list by it would lose the other entries. With
    /// `If-Match`, which needs a read by id, it is a change.
    pub(super) async fn without_parts(
        &self,
        intent: Intent,
        held: Option<&Contact>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Intent> {
        let (id, mut patch, held) = match (intent, held) {
            (Intent::Update(id, patch), Some(held)) => (id, patch, held),
            (intent, _) => return Ok(intent),
        };
        let has_parts = may_be_part(&patch.email_addresses, &held.email_addresses, address_of)
            || may_be_part(&patch.phone_numbers, &held.phone_numbers, number_of);
        if self.condition.is_some() || !is_read_back(&patch.read_only) || !has_parts {
            return Ok(Intent::Update(id, patch));
        }
        if let Some(row) = self.opened.adapter.read_other_way(self.context, held).await.map_err(unsent)? {
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
        Ok(Intent::Update(id, patch))
    }

    /// `held` with the lists whole that `patch` replaces, read in the CRM's other way where the first does not show them.
    /// A list that equals the part that was shown is no change. Fails where only a part of a list can be read: its other
    /// entries would be lost.
    async fn with_whole_lists(&self, mut held: Contact, patch: &ContactPatch) -> Result<Contact> {
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
        if replaced.is_empty() {
            return Ok(held);
        }
        let is_partial = |held: &Contact| replaced.iter().any(|field| held.partial.contains(field));
        match self.opened.adapter.read_other_way(self.context, &held).await {
            Ok(Some(other)) => {
                kept.iter().for_each(|field| held.partial.remove(field));
                held = merge(held, other);
                kept.iter().for_each(|field| held.partial.insert(field));
            }
            Err(failure) if is_partial(&held) => return Err(failure),
            Ok(None) | Err(_) => {}
        }
        // What equals the part that only the other way shows is no change either.
        let lost = |field: &Field| held.partial.contains(*field) && differs(&held, *field) == Some(true);
        let partial: Vec<Field> = replaced.iter().filter(lost).collect();
        if partial.is_empty() {
            return Ok(held);
        }
        let detail =
            "The CRM shows only a part of this list, so a change of it would lose the other entries.";
        let fault = |field: Field| FieldFault::member(format!("/{}", field.name()), "incomplete", detail);
        let detail = format!(
            "{detail} Nothing was sent. Leave the list out, or change it in {}.",
            self.opened.spec.title
        );
        Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail)
            .with_faults(partial.into_iter().map(fault).collect::<Faults>())
            .with_upstream(self.opened.spec.provider, None))
    }

    /// Whoever has an identity that the write brings in stands in its way.
    pub(super) async fn look_up(
        &self,
        intent: &Intent,
        prepared: &Prepared,
        held: Option<&Contact>,
    ) -> Result<LookupResult> {
        let opened = self.opened;
        let identity = intent.new_identity(opened, held);
        let mut found = opened.adapter.find_contacts(self.context, &identity).await?;
        let other = |other: &Match| Some(&other.contact.remote_id) != held.map(|held| &held.remote_id);
        found.matches.retain(other);
        found.near.retain(other);
        if !found.matches.is_empty() {
            return Err(exists(opened, &found));
        }
        if !found.complete && opened.spec.create_upserts {
            let detail = "The CRM's look-up did not show whether the contact exists already, and its create would overwrite one. Nothing was sent.";
            return Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail)
                .with_upstream(opened.spec.provider, None));
        }
        // An upsert that finds nobody by the identity asks by the rest as well: the contact may have lost its identity.
        if matches!(intent, Intent::Create(_)) && (self.attempt.is_some() || self.upserts) {
            let shared = self.non_identifying_matches(prepared).await;
            let known: HashSet<RemoteId> =
                found.near.iter().map(|known| known.contact.remote_id.clone()).collect();
            let new = |near: &Match| !known.contains(&near.contact.remote_id) && has_name_of(intent, near);
            found.near.extend(shared.near.into_iter().filter(new));
            found.matches = shared.matches;
        }
        Ok(found)
    }

    /// Whoever shares what the CRM does not tell people apart by: seen before a create under a key, so that a relative is
    /// not taken for what was created. Where they cannot be seen, a lost create is harder to tell and nothing worse.
    async fn non_identifying_matches(&self, prepared: &Prepared) -> LookupResult {
        let shared = prepared.locator.identity.only(self.opened.spec.create_identity.other());
        let found = self.opened.adapter.find_contacts(self.context, &shared).await;
        found.unwrap_or(LookupResult {
            matches: Vec::new(),
            near: Vec::new(),
            more: 0,
            complete: false,
            date: None,
        })
    }

    /// Who of those seen may be the person that is written: somebody of the same name who shares an address or a
    /// number, or somebody whose number agrees only in its national digits.
    pub(super) fn duplicates(&self, intent: &Intent, seen: &LookupResult) -> Option<Warning> {
        let named = seen.matches.iter().filter(|found| has_name_of(intent, found));
        let mut told = HashSet::new();
        let seen = named.chain(&seen.near).filter(|found| told.insert(&found.contact.remote_id));
        possible_duplicates(self.opened, &seen.collect::<Vec<_>>())
    }

    pub(super) async fn prepare(
        &self,
        intent: &Intent,
        target: Option<&RemoteId>,
        held: Option<&Contact>,
    ) -> Result<Prepared> {
        let adapter = &self.opened.adapter;
        match (intent, held, target) {
            (Intent::Create(draft), _, _) => adapter.prepare_create(self.context, draft).await,
            (Intent::Update(_, patch), Some(held), _) => {
                adapter.prepare_update(self.context, held, patch).await
            }
            (Intent::Delete(_), _, Some(id)) => adapter.prepare_delete(self.context, id).await,
            _ => Err(Failure::internal("a change without a record")),
        }
    }

    /// A write that the CRM refused: its last word where it judged the content; where somebody stands in the way, with
    /// who that is.
    pub(super) async fn refused(&self, prepared: &Prepared, failure: Failure) -> Failure {
        let status = failure.upstream.and_then(|upstream| upstream.status);
        // What it said of the login or of a path in the settings is mended there, and is no word on the write.
        let of_the_write = matches!(
            failure.kind,
            FailureKind::UpstreamRejected
                | FailureKind::ContactExists
                | FailureKind::ContactNotFound
                | FailureKind::UpstreamError
        );
        let judged =
            of_the_write && status.is_some_and(|status| matches!(status, 200..=299 | 400 | 404 | 409 | 422));
        // Recorded under a key, it is what the key answers from now on.
        let failure =
            if judged { failure.with_effect(Effect::Final).with_retryable(Retryable::No) } else { failure };
        if failure.kind != FailureKind::ContactExists || !failure.candidates.is_empty() {
            return failure;
        }
        let opened = self.opened;
        let identity = prepared.locator.identity.clone().identifying(opened.spec.create_identity);
        let found = opened.adapter.find_contacts(self.context, &identity).await;
        let (mut others, more) = found.map_or_else(|_| (Vec::new(), 0), |found| (found.matches, found.more));
        others.retain(|other| Some(&other.contact.remote_id) != prepared.locator.remote_id.as_ref());
        failure.with_candidates(candidates(opened, &others, more))
    }
}

/// Whether the list that is sent has no entry but those that are held, in another number or order.
fn may_be_part<T: PartialEq>(patch: &Patch<Vec<T>>, held: &[T], value: fn(&T) -> &Text) -> bool {
    let Some(sent) = patch.value().filter(|sent| sent.len() <= held.len() && sent.as_slice() != held) else {
        return false;
    };
    let held: HashSet<&Text> = held.iter().map(value).collect();
    !sent.is_empty() && sent.iter().all(|entry| held.contains(value(entry)))
}

/// Keeps the list that is held where the one that is sent may be a part of it and is what the row shows. Returns the code of
/// the warning that says so.
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
    let message = "Left as it is: the list equals what the CRM's lists show of it. To change its entries or their order, read the contact by its id and send the list with If-Match.";
    Warning::new(code, format!("/{}", field.name()), message)
}

const fn address_of(email: &EmailAddress) -> &Text {
    &email.address
}

const fn number_of(phone: &PhoneNumber) -> &Text {
    &phone.number
}

/// Whether `patch` asks for another list than the one shown; `None` where it does not name the list.
fn is_other<T: PartialEq>(patch: &Patch<Vec<T>>, shown: &[T]) -> Option<bool> {
    patch.list().map(|list| list != shown)
}

/// Whether the contact found bears the name of the one that is created; which part of it is the first name, CRMs tell
/// in different ways.
fn has_name_of(intent: &Intent, found: &Match) -> bool {
    let Some(draft) = intent.draft() else { return false };
    let held = [&found.contact.first_name, &found.contact.last_name].into_iter().flatten();
    let sent = draft.first_name.iter().chain([&draft.last_name]);
    words(sent).map(str::to_lowercase).eq(words(held).map(str::to_lowercase))
}
