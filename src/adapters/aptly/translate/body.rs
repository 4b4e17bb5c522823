//! Aptly's two bodies: which one a change needs, and the expected result.

use std::collections::HashSet;
use std::hash::Hash;

use super::encode::{AptlyChange, Format, KINDS};
use crate::adapters::aptly::wire::{CustomFields, LegacyBody, NativeBody, PhoneBody};
use crate::adapters::change::{self, ListEntry};
use crate::domain::{
    ContactPatch, EmailAddress, Failure, Faults, FieldFault, Patch, PhoneNumber, RawJson, RemoteFields,
    Result, Text, Warning, WarningCode,
};
use crate::json::Raw;

impl AptlyChange {
    /// The body, what Aptly should hold afterwards, and the losses.
    pub(in super::super) fn encode(mut self, format: Format) -> Result<(String, ContactPatch, Vec<Warning>)> {
        let native = match format {
            Format::Auto => self.needs_native(),
            Format::Legacy => {
                self.fit_legacy()?;
                false
            }
            Format::Native => true,
        };
        if !native && self.legacy_changes_order() {
            self.losses.push(Warning::new(
                WarningCode::OrderChanged,
                "/phoneNumbers",
                "Aptly's legacy keys store numbers by type, so the order of this list is not kept. If the account supports native keys, set the credential's `writeFormat` to `native`.",
            ));
        }
        let body = if native { self.native() } else { self.legacy() };
        let body = body.map_err(|_| Failure::internal("a body for Aptly could not be written"))?;
        let expected = self.expected();
        Ok((body, expected, self.losses))
    }

    fn needs_native(&self) -> bool {
        let phones = self.phones.as_deref().unwrap_or_default();
        self.emails.as_ref().is_some_and(|emails| emails.len() > 1 || self.holds_several_emails)
            || (self.phones.is_some() && self.holds_what_legacy_cannot_say())
            || has_duplicates(phones.iter().map(|(_, phone)| &phone.kind))
            || self.remote.contains_key("typeId")
            || self.remote.contains_key("isCompany")
    }

    /// Whether the legacy body would lose a held number: it can neither keep nor clear it by its type.
    fn holds_what_legacy_cannot_say(&self) -> bool {
        self.held_kinds.iter().any(|kind| !KINDS.contains(&kind.as_str())) || has_duplicates(&self.held_kinds)
    }

    /// Whether a legacy write changes the order of the numbers. A number replaces the held one of its type;
    /// numbers of new types follow in the order of the body.
    fn legacy_changes_order(&self) -> bool {
        let Some(phones) = &self.phones else { return false };
        let wanted: Vec<&str> = phones.iter().filter_map(|(_, phone)| phone.kind.as_deref()).collect();
        let held = self.held_kinds.iter().map(Text::as_str);
        let new = KINDS.into_iter().filter(|kind| !self.held_kinds.iter().any(|held| held == kind));
        let stored: Vec<&str> = held.chain(new).filter(|kind| wanted.contains(kind)).collect();
        stored != wanted
    }

    /// Leaves out what the legacy keys cannot express, with a warning each. Held values are never left out.
    fn fit_legacy(&mut self) -> Result<()> {
        let mut faults = Faults::new();
        for name in ["typeId", "isCompany"].into_iter().filter(|name| self.remote.contains_key(name)) {
            let detail = format!(
                "`{name}` cannot be written while this credential's `writeFormat` is `legacy`. Set it to `native` or `auto`."
            );
            faults.push(FieldFault::member(format!("/remoteFields/{name}"), "unsupported", detail));
        }
        if self.phones.is_some() && self.holds_what_legacy_cannot_say() {
            let detail = "Aptly has two numbers of one type, or a type other than mobile, home and work. A legacy write would damage them. Set the credential's `writeFormat` to `native` or `auto`.";
            faults.push(FieldFault::member("/phoneNumbers", "unsupported", detail));
        }
        let left_out = if faults.is_empty() { self.leave_out_for_legacy() } else { Vec::new() };
        let detail = "A legacy write would remove this entry, because it has room for one e-mail address and one number of each type. Set the credential's `writeFormat` to `native` or `auto`.";
        for (pointer, identity, message) in left_out {
            if self.held_entries.contains(&identity) {
                faults.push(FieldFault::member(pointer, "unsupported", detail));
            } else {
                self.lose(pointer, message);
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// Entries of lists that do not fit into the legacy body: pointer, identity, warning.
    fn leave_out_for_legacy(&mut self) -> Vec<(String, String, &'static str)> {
        let region = self.region;
        let emails = self.emails.as_mut().map(|emails| emails.split_off(emails.len().min(1)));
        let emails = emails.into_iter().flatten().map(|(index, email)| {
            let message = "With `writeFormat` `legacy`, Aptly stores only one address.";
            (format!("/emailAddresses/{index}"), email.identity(region), message)
        });
        let mut left_out: Vec<_> = emails.collect();
        let mut kinds: HashSet<Option<Text>> = HashSet::new();
        if let Some(phones) = &mut self.phones {
            phones.retain(|(index, phone)| {
                let fits = kinds.insert(phone.kind.clone());
                if !fits {
                    let message = "With `writeFormat` `legacy`, Aptly stores only one number of each type.";
                    left_out.push((format!("/phoneNumbers/{index}"), phone.identity(region), message));
                }
                fits
            });
        }
        left_out
    }

    fn legacy(&self) -> serde_json::Result<String> {
        let phone = |kind: &str| -> Option<&str> {
            let phones = self.phones.as_ref()?;
            let sent = phones.iter().find(|(_, phone)| phone.kind.as_deref() == Some(kind));
            let held = self.held_kinds.iter().any(|held| held == kind);
            sent.map(|(_, phone)| phone.number.as_str()).or(held.then_some(""))
        };
        serde_json::to_string(&LegacyBody {
            first_name: written(&self.first_name),
            last_name: written(&self.last_name),
            contact_type: self.raw("contactType"),
            title: self.raw("title"),
            company: written(&self.company),
            email: self
                .emails
                .as_ref()
                .map(|emails| emails.first().map_or("", |(_, email)| email.address.as_str())),
            mobile_phone: phone("mobile"),
            home_phone: phone("home"),
            work_phone: phone("work"),
            image_url: self.raw("imageUrl"),
            custom_fields: self.custom(),
        })
    }

    fn native(&self) -> serde_json::Result<String> {
        serde_json::to_string(&NativeBody {
            first_name: written(&self.first_name),
            last_name: written(&self.last_name),
            type_id: self.raw("typeId"),
            contact_type: self.raw("contactType"),
            is_company: self.raw("isCompany"),
            title: self.raw("title"),
            company: written(&self.company),
            email: self.emails.as_deref().map(|emails| emails.iter().map(email_body).collect()),
            phone: self.phones.as_deref().map(|phones| phones.iter().map(phone_body).collect()),
            image_url: self.raw("imageUrl"),
            custom_fields: self.custom(),
        })
    }

    fn raw(&self, name: &str) -> Option<Raw<'_>> {
        self.remote.get(name).map(|value| Raw::from_checked(value.as_str()))
    }

    fn custom(&self) -> Option<CustomFields<'_>> {
        let fields = self.custom_fields.iter();
        let fields = fields.map(|(id, value)| (id.as_str(), Raw::from_checked(value.as_str())));
        (!self.custom_fields.is_empty()).then(|| CustomFields(fields.collect()))
    }

    fn expected(&self) -> ContactPatch {
        let mut remote_fields: Vec<(Text, RawJson)> =
            self.remote.iter().map(|(name, value)| (Text::from_static(name), value.clone())).collect();
        if let Some(Ok(custom)) = self.custom().map(|custom| serde_json::to_string(&custom)) {
            remote_fields
                .push((Text::from_static("customFields"), RawJson::from_validated(Text::from(custom))));
        }
        let emails = self
            .emails
            .as_ref()
            .map(|emails| emails.iter().map(|(_, email)| email.clone()).collect::<Vec<_>>());
        let phones = self
            .phones
            .as_ref()
            .map(|phones| phones.iter().map(|(_, phone)| phone.clone()).collect::<Vec<_>>());
        ContactPatch {
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            account: self.company.clone(),
            addresses: Patch::Keep,
            email_addresses: change::expected(emails),
            phone_numbers: change::expected(phones),
            remote_fields: RemoteFields(remote_fields),
            read_only: Vec::new(),
        }
    }
}

fn email_body((_, email): &(usize, EmailAddress)) -> &str {
    &email.address
}

fn phone_body((_, phone): &(usize, PhoneNumber)) -> PhoneBody<'_> {
    PhoneBody { number: &phone.number, kind: phone.kind.as_deref().unwrap_or("mobile") }
}

fn has_duplicates<T: Eq + Hash>(all: impl IntoIterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    all.into_iter().any(|one| !seen.insert(one))
}

/// A text as it is sent: `None` is unchanged, `""` clears.
fn written(patch: &Patch<Text>) -> Option<&str> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(""),
        Patch::Set(text) => Some(text),
    }
}
