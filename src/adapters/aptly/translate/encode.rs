//! Converts drafts and patches to Aptly's bodies, with the losses.

use std::collections::{BTreeMap, HashSet};

use super::custom_fields::Definitions;
use crate::adapters::aptly::SPEC;
use crate::adapters::change::{self, ListEntry, is_main, same_email, shown_list};
use crate::adapters::matching::full_name;
use crate::adapters::reading::{complete_names, shown_full_name};
use crate::adapters::remote::{self, BodyOrigin, RemoteRules, RemoteWrite};
use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Failure, Faults, Field, FieldFault, Patch,
    PhoneIdentity, PhoneNumber, RawJson, Region, RemoteFields, RemoteId, Result, Text, Warning, WarningCode,
    email_identity, field_key, is_read_back, words,
};
use crate::json::{self, Kind};

pub(super) const KINDS: [&str; 3] = ["mobile", "home", "work"];

pub(in super::super) const RULES: RemoteRules = RemoteRules {
    spec: &SPEC,
    reserved_by_unified: &[
        ("firstname", "firstName"),
        ("lastname", "lastName"),
        ("fullname", "firstName and lastName"),
        ("company", "account"),
        ("email", "emailAddresses"),
        ("phone", "phoneNumbers"),
        ("mobilephone", "phoneNumbers"),
        ("workphone", "phoneNumbers"),
        ("homephone", "phoneNumbers"),
        ("address", "addresses"),
    ],
    read_only: &[
        "id",
        "uuid",
        "companyid",
        "organizationid",
        "userid",
        "createdby",
        "createdat",
        "updatedat",
        "photoid",
        "v",
    ],
    yields_to: &[("contactType", &["typeId"]), ("typeId", &["contactType"])],
};

/// The credential's `writeFormat`: the spelling of written keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Format {
    Auto,
    Legacy,
    Native,
}

impl Format {
    pub(in super::super) fn named(word: Option<&str>) -> Self {
        match word {
            Some("legacy") => Self::Legacy,
            Some("native") => Self::Native,
            _ => Self::Auto,
        }
    }
}

/// What to write, in Aptly's terms. Absent fields are unchanged; an empty text or list clears.
#[derive(Default)]
pub(in super::super) struct AptlyChange {
    pub(super) first_name: Patch<Text>,
    pub(super) last_name: Patch<Text>,
    pub(super) company: Patch<Text>,
    pub(super) emails: Option<Vec<(usize, EmailAddress)>>,
    pub(super) phones: Option<Vec<(usize, PhoneNumber)>>,
    pub(super) remote: BTreeMap<&'static str, RawJson>,
    pub(super) custom_fields: Vec<(Text, RawJson)>,
    pub(super) losses: Vec<Warning>,
    /// The record holds several e-mail addresses, which only a native list replaces.
    pub(super) holds_several_emails: bool,
    /// The held phone types, in order: the legacy body replaces and clears numbers by type.
    pub(super) held_kinds: Vec<Text>,
    /// Identities of the held e-mail addresses and phone numbers.
    pub(super) held_entries: HashSet<String>,
    pub(super) region: Region,
}

impl AptlyChange {
    /// A draft is a patch of an empty record.
    pub(in super::super) fn of_draft(
        draft: &ContactDraft,
        definitions: &Definitions,
        region: Region,
    ) -> Result<Self> {
        Self::of_patch(&Contact::bare(RemoteId::from("")), &change::of_draft(draft), definitions, region)
    }

    /// The changes that `patch` makes to `held`. Equal values are not sent.
    pub(in super::super) fn of_patch(
        held: &Contact,
        patch: &ContactPatch,
        definitions: &Definitions,
        region: Region,
    ) -> Result<Self> {
        let ContactPatch {
            first_name,
            last_name,
            account,
            addresses: _, // Never stored; the gateway warns.
            email_addresses,
            phone_numbers,
            remote_fields: _, // Handled below.
            read_only: _,     // Ignored; the gateway warns where they differ.
        } = patch;
        let mut changed = Self {
            first_name: change::text(first_name, held, Field::FirstName),
            last_name: change::text(last_name, held, Field::LastName),
            company: change::text(account, held, Field::Account),
            holds_several_emails: held.email_addresses.len() > 1,
            held_kinds: held_kinds(held),
            region,
            ..Self::default()
        };
        changed.keep_names_of_account(held, patch);
        changed.keep_derived_names(held, patch);
        changed.emails(email_addresses, held);
        changed.phones(phone_numbers, held);
        changed.remote_fields(patch, held, definitions)?;
        Ok(changed)
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        let texts = [&self.first_name, &self.last_name, &self.company];
        !texts.iter().any(|text| text.touches())
            && self.emails.is_none()
            && self.phones.is_none()
            && self.remote.is_empty()
            && self.custom_fields.is_empty()
    }

    /// A body made from a read may repeat a name that was derived from the account at that time, or lack one
    /// that is derived now. Neither is a change.
    fn keep_names_of_account(&mut self, held: &Contact, patch: &ContactPatch) {
        let origin = remote::origin(&patch.read_only, held);
        if origin == BodyOrigin::Caller {
            return;
        }
        let is_company = is_company(held);
        let accounts = [held.account.as_ref(), patch.account.value()];
        let is_account =
            |name: &str| accounts.into_iter().flatten().any(|account| account.trim() == name.trim());
        let follows_whole = held.names_derived && full_name(held).is_some_and(|name| is_account(&name));
        for (half, held_half) in
            [(&mut self.first_name, &held.first_name), (&mut self.last_name, &held.last_name)]
        {
            let is_repeated = match half {
                Patch::Keep => false,
                Patch::Clear => follows_whole,
                Patch::Set(name) => held_half.is_none() && is_company != Some(false) && is_account(name),
            };
            if is_repeated {
                *half = Patch::Keep;
            }
        }
        let follows = held.names_derived && held.first_name.is_none() && is_company == Some(true);
        if follows && origin == BodyOrigin::Outdated && self.last_name.touches() && !self.first_name.touches()
        {
            self.last_name = Patch::Keep;
            let message = "The contact was changed after this body was read. `lastName` was ignored, because this company's name is derived from its account. To change it, send it alone.";
            self.losses.push(Warning::new(WarningCode::ReadOnly, "/lastName", message));
        }
    }

    /// Writes both halves of a derived name: Aptly replaces the full name by the halves that are sent, so that
    /// a missing half would be lost. A company's name is not split.
    fn keep_derived_names(&mut self, held: &Contact, patch: &ContactPatch) {
        if !held.names_derived || !(self.first_name.touches() || self.last_name.touches()) {
            return;
        }
        // A body made from a reading that shows one half alone. A half that fits the full name is no change.
        let is_half = !(patch.first_name.touches() && patch.last_name.touches());
        if is_half && is_read_back(&patch.read_only) && fits_full_name(held, patch) {
            (self.first_name, self.last_name) = (Patch::Keep, Patch::Keep);
            return;
        }
        // Lists and single reads may split a full name differently. The same words are no change.
        if self.first_name.touches()
            && self.last_name.touches()
            && words([self.first_name.value(), self.last_name.value()].into_iter().flatten())
                .eq(words([&held.first_name, &held.last_name].into_iter().flatten()))
        {
            (self.first_name, self.last_name) = (Patch::Keep, Patch::Keep);
            return;
        }
        if is_company(held) == Some(true) {
            return;
        }
        for (half, held) in [(&mut self.first_name, &held.first_name), (&mut self.last_name, &held.last_name)]
        {
            if let (Patch::Keep, Some(held)) = (&*half, held) {
                *half = Patch::Set(held.clone());
            }
        }
    }

    /// Puts the address of type `main` first: Aptly identifies contacts by their first address.
    fn emails(&mut self, patch: &Patch<Vec<EmailAddress>>, held: &Contact) {
        let Some(typed) = patch.list() else { return };
        let (sent, shown) =
            (change::with_held_kinds(typed, &held.email_addresses, self.region), shown_list(held));
        // A partial list is never replaced: the gateway reads the whole list first, or fails.
        if shown == Some(sent.as_slice()) {
            return; // Unchanged since the read.
        }
        self.held_entries.extend(identities(&held.email_addresses, self.region));
        let (mut emails, mut seen): (Vec<(usize, EmailAddress)>, _) = (Vec::new(), HashSet::new());
        for (index, email) in sent.iter().enumerate() {
            if seen.insert(email_identity(&email.address)) {
                emails.push((index, email.clone()));
            } else {
                self.losses.push(change::duplicate::<EmailAddress>(SPEC.name, index));
            }
        }
        self.put_main_first(&mut emails, &sent, typed);
        for (position, (index, email)) in emails.iter_mut().enumerate() {
            let kind = if position == 0 { "main" } else { "secondary" };
            let message =
                || format!("Aptly does not store types of addresses. This one reads back as `{kind}`.");
            self.losses.extend(change::other_kind(*index, &typed[*index], kind, message));
            email.kind = Some(Text::from_static(kind));
        }
        let addresses = emails.iter().map(|(_, email)| &email.address);
        if !shown.is_some_and(|shown| addresses.eq(shown.iter().map(|held| &held.address))) {
            self.emails = Some(emails);
        }
    }

    fn put_main_first(
        &mut self,
        emails: &mut [(usize, EmailAddress)],
        sent: &[EmailAddress],
        typed: &[EmailAddress],
    ) {
        let Some(main) = sent.iter().find(|email| is_main(email)) else { return };
        let moved = emails.first().is_some_and(|(_, first)| !same_email(main, first));
        if moved && !change::names_main(typed) {
            self.losses.push(Warning::new(
                WarningCode::OrderChanged,
                "/emailAddresses",
                "In Aptly the first address is the main one. It was kept first. To put another address first, give it the emailAddressType `main`.",
            ));
        }
        emails.sort_by_key(|(_, email)| !same_email(main, email));
    }

    fn phones(&mut self, patch: &Patch<Vec<PhoneNumber>>, held: &Contact) {
        let Some(sent) = patch.list() else { return };
        let (sent, shown) =
            (change::with_held_kinds(sent, &held.phone_numbers, self.region), shown_list(held));
        if shown == Some(sent.as_slice()) {
            return; // Unchanged since the read.
        }
        self.held_entries.extend(identities(&held.phone_numbers, self.region));
        let mut phones = self.numbers(&sent, held);
        let mut taken: HashSet<Text> = phones.iter().filter_map(|(_, phone)| phone.kind.clone()).collect();
        for (index, phone) in &mut phones {
            let kind = phone.kind.clone().unwrap_or_else(|| Text::from_static(free_kind(&taken)));
            let stored = kind.as_str();
            let message = || {
                format!(
                    "Aptly supports the types mobile, work and home. This number is stored as `{stored}`."
                )
            };
            self.losses.extend(change::other_kind(*index, &sent[*index], stored, message));
            taken.insert(kind.clone());
            phone.kind = Some(kind);
        }
        if !shown.is_some_and(|shown| phones.iter().map(|(_, phone)| phone).eq(shown)) {
            self.phones = Some(phones);
        }
    }

    /// Each number once, as it is written, with its type if Aptly has that type.
    fn numbers(&mut self, sent: &[PhoneNumber], held: &Contact) -> Vec<(usize, PhoneNumber)> {
        let shown = change::shown_numbers(held);
        let (mut phones, mut seen) = (Vec::new(), HashSet::new());
        for (index, phone) in sent.iter().enumerate() {
            let identity = PhoneIdentity::of(self.region, &phone.number);
            if seen.contains(&identity) {
                self.losses.push(change::duplicate::<PhoneNumber>(SPEC.name, index));
                continue;
            }
            let number = if shown.contains(phone.number.as_str()) {
                phone.number.clone()
            } else if let (Some(form), None) = (identity.e164(), identity.without_extension()) {
                form.clone()
            } else {
                self.losses.push(change::phone_not_parsed(index, &identity));
                phone.number.clone()
            };
            let kind = phone.kind.as_deref().and_then(known_kind).map(Text::from_static);
            phones.push((index, PhoneNumber { number, kind }));
            seen.insert(identity);
        }
        phones
    }

    fn remote_fields(
        &mut self,
        patch: &ContactPatch,
        held: &Contact,
        definitions: &Definitions,
    ) -> Result<()> {
        let mut faults = Faults::new();
        let origin = remote::origin(&patch.read_only, held);
        let selected =
            RULES.select(&patch.remote_fields, Some(&held.remote_fields), origin != BodyOrigin::Caller)?;
        self.losses.extend(RULES.warning(&selected.ignored));
        let mut writes = selected.writes;
        writes.retain(|write| !is_alternative(write) || !is_held(write, held));
        let both = names_both_alternatives(&patch.remote_fields);
        self.settle_alternatives(&mut writes, both && origin == BodyOrigin::Outdated, &mut faults);
        for write in writes {
            match write.spec.name {
                "customFields" => match definitions.select(write.value, &write.pointer) {
                    Ok(fields) => self.custom_fields = fields,
                    Err(more) => faults.append(more),
                },
                name => match check_remote(name, write.value) {
                    Ok(value) => {
                        self.remote.insert(name, value);
                    }
                    Err(detail) => faults.push(FieldFault::member(write.pointer, "malformed", detail)),
                },
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// `typeId` and `contactType` both set the type, so only one of them is sent. If an `outdated` body has
    /// both, neither is sent: the one that differs may be an old value from the read.
    fn settle_alternatives(
        &mut self,
        writes: &mut Vec<RemoteWrite<'_>>,
        outdated: bool,
        faults: &mut Faults,
    ) {
        let pointers: Vec<String> =
            writes.iter().filter(|write| is_alternative(write)).map(|write| write.pointer.clone()).collect();
        if outdated && let Some(first) = pointers.first() {
            let message = "The contact was changed after this body was read, so `typeId` and `contactType` were ignored. To set the type, send one of them alone.";
            self.losses.push(Warning::new(WarningCode::ReadOnly, first.as_str(), message));
            writes.retain(|write| !is_alternative(write));
        } else if pointers.len() > 1 {
            let detail = "`typeId` and `contactType` both set the contact's type, and both differ from the values in Aptly. Send only one of them.";
            for pointer in pointers {
                faults.push(FieldFault::member(pointer, "conflict", detail));
            }
        }
    }

    pub(super) fn lose(&mut self, pointer: String, message: &'static str) {
        self.losses.push(Warning::new(WarningCode::NotStored, pointer, message));
    }
}

/// Whether the record is a company; `None` if the CRM does not show it.
fn is_company(held: &Contact) -> Option<bool> {
    held.remote_fields.get("isCompany").map(|flag| flag.as_str() == "true")
}

/// Whether the one half of the name that `patch` sets begins or ends the full name.
fn fits_full_name(held: &Contact, patch: &ContactPatch) -> bool {
    let mut sent = Contact::bare(held.remote_id.clone());
    let missing = if patch.first_name.touches() { Field::LastName } else { Field::FirstName };
    sent.unseen.insert(missing);
    sent.first_name = patch.first_name.value().cloned();
    sent.last_name = patch.last_name.value().cloned();
    (sent.first_name.is_some() || sent.last_name.is_some())
        && complete_names(&mut sent, &shown_full_name(held))
}

/// The types of the held numbers; all types if the read does not show the numbers.
fn held_kinds(held: &Contact) -> Vec<Text> {
    if held.unseen.contains(Field::PhoneNumbers) {
        return KINDS.into_iter().map(Text::from_static).collect();
    }
    held.phone_numbers.iter().filter_map(|phone| phone.kind.clone()).collect()
}

fn identities<E: ListEntry>(held: &[E], region: Region) -> impl Iterator<Item = String> {
    held.iter().map(move |entry| entry.identity(region))
}

/// Whether the field sets the contact's type.
fn is_alternative(write: &RemoteWrite<'_>) -> bool {
    matches!(write.spec.name, "typeId" | "contactType")
}

/// Whether the CRM shows the same value under any spelling of the key.
fn is_held(write: &RemoteWrite<'_>, held: &Contact) -> bool {
    let key = field_key(write.spec.name);
    let held = held.remote_fields.0.iter().find(|(name, _)| field_key(name) == key);
    held.is_some_and(|(_, held)| json::equal(held.as_str(), write.value.as_str()))
}

fn names_both_alternatives(sent: &RemoteFields) -> bool {
    ["typeid", "contacttype"].iter().all(|key| sent.0.iter().any(|(name, _)| field_key(name) == *key))
}

fn known_kind(word: &str) -> Option<&'static str> {
    match word.trim().to_ascii_lowercase().as_str() {
        "mobile" | "cell" | "cellphone" | "cellular" => Some("mobile"),
        "work" | "business" | "office" | "company" | "direct" => Some("work"),
        "home" | "house" | "residential" => Some("home"),
        _ => None,
    }
}

fn free_kind(taken: &HashSet<Text>) -> &'static str {
    let free = |kind: &&&'static str| !taken.contains(&Text::from_static(kind));
    KINDS.iter().find(free).copied().unwrap_or("mobile")
}

/// Checks a declared field by Aptly's rules. `null` clears, which Aptly spells `""`.
fn check_remote(name: &str, value: &RawJson) -> std::result::Result<RawJson, String> {
    let kind = json::kind(value.as_str());
    let text = json::string(value.as_str());
    match (name, kind) {
        ("isCompany", Kind::Bool) => Ok(value.clone()),
        ("isCompany", _) => Err("`isCompany` must be true or false.".to_owned()),
        (_, Kind::Null) => Ok(RawJson::from_validated(Text::from_static("\"\""))),
        ("imageUrl", Kind::String) if text.as_deref().is_some_and(|url| url.is_empty() || is_image(url)) => {
            Ok(value.clone())
        }
        ("imageUrl", _) => {
            Err("`imageUrl` must be an absolute URL that ends in .jpg, .jpeg or .png.".to_owned())
        }
        (_, Kind::String) => Ok(value.clone()),
        _ => Err(format!("`{name}` must be a string.")),
    }
}

fn is_image(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    (lower.starts_with("https://") || lower.starts_with("http://"))
        && [".jpg", ".jpeg", ".png"].iter().any(|end| lower.ends_with(end))
}
