//! Who is who: the match behind a look-up, and how a written record is found again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::adapter::{ContactIdentity, IdentityKind, LookupResult, Match, RecordLocator};
use crate::domain::{
    Contact, ContactPatch, Field, PhoneIdentity, Region, RemoteId, Text, Timestamp, email_identity, words,
};

/// Matches that are kept of all look-ups for one person.
const MOST_MATCHES: usize = 500;

/// What a row of a look-up must have to be a match: the CRMs' searches find parts of numbers too.
pub(super) enum LookupKey {
    /// This address, whatever its case.
    Email(Text),
    /// This number, however it is written.
    Phone(PhoneIdentity),
}

impl LookupKey {
    /// What is the same where both ask for the same address or number.
    #[must_use]
    pub(super) fn key(&self) -> (IdentityKind, String) {
        match self {
            Self::Email(email) => (IdentityKind::EmailAddress, email_identity(email)),
            Self::Phone(phone) => (IdentityKind::PhoneNumber, phone.as_str().to_owned()),
        }
    }

    /// How `contact` agrees with what is wanted; `key` is the key of that. Each of its numbers is read once.
    fn agreement(&self, key: &str, contact: &Contact, region: Region) -> Option<Agreement> {
        match self {
            Self::Email(_) => {
                let mut held = contact.email_addresses.iter();
                held.any(|email| email_identity(&email.address) == key).then_some(Agreement::Same)
            }
            Self::Phone(wanted) => {
                let held = contact.phone_numbers.iter().filter_map(|phone| {
                    let held = PhoneIdentity::of(region, &phone.number);
                    let same = (held == *wanted).then_some(Agreement::Same);
                    same.or_else(|| held.resembles(wanted).then_some(Agreement::Near))
                });
                // The CRM found it, perhaps by a number that the row does not show.
                let unshown = (!contact.shows(Field::PhoneNumbers)).then_some(Agreement::Near);
                held.min().or(unshown)
            }
        }
    }
}

/// How a contact agrees with what is wanted, the better first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Agreement {
    /// It has the address or number.
    Same,
    /// It has a number that agrees only in its national digits, or may have one that the row does not show.
    Near,
}

impl LookupResult {
    /// Before any look-up: nobody, and nothing missed.
    #[must_use]
    pub(super) const fn nobody() -> Self {
        Self { matches: Vec::new(), near: Vec::new(), more: 0, complete: true, date: None }
    }

    /// Takes from the rows of one look-up those that match, each contact once. `whole` says whether the rows are all
    /// that the CRM found, `date` what its clock said.
    pub(super) fn add(
        &mut self,
        wanted: &LookupKey,
        whole: bool,
        rows: impl Iterator<Item = Contact>,
        date: Option<Timestamp>,
        region: Region,
    ) {
        // The first look-up is the earliest moment from which a contact may have been made by somebody else.
        self.date = self.date.or(date);
        self.complete &= whole;
        let (kind, key) = wanted.key();
        let (mut matches, mut near) = (places(&self.matches), places(&self.near));
        for contact in rows {
            match wanted.agreement(&key, &contact, region) {
                Some(Agreement::Same) => {
                    let noted = note(&mut self.matches, &mut matches, contact, kind);
                    self.more += usize::from(!noted);
                    self.complete &= noted;
                }
                // They are named in a warning: one that is left out there is no match that was missed.
                Some(Agreement::Near) => drop(note(&mut self.near, &mut near, contact, kind)),
                // The CRM found it, perhaps by an address that the row does not show.
                None => {
                    self.complete &=
                        kind != IdentityKind::EmailAddress || contact.shows(Field::EmailAddresses);
                }
            }
        }
    }

    /// Whether so many match that a further look-up would tell nothing new. What it would have shown is then unseen.
    pub(super) fn is_full(&self) -> bool {
        self.matches.len() >= MOST_MATCHES
    }
}

/// Where each contact stands in a list.
fn places(list: &[Match]) -> HashMap<RemoteId, usize> {
    list.iter().enumerate().map(|(place, known)| (known.contact.remote_id.clone(), place)).collect()
}

/// Notes a contact once in a list that may be full; whether it stands there.
fn note(
    list: &mut Vec<Match>,
    places: &mut HashMap<RemoteId, usize>,
    contact: Contact,
    kind: IdentityKind,
) -> bool {
    match places.entry(contact.remote_id.clone()) {
        Entry::Occupied(place) => {
            let on = &mut list[*place.get()].on;
            if !on.contains(&kind) {
                on.push(kind);
            }
        }
        Entry::Vacant(_) if list.len() >= MOST_MATCHES => return false,
        Entry::Vacant(place) => {
            place.insert(list.len());
            list.push(Match { contact, on: vec![kind] });
        }
    }
    true
}

/// Addresses, and numbers, by which one record is searched for.
const MOST_SEARCHES: usize = 3;

impl ContactIdentity {
    /// The first addresses and numbers of a record, to find its row by.
    #[must_use]
    pub(super) fn of_record(known: &Contact) -> Self {
        let emails = known.email_addresses.iter().map(|email| email.address.clone());
        let phones = known.phone_numbers.iter().map(|phone| phone.number.clone());
        Self { emails: emails.take(MOST_SEARCHES).collect(), phones: phones.take(MOST_SEARCHES).collect() }
    }
}

/// First and last name in words; `None` where the record shows no name.
pub(super) fn full_name(known: &Contact) -> Option<String> {
    let words: Vec<&str> = words([&known.first_name, &known.last_name].into_iter().flatten()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

impl RecordLocator {
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
        Self { remote_id, identity: ContactIdentity { emails, phones } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EmailAddress;

    #[test]
    fn of_thousands_who_match_the_first_are_kept_and_the_others_counted() {
        let row = |number: usize| {
            let mut contact = Contact::bare(RemoteId::from(format!("r{number}")));
            contact.email_addresses =
                vec![EmailAddress { address: Text::from_static("A@example.com"), kind: None }];
            contact
        };
        let mut found = LookupResult::nobody();
        let wanted = LookupKey::Email(Text::from_static("a@example.com"));
        found.add(&wanted, true, (0..500).map(row), None, Region::default());
        assert_eq!((found.matches.len(), found.more, found.complete, found.is_full()), (500, 0, true, true));
        found.add(&wanted, true, (400..2_000).map(row), None, Region::default());
        assert_eq!((found.matches.len(), found.more, found.complete), (500, 1_500, false));
    }

    use crate::instructions::linear;

    #[test]
    fn matching_takes_linear_work() {
        linear(
            "adapters::identity::tests::matching_takes_linear_work",
            &[("rows that match twice", 500, |n| {
                let email = EmailAddress { address: "A@example.com".into(), kind: None };
                let row = |n| Contact {
                    email_addresses: vec![email.clone()],
                    ..Contact::bare(RemoteId::from(format!("id{n}")))
                };
                let rows: Vec<Contact> = (0..n).map(row).collect();
                Box::new(move || {
                    let (mut found, wanted) =
                        (LookupResult::nobody(), LookupKey::Email("a@example.com".into()));
                    for rows in [rows.clone(), rows] {
                        found.add(&wanted, true, rows.into_iter(), None, Region::default());
                    }
                    assert!(found.matches.iter().all(|found| found.on == [IdentityKind::EmailAddress]));
                })
            })],
        );
    }
}
