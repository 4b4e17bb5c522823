//! Our drafts and changes to Aptly's bodies, with what gets lost on the way.

use std::collections::BTreeMap;

use super::custom_fields::Definitions;
use crate::adapters::aptly::SPEC;
use crate::adapters::change::{self, is_word, same_email};
use crate::adapters::phone::Region;
use crate::adapters::remote::RemoteRules;
use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Failure, Field, FieldFault, Patch, PhoneNumber,
    RawJson, RemoteFields, RemoteId, Result, Text, Warning, WarningCode,
};
use crate::json::{self, Kind};

const KINDS: [&str; 3] = ["mobile", "home", "work"];

pub(in super::super) const RULES: RemoteRules = RemoteRules {
    spec: &SPEC,
    mapped: &[
        ("firstname", "firstName"),
        ("lastname", "lastName"),
        ("fullname", "firstName and lastName"),
        ("name", "firstName and lastName"),
        ("company", "account"),
        ("email", "emailAddresses"),
        ("phone", "phoneNumbers"),
        ("mobilephone", "phoneNumbers"),
        ("workphone", "phoneNumbers"),
        ("homephone", "phoneNumbers"),
        ("address", "addresses"),
    ],
    denied: &[
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
    gives_way: &[("contactType", &["typeId"]), ("typeId", &["contactType"])],
};

/// The spelling of written keys: the credential's `writeFormat`.
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

/// What is to be written, in Aptly's terms: absent members are untouched, an empty text or list clears.
#[derive(Default)]
pub(in super::super) struct Change {
    pub(super) first_name: Patch<Text>,
    pub(super) last_name: Patch<Text>,
    pub(super) company: Patch<Text>,
    pub(super) emails: Option<Vec<(usize, EmailAddress)>>,
    pub(super) phones: Option<Vec<(usize, PhoneNumber)>>,
    pub(super) remote: BTreeMap<&'static str, RawJson>,
    pub(super) custom_fields: Vec<(Text, RawJson)>,
    pub(super) losses: Vec<Warning>,
    /// What is held can only be replaced as a native list.
    pub(super) held_needs_native: bool,
    /// Phone types that are held, to be cleared by name in the legacy body.
    pub(super) held_kinds: Vec<Text>,
}

impl Change {
    /// A draft is the change of a record that holds nothing.
    pub(in super::super) fn of_draft(
        draft: &ContactDraft,
        definitions: &Definitions,
        region: Region,
    ) -> Result<Self> {
        Self::of_patch(&Contact::bare(RemoteId::from("")), &change::of_draft(draft), definitions, region)
    }

    /// What `patch` changes of `held`; what is equal already is not sent.
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
            addresses: _, // Never stored; the gateway warns by declaration.
            email_addresses,
            phone_numbers,
            remote_fields,
            read_only: _, // Ignored; the gateway warns where they differ.
        } = patch;
        let mut changed = Self {
            first_name: change::text(first_name, held.first_name.as_ref()),
            last_name: change::text(last_name, held.last_name.as_ref()),
            company: change::text(account, held.account.as_ref()),
            held_kinds: held.phone_numbers.iter().filter_map(|phone| phone.kind.clone()).collect(),
            ..Self::default()
        };
        changed.emails(email_addresses, held);
        changed.phones(phone_numbers, held, region);
        changed.remote_fields(remote_fields, held, definitions)?;
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

    /// The one marked main goes first, because Aptly knows people by their first address.
    fn emails(&mut self, patch: &Patch<Vec<EmailAddress>>, held: &Contact) {
        let Some(sent) = change::list(patch) else { return };
        let whole = !held.incomplete.contains(&Field::EmailAddresses);
        if whole && sent == held.email_addresses {
            return; // As it was read, whatever we would make of it.
        }
        let mut emails: Vec<(usize, EmailAddress)> = Vec::new();
        for (index, email) in sent.iter().enumerate() {
            if emails.iter().any(|(_, known)| same_email(known, email)) {
                self.lose(
                    format!("/emailAddresses/{index}"),
                    "The same address stands before it; Aptly holds it once.",
                );
            } else {
                emails.push((index, email.clone()));
            }
        }
        let main = sent.iter().find(|email| is_word(email.kind.as_ref(), &["main", "primary"]));
        emails.sort_by_key(|(_, email)| !main.is_some_and(|main| same_email(main, email)));
        for (position, (index, email)) in emails.iter_mut().enumerate() {
            let kind = if position == 0 { "main" } else { "secondary" };
            if !is_word(email.kind.as_ref(), &[kind]) && email.kind.is_some() {
                let message = format!("Aptly holds no types of addresses; this one reads back as `{kind}`.");
                self.losses.push(Warning::new(
                    WarningCode::NotStored,
                    format!("/emailAddresses/{index}/emailAddressType"),
                    message,
                ));
            }
            email.kind = Some(Text::from_static(kind));
        }
        let same = emails.len() == held.email_addresses.len()
            && emails.iter().zip(&held.email_addresses).all(|((_, sent), held)| same_email(sent, held));
        if !(whole && same) {
            self.held_needs_native |= held.email_addresses.len() > 1;
            self.emails = Some(emails);
        }
    }

    fn phones(&mut self, patch: &Patch<Vec<PhoneNumber>>, held: &Contact, region: Region) {
        let Some(sent) = change::list(patch) else { return };
        let whole = !held.incomplete.contains(&Field::PhoneNumbers);
        if whole && sent == held.phone_numbers {
            return; // As it was read, whatever we would make of it.
        }
        let mut phones: Vec<(usize, PhoneNumber)> = Vec::new();
        for (index, phone) in sent.iter().enumerate() {
            let form = region.e164(&phone.number);
            let known =
                |other: &PhoneNumber| region.comparable(&other.number) == region.comparable(&phone.number);
            if phones.iter().any(|(_, other)| known(other)) {
                self.lose(
                    format!("/phoneNumbers/{index}"),
                    "The same number stands before it; Aptly holds it once.",
                );
                continue;
            }
            if form.is_none() {
                let message = "The number has no E.164 form (a country code or the credential's defaultRegion may be missing); it is passed on as it came.";
                self.losses.push(Warning::new(
                    WarningCode::PhoneNotParsed,
                    format!("/phoneNumbers/{index}/phoneNumber"),
                    message,
                ));
            }
            let kind = phone.kind.as_deref().and_then(known_kind).map(Text::from_static);
            phones.push((index, PhoneNumber { number: form.unwrap_or_else(|| phone.number.clone()), kind }));
        }
        for position in 0..phones.len() {
            let (index, phone) = &phones[position];
            let sent_kind = sent[*index].kind.as_ref();
            let kind = phone.kind.clone().unwrap_or_else(|| Text::from_static(free_kind(&phones)));
            if sent_kind.is_some_and(|sent| !sent.trim().eq_ignore_ascii_case(&kind)) {
                let message = format!(
                    "Aptly knows mobile, work and home; this number is stored as `{}`.",
                    kind.as_str()
                );
                self.losses.push(Warning::new(
                    WarningCode::NotStored,
                    format!("/phoneNumbers/{index}/phoneNumberType"),
                    message,
                ));
            }
            phones[position].1.kind = Some(kind);
        }
        let same = phones.len() == held.phone_numbers.len()
            && phones.iter().zip(&held.phone_numbers).all(|((_, sent), held)| {
                region.comparable(&sent.number) == region.comparable(&held.number) && sent.kind == held.kind
            });
        if !(whole && same) {
            let mut kinds: Vec<&str> = self.held_kinds.iter().map(Text::as_str).collect();
            kinds.sort_unstable();
            self.held_needs_native |= kinds.windows(2).any(|pair| pair[0] == pair[1])
                || kinds.iter().any(|kind| !KINDS.contains(kind));
            self.phones = Some(phones);
        }
    }

    fn remote_fields(
        &mut self,
        sent: &RemoteFields,
        held: &Contact,
        definitions: &Definitions,
    ) -> Result<()> {
        let mut faults = Vec::new();
        for write in RULES.select(sent, Some(&held.remote_fields))? {
            match write.spec.name {
                "customFields" => match definitions.select(write.value, &write.pointer) {
                    Ok(fields) => self.custom_fields = fields,
                    Err(more) => faults.extend(more),
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

    pub(super) fn lose(&mut self, pointer: String, message: &'static str) {
        self.losses.push(Warning::new(WarningCode::NotStored, pointer, message));
    }
}

fn known_kind(word: &str) -> Option<&'static str> {
    match word.trim().to_ascii_lowercase().as_str() {
        "mobile" | "cell" | "cellphone" | "cellular" => Some("mobile"),
        "work" | "business" | "office" | "company" | "direct" => Some("work"),
        "home" | "house" | "residential" => Some("home"),
        _ => None,
    }
}

fn free_kind(phones: &[(usize, PhoneNumber)]) -> &'static str {
    let taken = |kind: &&&str| !phones.iter().any(|(_, phone)| phone.kind.as_deref() == Some(**kind));
    KINDS.iter().find(taken).copied().unwrap_or("mobile")
}

/// A declared remote member, checked against Aptly's own rules; `null` clears, which Aptly spells `""`.
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
