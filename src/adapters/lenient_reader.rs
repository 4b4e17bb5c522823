//! Reads loosely typed JSON fields.
//!
//! Upstreams change the types of their fields between versions. A number is accepted as a text, a single value
//! as a list of one, and `""` as nothing. Any other type is an error that names the field: a guess could pass
//! off a wrong contact as a right one.

use crate::domain::{Failure, FailureKind, RawJson, RemoteFields, RemoteId, Result, Text, Timestamp};
use crate::json::{self, CheckedJson, Kind, Members, Raw};

/// Rows of a page: ten times the largest page that a CRM documents.
const MOST_ROWS: usize = 2000;
/// Entries of one list of a contact, such as e-mail addresses.
pub(crate) const MOST_ENTRIES: usize = 1000;
/// A record with more remote fields is returned without them.
pub const REMOTE_FIELDS_MOST: usize = 5_000;

/// Reads fields of one checked reply. Texts share its bytes.
#[derive(Clone, Copy)]
pub(crate) struct LenientReader<'a>(pub &'a CheckedJson);

impl<'a> LenientReader<'a> {
    /// The whole reply as an object.
    pub(crate) fn whole(self) -> Result<Members<'a>> {
        self.0.members(self.0).ok_or_else(|| unreadable("the response", "an object"))
    }

    pub(crate) fn object(self, name: &str, raw: Raw<'a>) -> Result<Members<'a>> {
        self.0.members(raw.get()).ok_or_else(|| unreadable(name, "an object"))
    }

    /// The object in the field `name`; empty if the field has no object.
    pub(crate) fn inner(self, of: &Members<'a>, name: &str) -> Result<Members<'a>> {
        let raw = of.get(name).filter(|raw| json::kind(raw.get()) == Kind::Object);
        raw.map_or_else(|| Ok(Members::default()), |raw| self.object(name, raw))
    }

    /// A list. A single value is a list of one, `null` an empty list.
    pub(crate) fn list(self, name: &str, raw: Raw<'a>) -> Result<Vec<Raw<'a>>> {
        match json::kind(raw.get()) {
            Kind::List => self.0.elements(raw.get()).ok_or_else(|| unreadable(name, "a list")),
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

    /// The rows of a page. A page with too many rows fails before its rows are read.
    pub(crate) fn rows(self, name: &str, raw: Raw<'a>) -> Result<Vec<Raw<'a>>> {
        if json::kind(raw.get()) != Kind::List {
            return Err(unreadable(name, "a list"));
        }
        self.0
            .elements_within(raw.get(), MOST_ROWS)
            .ok_or_else(|| unreadable(name, &format!("a list of at most {MOST_ROWS} rows")))
    }

    /// A text. A number is read as its digits; `null` and `""` are `None`.
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

    /// A record's id: a string that can be one segment of a path.
    pub(crate) fn id(self, name: &str, raw: Option<Raw<'a>>) -> Result<RemoteId> {
        let text =
            raw.filter(|raw| json::kind(raw.get()) == Kind::String).and_then(|raw| json::string(raw.get()));
        let id = text.map(|text| RemoteId::from(self.slice_of(&text)));
        id.filter(RemoteId::is_plausible).ok_or_else(|| unreadable(name, "an id"))
    }

    /// An RFC 3339 timestamp; `null` and `""` are `None`.
    pub(crate) fn time(self, name: &str, raw: Raw<'a>) -> Result<Option<Timestamp>> {
        match self.text(name, raw)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| unreadable(name, "an RFC 3339 time")),
        }
    }

    /// A count; digits in a string are accepted.
    pub(crate) fn count(self, name: &str, raw: Raw<'a>) -> Result<Option<u64>> {
        match self.text(name, raw)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| unreadable(name, "a whole number")),
        }
    }

    /// The text `part`, sharing the bytes of the reply if it is a part of it.
    pub(crate) fn slice_of(self, part: &str) -> Text {
        Text::cut(self.0, part)
    }

    /// Keeps a field unchanged.
    pub(crate) fn keep_raw(self, into: &mut RemoteFields, name: &str, raw: Raw<'a>) {
        into.0.push((self.slice_of(name), RawJson::from_validated(Text::cut(self.0, raw.get()))));
    }
}

/// A failure that names the field.
pub(crate) fn unreadable(name: &str, expected: &str) -> Failure {
    Failure::new(
        FailureKind::UpstreamInvalidResponse,
        format!("The CRM's response cannot be read: `{name}` is not {expected}."),
    )
}
