//! Moments as callers write them: RFC 3339, whole, with an offset.

use crate::domain::Timestamp;

/// Reads an RFC 3339 moment. A bare date is none: whether it means its beginning or its end, and where, would be a
/// guess.
pub(in crate::api) fn moment(text: &str) -> Result<Timestamp, &'static str> {
    const WANTED: &str = "It must be a moment such as 2024-01-31T09:30:00Z; a date alone is none.";
    // jiff also reads what RFC 3339 does not know: other separators, signed years, zone names.
    let shape = text.as_bytes();
    let rfc3339 = shape.len() >= 20
        && shape[..4].iter().all(u8::is_ascii_digit)
        && shape[4] == b'-'
        && shape[7] == b'-'
        && matches!(shape[10], b'T' | b't')
        && shape[13] == b':'
        && shape[16] == b':'
        && !text.contains(['[', ',']);
    // The commonest slip: a `+` in a query that was not written %2B arrives as a space.
    if text.rfind(' ').is_some_and(|at| at >= "2024-01-31T09:30".len()) {
        return Err(
            "It must be a moment such as 2024-01-31T09:30:00Z; in a query the `+` of an offset is written %2B.",
        );
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
    fn only_whole_moments_are_read() {
        for text in ["2024-01-31T09:30:00Z", "2024-01-31T09:30:00.123456789Z", "2024-01-31t09:30:00+05:30"] {
            assert!(moment(text).is_ok(), "{text}");
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
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
