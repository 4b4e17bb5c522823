//! Request bodies, read from validated JSON. Every fault is reported with its pointer, not only the first.

mod contact;
mod credential;
mod key;
mod object;
mod tenant;

use bytestring::ByteString;

pub(super) use tenant::TenantDraft;

use super::extract::FromBody;
use crate::adapters::pointer_token;
use crate::domain::bounds::SENT_ENTRIES_MOST;
use crate::domain::rules::{self, Lines};
use crate::domain::{Failure, Faults, FieldFault, Patch, RawJson, Result, Text, suggestion};
use crate::json::{self, Kind, Members, Steps};

/// Reads the fields of a body, and collects all faults.
pub(super) struct FieldReader<'a> {
    whole: &'a ByteString,
    faults: Faults,
    /// Whether the gateway applies the rules of new values later. Values that the CRM already holds may break them, so the
    /// gateway must read the contact first.
    rules_wait: bool,
}

impl<'a> FieldReader<'a> {
    /// Reads the checked JSON text `whole` as a `T`.
    pub(super) fn read<T: FromBody>(whole: &'a ByteString) -> Result<T> {
        let mut reader = Self { whole, faults: Faults::new(), rules_wait: false };
        let read = reader.object("", whole).and_then(|members| T::from_body(&mut reader, &members));
        match read {
            Some(read) if reader.faults.is_empty() => Ok(read),
            _ => Err(Failure::validation(reader.faults)),
        }
    }

    /// Reports a fault of the field at `at`.
    pub(super) fn fault(&mut self, at: &str, code: &'static str, detail: impl Into<Text>) {
        self.fault_with(code, || (at.to_owned(), detail.into()));
    }

    fn fault_with(&mut self, code: &'static str, fault: impl FnOnce() -> (String, Text)) {
        self.faults.add(|| {
            let (at, detail) = fault();
            FieldFault::member(at, code, detail)
        });
    }

    /// Leaves the rules of new values to the gateway.
    pub(super) const fn leave_rules(&mut self) {
        self.rules_wait = true;
    }

    /// Reports a fault of the value at `at`, if it breaks the rules of new values.
    pub(super) fn judge(&mut self, at: &str, judge: impl FnOnce() -> Option<rules::RuleFault>) {
        if !self.rules_wait
            && let Some((code, detail)) = judge()
        {
            self.fault(at, code, detail);
        }
    }

    /// Reports that the field `name` at `at` is unknown; `known` are the valid names.
    pub(super) fn unknown(&mut self, at: &str, name: &str, known: &[&str]) {
        self.faults.add(|| {
            let detail = match suggestion(name, known.iter().copied()) {
                Some(meant) => format!("Unknown field. Did you mean `{meant}`?"),
                None => format!("Unknown field. Valid fields: {}.", known.join(", ")),
            };
            FieldFault::member(at, "unknown_member", detail)
        });
    }

    fn wrong_type(&mut self, at: &str, raw: &str, wanted: &str) {
        self.faults.add(|| {
            let detail = format!("Must be {wanted}, not {}.", json::kind(raw).word());
            FieldFault::member(at, "wrong_type", detail)
        });
    }

    /// Reports that the field at `at` is missing.
    pub(super) fn required(&mut self, at: &str) {
        self.fault(at, "required", "Required, and must not be empty.");
    }

    /// The raw value.
    pub(super) fn raw(&self, raw: &str) -> RawJson {
        RawJson::from_validated(Text::cut(self.whole, raw.trim()))
    }

    /// The fields of an object.
    pub(super) fn object<'r>(&mut self, at: &str, raw: &'r str) -> Option<Members<'r>> {
        if json::kind(raw) != Kind::Object {
            self.wrong_type(at, raw, "an object");
            return None;
        }
        json::members(raw)
    }

    /// A text; `null` and blank texts are [`Patch::Clear`].
    pub(super) fn text(&mut self, at: &str, raw: &str, lines: Lines) -> Patch<Text> {
        let text = match json::kind(raw) {
            Kind::Null => return Patch::Clear,
            Kind::String => json::string(raw).unwrap_or_default(),
            _ => {
                self.wrong_type(at, raw, "a string");
                return Patch::Keep;
            }
        };
        if text.trim().is_empty() {
            return Patch::Clear;
        }
        self.judge(at, || rules::text(&text, lines));
        Patch::Set(Text::cut(self.whole, &text))
    }

    /// Applies the rules of strings to every string inside a raw value. These strings may have several lines.
    pub(super) fn strings(&mut self, at: &Steps<'_>, raw: &str) {
        json::each_text(at, raw, &mut |at, text| {
            if let Some((code, detail)) = rules::text(text, Lines::Several) {
                self.fault_with(code, || (at.pointer(pointer_token), detail));
            }
        });
    }

    /// A required text of one line.
    pub(super) fn required_text(&mut self, at: &str, raw: Option<&str>) -> Option<Text> {
        match raw.map(|raw| self.text(at, raw, Lines::One)) {
            Some(Patch::Set(text)) => Some(text),
            Some(Patch::Keep) => None,
            Some(Patch::Clear) | None => {
                self.required(at);
                None
            }
        }
    }

    /// A list of at most `most` elements; `null` and the empty list are [`Patch::Clear`].
    pub(super) fn list<T>(
        &mut self,
        at: &str,
        raw: &str,
        most: usize,
        mut element: impl FnMut(&mut Self, &str, &str) -> Option<T>,
    ) -> Patch<Vec<T>> {
        let elements = match json::kind(raw) {
            Kind::Null => return Patch::Clear,
            Kind::List => json::elements(raw).unwrap_or_default(),
            _ => {
                self.wrong_type(at, raw, "a list");
                return Patch::Keep;
            }
        };
        let most = if self.rules_wait { SENT_ENTRIES_MOST } else { most };
        if let Some((code, detail)) = rules::count("elements", most, elements.len()) {
            self.fault(at, code, detail);
            return Patch::Keep;
        }
        let read: Vec<T> = elements
            .iter()
            .enumerate()
            .filter_map(|(index, raw)| element(self, &format!("{at}/{index}"), raw.get()))
            .collect();
        if elements.is_empty() { Patch::Clear } else { Patch::Set(read) }
    }
}

/// The pointer to the field `name` of the object at `at`.
pub(super) fn under(at: &str, name: &str) -> String {
    format!("{at}/{}", pointer_token(name))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::domain::{ContactDraft, ContactPatch};
    use crate::instructions::{Work, linear};

    fn elements(n: usize, value: impl Fn(usize) -> String) -> String {
        (0..n).map(value).collect::<Vec<_>>().join(",")
    }

    fn draft(fields: &str) -> Work {
        let body = ByteString::from(format!("{{\"lastName\":\"x\",{fields}}}"));
        Box::new(move || drop(black_box(FieldReader::read::<ContactDraft>(&body))))
    }

    fn patch(fields: String) -> Work {
        let body = ByteString::from(fields);
        Box::new(move || drop(black_box(FieldReader::read::<ContactPatch>(&body))))
    }

    #[test]
    fn reading_bodies_takes_linear_work() {
        linear(
            "api::request::tests::reading_bodies_takes_linear_work",
            &[
                ("unknown fields", 1000, |n| {
                    patch(format!("{{{}}}", elements(n, |n| format!("\"f{n}\":1"))))
                }),
                ("fields of the CRM", 1000, |n| {
                    let fields = elements(n, |n| format!("\"f{n}\":1"));
                    patch(format!("{{\"remoteFields\":{{{fields}}}}}"))
                }),
                ("e-mail addresses", 1000, |n| {
                    let emails = elements(n, |n| format!("{{\"emailAddress\":\"a{n}@example.com\"}}"));
                    draft(&format!("\"emailAddresses\":[{emails}]"))
                }),
                ("custom fields", 1000, |n| {
                    let fields = elements(n, |n| format!("\"cf{n}\":\"x\""));
                    draft(&format!("\"remoteFields\":{{\"customFields\":{{{fields}}}}}"))
                }),
                ("elements under a long name", 2000, |n| {
                    let (name, elements) = ("n".repeat(20 * n), elements(n, |n| n.to_string()));
                    draft(&format!("\"remoteFields\":{{\"{name}\":[{elements}]}}"))
                }),
            ],
        );
    }

    #[test]
    fn a_fault_inside_a_field_of_the_crm_is_named_by_its_whole_pointer() {
        let body = ByteString::from(r#"{"lastName":"x","remoteFields":{"a/b":[{"~c":["ok","\u0001"]}]}}"#);
        let failure = FieldReader::read::<ContactDraft>(&body).unwrap_err();
        let places: Vec<&str> = failure.faults.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(places, ["/remoteFields/a~1b/0/~0c/1"]);
    }
}
