//! Warnings about what a CRM's response does not show of contacts.

use crate::adapters::REMOTE_FIELDS_MOST;
use crate::domain::{Contact, Field, Warning, WarningCode};

/// How many faulty fields of rows get a warning of their own.
const ROWS_MOST: usize = 20;

/// Warnings about fields that a read of one contact does not show.
pub(super) fn incomplete(contact: &Contact) -> Vec<Warning> {
    let warn = |field: Field| {
        let name = field.name();
        let message = if contact.partial.contains(field) {
            format!("The CRM's response shows only a part of `{name}`.")
        } else {
            format!("The CRM's response does not show `{name}`, so it is left out.")
        };
        Warning::new(WarningCode::Incomplete, format!("/{name}"), message)
    };
    let mut warnings: Vec<Warning> = not_shown(contact).map(warn).collect();
    warnings.extend(faulty(contact, ""));
    warnings
}

/// What the rows of a list do not show, counted while they are read.
#[derive(Default)]
pub(super) struct IncompleteRows {
    rows: usize,
    /// By field: in how many rows it is not shown, and in how many only a part of it.
    unseen: [usize; Field::ALL.len()],
    partly: [usize; Field::ALL.len()],
    faulty: Vec<Warning>,
    more_faulty: usize,
    /// Rows without a readable id.
    unreadable: usize,
}

impl IncompleteRows {
    pub(super) fn count(&mut self, contact: &Contact) {
        let index = self.rows;
        self.rows += 1;
        for field in not_shown(contact) {
            let counts = if contact.unseen.contains(field) { &mut self.unseen } else { &mut self.partly };
            counts[field as usize] += 1;
        }
        if contact.unreadable.is_empty() && !contact.remote_fields_unread {
            return;
        }
        for warning in faulty(contact, &format!("/contacts/{index}")) {
            if self.faulty.len() < ROWS_MOST {
                self.faulty.push(warning);
            } else {
                self.more_faulty += 1;
            }
        }
    }

    pub(super) const fn count_unreadable(&mut self, rows: usize) {
        self.unreadable += rows;
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning> {
        let more = (self.more_faulty > 0).then(|| {
            let message =
                format!("{} more fields of these rows cannot be read and are left out.", self.more_faulty);
            Warning::new(WarningCode::Incomplete, "/contacts", message)
        });
        let fields = Field::ALL.into_iter().filter_map(|field| self.warning(field));
        fields.chain(self.faulty.iter().cloned()).chain(more).chain(self.of_unreadable())
    }

    fn warning(&self, field: Field) -> Option<Warning> {
        let (name, all) = (field.name(), self.rows);
        let message = match (self.unseen[field as usize], self.partly[field as usize]) {
            (0, 0) => return None,
            (unseen, 0) if unseen == all => {
                format!("The CRM's list does not show `{name}`, so it is left out. A read by id may show it.")
            }
            (unseen, 0) => format!(
                "{unseen} of {all} rows do not show `{name}`, so it is left out there. A read by id may show it."
            ),
            (unseen, partly) => format!(
                "{} of {all} rows do not show `{name}` completely. A read by id may show it.",
                unseen + partly
            ),
        };
        Some(Warning::new(WarningCode::Incomplete, format!("/contacts/*/{name}"), message))
    }

    fn of_unreadable(&self) -> Option<Warning> {
        let rows = self.unreadable;
        let noun = if rows == 1 { "row" } else { "rows" };
        let message =
            format!("{rows} {noun} of the CRM without a readable id: left out here, but counted in `total`.");
        (rows > 0).then(|| Warning::new(WarningCode::RowUnreadable, "/contacts", message))
    }
}

/// The fields that a read does not show completely, without those that have a warning of their own.
fn not_shown(contact: &Contact) -> impl Iterator<Item = Field> {
    Field::ALL.into_iter().filter(|field| lacks(contact, *field))
}

fn lacks(contact: &Contact, field: Field) -> bool {
    let told_apart = match field {
        // Types are shown with their lists.
        Field::EmailAddressType | Field::PhoneNumberType => true,
        Field::RemoteFields => contact.remote_fields_unread,
        field => contact.unreadable.contains(field),
    };
    !contact.shows(field) && !told_apart
}

/// The fields of the contact at `pointer` that cannot be read.
fn faulty(contact: &Contact, pointer: &str) -> Vec<Warning> {
    let id = &contact.remote_id;
    let mut warnings: Vec<Warning> = contact
        .unreadable
        .iter()
        .map(|field| {
            let name = field.name();
            let message = format!("`{name}` of the contact with remoteId {id} cannot be read, so it is left out. `remoteFields` has the CRM's value.");
            Warning::new(WarningCode::Incomplete, format!("{pointer}/{name}"), message)
        })
        .collect();
    warnings.extend(contact.remote_fields_unread.then(|| {
        let message = format!("The contact with remoteId {id} has more than {REMOTE_FIELDS_MOST} fields in the CRM, so its `remoteFields` are left out.");
        Warning::new(WarningCode::Incomplete, format!("{pointer}/remoteFields"), message)
    }));
    warnings
}
