//! Sizes and times in replies.

use super::reply::Reply;

/// The length in bytes in a 213 reply to SIZE (RFC 3659, section 4): the number at the end of the line. Nothing for
/// a negative one, one of 2^63 or more, or one of 20 digits and more.
#[must_use]
pub fn size(reply: &Reply) -> Option<u64> {
    let line = std::str::from_utf8(reply.last_line()).ok()?.trim_end();
    let start = line.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let (before, digits) = line.split_at_checked(start)?;
    // A sign, a point or a letter makes another number of it; some servers put rubbish and a blank before.
    matches!(before.chars().next_back(), None | Some(' ' | '\t' | '=' | ':')).then(|| bytes(digits))?
}

/// A length in bytes: 1 to 19 digits, below 2^63.
pub(super) fn bytes(digits: &str) -> Option<u64> {
    let plain = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|&size: &u64| plain && i64::try_from(size).is_ok())
}

/// The modification time in a 213 reply to MDTM (RFC 3659, section 3), as `YYYYMMDDhhmmss[.f]`.
#[must_use]
pub fn modification_time(reply: &Reply) -> Option<String> {
    let line = std::str::from_utf8(reply.last_line()).ok()?;
    line.split_ascii_whitespace().find_map(timestamp)
}

/// A time of 14 digits and an optional fraction (RFC 3659, section 2.3), checked field by field. The form
/// `19100MMDDhhmmss` of servers that count years from 1900 is put right.
pub(super) fn timestamp(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || fraction.is_some_and(|fraction| !digits(fraction) || fraction.len() > 9) {
        return None;
    }
    let whole = match whole.len() {
        14 => whole.to_owned(),
        15 => {
            let years: u16 = whole.strip_prefix("19")?.get(..3)?.parse().ok()?;
            format!("{}{}", 1900 + years, whole.get(5..)?)
        }
        _ => return None,
    };
    let field = |at: usize| whole.get(at..at + 2).and_then(|digits| digits.parse::<u8>().ok());
    let valid = (1..=12).contains(&field(4)?)
        && (1..=31).contains(&field(6)?)
        && field(8)? < 24
        && field(10)? < 60
        && field(12)? <= 60;
    valid.then(|| fraction.map_or(whole.clone(), |fraction| format!("{whole}.{fraction}")))
}

/// The length that a 1yz reply to RETR announces as `(N bytes)`. A hint only: some servers count the whole file,
/// some what is left after REST.
#[must_use]
pub fn announced_size(reply: &Reply) -> Option<u64> {
    reply.lines.iter().rev().find_map(|line| {
        let line = std::str::from_utf8(line).ok()?.trim_end().trim_end_matches('.');
        let (_, inside) = line.strip_suffix(" bytes)")?.rsplit_once('(')?;
        bytes(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    #[test]
    fn a_size_is_the_number_at_the_end() {
        for (text, expected) in [
            ("213 0", Some(0)),
            ("213 1234", Some(1234)),
            ("213  1234 ", Some(1234)),
            ("213 File size: 1234", Some(1234)),
            ("213 file 2 has 1234", Some(1234)),
            ("213-note\r\n213 1234", Some(1234)),
            ("213 9223372036854775807", Some(i64::MAX.unsigned_abs())),
        ] {
            assert_eq!(size(&reply(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_size_that_can_not_be_is_unknown() {
        for text in [
            "213",
            "213 -1",
            "213 -1234",
            "213 9223372036854775808",
            "213 18446744073709551615",
            "213 12345678901234567890",
            "213 00000000000000000001",
            "213 1.5",
            "213 1,234",
            "213 0x12",
            "213 12 bytes",
            "213 many",
        ] {
            assert_eq!(size(&reply(text)), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_fourteen_digits() {
        for (text, expected) in [
            ("213 20260102030405", Some("20260102030405")),
            ("213 20260102030405.123", Some("20260102030405.123")),
            ("213 time 20260102030405 UTC", Some("20260102030405")),
            ("213 19100010203040", None),
            ("213 191000102030405", Some("20000102030405")),
            ("213 191260102030405", Some("20260102030405")),
            ("213 20261302030405", None),
            ("213 20260132030405", None),
            ("213 20260102240405", None),
            ("213 20260102030405.", None),
            ("213 2026010203040", None),
            ("213 1767322800", None),
            ("213", None),
        ] {
            assert_eq!(modification_time(&reply(text)).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_announced_size_is_read_from_the_end() {
        for (text, expected) in [
            ("150 Opening BINARY mode data connection for a (12 bytes).", Some(12)),
            ("150 Opening BINARY mode data connection for a (3 bytes) (12 bytes)", Some(12)),
            ("150-Accepted data connection\r\n150 12.0 kbytes to download", None),
            ("150 ok (-1 bytes)", None),
            ("125 go", None),
        ] {
            assert_eq!(announced_size(&reply(text)), expected, "{text}");
        }
    }
}
