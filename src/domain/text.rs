//! Text and raw JSON that share the bytes of the body that they were read from.

use std::borrow::Cow;
use std::fmt;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// UTF-8 text, cheap to clone. A text cut from a CRM's reply shares the reply's bytes and keeps the whole reply in memory, so
/// it must not be stored after the request.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Text(ByteString);

impl Text {
    /// A text that needs no allocation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// `part`, which borrows from `whole`, without copying. A `part` of another text is copied.
    #[must_use]
    pub fn cut(whole: &ByteString, part: &str) -> Self {
        let (outer, inner) = (whole.as_bytes().as_ptr_range(), part.as_bytes().as_ptr_range());
        if outer.start <= inner.start && inner.end <= outer.end {
            Self(whole.slice_ref(part))
        } else {
            Self(ByteString::from(part))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The form in which equal texts are equal: no CRM distinguishes surrounding blanks or the normal form of Unicode.
#[must_use]
pub fn text_identity(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// The form in which texts are equal that differ only in case, in surrounding blanks or in their normal form of Unicode.
///
/// It is Unicode's full case folding, with one restriction: a letter outside ASCII never becomes one of ASCII, so that an ASCII
/// word can be left to a CRM's own search. The exception are `ß` and `ẞ`, which equal `ss`. So the Turkish dotless `ı` and the
/// long `ſ` equal only themselves. The dotted `İ` equals `i` with a combining dot above, and not `i`. Accents count: `é` is
/// not `e`.
#[must_use]
pub fn case_identity(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text_identity(text).chars() {
        fold(&mut folded, c);
    }
    match is_nfc_quick(folded.chars()) {
        IsNormalized::Yes => folded,
        IsNormalized::No | IsNormalized::Maybe => folded.nfc().collect(),
    }
}

fn fold(folded: &mut String, c: char) {
    if matches!(c, 'ß' | 'ẞ') {
        folded.push_str("ss");
        return;
    }
    let from = folded.len();
    folded.extend(c.to_uppercase().flat_map(char::to_lowercase));
    if !c.is_ascii() && folded[from..].contains(|c: char| c.is_ascii()) {
        folded.truncate(from);
        folded.extend(c.to_lowercase());
    }
}

/// The words of `texts`, in order.
pub fn words<'a>(texts: impl IntoIterator<Item = &'a Text>) -> impl Iterator<Item = &'a str> {
    texts.into_iter().flat_map(|text| text.split_whitespace())
}

/// The form in which names are equal that differ only in case, in blanks or in their normal form of Unicode. `parts` are joined:
/// the first and last name make the full name.
#[must_use]
pub fn name_identity<'a>(parts: impl IntoIterator<Item = &'a Text>) -> String {
    case_identity(&words(parts).collect::<Vec<_>>().join(" "))
}

/// The name of a field without case, spaces, underscores and dashes: `First Name`, `first_name` and `firstname` are one.
#[must_use]
pub fn field_key(name: &str) -> String {
    key_letters(name).collect()
}

/// Whether two names have one [`field_key`].
#[must_use]
pub fn is_same_field(one: &str, other: &str) -> bool {
    key_letters(one).eq(key_letters(other))
}

fn key_letters(name: &str) -> impl Iterator<Item = char> + Clone {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase)
}

/// What `name` was probably meant to be: the shortest known name that begins with it, such as `emailAddresses` for `email`, or
/// else the most similar one, if one is similar.
#[must_use]
pub fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let key = key_letters(name);
    let is_long = key.clone().nth(2).is_some();
    let begins = |known: &&str| {
        let mut letters = key_letters(known);
        is_long && key.clone().all(|letter| letters.next() == Some(letter))
    };
    known.clone().filter(begins).min_by_key(|known| known.len()).or_else(|| most_similar(name, known))
}

fn most_similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        // A longer name cannot be similar, and the comparison takes quadratic time.
        .filter(|candidate| name.len() <= 2 * candidate.len())
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The [`field_key`] of `name` in `buffer`, without an allocation; empty if it does not fit or has other characters than ASCII.
#[must_use]
pub fn short_field_key<'b, const N: usize>(name: &str, buffer: &'b mut [u8; N]) -> &'b [u8] {
    let mut length = 0;
    for byte in name.bytes().filter(|byte| !matches!(byte, b' ' | b'_' | b'-')) {
        let Some(slot) = buffer.get_mut(length).filter(|_| byte.is_ascii()) else { return b"" };
        *slot = byte.to_ascii_lowercase();
        length += 1;
    }
    &buffer[..length]
}

/// Prints the length only: a contact's texts are personal data and must not be logged by `{:?}`.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(ByteString::from(text))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// One JSON value as validated text. It is passed on unchanged, so that a number of thirty digits keeps all of them. Only code
/// that has run the JSON check creates one. It is stored as a text, so that it is read back unchanged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RawJson(Text);

impl RawJson {
    /// The caller has validated that `text` is JSON.
    #[must_use]
    pub const fn from_validated(text: Text) -> Self {
        Self(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(one: &str, other: &str) -> bool {
        case_identity(one) == case_identity(other)
    }

    #[test]
    fn texts_are_equal_whatever_their_case_in_every_script() {
        for (one, other) in [
            ("", "  "),
            ("Ada", " aDA\u{a0}"),
            ("ЁЛКА", "ёлка"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
            ("ԱՆԻ", "անի"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Ꭰꭰ", "ꭰᎠ"),
            ("ǅ", "ǆ"),
            ("李明", "李明"),
            ("محمد", "محمد"),
        ] {
            assert!(equal(one, other), "{one} {other}");
        }
        for (one, other) in [("Ada", "Adam"), ("", "a"), ("é", "e"), ("Müller", "Mueller"), ("ﬁ", "fi")] {
            assert!(!equal(one, other), "{one} {other}");
        }
    }

    #[test]
    fn combining_marks_equal_the_letters_that_they_make_in_any_order() {
        assert!(equal("JOSE\u{301}", "josé"));
        assert!(equal("q\u{307}\u{323}", "Q\u{323}\u{307}"));
        assert!(equal("\u{1f0}", "J\u{30c}"));
        assert!(!equal("a\u{301}", "a\u{300}"));
        assert!(equal("\u{1100}\u{1161}", "\u{ac00}"));
    }

    #[test]
    fn turkish_letters_keep_their_dots() {
        assert!(equal("İnci", "i\u{307}NCI") && equal("I\u{307}", "İ") && equal("Ilgaz", "ilgaz"));
        assert!(!equal("ı", "i") && !equal("ı", "I") && !equal("İ", "i") && !equal("İ", "I"));
        assert!(equal("Yıldız", "YıLDıZ"));
    }

    #[test]
    fn a_short_key_is_the_key_if_it_fits() {
        for name in ["First Name", "first_name", "firstName", "_id", "", "- _", "Mobile-Phone", "exactly11ch"]
        {
            assert_eq!(short_field_key(name, &mut [0; 11]), field_key(name).as_bytes(), "{name}");
        }
        for name in ["exactly 12 ch ", "Größe", "\u{212a}ey"] {
            assert_eq!(short_field_key(name, &mut [0; 9]), b"", "{name}");
        }
    }

    /// On this it rests that an ASCII word may be left to a CRM's search.
    #[test]
    fn no_letter_outside_ascii_equals_one_of_ascii_but_the_sharp_s() {
        let becomes_ascii = |c: &char| {
            // Texts that are one by their normal form are one for every CRM.
            let same: String = std::iter::once(*c).nfc().collect();
            !same.is_ascii() && case_identity(&same).contains(|c: char| c.is_ascii_alphanumeric())
        };
        let found: Vec<char> = ('\u{80}'..=char::MAX).filter(becomes_ascii).collect();
        assert_eq!(found, ['ß', 'İ', 'ẞ']);
    }
}
