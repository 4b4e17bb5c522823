//! The two bodies that Aptly takes: which one a change needs, and what the change should come to.

use serde_json::value::RawValue;

use super::encode::{Change, Format};
use crate::adapters::aptly::wire::{CustomFields, LegacyBody, NativeBody, PhoneBody};
use crate::adapters::change;
use crate::domain::{
    ContactPatch, EmailAddress, Failure, FieldFault, Patch, PhoneNumber, RawJson, RemoteFields, Result, Text,
    Warning,
};

impl Change {
    /// The body, what Aptly should hold afterwards, and what is lost.
    pub(in super::super) fn encode(mut self, format: Format) -> Result<(String, ContactPatch, Vec<Warning>)> {
        let native = match format {
            Format::Auto => self.needs_native(),
            Format::Legacy => {
                self.fit_legacy()?;
                false
            }
            Format::Native => true,
        };
        let body = if native { self.native() } else { self.legacy() };
        let body = body.map_err(|_| Failure::internal("a body for Aptly could not be written"))?;
        let expected = self.expected();
        Ok((body, expected, self.losses))
    }

    fn needs_native(&self) -> bool {
        let phones = self.phones.as_deref().unwrap_or_default();
        self.held_needs_native
            || self.emails.as_ref().is_some_and(|emails| emails.len() > 1)
            || phones
                .iter()
                .enumerate()
                .any(|(n, (_, phone))| phones[..n].iter().any(|(_, other)| other.kind == phone.kind))
            || self.remote.contains_key("typeId")
            || self.remote.contains_key("isCompany")
    }

    /// Leaves out, with a warning each, what the legacy keys cannot say.
    fn fit_legacy(&mut self) -> Result<()> {
        for name in ["typeId", "isCompany"] {
            if self.remote.contains_key(name) {
                let detail =
                    format!("`{name}` cannot be written while this credential's writeFormat is `legacy`.");
                return Err(Failure::validation(vec![FieldFault::member(
                    format!("/remoteFields/{name}"),
                    "unsupported",
                    detail,
                )]));
            }
        }
        let mut losses = Vec::new();
        for (index, _) in
            self.emails.as_mut().map(|emails| emails.split_off(emails.len().min(1))).unwrap_or_default()
        {
            losses.push((
                format!("/emailAddresses/{index}"),
                "With writeFormat `legacy` Aptly takes one address.",
            ));
        }
        let mut kinds: Vec<Option<Text>> = Vec::new();
        self.phones.iter_mut().for_each(|phones| {
            phones.retain(|(index, phone)| {
                let fits = !kinds.contains(&phone.kind);
                kinds.push(phone.kind.clone());
                if !fits {
                    losses.push((
                        format!("/phoneNumbers/{index}"),
                        "With writeFormat `legacy` Aptly takes one number of each type.",
                    ));
                }
                fits
            });
        });
        for (pointer, message) in losses {
            self.lose(pointer, message);
        }
        Ok(())
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
            contact_type: self.raw("contactType")?,
            title: self.raw("title")?,
            company: written(&self.company),
            email: self
                .emails
                .as_ref()
                .map(|emails| emails.first().map_or("", |(_, email)| email.address.as_str())),
            home_phone: phone("home"),
            mobile_phone: phone("mobile"),
            work_phone: phone("work"),
            image_url: self.raw("imageUrl")?,
            custom_fields: self.custom()?,
        })
    }

    fn native(&self) -> serde_json::Result<String> {
        serde_json::to_string(&NativeBody {
            first_name: written(&self.first_name),
            last_name: written(&self.last_name),
            type_id: self.raw("typeId")?,
            contact_type: self.raw("contactType")?,
            is_company: self.raw("isCompany")?,
            title: self.raw("title")?,
            company: written(&self.company),
            email: self.emails.as_deref().map(|emails| emails.iter().map(email_body).collect()),
            phone: self.phones.as_deref().map(|phones| phones.iter().map(phone_body).collect()),
            image_url: self.raw("imageUrl")?,
            custom_fields: self.custom()?,
        })
    }

    fn raw(&self, name: &str) -> serde_json::Result<Option<&RawValue>> {
        self.remote.get(name).map(|value| serde_json::from_str(value.as_str())).transpose()
    }

    fn custom(&self) -> serde_json::Result<Option<CustomFields<'_>>> {
        if self.custom_fields.is_empty() {
            return Ok(None);
        }
        let fields = self
            .custom_fields
            .iter()
            .map(|(id, value)| Ok((id.as_str(), serde_json::from_str(value.as_str())?)));
        fields.collect::<serde_json::Result<_>>().map(|fields| Some(CustomFields(fields)))
    }

    fn expected(&self) -> ContactPatch {
        let mut remote_fields: Vec<(Text, RawJson)> =
            self.remote.iter().map(|(name, value)| (Text::from_static(name), value.clone())).collect();
        if let Ok(Some(custom)) =
            self.custom().and_then(|custom| custom.map(|custom| serde_json::to_string(&custom)).transpose())
        {
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

/// A text as it is sent: `None` untouched, `""` cleared.
fn written(patch: &Patch<Text>) -> Option<&str> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(""),
        Patch::Set(text) => Some(text),
    }
}
