//! Lists and texts that are bounded when they are made, so that neither a caller nor a CRM can make a response very long.

use std::borrow::Cow;

/// The first `MOST` elements of a list, and how many more there were. Elements beyond the bound are counted, not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstOf<T, const MOST: usize> {
    kept: Vec<T>,
    omitted: usize,
}

impl<T, const MOST: usize> FirstOf<T, MOST> {
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: Vec::new(), omitted: 0 }
    }

    /// Adds an element, which is made only if there is room for it.
    pub fn add(&mut self, make: impl FnOnce() -> T) {
        if self.kept.len() < MOST {
            self.kept.push(make());
        } else {
            self.omitted += 1;
        }
    }

    pub fn push(&mut self, element: T) {
        self.add(|| element);
    }

    /// Adds the elements of `other`, and what it omits.
    pub fn append(&mut self, other: Self) {
        self.extend(other.kept);
        self.omitted += other.omitted;
    }

    /// The same list with `more` further elements omitted.
    #[must_use]
    pub const fn omitting(mut self, more: usize) -> Self {
        self.omitted = self.omitted.saturating_add(more);
        self
    }

    #[must_use]
    pub const fn omitted(&self) -> usize {
        self.omitted
    }

    #[must_use]
    pub const fn total(&self) -> usize {
        self.kept.len() + self.omitted
    }

    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self
    }
}

impl<T, const MOST: usize> Default for FirstOf<T, MOST> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const MOST: usize> std::ops::Deref for FirstOf<T, MOST> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.kept
    }
}

impl<T, const MOST: usize> std::ops::DerefMut for FirstOf<T, MOST> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.kept
    }
}

impl<T, const MOST: usize> Extend<T> for FirstOf<T, MOST> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push(element));
    }
}

impl<T, const MOST: usize> FromIterator<T> for FirstOf<T, MOST> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut all = Self::new();
        all.extend(elements);
        all
    }
}

impl<T, const MOST: usize> From<Vec<T>> for FirstOf<T, MOST> {
    fn from(elements: Vec<T>) -> Self {
        elements.into_iter().collect()
    }
}

/// Characters of a name or value that are repeated in a text of ours.
const NAME_MOST: usize = 100;
/// How many values our texts list.
const VALUES_MOST: usize = 50;

/// `name` as our texts repeat it: its first 100 characters.
#[must_use]
pub fn abbreviated(name: &str) -> Cow<'_, str> {
    abbreviated_to(name, NAME_MOST)
}

/// The first `most` characters of `text`, and `…` if there are more.
#[must_use]
pub fn abbreviated_to(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The first 50 of `values` with commas between, each abbreviated, and how many more there are.
#[must_use]
pub fn enumerated<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> String {
    let mut first: FirstOf<String, VALUES_MOST> = FirstOf::new();
    for value in values {
        first.add(|| abbreviated(value.as_ref()).into_owned());
    }
    match first.omitted() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_counted_and_never_made() {
        let (mut list, mut made) = (FirstOf::<usize, 3>::new(), 0);
        for number in 0..10 {
            list.add(|| {
                made += 1;
                number
            });
        }
        assert_eq!((&*list, list.omitted(), list.total(), made), (&[0, 1, 2][..], 7, 10, 3));
        let mut both: FirstOf<usize, 3> = [8, 9].into_iter().collect();
        both.append(list.omitting(5));
        assert_eq!((&*both, both.omitted()), (&[8, 9, 0][..], 14));
    }

    #[test]
    fn names_and_values_are_repeated_in_part() {
        assert_eq!(abbreviated(&"é".repeat(100)), "é".repeat(100));
        assert_eq!(abbreviated(&"é".repeat(101)), format!("{}…", "é".repeat(100)));
        let values = |count: usize| enumerated((0..count).map(|n| n.to_string()));
        assert_eq!((values(0).as_str(), values(2).as_str()), ("", "0, 1"));
        assert!(values(50).ends_with(", 49") && values(51).ends_with(", 49 and 1 more"));
    }
}
