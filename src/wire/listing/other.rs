//! EPLF, OS-9 and `WfFTP`.

use super::item::{Family, Kind, Raw, Size};
use super::time::{self, Resolution, Time, Zone, local};
use super::words::{Words, is_number, number, size};

/// Easily Parsed LIST Format (`https://cr.yp.to/ftp/list/eplf.html`): facts between `+` and a tab, then the name.
pub(super) fn eplf(line: &[u8]) -> Option<Raw<'_>> {
    let line = line.strip_prefix(b"+")?;
    let end = line.iter().position(|&b| b == b'\t')?;
    let (facts, name) = (line.get(..end)?, line.get(end + 1..)?);
    let mut raw = Raw::new(Family::Eplf, Kind::Other, name);
    for fact in facts.split(|&b| b == b',') {
        match fact {
            b"/" => raw.kind = Kind::Folder,
            b"r" => raw.kind = Kind::File,
            [b's', digits @ ..] => {
                raw.size = number(digits).filter(|&bytes| i64::try_from(bytes).is_ok()).map(Size::Exact);
            }
            [b'm', digits @ ..] => {
                let seconds = number(digits).and_then(|seconds| i64::try_from(seconds).ok());
                raw.time = seconds.map(|seconds| Time { seconds, resolution: Resolution::Second, zone: Zone::Utc });
            }
            [b'i', id @ ..] if id.len() <= 256 => {
                raw.unique = std::str::from_utf8(id).ok().filter(|id| is_plain(id)).map(str::to_owned);
            }
            _ => {}
        }
    }
    let (size, time) = (raw.size, raw.time);
    Some(raw.with(size, time))
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic())
}

/// `20.20 07/03/29 1026 d-ewrewr 2650 85920 file`
pub(super) fn os9<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let mut owner = words.get(0)?.split(|&b| b == b'.');
    let (group, user) = (owner.next()?, owner.next()?);
    if !is_number(group) || !is_number(user) || owner.next().is_some() {
        return None;
    }
    let when = local(time::year_first(words.get(1)?)?, Some(time::plain_clock(words.get(2)?)?));
    let mode = words.get(3).filter(|mode| mode.len() == 8)?;
    if !mode.iter().all(|b| b"dsewr-".contains(b)) {
        return None;
    }
    words.get(4).filter(|sector| sector.iter().all(u8::is_ascii_hexdigit))?;
    let kind = if mode.starts_with(b"d") { Kind::Folder } else { Kind::File };
    let length = words.get(5).filter(|w| is_number(w))?;
    Some(Raw::new(Family::Os9, kind, words.from(6)?).with(size(length), when))
}

/// `config           23720   05/31/95  Wed. 16:39:28`
pub(super) fn wfftp<'a>(words: &Words<'a>) -> Option<Raw<'a>> {
    let name = words.get(0)?;
    let length = words.get(1).filter(|w| is_number(w))?;
    let date = time::date(words.get(2)?)?;
    let weekday = words.get(3)?;
    let weekday = weekday.strip_suffix(b".").unwrap_or(weekday);
    if !(3..=9).contains(&weekday.len()) || !weekday.iter().all(u8::is_ascii_alphabetic) || words.get(5).is_some() {
        return None;
    }
    let when = local(date, Some(time::clock(words.get(4)?)?));
    Some(Raw::new(Family::WfFtp, Kind::File, name).with(size(length), when))
}
