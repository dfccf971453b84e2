//! What is found in a listing.

use super::time::Time;
use super::words::{Words, is_number};
use crate::model::printable;
use std::borrow::Cow;

/// Characters of a refused line that are shown.
const SHOWN: usize = 300;

/// One thing in the folder. Its name is one component: never empty, `.` or `..`, and without slash or control byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, in the bytes that the server takes for it.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its length, where it is a file and the listing tells.
    pub size: Option<Size>,
    /// When it was changed last.
    pub time: Option<Time>,
    /// MLSD's `modify`, `YYYYMMDDhhmmss[.f]`: what MDTM answers, too.
    pub modify: Option<String>,
    /// MLSD's `unique`: what tells this content from another.
    pub unique: Option<String>,
    /// MLSD's `perm`: what the user may do with it (RFC 3659, section 7.5.5).
    pub perm: Option<String>,
    /// The form that its line has.
    pub family: Family,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder, or what is listed as one.
    Folder,
    /// A link, and what it points to where the listing tells. Not to be trusted: CVE-2014-4877.
    Link(Option<Vec<u8>>),
    /// A device, a socket, or a thing that the listing doesn't tell the kind of.
    Other,
}

/// A length in bytes. What LIST gives is a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As the listing has it to the byte.
    Exact(u64),
    /// Counted in blocks, or with a `k` or `M`.
    About(u64),
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// MLSD.
    Machine,
    /// `ls -l` and its kin.
    Unix,
    /// Novell `NetWare`.
    NetWare,
    /// `NetPresenz` for the Macintosh.
    NetPresenz,
    /// Easily Parsed LIST Format.
    Eplf,
    /// DOS and IIS.
    Dos,
    /// OS/2.
    Os2,
    /// `VShell`.
    VShell,
    /// `VxWorks`.
    VxWorks,
    /// `OpenVMS`.
    Vms,
    /// MVS: data sets.
    Mvs,
    /// MVS: members of a partitioned data set.
    Pds,
    /// z/VM.
    Zvm,
    /// AS/400.
    As400,
    /// HP `NonStop`.
    NonStop,
    /// OS-9.
    Os9,
    /// Wellfleet routers.
    WfFtp,
}

/// What comes out of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A thing in the folder.
    Entry(Entry),
    /// A line that is none of the folder's, or one whose name can't be used. The listing goes on; whoever asked for the
    /// folder has to be told.
    Refused(Refused),
}

/// A line that gives no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The name, or the line where there is none: safe to show, 300 characters at most.
    pub shown: String,
    /// Why.
    pub why: Refusal,
}

/// Why a line gives no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has none of the known forms.
    #[error("the line has no form that is known")]
    NotUnderstood,
    /// There is no name on it.
    #[error("the line holds no name")]
    NoName,
    /// The name holds a slash: it could lead out of the folder (CVE-2002-1344, CVE-2004-1294).
    #[error("the name holds a slash, so it could lead to another folder")]
    Slash,
    /// The name holds a control byte: no command could carry it, or a terminal would obey it.
    #[error("the name holds a control byte")]
    Control,
    /// The name is longer than the limit.
    #[error("the name has {0} bytes, more than any file system takes")]
    TooLong(usize),
}

/// A listing beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// A line.
    #[error("the server's listing has a line of more than {0} bytes")]
    Line(usize),
    /// The whole.
    #[error("the server's listing has more than {0} bytes")]
    Bytes(u64),
    /// The entries.
    #[error("the server's listing has more than {0} entries")]
    Entries(u64),
}

impl Entry {
    /// The name as people would write it: without the version and the escapes of VMS. It may be shown and may name a
    /// local file; the server knows the thing by [`Entry::name`].
    #[must_use]
    pub fn plain_name(&self) -> Cow<'_, [u8]> {
        if self.family != Family::Vms {
            return Cow::Borrowed(&self.name);
        }
        match super::vms::plain(&self.name) {
            plain if fault(&plain, usize::MAX).is_none() && !is_dots(&plain) => Cow::Owned(plain),
            _ => Cow::Borrowed(&self.name),
        }
    }
}

/// A line as it was understood, before its name was looked at.
pub(super) struct Raw<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) kind: Kind,
    pub(super) size: Option<Size>,
    pub(super) time: Option<Time>,
    pub(super) modify: Option<String>,
    pub(super) unique: Option<String>,
    pub(super) perm: Option<String>,
    pub(super) family: Family,
}

impl<'a> Raw<'a> {
    /// A thing of which nothing but name and kind is known.
    pub(super) fn new(family: Family, kind: Kind, name: &'a [u8]) -> Self {
        let name = Cow::Borrowed(name);
        Self { name, kind, size: None, time: None, modify: None, unique: None, perm: None, family }
    }

    /// The same with a length, which only files have, and a time.
    pub(super) fn with(self, size: Option<Size>, time: Option<Time>) -> Self {
        let size = size.filter(|_| self.kind == Kind::File);
        Self { size, time, ..self }
    }
}

/// The item that a line is; nothing for the folder itself and the one above it.
pub(super) fn vetted(raw: Raw<'_>, line: &[u8], longest: usize) -> Option<Item> {
    let mut name = raw.name;
    // `ls -F` marks folders.
    if raw.kind == Kind::Folder
        && let Some(bare) = name.strip_suffix(b"/").filter(|bare| !bare.is_empty())
    {
        name = Cow::Owned(bare.to_vec());
    }
    if is_dots(&name) {
        return None;
    }
    if let Some(why) = fault(&name, longest) {
        return Some(refused(if why == Refusal::NoName { line } else { &name }, why));
    }
    let Raw { kind, size, time, modify, unique, perm, family, .. } = raw;
    let kind = match kind {
        // No name of anything, and nothing to show.
        Kind::Link(Some(target)) if target.iter().any(u8::is_ascii_control) => Kind::Link(None),
        kind => kind,
    };
    Some(Item::Entry(Entry { name: name.into_owned(), kind, size, time, modify, unique, perm, family }))
}

pub(super) fn refused(shown: &[u8], why: Refusal) -> Item {
    // Four bytes a character at most; the rest would be cut anyway.
    let shown = shown.get(..SHOWN * 4).unwrap_or(shown);
    Item::Refused(Refused { shown: printable(&String::from_utf8_lossy(shown), SHOWN), why })
}

fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// Why a name can't be one component.
fn fault(name: &[u8], longest: usize) -> Option<Refusal> {
    if name.iter().all(|&b| b == b' ') {
        Some(Refusal::NoName)
    } else if name.iter().any(u8::is_ascii_control) {
        Some(Refusal::Control)
    } else if name.contains(&b'/') {
        Some(Refusal::Slash)
    } else if name.len() > longest {
        Some(Refusal::TooLong(name.len()))
    } else {
        None
    }
}

/// Lines around the entries: `total 12` in any language, `Directory of ...`, `Total of 3 files`, rows of dashes, and
/// headings.
pub(super) fn is_frame(words: &Words<'_>) -> bool {
    let Some(first) = words.get(0) else { return true };
    let letters = first.iter().all(|&b| b.is_ascii_alphabetic() || !b.is_ascii() || b == b':');
    let sum = letters && words.get(2).is_none() && words.get(1).is_some_and(is_number);
    let rule = (0..words.len()).all(|at| words.get(at).is_some_and(|w| w.iter().all(|b| matches!(b, b'-' | b'='))));
    let heading: [&[&str]; 10] = [
        &["directory", "of"],
        &["directory"],
        &["total", "of"],
        &["grand", "total"],
        &["volume", "-"],
        &["volume", "in", "drive"],
        &["volume", "serial"],
        &["size", "date", "time", "name"],
        &["file", "code", "eof"],
        &["owner", "last", "modified"],
    ];
    let named = |words_of: &&[&str]| {
        words_of
            .iter()
            .enumerate()
            .all(|(at, word)| words.get(at).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes())))
    };
    let files = first.first().is_some_and(u8::is_ascii_digit)
        && words.get(1).is_some_and(|w| matches!(w.to_ascii_lowercase().as_slice(), b"file(s)" | b"dir(s)"));
    sum || rule || files || heading.iter().any(named) || words.starts_with(&["file", "name", "size"])
}
