//! What is found in a listing.

use super::time::Time;
use super::words::{Words, is_number, is_size};
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
    /// A device, a socket, or another thing that is neither file nor folder.
    Other,
    /// The line does not tell, or leaves a doubt about the name: whether blanks in front belong to it. The server has to
    /// be asked.
    Unknown,
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
    /// The data ended before the line did: its end may be missing, and more lines after it.
    #[error("the listing ends in the middle of this line")]
    CutOff,
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

impl Refusal {
    /// Whether the line may have told of any file: what the listing says is not all that is known to be there.
    #[must_use]
    pub fn hides_files(self) -> bool {
        matches!(self, Self::NotUnderstood | Self::NoName | Self::CutOff)
    }
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
        let size = size.filter(|_| matches!(self.kind, Kind::File | Kind::Unknown));
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
    if is_dots(if raw.kind == Kind::Unknown { name.trim_ascii_start() } else { &name }) {
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

/// `total` of `ls -l` in the languages that servers were met in.
const TOTAL: &str = " total totals totale totaal totalt total: celkem celkom insgesamt gesamt summe kokku yhteensä viso razem \
    łącznie skupaj ukupno összesen toplam summa sumo kopā iomlán σύνολο итого всего загалом усього общо укупно 合計 总用量 \
    总计 總計 合计 합계 총계 ";

/// Words that end a message about a folder, and never a heading.
const TROUBLE: [&[u8]; 6] = [b"found", b"denied", b"exist", b"failed", b"readable", b"empty"];

/// Lines around the entries: `total 12` in any language, `Directory of ...`, `Total of 3 files`, rows of dashes, and
/// headings. `is_first` tells that nothing came before.
pub(super) fn is_frame(words: &Words<'_>, is_first: bool) -> bool {
    let Some(first) = words.get(0) else { return true };
    let rule = (0..words.len()).all(|at| words.get(at).is_some_and(|w| w.iter().all(|b| matches!(b, b'-' | b'='))));
    let files = first.first().is_some_and(u8::is_ascii_digit)
        && words.get(1).is_some_and(|w| matches!(w.to_ascii_lowercase().as_slice(), b"file(s)" | b"dir(s)"));
    is_sum(words, is_first) || rule || files || is_heading(words)
}

/// `total 12`, `insgesamt 1,5M`, `i alt 4`; in the letters of an older encoding at the head of the listing alone.
fn is_sum(words: &Words<'_>, is_first: bool) -> bool {
    let at = if words.starts_with(&["i", "alt"]) || words.starts_with(&["tổng", "cộng"]) { 2 } else { 1 };
    if words.get(at + 1).is_some() || !words.get(at).is_some_and(is_size) {
        return false;
    }
    let first = words.get(0).unwrap_or_default();
    let known = std::str::from_utf8(first).is_ok_and(|word| TOTAL.contains(&format!(" {} ", word.to_lowercase())));
    at == 2 || known || (is_first && !first.is_ascii())
}

fn is_heading(words: &Words<'_>) -> bool {
    let last = words.get(words.len().saturating_sub(1)).unwrap_or_default().to_ascii_lowercase();
    let troubled = TROUBLE.iter().any(|word| last.strip_suffix(b".").unwrap_or(&last).ends_with(word));
    let counted = |at: usize| words.get(at).is_some_and(is_number);
    // VMS: `Directory DISK$USER:[ANON.PUB]`
    let vms = words.len() == 2 && last.ends_with(b"]") && words.starts_with(&["directory"]);
    let alone: [&[&str]; 6] = [
        &["volume", "in", "drive"],
        &["volume", "serial"],
        &["size", "date", "time", "name"],
        &["file", "code", "eof"],
        &["owner", "last", "modified"],
        &["file", "name", "size"],
    ];
    vms || (words.starts_with(&["directory", "of"]) && !troubled)
        || (words.starts_with(&["total", "of"]) && counted(2))
        || (words.starts_with(&["grand", "total", "of"]) && counted(3))
        || alone.iter().any(|heading| words.starts_with(heading))
}
