//! Steps through JSON text: a quick check, and the ends of strings and values in text that passed it.

use std::borrow::Cow;
use std::collections::HashSet;

/// The limits of one JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How deeply objects and lists may nest.
    pub depth: usize,
    /// How many values there may be, each object, list and scalar counted once.
    pub values: usize,
}

impl Bounds {
    /// A limit on the depth only.
    #[must_use]
    pub const fn of_depth(depth: usize) -> Self {
        Self { depth, values: usize::MAX }
    }
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// The index of the first byte from `at` on that is a quote, a backslash or a control character; the length if there is none.
/// Eight bytes are compared at a time, because most bytes of a reply are inside strings.
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        // A borrow can mark a byte wrongly, but only behind one that is marked rightly.
        let found = (zero(quote) | zero(backslash) | control) & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let is_plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..=0x1f);
    at + bytes.get(at..).map_or(0, |rest| rest.iter().take_while(is_plain).count())
}

/// The index of the first byte from `at` on that is no white space.
pub(super) fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// The index behind the string that begins at `at` with a quote, and whether it has escapes. The text is checked.
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (at + 1, false);
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some((at + 1, escaped)),
            b'\\' => (at, escaped) = (at + 2, true),
            _ => return None,
        }
    }
}

/// The value of a string in quotes with escapes.
pub(super) fn unescaped(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

/// Where the large objects and lists of a text end, in the order of their starts.
pub(super) type Ends = Vec<(u32, u32)>;

/// Objects and lists of fewer bytes are stepped over byte by byte.
const LARGE: usize = 64;

/// The known ends of a part of a text, which begins at `base`.
#[derive(Clone, Copy, Default)]
pub(super) struct KnownEnds<'a> {
    pub(super) ends: &'a [(u32, u32)],
    pub(super) base: usize,
}

impl KnownEnds<'_> {
    fn of(self, at: usize) -> Option<usize> {
        let start = u32::try_from(self.base + at).ok()?;
        let known = self.ends.binary_search_by_key(&start, |(start, _)| *start).ok()?;
        (self.ends[known].1 as usize).checked_sub(self.base)
    }
}

/// The index behind the value that begins at `at`. The text is checked.
pub(super) fn value_end(bytes: &[u8], at: usize, known: KnownEnds<'_>) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at).map(|(end, _)| end),
        b'{' | b'[' => {
            if let Some(end) = known.of(at) {
                return Some(end);
            }
            let (mut at, mut depth) = (at, 0_usize);
            loop {
                match bytes.get(at)? {
                    b'"' => {
                        at = string_end(bytes, at)?.0;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth == 1 => return Some(at + 1),
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let is_of_scalar =
                |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'-' | b'+' | b'.');
            let length = bytes.get(at..)?.iter().take_while(is_of_scalar).count();
            (length > 0).then_some(at + length)
        }
    }
}

/// The ends in `text`, if it surely is one JSON value with unique field names, within `bounds`. `None` needs the complete
/// check, which says what is wrong.
pub(super) fn quick_check(text: &str, bounds: Bounds) -> Option<Ends> {
    let (names, ends) = (Vec::new(), Vec::new());
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, left: bounds.values, names, ends };
    scan.value(bounds.depth)?;
    (after_space(scan.bytes, scan.at) == text.len()).then_some(scan.ends)
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// How many more values there may be.
    left: usize,
    /// The field names of the open objects, of the innermost last.
    names: Vec<Cow<'a, str>>,
    ends: Ends,
}

/// Up to this number of names, they are compared one by one.
const FEW_NAMES: usize = 64;

impl<'a> Scan<'a> {
    /// Steps over a value. `depth` is how much deeper it may nest.
    fn value(&mut self, depth: usize) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        self.at = after_space(self.bytes, self.at);
        match self.bytes.get(self.at)? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.container(depth.checked_sub(1)?),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        self.at += word.len();
        rest.starts_with(word.as_bytes()).then_some(())
    }

    /// Steps over `byte` and the white space before it, if it is next.
    fn takes(&mut self, byte: u8) -> bool {
        self.at = after_space(self.bytes, self.at);
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn container(&mut self, depth: usize) -> Option<()> {
        let (start, place) = (self.at, self.ends.len());
        self.ends.push((u32::try_from(start).ok()?, 0));
        if self.bytes.get(start) == Some(&b'{') {
            self.object(depth)?;
        } else {
            self.list(depth)?;
        }
        if self.at - start < LARGE {
            self.ends.truncate(place);
        } else {
            self.ends[place].1 = u32::try_from(self.at).ok()?;
        }
        Some(())
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.takes(b']') {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if !self.takes(b',') {
                return self.takes(b']').then_some(());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.takes(b'}') {
            return Some(());
        }
        let first = self.names.len();
        let (mut marks, mut many) = (0_u64, HashSet::new());
        loop {
            self.at = after_space(self.bytes, self.at);
            let name = self.name()?;
            if self.repeats(&name, first, &mut marks, &mut many) {
                return None;
            }
            self.names.push(name);
            if !self.takes(b':') {
                return None;
            }
            self.value(depth)?;
            if !self.takes(b',') {
                self.names.truncate(first);
                return self.takes(b'}').then_some(());
            }
        }
    }

    /// Whether `name` is one of the object's names, which begin at `first`. A mark tells most names apart.
    fn repeats(&self, name: &str, first: usize, marks: &mut u64, many: &mut HashSet<String>) -> bool {
        let names = self.names.get(first..).unwrap_or_default();
        if names.len() >= FEW_NAMES {
            if many.is_empty() {
                many.extend(names.iter().map(ToString::to_string));
            }
            return !many.insert(name.to_owned());
        }
        let bytes = name.as_bytes();
        let end = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default());
        let mark = 1 << ((bytes.len() * 7 + end(bytes.first()) * 3 + end(bytes.last())) % 64);
        let is_marked = *marks & mark != 0;
        *marks |= mark;
        is_marked && names.iter().any(|known| known == name)
    }

    fn name(&mut self) -> Option<Cow<'a, str>> {
        let from = self.at;
        if self.bytes.get(from) != Some(&b'"') {
            return None;
        }
        let escaped = self.string()?;
        if escaped {
            return unescaped(self.text.get(from..self.at)?).map(Cow::Owned);
        }
        self.text.get(from + 1..self.at - 1).map(Cow::Borrowed)
    }

    /// Steps over a string; whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let unit = self.code_unit()?;
                let is_pair = match unit {
                    0xd800..=0xdbff => matches!(self.code_unit()?, 0xdc00..=0xdfff),
                    0xdc00..=0xdfff => false,
                    _ => true,
                };
                return is_pair.then_some(());
            }
            _ => return None,
        }
        Some(())
    }

    /// Steps over an escape such as `\u00e9`.
    fn code_unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..)?.strip_prefix("\\u")?.get(..4)?;
        self.at += 6;
        let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| all_hex)
    }

    fn number(&mut self) -> Option<()> {
        let from = self.at;
        self.at += usize::from(self.bytes.get(from) == Some(&b'-'));
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        // A number with an exponent or with very many digits may be out of range.
        let is_exponent = matches!(self.bytes.get(self.at), Some(b'e' | b'E'));
        (!is_exponent && self.at - from < 300).then_some(())
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += length;
        (length > 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::any_value::{dice, values, written};
    use super::super::check::complete_check;
    use super::super::{CheckedJson, REPLY, REQUEST, kind, string};
    use super::*;
    use crate::json::Kind;

    /// Pieces that make a JSON text wrong, or right in another way.
    const PIECES: [&str; 24] = [
        "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e9", "\u{1}", "\n", "\\ud83d", "\\ude00",
        "\\u00", "null", "tru", "\"a\":1,", "é", "1e400", "\u{7f}", " ",
    ];

    fn agree(text: &str) -> Result<(), TestCaseError> {
        for bounds in [REQUEST, REPLY, Bounds { depth: 2, values: 5 }] {
            let complete = complete_check(text, bounds).is_ok();
            let quick = quick_check(text, bounds).is_some();
            prop_assert!(complete || !quick, "only the quick check accepts {text:?}");
            // The quick check leaves numbers that may be out of range to the complete one.
            let pairs = text.as_bytes().windows(2);
            let may_be_unsure =
                pairs.into_iter().any(|pair| pair[0].is_ascii_digit() && matches!(pair[1], b'e' | b'E'));
            prop_assert!(quick || !complete || may_be_unsure, "the quick check is not sure of {text:?}");
        }
        Ok(())
    }

    fn read_alike(whole: &CheckedJson, text: &str, value: &Value) -> Result<(), TestCaseError> {
        match value {
            Value::Object(fields) => {
                let members = whole.members(text).unwrap();
                prop_assert!(super::super::members(text).unwrap().0 == members.0);
                let names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_ref()).collect();
                prop_assert_eq!(names, fields.keys().collect::<Vec<_>>());
                for (name, raw) in &members.0 {
                    read_alike(whole, raw.get(), &fields[name.as_ref()])?;
                }
            }
            Value::Array(list) => {
                let elements = whole.elements(text).unwrap();
                prop_assert!(super::super::elements(text).unwrap() == elements);
                prop_assert_eq!(elements.len(), list.len());
                for (raw, value) in elements.iter().zip(list) {
                    read_alike(whole, raw.get(), value)?;
                }
            }
            Value::String(value) => prop_assert_eq!(string(text).unwrap(), value.as_str()),
            scalar => {
                prop_assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), scalar);
                prop_assert_eq!(kind(text) == Kind::Number, scalar.is_number());
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(crate::proptest_config::usual())]

        #[test]
        fn the_quick_check_accepts_what_the_complete_one_accepts(
            value in values(), seed: u32, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        ) {
            let mut text = written(&value, &mut dice(seed));
            agree(&text)?;
            for (place, piece) in damage {
                let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
                text.insert_str(places[place.index(places.len())], PIECES[piece.index(PIECES.len())]);
                agree(&text)?;
            }
        }

        #[test]
        fn the_quick_check_agrees_about_any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12)) {
            agree(&pieces.concat())?;
        }

        #[test]
        fn values_are_read_as_serde_json_reads_them(value in values(), seed: u32) {
            let text = written(&value, &mut dice(seed));
            if let Ok(value) = serde_json::from_str(&text) && let Ok(whole) = CheckedJson::new(text.into(), REQUEST) {
                read_alike(&whole, &whole, &value)?;
            }
        }
    }

    #[test]
    fn strings_end_where_they_end_at_any_length() {
        for length in 0..40 {
            for special in ["\"", "\\\"", "\u{1f}", "é"] {
                let text = format!("{}{special}{}\"", "x".repeat(length), "y".repeat(40 - length));
                let naive = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap();
                assert_eq!(plain_end(text.as_bytes(), 0), naive, "{text}");
            }
        }
    }

    #[test]
    fn many_names_are_told_apart_too() {
        let object = |names: &[String]| {
            let fields: Vec<String> =
                names.iter().map(|name| format!("\"{name}\":{{\"{name}\":1}}")).collect();
            format!("{{{}}}", fields.join(","))
        };
        let mut names: Vec<String> = (0..100).map(|n| format!("name{n}")).collect();
        for place in 0..100 {
            assert!(quick_check(&object(&names), REPLY).is_some());
            names.push(format!("name{place}"));
            assert!(quick_check(&object(&names), REPLY).is_none(), "{place}");
            names.pop();
        }
    }
}
