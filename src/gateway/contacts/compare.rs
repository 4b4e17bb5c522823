//! Verified writes: what the CRM holds afterwards, compared with what it should hold.

use crate::adapters::{AdapterSpec, Verify, digits, pointer_token};
use crate::domain::{
    Contact, ContactPatch, EmailAddress, Field, FieldFault, Patch, PhoneNumber, RawJson, Text,
};
use crate::json;

/// One member that is not as it should be, or could not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// RFC 6901 pointer into the unified contact.
    pub(super) pointer: String,
    /// What is the matter with it.
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The CRM holds nothing there.
    Missing,
    /// The CRM holds something else.
    Other,
    /// The reading does not show it.
    Unseen,
}

impl Difference {
    fn new(pointer: impl Into<String>, verdict: Verdict) -> Self {
        Self { pointer: pointer.into(), verdict }
    }

    /// The difference as a fault of a change that did not stick.
    pub(super) fn fault(&self) -> FieldFault {
        FieldFault::member(
            self.pointer.clone(),
            "not_applied",
            "The CRM accepted the change and holds another value.",
        )
    }
}

/// Every member in which `held` differs from `expected`, compared as the CRM's declaration says.
pub(super) fn differences(spec: &AdapterSpec, expected: &ContactPatch, held: &Contact) -> Vec<Difference> {
    let ContactPatch {
        first_name,
        last_name,
        account,
        addresses: _, // No CRM takes addresses; what is undeclared is lost by declaration and never expected.
        email_addresses,
        phone_numbers,
        remote_fields,
        read_only: _, // Never written.
    } = expected;
    let mut found = Vec::new();
    for (field, wanted, now) in [
        (Field::FirstName, first_name, &held.first_name),
        (Field::LastName, last_name, &held.last_name),
        (Field::Account, account, &held.account),
    ] {
        found.extend(
            check(spec, held, field, wanted.touches()).unwrap_or_else(|| text(field, wanted, now.as_ref())),
        );
    }
    let emails =
        || list(email_addresses).map_or_else(Vec::new, |wanted| email_list(wanted, &held.email_addresses));
    found.extend(check(spec, held, Field::EmailAddresses, email_addresses.touches()).unwrap_or_else(emails));
    let phones =
        || list(phone_numbers).map_or_else(Vec::new, |wanted| phone_list(spec, wanted, &held.phone_numbers));
    found.extend(check(spec, held, Field::PhoneNumbers, phone_numbers.touches()).unwrap_or_else(phones));
    for (name, wanted) in &remote_fields.0 {
        found.extend(remote_member(spec, name, wanted, held));
    }
    found
}

/// Whether a reading can tell of everything that is expected: not where a member is never verified.
pub(super) fn is_verifiable(spec: &AdapterSpec, expected: &ContactPatch) -> bool {
    let never =
        |name: &str| spec.remote_fields.iter().any(|spec| spec.name == name && spec.verify == Verify::Never);
    !expected.remote_fields.0.iter().any(|(name, _)| never(name))
}

/// What is decided before looking at values: untouched and never verified members agree, unseen ones are unseen.
fn check(spec: &AdapterSpec, held: &Contact, field: Field, touched: bool) -> Option<Vec<Difference>> {
    let verified = spec.field(field).is_some_and(|spec| spec.verify != Verify::Never);
    if !touched || !verified {
        return Some(Vec::new());
    }
    held.incomplete
        .contains(&field)
        .then(|| vec![Difference::new(format!("/{}", field.name()), Verdict::Unseen)])
}

fn text(field: Field, wanted: &Patch<Text>, now: Option<&Text>) -> Vec<Difference> {
    let differs = match (wanted, now) {
        (Patch::Set(wanted), Some(now)) => wanted.trim() != now.trim(),
        (Patch::Set(wanted), None) => !wanted.trim().is_empty(),
        (Patch::Clear, now) => now.is_some(),
        (Patch::Keep, _) => false,
    };
    let verdict = if now.is_none() { Verdict::Missing } else { Verdict::Other };
    differs.then(|| Difference::new(format!("/{}", field.name()), verdict)).into_iter().collect()
}

fn list<T>(wanted: &Patch<Vec<T>>) -> Option<&[T]> {
    match wanted {
        Patch::Keep => None,
        Patch::Clear => Some(&[]),
        Patch::Set(list) => Some(list),
    }
}

/// Addresses are compared without case; which one is the first is compared too, because the others follow from it.
fn email_list(wanted: &[EmailAddress], now: &[EmailAddress]) -> Vec<Difference> {
    let same = |wanted: &EmailAddress, now: &EmailAddress| {
        wanted.address.trim().to_lowercase() == now.address.trim().to_lowercase()
    };
    let mut found = members("/emailAddresses", wanted, now, same);
    if found.is_empty() && wanted.first().zip(now.first()).is_some_and(|(wanted, now)| !same(wanted, now)) {
        found.push(Difference::new("/emailAddresses/0/emailAddressType", Verdict::Other));
    }
    found
}

fn phone_list(spec: &AdapterSpec, wanted: &[PhoneNumber], now: &[PhoneNumber]) -> Vec<Difference> {
    let mut found = members("/phoneNumbers", wanted, now, same_number);
    if spec.field(Field::PhoneNumberType).is_some_and(|spec| spec.verify != Verify::Never) {
        for (index, phone) in wanted.iter().enumerate() {
            let other = now.iter().find(|held| same_number(phone, held)).is_some_and(|held| {
                let (wanted, held) = (phone.kind.as_deref(), held.kind.as_deref());
                matches!((wanted, held), (Some(wanted), Some(held)) if !wanted.eq_ignore_ascii_case(held))
            });
            if other {
                found.push(Difference::new(format!("/phoneNumbers/{index}/phoneNumberType"), Verdict::Other));
            }
        }
    }
    found
}

/// CRMs add or drop the country code, which has three digits at most; all others must be the same.
fn same_number(wanted: &PhoneNumber, held: &PhoneNumber) -> bool {
    let (wanted, held) = (digits(&wanted.number), digits(&held.number));
    let (short, long) = if wanted.len() < held.len() { (&wanted, &held) } else { (&held, &wanted) };
    wanted == held || (short.len() >= 7 && long.len() - short.len() <= 3 && long.ends_with(short.as_str()))
}

/// Entries that are missing, each by its index; entries that should not be there, as the whole list. What is held
/// confirms one entry, not two.
fn members<T>(pointer: &str, wanted: &[T], now: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<Difference> {
    let mut left: Vec<&T> = now.iter().collect();
    let mut found = Vec::new();
    for (index, wanted) in wanted.iter().enumerate() {
        match left.iter().position(|held| same(wanted, held)) {
            Some(at) => drop(left.remove(at)),
            None => found.push(Difference::new(format!("{pointer}/{index}"), Verdict::Missing)),
        }
    }
    if found.is_empty() && !left.is_empty() {
        found.push(Difference::new(pointer, Verdict::Other));
    }
    found
}

fn remote_member(spec: &AdapterSpec, name: &str, wanted: &RawJson, held: &Contact) -> Vec<Difference> {
    let declared = spec.remote_fields.iter().find(|spec| spec.name == name);
    let verify = declared.map_or(Verify::Exact, |spec| spec.verify);
    let pointer = format!("/remoteFields/{}", pointer_token(name));
    let spellings = declared.into_iter().flat_map(|spec| spec.aliases.iter().copied());
    let now = std::iter::once(name).chain(spellings).find_map(|name| held.remote_fields.get(name));
    let now = now.map(RawJson::as_str);
    match (verify, now) {
        (Verify::Never, _) => Vec::new(),
        (Verify::Values, Some(now)) => values(&pointer, wanted.as_str(), now),
        (Verify::Exact | Verify::Normalised, Some(now)) => {
            let agrees = same_value(wanted.as_str(), now) || (is_empty(wanted.as_str()) && is_empty(now));
            let verdict = if is_empty(now) { Verdict::Missing } else { Verdict::Other };
            (!agrees).then(|| Difference::new(pointer, verdict)).into_iter().collect()
        }
        (_, None) if is_empty(wanted.as_str()) => Vec::new(),
        (_, None) => vec![Difference::new(pointer, Verdict::Unseen)],
    }
}

/// The same JSON value; texts agree after trimming.
fn same_value(wanted: &str, now: &str) -> bool {
    let texts = (json::string(wanted), json::string(now));
    json::equal(wanted, now) || matches!(texts, (Some(wanted), Some(now)) if wanted.trim() == now.trim())
}

fn is_empty(json: &str) -> bool {
    matches!(json, "null" | "\"\"" | "[]" | "{}")
}

/// Member by member; one that reads back as an object with a `value` counts by that value.
fn values(pointer: &str, wanted: &str, now: &str) -> Vec<Difference> {
    let (Some(wanted), Some(now)) = (json::members(wanted), json::members(now)) else {
        return vec![Difference::new(pointer, Verdict::Other)];
    };
    let differs = wanted.0.iter().filter_map(|(name, wanted)| {
        let held = now.0.iter().find(|(held, _)| held == name).map(|(_, raw)| raw.get());
        let value = held.map(|held| {
            json::members(held)
                .and_then(|field| field.0.into_iter().find(|(key, _)| key == "value"))
                .map_or(held, |(_, raw)| raw.get())
        });
        let at = format!("{pointer}/{}", pointer_token(name));
        match value {
            None if is_empty(wanted.get()) => None,
            None => Some(Difference::new(at, Verdict::Missing)),
            Some(now) if same_value(wanted.get(), now) || (is_empty(wanted.get()) && is_empty(now)) => None,
            Some(now) => {
                Some(Difference::new(at, if is_empty(now) { Verdict::Missing } else { Verdict::Other }))
            }
        }
    });
    differs.collect()
}
