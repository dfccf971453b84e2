//! Checksums that a server computes: what FEAT offers, how it is asked, and what it answers.
//!
//! HASH and RANG are of draft-bryan-ftpext-hash; `XMD5` and its kin of no document, and each server has its own form of
//! answer. A wrong reading could call a good file bad: where a reply may be meant otherwise, it counts as none.

use super::command::Command;
use super::reply::{Reply, ReplyClass};
use crate::model::{Algorithm, Checksum, Span};

/// The functions that a server may compute, the most telling first.
const BEST: [Algorithm; 5] = [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha1, Algorithm::Md5, Algorithm::Crc32];

/// A command by which a server is asked for a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashVerb {
    /// HASH, after `OPTS HASH` chose the function.
    Hash,
    /// `XCRC`, `XMD5`, `XSHA`, `XSHA1`, `XSHA256`, `XSHA512`.
    Own(&'static str),
    /// MD5 of draft-twine-ftpmd5.
    Md5,
    /// SITE MD5.
    SiteMd5,
}

/// One way to ask for a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashWay {
    /// The command.
    pub verb: HashVerb,
    /// The function.
    pub algorithm: Algorithm,
}

/// The ways that a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashOffers {
    /// Functions of HASH, by their place in [`BEST`].
    hash: [bool; BEST.len()],
    /// The same for the commands of servers' own.
    own: [Option<&'static str>; BEST.len()],
    md5: bool,
    site_md5: bool,
    rang: bool,
}

/// Why a reply gives no checksum to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDigest {
    /// The server does not know the command: it need not be asked again.
    #[error("the server offers it and does not know it")]
    Unknown,
    /// It refuses.
    #[error("the server refuses it")]
    Refused,
    /// It names another function.
    #[error("the answer is of another hash function")]
    OtherAlgorithm,
    /// It names another range.
    #[error("the answer is of another part of the file")]
    OtherRange,
    /// It names another file.
    #[error("the answer is of another file")]
    OtherFile,
    /// It holds no digest, or several.
    #[error("the answer holds no checksum that could be read")]
    Unreadable,
}

impl HashOffers {
    /// Takes in a line of FEAT's, in upper case: its first word and the rest.
    pub(super) fn take(&mut self, word: &str, rest: &str) {
        let (algorithm, name) = match word {
            "HASH" => return self.take_hash(rest),
            "RANG" => return self.rang |= rest.trim().is_empty() || rest.contains("STREAM"),
            "MD5" => return self.md5 = true,
            "SITE" => return self.site_md5 |= rest.split([' ', ';', ',']).any(|word| word.trim() == "MD5"),
            "XSHA256" => (Algorithm::Sha256, "XSHA256"),
            "XSHA512" => (Algorithm::Sha512, "XSHA512"),
            "XSHA1" => (Algorithm::Sha1, "XSHA1"),
            "XSHA" => (Algorithm::Sha1, "XSHA"),
            "XMD5" => (Algorithm::Md5, "XMD5"),
            "XCRC" => (Algorithm::Crc32, "XCRC"),
            _ => return,
        };
        if let Some(slot) = place(algorithm).and_then(|at| self.own.get_mut(at)) {
            // XSHA1 says which it is.
            if slot.is_none() || name == "XSHA1" {
                *slot = Some(name);
            }
        }
    }

    fn take_hash(&mut self, functions: &str) {
        for name in functions.split([';', ',', ' ']) {
            let algorithm = Algorithm::from_name(name.trim().trim_end_matches('*'));
            if let Some(slot) = algorithm.and_then(place).and_then(|at| self.hash.get_mut(at)) {
                *slot = true;
            }
        }
    }

    /// The best way that is left.
    #[must_use]
    pub fn best(&self) -> Option<HashWay> {
        BEST.into_iter().find_map(|algorithm| self.by(algorithm))
    }

    /// A way to ask for the checksum of a part of the file, by that function.
    #[must_use]
    pub fn ranged(&self, algorithm: Algorithm) -> Option<HashWay> {
        // The range stands in the command itself, and nothing of it is left for what follows.
        let own = place(algorithm).and_then(|at| self.own.get(at).copied().flatten());
        match own {
            Some(name) => Some(HashWay { verb: HashVerb::Own(name), algorithm }),
            None => self.by(algorithm).filter(|way| self.rang && way.verb == HashVerb::Hash),
        }
    }

    fn by(&self, algorithm: Algorithm) -> Option<HashWay> {
        let at = place(algorithm)?;
        let verb = if self.hash.get(at).copied().unwrap_or(false) {
            HashVerb::Hash
        } else if let Some(name) = self.own.get(at).copied().flatten() {
            HashVerb::Own(name)
        } else if algorithm == Algorithm::Md5 && self.md5 {
            HashVerb::Md5
        } else if algorithm == Algorithm::Md5 && self.site_md5 {
            HashVerb::SiteMd5
        } else {
            return None;
        };
        Some(HashWay { verb, algorithm })
    }

    /// Takes a way off the list: the server does not know it after all.
    pub fn strike(&mut self, way: HashWay) {
        let at = place(way.algorithm);
        match way.verb {
            HashVerb::Hash => {
                if let Some(slot) = at.and_then(|at| self.hash.get_mut(at)) {
                    *slot = false;
                }
            }
            HashVerb::Own(_) => {
                if let Some(slot) = at.and_then(|at| self.own.get_mut(at)) {
                    *slot = None;
                }
            }
            HashVerb::Md5 => self.md5 = false,
            HashVerb::SiteMd5 => self.site_md5 = false,
        }
    }
}

fn place(algorithm: Algorithm) -> Option<usize> {
    BEST.iter().position(|best| *best == algorithm)
}

impl HashWay {
    /// The command's word, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.verb {
            HashVerb::Hash => "HASH",
            HashVerb::Own(name) => name,
            HashVerb::Md5 => "MD5",
            HashVerb::SiteMd5 => "SITE MD5",
        }
    }

    /// The command that chooses the function; only HASH has one.
    #[must_use]
    pub fn choose(self) -> Option<Command> {
        (self.verb == HashVerb::Hash).then_some(Command::OptsHash(hash_name(self.algorithm)))
    }

    /// The command that asks for the checksum of a file, or of a part of it: `start` and `end` as the server takes them.
    /// `None` where the path can't be told from what stands behind it.
    #[must_use]
    pub fn ask(self, path: &[u8], range: Option<(u64, u64)>) -> Option<Command> {
        let verb = match self.verb {
            // Nothing stands behind their paths.
            HashVerb::Hash => return Some(Command::Hash(path.to_vec())),
            HashVerb::Md5 => return Some(Command::Sum("MD5", path.to_vec())),
            HashVerb::SiteMd5 => return Some(Command::Sum("SITE", [b"MD5 ", path].concat())),
            HashVerb::Own(verb) => verb,
        };
        let blank = path.iter().any(|b| matches!(b, b' ' | b'\t'));
        let quote = path.iter().any(|b| matches!(b, b'"' | b'\\'));
        let mut argument = match (blank, quote) {
            // How a quote within quotes is written is each server's own affair.
            (_, true) => return None,
            (true, false) => [b"\"", path, b"\""].concat(),
            (false, false) => path.to_vec(),
        };
        if let Some((start, end)) = range {
            argument.extend_from_slice(format!(" {start} {end}").as_bytes());
        }
        Some(Command::Sum(verb, argument))
    }
}

/// The name of a function in `OPTS HASH`.
fn hash_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha512 => "SHA-512",
        Algorithm::Sha1 => "SHA-1",
        Algorithm::Crc32 => "CRC32",
        Algorithm::Md5 | Algorithm::BsdSum | Algorithm::Cksum => "MD5",
    }
}

/// The checksum in the reply to a [`HashWay`]. `path` is what was sent, `range` what it is to be of.
///
/// # Errors
/// When the server refuses, names another function, file or range, or gives nothing that could be read.
pub fn server_digest(reply: &Reply, way: HashWay, path: &[u8], range: Span) -> Result<Checksum, NoDigest> {
    match reply.code.get() {
        500 | 502 => return Err(NoDigest::Unknown),
        _ if !reply.is(ReplyClass::Completion) => return Err(NoDigest::Refused),
        _ => {}
    }
    // proftpd says `250-Computing MD5 digest` before.
    let telling = reply.lines.iter().rev().find(|line| words(line).any(|(_, word)| is_digest(word, way.algorithm)));
    let found = Found::new(telling.map_or(reply.last_line(), Vec::as_slice), way, path)?;
    if way.verb == HashVerb::Hash {
        found.check_echo(way, path, range)?;
    }
    if matches!(way.verb, HashVerb::Md5 | HashVerb::SiteMd5) {
        let named = if way.verb == HashVerb::Md5 { found.before } else { found.after };
        check_name(named, path)?;
    }
    let hex = std::str::from_utf8(found.hex).map_err(|_| NoDigest::Unreadable)?;
    Checksum::from_hex(way.algorithm, hex).map_err(|_| NoDigest::Unreadable)
}

/// A digest in a text, and what stands around it.
struct Found<'a> {
    before: &'a [u8],
    hex: &'a [u8],
    after: &'a [u8],
}

impl<'a> Found<'a> {
    fn new(text: &'a [u8], way: HashWay, path: &[u8]) -> Result<Self, NoDigest> {
        let candidates: Vec<(usize, &[u8])> = words(text).filter(|(_, word)| is_digest(word, way.algorithm)).collect();
        let same = |a: &[u8], b: &[u8]| a.eq_ignore_ascii_case(b);
        let (first, last) = match candidates.as_slice() {
            [] => {
                // A digest of another length is one of another function.
                let other = words(text).any(|(_, word)| BEST.iter().any(|&other| is_digest(word, other)));
                return Err(if other { NoDigest::OtherAlgorithm } else { NoDigest::Unreadable });
            }
            [first, .., last] => (*first, *last),
            [one] => (*one, *one),
        };
        let own_name: Vec<&[u8]> =
            words(path).map(|(_, word)| word.rsplit(|&b| b == b'/').next().unwrap_or(word)).collect();
        let chosen = match way.verb {
            _ if candidates.iter().all(|(_, word)| same(word, first.1)) => {
                if way.verb == HashVerb::Md5 {
                    last
                } else {
                    first
                }
            }
            // `251 path hex`
            HashVerb::Md5 => last,
            // `213 SHA-256 0-49 hex path`, `213 hex    path`
            HashVerb::Hash | HashVerb::SiteMd5 => first,
            // Nobody says where the name stands, but it is known.
            HashVerb::Own(_) => {
                let mut others = candidates.iter().filter(|(_, word)| !own_name.iter().any(|name| same(name, word)));
                match (others.next(), others.next()) {
                    (Some(only), None) => *only,
                    _ => return Err(NoDigest::Unreadable),
                }
            }
        };
        let (at, hex) = chosen;
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + hex.len()..).unwrap_or_default();
        Ok(Self { before, hex, after })
    }

    /// `SHA-256 0-49 hex path`: function, range and name have to be those that were asked for, as far as they are there.
    fn check_echo(&self, way: HashWay, path: &[u8], range: Span) -> Result<(), NoDigest> {
        for (_, word) in words(self.before) {
            let word = String::from_utf8_lossy(word);
            if Algorithm::from_name(&word).is_some_and(|named| named != way.algorithm) {
                return Err(NoDigest::OtherAlgorithm);
            }
            let ends = word.split_once('-').and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
            // Some count the last byte in, some don't.
            if let Some((start, end)) = ends
                && (start != range.start || !(end == range.end || end.checked_add(1) == Some(range.end)))
            {
                return Err(NoDigest::OtherRange);
            }
        }
        check_name(self.after, path)
    }
}

/// Whether a word has the form of a digest by that function.
fn is_digest(word: &[u8], algorithm: Algorithm) -> bool {
    word.len() == algorithm.digest_len() * 2 && word.iter().all(u8::is_ascii_hexdigit)
}

/// The words of a text, with their places; a `=`, a quote and a colon behind a word are none of it.
fn words(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let is_end = |b: &u8| b.is_ascii_whitespace() || b"=\"':,;()".contains(b);
    let mut at = 0;
    text.split(is_end).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}

/// A name that the reply repeats has to end as the one that was sent does.
fn check_name(named: &[u8], path: &[u8]) -> Result<(), NoDigest> {
    let trim = |text: &[u8]| text.trim_ascii().iter().copied().filter(|&b| b != b'"').collect::<Vec<u8>>();
    let (named, path) = (trim(named), trim(path));
    let last = |path: &[u8]| path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
    if named.is_empty() || last(&named) == last(&path) { Ok(()) } else { Err(NoDigest::OtherFile) }
}

#[cfg(test)]
mod tests;
