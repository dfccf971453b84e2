//! Metalink, version 4 (RFC 5854) and version 3: files with all their mirrors, lengths and digests.

use super::draft::Draft;
use super::entry::{Entry, PIECES, Position};
use super::error::Problem;
use super::mirrors::{MirrorPlace, choose};
use super::reader::Body;
use super::warning::Reading;
use super::xml::{Token, Xml};
use crate::model::{Algorithm, Checksum, PieceDigests};
use std::io::BufRead;

/// Most URLs of one file.
const URLS: usize = 1000;
/// Longest text of an element, in bytes.
const TEXT: usize = 64 * 1024;
/// The priority of a URL that has none: behind all others (RFC 5854, section 4.2.16.2).
const LAST: u32 = 999_999;

/// The files of a document.
pub(super) struct Metalink {
    xml: Xml,
    depth: usize,
    file: Option<File>,
    leaf: Option<Leaf>,
}

/// A file whose elements are being read.
struct File {
    draft: Draft,
    depth: usize,
    urls: Vec<MirrorPlace>,
    /// The strongest digests of pieces so far.
    pieces: Option<PieceSums>,
    /// Those being read, and how deep.
    open: Option<(usize, Option<PieceSums>)>,
    /// Whether there are digests that ftpq can't compute.
    unknown_sums: bool,
    /// URLs of torrents.
    torrents: u64,
    problem: Option<Problem>,
}

/// Digests of pieces.
struct PieceSums {
    at: Position,
    length: u64,
    algorithm: Algorithm,
    digests: Vec<Vec<u8>>,
}

/// An element with text that is of use.
struct Leaf {
    kind: MetalinkText,
    depth: usize,
    attributes: Vec<(String, String)>,
    text: String,
    /// Where the text begins; until it does, where the element does.
    at: Position,
    too_long: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MetalinkText {
    Size,
    Hash,
    Piece,
    Url,
}

impl Metalink {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { xml: Xml::new(input), depth: 0, file: None, leaf: None }
    }

    fn open(&mut self, name: &str, attributes: Vec<(String, String)>, at: Position) -> Result<(), Problem> {
        self.depth += 1;
        let depth = self.depth;
        if depth == 1 && name != "metalink" {
            return Err(Problem::fatal_at(
                at,
                "an HTML or XML document, and no Metalink; take the URLs out of it, one a line",
            ));
        }
        let Some(file) = &mut self.file else {
            if name == "file" {
                self.file = Some(File::new(&attributes, depth, at));
            }
            return Ok(());
        };
        if let Some(leaf) = &self.leaf {
            let message = "an element within another one that holds text alone";
            file.fail(Problem::at(leaf.at, message));
            return Ok(());
        }
        let kind = match name {
            "size" => MetalinkText::Size,
            "url" => MetalinkText::Url,
            "hash" if file.open.is_some() => MetalinkText::Piece,
            "hash" => MetalinkText::Hash,
            "pieces" => {
                let pieces = PieceSums::new(&attributes, at);
                let pieces = pieces.map_err(|problem| file.fail(problem)).unwrap_or_default();
                file.open = Some((
                    depth,
                    pieces.filter(|new| file.pieces.as_ref().is_none_or(|old| old.algorithm < new.algorithm)),
                ));
                return Ok(());
            }
            "file" => {
                file.fail(Problem::at(at, "a file within another one"));
                return Ok(());
            }
            "metaurl" => {
                file.torrents += 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.leaf = Some(Leaf { kind, depth, attributes, text: String::new(), at, too_long: false });
        Ok(())
    }

    fn text(&mut self, text: &str, at: Position) {
        let Some(leaf) = &mut self.leaf else { return };
        if leaf.text.trim().is_empty() {
            leaf.at = at;
        }
        if leaf.text.len() + text.len() > TEXT {
            leaf.too_long = true;
        } else {
            leaf.text.push_str(text);
        }
    }

    /// An element ends; where it is a file's, the file is whole.
    fn close(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        let depth = self.depth;
        self.depth = depth.saturating_sub(1);
        let file = self.file.as_mut()?;
        if let Some(leaf) = self.leaf.take_if(|leaf| leaf.depth == depth) {
            let at = leaf.at;
            if let Err(message) = file.take(&leaf, reading) {
                file.fail(Problem::at(at, &message));
            }
        }
        let ended = file.open.take_if(|(open, _)| *open == depth).and_then(|(_, pieces)| pieces);
        if let Some(pieces) = ended.filter(|pieces| !pieces.digests.is_empty()) {
            file.pieces = Some(pieces);
        }
        if file.depth != depth {
            return None;
        }
        self.leaf = None;
        Some(self.file.take()?.close(reading))
    }
}

impl Body for Metalink {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            let (at, token) = match self.xml.next() {
                Ok(next) => next,
                Err(problem) => return Some(Err(problem)),
            };
            match token {
                Token::Open(name, attributes) => {
                    if let Err(problem) = self.open(&name, attributes, at) {
                        return Some(Err(problem));
                    }
                }
                Token::Text(text) => self.text(&text, at),
                Token::Close => {
                    if let Some(read) = self.close(reading) {
                        return Some(read);
                    }
                }
                Token::End => return None,
            }
        }
    }
}

fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim())
}

/// The algorithm that a document calls so: `sha-256` and, in version 3, `sha256`.
fn algorithm(name: &str) -> Option<Algorithm> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let known = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512, Algorithm::Crc32];
    known.into_iter().find(|algorithm| algorithm.name().replace('-', "") == plain)
}

impl PieceSums {
    /// None where ftpq does not know the algorithm.
    fn new(attributes: &[(String, String)], at: Position) -> Result<Option<Self>, Problem> {
        let Some(algorithm) = attribute(attributes, "type").and_then(algorithm) else { return Ok(None) };
        let length = attribute(attributes, "length").and_then(|text| text.parse().ok()).filter(|length| *length > 0);
        let length = length.ok_or_else(|| Problem::at(at, "`length` of the pieces is no number of bytes"))?;
        Ok(Some(Self { at, length, algorithm, digests: Vec::new() }))
    }
}

impl File {
    fn new(attributes: &[(String, String)], depth: usize, at: Position) -> Self {
        let mut draft = Draft::new(at);
        // A blank at either end is a part of the name.
        let name = attributes.iter().find(|(key, value)| key == "name" && !value.is_empty()).map(|(_, value)| value);
        draft.line().path = name.cloned();
        let problem = name.is_none().then(|| Problem::at(at, "a file without a name"));
        let (urls, pieces) = (Vec::new(), None);
        Self { draft, depth, urls, pieces, open: None, unknown_sums: false, torrents: 0, problem }
    }

    /// Notes what is wrong; the first is what is said.
    fn fail(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    /// Takes the text of an element.
    fn take(&mut self, leaf: &Leaf, reading: &mut Reading) -> Result<(), String> {
        if leaf.too_long {
            return Err(format!("a text longer than {TEXT} bytes"));
        }
        let text = leaf.text.trim();
        match leaf.kind {
            MetalinkText::Size => {
                let size = text.parse().map_err(|_| "`size` is no whole number of bytes".to_owned())?;
                self.draft.line().size = Some(size);
            }
            MetalinkText::Hash => self.take_hash(leaf, text),
            MetalinkText::Piece => self.take_piece(leaf, text, reading)?,
            MetalinkText::Url => self.take_url(leaf, text)?,
        }
        Ok(())
    }

    fn take_hash(&mut self, leaf: &Leaf, text: &str) {
        let found = attribute(&leaf.attributes, "type").and_then(algorithm);
        let line = self.draft.line();
        let (key, place) = match found {
            Some(Algorithm::Md5) => ("md5", &mut line.md5),
            Some(Algorithm::Sha1) => ("sha1", &mut line.sha1),
            Some(Algorithm::Sha256) => ("sha256", &mut line.sha256),
            Some(Algorithm::Sha512) => ("sha512", &mut line.sha512),
            Some(Algorithm::Crc32) => ("crc32", &mut line.crc32),
            Some(Algorithm::BsdSum | Algorithm::Cksum) | None => {
                self.unknown_sums = true;
                return;
            }
        };
        *place = Some(text.to_owned());
        self.draft.place(key, leaf.at);
    }

    fn take_piece(&mut self, leaf: &Leaf, text: &str, reading: &mut Reading) -> Result<(), String> {
        let Some((_, open)) = &mut self.open else { return Ok(()) };
        let Some(pieces) = open else { return Ok(()) };
        let number = pieces.digests.len();
        if number == PieceDigests::MOST {
            let message = format!("more than {} pieces: their digests are left out", PieceDigests::MOST);
            reading.warnings.say(pieces.at, &message);
            *open = None;
            return Ok(());
        }
        // Version 3 numbers them.
        if attribute(&leaf.attributes, "piece").is_some_and(|text| text.parse() != Ok(number)) {
            return Err(format!("the digest of piece {number} belongs here; the pieces are not in their order"));
        }
        let sum = Checksum::from_hex(pieces.algorithm, text).map_err(|_| {
            let digits = pieces.algorithm.digest_len() * 2;
            format!("the digest of piece {number} is not {digits} hexadecimal digits")
        })?;
        pieces.digests.push(sum.digest().to_vec());
        Ok(())
    }

    fn take_url(&mut self, leaf: &Leaf, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("an empty `url`".to_owned());
        }
        if self.urls.len() == URLS {
            return Err(format!("more than {URLS} URLs of one file"));
        }
        if attribute(&leaf.attributes, "type") == Some("bittorrent") {
            self.torrents += 1;
            return Ok(());
        }
        let number = |name: &str, least: u32, most: u32| match attribute(&leaf.attributes, name) {
            None => Ok(None),
            Some(text) => match text.parse::<u32>().ok().filter(|n| (least..=most).contains(n)) {
                Some(n) => Ok(Some(n)),
                None => Err(format!("`{name}` of a `url` is no number from {least} to {most}")),
            },
        };
        let priority = match (number("priority", 1, LAST)?, number("preference", 0, 100)?) {
            (Some(priority), _) => priority,
            // Version 3 counts the other way round.
            (None, Some(preference)) => 101 - preference,
            (None, None) => LAST,
        };
        self.urls.push(MirrorPlace { url: text.to_owned(), priority, at: leaf.at });
        Ok(())
    }

    fn close(mut self, reading: &mut Reading) -> Result<Entry, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let at = self.draft.at;
        let url = choose(self.urls, &mut self.draft.wanted, reading).map_err(|message| Problem::at(at, &message))?;
        self.draft.place("url", url);
        if self.torrents > 0 {
            reading
                .warnings
                .say(at, &format!("{} of its torrents left out: ftpq downloads over FTP alone", self.torrents));
        }
        if let Some(pieces) = self.pieces {
            let digests = PieceDigests::new(pieces.length, pieces.algorithm, &pieces.digests);
            let digests = digests.map_err(|e| Problem::at(pieces.at, &e.to_string()))?;
            self.draft.place(PIECES, pieces.at);
            self.draft.wanted.pieces = Some(Box::new(digests));
        }
        let line = self.draft.line();
        let known = [&line.md5, &line.sha1, &line.sha256, &line.sha512, &line.crc32].into_iter().any(Option::is_some);
        if self.unknown_sums && !known {
            let message =
                "its digest is of no kind that ftpq knows, and is not verified; known are md5, sha-1, sha-256, sha-512";
            reading.warnings.say(at, message);
        }
        self.draft.finish(reading)
    }
}
