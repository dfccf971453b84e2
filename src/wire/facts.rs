//! The facts of one file, as MLST gives them (RFC 3659, section 7).

use super::numbers;
use super::reply::Reply;

/// What MLST says of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Length in bytes.
    pub size: Option<u64>,
    /// Modification time, `YYYYMMDDhhmmss[.f]`.
    pub modify: Option<String>,
    /// What tells this content from another.
    pub unique: Option<String>,
}

/// The `type` fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory, also the current or parent one.
    Directory,
    /// A link or something else that only the server knows.
    Other,
}

/// The entry in a 250 reply to MLST. Nothing when there is not exactly one, or a fact is written wrongly.
#[must_use]
pub fn entry(reply: &Reply) -> Option<Entry> {
    // The first and the last line are the frame, if there is one.
    let lines = match reply.lines.as_slice() {
        [_, inner @ .., _] if !inner.is_empty() => inner,
        all => all,
    };
    let mut entries = lines.iter().filter_map(|line| facts(line));
    let entry = entries.next()?;
    entries.next().is_none().then_some(entry)
}

fn facts(line: &[u8]) -> Option<Entry> {
    let line = line.strip_prefix(b" ").unwrap_or(line);
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t'))?;
    let facts = std::str::from_utf8(line.get(..end)?).ok()?;
    let mut entry = Entry { kind: EntryKind::Other, size: None, modify: None, unique: None };
    let mut any = false;
    for fact in facts.split(';').filter(|fact| !fact.is_empty()) {
        let (name, value) = fact.split_once('=')?;
        any = true;
        match name.to_ascii_lowercase().as_str() {
            "type" => entry.kind = kind(value),
            "size" => entry.size = numbers::bytes(value),
            "modify" => entry.modify = numbers::timestamp(value),
            "unique" if !value.is_empty() && value.len() <= 256 => entry.unique = Some(value.to_owned()),
            _ => {}
        }
    }
    any.then_some(entry)
}

fn kind(value: &str) -> EntryKind {
    match value.to_ascii_lowercase().as_str() {
        "file" => EntryKind::File,
        "dir" | "cdir" | "pdir" => EntryKind::Directory,
        _ => EntryKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    #[test]
    fn reads_one_file() {
        let entry = entry(&reply(
            "250-Start of list for a\r\n modify=20260102030405.5;size=7;type=file;unique=8U1; /a b\r\n250 End",
        ))
        .unwrap();
        assert_eq!(entry.kind, EntryKind::File);
        assert_eq!((entry.size, entry.modify.as_deref()), (Some(7), Some("20260102030405.5")));
        assert_eq!(entry.unique.as_deref(), Some("8U1"));
    }

    #[test]
    fn facts_come_in_any_case_and_order_and_with_the_code_in_front() {
        for text in [
            "250-x\r\n TYPE=File;SIZE=7 a\r\n250 End",
            "250-x\r\n250-Size=7;Type=file; a\r\n250 End",
            "250-x\r\nsize=7;type=file;perm=; a\r\n250 End",
            "250 size=7;type=file; a",
        ] {
            let entry = entry(&reply(text)).unwrap();
            assert_eq!((entry.kind, entry.size), (EntryKind::File, Some(7)), "{text}");
        }
    }

    #[test]
    fn directories_and_links_are_told_from_files() {
        for (fact, kind) in [
            ("dir", EntryKind::Directory),
            ("cdir", EntryKind::Directory),
            ("OS.unix=slink:/x", EntryKind::Other),
            ("OS.unix=symlink", EntryKind::Other),
        ] {
            let text = format!("250-x\r\n type={fact};size=4096; a\r\n250 End");
            assert_eq!(entry(&reply(&text)).unwrap().kind, kind, "{fact}");
        }
    }

    #[test]
    fn what_is_not_one_entry_is_nothing() {
        for text in [
            "250 ok",
            "250-x\r\n250 End",
            "250-x\r\n no facts here\r\n250 End",
            "250-x\r\n size=1; a\r\n size=2; b\r\n250 End",
        ] {
            assert_eq!(entry(&reply(text)), None, "{text}");
        }
        let odd = entry(&reply("250-x\r\n type=file;size=-5;modify=then;unique=; a\r\n250 End")).unwrap();
        assert_eq!((odd.size, odd.modify, odd.unique), (None, None, None));
    }
}
