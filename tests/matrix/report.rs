//! Findings by class, backend and case, and how they are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cases::Case;
use crate::run::Seen;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Something asked is not held, and nothing says so.
    SilentLoss,
    /// A warning about what is fine.
    FalseWarning,
    /// A refusal or failure of what is fine.
    FalseFailure,
    /// A change that nobody asked for, or a write where nothing differs.
    UnaskedChange,
    /// The response shows what is not held, or leaves something out in silence.
    WrongResponse,
}

const CLASSES: [(Class, &str); 5] = [
    (Class::SilentLoss, "silent losses"),
    (Class::FalseWarning, "false warnings"),
    (Class::FalseFailure, "false failures"),
    (Class::UnaskedChange, "changes that nobody asked for"),
    (Class::WrongResponse, "wrong responses"),
];

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    pub(crate) text: String,
}

/// All findings.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) cases: usize,
    succeeded: usize,
    sent: usize,
    /// By class and text: fields with kinds of values, writes, backends.
    findings: BTreeMap<(Class, String), [BTreeSet<String>; 3]>,
    counts: BTreeMap<Class, usize>,
}

impl Report {
    pub(crate) fn add(&mut self, case: &Case, seen: &Seen, findings: Vec<Finding>) {
        self.cases += 1;
        self.succeeded += usize::from(seen.response.is_success());
        self.sent += seen.sent.len();
        let (backend, field_and_kind, write) = case.parts();
        for Finding { class, text } in findings {
            *self.counts.entry(class).or_default() += 1;
            let where_found = self.findings.entry((class, without_places(&text))).or_default();
            for (set, name) in where_found.iter_mut().zip([&field_and_kind, write, backend]) {
                set.insert(name.to_owned());
            }
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.cases += other.cases;
        self.succeeded += other.succeeded;
        self.sent += other.sent;
        for (key, sets) in other.findings {
            for (known, more) in self.findings.entry(key).or_default().iter_mut().zip(sets) {
                known.extend(more);
            }
        }
        for (class, count) in other.counts {
            *self.counts.entry(class).or_default() += count;
        }
    }

    pub(crate) fn assert_clean(&self) {
        assert!(self.findings.is_empty(), "{} kinds of findings, see above", self.findings.len());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} answered with success, {} writes sent", self.succeeded, self.sent)?;
        for (class, name) in CLASSES {
            writeln!(f, "{:5} {name}", self.counts.get(&class).copied().unwrap_or_default())?;
        }
        for (class, name) in CLASSES {
            let mut of_class = self.findings.iter().filter(|((found, _), _)| *found == class).peekable();
            if of_class.peek().is_some() {
                writeln!(f, "\n{name}:")?;
            }
            for ((_, text), sets) in of_class {
                let [fields, writes, backends] = sets.each_ref().map(some_of);
                writeln!(f, "  {text}\n      of {fields}\n      by {writes}\n      at {backends}")?;
            }
        }
        Ok(())
    }
}

/// The names, at most sixteen of them.
fn some_of(names: &BTreeSet<String>) -> String {
    let shown: Vec<_> = names.iter().take(16).map(String::as_str).collect();
    let more = if names.len() > 16 { format!(" and {} more", names.len() - 16) } else { String::new() };
    format!("{}{more}", shown.join(" "))
}

/// Places in lists do not matter for what a finding is.
fn without_places(text: &str) -> String {
    let pieces = text.split('/').map(|piece| {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_place = rest.len() < piece.len() && (rest.is_empty() || rest.starts_with([' ', '"']));
        if is_place { format!("*{rest}") } else { piece.to_owned() }
    });
    pieces.collect::<Vec<_>>().join("/")
}
