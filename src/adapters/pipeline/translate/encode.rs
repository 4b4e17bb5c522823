//! Converts drafts and patches to the pipeline CRM's bodies, with the losses.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::stages::StageWish;
use crate::adapters::change::{self, is_word};
use crate::adapters::lenient_reader::MOST_ENTRIES;
use crate::adapters::pipeline::SPEC;
use crate::adapters::pipeline::wire::{Email, WireBody, WireEntry};
use crate::adapters::remote::{self, BodyOrigin, RemoteRules, RemoteWrite};
use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Failure, Faults, Field, FieldFault, Patch,
    PhoneIdentity, PhoneNumber, RawJson, Region, RemoteFields, RemoteId, Result, Text, Warning, WarningCode,
    digits, email_identity, has_letters,
};
use crate::json::{self, Kind, Raw};

pub(in super::super) const RULES: RemoteRules = RemoteRules {
    spec: &SPEC,
    reserved_by_unified: &[
        ("firstname", "firstName"),
        ("lastname", "lastName"),
        ("phonenumber", "phoneNumbers"),
        ("secondaryphonenumber", "phoneNumbers"),
        ("email", "emailAddresses"),
        ("lastmessagetime", "lastActivityAt"),
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
        "assignees",
        "v",
    ],
    yields_to: &[
        ("status", &["pipelineStage", "pipelineId"]),
        ("pipelineStage", &["status", "pipelineId"]),
        ("pipelineId", &["pipelineStage"]),
    ],
};

/// What to write, in the CRM's terms.
#[derive(Clone, Default)]
pub(in super::super) struct PipelineChange {
    first_name: Patch<Text>,
    last_name: Patch<Text>,
    emails: Option<Vec<EmailAddress>>,
    phones: Option<Vec<PhoneNumber>>,
    /// Held numbers that no call can write. They come after the written ones.
    fixed_phones: Vec<PhoneNumber>,
    pub(super) remote: BTreeMap<&'static str, RawJson>,
    pub(super) stage_wish: Option<StageWish>,
    /// The value that `status` should read back as, although it is not sent.
    pub(super) expected_status: Option<RawJson>,
    losses: Vec<Warning>,
    /// Held entries, for the CRM's other fields on them.
    held_phones: Option<RawJson>,
    held_emails: Option<RawJson>,
    region: Region,
}

impl PipelineChange {
    /// A draft is a patch of an empty record.
    pub(in super::super) fn of_draft(draft: &ContactDraft, region: Region) -> Result<Self> {
        Self::of_patch(&Contact::bare(RemoteId::from("")), &change::of_draft(draft), region)
    }

    /// The changes that `patch` makes to `held`. Equal values are not sent.
    pub(in super::super) fn of_patch(held: &Contact, patch: &ContactPatch, region: Region) -> Result<Self> {
        let ContactPatch {
            first_name,
            last_name,
            account: _,   // Not stored; the gateway warns.
            addresses: _, // Not stored; the gateway warns.
            email_addresses,
            phone_numbers,
            remote_fields,
            read_only, // Ignored; the gateway warns where they differ.
        } = patch;
        let mut changed = Self {
            first_name: change::text(first_name, held, Field::FirstName),
            last_name: change::text(last_name, held, Field::LastName),
            held_phones: held.remote_fields.get("phoneNumber").cloned(),
            held_emails: held.remote_fields.get("email").cloned(),
            region,
            ..Self::default()
        };
        changed.emails(email_addresses, held);
        changed.phones(phone_numbers, held, region)?;
        changed.remote_fields(remote_fields, held, remote::origin(read_only, held))?;
        Ok(changed)
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        !self.first_name.touches()
            && !self.last_name.touches()
            && self.emails.is_none()
            && self.phones.is_none()
            && self.remote.is_empty()
    }

    /// The CRM lower-cases addresses, stores each once and has one primary address.
    fn emails(&mut self, patch: &Patch<Vec<EmailAddress>>, held: &Contact) {
        let Some(sent) = patch.list() else { return };
        // A list that the read does not show is sent: it may not be empty.
        let listed = !held.unseen.contains(Field::EmailAddresses);
        if listed && sent == held.email_addresses {
            return; // Unchanged since the read.
        }
        let mut entries = Entries::of(
            held.email_addresses
                .iter()
                .map(|held| (email_identity(&held.address), is_word(held.kind.as_ref(), &["main"]))),
        );
        for (index, email) in sent.iter().enumerate() {
            entries.add(index, email_identity(&email.address), Role::email(email.kind.as_ref()));
        }
        let (primary, mut emails) = (entries.with_primary(), Vec::new());
        for (index, email) in sent.iter().enumerate() {
            let Some(is_main) = primary.get(&index) else {
                let message = "Duplicate: the CRM stores each address once.";
                self.lose(format!("/emailAddresses/{index}"), message.into());
                continue;
            };
            let kind = if *is_main { "main" } else { "secondary" };
            self.lose_kind(email.kind.as_ref(), kind, format!("/emailAddresses/{index}/emailAddressType"));
            emails.push(EmailAddress { address: email.address.clone(), kind: Some(Text::from_static(kind)) });
        }
        // The main address is shown first, as for every CRM.
        let first = emails.first().map(|email| email.address.clone());
        emails.sort_by_key(|email| email.kind.as_deref() != Some("main"));
        let role = sent.iter().any(|email| is_word(email.kind.as_ref(), &["main", "primary"]));
        if !role && emails.first().map(|email| &email.address) != first.as_ref() {
            self.losses.push(Warning::new(
                WarningCode::OrderChanged,
                "/emailAddresses",
                "The main address was kept and is shown first. To change it, give another address the emailAddressType `main`.",
            ));
        }
        let same = emails.len() == held.email_addresses.len()
            && emails
                .iter()
                .zip(&held.email_addresses)
                .all(|(sent, held)| sent.address == held.address && sent.kind == held.kind);
        if !(listed && same) {
            self.emails = Some(emails);
        }
    }

    /// Chooses one primary number: the first of that type, else the held one, else the first mobile one, else
    /// the first.
    fn phones(&mut self, patch: &Patch<Vec<PhoneNumber>>, held: &Contact, region: Region) -> Result<()> {
        let Some(sent) = patch.list() else { return Ok(()) };
        let listed = !held.unseen.contains(Field::PhoneNumbers);
        if listed && sent == held.phone_numbers && !held.remote_id.as_str().is_empty() {
            return Ok(()); // Unchanged since the read.
        }
        let identities: Vec<PhoneIdentity> =
            sent.iter().map(|phone| PhoneIdentity::of(region, &phone.number)).collect();
        let shown = change::shown_numbers(held);
        check_phones(sent, &identities, &shown)?;
        let (own, fixed) = held.phone_numbers.split_at(held.phone_numbers.len() - fixed_count(held));
        let identity = |phone: &PhoneNumber| PhoneIdentity::of(region, &phone.number);
        let mut entries =
            Entries::of(own.iter().map(|held| (identity(held), is_word(held.kind.as_ref(), &["primary"]))));
        let mut left = FixedNumbers::of(fixed.iter().map(identity).filter(|held| !entries.holds(held)));
        for (index, (phone, identity)) in sent.iter().zip(identities.iter().cloned()).enumerate() {
            let role = Role::phone(phone.kind.as_ref());
            if left.holds(&identity) {
                left.record(index, &identity, role, entries.added.len());
            } else {
                entries.add(index, identity, role);
            }
        }
        left.check(!entries.added.is_empty())?;
        if left.is_reordered(entries.added.len()) {
            let message = "The CRM shows the numbers of `secondaryPhoneNumber` last, in its own order.";
            self.losses.push(Warning::new(WarningCode::OrderChanged, "/phoneNumbers", message));
        }
        let (primary, fixed_places, mut phones) = (entries.with_primary(), left.indices(), Vec::new());
        for (index, phone) in sent.iter().enumerate() {
            let kind = match primary.get(&index) {
                Some(true) => "primary",
                Some(false) => "secondary",
                None if fixed_places.contains(&index) => "secondary",
                None => {
                    let message = "Duplicate: the CRM stores each number once.";
                    self.lose(format!("/phoneNumbers/{index}"), message.into());
                    continue;
                }
            };
            self.lose_kind(phone.kind.as_ref(), kind, format!("/phoneNumbers/{index}/phoneNumberType"));
            if primary.contains_key(&index) {
                let number = self.number(index, phone, &identities[index], &shown);
                phones.push(PhoneNumber { number, kind: Some(Text::from_static(kind)) });
            }
        }
        let same = phones.len() == own.len()
            && phones
                .iter()
                .zip(own)
                .all(|(sent, held)| sent.number == held.number && sent.kind == held.kind);
        if !(listed && same) {
            self.phones = Some(phones);
            self.fixed_phones = fixed.to_vec();
        }
        Ok(())
    }

    /// The number as it is sent. The CRM stores E.164 without extension: digits of an extension would become
    /// part of the number.
    fn number(
        &mut self,
        index: usize,
        phone: &PhoneNumber,
        identity: &PhoneIdentity,
        shown: &HashSet<&str>,
    ) -> Text {
        if shown.contains(phone.number.as_str()) && identity.without_extension().is_none() {
            return phone.number.clone();
        }
        if identity.without_extension().is_some() {
            let message =
                "The CRM stores numbers in E.164, which has no extension. The extension was dropped.";
            self.lose(format!("/phoneNumbers/{index}/phoneNumber"), message.into());
        }
        if let Some(form) = identity.e164() {
            return form.clone();
        }
        self.losses.push(change::phone_not_parsed(index, identity));
        identity.without_extension().unwrap_or(&phone.number).clone()
    }

    fn remote_fields(&mut self, sent: &RemoteFields, held: &Contact, origin: BodyOrigin) -> Result<()> {
        let mut faults = Faults::new();
        let (update, read_back) = (!held.remote_id.as_str().is_empty(), origin != BodyOrigin::Caller);
        let mut selected = RULES.select(sent, Some(&held.remote_fields), read_back)?;
        let mut pointers: BTreeMap<&str, String> = BTreeMap::new();
        let clears_stage =
            |write: &RemoteWrite<'_>| write.spec.name == "pipelineStage" && write.value.is_null();
        let clears_stage = selected.writes.iter().any(clears_stage);
        for write in selected.writes {
            let name = write.spec.name;
            let fits = match (name, json::kind(write.value.as_str())) {
                (name, _) if update && read_back && write.spec.on_create_only => {
                    selected.ignored.push(name);
                    continue;
                }
                // A stage that is cleared has no name. If the contact was changed since, or its stage is not
                // shown, `null` is an old value.
                ("status", Kind::Null)
                    if clears_stage && read_back
                        || origin == BodyOrigin::Outdated
                        || read_back && held.remote_fields.get("status").is_none() =>
                {
                    continue;
                }
                (name, _) if update && write.spec.on_create_only => {
                    Err(format!("`{name}` can only be written on create."))
                }
                (_, Kind::String) | ("pipelineStage", Kind::Null) => Ok(()),
                ("status", Kind::Null) => {
                    Err("`status` must be a string. To clear the stage, send `pipelineStage: null`."
                        .to_owned())
                }
                (name, _) => Err(format!("`{name}` must be a string.")),
            };
            match fits {
                Ok(()) => {
                    self.remote.insert(name, write.value.clone());
                    pointers.insert(name, write.pointer);
                }
                Err(detail) => faults.push(FieldFault::member(write.pointer, "malformed", detail)),
            }
        }
        self.losses.extend(RULES.warning(&selected.ignored));
        let (status, stage) = (pointers.remove("status"), pointers.remove("pipelineStage"));
        // The other field is sent too and equals the held one: the same body was sent before, or the CRM has moved the
        // contact.
        let is_repeated = match (&status, &stage) {
            (Some(_), None) => sent.get("pipelineStage").is_some(),
            (None, Some(_)) => sent.get("status").is_some(),
            _ => false,
        };
        if is_repeated && origin == BodyOrigin::Outdated {
            self.ignore_stage();
        } else {
            let changed = |name: &str| {
                let raw = self.remote.get(name);
                raw.and_then(|raw| json::string(raw.as_str())).map(|text| Text::from(text.as_ref()))
            };
            match StageWish::of([status, stage], changed, held, origin) {
                Ok(wish) => self.stage_wish = wish,
                Err(conflict) => faults.extend(conflict),
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// Keeps the stage that the contact was moved to since the read.
    pub(super) fn ignore_stage(&mut self) {
        for name in ["status", "pipelineStage", "pipelineId"] {
            self.remote.remove(name);
        }
        let message = "The contact was changed after this body was read, so its stage was ignored. To move the contact, send `status` or `pipelineStage` alone.";
        self.losses.push(Warning::new(WarningCode::ReadOnly, "/remoteFields/pipelineStage", message));
    }

    /// The stage that the write names, if it names one.
    pub(in super::super) const fn stage_wish(&self) -> Option<&StageWish> {
        self.stage_wish.as_ref()
    }

    fn lose(&mut self, pointer: String, message: Text) {
        self.losses.push(Warning::new(WarningCode::NotStored, pointer, message));
    }

    fn lose_kind(&mut self, sent: Option<&Text>, stored: &str, pointer: String) {
        if sent.is_some_and(|sent| !sent.trim().eq_ignore_ascii_case(stored)) {
            let message =
                format!("The CRM only stores which one is primary. This one reads back as `{stored}`.");
            self.lose(pointer, message.into());
        }
    }

    /// The body, what the CRM should hold afterwards, and the losses.
    pub(in super::super) fn encode(self) -> Result<(String, ContactPatch, Vec<Warning>)> {
        let body =
            self.body().map_err(|_| Failure::internal("a body for the pipeline CRM could not be written"))?;
        let status = self.expected_status.map(|status| ("status", status));
        let remote = self.remote.into_iter().chain(status);
        // If we send no primary entry or several, the CRM may choose one.
        let one_primary = |phones: &[PhoneNumber]| {
            phones.iter().filter(|phone| is_word(phone.kind.as_ref(), &["primary"])).count() == 1
        };
        let phones = self.phones.map(|mut phones| {
            if !one_primary(&phones) {
                for phone in &mut phones {
                    phone.kind = None;
                }
            }
            phones.extend(self.fixed_phones);
            phones
        });
        let expected = ContactPatch {
            first_name: self.first_name,
            last_name: self.last_name,
            account: Patch::Keep,
            addresses: Patch::Keep,
            email_addresses: change::expected(self.emails),
            phone_numbers: change::expected(phones),
            remote_fields: RemoteFields(
                remote.map(|(name, value)| (Text::from_static(name), value)).collect(),
            ),
            read_only: Vec::new(),
        };
        Ok((body, expected, self.losses))
    }

    fn body(&self) -> serde_json::Result<String> {
        let raw = |name: &str| self.remote.get(name).map(|value| Raw::from_checked(value.as_str()));
        let phones = self.phones.as_ref().map(|phones| {
            let key = |number: &str| PhoneIdentity::of(self.region, number).as_str().to_owned();
            let held = held_entries(self.held_phones.as_ref(), key);
            phones
                .iter()
                .map(|phone| entry(&phone.number, phone.kind.as_ref(), held.get(&key(&phone.number))))
                .collect()
        });
        let emails = self.emails.as_deref().map(|emails| {
            let held = held_entries(self.held_emails.as_ref(), email_identity);
            match emails {
                [] => Email::None(()),
                [one] if held.is_empty() => Email::One(&one.address),
                several => Email::Several(
                    several
                        .iter()
                        .map(|email| {
                            let kept = held.get(&email_identity(&email.address));
                            entry(&email.address, email.kind.as_ref(), kept)
                        })
                        .collect(),
                ),
            }
        });
        serde_json::to_string(&WireBody {
            first_name: written(&self.first_name),
            last_name: written(&self.last_name),
            phone_number: phones,
            email: emails,
            process: raw("process"),
            status: raw("status"),
            pipeline_stage: raw("pipelineStage"),
            pipeline_id: raw("pipelineId"),
        })
    }
}

/// The role that the caller's type gives to an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Primary,
    Mobile,
    Secondary,
    Other,
}

impl Role {
    fn email(kind: Option<&Text>) -> Self {
        if is_word(kind, &["main", "primary"]) {
            Self::Primary
        } else if is_word(kind, &["secondary"]) {
            Self::Secondary
        } else {
            Self::Other
        }
    }

    fn phone(kind: Option<&Text>) -> Self {
        if is_word(kind, &["primary", "main", "default"]) {
            Self::Primary
        } else if is_word(kind, &["mobile", "cell"]) {
            Self::Mobile
        } else if is_word(kind, &["secondary"]) {
            Self::Secondary
        } else {
            Self::Other
        }
    }
}

/// The entries of a list, each value once, matched with the held ones.
struct Entries<K> {
    /// Whether the held entry of this value is primary.
    held: HashMap<K, bool>,
    positions: HashMap<K, usize>,
    /// The index in the caller's list, the role, and whether the held entry is primary.
    added: Vec<(usize, Role, Option<bool>)>,
}

impl<K: Eq + Hash + Clone> Entries<K> {
    /// Held entries. If several have the same value, the first one counts.
    fn of(held: impl DoubleEndedIterator<Item = (K, bool)>) -> Self {
        Self { held: held.rev().collect(), positions: HashMap::new(), added: Vec::new() }
    }

    fn holds(&self, key: &K) -> bool {
        self.held.contains_key(key)
    }

    /// Adds an entry, unless its value was added already. A later duplicate can still make the entry primary.
    fn add(&mut self, index: usize, key: K, role: Role) {
        if let Some(position) = self.positions.get(&key) {
            if role == Role::Primary {
                self.added[*position].1 = role;
            }
            return;
        }
        self.added.push((index, role, self.held.get(&key).copied()));
        self.positions.insert(key, self.added.len() - 1);
    }

    /// The index of each entry, and whether it is primary. Primary is the first entry with that role, else the
    /// held primary one unless its role is secondary, else the first mobile one, else the first.
    fn with_primary(&self) -> HashMap<usize, bool> {
        let with_only = |primary: usize| {
            let entries = self.added.iter().enumerate();
            entries.map(|(position, (index, ..))| (*index, position == primary)).collect()
        };
        let first = |wanted: &dyn Fn(Role) -> bool| self.added.iter().position(|(_, role, _)| wanted(*role));
        let is_promoted =
            |(_, role, held): &(usize, Role, Option<bool>)| *role == Role::Primary && *held != Some(true);
        if let (true, Some(primary)) =
            (self.added.iter().any(is_promoted), first(&|role| role == Role::Primary))
        {
            return with_only(primary);
        }
        let kept = self
            .added
            .iter()
            .map(|(index, role, held)| (*index, *held == Some(true) && *role != Role::Secondary));
        let kept: HashMap<usize, bool> = kept.collect();
        let had_none = !self.held.is_empty() && !self.held.values().any(|held| *held);
        let is_known = self.added.iter().any(|(_, _, held)| held.is_some());
        if kept.values().any(|primary| *primary) || (had_none && is_known) {
            return kept;
        }
        let first = first(&|role| role == Role::Mobile)
            .or_else(|| first(&|role| role != Role::Secondary))
            .unwrap_or(0);
        with_only(first)
    }
}

/// Numbers of `secondaryPhoneNumber`, which no call can write. A change must keep them.
struct FixedNumbers {
    /// The index of each number among them, and whether the caller sent it.
    positions: HashMap<PhoneIdentity, (usize, bool)>,
    /// Those that the caller sent: index in the list, index among them, role, and how many other numbers come
    /// first.
    seen: Vec<(usize, usize, Role, usize)>,
}

impl FixedNumbers {
    fn of(held: impl Iterator<Item = PhoneIdentity>) -> Self {
        let mut positions = HashMap::new();
        for identity in held {
            let next = positions.len();
            positions.entry(identity).or_insert((next, false));
        }
        Self { positions, seen: Vec::new() }
    }

    fn holds(&self, identity: &PhoneIdentity) -> bool {
        self.positions.contains_key(identity)
    }

    /// Records that the caller sent the number after so many `others`.
    fn record(&mut self, index: usize, identity: &PhoneIdentity, role: Role, others: usize) {
        if let Some((position, seen)) = self.positions.get_mut(identity)
            && !std::mem::replace(seen, true)
        {
            self.seen.push((index, *position, role, others));
        }
    }

    fn indices(&self) -> HashSet<usize> {
        self.seen.iter().map(|(index, ..)| *index).collect()
    }

    /// Fails with `validation_failed` if the change would remove one of them, make one primary, or leave no
    /// other number.
    fn check(&self, others: bool) -> Result<()> {
        let mut faults = Faults::new();
        if self.seen.len() < self.positions.len() {
            let detail = "The list lacks a number of the CRM's field `secondaryPhoneNumber`, which the API cannot write. Keep it in the list, or remove it in the CRM.";
            faults.push(FieldFault::member("/phoneNumbers", "read_only", detail));
        }
        if !others {
            let detail = "The pipeline CRM identifies contacts by phone. At least one number of its field `phoneNumber` must remain.";
            faults.push(FieldFault::member("/phoneNumbers", "required", detail));
        }
        for (index, ..) in self.seen.iter().filter(|(_, _, role, _)| *role == Role::Primary) {
            let detail = "This number is in the CRM's field `secondaryPhoneNumber`, which the API cannot write, so it cannot become primary.";
            let pointer = format!("/phoneNumbers/{index}/phoneNumberType");
            faults.push(FieldFault::member(pointer, "read_only", detail));
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// Whether the caller's order differs from the one that the CRM shows.
    fn is_reordered(&self, others: usize) -> bool {
        let in_order = self.seen.windows(2).all(|pair| pair[0].1 < pair[1].1);
        !in_order || self.seen.iter().any(|(.., before)| *before < others)
    }
}

/// How many of the held numbers come from the field `secondaryPhoneNumber`. They are the last ones.
fn fixed_count(held: &Contact) -> usize {
    let Some(raw) = held.remote_fields.get("secondaryPhoneNumber").map(RawJson::as_str) else { return 0 };
    let is_number = |raw: &str| match json::kind(raw) {
        Kind::String => json::string(raw).is_some_and(|text| !text.trim().is_empty()),
        kind => kind == Kind::Number,
    };
    let has_number = |raw: &str| match json::members(raw) {
        Some(members) => members.get("value").is_some_and(|raw| is_number(raw.get())),
        None => is_number(raw),
    };
    let count = match json::elements(raw) {
        Some(elements) => {
            elements.iter().take(MOST_ENTRIES).filter(|element| has_number(element.get())).count()
        }
        None => usize::from(has_number(raw)),
    };
    count.min(held.phone_numbers.len())
}

/// Checks the CRM's rules for phones. Held numbers are not checked.
fn check_phones(phones: &[PhoneNumber], identities: &[PhoneIdentity], shown: &HashSet<&str>) -> Result<()> {
    if phones.is_empty() {
        let detail = "The pipeline CRM identifies contacts by phone. At least one number must remain.";
        return Err(Failure::validation(vec![FieldFault::member("/phoneNumbers", "required", detail)]));
    }
    let detail = |phone: &PhoneNumber, identity: &PhoneIdentity| {
        let written = identity.e164().or(identity.without_extension()).unwrap_or(&phone.number);
        if shown.contains(phone.number.as_str()) {
            None
        } else if !(7..=15).contains(&digits(written).len()) {
            Some("The pipeline CRM accepts numbers of 7 to 15 digits.")
        } else if identity.e164().is_none() && has_letters(&phone.number) {
            Some("The pipeline CRM would convert the letters to digits. Send the number without letters.")
        } else {
            None
        }
    };
    let fault = |(index, (phone, identity))| {
        let pointer = format!("/phoneNumbers/{index}/phoneNumber");
        detail(phone, identity).map(|detail| FieldFault::member(pointer, "malformed", detail))
    };
    let faults: Faults = phones.iter().zip(identities).enumerate().filter_map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
}

/// The CRM's other fields of an entry.
type OtherFields<'a> = BTreeMap<Cow<'a, str>, Raw<'a>>;

/// The CRM's other fields of each entry, by key. If several entries have the same key, the first one counts.
fn held_entries(held: Option<&RawJson>, key: impl Fn(&str) -> String) -> HashMap<String, OtherFields<'_>> {
    let entries = held.and_then(|held| json::elements(held.as_str())).unwrap_or_default();
    let kept = entries.into_iter().rev().filter_map(|entry| {
        let members = json::members(entry.get())?;
        let value = members.get("value").and_then(|raw| json::string(raw.get()));
        let others = members.0.into_iter().filter(|(name, _)| name != "value" && name != "isPrimary");
        // An entry without a readable value is kept under an empty key, which no caller's entry has.
        Some((value.map_or(String::new(), |value| key(&value)), others.collect()))
    });
    kept.collect()
}

fn entry<'a>(value: &'a Text, kind: Option<&Text>, kept: Option<&OtherFields<'a>>) -> WireEntry<'a> {
    let is_primary = is_word(kind, &["primary", "main"]);
    WireEntry { value, is_primary, kept: kept.cloned().unwrap_or_default() }
}

/// A text as it is sent: `None` is unchanged, `Some(None)` is the `null` that clears.
fn written(patch: &Patch<Text>) -> Option<Option<&str>> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(None),
        Patch::Set(text) => Some(Some(text)),
    }
}
