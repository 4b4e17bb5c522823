//! Reads contacts: pages of rows, missing and unreadable fields, and the merge of two reads of one record.
//!
//! Only an unreadable id fails a row, and it fails no other row.

use std::borrow::Cow;
use std::collections::HashSet;

use super::lenient_reader::{LenientReader, REMOTE_FIELDS_MOST, unreadable};
use super::paging::ListPosition;
use crate::domain::{
    Contact, Field, Page, ReadBy, RemoteFields, RemoteId, Result, Text, Timestamp, field_key, words,
};
use crate::json::{Members, Raw};
use crate::upstream::{Decoded, Secrets};

/// A field's key as the CRM spells it, and its value.
pub(super) type Named<'a> = (Cow<'a, str>, Raw<'a>);

/// A contact while it is read. A field without a key is unseen. A field whose value cannot be read is unseen
/// too, and is kept unchanged in `remote_fields`.
pub(super) struct ContactReading<'a> {
    pub(super) read: LenientReader<'a>,
    pub(super) contact: Contact,
}

impl<'a> ContactReading<'a> {
    pub(super) fn text(&mut self, field: Field, named: Option<&Named<'a>>) -> Option<Text> {
        self.value(field, named, LenientReader::text)
    }

    pub(super) fn time(&mut self, field: Field, named: Option<&Named<'a>>) -> Option<Timestamp> {
        self.value(field, named, LenientReader::time)
    }

    fn value<T>(
        &mut self,
        field: Field,
        named: Option<&Named<'a>>,
        read: impl Fn(LenientReader<'a>, &str, Raw<'a>) -> Result<Option<T>>,
    ) -> Option<T> {
        let Some((name, raw)) = named else {
            self.contact.unseen.insert(field);
            return None;
        };
        read(self.read, name, *raw).unwrap_or_else(|_| {
            self.unreadable(field, name, *raw, false);
            None
        })
    }

    /// The entries of a list. `read` reads one entry, and returns whether the entry has more than was read. If
    /// an entry has more or cannot be read, the list is also kept unchanged in `remote_fields`, so that nothing
    /// is lost.
    pub(super) fn entries<T>(
        &mut self,
        field: Field,
        named: &Named<'a>,
        read: impl Fn(LenientReader<'a>, &str, Raw<'a>) -> (Result<Option<T>>, bool),
    ) -> Vec<T> {
        let (name, raw) = named;
        let Ok((elements, whole)) = self.read.entries(name, *raw) else {
            self.unreadable(field, name, *raw, false);
            return Vec::new();
        };
        if !whole {
            self.contact.partial.insert(field);
        }
        let (mut entries, mut more, mut unreadable) = (Vec::with_capacity(elements.len()), false, false);
        for element in elements {
            let (entry, says_more) = read(self.read, name, element);
            more |= says_more;
            match entry {
                Ok(entry) => entries.extend(entry),
                Err(_) => unreadable = true,
            }
        }
        if unreadable {
            self.unreadable(field, name, *raw, !entries.is_empty());
        } else if more {
            self.read.keep_raw(&mut self.contact.remote_fields, name, *raw);
        }
        entries
    }

    /// Marks `field` as unreadable. `partly`: some of its entries could be read.
    pub(super) fn unreadable(&mut self, field: Field, name: &str, raw: Raw<'a>, partly: bool) {
        let contact = &mut self.contact;
        contact.unreadable.insert(field);
        if partly {
            contact.partial.insert(field);
        } else {
            contact.unseen.insert(field);
        }
        self.read.keep_raw(&mut contact.remote_fields, name, raw);
    }
}

pub(super) fn rows<'a>(
    read: LenientReader<'a>,
    name: &str,
    list: Raw<'a>,
    decode: impl Fn(Members<'a>) -> Result<Contact>,
) -> Result<Vec<Option<Contact>>> {
    let rows = read.rows(name, list)?.into_iter();
    Ok(rows.map(|row| read.object(name, row).and_then(&decode).ok()).collect())
}

/// The rows of a page. `None` is a row without a readable id.
pub(super) struct Rows {
    pub(super) contacts: Vec<Option<Contact>>,
    /// How many rows a full page has, according to the CRM.
    pub(super) size: Option<u64>,
    /// The number of this page, according to the CRM.
    pub(super) page: Option<u64>,
    /// How many rows match in all, according to the CRM. If this is less than the rows, the rows count.
    pub(super) total: Option<u64>,
}

impl Decoded for Rows {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        self.contacts.remove_secrets(secrets, struck)
    }
}

impl Rows {
    pub(super) fn readable(self) -> impl Iterator<Item = Contact> {
        self.contacts.into_iter().flatten()
    }

    pub(super) fn row_of(self, id: &RemoteId) -> Option<Contact> {
        self.readable().find(|row| row.remote_id == *id)
    }

    /// Fails with `upstream_invalid_response` if none of the rows can be read: then it is no list of contacts.
    pub(super) fn checked(self) -> Result<Self> {
        let none = !self.contacts.is_empty() && self.contacts.iter().all(Option::is_none);
        if none { Err(unreadable("_id", "an id in any row")) } else { Ok(self) }
    }

    /// Whether these rows of the first page are all that match, and all are readable. A full page has `size`
    /// rows.
    pub(super) fn is_whole(&self, size: u64) -> bool {
        let rows = self.contacts.len() as u64;
        !self.has_more(0, size)
            && self.total.is_none_or(|total| total <= rows)
            && self.contacts.iter().all(Option::is_some)
    }

    /// Whether more rows follow. `first` rows come before these, a full page has `size` rows. A full page has a
    /// successor, unless the CRM's total is exactly reached. A total below the rows seen is wrong.
    fn has_more(&self, first: u64, size: u64) -> bool {
        let rows = self.contacts.len() as u64;
        let end = first.saturating_add(rows);
        rows > 0 && self.total.map_or(rows >= size, |total| end < total || (total < end && rows >= size))
    }

    /// The rows from `offset` on. They were requested as page `page` with `size` rows, after `first` rows.
    /// Fails if the CRM returned another page: its rows would be taken for those of this page.
    pub(super) fn from(self, offset: u64, page: u64, first: u64, size: u64) -> Result<Page> {
        let rows = self.checked()?;
        if !rows.contacts.is_empty() && rows.page.is_some_and(|echoed| echoed != page) {
            return Err(unreadable("page", "the one that was asked for"));
        }
        let end = first.saturating_add(rows.contacts.len() as u64);
        let more = rows.has_more(first, size);
        let skip = usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX);
        let shown: Vec<_> = rows.contacts.into_iter().skip(skip).collect();
        let next = more.then(|| ListPosition { cursor: None, skip: end }.token()).transpose()?;
        let withheld = shown.is_empty() && rows.total.is_some_and(|total| offset < total);
        Ok(Page { rows: shown, next, total: rows.total, withheld })
    }
}

/// Merges two reads of one record: each field from `first` if it shows it, else from `other`.
#[must_use]
pub fn merge(first: Contact, other: Contact) -> Contact {
    // A later read may not find the second read again, so the merged contact gets no tag.
    let mut whole = Contact { read_by: ReadBy::List, ..first };
    if whole.names_derived
        && !other.names_derived
        && other.shows(Field::FirstName)
        && other.shows(Field::LastName)
    {
        whole.unseen.insert(Field::FirstName);
        whole.unseen.insert(Field::LastName);
        whole.names_derived = false;
    }
    let mut other = other;
    if other.names_derived {
        if has_name_of_company(&other, whole.account.as_ref()) {
            other.unseen.insert(Field::FirstName);
            other.unseen.insert(Field::LastName);
        } else {
            complete_names(&mut whole, &shown_full_name(&other));
        }
    }
    for field in Field::ALL {
        let better = other.shows(field) || whole.unseen.contains(field) && other.partial.contains(field);
        if whole.shows(field) || !better {
            continue;
        }
        match field {
            Field::FirstName => whole.first_name.clone_from(&other.first_name),
            Field::LastName => whole.last_name.clone_from(&other.last_name),
            Field::Account => whole.account.clone_from(&other.account),
            Field::Addresses => whole.addresses.clone_from(&other.addresses),
            Field::EmailAddresses => whole.email_addresses.clone_from(&other.email_addresses),
            Field::PhoneNumbers => whole.phone_numbers.clone_from(&other.phone_numbers),
            Field::LastActivityAt => whole.last_activity_at = other.last_activity_at,
            Field::RemoteCreatedAt => whole.remote_created_at = other.remote_created_at,
            Field::RemoteUpdatedAt => whole.remote_updated_at = other.remote_updated_at,
            // Types come with their lists; the others are merged below.
            Field::EmailAddressType | Field::PhoneNumberType | Field::RemoteFields | Field::RemoteDeleted => {
                continue;
            }
        }
        whole.names_derived |= other.names_derived && matches!(field, Field::FirstName | Field::LastName);
        whole.unseen.remove(field);
        whole.unreadable.remove(field);
        whole.partial.remove(field);
        if other.partial.contains(field) {
            whole.partial.insert(field);
        }
        if other.unreadable.contains(field) {
            whole.unreadable.insert(field);
        }
    }
    if !whole.remote_fields_unread && !other.remote_fields_unread {
        whole.remote_fields = joined(whole.remote_fields, other.remote_fields);
        if whole.remote_fields.0.len() > REMOTE_FIELDS_MOST {
            whole.leave_remote_fields_unread();
        }
    }
    whole
}

/// Whether the full name is that of the company: the CRM shows a contact without a name so.
#[must_use]
pub fn has_name_of_company(contact: &Contact, company: Option<&Text>) -> bool {
    let full = words([&contact.first_name, &contact.last_name].into_iter().flatten());
    company.is_some_and(|company| words([company]).eq(full))
}

/// First and last name with one space between, otherwise as they are shown.
pub(super) fn shown_full_name(contact: &Contact) -> String {
    let halves = [&contact.first_name, &contact.last_name].into_iter().flatten();
    halves.map(Text::as_str).collect::<Vec<_>>().join(" ")
}

/// Fills in the missing half of a name: the rest of `full` after the known half is removed. Returns whether a
/// half was missing.
pub(super) fn complete_names(contact: &mut Contact, full: &str) -> bool {
    let full = full.trim();
    let known = |half: &Option<Text>| half.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let rest = match (contact.shows(Field::FirstName), contact.shows(Field::LastName)) {
        (true, false) => full.strip_prefix(known(&contact.first_name).as_str()),
        (false, true) => full.strip_suffix(known(&contact.last_name).as_str()),
        _ => None,
    };
    // Not if the known half is only a part of a word.
    let is_word = |rest: &&str| rest.len() == full.len() || rest.trim().len() < rest.len() || rest.is_empty();
    let Some(rest) = rest.filter(is_word).map(str::trim) else { return false };
    let rest = (!rest.is_empty()).then(|| Text::from(rest));
    let half = if contact.shows(Field::FirstName) {
        contact.last_name = rest;
        Field::LastName
    } else {
        contact.first_name = rest;
        Field::FirstName
    };
    contact.unseen.remove(half);
    contact.names_derived = true;
    true
}

fn joined(first: RemoteFields, other: RemoteFields) -> RemoteFields {
    let mut all = first;
    let mut known: HashSet<String> = all.0.iter().map(|(name, _)| field_key(name)).collect();
    all.0.extend(other.0.into_iter().filter(|(name, _)| known.insert(field_key(name))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RemoteId;

    fn rows(count: usize, total: Option<u64>) -> Rows {
        let row = |number| Some(Contact::bare(RemoteId::from(format!("row{number}"))));
        Rows { contacts: (0..count).map(row).collect(), size: None, page: None, total }
    }

    #[test]
    fn a_half_that_is_not_shown_is_what_the_full_name_says_beside_the_other() {
        // Which half is missing, the known half, the full name, and the half that is filled in.
        let cases = [
            (Field::FirstName, "Byron", "Ada\tAugusta Byron", Some(Some("Ada\tAugusta"))),
            (Field::LastName, "Ada", "Ada van Smith", Some(Some("van Smith"))),
            (Field::FirstName, "", "Jane van Smith", Some(Some("Jane van Smith"))),
            (Field::FirstName, "Byron", "Byron", Some(None)),
            (Field::FirstName, "ron", "Ada Byron", None),
            (Field::LastName, "Ada", "Adalbert Byron", None),
            (Field::LastName, "Eve", "Ada Byron", None),
        ];
        for (unseen, known, full, filled) in cases {
            let mut contact = Contact::bare(RemoteId::from("a"));
            contact.unseen.insert(unseen);
            let known = (!known.is_empty()).then(|| Text::from(known));
            let is_first = unseen == Field::FirstName;
            if is_first {
                contact.last_name = known;
            } else {
                contact.first_name = known;
            }
            assert_eq!(complete_names(&mut contact, full), filled.is_some(), "{full}");
            let half = if is_first { &contact.first_name } else { &contact.last_name };
            assert_eq!(half.as_deref(), filled.flatten(), "{full}");
            assert_eq!(contact.shows(unseen), filled.is_some(), "{full}");
        }
    }

    #[test]
    fn rows_decide_where_a_list_ends_whatever_the_crm_counts() {
        // Rows of the third page of 50, the CRM's total, and whether there may be more.
        let cases = [
            (50, None, true),
            (49, None, false),
            (0, None, false),
            (50, Some(150), false),
            (50, Some(151), true),
            (50, Some(149), true),
            (50, Some(0), true),
            (49, Some(0), false),
            (49, Some(500), true),
            (0, Some(500), false),
        ];
        for (count, total, more) in cases {
            let page = rows(count, total).from(100, 3, 100, 50).unwrap();
            assert_eq!((page.next.is_some(), page.total), (more, total), "{count} {total:?}");
        }
    }

    #[test]
    fn a_lookup_is_whole_where_rows_and_total_agree_on_it_and_each_row_can_be_read() {
        for (count, total, whole) in [
            (3, None, true),
            (3, Some(3), true),
            (50, Some(50), true),
            (50, None, false),
            (50, Some(2), false),
            (3, Some(2), true),
            (3, Some(4), false),
            (0, Some(1), false),
        ] {
            assert_eq!(rows(count, total).is_whole(50), whole, "{count} {total:?}");
        }
        let mut odd = rows(3, Some(3));
        odd.contacts[1] = None;
        assert!(!odd.is_whole(50));
    }
}
