//! Compares lists of e-mail addresses and phone numbers, whose entries a CRM may spell differently and reorder.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::finding::{Finding, Verdict};
use crate::adapters::{AdapterSpec, Verify};
use crate::domain::{EmailAddress, Field, PhoneIdentity, PhoneNumber, Region, email_identity};

/// Compares addresses without case. The first one is compared too, because the types depend on it.
pub(super) fn email_list(pointer: &str, wanted: &[EmailAddress], now: &[EmailAddress]) -> Vec<Finding> {
    let text = |email: &EmailAddress| email.address.clone();
    let key = |email: &EmailAddress| email_identity(&email.address);
    let mut pairs = Pairs::new(wanted.len(), now.len());
    pairs.add(false, |at| [text(&wanted[at])], |at| [text(&now[at])]);
    pairs.add(true, |at| [key(&wanted[at])], |at| [key(&now[at])]);
    let first_differs = wanted.first().zip(now.first()).is_some_and(|(wanted, now)| key(wanted) != key(now));
    let mut found = pairs.differences(pointer, "emailAddress");
    if first_differs && !found.iter().any(Finding::is_wrong) {
        found.retain(|found| found.verdict != Verdict::Reordered);
        found.push(Finding::new(format!("{pointer}/0/emailAddressType"), Verdict::Changed));
    }
    found
}

/// CRMs may add or drop the country code. All other digits must be equal.
pub(super) fn phone_list(
    spec: &AdapterSpec,
    region: Region,
    pointer: &str,
    wanted: &[PhoneNumber],
    now: &[PhoneNumber],
) -> Vec<Finding> {
    let read = |phone: &PhoneNumber| PhoneIdentity::of(region, &phone.number);
    let wanted_numbers: Vec<PhoneIdentity> = wanted.iter().map(read).collect();
    let held_numbers: Vec<PhoneIdentity> = now.iter().map(read).collect();
    let mut pairs = Pairs::new(wanted.len(), now.len());
    pairs.add(false, |at| [wanted[at].number.as_str()], |at| [now[at].number.as_str()]);
    pairs.add(true, |at| [&wanted_numbers[at]], |at| [&held_numbers[at]]);
    pairs.add(true, |at| wanted_numbers[at].near_wanted(), |at| held_numbers[at].near_held());
    // Of two spellings of one number the CRM may store one.
    let near = |at: usize| wanted_numbers[at].near_wanted();
    pairs.join(near, |at| held_numbers[at].near_held());
    let mut found = pairs.differences(pointer, "phoneNumber");
    if spec.field(Field::PhoneNumberType).is_some_and(|spec| spec.verify != Verify::Never) {
        for (index, (phone, pair)) in wanted.iter().zip(&pairs.of_wanted).enumerate() {
            let other = pair.as_ref().is_some_and(|pair| {
                if pair.shared {
                    return false;
                }
                let (wanted, held) = (phone.kind.as_deref(), now[pair.held].kind.as_deref());
                matches!((wanted, held), (Some(wanted), Some(held)) if !wanted.eq_ignore_ascii_case(held))
            });
            if other {
                found.push(Finding::new(format!("{pointer}/{index}/phoneNumberType"), Verdict::Changed));
            }
        }
    }
    found
}

/// A held entry that is paired with a wanted one.
struct Pair {
    held: usize,
    normalised: bool,
    /// The held entry is also paired with an earlier entry.
    shared: bool,
}

/// Pairs of wanted and held entries. A held entry confirms only one wanted entry.
struct Pairs {
    of_wanted: Vec<Option<Pair>>,
    /// Indices of the held entries without a pair.
    left: Vec<bool>,
}

impl Pairs {
    fn new(wanted: usize, held: usize) -> Self {
        Self { of_wanted: (0..wanted).map(|_| None).collect(), left: vec![true; held] }
    }

    /// Pairs the remaining entries that have a key in common, both in order. Uses an index, because the lists
    /// may be long.
    fn add<K: Eq + Hash, I: IntoIterator<Item = K>, J: IntoIterator<Item = K>>(
        &mut self,
        normalised: bool,
        wanted: impl Fn(usize) -> I,
        held: impl Fn(usize) -> J,
    ) {
        if self.of_wanted.iter().all(Option::is_some) {
            return;
        }
        let mut positions: HashMap<K, VecDeque<usize>> = HashMap::new();
        for (position, _) in self.left.iter().enumerate().filter(|(_, left)| **left) {
            for key in held(position) {
                positions.entry(key).or_default().push_back(position);
            }
        }
        for (at, pair) in self.of_wanted.iter_mut().enumerate().filter(|(_, pair)| pair.is_none()) {
            let next = wanted(at).into_iter().filter_map(|key| {
                let positions = positions.get_mut(&key)?;
                while positions.front().is_some_and(|position| !self.left[*position]) {
                    positions.pop_front();
                }
                positions.front().copied()
            });
            if let Some(held) = next.min() {
                self.left[held] = false;
                *pair = Some(Pair { held, normalised, shared: false });
            }
        }
    }

    /// Pairs the remaining entries with held ones of a common key that are already in a pair.
    fn join<K: Eq + Hash, I: IntoIterator<Item = K>, J: IntoIterator<Item = K>>(
        &mut self,
        wanted: impl Fn(usize) -> I,
        held: impl Fn(usize) -> J,
    ) {
        if self.of_wanted.iter().all(Option::is_some) {
            return;
        }
        let paired = self.left.iter().enumerate().filter(|(_, left)| !**left);
        let positions: HashMap<K, usize> = paired
            .flat_map(|(position, _)| held(position).into_iter().map(move |key| (key, position)))
            .collect();
        for (at, pair) in self.of_wanted.iter_mut().enumerate().filter(|(_, pair)| pair.is_none()) {
            let held = wanted(at).into_iter().find_map(|key| positions.get(&key).copied());
            *pair = held.map(|held| Pair { held, normalised: true, shared: true });
        }
    }

    /// Findings for missing entries and entries in another form by index, and for extra entries and order for
    /// the whole list.
    fn differences(&self, pointer: &str, name: &str) -> Vec<Finding> {
        let entries = self.of_wanted.iter().enumerate();
        let mut found: Vec<Finding> = entries
            .filter_map(|(index, pair)| match pair {
                Some(Pair { normalised: false, .. }) => None,
                Some(_) => Some(Finding::new(format!("{pointer}/{index}/{name}"), Verdict::Normalised)),
                None => Some(Finding::new(format!("{pointer}/{index}"), Verdict::NotStored)),
            })
            .collect();
        if found.iter().any(Finding::is_wrong) {
            return found;
        }
        if self.left.contains(&true) {
            found.push(Finding::new(pointer, Verdict::Changed));
        } else if !self.of_wanted.iter().flatten().is_sorted_by_key(|pair| pair.held) {
            found.push(Finding::new(pointer, Verdict::Reordered));
        }
        found
    }
}
