//! Reading of query parameters: every one known, none twice, each well formed, all faults named at once.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Parameters;
use super::decode::pairs;
use super::times::moment;
use crate::api::openapi::parameters;
use crate::domain::bounds::TEXT_MOST;
use crate::domain::{CredentialId, Failure, FailureKind, Faults, FieldFault, Result, Text, Timestamp};

/// A fault was noted: nothing is left to say.
pub(in crate::api) struct Noted;

/// What was read, or [`Noted`].
pub(in crate::api) type Read<T> = std::result::Result<T, Noted>;

/// A query on its way to be read: what nobody asked for is unknown in the end.
pub(in crate::api) struct QueryReader {
    pairs: Vec<(String, Option<String>)>,
    faults: Faults,
    unbuilt: Option<&'static str>,
}

impl QueryReader {
    /// Reads `query` as the parameters of an operation.
    pub(super) fn read<P: Parameters>(query: &str) -> Result<P> {
        let mut reader = Self { pairs: pairs(query), faults: Faults::new(), unbuilt: None };
        let read = P::read(&mut reader);
        reader.end(read)
    }

    fn end<P>(mut self, read: Read<P>) -> Result<P> {
        if let Some(name) = self.unbuilt {
            let detail = format!("`{name}` is not built yet. Send the request without it.");
            return Err(Failure::new(FailureKind::OperationUnsupported, detail));
        }
        // Each once, in the order in which they stand.
        let (left, mut named) = (std::mem::take(&mut self.pairs), BTreeSet::new());
        for (name, _) in left.iter().filter(|(name, _)| named.insert(name.as_str())) {
            self.fault(name, "Unknown parameter.");
        }
        let detail = match (read, &*self.faults, self.faults.omitted()) {
            (Ok(read), [], 0) => return Ok(read),
            (_, [one], 0) => format!("{}: {}", one.place.as_str(), one.detail.as_str()),
            (_, many, 0) => format!("{} parameters are not valid: see `errors`.", many.len()),
            (_, first, _) => {
                let all = self.faults.total();
                format!("{all} parameters are not valid: `errors` lists the first {}.", first.len())
            }
        };
        Err(Failure::new(FailureKind::InvalidParameter, detail).with_faults(self.faults))
    }

    /// Notes a fault of `name`; each name is at fault once.
    pub(in crate::api) fn fault(&mut self, name: &str, detail: impl Into<Text>) -> Noted {
        if !self.faults.iter().any(|fault| fault.place.as_str() == name) {
            self.faults.add(|| FieldFault::parameter(name, "invalid_parameter", detail));
        }
        Noted
    }

    /// The value of `name`, if it is there: a text of bounded length in one line, with the blanks around it.
    pub(in crate::api) fn value(&mut self, name: &'static str) -> Read<Option<String>> {
        let Some(value) = self.given(name)? else { return Ok(None) };
        if value.chars().any(char::is_control) {
            return Err(self.fault(name, "It must not hold control characters."));
        }
        if value.chars().count() > TEXT_MOST {
            return Err(self.fault(name, format!("It may be {TEXT_MOST} characters long.")));
        }
        Ok(Some(value))
    }

    /// The value of `name` as it came, if it is there.
    fn given(&mut self, name: &'static str) -> Read<Option<String>> {
        let mut values = self.pairs.extract_if(.., |(known, _)| known == name).map(|(_, value)| value);
        let (first, second) = (values.next(), values.next());
        drop(values);
        let fault = match (first, second) {
            (None, _) => return Ok(None),
            (_, Some(_)) => "It may stand only once.",
            (Some(None), None) => "It does not decode: `%` and two hexadecimal digits, together UTF-8.",
            (Some(Some(value)), None) if value.trim().is_empty() => "It must not be empty.",
            (Some(Some(value)), None) => return Ok(Some(value)),
        };
        Err(self.fault(name, fault))
    }

    /// A text without blanks around it.
    pub(in crate::api) fn text(&mut self, name: &'static str) -> Read<Option<Text>> {
        Ok(self.value(name)?.map(|value| Text::from(value.trim())))
    }

    /// A moment.
    pub(in crate::api) fn time(&mut self, name: &'static str) -> Read<Option<Timestamp>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        moment(&value).map_err(|detail| self.fault(name, detail)).map(Some)
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
            self.fault(name, format!("It must be a whole number from {least} to {most}."))
        })
    }

    /// How many items a page shall hold.
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
            Some(_) => Err(self.fault(name, "It must be true or false.")),
        }
    }

    /// The credential, by either of its names.
    pub(in crate::api) fn credential(&mut self) -> Read<CredentialId> {
        let (name, alias) = (self.given("credentialId"), self.given("connectionId"));
        // An id has no form of its own. One that is too long to be kept is nobody's, as the empty one.
        let bounded = |id: String| if id.chars().count() > TEXT_MOST { String::new() } else { id };
        match (name?, alias?) {
            (Some(one), Some(other)) if one != other => {
                Err(self.fault("connectionId", "It is the older name of `credentialId`, and both differ."))
            }
            (Some(id), _) | (None, Some(id)) => Ok(CredentialId::from(bounded(id))),
            (None, None) => {
                Err(self.fault("credentialId", "It is required: which of your credentials to use."))
            }
        }
    }

    /// A parameter that is specified and not built: named, it refuses the request whatever its value.
    pub(in crate::api) fn unbuilt(&mut self, name: &'static str) {
        if self.pairs.iter().any(|(known, _)| known == name) {
            self.unbuilt = Some(name);
        }
    }
}
