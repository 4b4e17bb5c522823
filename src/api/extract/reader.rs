//! Reads query parameters. Unknown, repeated and malformed ones are refused, and all faults are reported at once.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Parameters;
use super::decode::pairs;
use super::times::timestamp;
use crate::api::openapi::parameters;
use crate::domain::bounds::TEXT_MOST;
use crate::domain::{CredentialId, Failure, Faults, FieldFault, Result, Text, Timestamp, suggestion};

/// A fault was already reported to the reader.
pub(in crate::api) struct Noted;

/// The value, or [`Noted`].
pub(in crate::api) type Read<T> = std::result::Result<T, Noted>;

/// Reads a query. Parameters that are never read are unknown.
pub(in crate::api) struct QueryReader {
    pairs: Vec<(String, Option<String>)>,
    faults: Faults,
    /// The parameters of the operation, as far as they were read.
    known: Vec<&'static str>,
}

impl QueryReader {
    /// Reads `query` as the parameters of an operation.
    pub(super) fn read<P: Parameters>(query: &str) -> Result<P> {
        let mut reader = Self { pairs: pairs(query), faults: Faults::new(), known: Vec::new() };
        let read = P::read(&mut reader);
        reader.end(read)
    }

    fn end<P>(mut self, read: Read<P>) -> Result<P> {
        // First, because a missing parameter is often the one whose name is mistyped.
        let others = std::mem::take(&mut self.faults);
        // Each once, in the order of the query.
        let (left, mut named) = (std::mem::take(&mut self.pairs), BTreeSet::new());
        for (name, _) in left.iter().filter(|(name, _)| named.insert(name.as_str())) {
            let detail = self.unknown(name);
            self.fault(name, detail);
        }
        self.faults.append(others);
        match read {
            Ok(read) if self.faults.is_empty() => Ok(read),
            _ => Err(Failure::parameters(self.faults)),
        }
    }

    /// The fault of an unknown parameter: the one that is probably meant, or all.
    fn unknown(&self, name: &str) -> String {
        match suggestion(name, self.known.iter().copied()) {
            Some(meant) => format!("Unknown parameter. Did you mean `{meant}`?"),
            None if self.known.is_empty() => "Unknown parameter. This operation has none.".to_owned(),
            None => format!("Unknown parameter. Those of this operation: {}.", self.known.join(", ")),
        }
    }

    /// Reports a fault of `name`. Each name is reported once.
    pub(in crate::api) fn fault(&mut self, name: &str, detail: impl Into<Text>) -> Noted {
        if !self.faults.iter().any(|fault| fault.place.as_str() == name) {
            self.faults.add(|| FieldFault::parameter(name, "invalid_parameter", detail));
        }
        Noted
    }

    /// The value of `name`, if present: one line of limited length, not trimmed.
    pub(in crate::api) fn value(&mut self, name: &'static str) -> Read<Option<String>> {
        let Some(value) = self.given(name)? else { return Ok(None) };
        if value.chars().any(char::is_control) {
            return Err(self.fault(name, "Must not contain control characters."));
        }
        if value.chars().count() > TEXT_MOST {
            return Err(self.fault(name, format!("Too long: at most {TEXT_MOST} characters are allowed.")));
        }
        Ok(Some(value))
    }

    /// The value of `name` as sent, if present.
    fn given(&mut self, name: &'static str) -> Read<Option<String>> {
        self.known.push(name);
        let mut values = self.pairs.extract_if(.., |(known, _)| known == name).map(|(_, value)| value);
        let (first, second) = (values.next(), values.next());
        drop(values);
        let fault = match (first, second) {
            (None, _) => return Ok(None),
            (_, Some(_)) => "Must not be repeated.",
            (Some(None), None) => {
                "Not valid percent-encoded UTF-8: `%` must be followed by two hexadecimal digits."
            }
            (Some(Some(value)), None) if value.trim().is_empty() => "Must not be empty.",
            (Some(Some(value)), None) => return Ok(Some(value)),
        };
        Err(self.fault(name, fault))
    }

    /// A trimmed text.
    pub(in crate::api) fn text(&mut self, name: &'static str) -> Read<Option<Text>> {
        Ok(self.value(name)?.map(|value| Text::from(value.trim())))
    }

    /// An RFC 3339 timestamp.
    pub(in crate::api) fn time(&mut self, name: &'static str) -> Read<Option<Timestamp>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        timestamp(&value).map_err(|detail| self.fault(name, detail)).map(Some)
    }

    /// A whole number in `range`.
    pub(in crate::api) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Read<Option<u64>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        let number = value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten();
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.fault(name, format!("Must be a whole number from {least} to {most}."))
        })
    }

    /// The page size.
    pub(in crate::api) fn page_size(&mut self) -> Read<u32> {
        let size = self.number("pageSize", 1..=parameters::PAGE_SIZE_MOST)?;
        Ok(size.and_then(|size| u32::try_from(size).ok()).unwrap_or(parameters::PAGE_SIZE_DEFAULT))
    }

    /// `true` or `false`.
    pub(in crate::api) fn flag(&mut self, name: &'static str, default: bool) -> Read<bool> {
        match self.value(name)?.as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.fault(name, "Must be true or false.")),
        }
    }

    /// The credential, by either name of the parameter.
    pub(in crate::api) fn credential(&mut self) -> Read<CredentialId> {
        let (name, alias) = (self.given("credentialId"), self.given("connectionId"));
        match (name?, alias?) {
            (Some(one), Some(other)) if one != other => Err(self.fault(
                "connectionId",
                "Differs from `credentialId`. Send only `credentialId`; `connectionId` is its older name.",
            )),
            (Some(id), _) | (None, Some(id)) => Ok(CredentialId::from(bounded(id))),
            (None, None) => Err(self.fault("credentialId", "Required: the id of the credential to use.")),
        }
    }

    /// The credentials of a repeated parameter, by either of its names, each once; empty if there are none.
    pub(in crate::api) fn credentials(&mut self, most: usize) -> Read<Vec<CredentialId>> {
        let is_named = |name: &str| matches!(name, "credentialId" | "connectionId");
        self.known.push("credentialId");
        let given: Vec<_> = self.pairs.extract_if(.., |(name, _)| is_named(name)).collect();
        let mut ids: Vec<CredentialId> = Vec::new();
        let mut seen = BTreeSet::new();
        for (name, value) in given {
            match value.filter(|value| !value.trim().is_empty()) {
                None => {
                    return Err(
                        self.fault(&name, "Must not be empty, and must be valid percent-encoded UTF-8.")
                    );
                }
                Some(value) => {
                    let id = CredentialId::from(bounded(value));
                    if seen.insert(id.clone()) {
                        ids.push(id);
                    }
                }
            }
        }
        if ids.len() > most {
            return Err(self.fault(
                "credentialId",
                format!("Names {} credentials; at most {most} are allowed.", ids.len()),
            ));
        }
        Ok(ids)
    }
}

/// The id, or the empty one if it is too long. Ids have no fixed format; one that is too long cannot exist.
fn bounded(id: String) -> String {
    if id.chars().count() > TEXT_MOST { String::new() } else { id }
}
