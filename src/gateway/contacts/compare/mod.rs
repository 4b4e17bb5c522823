//! Compares the contact after a write with the values of the write and with the contact before it.

mod finding;
mod lists;
mod values;

use std::collections::HashMap;

pub(super) use self::finding::{Finding, Verdict};
use self::lists::{email_list, phone_list};
pub(super) use self::values::value_of;
use self::values::{difference, is_empty};
use crate::adapters::{AdapterSpec, Moves, RemoteFieldSpec, Verify, pointer_token};
use crate::domain::{
    Contact, ContactPatch, Field, Patch, PhoneNumber, RawJson, Region, Text, text_identity, words,
};
use crate::json;

/// Reads of one record before and after a write.
#[derive(Clone, Copy)]
pub(super) struct Readings<'a> {
    /// The contact before the write; `None` for a new record.
    pub(super) before: Option<&'a Contact>,
    pub(super) after: &'a Contact,
    /// Whether `after` was read in both ways: then no read shows a field that is unseen.
    pub(super) both_ways: bool,
}

/// Compares `asked` with the contact after the write. Fields that are as asked have no finding. Fields that the
/// write does not name are compared if both reads show them.
pub(super) fn judge(
    spec: &AdapterSpec,
    region: Region,
    readings: Readings<'_>,
    asked: &ContactPatch,
) -> Vec<Finding> {
    let ContactPatch {
        first_name,
        last_name,
        account,
        addresses: _, // No CRM stores addresses.
        email_addresses,
        phone_numbers,
        remote_fields,
        read_only: _, // Never written.
    } = asked;
    let mut judge = Judge { spec, readings, found: Vec::new() };
    let split_differently = is_split_differently(first_name, last_name, readings.after);
    let names = |pointer: &str, wanted: &[Text], now: &[Text]| {
        let found = text(pointer, wanted, now);
        let normalised = |found| Finding { verdict: Verdict::Normalised, ..found };
        if split_differently { found.into_iter().map(normalised).collect() } else { found }
    };
    judge.field(Field::FirstName, value(first_name), |contact| contact.first_name.as_slice(), names);
    judge.field(Field::LastName, value(last_name), |contact| contact.last_name.as_slice(), names);
    judge.field(Field::Account, value(account), |contact| contact.account.as_slice(), text);
    judge.field(
        Field::EmailAddresses,
        email_addresses.list(),
        |contact| contact.email_addresses.as_slice(),
        email_list,
    );
    let phones = |pointer: &str, wanted: &[PhoneNumber], now: &[PhoneNumber]| {
        phone_list(spec, region, pointer, wanted, now)
    };
    judge.field(
        Field::PhoneNumbers,
        phone_numbers.list(),
        |contact| contact.phone_numbers.as_slice(),
        phones,
    );
    for declared in spec.remote_fields.iter().filter(|declared| declared.verify != Verify::Never) {
        let moves = match declared.moves {
            Moves::WhenWritten => false,
            Moves::With(others) => others.iter().any(|other| remote_fields.get(other).is_some()),
            Moves::ByItself => true,
        };
        judge.remote_field(declared, remote_fields.get(declared.name), moves);
    }
    judge.found
}

/// Whether a read can confirm everything that is expected. False if a field is never verified.
pub(super) fn is_verifiable(spec: &AdapterSpec, expected: &ContactPatch) -> bool {
    let never =
        |name: &str| spec.remote_fields.iter().any(|spec| spec.name == name && spec.verify == Verify::Never);
    !expected.remote_fields.0.iter().any(|(name, _)| never(name))
}

/// Whether `after` shows every field of `asked` that is verified.
pub(super) fn shows_all(spec: &AdapterSpec, asked: &ContactPatch, after: &Contact) -> bool {
    let verified = |field: Field| spec.field(field).is_some_and(|spec| spec.verify != Verify::Never);
    let mut asked_for = spec
        .remote_fields
        .iter()
        .filter(|spec| spec.verify != Verify::Never && asked.remote_fields.get(spec.name).is_some());
    Field::ALL.into_iter().all(|field| !asked.touches(field) || !verified(field) || after.shows(field))
        && (after.remote_fields_unread || asked_for.all(|spec| remote_value(spec, after).is_some()))
}

struct Judge<'a> {
    spec: &'a AdapterSpec,
    readings: Readings<'a>,
    found: Vec<Finding>,
}

impl<'a> Judge<'a> {
    /// Compares a unified field. A text is a list of at most one. `asked` is `None` if the write does not name
    /// the field.
    fn field<T: PartialEq + 'a>(
        &mut self,
        field: Field,
        asked: Option<&[T]>,
        of: impl Fn(&'a Contact) -> &'a [T],
        differences: impl Fn(&str, &[T], &[T]) -> Vec<Finding>,
    ) {
        if self.spec.field(field).is_none_or(|spec| spec.verify == Verify::Never) {
            return;
        }
        let Readings { before, after, .. } = self.readings;
        let pointer = format!("/{}", field.name());
        let before = before.filter(|before| before.shows(field)).map(&of);
        match (asked, before, after.shows(field).then(|| of(after))) {
            (Some(asked), _, None) => {
                let was_shown = before.is_some() && after.unseen.contains(field);
                self.absent(pointer, was_shown, asked.is_empty());
            }
            (Some(asked), before, Some(after)) => {
                let mut found = differences(&pointer, asked, after);
                let holds = |list: &[T], entries: &[T]| {
                    let found = differences(&pointer, entries, list);
                    !found.iter().any(|found| found.verdict == Verdict::NotStored)
                };
                // Entries were added, and none of those to remove was removed.
                let merged = |before: &[T]| holds(after, before) && !holds(asked, before);
                if let (Some(before), [Finding { pointer: at, verdict: verdict @ Verdict::Changed }]) =
                    (before, found.as_mut_slice())
                    && *at == pointer
                    && merged(before)
                {
                    *verdict = Verdict::NotApplied;
                }
                self.asked(found, before.map(|before| before == after));
            }
            (None, Some(before), Some(after)) => {
                self.unasked(pointer, &differences(field.name(), before, after));
            }
            (None, ..) => {}
        }
    }

    /// Compares a declared remote field. `moves`: its value may change without a write to it.
    fn remote_field(&mut self, declared: &RemoteFieldSpec, asked: Option<&RawJson>, moves: bool) {
        let Readings { before, after, .. } = self.readings;
        let pointer = format!("/remoteFields/{}", pointer_token(declared.name));
        let new = before.is_none();
        let asked = asked.map(RawJson::as_str);
        let before = before.and_then(|before| remote_value(declared, before));
        match (asked, before, remote_value(declared, after)) {
            (Some(asked), _, None) if new && is_empty(asked) && !after.remote_fields_unread => {}
            (Some(asked), before, None) => {
                let was_shown = before.is_some() && !after.remote_fields_unread;
                self.absent(pointer, was_shown, is_empty(asked));
            }
            (asked, before, Some(after)) if matches!(declared.verify, Verify::Values { .. }) => {
                self.values(declared.verify, &pointer, asked, before, after);
            }
            (None, ..) if moves => {}
            (asked, before, Some(after)) => self.value(declared.verify, pointer, asked, before, after),
            (None, _, None) => {}
        }
    }

    /// Compares an object key by key.
    fn values(
        &mut self,
        verify: Verify,
        pointer: &str,
        asked: Option<&str>,
        before: Option<&str>,
        after: &str,
    ) {
        let at = |name: &str| format!("{pointer}/{}", pointer_token(name));
        let Some(now) = json::members(after) else {
            return self.value(Verify::Exact, pointer.to_owned(), asked, before, after);
        };
        let (now, asked) = (now.by_name(), asked.and_then(json::members).unwrap_or_default());
        let before = before.and_then(json::members);
        let old = before.as_ref().map(json::Members::by_name);
        for (name, wanted) in &asked.0 {
            let old = old.as_ref().map(|old| value_in(verify, old, name));
            let now = value_in(verify, &now, name);
            self.value(verify, at(name), Some(wanted.get()), old, now);
        }
        let asked = asked.by_name();
        let kept = before.iter().flat_map(|before| &before.0);
        for (name, old) in kept.filter(|(name, _)| !asked.contains_key(name.as_ref())) {
            if let Some(now) = now.get(name.as_ref()) {
                let (old, now) = (value_of(verify, old.get()), value_of(verify, now.get()));
                self.value(verify, at(name), None, Some(old), now);
            }
        }
    }

    fn value(&mut self, verify: Verify, pointer: String, asked: Option<&str>, old: Option<&str>, now: &str) {
        let difference =
            |wanted: &str| difference(verify, wanted, now).map(|verdict| Finding::new(&pointer, verdict));
        match (asked, old) {
            (Some(asked), old) => {
                let is_unchanged = |old| json::equal(old, now) || (is_empty(old) && is_empty(now));
                self.asked(difference(asked).into_iter().collect(), old.map(is_unchanged));
            }
            (None, Some(old)) => {
                let found: Vec<Finding> = difference(old).into_iter().collect();
                self.unasked(pointer, &found);
            }
            (None, None) => {}
        }
    }

    /// Adds a field that the write names and that `after` does not show.
    fn absent(&mut self, pointer: String, was_shown: bool, cleared: bool) {
        match (was_shown && self.readings.both_ways, cleared) {
            (true, true) => {}
            (true, false) => self.found.push(Finding::new(pointer, Verdict::NotApplied)),
            (false, _) => self.found.push(Finding::new(pointer, Verdict::Unseen)),
        }
    }

    /// Adds differences from what was asked for. `unchanged` says whether the CRM still has the old value, if
    /// that was seen.
    fn asked(&mut self, found: Vec<Finding>, unchanged: Option<bool>) {
        self.found.extend(found.into_iter().map(|found| match (found.verdict, unchanged) {
            (Verdict::NotStored | Verdict::Changed, Some(true)) => {
                Finding { verdict: Verdict::NotApplied, ..found }
            }
            (Verdict::NotStored, Some(false)) => Finding { verdict: Verdict::Changed, ..found },
            _ => found,
        }));
    }

    fn unasked(&mut self, pointer: String, found: &[Finding]) {
        if found.iter().any(Finding::is_wrong) {
            self.found.push(Finding::new(pointer, Verdict::Unrequested));
        }
    }
}

fn value(patch: &Patch<Text>) -> Option<&[Text]> {
    match patch {
        Patch::Keep => None,
        Patch::Set(text) if !text.trim().is_empty() => Some(std::slice::from_ref(text)),
        Patch::Set(_) | Patch::Clear => Some(&[]),
    }
}

fn text(pointer: &str, wanted: &[Text], now: &[Text]) -> Vec<Finding> {
    let verdict = match (wanted.first(), now.first()) {
        (wanted, now) if wanted == now => return Vec::new(),
        (Some(wanted), Some(now)) if text_identity(wanted) == text_identity(now) => Verdict::Normalised,
        (Some(_), None) => Verdict::NotStored,
        _ => Verdict::Changed,
    };
    vec![Finding::new(pointer, verdict)]
}

/// Whether `after` shows the names asked for as one full name, which can be split in more than one way.
fn is_split_differently(first: &Patch<Text>, last: &Patch<Text>, after: &Contact) -> bool {
    let now = [after.first_name.as_slice(), after.last_name.as_slice()];
    let wanted = [value(first).unwrap_or(now[0]), value(last).unwrap_or(now[1])];
    after.names_derived
        && (first.touches() || last.touches())
        && words(wanted.into_iter().flatten()).eq(words(now.into_iter().flatten()))
}

/// The value of a declared remote field, in any of its spellings.
fn remote_value<'a>(declared: &RemoteFieldSpec, contact: &'a Contact) -> Option<&'a str> {
    let spellings = std::iter::once(&declared.name).chain(declared.aliases);
    let mut values = spellings.filter_map(|name| contact.remote_fields.get(name));
    values.next().map(RawJson::as_str)
}

/// The value of the field `name`; `null` if there is none.
fn value_in<'a>(verify: Verify, fields: &HashMap<&str, json::Raw<'a>>, name: &str) -> &'a str {
    fields.get(name).map_or("null", |raw| value_of(verify, raw.get()))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::adapters::spec;
    use crate::domain::{EmailAddress, PhoneIdentity, RemoteFields, RemoteId};
    use crate::instructions::{Work, linear};

    fn comparing(expected: ContactPatch, held: Contact) -> Work {
        let spec = spec("aptly").unwrap();
        Box::new(move || {
            let readings = Readings { before: Some(&held), after: &held, both_ways: true };
            drop(black_box(judge(spec, Region::default(), readings, &expected)));
        })
    }

    fn emails(numbers: impl Iterator<Item = usize>) -> Vec<EmailAddress> {
        numbers.map(|n| EmailAddress { address: format!("a{n}@example.com").into(), kind: None }).collect()
    }

    fn phones(numbers: impl Iterator<Item = usize>, country: &str) -> Vec<PhoneNumber> {
        let kind = || Some(Text::from_static("mobile"));
        numbers
            .map(|n| PhoneNumber { number: format!("{country}415555{n:04}").into(), kind: kind() })
            .collect()
    }

    fn custom(numbers: impl Iterator<Item = usize>) -> RemoteFields {
        let fields: Vec<String> = numbers.map(|n| format!("\"cf{n}\":\"{n}\"")).collect();
        let value = RawJson::from_validated(format!("{{{}}}", fields.join(",")).into());
        RemoteFields(vec![("customFields".into(), value)])
    }

    fn nobody() -> Contact {
        Contact::bare(RemoteId::from("abc123"))
    }

    fn patched(name: &str, value: Option<&str>) -> ContactPatch {
        let text = || value.map_or(Patch::Clear, |value| Patch::Set(Text::from(value)));
        let mut patch = ContactPatch::default();
        match name {
            "firstName" => patch.first_name = text(),
            "lastName" => patch.last_name = text(),
            "account" => patch.account = text(),
            "emailAddresses" => patch.email_addresses = text().map(|address| vec![email(address)]),
            "phoneNumbers" => patch.phone_numbers = text().map(|number| vec![phone(number)]),
            _ => patch.remote_fields.0.push((name.into(), remote(value))),
        }
        patch
    }

    /// A contact that shows only `value`. An inner `None` is shown as empty, an outer one is not shown.
    fn showing(name: &str, value: Option<Option<&str>>) -> Contact {
        let mut contact = nobody();
        for field in Field::ALL {
            contact.unseen.insert(field);
        }
        let Some(value) = value else { return contact };
        let text = value.map(Text::from);
        let field = match name {
            "firstName" => Field::FirstName,
            "lastName" => Field::LastName,
            "account" => Field::Account,
            "emailAddresses" => Field::EmailAddresses,
            "phoneNumbers" => Field::PhoneNumbers,
            _ => Field::RemoteFields,
        };
        contact.unseen.remove(field);
        match field {
            Field::FirstName => contact.first_name = text,
            Field::LastName => contact.last_name = text,
            Field::Account => contact.account = text,
            Field::EmailAddresses => contact.email_addresses = text.into_iter().map(email).collect(),
            Field::PhoneNumbers => contact.phone_numbers = text.into_iter().map(phone).collect(),
            _ => contact.remote_fields.0.push((name.into(), remote(value))),
        }
        contact
    }

    fn email(address: Text) -> EmailAddress {
        EmailAddress { address, kind: None }
    }

    fn phone(number: Text) -> PhoneNumber {
        PhoneNumber { number, kind: None }
    }

    fn remote(value: Option<&str>) -> RawJson {
        RawJson::from_validated(serde_json::to_string(&value).unwrap().into())
    }

    fn verdicts(
        provider: &str,
        before: Option<&Contact>,
        asked: &ContactPatch,
        after: &Contact,
        both_ways: bool,
    ) -> Vec<(String, Verdict)> {
        let readings = Readings { before, after, both_ways };
        let found = judge(spec(provider).unwrap(), Region::default(), readings, asked);
        found.into_iter().map(|found| (found.pointer, found.verdict)).collect()
    }

    /// The fields that each CRM stores, with three different values.
    const STORED: [(&str, &str, [&str; 3]); 11] = [
        ("aptly", "firstName", ["Ada", "Eva", "Ida"]),
        ("aptly", "lastName", ["Ada", "Eva", "Ida"]),
        ("aptly", "account", ["Ada", "Eva", "Ida"]),
        ("aptly", "emailAddresses", ["a@example.com", "e@example.com", "i@example.com"]),
        ("aptly", "phoneNumbers", ["+14155550101", "+14155550102", "+14155550103"]),
        ("aptly", "title", ["Ada", "Eva", "Ida"]),
        ("pipeline", "firstName", ["Ada", "Eva", "Ida"]),
        ("pipeline", "lastName", ["Ada", "Eva", "Ida"]),
        ("pipeline", "emailAddresses", ["a@example.com", "e@example.com", "i@example.com"]),
        ("pipeline", "phoneNumbers", ["+14155550101", "+14155550102", "+14155550103"]),
        ("pipeline", "status", ["Ada", "Eva", "Ida"]),
    ];

    #[test]
    fn a_field_that_no_reading_shows_is_unseen_unless_it_was_shown_before() {
        let mut cases = 0;
        for (provider, name, [old, new, _]) in STORED {
            let (set, clear) = (patched(name, Some(new)), patched(name, None));
            let (hidden, shown) = (showing(name, None), showing(name, Some(Some(old))));
            for (before, asked, both_ways, expected) in [
                (None, &set, true, Some(Verdict::Unseen)),
                (None, &set, false, Some(Verdict::Unseen)),
                (Some(&hidden), &set, true, Some(Verdict::Unseen)),
                (Some(&hidden), &clear, true, Some(Verdict::Unseen)),
                (Some(&shown), &set, true, Some(Verdict::NotApplied)),
                (Some(&shown), &clear, true, None),
                (Some(&shown), &set, false, Some(Verdict::Unseen)),
                (Some(&shown), &clear, false, Some(Verdict::Unseen)),
            ] {
                let found = verdicts(provider, before, asked, &hidden, both_ways);
                let found: Vec<Verdict> = found.into_iter().map(|(_, verdict)| verdict).collect();
                let what = format!("{provider} {name} {} {both_ways}", before.is_some());
                assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{what}");
                cases += 1;
            }
        }
        assert_eq!(cases, 88);
    }

    #[test]
    fn only_the_old_value_is_not_applied_and_any_other_is_changed() {
        for (provider, name, [old, new, other]) in STORED {
            let asked = patched(name, Some(new));
            let (before, empty, hidden) =
                (showing(name, Some(Some(old))), showing(name, Some(None)), showing(name, None));
            for (before, after, expected) in [
                (Some(&before), Some(new), None),
                (Some(&before), Some(old), Some(Verdict::NotApplied)),
                (Some(&before), Some(other), Some(Verdict::Changed)),
                (Some(&before), None, Some(Verdict::Changed)),
                (Some(&empty), None, Some(Verdict::NotApplied)),
                (Some(&empty), Some(new), None),
                (Some(&hidden), Some(new), None),
                (Some(&hidden), None, Some(Verdict::NotStored)),
                (None, Some(new), None),
                (None, None, Some(Verdict::NotStored)),
            ] {
                let found = verdicts(provider, before, &asked, &showing(name, Some(after)), false);
                let found: Vec<Verdict> = found.into_iter().map(|(_, verdict)| verdict).collect();
                // A missing entry counts as not stored, even if there is another one.
                assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{provider} {name} {after:?}");
            }
            let cleared = patched(name, None);
            let found = verdicts(provider, Some(&before), &cleared, &showing(name, Some(Some(old))), false);
            assert_eq!(found.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(), [Verdict::NotApplied]);
            assert_eq!(verdicts(provider, Some(&before), &cleared, &empty, false), []);
        }
    }

    #[test]
    fn a_value_that_the_crm_resolves_is_normalised_whatever_it_held_before() {
        let custom = |value: &str| {
            let field = format!("{{\"cf1\":{value}}}");
            RemoteFields(vec![("customFields".into(), RawJson::from_validated(field.into()))])
        };
        let fields = |remote_fields| ContactPatch { remote_fields, ..ContactPatch::default() };
        let held = |remote_fields| Contact { remote_fields, ..nobody() };
        let (date, midnight) = (custom("\"2025-09-01\""), custom("{\"value\":\"2025-08-31T22:00:00.000Z\"}"));
        let (composed, decomposed) = ("Jos\u{e9}", "Jose\u{301}");
        for (asked, after, pointer) in [
            (
                patched("firstName", Some(decomposed)),
                showing("firstName", Some(Some(composed))),
                "/firstName",
            ),
            (patched("lastName", Some("Ada ")), showing("lastName", Some(Some("Ada"))), "/lastName"),
            (
                patched("contactType", Some("tenant")),
                showing("contactType", Some(Some("Tenant"))),
                "/remoteFields/contactType",
            ),
            (fields(date.clone()), held(midnight.clone()), "/remoteFields/customFields/cf1"),
            (fields(date), held(custom("1756684800000")), "/remoteFields/customFields/cf1"),
            (fields(custom("\"7\"")), held(custom("{\"value\":7}")), "/remoteFields/customFields/cf1"),
            (
                patched("emailAddresses", Some("A@example.com")),
                showing("emailAddresses", Some(Some("a@example.com"))),
                "/emailAddresses/0/emailAddress",
            ),
            (
                patched("phoneNumbers", Some("+1 415 555 0101")),
                showing("phoneNumbers", Some(Some("+14155550101"))),
                "/phoneNumbers/0/phoneNumber",
            ),
        ] {
            let expected = [(pointer.to_owned(), Verdict::Normalised)];
            for before in [None, Some(&after), Some(&nobody())] {
                assert_eq!(verdicts("aptly", before, &asked, &after, false), expected);
            }
        }
        let (asked, after) = (fields(custom("\"2025-09-03\"")), held(midnight));
        let changed = [("/remoteFields/customFields/cf1".to_owned(), Verdict::Changed)];
        assert_eq!(verdicts("aptly", None, &asked, &after, false), changed);
    }

    #[test]
    fn what_was_not_asked_to_change_is_told_where_both_readings_show_another_value() {
        let nothing = ContactPatch::default();
        for (provider, name, [old, new, _]) in STORED {
            let before = showing(name, Some(Some(old)));
            let found = verdicts(provider, Some(&before), &nothing, &showing(name, Some(Some(new))), false);
            let moves = name == "status";
            let expected = (!moves).then_some(Verdict::Unrequested);
            assert_eq!(found.iter().map(|(_, verdict)| *verdict).next(), expected, "{provider} {name}");
            for (before, after) in
                [(Some(Some(old)), Some(Some(old))), (Some(Some(old)), None), (None, Some(Some(old)))]
            {
                let (before, after) = (showing(name, before), showing(name, after));
                assert_eq!(
                    verdicts(provider, Some(&before), &nothing, &after, true),
                    [],
                    "{provider} {name}"
                );
            }
        }
        let (before, after) =
            (showing("contactType", Some(Some("Owner"))), showing("contactType", Some(Some("Tenant"))));
        assert_eq!(verdicts("aptly", Some(&before), &patched("typeId", Some("t1")), &after, true).len(), 1);
        assert_eq!(verdicts("aptly", Some(&before), &nothing, &after, true).len(), 1);
        let (before, after) = (
            Contact { remote_fields: custom(1..4), ..nobody() },
            Contact { remote_fields: custom(2..4), ..nobody() },
        );
        assert_eq!(verdicts("aptly", Some(&before), &nothing, &after, true), []);
        // Fields that only the CRM sets, and values that are equal under the declared normalisation.
        for (name, old, new) in [
            ("duogram", "AB", "CD"),
            ("emailAddresses", "a@example.com", "A@example.com"),
            ("phoneNumbers", "+14155550101", "(415) 555-0101"),
        ] {
            let (before, after) = (showing(name, Some(Some(old))), showing(name, Some(Some(new))));
            assert_eq!(verdicts("aptly", Some(&before), &nothing, &after, true), [], "{name}");
        }
    }

    #[test]
    fn entries_in_another_order_are_told() {
        let lists = |numbers: [usize; 3]| Contact {
            phone_numbers: phones(numbers.into_iter(), "+1"),
            email_addresses: emails(numbers.into_iter()),
            ..nobody()
        };
        let asked = ContactPatch {
            phone_numbers: Patch::Set(phones(1..4, "+1")),
            email_addresses: Patch::Set(emails(1..4)),
            ..ContactPatch::default()
        };
        let found = verdicts("aptly", None, &asked, &lists([1, 3, 2]), false);
        let has =
            |pointer: &str| found.iter().any(|found| *found == (pointer.to_owned(), Verdict::Reordered));
        assert!(has("/phoneNumbers") && has("/emailAddresses"), "{found:?}");
        assert_eq!(verdicts("aptly", None, &asked, &lists([1, 2, 3]), false), []);
    }

    #[test]
    fn entries_that_should_go_and_are_all_still_there_are_not_applied() {
        let lists = |numbers: &[usize]| Contact {
            phone_numbers: phones(numbers.iter().copied(), "+1"),
            email_addresses: emails(numbers.iter().copied()),
            ..nobody()
        };
        for (before, asked, after, verdict) in [
            (&[1, 2][..], &[3][..], &[3, 1, 2][..], Verdict::NotApplied),
            (&[1], &[1, 2], &[1, 2, 3], Verdict::Changed),
            (&[1, 2], &[1], &[1, 3], Verdict::Changed),
        ] {
            let wanted = lists(asked);
            let asked = ContactPatch {
                phone_numbers: Patch::Set(wanted.phone_numbers),
                email_addresses: Patch::Set(wanted.email_addresses),
                ..ContactPatch::default()
            };
            let found = verdicts("aptly", Some(&lists(before)), &asked, &lists(after), false);
            let expected = ["/emailAddresses", "/phoneNumbers"].map(|pointer| (pointer.to_owned(), verdict));
            assert_eq!(found, expected, "{before:?}");
        }
    }

    #[test]
    fn a_full_name_in_the_same_words_is_the_names_that_were_asked_for() {
        let asked =
            ContactPatch { last_name: Patch::Set("Smith".into()), ..patched("firstName", Some("Mary Ann")) };
        let after = |derived| Contact {
            first_name: Some("Mary".into()),
            last_name: Some("Ann Smith".into()),
            names_derived: derived,
            ..nobody()
        };
        let before = after(false);
        let found = verdicts("aptly", Some(&before), &asked, &after(true), false);
        assert!(found.len() == 2 && found.iter().all(|(_, verdict)| *verdict == Verdict::Normalised));
        let found = verdicts("aptly", Some(&before), &asked, &after(false), false);
        assert!(found.len() == 2 && found.iter().all(|(_, verdict)| *verdict == Verdict::NotApplied));
    }

    #[test]
    fn comparing_takes_linear_work() {
        // The library reads its tables once.
        drop(PhoneIdentity::of(Region::default(), "+14155550100"));
        linear(
            "gateway::contacts::compare::tests::comparing_takes_linear_work",
            &[
                ("e-mail addresses", 500, |n| {
                    let email_addresses = Patch::Set(emails(0..n));
                    comparing(
                        ContactPatch { email_addresses, ..ContactPatch::default() },
                        Contact { email_addresses: emails((0..n).rev()), ..nobody() },
                    )
                }),
                ("phone numbers", 500, |n| {
                    let phone_numbers = Patch::Set(phones(0..n, "+1"));
                    comparing(
                        ContactPatch { phone_numbers, ..ContactPatch::default() },
                        Contact { phone_numbers: phones((0..n).rev(), ""), ..nobody() },
                    )
                }),
                ("phone numbers that all agree", 500, |n| {
                    let phone_numbers = Patch::Set(phones(std::iter::repeat_n(1, n), "+1"));
                    comparing(
                        ContactPatch { phone_numbers, ..ContactPatch::default() },
                        Contact { phone_numbers: phones(std::iter::repeat_n(1, n), ""), ..nobody() },
                    )
                }),
                ("phone numbers that end alike", 500, |n| {
                    let numbers = |code: &str, n| {
                        let numbers = (100..100 + n).map(|n| format!("{code}{n}4155550001").into());
                        numbers.map(|number| PhoneNumber { number, kind: None }).collect()
                    };
                    comparing(
                        ContactPatch { phone_numbers: Patch::Set(numbers("", n)), ..ContactPatch::default() },
                        Contact { phone_numbers: numbers("9", n), ..nobody() },
                    )
                }),
                ("custom fields", 1000, |n| {
                    comparing(
                        ContactPatch { remote_fields: custom(0..n), ..ContactPatch::default() },
                        Contact { remote_fields: custom((0..n).rev()), ..nobody() },
                    )
                }),
            ],
        );
    }
}
