//! Dates and times as listings write them.

use super::words::{number, small};

/// When something was changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01, of the time as it is written.
    pub seconds: i64,
    /// The smallest unit that is written.
    pub resolution: Resolution,
    /// Where on earth it is that time.
    pub zone: Zone,
}

/// The smallest unit of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// A second, or less.
    Second,
    /// A minute.
    Minute,
    /// A day.
    Day,
}

/// Where a time is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Everywhere: it is UTC.
    Utc,
    /// At the server, wherever that is: up to 14 hours from UTC.
    Server,
}

/// A day as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
}

/// A time of the day as it is written; 24:00 is the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    seconds: i64,
    resolution: Resolution,
}

/// A day ahead is the server's time zone, not last year.
const AHEAD: i64 = 86_400;

/// The server's time of that day and hour; nothing for a day that no calendar has.
pub(super) fn local(date: Date, clock: Option<Clock>) -> Option<Time> {
    let start = date.days()? * 86_400;
    Some(match clock {
        Some(clock) => Time { seconds: start + clock.seconds, resolution: clock.resolution, zone: Zone::Server },
        None => Time { seconds: start, resolution: Resolution::Day, zone: Zone::Server },
    })
}

/// The same of a day without a year: the last such day that has been.
pub(super) fn recent(month: u32, day: u32, clock: Option<Clock>, now: i64) -> Option<Time> {
    let this_year = year_of(now);
    // 29 February comes every eighth year at worst.
    (0..=8)
        .filter_map(|ago| local(Date { year: this_year - ago, month, day }, clock))
        .find(|time| time.seconds <= now.saturating_add(AHEAD))
}

/// UTC, from fourteen digits that were checked field by field (RFC 3659, section 2.3).
pub(super) fn from_digits(text: &str) -> Option<Time> {
    let field = |from: usize, to: usize| text.as_bytes().get(from..to).and_then(number);
    let part = |from: usize| field(from, from + 2).and_then(|n| u32::try_from(n).ok());
    let date = Date { year: i64::try_from(field(0, 4)?).ok()?, month: part(4)?, day: part(6)? };
    let seconds = i64::from(part(8)?) * 3600 + i64::from(part(10)?) * 60 + i64::from(part(12)?);
    Some(Time { seconds: date.days()? * 86_400 + seconds, resolution: Resolution::Second, zone: Zone::Utc })
}

impl Date {
    /// Days since 1970-01-01 in the proleptic Gregorian calendar; nothing for a day that it has not.
    fn days(self) -> Option<i64> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let longest = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if !(1..=longest).contains(&self.day) || !(0..=9999).contains(&self.year) {
            return None;
        }
        // Years that begin in March have their leap day at the end.
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let (year, month) = if month <= 2 { (self.year - 1, month + 9) } else { (self.year, month - 3) };
        let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        Some(days + (153 * month + 2) / 5 + day - 1 - 719_468)
    }

    /// A year, and a day of it where those can be.
    fn of(year: i64, month: u32, day: u32) -> Option<Self> {
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self { year, month, day })
    }
}

fn year_of(seconds: i64) -> i64 {
    // 400 years have 146,097 days; counted from March of the year 0.
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    era * 400 + year + i64::from(in_year >= 306)
}

/// `3:26`, `03:26:10`, `03:26:10.123`, `24:00`, with `AM` or `PM` glued to it or not.
pub(super) fn clock(word: &[u8]) -> Option<Clock> {
    let (digits, half) = match word.split_last_chunk::<2>() {
        Some((digits, half)) if half.eq_ignore_ascii_case(b"am") => (digits, Some(0)),
        Some((digits, half)) if half.eq_ignore_ascii_case(b"pm") => (digits, Some(12)),
        _ => (word, None),
    };
    let mut parts = digits.splitn(3, |&b| b == b':');
    let (hour, minute) = (small(parts.next()?)?, parts.next().filter(|m| m.len() == 2).and_then(small)?);
    let second = match parts.next() {
        Some(rest) => {
            let whole = rest.split(|&b| b == b'.').next()?;
            let fraction = rest.get(whole.len()..).is_none_or(|f| f.iter().skip(1).all(u8::is_ascii_digit));
            Some(small(whole).filter(|_| whole.len() == 2 && fraction)?)
        }
        None => None,
    };
    of_clock(hour, minute, second, half)
}

/// The same where `AM` or `PM` is a word of its own behind it.
pub(super) fn halved(clock: Clock, word: &[u8]) -> Option<Clock> {
    let half = match word.to_ascii_uppercase().as_slice() {
        b"AM" => 0,
        b"PM" => 12,
        _ => return None,
    };
    let hour = u32::try_from(clock.seconds / 3600).ok().filter(|hour| (1..=12).contains(hour))?;
    let moved = i64::from(hour % 12 + half) * 3600 + clock.seconds % 3600;
    Some(Clock { seconds: moved, ..clock })
}

fn of_clock(hour: u32, minute: u32, second: Option<u32>, half: Option<u32>) -> Option<Clock> {
    let hour = match half {
        // 00:34AM is what some servers make of midnight.
        Some(half) if hour <= 12 => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    let end_of_day = hour == 24 && minute == 0 && second.unwrap_or(0) == 0;
    if (hour > 23 && !end_of_day) || minute > 59 || second.unwrap_or(0) > 60 {
        return None;
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second.unwrap_or(0));
    Some(Clock { seconds, resolution: if second.is_some() { Resolution::Second } else { Resolution::Minute } })
}

/// `1326`: hours and minutes in four digits.
pub(super) fn plain_clock(word: &[u8]) -> Option<Clock> {
    let (hour, minute) = word.split_at_checked(2).filter(|_| word.len() == 4)?;
    of_clock(small(hour)?, small(minute)?, None, None)
}

/// `+0200`, `-05:00` or `Z`, in seconds.
pub(super) fn offset(word: &[u8]) -> Option<i64> {
    let (sign, digits) = match word {
        b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [a, b, c, d] | [a, b, b':', c, d] => (small(&[*a, *b])?, small(&[*c, *d])?),
        _ => return None,
    };
    (hours <= 14 && minutes < 60).then_some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// A date of three numbers, or two and the name of a month, between `-`, `/` or `.`. Where the order is in doubt, it is
/// that of the separator's usual users: month first, but day first between dots.
pub(super) fn date(word: &[u8]) -> Option<Date> {
    let mark = *word.iter().find(|b| matches!(b, b'-' | b'/' | b'.'))?;
    let word = word.strip_suffix(b".").unwrap_or(word);
    let mut parts = word.split(|&b| b == mark);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    if let Some(month) = month(b).filter(|_| !b.iter().all(u8::is_ascii_digit)) {
        return Date::of(year(c)?, month, small(a)?);
    }
    if let Some(month) = month(a).filter(|_| !a.iter().all(u8::is_ascii_digit)) {
        return Date::of(year(c)?, month, small(b)?);
    }
    if a.len() == 4 {
        return Date::of(i64::try_from(number(a)?).ok()?, small(b)?, small(c)?);
    }
    let (a, b) = (small(a)?, small(b)?);
    let day_first = if mark == b'.' { b <= 12 } else { a > 12 };
    let (month, day) = if day_first { (b, a) } else { (a, b) };
    Date::of(year(c)?, month, day)
}

/// `yy/mm/dd`, as OS-9 has it.
pub(super) fn year_first(word: &[u8]) -> Option<Date> {
    let mut parts = word.split(|b| matches!(b, b'-' | b'/' | b'.'));
    let (y, m, d) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Date::of(year(y)?, small(m)?, small(d)?)
}

/// A year of two digits, of three counted from 1900, or of four.
pub(super) fn year(word: &[u8]) -> Option<i64> {
    let number = i64::try_from(number(word)?).ok()?;
    match word.len() {
        2 if number < 70 => Some(2000 + number),
        2 | 3 => Some(1900 + number),
        4 => Some(number),
        _ => None,
    }
}

/// Digits with the sign of a unit behind them, as Chinese, Japanese and Korean have it, in whatever encoding.
pub(super) fn counted(word: &[u8]) -> Option<(&[u8], bool)> {
    let digits = word.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, unit) = word.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?;
    // The second byte of a character may be ASCII in some of the encodings; the first never is.
    let foreign = unit.first().is_some_and(|b| !b.is_ascii());
    (foreign || unit.is_empty()).then_some((digits, foreign))
}

/// The month of a name in any of the languages that servers were met in, or of digits with a sign behind them.
pub(super) fn month(word: &[u8]) -> Option<u32> {
    let word = word.strip_suffix(b",").unwrap_or(word);
    let word = word.strip_suffix(b".").unwrap_or(word);
    if let &[a, b, c] = word {
        let english: u32 = match &[a.to_ascii_lowercase(), b.to_ascii_lowercase(), c.to_ascii_lowercase()] {
            b"jan" => 1,
            b"feb" => 2,
            b"mar" => 3,
            b"apr" => 4,
            b"may" => 5,
            b"jun" => 6,
            b"jul" => 7,
            b"aug" => 8,
            b"sep" => 9,
            b"oct" => 10,
            b"nov" => 11,
            b"dec" => 12,
            _ => 0,
        };
        if english > 0 {
            return Some(english);
        }
    }
    if word.first().is_some_and(u8::is_ascii_digit) {
        let (digits, foreign) = counted(word)?;
        return small(digits).filter(|n| foreign && (1..=12).contains(n));
    }
    if word.len() < 3 || word.len() > 24 {
        return None;
    }
    let text = match std::str::from_utf8(word) {
        Ok(text) => text.to_lowercase(),
        // Latin-1 is what servers write that don't write UTF-8.
        Err(_) => word.iter().map(|&b| char::from(b)).collect::<String>().to_lowercase(),
    };
    let at = MONTHS.iter().position(|names| names.split(' ').any(|name| name == text))?;
    u32::try_from(at + 1).ok()
}

/// Names of months: German, French, Spanish, Italian, Portuguese, Dutch, Danish, Norwegian, Swedish, Finnish, Polish,
/// Czech, Hungarian, Slovenian, Croatian, Turkish and Russian, short and long, where they are not as in English.
const MONTHS: [&str; 12] = [
    "january jän jänner januar janv janvier ene enero gen gennaio janeiro januari tammi tam sty led ledna siječanj oca ock янв января",
    "february februar fév févr février fevr febrero febbraio fev fevereiro februari helmi hel lut úno února vel şub фев февр февраля",
    "march mär märz maerz mrz mars marzo março maart mrt marts maalis maa marzec bře března márc ožu мар марта",
    "april avr avril abr abril aprile huhti huh kwi dub dubna ápr tra nis апр апреля",
    "mai mayo mag maggio maio mei maj touko tou kvě května máj svi мая май",
    "june juni juin junio giu giugno junho kesä kes cze čer června jún haz июн июня",
    "july juli juil juillet julio lug luglio julho heinä hei čvc července júl tem июл июля",
    "august augusti aoû août aou aout ago agosto augustus elo sie srpna kol ağu авг августа",
    "sept september septembre septiembre set sett settembre setembro syys syy wrz zář září szept ruj eyl сен сент сентября",
    "october okt oktober octobre octubre ott ottobre out outubro loka lok paź říj října eki окт октября",
    "november novembre noviembre novembro marras stu kas ноя нояб ноября",
    "december dez dezember déc décembre dic diciembre dicembre dezembro des desember joulu jou gru pro prosince ara дек декабря",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_that_are_left_out_are_the_last_that_can_be() {
        // 2026-03-01 00:00 UTC.
        let now = 1_772_323_200;
        let midnight = clock(b"00:00");
        let seconds = |month, day| recent(month, day, midnight, now).unwrap().seconds;
        assert_eq!(seconds(3, 1), now);
        assert_eq!(seconds(3, 2), now + 86_400, "a server east of us is ahead by hours");
        assert_eq!(seconds(3, 3), now + 2 * 86_400 - 365 * 86_400);
        assert_eq!(seconds(12, 31), now - 60 * 86_400);
        assert_eq!(seconds(2, 29), local(Date { year: 2024, month: 2, day: 29 }, midnight).unwrap().seconds);
        assert_eq!(recent(2, 30, midnight, now), None);
        for now in [i64::MIN, -1, 0, i64::MAX] {
            let _ = recent(2, 29, midnight, now);
        }
    }

    #[test]
    fn a_year_is_found_from_its_first_second_to_its_last() {
        for year in [1600, 1970, 1999, 2000, 2023, 2024, 2100] {
            let first = Date { year, month: 1, day: 1 }.days().unwrap() * 86_400;
            let last = Date { year, month: 12, day: 31 }.days().unwrap() * 86_400 + 86_399;
            assert_eq!((year_of(first), year_of(last)), (year, year));
        }
    }

    #[test]
    fn clocks_are_read_in_halves_and_to_the_end_of_the_day() {
        for (text, seconds) in [
            ("0:00", Some(0)),
            ("24:00", Some(86_400)),
            ("24:01", None),
            ("12:00AM", Some(0)),
            ("12:59pm", Some(46_740)),
            ("13:00PM", None),
            ("03:26:10.123", Some(12_370)),
            ("3:2", None),
            ("3", None),
            ("23:60", None),
        ] {
            assert_eq!(clock(text.as_bytes()).map(|c| c.seconds), seconds, "{text}");
        }
    }

    #[test]
    fn dates_are_read_in_any_order() {
        for (text, date_of) in [
            ("04-27-00", Some((2000, 4, 27))),
            ("27-04-00", Some((2000, 4, 27))),
            ("04-05-99", Some((1999, 4, 5))),
            ("05.04.1999", Some((1999, 4, 5))),
            ("1999/04/05", Some((1999, 4, 5))),
            ("11-23-103", Some((2003, 11, 23))),
            ("10-JUL-1998", Some((1998, 7, 10))),
            ("Jul-01-2004", Some((2004, 7, 1))),
            ("13-13-2004", None),
            ("1-2", None),
            ("1-2-3-4", None),
        ] {
            let read = date(text.as_bytes()).map(|d| (d.year, d.month, d.day));
            assert_eq!(read, date_of, "{text}");
        }
    }
}
