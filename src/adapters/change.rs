//! Computes which parts of a patch differ from the held contact. Shared by all CRMs.

use std::collections::{HashMap, HashSet};

use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Field, Patch, PhoneIdentity, PhoneNumber, Region,
    RemoteFields, Text, Warning, WarningCode, email_identity,
};

/// Types that only one entry of a list can have.
const SINGLE_KINDS: [&str; 2] = ["main", "primary"];

/// Turns a draft into a patch of an empty record, so that a CRM needs only one write path. `null` fields are
/// dropped: in a new record they mean nothing.
pub(super) fn of_draft(draft: &ContactDraft) -> ContactPatch {
    let ContactDraft {
        first_name,
        last_name,
        account,
        addresses,
        email_addresses,
        phone_numbers,
        remote_fields,
        read_only,
    } = draft;
    let named = remote_fields.0.iter().filter(|(_, value)| !value.is_null());
    ContactPatch {
        first_name: first_name.clone().into(),
        last_name: Patch::Set(last_name.clone()),
        account: account.clone().into(),
        addresses: unless_empty(addresses),
        email_addresses: unless_empty(email_addresses),
        phone_numbers: unless_empty(phone_numbers),
        remote_fields: RemoteFields(named.cloned().collect()),
        read_only: read_only.clone(), // Never written; the gateway warns.
    }
}

fn unless_empty<T: Clone>(list: &[T]) -> Patch<Vec<T>> {
    if list.is_empty() { Patch::Keep } else { Patch::Set(list.to_vec()) }
}

/// Drops a change to a text that already has the same value. Blank text is no change. A field that the read
/// does not show is sent.
pub(super) fn text(patch: &Patch<Text>, held: &Contact, field: Field) -> Patch<Text> {
    let now = match field {
        Field::FirstName => &held.first_name,
        Field::LastName => &held.last_name,
        Field::Account => &held.account,
        _ => &None,
    };
    let wanted = patch.value().filter(|text| !text.trim().is_empty());
    match wanted {
        _ if !patch.touches() => Patch::Keep,
        _ if wanted == now.as_ref() && held.shows(field) => Patch::Keep,
        Some(text) => Patch::Set(text.clone()),
        None => Patch::Clear,
    }
}

/// An entry of a list: a value that the CRM compares, and its type.
pub(super) trait ListEntry: Clone + 'static {
    const FIELD: Field;
    /// What the value is called in messages.
    const NOUN: &'static str;
    /// The field with the type.
    const KIND: &'static str;

    /// The list of a contact.
    fn list(of: &Contact) -> &[Self];
    /// The value as it was written.
    fn value(&self) -> &str;
    /// The key: equal values have equal keys.
    fn identity(&self, region: Region) -> String;
    fn kind(&self) -> Option<&Text>;
    /// The same entry with another type.
    fn of_kind(self, kind: Option<Text>) -> Self;
}

impl ListEntry for PhoneNumber {
    const FIELD: Field = Field::PhoneNumbers;
    const NOUN: &'static str = "number";
    const KIND: &'static str = "phoneNumberType";

    fn list(of: &Contact) -> &[Self] {
        &of.phone_numbers
    }

    fn value(&self) -> &str {
        &self.number
    }

    fn identity(&self, region: Region) -> String {
        PhoneIdentity::of(region, &self.number).as_str().to_owned()
    }

    fn kind(&self) -> Option<&Text> {
        self.kind.as_ref()
    }

    fn of_kind(self, kind: Option<Text>) -> Self {
        Self { kind, ..self }
    }
}

impl ListEntry for EmailAddress {
    const FIELD: Field = Field::EmailAddresses;
    const NOUN: &'static str = "address";
    const KIND: &'static str = "emailAddressType";

    fn list(of: &Contact) -> &[Self] {
        &of.email_addresses
    }

    fn value(&self) -> &str {
        &self.address
    }

    fn identity(&self, _region: Region) -> String {
        email_identity(&self.address)
    }

    fn kind(&self) -> Option<&Text> {
        self.kind.as_ref()
    }

    fn of_kind(self, kind: Option<Text>) -> Self {
        Self { kind, ..self }
    }
}

/// The held list; `None` if the read does not show it. Then any list is a change: the held one may not be empty.
pub(super) fn shown_list<E: ListEntry>(held: &Contact) -> Option<&[E]> {
    (!held.unseen.contains(E::FIELD)).then(|| E::list(held))
}

/// The warning about an entry whose value the list has already.
pub(super) fn duplicate<E: ListEntry>(crm: &str, index: usize) -> Warning {
    let message = format!("Duplicate: {crm} stores each {} once.", E::NOUN);
    Warning::new(WarningCode::NotStored, format!("/{}/{index}", E::FIELD.name()), message)
}

/// The warning about a type that reads back as another one, if it does.
pub(super) fn other_kind<E: ListEntry>(
    index: usize,
    sent: &E,
    stored: &str,
    message: impl FnOnce() -> String,
) -> Option<Warning> {
    let sent = sent.kind().map(|kind| kind.trim()).filter(|kind| !kind.is_empty())?;
    let pointer = || format!("/{}/{index}/{}", E::FIELD.name(), E::KIND);
    let is_other = !sent.eq_ignore_ascii_case(stored);
    is_other.then(|| Warning::new(WarningCode::NotStored, pointer(), message()))
}

/// Whether the caller types one of the addresses as the main one.
pub(super) fn names_main(sent: &[EmailAddress]) -> bool {
    sent.iter().any(is_main)
}

/// Whether the address is typed as the main one.
pub(super) fn is_main(email: &EmailAddress) -> bool {
    is_word(email.kind.as_ref(), &SINGLE_KINDS)
}

/// Fills in missing types from held entries with the same value. A unique type is not copied if the caller
/// gives a unique type to another entry.
pub(super) fn with_held_kinds<E: ListEntry>(sent: &[E], held: &[E], region: Region) -> Vec<E> {
    let is_typed = |entry: &E| entry.kind().is_some_and(|kind| !kind.trim().is_empty());
    if held.is_empty() || sent.iter().all(is_typed) {
        return sent.to_vec();
    }
    let is_single = |kind: Option<&Text>| is_word(kind, &SINGLE_KINDS);
    let single_is_given = sent.iter().any(|entry| is_single(entry.kind()));
    // If several entries have the same value, the first one counts.
    let by_value: HashMap<&str, &E> = held.iter().rev().map(|held| (held.value(), held)).collect();
    let by_identity: HashMap<String, &E> =
        held.iter().rev().map(|held| (held.identity(region), held)).collect();
    let filled = |entry: &E| {
        let held = by_value.get(entry.value()).or_else(|| by_identity.get(&entry.identity(region)));
        let kind = held.and_then(|held| held.kind());
        entry.clone().of_kind(kind.filter(|kind| !(single_is_given && is_single(Some(kind)))).cloned())
    };
    sent.iter().map(|entry| if is_typed(entry) { entry.clone() } else { filled(entry) }).collect()
}

/// What the CRM should hold after `sent`.
pub(super) fn expected<T>(sent: Option<Vec<T>>) -> Patch<Vec<T>> {
    sent.map_or(Patch::Keep, |list| if list.is_empty() { Patch::Clear } else { Patch::Set(list) })
}

/// Whether two e-mail addresses are equal.
pub(super) fn same_email(one: &EmailAddress, other: &EmailAddress) -> bool {
    email_identity(&one.address) == email_identity(&other.address)
}

/// The numbers exactly as the record shows them. An entry that is sent back unchanged is no change.
pub(super) fn shown_numbers(held: &Contact) -> HashSet<&str> {
    held.phone_numbers.iter().map(|held| held.number.as_str()).collect()
}

/// The warning about a number that is sent unchanged.
pub(super) fn phone_not_parsed(index: usize, identity: &PhoneIdentity) -> Warning {
    let message = if identity.e164().is_some() {
        "The number has an extension, which E.164 cannot hold. It is sent unchanged."
    } else {
        "The number could not be converted to E.164 and is sent unchanged. Possible causes: no country code and no `defaultRegion`, letters, or a length that its country does not have."
    };
    Warning::new(WarningCode::PhoneNotParsed, format!("/phoneNumbers/{index}/phoneNumber"), message)
}

pub(super) fn is_word(kind: Option<&Text>, words: &[&str]) -> bool {
    kind.is_some_and(|kind| words.iter().any(|word| kind.trim().eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::instructions::linear;

    fn phones(entries: &[(&str, &str)]) -> Vec<PhoneNumber> {
        let kind = |kind: &str| (!kind.is_empty()).then(|| Text::from(kind));
        let phone =
            |(number, word): &(&str, &str)| PhoneNumber { number: (*number).into(), kind: kind(word) };
        entries.iter().map(phone).collect()
    }

    fn filled(sent: &[(&str, &str)], held: &[(&str, &str)]) -> Vec<PhoneNumber> {
        with_held_kinds(&phones(sent), &phones(held), Region::named(Some("US")))
    }

    #[test]
    fn an_entry_without_a_type_has_the_type_that_is_held() {
        let held = [("+14165550171", "work"), ("(416) 555-0172", "home"), ("416-555-0173", "fax")];
        let sent =
            [("416-555-0172", ""), ("+14165550171", " "), ("+14165550179", ""), ("416.555.0173", "mobile")];
        let expected = [
            ("416-555-0172", "home"),
            ("+14165550171", "work"),
            ("+14165550179", ""),
            ("416.555.0173", "mobile"),
        ];
        assert_eq!(filled(&sent, &held), phones(&expected));
        assert_eq!(filled(&sent[2..], &[]), phones(&sent[2..]));
        let emails = |kind: Option<&str>| {
            let kind = kind.map(Text::from);
            vec![EmailAddress { address: if kind.is_some() { "A@x.com" } else { "a@x.com " }.into(), kind }]
        };
        let kinds = with_held_kinds(&emails(None), &emails(Some("secondary")), Region::default());
        assert_eq!((kinds[0].address.as_str(), kinds[0].kind.as_deref()), ("a@x.com ", Some("secondary")));
    }

    #[test]
    fn of_one_number_in_two_spellings_each_keeps_its_type() {
        let held = [("+14165550171", "work"), ("416-555-0171", "home")];
        let sent = [("416-555-0171", ""), ("+14165550171", ""), ("416 555 0171", "")];
        let expected = [("416-555-0171", "home"), ("+14165550171", "work"), ("416 555 0171", "work")];
        assert_eq!(filled(&sent, &held), phones(&expected));
    }

    #[test]
    fn the_type_that_one_entry_has_goes_to_the_entry_that_the_caller_names() {
        let held = [("+14165550171", "primary"), ("+14165550172", "secondary")];
        let sent = |kind| [("+14165550171", ""), ("+14165550172", ""), ("+14165550173", kind)];
        let expected =
            |first, third| [("+14165550171", first), ("+14165550172", "secondary"), ("+14165550173", third)];
        assert_eq!(filled(&sent("mobile"), &held), phones(&expected("primary", "mobile")));
        assert_eq!(filled(&sent("Primary"), &held), phones(&expected("", "Primary")));
        assert_eq!(filled(&sent("main"), &held), phones(&expected("", "main")));
    }

    #[test]
    fn filling_types_takes_linear_work() {
        // The library reads its tables once.
        drop(PhoneIdentity::of(Region::default(), "+14155550100"));
        linear(
            "adapters::change::tests::filling_types_takes_linear_work",
            &[("phone numbers", 500, |n| {
                let phones = |country: &str, kind: Option<&str>| -> Vec<PhoneNumber> {
                    let number = |n| format!("{country}415555{n:04}").into();
                    let kind = kind.map(Text::from);
                    (0..n).map(|n| PhoneNumber { number: number(n), kind: kind.clone() }).collect()
                };
                let (sent, held) = (phones("+1", None), phones("", Some("work")));
                Box::new(move || drop(black_box(with_held_kinds(&sent, &held, Region::named(Some("US"))))))
            })],
        );
    }
}
