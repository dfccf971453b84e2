//! Numbers and names in few columns.

use crate::model::printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes on a terminal.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// A number of bytes in 8 columns at most: `999 B`, `1.23 KiB`, `1023 MiB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = count as f64;
    let mut unit = 0;
    // What would round to 1024 belongs to the next unit.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = match value {
        _ if unit == 0 => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", UNITS.get(unit).unwrap_or(&"B"))
}

/// Bytes a second in 10 columns at most.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made positive; the cast saturates")]
pub(super) fn rate(per_second: f64) -> String {
    format!("{}/s", bytes(per_second.max(0.0) as u64))
}

/// A time in 10 columns at most: `0:07`, `1:02:03`, `12 days`.
pub(super) fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        1..100 => format!("{hours}:{minutes:02}:{rest:02}"),
        _ if hours / 24 < 10_000 => format!("{} days", hours / 24),
        _ => "for ever".to_owned(),
    }
}

/// How much of a whole is there, in percent; 100 only when all of it is.
pub(super) fn percent(have: u64, size: u64) -> u64 {
    if have >= size {
        return 100;
    }
    u64::try_from(u128::from(have) * 100 / u128::from(size.max(1))).unwrap_or(99)
}

/// The name in exactly `width` columns: made safe to show, cut in the middle, filled with spaces. Both ends of a
/// name tell files apart; its middle seldom does.
pub(super) fn fit(name: &str, width: usize) -> String {
    // Selectors that turn a sign into a picture change its width, and terminals disagree by how much.
    let name: String = printable(name, 1024).chars().filter(|c| !('\u{fe00}'..='\u{fe0f}').contains(c)).collect();
    let mut out = if columns(&name) <= width { name } else { cut(&name, width) };
    // Where the width of a sequence differs from the sum of its characters.
    while columns(&out) > width {
        out.pop();
    }
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(&out))));
    out
}

fn cut(name: &str, width: usize) -> String {
    let Some(room) = width.checked_sub(1) else {
        return String::new();
    };
    let tail_room = room / 2;
    let head: String = take(name.chars(), room - tail_room);
    let tail: String = take(name.chars().rev(), tail_room);
    format!("{head}…{}", tail.chars().rev().collect::<String>())
}

fn take(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_eight_columns_at_most() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.00 KiB");
        assert_eq!(bytes(10 * 1024 + 512), "10.5 KiB");
        assert_eq!(bytes(1_048_575), "1.00 MiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        for shift in 0..64 {
            for count in [1u64 << shift, (1 << shift) - 1, (1u64 << shift).saturating_mul(999) / 1000] {
                assert!(bytes(count).len() <= 8, "{}", bytes(count));
            }
        }
        assert_eq!(rate(f64::NAN), "0 B/s");
        assert_eq!(rate(-1.0), "0 B/s");
    }

    #[test]
    fn times_read_like_a_clock() {
        assert_eq!(duration(7), "0:07");
        assert_eq!(duration(3723), "1:02:03");
        assert_eq!(duration(100 * 3600), "4 days");
        assert!(duration(u64::MAX).len() <= 10);
    }

    #[test]
    fn only_a_whole_file_has_a_hundred_percent() {
        assert_eq!(percent(999_999, 1_000_000), 99);
        assert_eq!(percent(5, 5), 100);
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
    }

    #[test]
    fn a_name_is_cut_in_the_middle_to_the_column() {
        assert_eq!(fit("abcdefghij", 5), "ab…ij");
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abc", 1), "…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit("日本語のファイル", 7), "日… ル ".replace("… ル ", "…ル  "));
        assert_eq!(columns(&fit("a\u{301}\u{1b}[2J❤\u{fe0f}👩🏽", 12)), 12);
        for width in 0..40 {
            for name in
                ["日本語のとても長いファイル名.tar.gz", "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", "👩🏽👩🏽👩🏽👩🏽👩🏽👩🏽"]
            {
                assert_eq!(columns(&fit(name, width)), width, "{name} in {width}");
            }
        }
    }
}
