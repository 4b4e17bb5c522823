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

/// The words of `texts`, in order.
pub fn words<'a>(texts: impl IntoIterator<Item = &'a Text>) -> impl Iterator<Item = &'a str> {
    texts.into_iter().flat_map(|text| text.split_whitespace())
}

/// The name of a field without case, spaces, underscores and dashes: `First Name`, `first_name` and `firstname` are one.
#[must_use]
pub fn field_key(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
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
