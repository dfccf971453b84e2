//! Lists of checksums as `md5sum` and its kin print them, also with `--tag`, as the BSDs do: `SHA256SUMS`, NCBI's
//! `md5checksums.txt`, a single `.md5`.

use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of, offset_in};
use super::lines::Lines;
use super::raw;
use super::reader::Body;
use super::warning::Reading;
use std::io::BufRead;

/// Whether a line begins a signed list (RFC 9580, section 7).
pub(super) fn is_signed(line: &str) -> bool {
    line.trim_end() == "-----BEGIN PGP SIGNED MESSAGE-----"
}

/// Whether a line is one of a list of checksums.
pub(super) fn is_line(line: &str) -> bool {
    let line = line.trim_end_matches('\r');
    let by_length = split_gnu(line)
        .is_some_and(|(sum, _)| [32, 40, 64, 128].contains(&sum.len()) && sum.bytes().all(|b| b.is_ascii_hexdigit()));
    by_length || split_bsd(line).is_some_and(|(algorithm, ..)| algorithm_named(algorithm).is_some())
}

/// The lines of a list of checksums.
pub(super) struct Sums {
    lines: Lines,
    signed: Signed,
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
        Self { lines: Lines::new(input), signed: Signed::No }
    }
}

impl Body for Sums {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            let (number, bytes) = match self.lines.next()? {
                Ok(line) => line,
                Err(problem) => return Some(Err(problem)),
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
                (Signed::No, _) => return Some(read(number, bytes, reading)),
            }
        }
    }
}

fn read(number: u64, bytes: &[u8], reading: &mut Reading) -> Result<Entry, Problem> {
    let place = |at: usize| Position { line: number, column: column_of(bytes, at) };
    let line = std::str::from_utf8(bytes)
        .map_err(|e| Problem::at(place(e.valid_up_to()), "not UTF-8; write such names as URLs with %XX, one a line"))?;
    let offset = |part: &str| offset_in(line, part);
    let mut draft = Draft::new(place(0));
    let name;
    if let Some((algorithm, file, hex)) = split_bsd(line) {
        let Some(algorithm) = algorithm_named(algorithm) else {
            let message = "this checksum is none that ftpq knows; it knows MD5, SHA1, SHA256, SHA512 and CRC32";
            return Err(Problem::at(place(0), message));
        };
        draft.line().checksum = Some(format!("{algorithm}={hex}"));
        draft.place("checksum", place(offset(hex)));
        name = (unescape(line, file), offset(file));
    } else if let Some((hex, file)) = split_gnu(line) {
        draft.line().checksum = Some(hex.to_owned());
        draft.place("checksum", place(offset(hex)));
        name = (unescape(line, file), offset(file));
    } else {
        let message = "no line of a list of checksums: write HEX, two blanks and the name, or MD5 (NAME) = HEX";
        return Err(Problem::at(place(0), message));
    }
    let (name, at) = (name.0, place(name.1));
    draft.place("path", at);
    draft.place("url", at);
    name_file(&mut draft, &name, at, reading)?;
    draft.finish(reading)
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

/// The name of a line that GNU's tools marked as escaped.
fn unescape(line: &str, name: &str) -> String {
    if !line.starts_with('\\') {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            _ => out.push(c),
        }
    }
    out
}

/// Digest and name of a line such as `HEX  NAME` or `HEX *NAME`.
fn split_gnu(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix('\\').unwrap_or(line);
    let (hex, rest) = line.split_once([' ', '\t'])?;
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
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
