//! A checked text whose parts are read without another pass over their contents.

use std::ops::Deref;
use std::sync::Arc;

use bytestring::ByteString;

use super::check::{JsonFault, complete_check};
use super::read::{Members, Raw, elements_of, members_of};
use super::scan::{Bounds, KnownEnds, quick_check};

/// A JSON text that passed the check, with the ends of its large objects and lists; clones share both.
#[derive(Clone, Debug)]
pub struct CheckedJson {
    text: ByteString,
    ends: Arc<[(u32, u32)]>,
}

impl CheckedJson {
    /// Checks `text` as [`check`](super::check()) does.
    pub fn new(text: ByteString, bounds: Bounds) -> Result<Self, JsonFault> {
        let ends = if let Some(ends) = quick_check(&text, bounds) {
            ends.into()
        } else {
            complete_check(&text, bounds)?;
            Arc::default()
        };
        Ok(Self { text, ends })
    }

    /// The fields of the object `part`; `None` if it is not an object.
    #[must_use]
    pub fn members<'a>(&'a self, part: &'a str) -> Option<Members<'a>> {
        members_of(part, self.known_in(part))
    }

    /// The elements of the list `part`; `None` if it is not a list.
    #[must_use]
    pub fn elements<'a>(&'a self, part: &'a str) -> Option<Vec<Raw<'a>>> {
        self.elements_within(part, usize::MAX)
    }

    /// The same; `None` also if it has more than `most` elements. Reading stops there.
    #[must_use]
    pub fn elements_within<'a>(&'a self, part: &'a str, most: usize) -> Option<Vec<Raw<'a>>> {
        elements_of(part, most, self.known_in(part))
    }

    /// The ends in `part`; none are known of another text.
    fn known_in(&self, part: &str) -> KnownEnds<'_> {
        let (outer, inner) = (self.text.as_bytes().as_ptr_range(), part.as_bytes().as_ptr_range());
        if outer.start <= inner.start && inner.end <= outer.end {
            KnownEnds { ends: &self.ends, base: inner.start.addr() - outer.start.addr() }
        } else {
            KnownEnds::default()
        }
    }
}

impl Deref for CheckedJson {
    type Target = ByteString;

    fn deref(&self) -> &ByteString {
        &self.text
    }
}

#[cfg(test)]
impl<T: Into<ByteString>> From<T> for CheckedJson {
    fn from(text: T) -> Self {
        Self::new(text.into(), super::REPLY).unwrap()
    }
}
