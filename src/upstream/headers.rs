//! The headers of a reply: content type, date, and `Retry-After`.

use std::time::Duration;

use http::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The longest pause that a `Retry-After` can cause. Longer ones are mistakes.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// `Content-Type`, lower case, without parameters; empty if there is none.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(DATE)?.to_str().ok().and_then(http_date)
}

/// `Retry-After` in both of its forms, from now: a past date is zero, and at most [`LONGEST_PAUSE`]. `None` if it cannot be
/// parsed.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that is too large is a long time.
        text.parse().map_or(LONGEST_PAUSE, Duration::from_secs)
    } else {
        Duration::try_from(http_date(text)?.duration_since(crate::clock::now())).unwrap_or_default()
    };
    Some(after.min(LONGEST_PAUSE))
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(text.as_bytes()).unwrap());
        retry_after(&headers)
    }

    #[test]
    fn each_form_of_retry_after_is_understood_or_none() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("3601", Some(3_600)),
            ("99999999999999999999999999", Some(3_600)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            ("Wed, 01 Dec 9999 00:00:00 GMT", Some(3_600)),
            ("", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("2015-10-21", None),
        ] {
            assert_eq!(read(text), seconds.map(Duration::from_secs), "{text}");
        }
        let soon = crate::clock::now() + jiff::SignedDuration::from_secs(60);
        let text = rfc2822::to_string(&soon.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        let read = read(&text).unwrap();
        assert!(read > Duration::from_secs(50) && read <= Duration::from_mins(1), "{text} {read:?}");
    }

    proptest! {
        #![proptest_config(crate::proptest_config::usual())]

        #[test]
        fn no_text_breaks_the_reader_or_asks_for_more_than_an_hour(text in "[ -~]{0,40}") {
            prop_assert!(read(&text).unwrap_or_default() <= LONGEST_PAUSE);
        }
    }
}
