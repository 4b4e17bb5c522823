//! Groups contacts by person.
//!
//! Two contacts are one person if they share an e-mail address or an E.164 phone number and their names do not differ. Names
//! differ if neither the first names, nor the last names, nor the full names are equal; an empty name equals none. A person
//! is a connected group of such pairs.
//!
//! A contact without any name differs from nobody, but it joins no two people: if its addresses and numbers are those of
//! several people, it stays alone.

use std::collections::HashMap;
use std::hash::Hash;

use super::{FoundContact, FoundPerson};
use crate::adapters::{IdentityKey, IdentityKind};
use crate::domain::{Contact, Region, Text, name_identity};

/// The kinds of values that two contacts of one person share.
const KINDS: [IdentityKind; 2] = [IdentityKind::EmailAddress, IdentityKind::PhoneNumber];

/// A contact, and the country of its numbers that have no country code.
pub(super) struct Located {
    pub(super) region: Region,
    pub(super) found: FoundContact,
}

/// The people in the order of their first contacts. Each matched on `searched_by`.
pub(super) fn group(all: Vec<Located>, searched_by: &'static str) -> Vec<FoundPerson> {
    let traits = Traits::of(&all);
    let mut sets = Sets::new(all.len());
    traits.join_named(&mut sets);
    traits.join_nameless(&mut sets);
    let (mut members, mut places): (Vec<Vec<usize>>, HashMap<usize, usize>) = (Vec::new(), HashMap::new());
    for contact in 0..all.len() {
        let place = *places.entry(sets.root(contact)).or_insert(members.len());
        if place == members.len() {
            members.push(Vec::new());
        }
        members[place].push(contact);
    }
    let matched: Vec<_> = members.iter().map(|members| traits.matched_on(members, searched_by)).collect();
    let mut people: Vec<_> =
        matched.into_iter().map(|matched_on| FoundPerson { matched_on, contacts: Vec::new() }).collect();
    for (contact, located) in all.into_iter().enumerate() {
        people[places[&sets.root(contact)]].contacts.push(located.found);
    }
    people
}

/// What contacts are compared by, as small numbers: equal values have equal numbers.
struct Traits {
    /// The kind of each value.
    kinds: Vec<IdentityKind>,
    /// The values of each contact, each once.
    values: Vec<Vec<usize>>,
    /// The names of each contact.
    names: Vec<Vec<usize>>,
}

/// A name that two contacts may share. A first name equals no last name.
#[derive(PartialEq, Eq, Hash)]
enum NamePart {
    First(String),
    Last(String),
    Full(String),
}

impl Traits {
    fn of(all: &[Located]) -> Self {
        let (mut values, mut names) = (Numbers::default(), Numbers::default());
        let mut traits = Self { kinds: Vec::new(), values: Vec::new(), names: Vec::new() };
        for Located { region, found } in all {
            let mut own: Vec<usize> = keys(&found.contact, *region).map(|key| values.of(key)).collect();
            own.sort_unstable();
            own.dedup();
            traits.values.push(own);
            traits.names.push(name_parts(&found.contact).map(|part| names.of(part)).collect());
        }
        traits.kinds = values.keys().map(|(kind, _)| kind).collect();
        traits
    }

    fn is_nameless(&self, contact: usize) -> bool {
        self.names[contact].is_empty()
    }

    /// Joins contacts that share a value and a name.
    fn join_named(&self, sets: &mut Sets) {
        let mut first = HashMap::new();
        for (contact, names) in self.names.iter().enumerate() {
            for value in &self.values[contact] {
                for name in names {
                    sets.join(contact, *first.entry((*value, *name)).or_insert(contact));
                }
            }
        }
    }

    /// Joins contacts without a name that share a value, and then each such group with the only person who has one of its
    /// values.
    fn join_nameless(&self, sets: &mut Sets) {
        let mut owners: HashMap<usize, Owner> = HashMap::new();
        let mut first = HashMap::new();
        for contact in 0..self.names.len() {
            for value in &self.values[contact] {
                if self.is_nameless(contact) {
                    sets.join(contact, *first.entry(*value).or_insert(contact));
                } else {
                    let owner = owners.entry(*value).or_default();
                    *owner = owner.and(Owner::One(sets.root(contact)));
                }
            }
        }
        let mut groups: HashMap<usize, Owner> = HashMap::new();
        let nameless = || (0..self.names.len()).filter(|contact| self.is_nameless(*contact));
        for contact in nameless() {
            let known = self.values[contact].iter().filter_map(|value| owners.get(value));
            let group = groups.entry(sets.root(contact)).or_default();
            *group = known.fold(*group, |all, owner| all.and(*owner));
        }
        for (group, owner) in groups {
            if let Owner::One(person) = owner {
                sets.join(group, person);
            }
        }
    }

    /// The parameter of the search, and each kind of value that two of the contacts share.
    fn matched_on(&self, members: &[usize], searched_by: &'static str) -> Vec<&'static str> {
        let mut holders: HashMap<usize, usize> = HashMap::new();
        for value in members.iter().flat_map(|member| &self.values[*member]) {
            *holders.entry(*value).or_default() += 1;
        }
        let is_shared = |kind: &&IdentityKind| {
            holders.iter().any(|(value, holders)| *holders > 1 && self.kinds[*value] == **kind)
        };
        let shared = KINDS.iter().filter(is_shared).map(|kind| kind.word());
        std::iter::once(searched_by).chain(shared.filter(|word| *word != searched_by)).collect()
    }
}

/// The e-mail addresses and the numbers in E.164. Other texts, such as "none", identify nobody.
fn keys(contact: &Contact, region: Region) -> impl Iterator<Item = (IdentityKind, IdentityKey)> {
    let of_kind = move |kind: IdentityKind| {
        let values = kind.values(contact).into_iter().filter(move |value| kind.is_valid(value.trim()));
        values.map(move |value| (kind, kind.key(region, &value)))
    };
    let identifies = |(_, key): &(IdentityKind, IdentityKey)| match key {
        IdentityKey::Phone(phone) => phone.e164().is_some(),
        IdentityKey::Text(_) => true,
    };
    KINDS.into_iter().flat_map(of_kind).filter(identifies)
}

/// The first, the last and the full name, as far as there are any.
fn name_parts(contact: &Contact) -> impl Iterator<Item = NamePart> {
    let identity = |part: &Option<Text>| name_identity(part);
    let full = name_identity([&contact.first_name, &contact.last_name].into_iter().flatten());
    let parts = [
        NamePart::First(identity(&contact.first_name)),
        NamePart::Last(identity(&contact.last_name)),
        NamePart::Full(full),
    ];
    parts.into_iter().filter(|part| match part {
        NamePart::First(name) | NamePart::Last(name) | NamePart::Full(name) => !name.is_empty(),
    })
}

/// The people who have a value.
#[derive(Clone, Copy, Default)]
enum Owner {
    #[default]
    Nobody,
    One(usize),
    Several,
}

impl Owner {
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, owner) | (owner, Self::Nobody) => owner,
            (Self::One(one), Self::One(other)) if one == other => self,
            _ => Self::Several,
        }
    }
}

/// Numbers for values: 0 for the first, and the same for equal ones.
struct Numbers<K>(HashMap<K, usize>);

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Numbers<K> {
    fn of(&mut self, key: K) -> usize {
        let next = self.0.len();
        *self.0.entry(key).or_insert(next)
    }

    /// The values in the order of their numbers.
    fn keys(self) -> impl Iterator<Item = K> {
        let mut all: Vec<(K, usize)> = self.0.into_iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(key, _)| key)
    }
}

/// Disjoint sets of contacts.
struct Sets(Vec<usize>);

impl Sets {
    fn new(contacts: usize) -> Self {
        Self((0..contacts).collect())
    }

    /// The first contact of the set. Paths are halved on the way.
    fn root(&mut self, mut contact: usize) -> usize {
        while self.0[contact] != contact {
            self.0[contact] = self.0[self.0[contact]];
            contact = self.0[contact];
        }
        contact
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::domain::{EmailAddress, PhoneNumber, Provider, RemoteId};
    use crate::instructions::linear;

    /// Somebody with a name, addresses and numbers.
    type Given<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str]);

    fn located(number: usize, (first, last, emails, phones): &Given<'_>) -> Located {
        let text = |text: &&str| Some(Text::from(*text)).filter(|text| !text.is_empty());
        let contact = Contact {
            first_name: text(first),
            last_name: text(last),
            email_addresses: emails
                .iter()
                .map(|email| EmailAddress { address: (*email).into(), kind: None })
                .collect(),
            phone_numbers: phones
                .iter()
                .map(|phone| PhoneNumber { number: (*phone).into(), kind: None })
                .collect(),
            ..Contact::bare(RemoteId::from(format!("{number}")))
        };
        let found = FoundContact {
            credential: "c".into(),
            provider: Provider::new("p"),
            id: "con_1".into(),
            contact,
            warnings: Vec::new(),
        };
        Located { region: Region::named(Some("US")), found }
    }

    /// The groups, each with what it matched on.
    fn grouped(all: &[Given<'_>]) -> Vec<(Vec<usize>, String)> {
        let all = all.iter().enumerate().map(|(number, given)| located(number, given)).collect();
        let number = |found: &FoundContact| found.contact.remote_id.as_str().parse().unwrap();
        let shown = |FoundPerson { matched_on, contacts }: FoundPerson| {
            (contacts.iter().map(number).collect(), matched_on.join(" "))
        };
        group(all, "name").into_iter().map(shown).collect()
    }

    fn groups(all: &[Given<'_>]) -> Vec<Vec<usize>> {
        grouped(all).into_iter().map(|(members, _)| members).collect()
    }

    const ADA: &[&str] = &["ada@example.com"];
    const NUMBER: &[&str] = &["+14155550101"];

    #[test]
    fn contacts_that_share_a_value_are_one_person_unless_both_names_differ() {
        assert_eq!(groups(&[("Ada", "Byron", ADA, &[]), ("Ada", "Byron", &[], NUMBER)]), [[0], [1]]);
        for (one, other, is_one) in [
            (("Ada", "Byron"), ("Ada", "Byron"), true),
            (("Ada", "Byron"), (" ADA ", "King"), true),
            (("Ada", "Byron"), ("Augusta", "byron"), true),
            (("Ada", "Byron"), ("Eve", "King"), false),
            (("Ada", "Byron"), ("Byron", "Ada"), false),
            (("Ada", "Byron"), ("", "Ada  Byron"), true),
            (("Ada", "Byron"), ("Ada", ""), true),
            (("Ada", "Byron"), ("Eve", ""), false),
            (("Ada", ""), ("Eve", ""), false),
            (("Ada", "Byron"), ("", ""), true),
            (("", ""), ("", ""), true),
            (("Weiß", "Jose\u{301}"), ("WEISS", "Núñez"), true),
        ] {
            let wanted: Vec<Vec<usize>> = if is_one { vec![vec![0, 1]] } else { vec![vec![0], vec![1]] };
            for (emails, phones) in [(ADA, &[][..]), (&[], NUMBER)] {
                let pair = [(one.0, one.1, emails, phones), (other.0, other.1, emails, phones)];
                assert_eq!(groups(&pair), wanted, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn values_are_shared_however_they_are_written_and_only_if_they_identify() {
        let share = |emails: [&[&str]; 2], phones: [&[&str]; 2]| {
            groups(&[("Ada", "B", emails[0], phones[0]), ("Ada", "B", emails[1], phones[1])]).len() == 1
        };
        assert!(share([&["x@example.com", "ADA@Example.com "], ADA], [&[], &[]]));
        assert!(share([&[], &[]], [&["(415) 555-0101"], NUMBER]));
        assert!(!share([&["none"], &["none"]], [&["call the office"], &["call the office"]]));
        assert!(!share([&[""], &[""]], [&[""], &[""]]));
        assert!(!share([&[], &[]], [&["12"], &["12"]]), "a number without an E.164 form");
    }

    #[test]
    fn pairs_connect_a_person_in_any_order() {
        let chain: [Given<'_>; 4] = [
            ("Ada", "Byron", &["a@example.com"], &[]),
            ("Ada", "King", &["b@example.com"], NUMBER),
            ("Eve", "King", &["b@example.com"], &[]),
            ("Ada", "Noel", &["a@example.com"], NUMBER),
        ];
        for order in [[0, 1, 2, 3], [2, 0, 3, 1], [3, 2, 1, 0]] {
            let all: Vec<Given<'_>> = order.iter().map(|index| chain[*index]).collect();
            assert_eq!(groups(&all), [[0, 1, 2, 3]], "{order:?}");
        }
        let family: [Given<'_>; 3] =
            [("Ada", "Byron", &[], NUMBER), ("Bob", "Cole", &[], NUMBER), ("Ada", "Cole", ADA, &[])];
        assert_eq!(groups(&family), [[0], [1], [2]], "the third shares no value");
    }

    #[test]
    fn somebody_without_a_name_joins_no_two_people() {
        let two: [Given<'_>; 3] =
            [("Ada", "Byron", ADA, NUMBER), ("Bob", "Cole", &[], NUMBER), ("", "", &[], NUMBER)];
        assert_eq!(groups(&two), [[0], [1], [2]]);
        let by_other_value: [Given<'_>; 3] =
            [("Ada", "Byron", ADA, &[]), ("Bob", "Cole", &[], NUMBER), ("", "", ADA, NUMBER)];
        assert_eq!(groups(&by_other_value), [[0], [1], [2]]);
        let over_another: [Given<'_>; 4] = [
            ("", "", ADA, &["+14155550102"]),
            ("Ada", "Byron", ADA, &[]),
            ("", "", &[], &["+14155550102", "+14155550101"]),
            ("Bob", "Cole", &[], NUMBER),
        ];
        assert_eq!(groups(&over_another), [vec![0, 2], vec![1], vec![3]]);
        let one: [Given<'_>; 4] = [
            ("", "", &[], &["+14155550102"]),
            ("", "", &[], &["+14155550102", "+14155550101"]),
            ("Bob", "Cole", &[], NUMBER),
            ("Bob", "Cole", &[], NUMBER),
        ];
        assert_eq!(groups(&one), [[0, 1, 2, 3]]);
    }

    #[test]
    fn a_person_says_what_its_contacts_share() {
        let all: [Given<'_>; 4] = [
            ("Ada", "Byron", ADA, NUMBER),
            ("Ada", "Byron", ADA, NUMBER),
            ("Ada", "Byron", &["x@example.com", "X@example.com"], &[]),
            ("Eve", "King", &["x@example.com"], &[]),
        ];
        assert_eq!(
            grouped(&all),
            [
                (vec![0, 1], "name emailAddress phoneNumber".to_owned()),
                (vec![2], "name".to_owned()),
                (vec![3], "name".to_owned())
            ]
        );
    }

    /// Contacts with one number, each with the names and the address that `given` makes.
    fn many(n: usize, given: fn(usize) -> (String, String, String)) -> Vec<Located> {
        let all = (0..n).map(|number| (number, given(number)));
        all.map(|(number, (first, last, email))| located(number, &(&first, &last, &[&email], NUMBER)))
            .collect()
    }

    #[test]
    fn grouping_takes_linear_work() {
        // The library reads its tables once.
        drop(crate::domain::PhoneIdentity::of(Region::default(), "+14155550100"));
        linear(
            "gateway::contacts::search::people::tests::grouping_takes_linear_work",
            &[
                ("people of one number and many names", 250, |n| {
                    let all = many(n, |n| (format!("f{n}"), format!("l{n}"), format!("e{n}@example.com")));
                    Box::new(move || assert_eq!(group(black_box(all), "name").len(), n))
                }),
                ("one person", 250, |n| {
                    let all = many(n, |_| ("Ada".into(), "Byron".into(), "ada@example.com".into()));
                    Box::new(move || assert_eq!(group(black_box(all), "name").len(), 1))
                }),
                ("a chain of names", 250, |n| {
                    let all = many(n, |n| {
                        (format!("f{}", n / 2), format!("l{}", n.div_ceil(2)), format!("e{n}@example.com"))
                    });
                    Box::new(move || assert_eq!(group(black_box(all), "name").len(), 1))
                }),
                ("nameless", 250, |n| {
                    let all = many(n, |n| (String::new(), String::new(), format!("e{n}@example.com")));
                    Box::new(move || assert_eq!(group(black_box(all), "name").len(), 1))
                }),
            ],
        );
    }
}
