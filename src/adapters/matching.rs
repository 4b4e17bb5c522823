//! The matches of a lookup: which rows of the CRM have the value that was looked up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::adapter::{LookupResult, Match};
use super::identity::{Identity, IdentityKey, IdentityKind};
use crate::domain::{Contact, Region, RemoteId, Timestamp, words};

/// How many matches of all lookups for one contact are kept.
const MOST_MATCHES: usize = 500;

/// The value of a lookup. A row must have the whole value: the CRMs' searches also match parts of values.
pub(super) struct LookupKey {
    pub(super) kind: IdentityKind,
    key: IdentityKey,
    /// The value in the form that the CRM's search takes.
    pub(super) search: String,
}

impl LookupKey {
    #[must_use]
    pub(super) fn of(identity: &Identity, region: Region) -> Self {
        let key = identity.kind.key(region, &identity.value);
        let search = match &key {
            IdentityKey::Phone(phone) => phone.search_digits().to_owned(),
            IdentityKey::Text(_) => identity.value.trim().to_owned(),
        };
        Self { kind: identity.kind, key, search }
    }

    /// Equal for lookups of the same value.
    #[must_use]
    pub(super) fn key(&self) -> (IdentityKind, IdentityKey) {
        (self.kind, self.key.clone())
    }

    /// How `contact` matches. Each of its values is read once.
    fn agreement(&self, contact: &Contact, region: Region) -> Option<Agreement> {
        let held = self.kind.values(contact).into_iter().filter_map(|value| {
            let held = self.kind.key(region, &value);
            match (&held, &self.key) {
                _ if held == self.key => Some(Agreement::Same),
                (IdentityKey::Phone(held), IdentityKey::Phone(wanted)) => {
                    held.resembles(wanted).then_some(Agreement::Near)
                }
                _ => None,
            }
        });
        // The CRM found it, perhaps by a number that the row does not show.
        let may_be_unshown = matches!(self.key, IdentityKey::Phone(_)) && !contact.shows(self.kind.field());
        held.min().or(may_be_unshown.then_some(Agreement::Near))
    }
}

/// How a contact matches, the better first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Agreement {
    /// It has the whole value.
    Same,
    /// Only the national digits of a number are equal, or the row may not show the number.
    Near,
}

impl LookupResult {
    /// The result before any lookup.
    #[must_use]
    pub(super) const fn empty() -> Self {
        Self { matches: Vec::new(), near: Vec::new(), more: 0, complete: true, date: None }
    }

    /// Adds the matching rows of one lookup, each contact once. `whole`: the rows are all that the CRM found.
    /// `date` is the CRM's clock.
    pub(super) fn add(
        &mut self,
        wanted: &LookupKey,
        whole: bool,
        rows: impl Iterator<Item = Contact>,
        date: Option<Timestamp>,
        region: Region,
    ) {
        // The first lookup is the earliest time from which another writer may have created a contact.
        self.date = self.date.or(date);
        self.complete &= whole;
        let kind = wanted.kind;
        let (mut matches, mut near) = (index_by_id(&self.matches), index_by_id(&self.near));
        for contact in rows {
            match wanted.agreement(&contact, region) {
                Some(Agreement::Same) => {
                    let noted = note(&mut self.matches, &mut matches, contact, kind);
                    self.more += usize::from(!noted);
                    self.complete &= noted;
                }
                // Near matches are only named in a warning, so that the list may be cut.
                Some(Agreement::Near) => drop(note(&mut self.near, &mut near, contact, kind)),
                // The CRM found it, perhaps by a value that the row does not show.
                None => self.complete &= contact.shows(kind.field()),
            }
        }
    }

    /// Whether more lookups can be skipped because enough contacts match. Their rows are then unseen.
    pub(super) fn is_full(&self) -> bool {
        self.matches.len() >= MOST_MATCHES
    }
}

/// The index of each contact in a list.
fn index_by_id(list: &[Match]) -> HashMap<RemoteId, usize> {
    list.iter().enumerate().map(|(position, known)| (known.contact.remote_id.clone(), position)).collect()
}

/// Adds a contact once to a list that may be full. Returns whether the list has it.
fn note(
    list: &mut Vec<Match>,
    positions: &mut HashMap<RemoteId, usize>,
    contact: Contact,
    kind: IdentityKind,
) -> bool {
    match positions.entry(contact.remote_id.clone()) {
        Entry::Occupied(position) => {
            let matched_by = &mut list[*position.get()].matched_by;
            if !matched_by.contains(&kind) {
                matched_by.push(kind);
            }
        }
        Entry::Vacant(_) if list.len() >= MOST_MATCHES => return false,
        Entry::Vacant(position) => {
            position.insert(list.len());
            list.push(Match { contact, matched_by: vec![kind] });
        }
    }
    true
}

/// First and last name with single spaces; `None` if the record shows no name.
pub(super) fn full_name(known: &Contact) -> Option<String> {
    let words: Vec<&str> = words([&known.first_name, &known.last_name].into_iter().flatten()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::identity::ContactIdentity;
    use crate::domain::{EmailAddress, RawJson, Text};

    fn email(address: &str) -> LookupKey {
        let identity = Identity { kind: IdentityKind::EmailAddress, value: address.into() };
        LookupKey::of(&identity, Region::default())
    }

    /// A CRM may identify contacts by any of these, in any order.
    #[test]
    fn an_id_of_another_system_identifies_as_an_address_does() {
        let kinds = [IdentityKind::RemoteField("externalId"), IdentityKind::EmailAddress];
        let contact = |id: &str| {
            let mut contact = Contact::bare(RemoteId::from(format!("row {id}")));
            let value = RawJson::from_validated(format!("\"{id}\"").into());
            contact.remote_fields.0.push(("externalId".into(), value));
            contact.email_addresses.push(EmailAddress { address: "a@example.com".into(), kind: None });
            contact
        };
        let identity = ContactIdentity::of(&kinds, &contact(" Kd-7 "));
        let said: Vec<_> = identity.0.iter().map(|one| (one.kind, one.value.as_str())).collect();
        assert_eq!(said, [(kinds[0], "Kd-7"), (kinds[1], "a@example.com")]);
        assert_eq!(identity.identifying(kinds[0]).0, identity.0[..1]);
        assert_eq!(identity.without_kind(kinds[0]).0, identity.0[1..]);
        let wanted = LookupKey::of(&identity.0[0], Region::default());
        let mut found = LookupResult::empty();
        let rows = [contact("Kd-7"), contact("Kd-71"), contact("kd-7")];
        found.add(&wanted, true, rows.into_iter(), None, Region::default());
        let ids: Vec<_> = found.matches.iter().map(|found| found.contact.remote_id.as_str()).collect();
        assert_eq!((ids.as_slice(), found.complete), (&["row Kd-7"][..], true));
        let of = |kind: IdentityKind| (kind.word(), kind.pointer(), kind.lock_key(Region::default(), "Kd-7"));
        let texts = |word, pointer: &str, lock: &str| (word, pointer.to_owned(), lock.to_owned());
        assert_eq!(of(kinds[0]), texts("externalId", "/remoteFields/externalId", "field externalId Kd-7"));
        assert_eq!(of(kinds[1]), texts("emailAddress", "/emailAddresses", "email kd-7"));
    }

    #[test]
    fn of_thousands_who_match_the_first_are_kept_and_the_others_counted() {
        let row = |number: usize| {
            let mut contact = Contact::bare(RemoteId::from(format!("r{number}")));
            contact.email_addresses =
                vec![EmailAddress { address: Text::from_static("A@example.com"), kind: None }];
            contact
        };
        let mut found = LookupResult::empty();
        let wanted = email("a@example.com");
        found.add(&wanted, true, (0..500).map(row), None, Region::default());
        assert_eq!((found.matches.len(), found.more, found.complete, found.is_full()), (500, 0, true, true));
        found.add(&wanted, true, (400..2_000).map(row), None, Region::default());
        assert_eq!((found.matches.len(), found.more, found.complete), (500, 1_500, false));
    }

    use crate::instructions::linear;

    #[test]
    fn matching_takes_linear_work() {
        linear(
            "adapters::matching::tests::matching_takes_linear_work",
            &[("rows that match twice", 500, |n| {
                let held = EmailAddress { address: "A@example.com".into(), kind: None };
                let row = |n| Contact {
                    email_addresses: vec![held.clone()],
                    ..Contact::bare(RemoteId::from(format!("id{n}")))
                };
                let rows: Vec<Contact> = (0..n).map(row).collect();
                Box::new(move || {
                    let (mut found, wanted) = (LookupResult::empty(), email("a@example.com"));
                    for rows in [rows.clone(), rows] {
                        found.add(&wanted, true, rows.into_iter(), None, Region::default());
                    }
                    assert!(
                        found.matches.iter().all(|found| found.matched_by == [IdentityKind::EmailAddress])
                    );
                })
            })],
        );
    }
}
