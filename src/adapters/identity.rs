//! Who is who: the match behind a look-up, and how a written record is found again.

use super::adapter::{Found, Identity, IdentityKind, Match, Trail};
use super::phone::Region;
use crate::domain::{Contact, ContactPatch, RemoteId, Text, Timestamp};

/// What a row of a look-up must have to be a match: the CRMs' searches find parts of numbers too.
pub(super) enum Wanted {
    /// This address, whatever its case.
    Email(Text),
    /// This number, however it is written.
    Phone(Text),
}

impl Wanted {
    /// Whether both ask for the same address or number.
    #[must_use]
    pub(super) fn is_the_same(&self, other: &Self, region: Region) -> bool {
        match (self, other) {
            (Self::Email(one), Self::Email(other)) => {
                one.trim().to_lowercase() == other.trim().to_lowercase()
            }
            (Self::Phone(one), Self::Phone(other)) => region.line(one) == region.line(other),
            _ => false,
        }
    }

    const fn kind(&self) -> IdentityKind {
        match self {
            Self::Email(_) => IdentityKind::EmailAddress,
            Self::Phone(_) => IdentityKind::PhoneNumber,
        }
    }

    /// Whether `contact` has it.
    #[must_use]
    pub(super) fn is_of(&self, contact: &Contact, region: Region) -> bool {
        match self {
            Self::Email(wanted) => {
                let wanted = wanted.trim().to_lowercase();
                contact.email_addresses.iter().any(|email| email.address.trim().to_lowercase() == wanted)
            }
            Self::Phone(wanted) => {
                let wanted = region.line(wanted);
                contact.phone_numbers.iter().any(|phone| region.line(&phone.number) == wanted)
            }
        }
    }
}

impl Found {
    /// Before any look-up: nobody, and nothing missed.
    #[must_use]
    pub(super) const fn nobody() -> Self {
        Self { matches: Vec::new(), complete: true, date: None }
    }

    /// Takes from the rows of one look-up those that match, each contact once. `whole` says whether the rows are all
    /// that the CRM found, `date` what its clock said.
    pub(super) fn add(
        &mut self,
        wanted: &Wanted,
        whole: bool,
        rows: Vec<Contact>,
        date: Option<Timestamp>,
        region: Region,
    ) {
        // The first look-up is the earliest moment from which a contact may have been made by somebody else.
        self.date = self.date.or(date);
        self.complete &= whole;
        let kind = wanted.kind();
        for contact in rows.into_iter().filter(|contact| wanted.is_of(contact, region)) {
            match self.matches.iter_mut().find(|known| known.contact.remote_id == contact.remote_id) {
                Some(known) if known.on.contains(&kind) => {}
                Some(known) => known.on.push(kind),
                None => self.matches.push(Match { contact, on: vec![kind] }),
            }
        }
    }
}

impl Trail {
    /// The trail of a record that shall hold `expected`.
    #[must_use]
    pub fn of(remote_id: Option<RemoteId>, expected: &ContactPatch) -> Self {
        let emails = expected
            .email_addresses
            .value()
            .into_iter()
            .flatten()
            .map(|email| email.address.clone())
            .collect();
        let phones =
            expected.phone_numbers.value().into_iter().flatten().map(|phone| phone.number.clone()).collect();
        Self { remote_id, identity: Identity { emails, phones } }
    }
}
