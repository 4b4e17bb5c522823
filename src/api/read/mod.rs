//! Bodies read by hand from checked JSON, so that every fault is named with its pointer, not only the first.

mod contact;
mod credential;
mod key;
mod tenant;

use bytestring::ByteString;

pub(super) use contact::{IDS, READ_ONLY};
pub(super) use tenant::TenantDraft;

use super::extract::FromBody;
use crate::adapters::pointer_token;
use crate::domain::{Failure, FailureKind, FieldFault, Patch, RawJson, Result, Text};
use crate::json::{self, Kind, Members};

/// How long a string may be, in characters.
pub(super) const STRING_MOST: usize = 1000;
/// How many faults are named: beyond, the answer would be larger than the body that it is about.
const FAULTS_MOST: usize = 200;

/// A body on its way to be read.
pub(super) struct Reader<'a> {
    whole: &'a ByteString,
    faults: Vec<FieldFault>,
    unnamed: usize,
}

/// Whether a text may have several lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Several,
}

impl<'a> Reader<'a> {
    /// Reads the checked JSON text `whole` as a `T`.
    pub(super) fn read<T: FromBody>(whole: &'a ByteString) -> Result<T> {
        let mut reader = Self { whole, faults: Vec::new(), unnamed: 0 };
        let read = reader.object("", whole).and_then(|members| T::from_body(&mut reader, &members));
        match read {
            Some(read) if reader.faults.is_empty() => Ok(read),
            _ => Err(reader.failure()),
        }
    }

    fn failure(self) -> Failure {
        let named = self.faults.len();
        let mut failure = Failure::validation(self.faults);
        if self.unnamed > 0 {
            let detail = format!(
                "{} members need mending; the first {named} are named in `errors`.",
                named + self.unnamed
            );
            failure = Failure::new(FailureKind::ValidationFailed, detail).with_faults(failure.faults);
        }
        failure
    }

    /// Notes a fault of the member at `at`.
    pub(super) fn fault(&mut self, at: &str, code: &'static str, detail: impl Into<Text>) {
        if self.faults.len() < FAULTS_MOST {
            self.faults.push(FieldFault::member(at, code, detail));
        } else {
            self.unnamed += 1;
        }
    }

    /// Notes that nothing is known of the member `name`; `known` are those that are.
    pub(super) fn unknown(&mut self, at: &str, known: &[&str]) {
        self.fault(
            at,
            "unknown_member",
            format!("There is no such member. There are: {}.", known.join(", ")),
        );
    }

    fn wrong_type(&mut self, at: &str, raw: &str, wanted: &str) {
        self.fault(at, "wrong_type", format!("It must be {wanted}; it is {}.", json::kind(raw).word()));
    }

    /// Notes that the member at `at` is missing.
    pub(super) fn required(&mut self, at: &str) {
        self.fault(at, "required", "It is required and must not be empty.");
    }

    /// The value as it stands.
    pub(super) fn raw(&self, raw: &str) -> RawJson {
        RawJson::from_validated(Text::cut(self.whole, raw.trim()))
    }

    /// The members of an object.
    pub(super) fn object<'r>(&mut self, at: &str, raw: &'r str) -> Option<Members<'r>> {
        if json::kind(raw) != Kind::Object {
            self.wrong_type(at, raw, "an object");
            return None;
        }
        json::members(raw)
    }

    /// A text; `null` and what holds only blanks are [`Patch::Clear`].
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
        if text
            .chars()
            .any(|c| c.is_control() && !(lines == Lines::Several && matches!(c, '\n' | '\r' | '\t')))
        {
            self.fault(at, "control_character", "It must not hold control characters.");
        } else if text.chars().count() > STRING_MOST {
            self.fault(at, "too_long", format!("It may be {STRING_MOST} characters long."));
        }
        Patch::Set(Text::cut(self.whole, &text))
    }

    /// The rules of strings, for every string inside a value that is passed on as it is; such texts may have several
    /// lines.
    pub(super) fn strings(&mut self, at: &str, raw: &str) {
        match json::kind(raw) {
            Kind::String => drop(self.text(at, raw, Lines::Several)),
            Kind::List => {
                for (index, raw) in json::elements(raw).unwrap_or_default().iter().enumerate() {
                    self.strings(&format!("{at}/{index}"), raw.get());
                }
            }
            Kind::Object => {
                for (name, raw) in &json::members(raw).unwrap_or_default().0 {
                    self.strings(&under(at, name), raw.get());
                }
            }
            Kind::Null | Kind::Bool | Kind::Number => {}
        }
    }

    /// A text in one line that must stand there.
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
        if elements.len() > most {
            self.fault(at, "too_many", format!("It may hold {most} elements; it holds {}.", elements.len()));
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

/// The pointer to the member `name` of what stands at `at`.
pub(super) fn under(at: &str, name: &str) -> String {
    format!("{at}/{}", pointer_token(name))
}
