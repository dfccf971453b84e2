//! MLSD: `fact=value;fact=value; name` (RFC 3659, section 7.2).

use super::Found;
use super::item::{Family, Kind, Raw, Size};
use super::time;
use crate::wire::numbers;

/// The entry on a line.
pub(super) fn read(line: &[u8]) -> Found<'_> {
    if line.is_empty() {
        return Found::Nothing;
    }
    // One blank ends the facts, and all that follows is the name. Some servers write a tab there.
    let Some(end) = end_of_facts(line) else { return Found::Unknown };
    let (facts, name) = (line.get(..end).unwrap_or_default(), line.get(end + 1..).unwrap_or_default());
    let mut raw = Raw::new(Family::Machine, Kind::Other, name);
    let mut size = None;
    for fact in facts.split(|&b| b == b';').filter(|fact| !fact.is_empty()) {
        let Some(at) = fact.iter().position(|&b| b == b'=') else { return Found::Unknown };
        let (key, value) = (fact.get(..at).unwrap_or_default(), fact.get(at + 1..).unwrap_or_default());
        let text = || std::str::from_utf8(value).ok().filter(|text| !text.is_empty());
        if key.eq_ignore_ascii_case(b"type") {
            match kind(value) {
                Some(kind) => raw.kind = kind,
                // The folder itself, or the one above it.
                None => return Found::Nothing,
            }
        } else if key.eq_ignore_ascii_case(b"size") {
            size = text().and_then(numbers::bytes).map(Size::Exact);
        } else if key.eq_ignore_ascii_case(b"modify") {
            raw.modify = text().and_then(numbers::timestamp);
        } else if key.eq_ignore_ascii_case(b"unique") {
            raw.unique = text().filter(|text| text.len() <= 256 && is_plain(text)).map(str::to_owned);
        } else if key.eq_ignore_ascii_case(b"perm") {
            // An empty one says that nothing may be done, which is more than none.
            let letters = value.len() <= 32 && value.iter().all(u8::is_ascii_alphabetic);
            raw.perm = std::str::from_utf8(value).ok().filter(|_| letters).map(str::to_owned);
        }
    }
    let time = raw.modify.as_deref().and_then(time::from_digits);
    Found::Entry(raw.with(size, time))
}

/// Where the blank behind the facts stands. pure-ftpd writes a link's target as it is: a blank in it ends no facts.
fn end_of_facts(line: &[u8]) -> Option<usize> {
    let first = line.iter().position(|b| matches!(b, b' ' | b'\t'))?;
    let before = line.get(..first).unwrap_or_default().to_ascii_lowercase();
    let in_target = !before.ends_with(b";") && before.windows(5).any(|part| part == b"link:");
    let behind = || line.windows(2).position(|pair| pair == b"; ").map(|at| at + 1);
    if in_target { behind().or(Some(first)) } else { Some(first) }
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// What `type` says; nothing for `cdir` and `pdir`.
fn kind(value: &[u8]) -> Option<Kind> {
    let lower = value.to_ascii_lowercase();
    Some(match lower.as_slice() {
        b"file" => Kind::File,
        b"dir" => Kind::Folder,
        b"cdir" | b"pdir" => return None,
        b"os.unix=slink" | b"os.unix=symlink" => Kind::Link(None),
        _ if lower.starts_with(b"os.unix=slink:") || lower.starts_with(b"os.unix=symlink:") => {
            let target = value.iter().position(|&b| b == b':').and_then(|at| value.get(at + 1..));
            Kind::Link(target.filter(|target| !target.is_empty()).map(<[u8]>::to_vec))
        }
        _ => Kind::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As pure-ftpd 1.0.50 lists a link to `a b`.
    #[test]
    fn a_blank_in_a_links_target_ends_no_facts() {
        let line = b"type=OS.unix=slink:a b;size=3;modify=20261101101112;unique=fe00g1; the link";
        let Found::Entry(raw) = read(line) else { panic!("no entry") };
        assert_eq!((&*raw.name, raw.kind), (&b"the link"[..], Kind::Link(Some(b"a b".to_vec()))));
        let Found::Entry(raw) = read(b"type=OS.unix=slink:a; b; c") else { panic!("no entry") };
        assert_eq!(&*raw.name, b"b; c");
    }
}
