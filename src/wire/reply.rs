//! Replies and where they end (RFC 959, section 4.2).

use super::redact::Redactor;
use crate::model::printable;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

/// Bytes of a line that are kept; the rest of it is dropped.
const LINE_KEPT: usize = 8 * 1024;
/// Length in bytes at which a line is an attack.
const LINE_LIMIT: usize = 64 * 1024;
/// Length in bytes at which a reply is an attack.
const REPLY_LIMIT: usize = 1024 * 1024;
/// Lines at which a reply is an attack.
const LINES_LIMIT: usize = 10_000;
/// Characters of a reply shown to people.
const SHOWN: usize = 300;

/// The three digits of a reply, 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyCode(u16);

/// What the first digit says (RFC 959, section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyClass {
    /// 1yz: another reply follows.
    Preliminary,
    /// 2yz: done.
    Completion,
    /// 3yz: the next command of the sequence is awaited.
    Intermediate,
    /// 4yz: refused for now.
    Transient,
    /// 5yz: refused for good.
    Permanent,
}

impl ReplyCode {
    /// The code, if it is one.
    #[must_use]
    pub fn new(code: u16) -> Option<Self> {
        (100..=599).contains(&code).then_some(Self(code))
    }

    /// The code as a number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// What the first digit says.
    #[must_use]
    pub fn class(self) -> ReplyClass {
        match self.0 {
            ..=199 => ReplyClass::Preliminary,
            200..=299 => ReplyClass::Completion,
            300..=399 => ReplyClass::Intermediate,
            400..=499 => ReplyClass::Transient,
            500.. => ReplyClass::Permanent,
        }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// One reply, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The code of its first line.
    pub code: ReplyCode,
    /// Its lines, without line ends and without the code where a line starts with it.
    pub lines: Vec<Vec<u8>>,
    /// It ended with another code than it began with.
    pub foreign_terminator: bool,
    /// What people must not be shown of it.
    hidden: Redactor,
}

impl Reply {
    /// Whether the first digit is that of the class.
    #[must_use]
    pub fn is(&self, class: ReplyClass) -> bool {
        self.code.class() == class
    }

    /// From now on people are not shown these passwords where the reply repeats them. What it says to the program stays
    /// as it is: a password may be a part of a path or a number.
    pub fn hide(&mut self, passwords: &Redactor) {
        self.hidden = passwords.clone();
    }

    /// The lines as people may see them.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, [Vec<u8>]> {
        self.hidden.clean_lines(&self.lines).map_or(Cow::Borrowed(&self.lines), Cow::Owned)
    }

    /// Code and text in one line for people, safe to show and 300 characters at most.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = self.code.to_string();
        for (at, line) in self.shown().iter().filter(|line| !line.is_empty()).enumerate() {
            if out.len() > 4 * SHOWN {
                break;
            }
            out.push_str(if at == 0 { " " } else { " | " });
            out.push_str(String::from_utf8_lossy(line).trim());
        }
        printable(&out, SHOWN)
    }

    /// The text alone, all lines, lower case, for a search of words; 8 KiB at most of each line, 64 KiB in all.
    #[must_use]
    pub(crate) fn words(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            if out.len() > LINE_LIMIT {
                break;
            }
            out.push_str(&String::from_utf8_lossy(line).to_lowercase());
            out.push(' ');
        }
        out
    }

    /// Whether the text begins with this command's word, as servers have it that say what they refuse.
    #[must_use]
    pub(crate) fn names(&self, verb: &str) -> bool {
        let start = self.lines.first().and_then(|line| line.split_at_checked(verb.len()));
        start.is_some_and(|(word, rest)| word == verb.as_bytes() && matches!(rest.first(), None | Some(b':' | b' ')))
    }

    /// The text of the last line.
    #[must_use]
    pub(crate) fn last_line(&self) -> &[u8] {
        self.lines.last().map_or(&[], Vec::as_slice)
    }
}

/// Why bytes are no reply. The session can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A line that starts with no code from 100 to 599.
    #[error("the server sent {0:?} where a reply has to start")]
    NotAReply(String),
    /// A line of more than 64 KiB.
    #[error("the server sent a reply line of more than 64 KiB")]
    LineTooLong,
    /// A reply of more than 1 MiB.
    #[error("the server sent a reply of more than 1 MiB")]
    ReplyTooLong,
    /// A reply of more than 10,000 lines.
    #[error("the server sent a reply of more than 10,000 lines")]
    TooManyLines,
}

/// Begins a Telnet command.
const IAC: u8 = 255;

/// Where in a Telnet command the input stands (RFC 854).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    Iac,
    Option,
}

/// Finds replies in bytes as they arrive. What the caller hopes for never decides where a reply ends.
///
/// A line ends at LF, with or without CR. NUL is dropped (vsftpd writes it for a line end in a name, RFC 2640 after
/// CR), and so are Telnet commands. A reply that starts with `ddd-` ends at `ddd ` of the same code. A line that
/// starts with another code and a space may end it too, as some servers have it, but only when [`Decoder::settle`]
/// says that nothing better arrived; never in a 211 reply, whose lines are anything.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    telnet: Telnet,
    line: Vec<u8>,
    /// Length of the line so far, kept or not.
    length: usize,
    lines: VecDeque<Vec<u8>>,
    /// Bytes that came since the last reply was taken.
    bytes: usize,
    /// Lines already searched for an end.
    scanned: usize,
    /// First line that could be an end with another code.
    doubt: Option<usize>,
}

impl Decoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes in.
    ///
    /// # Errors
    /// When a line or the reply grows past its limit.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while let Some(&byte) = bytes.first() {
            let is_plain = |byte: &&u8| !matches!(**byte, b'\n' | 0 | IAC);
            let plain = if self.telnet == Telnet::Text { bytes.iter().take_while(is_plain).count() } else { 0 };
            // No more at once than there is room for, so that the limit that is met first is the one that is told.
            let plain = plain.min(REPLY_LIMIT.saturating_sub(self.bytes)).min(LINE_LIMIT.saturating_sub(self.length));
            if plain == 0 {
                self.bytes += 1;
                if self.bytes > REPLY_LIMIT {
                    return Err(Broken::ReplyTooLong);
                }
                self.decode(byte)?;
            } else {
                self.bytes += plain;
                self.length += plain;
                let kept = plain.min(LINE_KEPT.saturating_sub(self.line.len()));
                self.line.extend_from_slice(bytes.get(..kept).unwrap_or_default());
            }
            bytes = bytes.get(plain.max(1)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes the next reply out, if it is there with its own end.
    ///
    /// # Errors
    /// When what is there is no reply.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, Broken> {
        while self.lines.front().is_some_and(Vec::is_empty) {
            self.lines.pop_front();
        }
        let Some(first) = self.lines.front() else { return Ok(None) };
        let Some((code, last)) = opening(first) else {
            return Err(Broken::NotAReply(printable(&String::from_utf8_lossy(first), 80)));
        };
        if last {
            return Ok(Some(self.take(code, 0, false)));
        }
        let from = self.scanned.max(1);
        for (at, line) in self.lines.iter().enumerate().skip(from) {
            match opening(line) {
                Some((same, true)) if same == code => return Ok(Some(self.take(code, at, false))),
                Some((_, true)) if line.len() > 3 && code.get() != 211 && self.doubt.is_none() => self.doubt = Some(at),
                _ => {}
            }
        }
        self.scanned = self.lines.len();
        Ok(None)
    }

    /// Whether a line is there that ends the reply if nothing better comes.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.doubt.is_some()
    }

    /// Takes the reply out that ends with another code than it began with.
    pub fn settle(&mut self) -> Option<Reply> {
        let (code, _) = self.lines.front().and_then(|first| opening(first))?;
        self.doubt.map(|at| self.take(code, at, true))
    }

    /// Whether nothing is left, not even the beginning of a line.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.length == 0
    }

    fn decode(&mut self, byte: u8) -> Result<(), Broken> {
        match (std::mem::take(&mut self.telnet), byte) {
            (Telnet::Text, IAC) => self.telnet = Telnet::Iac,
            (Telnet::Text, _) | (Telnet::Iac, IAC) => self.push(byte)?,
            (Telnet::Iac, 251..=254) => self.telnet = Telnet::Option,
            (Telnet::Iac, 240..=250) | (Telnet::Option, _) => {}
            // No command: the byte 0xFF of a name in Latin-1.
            (Telnet::Iac, _) => {
                self.push(IAC)?;
                self.push(byte)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, byte: u8) -> Result<(), Broken> {
        match byte {
            b'\n' => {
                let mut line = std::mem::take(&mut self.line);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                self.length = 0;
                self.lines.push_back(line);
                if self.lines.len() > LINES_LIMIT {
                    return Err(Broken::TooManyLines);
                }
            }
            0 => {}
            _ => {
                self.length += 1;
                if self.length > LINE_LIMIT {
                    return Err(Broken::LineTooLong);
                }
                if self.line.len() < LINE_KEPT {
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, code: ReplyCode, last: usize, foreign_terminator: bool) -> Reply {
        let own = code.to_string();
        let lines = self.lines.drain(..=last).map(|line| without_code(line, own.as_bytes())).collect();
        self.scanned = 0;
        self.doubt = None;
        self.bytes = self.length + self.lines.iter().map(Vec::len).sum::<usize>();
        Reply { code, lines, foreign_terminator, hidden: Redactor::default() }
    }
}

/// The code a line starts with, and whether it is a last line.
fn opening(line: &[u8]) -> Option<(ReplyCode, bool)> {
    let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let code = digits.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let code = ReplyCode::new(code)?;
    match line.get(3) {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

fn without_code(mut line: Vec<u8>, own: &[u8]) -> Vec<u8> {
    if line.starts_with(own) && matches!(line.get(3), None | Some(b' ' | b'-')) {
        line.drain(..line.len().min(4));
    }
    line
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::Secret;

    /// A reply from its text, for tests of other files.
    pub(crate) fn reply(text: &str) -> Reply {
        let mut decoder = Decoder::new();
        decoder.feed(text.as_bytes()).unwrap();
        decoder.feed(b"\r\n").unwrap();
        let reply = decoder.next_reply().unwrap().unwrap_or_else(|| panic!("{text:?} is no whole reply"));
        assert!(decoder.is_idle(), "{text:?} is more than one reply");
        reply
    }

    fn all(bytes: &[u8]) -> Vec<(u16, Vec<String>)> {
        let mut decoder = Decoder::new();
        decoder.feed(bytes).unwrap();
        let mut out = Vec::new();
        while let Some(reply) = decoder.next_reply().unwrap() {
            let lines = reply.lines.iter().map(|line| String::from_utf8_lossy(line).into_owned());
            out.push((reply.code.get(), lines.collect()));
        }
        out
    }

    #[test]
    fn a_reply_ends_where_its_own_code_says() {
        let table: [(&str, &[u8], u16, &[&str]); 12] = [
            ("one line", b"220 hi\r\n", 220, &["hi"]),
            ("bare LF", b"220 hi\n", 220, &["hi"]),
            ("no text", b"220\r\n", 220, &[""]),
            ("only a space", b"220 \r\n", 220, &[""]),
            ("many lines", b"220-a\r\n b\r\n220 c\r\n", 220, &["a", " b", "c"]),
            ("inner lines with the code", b"220-a\r\n220-b\r\n220 c\r\n", 220, &["a", "b", "c"]),
            ("inner lines with another code", b"220-a\r\n530 b\r\n220 c\r\n", 220, &["a", "530 b", "c"]),
            ("an end without text", b"220-a\r\n220\r\n", 220, &["a", ""]),
            ("many lines of 1xx", b"150-a\r\n150 b\r\n", 150, &["a", "b"]),
            ("Telnet commands", b"\xff\xfb\x0122\xff\xf10 hi\r\n", 220, &["hi"]),
            ("NUL", b"220 a\0b\r\0\n", 220, &["ab"]),
            ("blank lines before", b"\r\n\r\n220 hi\r\n", 220, &["hi"]),
        ];
        for (name, bytes, code, lines) in table {
            let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            assert_eq!(all(bytes), [(code, lines)], "{name}");
        }
    }

    #[test]
    fn an_escaped_or_lone_0xff_stays_a_byte() {
        let mut decoder = Decoder::new();
        decoder.feed(b"250 \xff\xff \xffx\n").unwrap();
        assert_eq!(decoder.next_reply().unwrap().unwrap().lines, [b"\xff \xffx".to_vec()]);
    }

    #[test]
    fn how_bytes_are_split_does_not_matter() {
        let text = b"220-a\r\n530 b\r\n220 c\r\n331 d\r\n230-e\r\n230 f\r\n";
        let mut decoder = Decoder::new();
        let mut codes = Vec::new();
        for byte in text {
            decoder.feed(&[*byte]).unwrap();
            while let Some(reply) = decoder.next_reply().unwrap() {
                codes.push((reply.code.get(), reply.lines.len()));
            }
        }
        assert_eq!(codes, [(220, 3), (331, 1), (230, 2)]);
        assert!(decoder.is_idle());
    }

    #[test]
    fn another_code_ends_a_reply_only_on_request() {
        let mut decoder = Decoder::new();
        decoder.feed(b"226-a\r\n250 b\r\n").unwrap();
        assert_eq!(decoder.next_reply().unwrap(), None);
        assert!(decoder.is_doubtful());
        let reply = decoder.settle().unwrap();
        assert_eq!((reply.code.get(), reply.foreign_terminator, reply.lines.len()), (226, true, 2));
        assert!(decoder.is_idle() && !decoder.is_doubtful());
    }

    #[test]
    fn an_indented_code_and_the_inside_of_feat_raise_no_doubt() {
        for text in ["226-a\r\n 250 b\r\n", "211-Features:\r\n530 x\r\n", "226-a\r\n250\r\n", "226-a\r\n999 b\r\n"] {
            let mut decoder = Decoder::new();
            decoder.feed(text.as_bytes()).unwrap();
            assert_eq!(decoder.next_reply().unwrap(), None, "{text:?}");
            assert!(!decoder.is_doubtful() && decoder.settle().is_none(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in ["hello\r\n", "99 x\r\n", "099 x\r\n", "600 x\r\n", "631 x\r\n", "220x\r\n", " 220 x\r\n", "2\r\n"]
        {
            let mut decoder = Decoder::new();
            decoder.feed(text.as_bytes()).unwrap();
            assert!(matches!(decoder.next_reply(), Err(Broken::NotAReply(_))), "{text:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_and_endless_ones_refused() {
        let mut decoder = Decoder::new();
        decoder.feed(b"220 ").unwrap();
        decoder.feed(&vec![b'x'; 17_000]).unwrap();
        decoder.feed(b"\r\n").unwrap();
        let reply = decoder.next_reply().unwrap().unwrap();
        assert_eq!(reply.lines[0].len(), LINE_KEPT - 4);
        assert!(reply.text().chars().count() <= SHOWN + 1);
        assert_eq!(Decoder::new().feed(&vec![b'x'; LINE_LIMIT + 1]), Err(Broken::LineTooLong));
    }

    #[test]
    fn endless_replies_are_refused() {
        let endless = |line: &[u8]| {
            let mut decoder = Decoder::new();
            decoder.feed(b"220-\n").unwrap();
            loop {
                if let Err(broken) = decoder.feed(line) {
                    return broken;
                }
                assert_eq!(decoder.next_reply().unwrap(), None);
            }
        };
        assert_eq!(endless(&[[b'x'; 4_000].as_slice(), b"\n"].concat()), Broken::ReplyTooLong);
        assert_eq!(endless(b"\n"), Broken::TooManyLines);
    }

    #[test]
    fn limits_count_one_reply_and_not_the_session() {
        let mut decoder = Decoder::new();
        for _ in 0..30_000 {
            decoder.feed(b"200 a reply of some length, again and again\r\n").unwrap();
            assert!(decoder.next_reply().unwrap().is_some());
        }
    }

    #[test]
    fn a_password_that_the_server_repeats_is_hidden() {
        let mut told = reply("530-pass hunter2\r\n530 hunter2 and hunter2 are wrong");
        told.hide(&Redactor::new([&Secret::new("hunter2")]));
        assert_eq!(told.text(), "530 pass *** | *** and *** are wrong");
    }

    /// A user `data` with that password, whose files are in `/srv/data`.
    #[test]
    fn what_is_hidden_from_people_is_not_hidden_from_the_program() {
        let mut told = reply("257 \"/srv/data\"");
        told.hide(&Redactor::new([&Secret::new("data")]));
        assert_eq!(told.text(), "257 \"/srv/***\"");
        assert_eq!(super::super::pwd::directory(&told).as_deref(), Some(b"/srv/data".as_slice()));
    }

    #[test]
    fn text_for_people_can_not_drive_a_terminal() {
        assert_eq!(reply("550-no\x1b[2J\r\n\r\n550 \tsuch file ").text(), "550 no\\u{1b}[2J | such file");
    }
}
