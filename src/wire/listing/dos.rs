//! Lines that begin with a date or a length: DOS, IIS, OS/2, `VShell`, `VxWorks`.

use super::item::{Family, Kind, Raw};
use super::time::{self, local};
use super::unix;
use super::words::{Words, is_number, is_size, size};

/// Blanks behind `<DIR>` on IIS and in `dir`; what is more belongs to the name.
const GAP: usize = 10;

/// The entry on a line that begins with a digit.
pub(super) fn read<'a>(words: &Words<'a>, now: i64) -> Option<Raw<'a>> {
    if time::date(words.get(0)?).is_some() {
        return dos(words);
    }
    if !is_number(words.get(0)?) {
        return None;
    }
    os2(words).or_else(|| vxworks(words)).or_else(|| vshell(words, now))
}

/// `04-27-00  12:09PM       <DIR>          licensed`, `2002-09-02  18:48  9,730 a`
fn dos<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let date = time::date(words.get(0)?)?;
    let mut clock = time::clock(words.get(1)?)?;
    let mut at = 2;
    if let Some(halved) = words.get(2).and_then(|word| time::halved(clock, word)) {
        (clock, at) = (halved, 3);
    }
    let when = local(date, Some(clock));
    let what = words.get(at)?;
    let kind = match what.to_ascii_uppercase().as_slice() {
        b"<DIR>" => Kind::Folder,
        b"<JUNCTION>" | b"<SYMLINKD>" | b"<SYMLINK>" => Kind::Link(None),
        _ if is_size(what) => {
            return Some(Raw::new(Family::Dos, Kind::File, words.behind(at)?).with(size(what), when));
        }
        _ => return None,
    };
    let behind = words.behind(at)?;
    let blanks = behind.iter().take_while(|&&b| b == b' ').count();
    let name = behind.get(blanks.min(GAP - 1)..)?;
    // Other servers leave other gaps.
    let name = if blanks < GAP - 1 { words.from(at + 1)? } else { name };
    if kind == Kind::Folder {
        return Some(Raw::new(Family::Dos, kind, name).with(None, when));
    }
    Some(link(name).with(None, when))
}

/// `name [C:\target]`
fn link(name: &[u8]) -> Raw<'_> {
    let split = name.strip_suffix(b"]").and_then(|rest| {
        let at = rest.windows(2).rposition(|window| window == b" [")?;
        Some((rest.get(..at)?, rest.get(at + 2..)?))
    });
    match split {
        Some((name, target)) => Raw::new(Family::Dos, Kind::Link(Some(target.to_vec())), name),
        None => Raw::new(Family::Dos, Kind::Link(None), name),
    }
}

/// `36611      A    04-23-103  10:57  test.file`, `0 DIR 02-11-103 16:15 folder`
fn os2<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let mut kind = Kind::File;
    for at in 1..5 {
        let word = words.get(at)?;
        if let Some(date) = time::date(word) {
            let clock = time::clock(words.get(at + 1)?)?;
            // VxWorks writes the month's name.
            if word.iter().any(u8::is_ascii_alphabetic) {
                return None;
            }
            let when = local(date, Some(clock));
            return Some(Raw::new(Family::Os2, kind, words.from(at + 2)?).with(size(words.get(0)?), when));
        }
        match word {
            b"DIR" => kind = Kind::Folder,
            _ if word.iter().all(|b| matches!(b, b'A' | b'R' | b'H' | b'S' | b'-')) => {}
            _ => return None,
        }
    }
    None
}

/// `512    Jul-01-2004  10:29:24   folder   <DIR>`
fn vxworks<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let date = time::date(words.get(1)?)?;
    let when = local(date, Some(time::clock(words.get(2)?)?));
    let name = words.from(3)?;
    let folder = name.strip_suffix(b"<DIR>").map(<[u8]>::trim_ascii_end).filter(|name| !name.is_empty());
    Some(match folder {
        Some(name) => Raw::new(Family::VxWorks, Kind::Folder, name).with(None, when),
        None => Raw::new(Family::VxWorks, Kind::File, name).with(size(words.get(0)?), when),
    })
}

/// `206876  Apr 04, 2000 21:06 file`, `0  Dec 12, 2002 02:13 folder/`
fn vshell<'a>(words: &Words<'a>, now: i64) -> Option<Raw<'a>> {
    time::month(words.get(1)?)?;
    let (when, last) = unix::date(words, 1, now)?;
    let name = words.behind(last)?;
    let kind = if name.ends_with(b"/") { Kind::Folder } else { Kind::File };
    Some(Raw::new(Family::VShell, kind, name).with(size(words.get(0)?), when))
}
