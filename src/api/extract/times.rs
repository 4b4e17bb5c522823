//! Timestamps in requests: complete RFC 3339, with an offset.

use crate::domain::Timestamp;

/// Parses an RFC 3339 timestamp. A date without a time is refused, because it does not say which time and time zone it means.
pub(in crate::api) fn timestamp(text: &str) -> Result<Timestamp, &'static str> {
    const WANTED: &str = "Must be a timestamp such as 2024-01-31T09:30:00Z, not only a date.";
    // jiff also accepts forms that RFC 3339 does not allow: other separators, signed years, zone names.
    let shape = text.as_bytes();
    let rfc3339 = shape.len() >= 20
        && shape[..4].iter().all(u8::is_ascii_digit)
        && shape[4] == b'-'
        && shape[7] == b'-'
        && matches!(shape[10], b'T' | b't')
        && shape[13] == b':'
        && shape[16] == b':'
        && !text.contains(['[', ',']);
    // A common mistake: a `+` in a query that is not encoded as %2B arrives as a space.
    if text.rfind(' ').is_some_and(|at| at >= "2024-01-31T09:30".len()) {
        return Err("Must be a timestamp such as 2024-01-31T09:30:00Z. Encode the `+` of an offset as %2B.");
    }
    if !rfc3339 || text.contains(' ') {
        return Err(WANTED);
    }
    text.parse().map_err(|_| WANTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_timestamps_are_read() {
        for text in ["2024-01-31T09:30:00Z", "2024-01-31T09:30:00.123456789Z", "2024-01-31t09:30:00+05:30"] {
            assert!(timestamp(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "2024-01-31",
            "2024-01-31T09:30Z",
            "2024-01-31T09:30:00",
            "2024-01-31 09:30:00Z",
            "2024-02-30T09:30:00Z",
            "2024-01-31T09:30:00Z[UTC]",
            "+002024-01-31T09:30:00Z",
            "1706691000",
            "2024-01-31T09:30:00 02:00",
            "ééééééééééééééééééééé",
        ] {
            assert!(timestamp(text).is_err(), "{text}");
        }
    }
}
