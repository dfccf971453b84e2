//! Listings of folders: MLSD (RFC 3659, section 7) and LIST in the forms that servers have, without sockets.
//!
//! A [`Listing`] is fed with bytes as they arrive and gives the entries one by one; it never holds more than a line.
//! LIST has no standard (RFC 959, section 4.1.3: "information on a file may vary widely from system to system"), so what
//! it says of a file is a hint: sizes are confirmed by SIZE, and times are the server's own, mostly without seconds.
//!
//! | File | Subject |
//! |---|---|
//! | `item` | what is found: [`Entry`], [`Item`], [`Excess`] |
//! | `machine` | MLSD |
//! | `unix` | `ls -l` and what takes after it: NetWare, NetPresenz |
//! | `dos` | DOS, IIS, OS/2, VxWorks, VShell |
//! | `vms` | OpenVMS, over several lines |
//! | `host` | MVS, PDS, z/VM, AS/400, HP NonStop |
//! | `other` | EPLF, OS-9, WfFTP |
//! | `time`, `words` | dates in all their orders; the words of a line |

#[cfg(test)]
mod attacks;
mod dos;
mod host;
mod item;
mod machine;
mod other;
#[cfg(test)]
mod tests;
mod time;
mod unix;
mod vms;
mod words;

pub use item::{Entry, Excess, Family, Item, Kind, Refusal, Refused, Size};
pub use time::{Resolution, Time, Zone};
pub use vms::plain as name_without_version;

use item::{Raw, refused, vetted};
use std::collections::VecDeque;
use words::Words;

/// The command whose answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// MLSD: one form, by the standard.
    Machine,
    /// LIST: whatever the server's system has.
    People,
}

/// How much of a listing is read. Beyond, it is an attack or no listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line, without its LF.
    pub line: usize,
    /// Bytes in all.
    pub bytes: u64,
    /// Entries in all, refused ones among them.
    pub entries: u64,
    /// Bytes of one name; a longer one is refused by itself.
    pub name: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 10_000, bytes: 1 << 30, entries: 5_000_000, name: 1024 }
    }
}

/// A listing that is read as it arrives.
#[derive(Debug)]
pub struct Listing {
    form: Form,
    now: i64,
    limits: Limits,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    bytes: u64,
    items: u64,
    /// A line came that is not blank.
    is_begun: bool,
    section: Section,
    /// A name that may be VMS's, too long for its line; the rest stands on the next.
    held: Option<Vec<u8>>,
    /// What was found and not yet given: two items at most.
    ready: VecDeque<Item>,
    excess: Option<Excess>,
}

/// What a heading said of the lines below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Plain,
    /// Data sets of MVS.
    DataSets,
    /// Members of a partitioned data set.
    Members,
}

/// What a line turned out to be.
enum Found<'a> {
    Entry(Raw<'a>),
    /// A heading, a sum, a blank line.
    Nothing,
    Heading(Section),
    /// The first of two lines.
    HalfName,
    Unknown,
}

impl Listing {
    /// A listing of which nothing has arrived. `now`, in seconds since 1970-01-01 UTC, gives dates their year where the
    /// server leaves it out.
    #[must_use]
    pub fn new(form: Form, now: i64, limits: Limits) -> Self {
        Self {
            form,
            now,
            limits,
            begun: Vec::new(),
            bytes: 0,
            items: 0,
            is_begun: false,
            section: Section::Plain,
            held: None,
            ready: VecDeque::new(),
            excess: None,
        }
    }

    /// The next item in `input`, whose bytes are taken off its front; nothing when all of it is taken and more is needed.
    ///
    /// # Errors
    /// When the listing goes beyond a limit; then for good.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Item>, Excess> {
        loop {
            if let Some(found) = self.take_ready()? {
                return Ok(Some(found));
            }
            let end = input.iter().position(|&b| b == b'\n');
            let (part, rest) = match end {
                Some(end) => (input.get(..end).unwrap_or_default(), input.get(end + 1..).unwrap_or_default()),
                None => (*input, &[][..]),
            };
            self.count(part.len(), end.is_some())?;
            *input = rest;
            if end.is_none() {
                self.begun.extend_from_slice(part);
                return Ok(None);
            }
            if self.begun.is_empty() {
                self.read(part);
            } else {
                let mut line = std::mem::take(&mut self.begun);
                line.extend_from_slice(part);
                self.read(&line);
                // The buffer serves the next line.
                line.clear();
                self.begun = line;
            }
        }
    }

    /// What is left when the data ended. A line that has not ended then is refused: its end may be missing, and more lines
    /// after it. To be called until nothing comes.
    ///
    /// # Errors
    /// When the listing went beyond a limit.
    pub fn finish(&mut self) -> Result<Option<Item>, Excess> {
        if let Some(found) = self.take_ready()? {
            return Ok(Some(found));
        }
        self.release();
        let line = std::mem::take(&mut self.begun);
        if !line.is_empty() {
            self.ready.push_back(refused(&line, Refusal::CutOff));
        }
        self.take_ready()
    }

    /// Bytes that were taken.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the items that are found already, and counts them.
    fn take_ready(&mut self) -> Result<Option<Item>, Excess> {
        if let Some(excess) = self.excess {
            return Err(excess);
        }
        let Some(item) = self.ready.pop_front() else { return Ok(None) };
        self.items += 1;
        if self.items > self.limits.entries {
            return Err(self.fail(Excess::Entries(self.limits.entries)));
        }
        Ok(Some(item))
    }

    /// Counts bytes; which limit is met first does not depend on how they arrive.
    fn count(&mut self, part: usize, ended: bool) -> Result<(), Excess> {
        let line_room = self.limits.line.saturating_sub(self.begun.len());
        let room = usize::try_from(self.limits.bytes.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let taken = part + usize::from(ended);
        if part > line_room && line_room <= room {
            return Err(self.fail(Excess::Line(self.limits.line)));
        }
        if taken > room {
            return Err(self.fail(Excess::Bytes(self.limits.bytes)));
        }
        self.bytes = self.bytes.saturating_add(taken as u64);
        Ok(())
    }

    fn fail(&mut self, excess: Excess) -> Excess {
        self.excess = Some(excess);
        self.begun = Vec::new();
        excess
    }

    /// Gives up waiting for a name's second line.
    fn release(&mut self) {
        let Some(line) = self.held.take() else { return };
        match Words::of(&line).get(0).and_then(vms::alone) {
            Some(raw) => self.ready.extend(vetted(raw, &line, self.limits.name)),
            None => self.ready.push_back(refused(&line, Refusal::NotUnderstood)),
        }
    }

    /// Reads a whole line.
    fn read(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(held) = &self.held {
            if let Some(raw) = vms::joined(held, line) {
                let item = vetted(raw, held, self.limits.name);
                self.held = None;
                return self.ready.extend(item);
            }
            let indented = line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
            if indented && vms::is_versioned(held) {
                let whole = [self.held.take().unwrap_or_default().as_slice(), line].concat();
                return self.judge(&whole);
            }
            self.release();
        }
        self.judge(line);
    }

    fn judge(&mut self, line: &[u8]) {
        let found = match self.form {
            Form::Machine => machine::read(line),
            Form::People => self.people(line),
        };
        match found {
            Found::Entry(raw) => self.ready.extend(vetted(raw, line, self.limits.name)),
            Found::Nothing => {}
            Found::Heading(section) => self.section = section,
            Found::HalfName => self.held = Some(line.to_vec()),
            Found::Unknown => self.ready.push_back(refused(line, Refusal::NotUnderstood)),
        }
        self.is_begun |= !line.trim_ascii().is_empty();
    }

    /// Finds out whose line it is. Each reader takes a line only where all of it fits, so that their order matters to
    /// few.
    fn people<'a>(&self, line: &'a [u8]) -> Found<'a> {
        let words = Words::of(line);
        let Some(first) = words.get(0) else { return Found::Nothing };
        if self.section != Section::Plain
            && let Some(found) = host::in_section(self.section, &words)
        {
            return found;
        }
        let entry = match first {
            [b'+', ..] => other::eplf(line),
            [b'0'..=b'9', ..] => dos::read(&words, self.now).or_else(|| other::os9(&words)),
            [b'-' | b'd' | b'l' | b'b' | b'c' | b'p' | b's' | b'D' | b'n' | b'x' | b'?', ..] => {
                unix::read(&words, self.now)
            }
            _ => None,
        };
        entry
            .or_else(|| vms::read(&words))
            .or_else(|| host::read(&words))
            .or_else(|| other::wfftp(&words))
            .map_or_else(|| without_entry(&words, !self.is_begun), |raw| Found::Entry(sure(raw)))
    }
}

/// The entry as it is; one whose name begins with a blank, which may be the listing's own, has to be asked for.
fn sure(raw: Raw<'_>) -> Raw<'_> {
    let in_doubt = raw.family != Family::Eplf && raw.name.first() == Some(&b' ');
    if in_doubt { Raw { kind: Kind::Unknown, ..raw } } else { raw }
}

/// Headings, sums and halves of names.
fn without_entry<'a>(words: &Words<'_>, is_first: bool) -> Found<'a> {
    if let Some(section) = host::heading(words) {
        return Found::Heading(section);
    }
    if item::is_frame(words, is_first) {
        return Found::Nothing;
    }
    if vms::is_half(words) { Found::HalfName } else { Found::Unknown }
}
