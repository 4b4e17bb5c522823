//! One cell of the table: what an operation answers under a fault, and how often it calls the CRM.

use std::fmt;
use std::ops::RangeInclusive;

/// What is expected: `502 upstream_error x3`; where a race decides, ` or ` stands between what is right. Codes that are equally right stand with `|` between them; `x1-2` is a range
/// of calls; `final` says that the answer is replayed although it is none of those that always are.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    rights: Vec<Right>,
    pub(crate) is_final: bool,
}

/// One right answer.
#[derive(Clone, Debug)]
struct Right {
    status: u16,
    codes: Vec<String>,
    calls: RangeInclusive<usize>,
}

impl Cell {
    /// The cell for `provider`: `aptly: 404 contact_not_found x1; pipeline: 501 operation_unsupported x1` has one for each.
    pub(crate) fn parse(text: &str, provider: &str) -> Self {
        let own = text.split(';').find_map(|part| part.trim().strip_prefix(&format!("{provider}: ")));
        let text = own.unwrap_or(text).trim().to_owned();
        let rights = text.split(" or ").map(Right::parse).collect();
        Self { rights, is_final: text.ends_with(" final"), text }
    }

    /// Whether an answer after so many calls is an expected one.
    pub(crate) fn admits(&self, status: u16, code: &str, calls: usize) -> bool {
        let is = |right: &Right| {
            let known = right.codes.is_empty() || right.codes.iter().any(|known| known == code);
            right.status == status && known && right.calls.contains(&calls)
        };
        self.rights.iter().any(is)
    }
}

impl Right {
    fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let status = words.next().unwrap().parse().unwrap_or_else(|_| panic!("no status in `{text}`"));
        let (mut codes, mut calls) = (Vec::new(), None);
        for word in words.filter(|word| *word != "final") {
            match word.strip_prefix('x') {
                Some(number) => calls = Some(range(number)),
                None => codes = word.split('|').map(str::to_owned).collect(),
            }
        }
        assert_eq!(status == 200, codes.is_empty(), "`{text}`: a failure has a code, a success has none");
        Self { status, codes, calls: calls.unwrap_or_else(|| panic!("no calls in `{text}`")) }
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
