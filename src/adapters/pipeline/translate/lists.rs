//! The lists of e-mail addresses and phone numbers that a change writes. The CRM stores each value once and has one primary
//! entry. It has a second list of numbers that no call can write.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::adapters::change::{self, is_main, is_word, shown_list};
use crate::adapters::lenient_reader::MOST_ENTRIES;
use crate::domain::{
    Contact, EmailAddress, Failure, Faults, FieldFault, PhoneIdentity, PhoneNumber, RawJson, Region, Result,
    Text, Warning, WarningCode, digits, email_identity, has_letters,
};
use crate::json::{self, Kind};

/// Numbers to write.
#[derive(Clone)]
pub(super) struct PhoneChange {
    pub(super) written: Vec<PhoneNumber>,
    /// Held numbers that no call can write. They come after the written ones.
    pub(super) fixed: Vec<PhoneNumber>,
}

/// The addresses to write; `None` if the CRM has them. It lower-cases them.
pub(super) fn emails(
    sent: &[EmailAddress],
    held: &Contact,
    losses: &mut Vec<Warning>,
) -> Option<Vec<EmailAddress>> {
    let shown = shown_list(held);
    if shown == Some(sent) {
        return None; // Unchanged since the read.
    }
    let mut entries = Entries::of(
        held.email_addresses
            .iter()
            .map(|held| (email_identity(&held.address), is_word(held.kind.as_ref(), &["main"]))),
    );
    for (index, email) in sent.iter().enumerate() {
        entries.add(index, email_identity(&email.address), Role::email(email));
    }
    let (primary, mut emails) = (entries.with_primary(), Vec::new());
    for (index, email) in sent.iter().enumerate() {
        let Some(is_main) = primary.get(&index) else {
            losses.push(change::duplicate::<EmailAddress>("the CRM", index));
            continue;
        };
        let kind = if *is_main { "main" } else { "secondary" };
        losses.extend(change::other_kind(index, email, kind, || only_primary(kind)));
        emails.push(EmailAddress { address: email.address.clone(), kind: Some(Text::from_static(kind)) });
    }
    // The main address is shown first, as for every CRM.
    let first = emails.first().map(|email| email.address.clone());
    emails.sort_by_key(|email| email.kind.as_deref() != Some("main"));
    if !change::names_main(sent) && emails.first().map(|email| &email.address) != first.as_ref() {
        losses.push(Warning::new(
            WarningCode::OrderChanged,
            "/emailAddresses",
            "The main address was kept and is shown first. To change it, give another address the emailAddressType `main`.",
        ));
    }
    (shown != Some(emails.as_slice())).then_some(emails)
}

/// The numbers to write; `None` if the CRM has them. Chooses one primary number: the first of that type, else the held one,
/// else the first mobile one, else the first.
pub(super) fn phones(
    sent: &[PhoneNumber],
    held: &Contact,
    region: Region,
    losses: &mut Vec<Warning>,
) -> Result<Option<PhoneChange>> {
    let shown_numbers = shown_list(held);
    if shown_numbers == Some(sent) && !held.remote_id.as_str().is_empty() {
        return Ok(None); // Unchanged since the read.
    }
    let identity = |phone: &PhoneNumber| PhoneIdentity::of(region, &phone.number);
    let identities: Vec<PhoneIdentity> = sent.iter().map(identity).collect();
    let shown = change::shown_numbers(held);
    check_phones(sent, &identities, &shown)?;
    let (own, fixed) = held.phone_numbers.split_at(held.phone_numbers.len() - fixed_count(held));
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
        losses.push(Warning::new(WarningCode::OrderChanged, "/phoneNumbers", message));
    }
    let (primary, fixed_places, mut written) = (entries.with_primary(), left.indices(), Vec::new());
    for (index, phone) in sent.iter().enumerate() {
        let kind = match primary.get(&index) {
            Some(true) => "primary",
            Some(false) => "secondary",
            None if fixed_places.contains(&index) => "secondary",
            None => {
                losses.push(change::duplicate::<PhoneNumber>("the CRM", index));
                continue;
            }
        };
        losses.extend(change::other_kind(index, phone, kind, || only_primary(kind)));
        if primary.contains_key(&index) {
            let number = number(index, phone, &identities[index], &shown, losses);
            written.push(PhoneNumber { number, kind: Some(Text::from_static(kind)) });
        }
    }
    let is_same = shown_numbers.is_some() && written == own;
    Ok((!is_same).then(|| PhoneChange { written, fixed: fixed.to_vec() }))
}

fn only_primary(stored: &str) -> String {
    format!("The CRM only stores which one is primary. This one reads back as `{stored}`.")
}

/// The number as it is sent. The CRM stores E.164 without extension: digits of an extension would become part of the number.
fn number(
    index: usize,
    phone: &PhoneNumber,
    identity: &PhoneIdentity,
    shown: &HashSet<&str>,
    losses: &mut Vec<Warning>,
) -> Text {
    if identity.without_extension().is_some() {
        let message = "The CRM stores numbers in E.164, which has no extension. The extension was dropped.";
        losses.push(Warning::new(
            WarningCode::NotStored,
            format!("/phoneNumbers/{index}/phoneNumber"),
            message,
        ));
    } else if shown.contains(phone.number.as_str()) {
        return phone.number.clone();
    }
    if let Some(form) = identity.e164() {
        return form.clone();
    }
    losses.push(change::phone_not_parsed(index, identity));
    identity.without_extension().unwrap_or(&phone.number).clone()
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
    fn email(email: &EmailAddress) -> Self {
        if is_main(email) {
            Self::Primary
        } else if is_word(email.kind.as_ref(), &["secondary"]) {
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
