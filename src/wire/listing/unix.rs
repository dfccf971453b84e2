//! `ls -l`, and what takes after it. The columns before the date differ from system to system, and so does the date; the
//! first place where a date stands behind a length is taken for both.

use super::item::{Family, Kind, Raw, Size};
use super::time::{self, Clock, Resolution, Time, Zone};
use super::words::{Words, is_number, is_size, number, size, small};

/// Where the date begins: after mode, links, owner, group and length; without group; with an owner of two words; without
/// links; and so on.
const PLACES: [usize; 7] = [5, 4, 6, 3, 7, 2, 8];

/// The entry on a line that begins with a mode.
pub(super) fn read<'a>(words: &Words<'a>, now: i64) -> Option<Raw<'a>> {
    let first = words.get(0)?;
    if let Some(netware) = netware(words, first, now) {
        return Some(netware);
    }
    // `?rw-r--r--`: the server could not tell itself what it is.
    if !is_mode(first) || first.starts_with(b"?") {
        return None;
    }
    let kind = kind_of(*first.first()?);
    if words.get(1) == Some(b"folder") || words.get(3).is_some_and(is_number) && net_presenz(words) {
        return macintosh(words, kind, now);
    }
    let (name, length, when) = with_date(words, now).or_else(|| without_date(words))?;
    Some(named(Family::Unix, kind, name).with(length, when))
}

/// A thing with its name; a link's name ends where its target begins.
fn named(family: Family, kind: Kind, name: &[u8]) -> Raw<'_> {
    const ARROW: &[u8] = b" -> ";
    if let Kind::Link(_) = kind
        && let Some(at) = name.windows(ARROW.len()).position(|window| window == ARROW)
    {
        let target = name.get(at + ARROW.len()..).filter(|target| !target.is_empty()).map(<[u8]>::to_vec);
        return Raw::new(family, Kind::Link(target), name.get(..at).unwrap_or_default());
    }
    Raw::new(family, kind, name)
}

/// `-rwxr-xr-x`, with `+`, `.` or `@` behind it, or with the count of links.
fn is_mode(word: &[u8]) -> bool {
    let Some((_, rights)) = word.split_first() else { return false };
    let digits = rights.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let Some(rights) = rights.get(..rights.len() - digits) else { return false };
    (3..=12).contains(&rights.len())
        && rights.iter().all(|b| {
            matches!(b, b'r' | b'w' | b'x' | b's' | b'S' | b't' | b'T' | b'l' | b'L' | b'-' | b'+' | b'.' | b'@' | b'?')
        })
}

fn kind_of(mode: u8) -> Kind {
    match mode {
        b'-' => Kind::File,
        b'd' => Kind::Folder,
        b'l' => Kind::Link(None),
        _ => Kind::Other,
    }
}

/// Name, length and time, where there is a date.
fn with_date<'a>(words: &Words<'a>, now: i64) -> Option<(&'a [u8], Option<Size>, Option<Time>)> {
    PLACES.into_iter().find_map(|at| {
        let before = words.get(at.checked_sub(1)?)?;
        let length = length_at_end(before)?;
        let (when, last) = date(words, at, now)?;
        let name = words.behind(last)?;
        // AIX: `Mar 12 2008  name`, for a time has five letters where a year has four; elsewhere `Mar 12  2008 name`.
        let padded = words.get(last).is_some_and(|year| full_year(year).is_some()) && words.gap_before(last) == 1;
        Some((name.strip_prefix(b" ").filter(|_| padded).unwrap_or(name), length, when))
    })
}

/// A length, maybe with the group's name glued to it; nothing where no length stands, nothing inside where it has none
/// that can be: a device's numbers, a length beyond 2^63.
#[expect(clippy::option_option, reason = "no length there is one thing, one that can't be is another")]
fn length_at_end(word: &[u8]) -> Option<Option<Size>> {
    if is_size(word) {
        return Some(size(word));
    }
    let digits = word.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let glued = word.get(word.len() - digits..).and_then(number)?;
    if word.len() == digits + 1 && word.starts_with(b"-") {
        // A negative length: a server that counts in 32 bits.
        return Some(None);
    }
    // Which of the digits are the group's can't be known.
    (digits > 0).then_some(i64::try_from(glued).ok().and(Some(Size::About(glued))))
}

/// Mode, links, owner, group, length, name: no date at all.
fn without_date<'a>(words: &Words<'a>) -> Option<(&'a [u8], Option<Size>, Option<Time>)> {
    let plain = |at: usize| words.get(at).filter(|w| is_size(w));
    plain(1)?;
    let at = [4, 3].into_iter().find(|&at| plain(at).is_some())?;
    if has_foreign_date(words, at + 1) {
        return None;
    }
    Some((words.behind(at)?, plain(at).and_then(size), None))
}

/// Whether a date seems to stand there, in words that are not known: what follows it would be taken for a part of the name.
fn has_foreign_date(words: &Words<'_>, from: usize) -> bool {
    let near = || (from..from + 4).filter_map(|at| words.get(at));
    let is_year = |word: &[u8]| full_year(word).is_some_and(|year| (1970..=2200).contains(&year));
    near().any(|word| time::clock(word).is_some() || time::date(word).is_some() || is_date_like(word))
        || (near().skip(1).any(is_year) && near().any(|word| day(word).is_some()))
}

/// Three numbers between dashes, points or slashes, though no day of any calendar.
fn is_date_like(word: &[u8]) -> bool {
    let mut parts = word.split(|b| matches!(b, b'-' | b'/' | b'.' | b':'));
    parts.clone().count() == 3 && parts.all(|part| is_number(part) && part.len() <= 4)
}

/// The date that begins at a word, and the last word of it. The time is missing where the date names no day of the
/// calendar.
pub(super) fn date(words: &Words<'_>, at: usize, now: i64) -> Option<(Option<Time>, usize)> {
    let (a, b, c) = (words.get(at)?, words.get(at + 1), words.get(at + 2));
    if !(a.first().is_some_and(u8::is_ascii_digit) || time::month(a).is_some()) {
        return None;
    }
    if let (Some(b), Some(c)) = (b, c) {
        if let (Some(month), Some(day)) = (time::month(a), day(b)) {
            return year_or_clock(words, at + 2, c, month, day, now);
        }
        if let (Some(day), Some(month)) = (day(a), time::month(b)) {
            return year_or_clock(words, at + 2, c, month, day, now);
        }
        // 2004年 1月 29日
        if let (Some(year), Some(month), Some(day)) = (counted_year(a), time::month(b), day(c)) {
            return Some((time::local(time::Date { year, month, day }, None), at + 2));
        }
    }
    if let Some(date) = time::date(a) {
        return match b.and_then(time::clock) {
            Some(clock) => Some(zoned(words, time::local(date, Some(clock)), at + 1)),
            None => Some((time::local(date, None), at)),
        };
    }
    // 01-29 03:26
    let (month, day) = a.split_at_checked(2).filter(|_| a.len() == 5)?;
    let (month, day) = (small(month)?, small(day.strip_prefix(b"-")?)?);
    let clock = time::clock(b?)?;
    (month <= 12 && day <= 31).then(|| (time::recent(month, day, Some(clock), now), at + 1))
}

/// What ends a date: the time of a recent day, the year of another, both.
fn year_or_clock(
    words: &Words<'_>,
    at: usize,
    word: &[u8],
    month: u32,
    day: u32,
    now: i64,
) -> Option<(Option<Time>, usize)> {
    if let Some(clock) = time::clock(word) {
        // `ls -T`: 03:26:10 2020
        return Some(match words.get(at + 1).and_then(full_year).filter(|_| has_seconds(clock)) {
            Some(year) => (time::local(time::Date { year, month, day }, Some(clock)), at + 1),
            None => (time::recent(month, day, Some(clock), now), at),
        });
    }
    let year = counted_year(word).or_else(|| full_year(word))?;
    let date = time::Date { year, month, day };
    // `Apr 04, 2000 21:06`: a comma announces that more follows.
    let clock =
        words.get(at + 1).filter(|_| words.get(at - 1).is_some_and(|w| w.ends_with(b","))).and_then(time::clock);
    Some((time::local(date, clock), if clock.is_some() { at + 1 } else { at }))
}

fn has_seconds(clock: Clock) -> bool {
    time::local(time::Date { year: 2000, month: 1, day: 1 }, Some(clock))
        .is_some_and(|time| time.resolution == Resolution::Second)
}

/// `ls --full-time` tells how far from UTC it is.
fn zoned(words: &Words<'_>, when: Option<Time>, last: usize) -> (Option<Time>, usize) {
    match words.get(last + 1).and_then(time::offset) {
        Some(offset) => (when.map(|t| Time { seconds: t.seconds - offset, zone: Zone::Utc, ..t }), last + 1),
        None => (when, last),
    }
}

/// A day of the month: `9`, `09`, `9.`, `9,`, `9日`.
fn day(word: &[u8]) -> Option<u32> {
    let word = word.strip_suffix(b",").or_else(|| word.strip_suffix(b".")).unwrap_or(word);
    let (digits, _) = time::counted(word)?;
    small(digits).filter(|day| (1..=31).contains(day))
}

fn full_year(word: &[u8]) -> Option<i64> {
    number(word).filter(|_| word.len() == 4).and_then(|year| i64::try_from(year).ok())
}

fn counted_year(word: &[u8]) -> Option<i64> {
    let (digits, foreign) = time::counted(word)?;
    full_year(digits).filter(|_| foreign)
}

/// `d [R----F--] supervisor            512       Jan 16 18:53    login`
fn netware<'a>(words: &Words<'a>, first: &[u8], now: i64) -> Option<Raw<'a>> {
    let (kind, rights) = match first {
        b"d" | b"-" => (first, words.get(1)?),
        [b'd' | b'-', rights @ ..] => (first, rights),
        _ => return None,
    };
    if !rights.starts_with(b"[") || !rights.ends_with(b"]") {
        return None;
    }
    let kind = if kind.starts_with(b"d") { Kind::Folder } else { Kind::File };
    (2..=5usize).find_map(|at| {
        let length = words.get(at.checked_sub(1)?).filter(|w| is_size(w))?;
        let (when, last) = date(words, at, now)?;
        Some(Raw::new(Family::NetWare, kind.clone(), words.from(last + 1)?).with(size(length), when))
    })
}

/// Mode, resource fork, data fork, their sum.
fn net_presenz(words: &Words<'_>) -> bool {
    let fork = |at: usize| words.get(at).and_then(number);
    matches!((fork(1), fork(2), fork(3)), (Some(a), Some(b), Some(sum)) if a.checked_add(b) == Some(sum))
        && words.get(4).is_some_and(|w| time::month(w).is_some())
}

/// `-------r--         326  1391972  1392298 Nov 22  1995 MegaPhone.sit`
fn macintosh<'a>(words: &Words<'a>, kind: Kind, now: i64) -> Option<Raw<'a>> {
    let at = if words.get(1) == Some(b"folder") { 3 } else { 4 };
    let (when, last) = date(words, at, now)?;
    // What is sent is the data fork.
    let length = words.get(2).and_then(size);
    Some(Raw::new(Family::NetPresenz, kind, words.behind(last)?).with(length, when))
}
