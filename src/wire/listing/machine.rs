//! MLSD: `fact=value;fact=value; name` (RFC 3659, section 7.2).

use super::Found;
use super::item::{Family, Kind, Raw, Size};
use super::time;
use crate::wire::numbers;

/// Types of `OS.unix` that are neither file nor folder, as they begin.
const SPECIAL: [&[u8]; 8] = [b"chr", b"char", b"blk", b"block", b"dev", b"fifo", b"pipe", b"sock"];

/// The entry on a line.
pub(super) fn read(line: &[u8]) -> Found<'_> {
    if line.trim_ascii().is_empty() {
        return Found::Nothing;
    }
    let bare = line.trim_ascii_start();
    if bare.len() == line.len() {
        return facts(line);
    }
    // No fact at all, which RFC 3659 allows; or a blank too many in front of them. The server is asked either way.
    match facts(bare) {
        Found::Entry(raw) if has_type(bare) => Found::Entry(Raw { kind: Kind::Unknown, ..raw }),
        Found::Nothing if has_type(bare) => Found::Nothing,
        _ => Found::Entry(Raw::new(Family::Machine, Kind::Unknown, line.get(1..).unwrap_or_default())),
    }
}

/// The entry on a line that begins with a fact.
fn facts(line: &[u8]) -> Found<'_> {
    let Some(end) = end_of_facts(line) else { return Found::Unknown };
    let (facts, name) = (line.get(..end).unwrap_or_default(), line.get(end + 1..).unwrap_or_default());
    let mut raw = Raw::new(Family::Machine, Kind::Unknown, name);
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

/// Where the blank behind the facts stands. Each fact ends with a semicolon, and a value may hold blanks: ProFTPD tells a
/// group's name, Pure-FTPd a link's target as it is. Some servers leave the last semicolon out, or write a tab.
fn end_of_facts(line: &[u8]) -> Option<usize> {
    let by_semicolon = line.windows(2).position(|pair| matches!(pair, b"; " | b";\t")).map(|at| at + 1);
    by_semicolon.or_else(|| line.iter().position(|b| matches!(b, b' ' | b'\t')))
}

fn has_type(line: &[u8]) -> bool {
    line.split(|&b| b == b';').any(|fact| fact.get(..5).is_some_and(|key| key.eq_ignore_ascii_case(b"type=")))
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
        _ => match lower.strip_prefix(b"os.unix=") {
            Some(special) if SPECIAL.iter().any(|name| special.starts_with(name)) => Kind::Other,
            _ => Kind::Unknown,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Pure-FTPd 1.0.50 lists a link to `a b`.
    #[test]
    fn a_blank_in_a_links_target_ends_no_facts() {
        let line = b"type=OS.unix=slink:a b;size=3;modify=20261101101112;unique=fe00g1; the link";
        let Found::Entry(raw) = read(line) else { panic!("no entry") };
        assert_eq!((&*raw.name, raw.kind), (&b"the link"[..], Kind::Link(Some(b"a b".to_vec()))));
        let Found::Entry(raw) = read(b"type=OS.unix=slink:a; b; c") else { panic!("no entry") };
        assert_eq!(&*raw.name, b"b; c");
    }

    /// As ProFTPD lists files of a group that came from a directory service.
    #[test]
    fn a_blank_in_any_fact_ends_no_facts() {
        for (line, kind, name) in [
            (
                "modify=20220803180421;size=5;type=file;UNIX.groupname=domain users;UNIX.mode=0600; a.txt",
                Kind::File,
                "a.txt",
            ),
            ("type=dir;UNIX.ownername=a b c;UNIX.groupname=d\te; two words", Kind::Folder, "two words"),
            ("type=file;UNIX.groupname=a b; c; d", Kind::File, "c; d"),
            ("type=file;size=1 no semicolon", Kind::File, "no semicolon"),
        ] {
            let Found::Entry(raw) = read(line.as_bytes()) else { panic!("{line}") };
            assert_eq!((raw.kind, String::from_utf8_lossy(&raw.name).as_ref()), (kind, name), "{line}");
        }
    }

    #[test]
    fn a_line_that_tells_no_kind_is_an_entry_to_be_asked_for() {
        for (line, name) in [
            (" index.php", "index.php"),
            ("  two blanks", " two blanks"),
            ("size=5;modify=20240101000000; a b", "a b"),
            ("type=;size=5; a", "a"),
            ("type=regular;size=5; a", "a"),
            ("type=OS.unix=reg;size=5; a", "a"),
            ("type=OS.unix=file; a", "a"),
            (" type=file;size=5; a", "a"),
            ("\ttype=file;size=5; a", "a"),
            (" =; a", "=; a"),
        ] {
            let Found::Entry(raw) = read(line.as_bytes()) else { panic!("{line}") };
            assert_eq!((raw.kind, String::from_utf8_lossy(&raw.name).as_ref()), (Kind::Unknown, name), "{line}");
        }
        for line in ["type=OS.unix=chr-1/3; null", "type=OS.unix=socket; s", "type=OS.unix=pipe; p"] {
            let Found::Entry(raw) = read(line.as_bytes()) else { panic!("{line}") };
            assert_eq!(raw.kind, Kind::Other, "{line}");
        }
    }
}
