//! Phone numbers: their E.164 form, and when two of them are equal. The only user of the phone library.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use rlibphonenumber::{CountryCodeSource, NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, enums};

use super::Text;

/// Trunk prefixes of all countries. If the library strips anything else (a carrier code, a corrected area code), it has
/// changed the number.
const TRUNK_PREFIXES: [&str; 7] = ["", "0", "1", "8", "80", "06", "01"];

/// The maximum number of digits of an E.164 number.
const MOST_DIGITS: usize = 15;

/// With at least this many letters, they are part of the number or a comment on it, and the number cannot be dialled.
const LETTERS: usize = 3;

/// The minimum number of digits of a whole national number.
const WHOLE_NATIONAL: usize = 7;

/// A country code has at most three digits, and an international or trunk prefix rarely more than two.
const LONGEST_PREFIX: usize = 5;

/// How many digits at the end are the same in all spellings of a number.
const LAST_DIGITS: usize = 7;

/// The country whose national numbers are written without a country code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region(Option<enums::Region>);

impl Region {
    /// The region of an ISO 3166 code; an unknown code gives no region.
    #[must_use]
    pub fn named(code: Option<&str>) -> Self {
        Self(code.and_then(known))
    }

    /// Whether `code` is the code of a country with phone numbers, in two capital letters.
    #[must_use]
    pub fn is_known(code: &str) -> bool {
        known(code).is_some()
    }
}

fn known(code: &str) -> Option<enums::Region> {
    let capitals = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    let region = capitals.then(|| enums::Region::from_str(code).ok()).flatten()?;
    PHONE_NUMBER_UTIL.get_supported_regions().find(|supported| *supported == region)
}

/// How many numbers a thread remembers, and how long they may be: a CRM can show megabytes as one.
const REMEMBERED: usize = 8;
const LONGEST_REMEMBERED: usize = 64;

thread_local! {
    /// What this thread read last, newest first. A write reads each of its numbers up to six times, which was 5 % of a create.
    static LAST_READ: RefCell<VecDeque<(Region, String, PhoneIdentity)>> = const { RefCell::new(VecDeque::new()) };
}

/// A phone number as read in one region. Two are equal if they have the same E.164 form without extensions. Numbers without
/// that form are equal if their digits and letters are.
#[derive(Clone, Debug)]
pub struct PhoneIdentity {
    /// `+` and the digits, or the digits and letters of a number that has no E.164 form.
    key: Text,
    /// The digits after the country code, or all digits.
    national: String,
    is_e164: bool,
    /// The number as written up to its extension, if it has one.
    without_extension: Option<Text>,
}

impl PhoneIdentity {
    /// Reads `number`; a national number is one of `region`.
    #[must_use]
    pub fn of(region: Region, number: &str) -> Self {
        LAST_READ.with_borrow_mut(|read| {
            let known = read.iter().find(|(known_in, text, _)| *known_in == region && text == number);
            if let Some((.., identity)) = known {
                return identity.clone();
            }
            let identity = Self::read(region, number);
            if number.len() > LONGEST_REMEMBERED {
                return identity;
            }
            read.truncate(REMEMBERED - 1);
            read.push_front((region, number.to_owned(), identity.clone()));
            identity
        })
    }

    fn read(region: Region, number: &str) -> Self {
        let (parsed, line) = without_extensions(region.0, number);
        let without_extension = (line.len() < number.len()).then(|| Text::from(line.trim()));
        let stable = |(form, national): &(String, String)| {
            // The library drops one of two leading zeros when it parses its own output.
            !national.starts_with('0')
                || PHONE_NUMBER_UTIL
                    .parse(form, None)
                    .is_ok_and(|again| again.get_national_significant_number() == *national)
        };
        match parsed.and_then(|parsed| e164(&parsed, line)).filter(stable) {
            Some((form, national)) => {
                Self { key: Text::from(form), national, is_e164: true, without_extension }
            }
            None => {
                Self { key: plain(line).into(), national: digits(line), is_e164: false, without_extension }
            }
        }
    }

    /// The text that equal numbers share.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// The E.164 form, such as `+14155550100`: exactly the digits written, plus a country code, minus a trunk prefix or the
    /// region's international prefix, without an extension. `None` if there is no such form, or if the country has no numbers
    /// of this length.
    #[must_use]
    pub fn e164(&self) -> Option<&Text> {
        self.is_e164.then_some(&self.key)
    }

    /// The number as it was written up to its extension; `None` if it has no extension.
    #[must_use]
    pub const fn without_extension(&self) -> Option<&Text> {
        self.without_extension.as_ref()
    }

    /// The digits for a CRM's substring search, which find the number in all spellings: those after the country code, or after
    /// what may be a country code if none is known.
    #[must_use]
    pub fn search_digits(&self) -> &str {
        let unsure = if self.is_e164 { 0 } else { self.national.len().saturating_sub(WHOLE_NATIONAL) };
        &self.national[unsure.min(LONGEST_PREFIX)..]
    }

    /// The last seven national digits, which are in every spelling of the number; `None` if it has fewer.
    #[must_use]
    pub fn last_digits(&self) -> Option<&str> {
        self.national.len().checked_sub(LAST_DIGITS).map(|from| &self.national[from..])
    }

    /// Whether both may be the same number although they are not equal: one of them has no known country code, and the national
    /// digits match.
    #[must_use]
    pub fn resembles(&self, other: &Self) -> bool {
        if self == other || (self.is_e164 && other.is_e164) {
            return false;
        }
        let (shorter, longer) = match (self.is_e164, other.is_e164) {
            (true, false) => (&self.national, &other.national),
            (false, true) => (&other.national, &self.national),
            _ if self.national.len() <= other.national.len() => (&self.national, &other.national),
            _ => (&other.national, &self.national),
        };
        let prefix = longer.len().checked_sub(shorter.len());
        shorter.len() >= WHOLE_NATIONAL
            && prefix.is_some_and(|prefix| prefix <= LONGEST_PREFIX)
            && longer.ends_with(shorter.as_str())
    }

    /// Keys for an index of numbers: two unequal numbers [resemble](Self::resembles) each other if [`Self::near_wanted`] of one
    /// and [`Self::near_held`] of the other have a key in common.
    pub fn near_held(&self) -> impl Iterator<Item = Near<'_>> {
        let endings = self.national_endings().filter(|_| !self.is_e164);
        endings.map(Near::Ending).chain(self.national_endings().take(1).map(Near::Whole))
    }

    /// The keys to search with; see [`Self::near_held`].
    pub fn near_wanted(&self) -> impl Iterator<Item = Near<'_>> {
        let endings = self.national_endings().filter(|_| !self.is_e164);
        endings.map(Near::Whole).chain(self.national_endings().take(1).map(Near::Ending))
    }

    /// The national digits, whole and without prefixes of each length, if they are still a whole national number.
    fn national_endings(&self) -> impl Iterator<Item = &str> {
        let endings = (0..=LONGEST_PREFIX).map_while(|prefix| self.national.get(prefix..));
        endings.take_while(|ending| ending.len() >= WHOLE_NATIONAL)
    }

    /// A key that equal numbers share, and also most spellings of one number without a country code.
    #[must_use]
    pub fn lock_key(&self) -> String {
        let digits = digits(&self.key);
        digits[digits.len().saturating_sub(LAST_DIGITS)..].to_owned()
    }
}

/// National digits that two similar numbers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Near<'a> {
    /// All of them.
    Whole(&'a str),
    /// Those after what may be a prefix.
    Ending(&'a str),
}

impl PartialEq for PhoneIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for PhoneIdentity {}

impl Hash for PhoneIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// The digits of `text`, of any script, in ASCII.
#[must_use]
pub fn digits(text: &str) -> String {
    let mut digits = String::with_capacity(text.len());
    digits.extend(text.chars().filter_map(digit));
    digits
}

/// Whether `number` has letters besides a label of its extension, so that it cannot be dialled.
#[must_use]
pub fn has_letters(number: &str) -> bool {
    letters(without_scheme(without_extensions(None, number).1)) >= LETTERS
}

/// The number up to its extension, parsed and as written. A number with two extensions is ambiguous: both are cut off, and it
/// is not parsed.
fn without_extensions(region: Option<enums::Region>, number: &str) -> (Option<PhoneNumber>, &str) {
    let (mut line, mut cut) = (number, 0);
    loop {
        let parsed = PHONE_NUMBER_UTIL.parse_and_keep_raw_input(line, region).ok();
        let digits = parsed.as_ref().map_or_else(|| extension(line), extension_digits);
        let before = before_extension(line, digits);
        if before.len() == line.len() {
            return (parsed.filter(|_| cut < 2), line);
        }
        (line, cut) = (before, cut + 1);
    }
}

/// The E.164 form and its national digits.
fn e164(parsed: &PhoneNumber, line: &str) -> Option<(String, String)> {
    if parsed.is_possible_with_reason() != Ok(NumberLengthType::IsPossible) {
        return None;
    }
    let (code, national) = (parsed.country_code.to_string(), parsed.get_national_significant_number());
    let line = without_scheme(line);
    if code.len() + national.len() > MOST_DIGITS || letters(line) >= LETTERS {
        return None;
    }
    let written = digits(line);
    let before = written.strip_suffix(national.as_str())?;
    let dialled = |trunk: &&str| match parsed.country_code_source() {
        CountryCodeSource::FromDefaultCountry => before == *trunk,
        // The international prefix of the region comes first.
        CountryCodeSource::FromNumberWithIdd => {
            before.strip_suffix(*trunk).is_some_and(|before| before.ends_with(&code))
        }
        _ => before.strip_suffix(*trunk) == Some(&code),
    };
    TRUNK_PREFIXES.iter().any(dialled).then(|| (format!("+{code}{national}"), national))
}

fn extension_digits(parsed: &PhoneNumber) -> usize {
    parsed.extension.as_deref().map_or(0, |extension| extension.chars().count())
}

/// How many digits the extension of a national number has. Extensions are written the same way in all countries.
fn extension(number: &str) -> usize {
    let parsed = PHONE_NUMBER_UTIL.parse(number, Some(enums::Region::US)).ok();
    parsed.as_ref().map_or(0, extension_digits)
}

/// `number` up to the last digit before its extension.
fn before_extension(number: &str, extension: usize) -> &str {
    if extension == 0 {
        return number;
    }
    let mut before = number.char_indices().rev().filter(|(_, c)| digit(*c).is_some()).skip(extension);
    before.next().map_or("", |(at, c)| &number[..at + c.len_utf8()])
}

/// Removes `tel:`, which must not count as letters.
fn without_scheme(number: &str) -> &str {
    match number.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tel:") => rest,
        _ => number,
    }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphabetic()).count()
}

/// Only the digits and letters, in lower case.
fn plain(text: &str) -> String {
    let one = |c: char| digit(c).or_else(|| c.is_alphabetic().then_some(c));
    text.chars().filter_map(one).flat_map(char::to_lowercase).collect()
}

/// The zeros of all scripts; the other nine digits follow each of them.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50,
    0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
    0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
    0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

/// The ASCII digit for a decimal digit of any script.
fn digit(c: char) -> Option<char> {
    let c = u32::from(c);
    let zero = ZEROS.partition_point(|zero| *zero <= c).checked_sub(1).and_then(|at| ZEROS.get(at))?;
    char::from_digit(c - zero, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = include_str!("../../tests/fixtures/phones/table.tsv");

    fn form(region: &str, number: &str) -> Option<String> {
        let region = Region::named((region != "-").then_some(region));
        PhoneIdentity::of(region, number).e164().map(|form| form.as_str().to_owned())
    }

    fn of(region: &str, number: &str) -> PhoneIdentity {
        PhoneIdentity::of(Region::named(Some(region)), number)
    }

    #[test]
    fn a_thread_remembers_few_numbers_none_that_is_long_and_each_in_its_region() {
        for last in 0..2 * REMEMBERED {
            of("US", &format!("+1415555{last:04}"));
        }
        of("US", &"1".repeat(LONGEST_REMEMBERED + 1));
        LAST_READ.with_borrow(|read| {
            assert_eq!(read.len(), REMEMBERED);
            assert!(read.iter().all(|(_, text, _)| text.len() <= LONGEST_REMEMBERED));
        });
        assert_ne!(of("US", "030 1234567"), of("DE", "030 1234567"));
    }

    #[test]
    fn numbers_are_read_as_the_reference_table_says_row_by_row() {
        let mut rows = 0;
        let mut wrong = Vec::new();
        for line in TABLE.lines() {
            let [region, text, expected, mark] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            rows += 1;
            let found = form(region, text);
            if found.as_deref().unwrap_or("-") != expected {
                wrong.push(format!("{region} {text:?}: {found:?} instead of {expected} {mark}"));
            }
        }
        assert!(rows >= 2_000, "{rows} rows");
        assert_eq!(wrong.len(), 0, "{wrong:#?}");
    }

    #[test]
    fn numbers_that_differ_by_a_leading_zero_are_two() {
        assert_ne!(of("US", "+39 0332 1234567"), of("IT", "+39 332 1234567"));
        assert_ne!(of("IT", "0332 1234567"), of("IT", "332 1234567"));
        assert_eq!(of("IT", "0332 1234567"), of("US", "+39 0332 1234567"));
    }

    #[test]
    fn numbers_are_one_however_they_are_written() {
        assert_eq!(of("US", "+14155551234"), of("US", "(415) 555-1234"));
        assert_eq!(of("US", "+14155551234"), of("US", "+1 415 555 1234 ext. 7"));
        assert_ne!(of("US", "+14155551234"), of("US", "+14155551235"));
        assert_ne!(of("US", "1-800-FLOWERS"), of("US", "1-800-GOFEDEX"));
        let nowhere = |number| PhoneIdentity::of(Region::default(), number);
        assert_eq!(nowhere("(415) 555-1234"), nowhere("415.555.1234 x7"));
        assert_eq!(nowhere("415 555 1234 x7").lock_key(), nowhere("+1 415 555 1234 ext 12").lock_key());
    }

    #[test]
    fn a_number_without_a_country_code_resembles_those_with_one() {
        let nowhere = |number| PhoneIdentity::of(Region::default(), number);
        for (one, other, near) in [
            ("+14155551234", "415 555 1234", true),
            ("+14155551234", "1 415 555 1234", true),
            ("+442079460958", "020 7946 0958", true),
            ("+14155551234", "+34155551234", false),
            ("+14155551234", "555 1234", false),
            ("+14155551234", "+14155551234", false),
            ("415 555 1234", "415 555 1234 (home)", true),
        ] {
            let (one, other) = (nowhere(one), nowhere(other));
            assert_eq!((one.resembles(&other), other.resembles(&one)), (near, near), "{one:?} {other:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(crate::proptest_config::usual())]

        #[test]
        fn any_text_is_a_number_or_none_and_forms_are_stable(text in proptest::prelude::any::<String>(), number in "[+0-9 ()a-z.,;#-]{0,24}") {
            for region in ["-", "US", "IT", "AR", "BR", "KR"] {
                for text in [&text, &number] {
                    let region = Region::named(Some(region));
                    let read = PhoneIdentity::of(region, text);
                    if let Some(form) = read.e164() {
                        let again = PhoneIdentity::of(region, form);
                        proptest::prop_assert_eq!(again.e164(), Some(form));
                        proptest::prop_assert_eq!(&again, &read);
                        proptest::prop_assert_eq!(again.lock_key(), read.lock_key());
                    }
                    let _ = has_letters(text);
                }
            }
        }

        #[test]
        fn an_index_finds_the_numbers_that_resemble_one_another(
            one in "(\\+1|\\+39|\\+|1|0|00)?[0-2]{1,9}( x1)?",
            prefix in "(\\+1|\\+39|\\+|1|0|00)?[0-2]{0,3}",
            cut in 0_usize..4,
        ) {
            let region = Region::default();
            let other = PhoneIdentity::of(region, &format!("{prefix}{}", &one[cut.min(one.len())..]));
            let one = PhoneIdentity::of(region, &one);
            for (one, other) in [(&one, &other), (&other, &one)] {
                let shared = one.near_wanted().any(|wanted| other.near_held().any(|held| held == wanted));
                proptest::prop_assert_eq!(one != other && shared, one.resembles(other));
            }
        }
    }
}
