//! Reading of loosely typed JSON members: what is certain is taken, what is not is refused by name.
//!
//! Upstreams change the types of their members between versions. A number where text was is still that text, one
//! value where a list was is a list of one, and `""` is nothing. Anything else would be a guess, and a contact
//! half guessed must not pass for a whole one.

use bytestring::ByteString;

use crate::domain::{Failure, FailureKind, RawJson, RemoteFields, RemoteId, Result, Text, Timestamp};
use crate::json::{self, Kind, Members, Raw};

/// Rows that a page may have: ten times as many as the largest page that a CRM documents.
const MOST_ROWS: usize = 2000;
/// Entries of one list of a contact: more e-mail addresses or phone numbers than anybody has.
pub(crate) const MOST_ENTRIES: usize = 1000;
/// How many remote fields of one record are read; one with more is given without them.
pub const REMOTE_FIELDS_MOST: usize = 5_000;

/// Reads members of one checked reply; texts share its bytes.
#[derive(Clone, Copy)]
pub(crate) struct LenientReader<'a>(pub &'a ByteString);

impl<'a> LenientReader<'a> {
    /// The object that the whole reply is.
    pub(crate) fn whole(self) -> Result<Members<'a>> {
        json::members(self.0).ok_or_else(|| unreadable("the answer", "an object"))
    }

    /// An object.
    pub(crate) fn object(self, name: &str, raw: Raw<'a>) -> Result<Members<'a>> {
        json::members(raw.get()).ok_or_else(|| unreadable(name, "an object"))
    }

    /// A list; one value is a list of one, `null` an empty one.
    pub(crate) fn list(self, name: &str, raw: Raw<'a>) -> Result<Vec<Raw<'a>>> {
        match json::kind(raw.get()) {
            Kind::List => json::elements(raw.get()).ok_or_else(|| unreadable(name, "a list")),
            Kind::Null => Ok(Vec::new()),
            _ => Ok(vec![raw]),
        }
    }

    /// The first entries of a list of a contact, and whether these are all.
    pub(crate) fn entries(self, name: &str, raw: Raw<'a>) -> Result<(Vec<Raw<'a>>, bool)> {
        let mut entries = self.list(name, raw)?;
        let whole = entries.len() <= MOST_ENTRIES;
        entries.truncate(MOST_ENTRIES);
        Ok((entries, whole))
    }

    /// The rows of a page. A page of too many is refused before any of its rows is read.
    pub(crate) fn rows(self, name: &str, raw: Raw<'a>) -> Result<Vec<Raw<'a>>> {
        if json::kind(raw.get()) != Kind::List {
            return Err(unreadable(name, "a list"));
        }
        json::elements_within(raw.get(), MOST_ROWS)
            .ok_or_else(|| unreadable(name, &format!("a list of at most {MOST_ROWS} rows")))
    }

    /// A text; a number counts as its digits, `null` and `""` as nothing.
    pub(crate) fn text(self, name: &str, raw: Raw<'a>) -> Result<Option<Text>> {
        match json::kind(raw.get()) {
            Kind::Null => Ok(None),
            Kind::String => Ok(json::string(raw.get())
                .map(|text| self.slice_of(&text))
                .filter(|text| !text.trim().is_empty())),
            Kind::Number => Ok(Some(self.slice_of(raw.get()))),
            _ => Err(unreadable(name, "a text")),
        }
    }

    /// A record's id: a string that a path can hold as one segment.
    pub(crate) fn id(self, name: &str, raw: Option<Raw<'a>>) -> Result<RemoteId> {
        let text =
            raw.filter(|raw| json::kind(raw.get()) == Kind::String).and_then(|raw| json::string(raw.get()));
        let id = text.map(|text| RemoteId::from(self.slice_of(&text)));
        id.filter(RemoteId::is_plausible).ok_or_else(|| unreadable(name, "an id"))
    }

    /// A moment as RFC 3339; `null` and `""` are nothing.
    pub(crate) fn time(self, name: &str, raw: Raw<'a>) -> Result<Option<Timestamp>> {
        match self.text(name, raw)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| unreadable(name, "an RFC 3339 time")),
        }
    }

    /// A count; digits in a string count too.
    pub(crate) fn count(self, name: &str, raw: Raw<'a>) -> Result<Option<u64>> {
        match self.text(name, raw)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| unreadable(name, "a whole number")),
        }
    }

    /// The text that `part` is: cut from the reply where it is borrowed from it.
    pub(crate) fn slice_of(self, part: &str) -> Text {
        Text::cut(self.0, part)
    }

    /// A member that is passed on as it is.
    pub(crate) fn keep_raw(self, into: &mut RemoteFields, name: &str, raw: Raw<'a>) {
        into.0.push((self.slice_of(name), RawJson::from_validated(Text::cut(self.0, raw.get()))));
    }
}

/// The failure of a reply whose member is not what it must be.
pub(crate) fn unreadable(name: &str, expected: &str) -> Failure {
    Failure::new(
        FailureKind::UpstreamInvalidResponse,
        format!("The CRM's answer cannot be understood: `{name}` is not {expected}."),
    )
}
