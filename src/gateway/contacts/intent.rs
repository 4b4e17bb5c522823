//! What a caller wants written: a new contact, changes, either of them, a removal; and what that means for each step of a write.

use std::collections::{BTreeSet, HashSet};

use super::{declared, ids, new_values, upsert};
use crate::adapters::{ContactIdentity, IdentityKind};
use crate::domain::bounds::{EMAILS_MOST, PHONES_MOST};
use crate::domain::{
    Contact, ContactDraft, ContactPatch, ContactUpsert, Failure, FailureKind, Patch, PhoneIdentity, RemoteId,
    Result, Warning, email_identity,
};
use crate::gateway::credentials::ConnectedCredential;

/// What is to be written. An id is as it came in the path: the gateway's or the CRM's.
pub(super) enum Intent {
    /// A new contact.
    Create(ContactDraft),
    /// Changes to the contact of this id.
    Update(String, ContactPatch),
    /// Removal of the contact of this id.
    Delete(String),
    /// Changes to the person who is found by these, the CRM's own identity where they are not given; else a new contact.
    Upsert(Box<ContactUpsert>, Option<Vec<IdentityKind>>),
}

impl Intent {
    pub(super) fn supported(&self, opened: &ConnectedCredential) -> Result<()> {
        let (operations, title) = (opened.spec.operations, opened.spec.title);
        let (able, word) = match self {
            Self::Create(_) => (operations.create, "create"),
            Self::Update(..) => (operations.update, "change"),
            Self::Delete(_) => (operations.delete, "remove"),
            Self::Upsert(..) => (operations.create && operations.update, "create and change"),
        };
        if able {
            return Ok(());
        }
        let detail = format!("{title}'s API cannot {word} contacts; do it in {title} itself.");
        Err(Failure::new(FailureKind::OperationUnsupported, detail).with_upstream(opened.spec.provider, None))
    }

    pub(super) fn target(&self, opened: &ConnectedCredential) -> Result<Option<RemoteId>> {
        match self {
            Self::Create(_) | Self::Upsert(..) => Ok(None),
            Self::Update(id, _) | Self::Delete(id) => ids::open(&opened.id, id).map(Some),
        }
    }

    /// What the declaration alone decides, before any call.
    pub(super) fn declared(&self, opened: &ConnectedCredential) -> Result<Vec<Warning>> {
        match self {
            Self::Create(draft) => declared::of_draft(opened.spec, draft),
            Self::Update(_, patch) => Ok(declared::of_patch(opened.spec, patch)),
            Self::Delete(_) => Ok(Vec::new()),
            // What a create requires is asked for when it is one.
            Self::Upsert(upsert, match_on) => {
                let kinds = upsert::kinds(opened.spec.create_identity, match_on.as_deref());
                upsert::check(upsert, &kinds)?;
                Ok(declared::of_patch(opened.spec, &upsert.patch))
            }
        }
    }

    /// The new contact that this write may make.
    pub(super) fn draft(&self) -> Option<&ContactDraft> {
        match self {
            Self::Create(draft) => Some(draft),
            Self::Upsert(upsert, _) => Some(&upsert.draft),
            Self::Update(..) | Self::Delete(_) => None,
        }
    }

    /// What the declaration decides given the record that is to be changed.
    /// Fails with `validation_failed` where a value that the record does not hold breaks a rule.
    pub(super) fn declared_of(
        &self,
        opened: &ConnectedCredential,
        held: Option<&Contact>,
    ) -> Result<Vec<Warning>> {
        let (Self::Update(_, patch), Some(held)) = (self, held) else { return Ok(Vec::new()) };
        new_values::check(opened.spec, patch, held)?;
        Ok(declared::of_change(opened.spec, &ids::make(&opened.id, &held.remote_id), held, patch))
    }

    /// The identity that this write would give to a record for the first time.
    pub(super) fn new_identity(
        &self,
        opened: &ConnectedCredential,
        held: Option<&Contact>,
    ) -> ContactIdentity {
        let (by, region) = (opened.spec.create_identity, opened.adapter.region());
        match (self, held) {
            (Self::Create(draft), _) => ContactIdentity::of(by, &draft.email_addresses, &draft.phone_numbers),
            (Self::Update(_, patch), Some(held)) => {
                let emails = patch.email_addresses.value().map_or(&[][..], Vec::as_slice);
                let phones = patch.phone_numbers.value().map_or(&[][..], Vec::as_slice);
                let mut identity = ContactIdentity::of(by, emails, phones);
                let known: HashSet<String> =
                    held.email_addresses.iter().map(|held| email_identity(&held.address)).collect();
                identity.emails.retain(|new| !known.contains(&email_identity(new)));
                let known: HashSet<PhoneIdentity> =
                    held.phone_numbers.iter().map(|held| PhoneIdentity::of(region, &held.number)).collect();
                identity.phones.retain(|new| !known.contains(&PhoneIdentity::of(region, new)));
                identity
            }
            _ => ContactIdentity::default(),
        }
    }

    /// What must not be written twice at once: the record, and every identity that the write brings in or looks by.
    pub(super) fn words<'a>(
        &'a self,
        opened: &ConnectedCredential,
        target: Option<&RemoteId>,
    ) -> BTreeSet<String> {
        let brought_in = |patch: &'a ContactPatch| {
            let ContactPatch { email_addresses, phone_numbers, .. } = patch;
            (brought_in(email_addresses, EMAILS_MOST), brought_in(phone_numbers, PHONES_MOST))
        };
        let (emails, phones) = match self {
            Self::Create(draft) => (draft.email_addresses.as_slice(), draft.phone_numbers.as_slice()),
            Self::Update(_, patch) => brought_in(patch),
            Self::Upsert(upsert, _) => brought_in(&upsert.patch),
            Self::Delete(_) => (&[][..], &[][..]),
        };
        let emails = emails.iter().map(|email| format!("email {}", email_identity(&email.address)));
        // Phones serialise writes only where they are who somebody is: households share them elsewhere.
        let by_phone = match self {
            Self::Upsert(_, Some(kinds)) => kinds.contains(&IdentityKind::PhoneNumber),
            _ => false,
        };
        let by_phone = by_phone || opened.spec.create_identity == IdentityKind::PhoneNumber;
        let phones = phones.iter().filter(|_| by_phone);
        let region = opened.adapter.region();
        let phones =
            phones.map(|phone| format!("phone {}", PhoneIdentity::of(region, &phone.number).lock_key()));
        emails.chain(phones).chain(target.into_iter().flat_map(record)).collect()
    }
}

/// The entries of a list that may be new to a record: a longer one than is written as new brings nothing in.
fn brought_in<T>(list: &Patch<Vec<T>>, most: usize) -> &[T] {
    list.value().filter(|list| list.len() <= most).map_or(&[], Vec::as_slice)
}

/// The word of a record; in the order of locks it comes behind those of addresses and numbers.
pub(super) fn record(id: &RemoteId) -> BTreeSet<String> {
    BTreeSet::from([format!("record {id}")])
}
