//! Lists of checksums as `md5sum` and its kin print them, also with `--tag`, as the BSDs do: `SHA256SUMS`, NCBI's
//! `md5checksums.txt`, a single `.md5`, `distinfo` of ports. What is written above and below is passed over.

use super::columns::{is_digest, is_hex};
use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of, offset_in};
use super::lines::Lines;
use super::prose::Prose;
use super::raw;
use super::reader::Body;
use super::sums_line::unescape;
use super::warning::Reading;
use std::collections::VecDeque;
use std::io::BufRead;

/// What a line looks like, for people.
const SHAPE: &str = "write HEX, two blanks and the name, or MD5 (NAME) = HEX";

/// Fewest hexadecimal digits before a name, in the middle of a table, that are a digest and no word.
const SHORT: usize = 8;

/// Such lines above a table that are kept, and their bytes: with more of them there is one.
const DOUBTFUL: usize = 100;
const DOUBTFUL_BYTES: usize = 64 * 1024;

/// Whether a line begins a signed list (RFC 9580, section 7).
pub(super) fn is_signed(line: &str) -> bool {
    line.trim_end() == "-----BEGIN PGP SIGNED MESSAGE-----"
}

/// Whether a line is a checksum and a name, whole, by a function that ftpq knows.
pub(super) fn is_line(line: &str) -> bool {
    let line = line.trim_end_matches('\r');
    is_gnu(line) || split_bsd(line).is_some_and(|(algorithm, ..)| algorithm_named(algorithm).is_some())
}

/// Whether a line has the form of one of a list of checksums, whatever it says.
pub(super) fn has_form(line: &str) -> bool {
    let line = line.trim_end_matches('\r');
    is_gnu(line) || split_bsd(line).is_some()
}

fn is_gnu(line: &str) -> bool {
    split_gnu(line).is_some_and(|(sum, name)| [32, 40, 64, 128].contains(&sum.len()) && !name.is_empty())
}

/// Whether a line is words, and no part of a line of a list: nothing in it is a digest, whole or cut off.
fn is_prose(line: &str) -> bool {
    let is_cut_off = is_hex(line.trim());
    let mut runs = line.split(|c: char| !c.is_ascii_hexdigit());
    !has_form(line) && !is_cut_off && !runs.any(is_digest)
}

/// Whether a line among those of a table is one of them, with a digest that was cut short.
fn is_cut_short(line: &str) -> bool {
    split_gnu(line).is_some_and(|(hex, name)| hex.len() >= SHORT && !name.trim().is_empty())
}

/// The lines of a list of checksums.
pub(super) struct Sums {
    lines: Lines,
    signed: Signed,
    /// The file whose lines are being read: there may be several of one.
    open: Option<Summed>,
    prose: Prose,
    /// Lines above the table that would be bad ones of it, with their numbers: whether there is a table is still to be seen.
    doubtful: Vec<(u64, Vec<u8>)>,
    ready: VecDeque<Result<Entry, Problem>>,
}

/// A file, and what is said of it.
struct Summed {
    name: String,
    draft: Draft,
    /// A checksum of it that ftpq can't compute.
    unknown: Option<Position>,
    /// What is wrong with it: its other lines are passed over.
    problem: Option<Problem>,
}

/// What a line says.
enum SumSaid<'l> {
    /// A checksum of a function, in hexadecimal digits; of one that is known by its length where there is no name.
    Checksum(Option<&'static str>, &'l str),
    /// A checksum of another function.
    Unknown,
    Size(u64),
}

/// Where a line stands in a signed list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    /// Text.
    No,
    /// The lines between the first one and the text.
    Head,
    /// The signature.
    Signature,
}

impl Sums {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        let (open, prose, doubtful, ready) = (None, Prose::default(), Vec::new(), VecDeque::new());
        Self { lines: Lines::new(input), signed: Signed::No, open, prose, doubtful, ready }
    }

    /// Whether one more line above the table can be kept.
    fn may_keep(&self, line: &str) -> bool {
        let bytes: usize = self.doubtful.iter().map(|(_, line)| line.len()).sum();
        self.doubtful.len() < DOUBTFUL && bytes + line.len() <= DOUBTFUL_BYTES
    }

    /// Takes a line of the text.
    fn take(&mut self, number: u64, bytes: &[u8], reading: &mut Reading) {
        let place = |at: usize| Position { line: number, column: column_of(bytes, at) };
        let read = match std::str::from_utf8(bytes) {
            // The time when the list was made, in FreeBSD's ports.
            Ok(line) if line.starts_with("TIMESTAMP = ") => return,
            Ok(line) if is_prose(line) && !is_cut_short(line) => return self.prose.pass(number),
            Ok(line) if is_prose(line) && !self.prose.has_table() && self.may_keep(line) => {
                return self.doubtful.push((number, bytes.to_vec()));
            }
            Ok(line) => read(line, &place),
            Err(e) => {
                let message = "not UTF-8; write such names as URLs with %XX, one a line";
                Err(Problem::at(place(e.valid_up_to()), message))
            }
        };
        self.see_table(reading);
        let (said, next) = match read {
            Ok(read) => read,
            Err(problem) => {
                self.close(reading);
                return self.ready.push_back(Err(problem));
            }
        };
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.name != next.name || matches!(said, (SumSaid::Checksum(None, _), _)))
        {
            self.close(reading);
            self.open = Some(next);
        }
        if let Some(open) = &mut self.open
            && let Err(problem) = open.take(said)
        {
            open.problem.get_or_insert(problem);
        }
    }

    /// There is a table: what looks like a bad line of it above is one.
    fn see_table(&mut self, reading: &mut Reading) {
        self.prose.see_table();
        for (number, bytes) in std::mem::take(&mut self.doubtful) {
            self.take(number, &bytes, reading);
        }
    }

    /// Ends the file that is being read.
    fn close(&mut self, reading: &mut Reading) {
        self.ready.extend(self.open.take().map(|open| open.close(reading)));
    }
}

impl Body for Sums {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let (number, bytes) = match self.lines.next() {
                Some(Ok((number, bytes))) => (number, bytes.to_vec()),
                Some(Err(problem)) => {
                    self.close(reading);
                    self.ready.push_back(Err(problem));
                    continue;
                }
                None => {
                    self.close(reading);
                    self.doubtful.drain(..).for_each(|(number, _)| self.prose.pass(number));
                    self.ready.extend(self.prose.close(SHAPE, reading).err().map(Err));
                    return self.ready.pop_front();
                }
            };
            let trimmed = bytes.trim_ascii();
            match (self.signed, trimmed) {
                (Signed::No, b"-----BEGIN PGP SIGNED MESSAGE-----") => {
                    self.signed = Signed::Head;
                    let message = "the list is signed; ftpq does not check the signature";
                    reading.warnings.say_once("signature", Position { line: number, column: 1 }, message);
                }
                (Signed::No, b"-----BEGIN PGP SIGNATURE-----") => self.signed = Signed::Signature,
                (Signed::Head, b"") | (Signed::Signature, b"-----END PGP SIGNATURE-----") => self.signed = Signed::No,
                (Signed::Head | Signed::Signature, _) | (Signed::No, b"") => {}
                (Signed::No, _) if bytes.starts_with(b"#") || bytes.starts_with(b";") => {}
                (Signed::No, _) => self.take(number, &bytes, reading),
            }
        }
    }
}

/// What a line says, and the file of which it does.
fn read<'l>(line: &'l str, place: &dyn Fn(usize) -> Position) -> Result<((SumSaid<'l>, Position), Summed), Problem> {
    let at = |part: &str| place(offset_in(line, part));
    let (said, name) = if let Some((algorithm, name, value)) = split_bsd(line) {
        let size = algorithm.eq_ignore_ascii_case("size").then(|| value.trim_end_matches("bytes").trim_end());
        let said = match (size.map(str::parse), algorithm_named(algorithm)) {
            (Some(Ok(size)), _) => SumSaid::Size(size),
            (Some(Err(_)), _) => return Err(Problem::at(at(value), "a size is a whole number of bytes")),
            (None, Some(algorithm)) => SumSaid::Checksum(Some(algorithm), value),
            (None, None) => SumSaid::Unknown,
        };
        ((said, at(value)), name)
    } else if let Some((hex, name)) = split_gnu(line) {
        ((SumSaid::Checksum(None, hex), at(hex)), name)
    } else {
        return Err(Problem::at(place(0), &format!("no line of a list of checksums: {SHAPE}")));
    };
    let mut draft = Draft::new(place(0));
    draft.place("path", at(name));
    draft.place("url", at(name));
    let whole = match line.strip_prefix('\\') {
        None => Some(name.to_owned()),
        Some(_) => unescape(name.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok()),
    };
    let message = concat!(
        r"the name of a line that begins with \ may hold the escapes \n, \r and \\ only; ",
        r"leave out the \ at the line's beginning where the name is meant as it stands"
    );
    let name = whole.ok_or_else(|| Problem::at(at(name), message))?;
    Ok((said, Summed { name, draft, unknown: None, problem: None }))
}

impl Summed {
    fn take(&mut self, (said, at): (SumSaid<'_>, Position)) -> Result<(), Problem> {
        let line = self.draft.line();
        match said {
            SumSaid::Unknown => self.unknown = Some(at),
            SumSaid::Size(size) if line.size.is_some_and(|known| known != size) => {
                return Err(Problem::at(at, "a second size of the same file, and another one"));
            }
            SumSaid::Size(size) => {
                line.size = Some(size);
                self.draft.place("size", at);
            }
            SumSaid::Checksum(algorithm, hex) => {
                let (key, field) = match algorithm {
                    None => ("checksum", &mut line.checksum),
                    Some("md5") => ("md5", &mut line.md5),
                    Some("sha-1") => ("sha1", &mut line.sha1),
                    Some("sha-256") => ("sha256", &mut line.sha256),
                    Some("sha-512") => ("sha512", &mut line.sha512),
                    Some(_) => ("crc32", &mut line.crc32),
                };
                if field.as_ref().is_some_and(|known| !known.eq_ignore_ascii_case(hex)) {
                    return Err(Problem::at(at, "a second checksum of the same file and kind, and another one"));
                }
                *field = Some(hex.to_owned());
                self.draft.place(key, at);
            }
        }
        Ok(())
    }

    fn close(mut self, reading: &mut Reading) -> Result<Entry, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let line = self.draft.line();
        let sums = [&line.checksum, &line.md5, &line.sha1, &line.sha256, &line.sha512, &line.crc32];
        match self.unknown {
            Some(at) if sums.into_iter().all(Option::is_none) => {
                let message = "ftpq does not know this kind of checksum; it knows MD5, SHA1, SHA256, SHA512 and CRC32";
                return Err(Problem::at(at, message));
            }
            Some(at) => {
                let message = "checksums that ftpq can't compute are left out, here first: another one is known";
                reading.warnings.say_once("unknown checksum", at, message);
            }
            None => {}
        }
        let at = self.draft.place_of("path");
        name_file(&mut self.draft, &self.name, at, reading)?;
        self.draft.finish(reading)
    }
}

/// Gives a draft the file of that name; one that is a URL needs no base.
pub(super) fn name_file(draft: &mut Draft, name: &str, at: Position, reading: &Reading) -> Result<(), Problem> {
    if super::entry::scheme_of(name).is_some() {
        name.clone_into(&mut draft.line().url);
        return Ok(());
    }
    if name.is_empty() {
        return Err(Problem::at(at, "the name of the file is missing"));
    }
    match raw::below_base(name, &reading.options).map_err(|message| Problem::at(at, &message))? {
        Some((url, path)) => {
            draft.line().url = url;
            draft.line().path = Some(path);
            Ok(())
        }
        // Each line would say the same.
        None => Err(Problem::fatal_at(at, &format!("the list {}", raw::NO_BASE))),
    }
}

/// Digest and name of a line such as `HEX  NAME` or `HEX *NAME`.
fn split_gnu(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix('\\').unwrap_or(line);
    let (hex, rest) = line.split_once([' ', '\t'])?;
    if !is_hex(hex) {
        return None;
    }
    // The second character tells text and binary apart; a name may begin with a blank.
    let name = match rest.strip_prefix([' ', '*']) {
        Some(name) if line.get(hex.len()..)?.starts_with(' ') => name,
        _ => rest.trim_start_matches([' ', '\t']),
    };
    Some((hex, name))
}

/// Algorithm, name and digest of a line such as `SHA256 (NAME) = HEX`; OpenSSL leaves the blanks out.
fn split_bsd(line: &str) -> Option<(&str, &str, &str)> {
    let line = line.strip_prefix('\\').unwrap_or(line);
    let (algorithm, rest) = line.split_once('(')?;
    let algorithm = algorithm.trim_end();
    if algorithm.is_empty() || !algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"-/_".contains(&b)) {
        return None;
    }
    let (name, hex) = rest.rsplit_once('=')?;
    Some((algorithm, name.trim_end().strip_suffix(')')?, hex.trim()))
}

/// The name in ftpq of an algorithm as such a line has it.
fn algorithm_named(name: &str) -> Option<&'static str> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    Some(match plain.as_str() {
        "md5" => "md5",
        "sha1" => "sha-1",
        "sha256" | "sha2256" => "sha-256",
        "sha512" | "sha2512" => "sha-512",
        "crc32" => "crc32",
        _ => return None,
    })
}
