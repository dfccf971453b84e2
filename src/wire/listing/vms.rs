//! `OpenVMS`: `NAME.EXT;1   7/9   10-JUL-1998 12:00 [SYSTEM] (RWED,RWED,RE,)`. A long name has a line of its own.

use super::item::{Family, Kind, Raw, Size};
use super::time::{self, local};
use super::words::{Words, is_number, number};

/// Bytes of a block.
const BLOCK: u64 = 512;

/// The entry on a line whose first word is a name with a version.
pub(super) fn read<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let name = words.get(0).filter(|name| has_version(name))?;
    // `FILE.TXT;1 %RMS-E-PRV, insufficient privilege or file protection violation`
    if words.get(1).is_some_and(|word| word.starts_with(b"%") || word.eq_ignore_ascii_case(b"insufficient")) {
        return alone(name);
    }
    let at = (1..5).find(|&at| words.get(at).and_then(time::date).is_some())?;
    let date = time::date(words.get(at)?)?;
    let when = local(date, words.get(at + 1).and_then(time::clock));
    let size = (1..6).filter(|&other| other != at).find_map(|other| blocks(words.get(other)?));
    alone(name).map(|raw| raw.with(size, when))
}

/// The entry of which only the name is known.
pub(super) fn alone(name: &[u8]) -> Option<Raw<'_>> {
    let (base, version) = split_version(name)?;
    let folder = base.len() > 4 && base.get(base.len() - 4..).is_some_and(|end| end.eq_ignore_ascii_case(b".dir"));
    // A folder is entered by its name without the type, and is always the first version.
    if folder && version == b"1" {
        return Some(Raw::new(Family::Vms, Kind::Folder, base.get(..base.len() - 4)?));
    }
    Some(Raw::new(Family::Vms, Kind::File, name))
}

/// Whether the line may be the first of two: a name, and its blocks at most.
pub(super) fn is_half(words: &Words<'_>) -> bool {
    let versioned = words.get(0).is_some_and(has_version);
    let short = words.len() == 1 || (versioned && words.len() == 2 && words.get(1).is_some_and(is_blocks));
    short && !words.is_indented()
}

/// The entry on two lines: a name without or with its blocks, and what has no room beside it. The second line is mostly
/// indented, and always begins with blocks or a date.
pub(super) fn joined(first: &[u8], second: &[u8]) -> Option<Raw<'static>> {
    let (head, tail) = (Words::of(first), Words::of(second));
    let name = head.get(0)?;
    // Owner or protection: other systems begin a line with a date, too.
    let is_vms = (0..tail.len()).any(|at| tail.get(at).is_some_and(|word| matches!(word.first(), Some(b'[' | b'('))));
    if !(is_vms || tail.is_indented() && has_version(name)) {
        return None;
    }
    let dated =
        |at: usize| tail.get(at).and_then(time::date).map(|date| (date, tail.get(at + 1).and_then(time::clock)));
    let (blocks_at, (date, clock)) = match (head.get(1), tail.get(0)) {
        (None, Some(word)) if is_blocks(word) => (Some(word), dated(1)?),
        (blocks, _) => (blocks, dated(0)?),
    };
    let raw = match alone(name) {
        Some(raw) => raw,
        None => Raw::new(Family::Vms, Kind::File, name),
    };
    let raw = raw.with(blocks_at.and_then(blocks), local(date, clock));
    Some(Raw { name: raw.name.into_owned().into(), ..raw })
}

/// Whether a file's name stands there with its version.
pub(super) fn is_versioned(line: &[u8]) -> bool {
    Words::of(line).get(0).is_some_and(has_version)
}

/// A name of VMS without version, its escapes undone (ODS-5: `^_` is a blank, `^.` a point, `^7E` the byte of that code).
#[must_use]
pub fn plain(name: &[u8]) -> Vec<u8> {
    let name = split_version(name).map_or(name, |(base, _)| base);
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, others)) = rest.split_first() {
        let hex = |b: &u8| char::from(*b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = match (first, others) {
            (b'^', [b'_', after @ ..]) => {
                out.push(b' ');
                after
            }
            (b'^', [high, low, after @ ..]) if let (Some(high), Some(low)) = (hex(high), hex(low)) => {
                out.push(high << 4 | low);
                after
            }
            (b'^', [literal, after @ ..]) => {
                out.push(*literal);
                after
            }
            _ => {
                out.push(first);
                others
            }
        };
    }
    out
}

fn split_version(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = name.iter().rposition(|&b| b == b';')?;
    let (base, version) = (name.get(..at)?, name.get(at + 1..)?);
    (!base.is_empty() && is_number(version) && version.len() <= 5).then_some((base, version))
}

fn has_version(name: &[u8]) -> bool {
    split_version(name).is_some()
}

/// `7` or `7/9`
fn is_blocks(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |&b| b == b'/');
    parts.all(is_number)
}

/// Blocks used, or used and allocated: the file is up to so long.
fn blocks(word: &[u8]) -> Option<Size> {
    let used = number(word.split(|&b| b == b'/').next()?).filter(|_| is_blocks(word))?;
    used.checked_mul(BLOCK).filter(|&bytes| i64::try_from(bytes).is_ok()).map(Size::About)
}
