//! Numbers and plurals for people.

use crate::model::{IdSet, JobId, printable, rfc3339, without_userinfo};
use std::path::Path;

/// Longest text from outside that stands in one line.
const WIDE: usize = 1000;

/// A number of bytes in binary units with one decimal: `12.3 MiB`.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub(super) fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        // 1023.95 and more would be shown as 1024.0 of the smaller unit.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A rate: `12.3 MiB/s`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what u64 holds")]
pub(super) fn rate(bytes_a_second: f64) -> String {
    format!("{}/s", bytes(bytes_a_second.clamp(0.0, 1e18) as u64))
}

/// A span of time by its two largest units: `2 h 5 min`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A span of time in milliseconds: `0.3 s`, `2 min 5 s`.
pub(super) fn millis(millis: u64) -> String {
    if millis < 60_000 { format!("{}.{} s", millis / 1000, millis % 1000 / 100) } else { span(millis / 1000) }
}

/// A number with commas between its thousands: `38,112`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 job`, `2 jobs`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Numbers of jobs as the command line takes them: `5-9 12`.
pub(super) fn numbers(ids: &IdSet) -> String {
    let range =
        |(first, last): (JobId, JobId)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ids.ranges().map(range).collect::<Vec<_>>().join(" ")
}

/// A text from outside, safe for a terminal.
pub(super) fn safe(text: &impl ToString) -> String {
    printable(&text.to_string(), WIDE)
}

/// A path from the command line, safe for a terminal; a URL that was taken for a path loses its password.
pub(super) fn path(path: &Path) -> String {
    printable(&without_userinfo(&path.to_string_lossy()), WIDE)
}

/// A time for people.
pub(super) fn time(seconds: u64) -> String {
    rfc3339(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_decimal_and_never_1024_of_a_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (12_902_400, "12.3 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(rate(-1.0), "0 B/s");
        assert_eq!(rate(f64::NAN), "0 B/s");
    }

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (38_112, "38,112"), (1_000_000, "1,000,000")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!([millis(0), millis(1_250), millis(60_000)], ["0.0 s", "1.2 s", "1 min 0 s"]);
    }

    #[test]
    fn spans_show_two_units() {
        assert_eq!([span(59), span(61), span(7500), span(90_000)], ["59 s", "1 min 1 s", "2 h 5 min", "1 d 1 h"]);
    }
}
