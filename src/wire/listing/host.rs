//! Large hosts: MVS and its partitioned data sets, z/VM, AS/400, HP `NonStop`.

use super::item::{Family, Kind, Raw, Size};
use super::time::{self, local};
use super::words::{Words, is_number, number, size};
use super::{Found, Section};

/// What a heading of MVS announces.
pub(super) fn heading(words: &Words<'_>) -> Option<Section> {
    if words.starts_with(&["Volume", "Unit"]) {
        Some(Section::DataSets)
    } else if words.starts_with(&["Name", "VV.MM"]) || words.starts_with(&["Name", "Size", "TTR"]) {
        Some(Section::Members)
    } else {
        None
    }
}

/// A line below a heading of MVS.
pub(super) fn in_section<'a>(section: Section, words: &Words<'a>) -> Option<Found<'a>> {
    match section {
        Section::Plain => None,
        Section::DataSets => data_set(words).map(Found::Entry),
        Section::Members => {
            if heading(words).is_some() {
                return None;
            }
            member(words).map(Found::Entry)
        }
    }
}

/// The entry on a line that none of the smaller systems wrote.
pub(super) fn read<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    as400(words).or_else(|| zvm(words)).or_else(|| non_stop(words)).or_else(|| data_set(words)).or_else(|| {
        let versioned = words.get(1).is_some_and(|w| w.len() == 5 && w.get(2) == Some(&b'.') && words.get(8).is_some());
        if versioned { member(words) } else { None }
    })
}

/// A name of MVS: up to 44 letters, digits, `@#$-` and points.
fn is_data_set(word: &[u8]) -> bool {
    let first = word.first().is_some_and(|b| b.is_ascii_alphabetic() || b"@#$".contains(b));
    first && word.len() <= 44 && word.iter().all(|b| b.is_ascii_alphanumeric() || b"@#$-.".contains(b))
}

/// `WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  A.FILE`, `Migrated  A.FILE`, `Pseudo Directory  A`
fn data_set<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let last = words.len().checked_sub(1)?;
    let name = words.get(last).map(<[u8]>::trim_ascii).filter(|word| is_data_set(word))?;
    let mvs = |kind| Some(Raw::new(Family::Mvs, kind, name));
    if last == 1
        && (words.starts_with(&["Migrated"]) || words.starts_with(&["MIGRAT"]) || words.starts_with(&["ARCIVE"]))
    {
        return mvs(Kind::File);
    }
    if last == 2 && words.starts_with(&["Pseudo", "Directory"]) {
        return mvs(Kind::Folder);
    }
    if last == 3 && words.starts_with(&["Error", "determining", "attributes"])
        || last == 5 && words.starts_with(&["ARCIVE", "Not", "Direct", "Access", "Device"])
    {
        return mvs(Kind::Other);
    }
    let unit = words.get(1)?;
    if unit.eq_ignore_ascii_case(b"tape") && (2..=3).contains(&last) {
        return mvs(Kind::File);
    }
    let unit_known =
        is_number(unit) || unit.iter().all(u8::is_ascii_alphanumeric) && unit.iter().any(u8::is_ascii_digit);
    if !unit_known || last < 3 {
        return if unit_known && words.get(2) == Some(b"VSAM") { mvs(Kind::Other) } else { None };
    }
    let third = words.get(2)?;
    if third == b"VSAM" && last == 3 {
        return mvs(Kind::Other);
    }
    // Extents and tracks grow together where they are large.
    if !(8..=9).contains(&last) || !(time::date(third).is_some() || third.starts_with(b"**")) {
        return None;
    }
    let when = time::date(third).and_then(|date| local(date, None));
    let kind = match words.get(last - 1)? {
        b"PO" | b"PO-E" | b"POU" => Kind::Folder,
        organization if organization.len() <= 4 => Kind::File,
        _ => return None,
    };
    mvs(kind).map(|raw| raw.with(None, when))
}

/// `GEN-MEMBER   01.03 2002/09/12 2002/10/11 09:37    11    11     0 USER1`; nothing but the name for many.
fn member<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let name = words.get(0).filter(|name| is_data_set(name))?;
    let raw = Raw::new(Family::Pds, Kind::File, name);
    if words.get(1).is_none() {
        return Some(raw);
    }
    let changed = words.get(3).and_then(time::date);
    Some(raw.with(None, changed.and_then(|date| local(date, words.get(4).and_then(time::clock)))))
}

/// `README   EXEC     V         71         26          1 2005-10-04 15:28:42 USER1`
fn zvm<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let (first, second) = (words.get(0)?, words.get(1)?);
    let when = local(time::date(words.get(6)?)?, Some(time::clock(words.get(7)?)?));
    if words.len() > 9 {
        return None;
    }
    if second == b"DIR" {
        let blank = (2..6).all(|at| words.get(at) == Some(b"-"));
        return blank.then(|| Raw::new(Family::Zvm, Kind::Folder, first).with(None, when));
    }
    let width = words.get(3).and_then(number)?;
    let records = words.get(4).and_then(number)?;
    number(words.get(5)?)?;
    let bytes = match words.get(2)? {
        b"F" => width.checked_mul(records).filter(|&bytes| i64::try_from(bytes).is_ok()).map(Size::About),
        b"V" => None,
        _ => return None,
    };
    let name = [first, b".", second].concat();
    Some(Raw { name: name.into(), ..Raw::new(Family::Zvm, Kind::File, first) }.with(bytes, when))
}

/// `QSYS  77824 02/23/00 15:09:55 *STMF  file.txt`, `QPGMR  *MEM  FILE.MBR`
fn as400<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let at = (1..=4).find(|&at| words.get(at).is_some_and(|word| word.len() > 2 && word.starts_with(b"*")))?;
    let (length, when) = match at {
        1 => (None, None),
        4 => {
            let when = local(time::date(words.get(2)?)?, Some(time::clock(words.get(3)?)?));
            (size(words.get(1).filter(|w| is_number(w))?), when)
        }
        _ => return None,
    };
    let name = words.from(at + 1)?;
    let kind = match words.get(at)? {
        b"*DIR" | b"*DDIR" | b"*FLR" | b"*LIB" => Kind::Folder,
        b"*SYMLNK" => Kind::Link(None),
        b"*STMF" | b"*DSTMF" | b"*MEM" | b"*DOC" | b"*FILE" | b"*SAVF" => Kind::File,
        _ => Kind::Other,
    };
    let kind = if name.ends_with(b"/") { Kind::Folder } else { kind };
    Some(Raw::new(Family::As400, kind, name).with(length, when))
}

/// `ALIBFILE         101            5672 31-Dec-99 12:01:03 255,255 "nnnn"`
fn non_stop<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let name = words.get(0)?;
    // An O says that the file is open.
    let at = if words.get(1) == Some(b"O") { 2 } else { 1 };
    number(words.get(at)?)?;
    let length = words.get(at + 1).filter(|w| is_number(w))?;
    let when = local(time::date(words.get(at + 2)?)?, Some(time::clock(words.get(at + 3)?)?));
    let owner = words.get(at + 4)?;
    let numbers = owner.contains(&b',') && owner.iter().all(|b| b.is_ascii_digit() || *b == b',');
    numbers.then(|| Raw::new(Family::NonStop, Kind::File, name).with(size(length), when))
}
