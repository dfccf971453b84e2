//! XML as far as Metalink needs it: elements, attributes and text, with places; no DTD, no entities but the five of XML,
//! and bounds on everything.

use super::MAX_LINE;
use super::entry::Position;
use super::error::Problem;
use quick_xml::XmlVersion;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::io::{self, BufRead, Read};

/// Deepest nesting.
const DEEPEST: usize = 32;
/// Most attributes of an element.
const ATTRIBUTES: usize = 32;
/// Longest name of an element, in bytes.
const NAME: usize = 200;

/// A part of a document.
pub(super) enum Token {
    /// An element begins: its name without a prefix, and its attributes likewise.
    Open(String, Vec<(String, String)>),
    /// Text in it, with references resolved.
    Text(String),
    /// The innermost element ends.
    Close,
    /// The document ends.
    End,
}

/// The parts of a document, one by one.
pub(super) struct Xml {
    reader: quick_xml::Reader<KeptText>,
    buffer: Vec<u8>,
    depth: usize,
    /// Whether the outermost element has begun.
    begun: bool,
}

impl Xml {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        let mut reader = quick_xml::Reader::from_reader(KeptText::new(input));
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0, begun: false }
    }

    /// The next part and its place.
    ///
    /// # Errors
    /// When the document is none, or beyond the bounds; nothing can be read behind that.
    pub(super) fn next(&mut self) -> Result<(Position, Token), Problem> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().forget();
            let event = self.reader.read_event_into(&mut self.buffer).map_err(|e| reason(&e));
            let token = event.and_then(|event| token(&event));
            let kept = self.reader.get_ref();
            let at = kept.start();
            let token = match token {
                Ok(Some(token)) => token,
                Ok(None) => continue,
                Err(message) => return Err(Problem::fatal_at(kept.first_bad().unwrap_or(at), &message)),
            };
            let fatal = |message: &str| Err(Problem::fatal_at(at, message));
            match &token {
                Token::Open(..) if self.depth == DEEPEST => {
                    return fatal("elements nested more deeply than any list has them");
                }
                Token::Open(..) if self.depth == 0 && self.begun => return fatal("a second outermost element"),
                Token::Open(..) => (self.depth, self.begun) = (self.depth + 1, true),
                Token::Text(text) if self.depth == 0 => {
                    if !text.trim().is_empty() {
                        return fatal("text outside of all elements");
                    }
                    continue;
                }
                Token::Close => self.depth = self.depth.saturating_sub(1),
                Token::End if self.depth > 0 => return fatal("the document ends within an element; fetch it again"),
                Token::End if !self.begun => return fatal("no document: there is no element in it"),
                Token::Text(_) | Token::End => {}
            }
            return Ok((at, token));
        }
    }
}

/// What an event says; nothing where it is of no use.
fn token(event: &Event<'_>) -> Result<Option<Token>, String> {
    Ok(Some(match event {
        Event::Start(start) | Event::Empty(start) => open(start)?,
        Event::End(_) => Token::Close,
        Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
        Event::CData(text) => Token::Text(text.xml10_content().into_owned()),
        Event::GeneralRef(reference) => Token::Text(resolve(reference)?),
        Event::Eof => Token::End,
        Event::DocType(kind) if kind.trim_start().to_ascii_lowercase().starts_with("html") => {
            return Err("an HTML page, and no list; take the URLs out of it, one a line".to_owned());
        }
        Event::DocType(_) => return Err("a document type definition; ftpq reads none, for what it could do".to_owned()),
        Event::Decl(declaration) => {
            let other = declaration.encoding().is_some_and(|name| {
                !name.is_ok_and(|name| ["utf-8", "utf8", "us-ascii"].contains(&name.to_ascii_lowercase().as_str()))
            });
            if other {
                return Err("the document says that it is not in UTF-8; save it in UTF-8".to_owned());
            }
            return Ok(None);
        }
        Event::Comment(_) | Event::PI(_) => return Ok(None),
    }))
}

fn open(start: &BytesStart<'_>) -> Result<Token, String> {
    let name = start.local_name();
    if start.name().as_ref().len() > NAME {
        return Err(format!("the name of an element is longer than {NAME} bytes"));
    }
    let mut attributes: Vec<(String, String)> = Vec::new();
    // The parser's own search for names that come twice takes the square of their number.
    for attribute in start.attributes().with_checks(false) {
        let bad = || "an attribute is not written as name=\"value\"".to_owned();
        let attribute = attribute.map_err(|_| bad())?;
        let key = attribute.key.local_name().as_ref().to_owned();
        if attributes.len() == ATTRIBUTES {
            return Err(format!("an element with more than {ATTRIBUTES} attributes"));
        }
        if attributes.iter().any(|(known, _)| *known == key) {
            return Err("an element has the same attribute twice".to_owned());
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| ENTITY.to_owned())?;
        attributes.push((key, value.into_owned()));
    }
    Ok(Token::Open(name.as_ref().to_owned(), attributes))
}

const ENTITY: &str = "a reference that is none of XML's own (&amp; &lt; &gt; &quot; &apos; &#NUMBER;); an ampersand itself is \
                      written &amp;";

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => return Ok(c.to_string()),
        Ok(None) => {}
        Err(_) => return Err(ENTITY.to_owned()),
    }
    Ok(match &*reference.xml10_content() {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return Err(ENTITY.to_owned()),
    }
    .to_owned())
}

/// Why the document is none. Nothing of it is quoted: a password may stand anywhere.
fn reason(error: &Error) -> String {
    match error {
        Error::Io(e) => format!("the rest can't be read: {e}"),
        Error::Encoding(_) => "not UTF-8; ftpq reads XML in UTF-8 alone".to_owned(),
        Error::Syntax(e) => format!("no XML: {e}"),
        Error::IllFormed(IllFormedError::UnclosedReference) | Error::Escape(_) => ENTITY.to_owned(),
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. } | IllFormedError::UnmatchedEndTag(_)) => {
            "no XML: this end tag closes another element than the innermost".to_owned()
        }
        Error::IllFormed(_) => "no XML: the document is not well-formed here".to_owned(),
        Error::InvalidAttr(_) => "an attribute is not written as name=\"value\"".to_owned(),
        Error::Namespace(_) => "no XML: a prefix that is not allowed".to_owned(),
    }
}

/// Keeps the bytes of the part that is being read, for places, and stops a part without end.
struct KeptText {
    input: Box<dyn BufRead + Send>,
    bytes: Vec<u8>,
    /// The place of the first kept byte.
    at: Position,
}

impl KeptText {
    fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { input, bytes: Vec::new(), at: Position { line: 1, column: 1 } }
    }

    /// Lets go of what was read.
    fn forget(&mut self) {
        self.at = self.place(self.bytes.len());
        self.bytes.clear();
    }

    /// The place of a kept byte.
    fn place(&self, offset: usize) -> Position {
        let before = self.bytes.get(..offset).unwrap_or(&self.bytes);
        // The second and later bytes of a character take no column.
        let columns = |bytes: &[u8]| bytes.iter().filter(|&&b| b & 0xC0 != 0x80).count() as u64;
        match before.iter().rposition(|&b| b == b'\n') {
            None => Position { column: self.at.column + columns(before), ..self.at },
            Some(newline) => Position {
                line: self.at.line + (before.split(|&b| b == b'\n').count() - 1) as u64,
                column: columns(before.get(newline + 1..).unwrap_or_default()) + 1,
            },
        }
    }

    /// The place of the first byte that is not blank.
    fn start(&self) -> Position {
        self.place(self.bytes.iter().take_while(|b| b.is_ascii_whitespace()).count())
    }

    /// The place of the first byte that is not UTF-8.
    fn first_bad(&self) -> Option<Position> {
        let error = std::str::from_utf8(&self.bytes).err()?;
        error.error_len().map(|_| self.place(error.valid_up_to()))
    }
}

impl Read for KeptText {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let count = chunk.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(chunk) {
            *to = *from;
        }
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for KeptText {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.len() > MAX_LINE {
            return Err(io::Error::other(format!("a part of it is longer than {MAX_LINE} bytes")));
        }
        let chunk = self.input.fill_buf()?;
        // What is found too long must not depend on how much comes at once.
        Ok(chunk.get(..(MAX_LINE + 1).saturating_sub(self.bytes.len())).unwrap_or(chunk))
    }

    fn consume(&mut self, count: usize) {
        if let Ok(chunk) = self.input.fill_buf() {
            self.bytes.extend_from_slice(chunk.get(..count).unwrap_or(chunk));
        }
        self.input.consume(count);
    }
}
