//! The only user of the phone library: E.164 forms, and comparing numbers however they are written.

use std::str::FromStr;

use phonenumber::{Mode, country};

use crate::domain::Text;

/// Longer texts are no phone numbers; the library is not asked.
const LONGEST: usize = 64;

/// The country whose national numbers a credential writes without a country code.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Region(Option<country::Id>);

impl Region {
    /// The region that an ISO 3166 code names; none where it names none.
    #[must_use]
    pub(super) fn named(code: Option<&str>) -> Self {
        Self(code.and_then(|code| country::Id::from_str(code).ok()))
    }

    /// Whether `code` names a country, in two capital letters.
    #[must_use]
    pub fn is_known(code: &str) -> bool {
        code.bytes().all(|b| b.is_ascii_uppercase()) && country::Id::from_str(code).is_ok()
    }

    /// The E.164 form of `number`, such as `+14155550100`.
    ///
    /// `None` where it does not parse, or has an extension, which E.164 cannot hold. Whether the number is assigned to
    /// anybody is not asked.
    #[must_use]
    pub(super) fn e164(self, number: &str) -> Option<Text> {
        if number.len() > LONGEST {
            return None;
        }
        let parsed = phonenumber::parse(self.0, number).ok()?;
        // Possible numbers that are not assigned (such as fictional 555 numbers) keep their digits all the same.
        let form = parsed.format().mode(Mode::E164).to_string();
        (parsed.extension().is_none() && (8..=16).contains(&form.len())).then(|| Text::from(form))
    }

    /// What two numbers are compared by: the digits of the E.164 form, or all digits where there is none.
    #[must_use]
    pub(super) fn comparable(self, number: &str) -> String {
        digits(self.e164(number).as_deref().unwrap_or(number))
    }

    /// What two numbers are looked up by: as [`Self::comparable`], without an extension, which CRMs leave out.
    #[must_use]
    pub fn line(self, number: &str) -> String {
        let parsed = (number.len() <= LONGEST).then(|| phonenumber::parse(self.0, number).ok()).flatten();
        let line = parsed.map(|parsed| format!("{}{}", parsed.code().value(), parsed.national().value()));
        line.unwrap_or_else(|| digits(number))
    }

    /// The digits by which the CRMs' substring searches find a number however it was stored: those after the country
    /// code.
    #[must_use]
    pub(super) fn national_digits(self, number: &str) -> String {
        let parsed = (number.len() <= LONGEST).then(|| phonenumber::parse(self.0, number).ok()).flatten();
        parsed.map_or_else(|| digits(number), |parsed| parsed.national().value().to_string())
    }
}

/// The digits of `text`.
#[must_use]
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_their_e164_form_where_they_can() {
        let us = Region::named(Some("US"));
        for (written, form) in [
            ("+1 (415) 555-1234", Some("+14155551234")),
            ("(415) 555-1234", Some("+14155551234")),
            ("415.555.0100", Some("+14155550100")),
            ("+49 30 123456", Some("+4930123456")),
            ("+1 415 555 1234 ext. 7", None),
            ("call me", None),
            ("", None),
        ] {
            assert_eq!(us.e164(written).as_deref(), form, "{written}");
        }
        assert_eq!(Region::default().e164("(415) 555-1234"), None);
        assert_eq!(Region::default().e164(&"1".repeat(5000)), None);
    }

    #[test]
    fn numbers_compare_however_they_are_written() {
        let us = Region::named(Some("US"));
        assert_eq!(us.comparable("+14155551234"), us.comparable("(415) 555-1234"));
        assert_ne!(us.comparable("+14155551234"), us.comparable("+14155551235"));
        assert_eq!(us.comparable("12-34 x"), "1234");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_none_and_forms_are_stable(text in proptest::prelude::any::<String>(), number in "[+0-9 ()a-z.-]{0,20}") {
            for region in [Region::default(), Region::named(Some("US")), Region::named(Some("IT"))] {
                for text in [&text, &number] {
                    let form = region.e164(text);
                    if let Some(form) = &form {
                        let again = region.e164(form);
                        proptest::prop_assert_eq!(again.as_ref(), Some(form));
                    }
                    proptest::prop_assert_eq!(region.comparable(form.as_deref().unwrap_or(text)), region.comparable(text));
                    let _ = region.national_digits(text);
                }
            }
        }
    }
}
