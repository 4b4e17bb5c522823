//! What a caller wants written: a new contact, changes, either of them, a removal; and what that means for each step of a write.

use std::collections::BTreeSet;

use super::{declared, ids, upsert};
use crate::adapters::{Identity, IdentityKind, digits};
use crate::domain::{Contact, ContactDraft, ContactPatch, Failure, FailureKind, RemoteId, Result, Warning};
use crate::gateway::credentials::Opened;

/// What is to be written. An id is as it came in the path: the gateway's or the CRM's.
pub(super) enum Intent {
    /// A new contact.
    Create(ContactDraft),
    /// Changes to the contact of this id.
    Update(String, ContactPatch),
    /// Removal of the contact of this id.
    Delete(String),
    /// Changes to the person who is found by these, the CRM's own identity where they are not given; else a new contact.
    Upsert(ContactDraft, Option<Vec<IdentityKind>>),
}

impl Intent {
    pub(super) fn supported(&self, opened: &Opened) -> Result<()> {
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

    pub(super) fn target(&self, opened: &Opened) -> Result<Option<RemoteId>> {
        match self {
            Self::Create(_) | Self::Upsert(..) => Ok(None),
            Self::Update(id, _) | Self::Delete(id) => ids::open(&opened.id, id).map(Some),
        }
    }

    /// What the declaration alone decides, before any call.
    pub(super) fn declared(&self, opened: &Opened) -> Result<Vec<Warning>> {
        match self {
            Self::Create(draft) => declared::of_draft(opened.spec, draft),
            Self::Update(_, patch) => Ok(declared::of_patch(opened.spec, patch)),
            Self::Delete(_) => Ok(Vec::new()),
            // What a create requires is asked for when it is one.
            Self::Upsert(draft, match_on) => {
                let kinds = upsert::kinds(opened.spec.create_identity, match_on.as_deref());
                upsert::check(draft, &kinds)?;
                Ok(declared::of_patch(opened.spec, &upsert::patch(draft.clone())))
            }
        }
    }

    /// The new contact that this write may make.
    pub(super) const fn draft(&self) -> Option<&ContactDraft> {
        match self {
            Self::Create(draft) | Self::Upsert(draft, _) => Some(draft),
            Self::Update(..) | Self::Delete(_) => None,
        }
    }

    /// What the declaration decides given the record that is to be changed.
    pub(super) fn declared_of(&self, opened: &Opened, held: Option<&Contact>) -> Vec<Warning> {
        match (self, held) {
            (Self::Update(_, patch), Some(held)) => {
                declared::of_change(opened.spec, &ids::make(&opened.id, &held.remote_id), held, patch)
            }
            _ => Vec::new(),
        }
    }

    /// The identity that this write would give to a record for the first time.
    pub(super) fn new_identity(&self, by: IdentityKind, held: Option<&Contact>) -> Identity {
        match (self, held) {
            (Self::Create(draft), _) => Identity::of(by, &draft.email_addresses, &draft.phone_numbers),
            (Self::Update(_, patch), Some(held)) => {
                let emails = patch.email_addresses.value().map_or(&[][..], Vec::as_slice);
                let phones = patch.phone_numbers.value().map_or(&[][..], Vec::as_slice);
                let mut identity = Identity::of(by, emails, phones);
                identity.emails.retain(|new| {
                    !held
                        .email_addresses
                        .iter()
                        .any(|known| known.address.to_lowercase() == new.to_lowercase())
                });
                identity.phones.retain(|new| {
                    !held.phone_numbers.iter().any(|known| digits(&known.number) == digits(new))
                });
                identity
            }
            _ => Identity::default(),
        }
    }

    /// What must not be written twice at once: the record, and every identity that the write brings in or looks by.
    pub(super) fn words(&self, opened: &Opened, target: Option<&RemoteId>) -> BTreeSet<String> {
        let (emails, phones) = match self {
            Self::Create(draft) | Self::Upsert(draft, _) => {
                (draft.email_addresses.as_slice(), draft.phone_numbers.as_slice())
            }
            Self::Update(_, ContactPatch { email_addresses, phone_numbers, .. }) => (
                email_addresses.value().map_or(&[][..], Vec::as_slice),
                phone_numbers.value().map_or(&[][..], Vec::as_slice),
            ),
            Self::Delete(_) => (&[][..], &[][..]),
        };
        let emails = emails.iter().map(|email| format!("email {}", email.address.trim().to_lowercase()));
        // Phones serialise writes only where they are who somebody is: households share them elsewhere.
        let by_phone = match self {
            Self::Upsert(_, Some(kinds)) => kinds.contains(&IdentityKind::PhoneNumber),
            _ => false,
        };
        let by_phone = by_phone || opened.spec.create_identity == IdentityKind::PhoneNumber;
        let phones = phones.iter().filter(|_| by_phone);
        // By the last digits, which a number keeps however it is written: rather one lock too many.
        let phones = phones.map(|phone| {
            let digits = digits(&phone.number);
            format!("phone {}", &digits[digits.len().saturating_sub(7)..])
        });
        emails.chain(phones).chain(target.into_iter().flat_map(record)).collect()
    }
}

/// The word of a record; in the order of locks it comes behind those of addresses and numbers.
pub(super) fn record(id: &RemoteId) -> BTreeSet<String> {
    BTreeSet::from([format!("record {id}")])
}
