//! One cell of the table: what an operation answers under a fault, and how often it calls the CRM.

use std::fmt;
use std::ops::RangeInclusive;

/// What is expected: `502 upstream_error x3`. Codes that are equally right stand with `|` between them; `x1-2` is a range
/// of calls; `final` says that the answer is replayed although it is none of those that always are.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) status: u16,
    pub(crate) codes: Vec<String>,
    pub(crate) calls: RangeInclusive<usize>,
    pub(crate) is_final: bool,
}

impl Cell {
    /// The cell for `provider`: `aptly: 404 contact_not_found x1; pipeline: 501 operation_unsupported x1` has one for each.
    pub(crate) fn parse(text: &str, provider: &str) -> Self {
        let own = text.split(';').find_map(|part| part.trim().strip_prefix(&format!("{provider}: ")));
        let text = own.unwrap_or(text).trim().to_owned();
        let mut words = text.split(' ');
        let status = words.next().unwrap().parse().unwrap_or_else(|_| panic!("no status in `{text}`"));
        let (mut codes, mut calls, mut is_final) = (Vec::new(), None, false);
        for word in words {
            match word.strip_prefix('x') {
                Some(number) => calls = Some(range(number)),
                None if word == "final" => is_final = true,
                None => codes = word.split('|').map(str::to_owned).collect(),
            }
        }
        let calls = calls.unwrap_or_else(|| panic!("no calls in `{text}`"));
        assert_eq!(status == 200, codes.is_empty(), "`{text}`: a failure has a code, a success has none");
        Self { text, status, codes, calls, is_final }
    }

    /// Whether an answer is the expected one.
    pub(crate) fn admits(&self, status: u16, code: &str) -> bool {
        self.status == status && (self.codes.is_empty() || self.codes.iter().any(|known| known == code))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn range(text: &str) -> RangeInclusive<usize> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    first.parse().unwrap()..=last.parse().unwrap()
}
