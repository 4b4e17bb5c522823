//! Numbers, durations and times as the page shows them.

use std::time::Duration;

use crate::domain::Timestamp;

/// A number with separators between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and the noun for it.
pub(super) fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

/// A duration of a request, such as `12 ms` or `1.4 s`.
pub(super) fn took(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis == 0.0 {
        "0 ms".to_owned()
    } else if millis < 1.0 {
        format!("{millis:.2} ms")
    } else if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 1_000.0 {
        format!("{millis:.0} ms")
    } else if millis < 60_000.0 {
        format!("{:.1} s", millis / 1e3)
    } else {
        format!("{:.1} min", millis / 6e4)
    }
}

/// How long something has lasted, in its largest unit, or how long it will last.
pub(super) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(172_800, 86_400, "days"), (7_200, 3_600, "h"), (120, 60, "min")];
    let unit = units.into_iter().find(|(from, ..)| seconds >= *from);
    let (_, size, name) = unit.unwrap_or((0, 1, "s"));
    format!("{} {name}", seconds / size)
}

/// The time from `earlier` to `later`; none if they are in the other order.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// A part as a percentage.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let ratio = ratio(part, whole) * 100.0;
    let is_small = ratio > 0.0 && ratio < 10.0;
    if is_small { format!("{:.1} %", ratio.max(0.1)) } else { format!("{ratio:.0} %") }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no exact counts")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A time in UTC, to the second.
pub(super) fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

pub(super) fn clock_of(time: Timestamp) -> String {
    time.strftime("%H:%M:%S").to_string()
}

pub(super) fn day_of(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

pub(super) fn minute_of(time: Timestamp) -> String {
    time.strftime("%H:%M").to_string()
}

/// Bytes in the unit that fits.
pub(super) fn bytes(number: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (ratio(number, 1 << 10), 0);
    while value >= 1_024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1_024.0, unit + 1);
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let micros = [0, 430, 1_250, 84_400, 1_400_000, 150_000_000].map(Duration::from_micros);
        assert_eq!(micros.map(took), ["0 ms", "0.43 ms", "1.2 ms", "84 ms", "1.4 s", "2.5 min"]);
        let seconds = [0, 119, 121, 7_300, 200_000].map(Duration::from_secs);
        assert_eq!(seconds.map(lasting), ["0 s", "119 s", "2 min", "2 h", "2 days"]);
        assert_eq!(
            [(0, 0), (0, 9), (1, 10_000), (1, 30), (1, 2), (9, 9)].map(|(part, whole)| percent(part, whole)),
            ["0 %", "0 %", "0.1 %", "3.3 %", "50 %", "100 %"]
        );
        assert_eq!([0, 1_536, 1 << 30].map(bytes), ["0.0 KiB", "1.5 KiB", "1.0 GiB"]);
    }
}
