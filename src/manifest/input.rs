//! From raw bytes to the text of a manifest: gzip undone, byte order mark dropped, the first bytes looked at.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

/// The byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// Most bytes that are looked at to recognize a format: some have a header of several lines, and some differ from a plain
/// list in a later line only.
const HEAD: usize = 16 * 1024;

/// A text that was looked at.
pub(super) struct Peeked {
    /// All of it, from its begin.
    pub(super) text: Box<dyn BufRead + Send>,
    /// Its first bytes: all of it, or [`HEAD`].
    pub(super) head: Vec<u8>,
    /// Whether nothing follows these bytes.
    pub(super) is_whole: bool,
}

/// Undoes what a text is wrapped in, and looks at its begin.
pub(super) fn open(mut raw: Box<dyn BufRead + Send>) -> io::Result<Peeked> {
    let (magic, broken) = peek(&mut raw, 2);
    if let Some(e) = broken {
        return Err(e);
    }
    let packed = magic.starts_with(&[0x1F, 0x8B]);
    let whole: Box<dyn BufRead + Send> = Box::new(Cursor::new(magic).chain(raw));
    // RFC 1952, section 2.2: a file may hold several members.
    let mut text: Box<dyn BufRead + Send> =
        if packed { Box::new(BufReader::new(MultiGzDecoder::new(whole))) } else { whole };
    let (mut head, broken) = peek(&mut text, HEAD);
    let is_whole = head.len() < HEAD && broken.is_none();
    // What came before an error is read, and then the error.
    let rest: Box<dyn BufRead + Send> = broken.map_or(text, |e| Box::new(BufReader::new(BrokenInput(Some(e)))));
    if head.starts_with(MARK) {
        head.drain(..MARK.len());
    }
    Ok(Peeked { text: Box::new(Cursor::new(head.clone()).chain(rest)), head, is_whole })
}

/// Takes that many bytes, or what there is, and the error that kept it from more.
fn peek(input: &mut Box<dyn BufRead + Send>, most: usize) -> (Vec<u8>, Option<io::Error>) {
    let mut head = Vec::new();
    while head.len() < most {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return (head, Some(e)),
        };
        // What is recognized must not depend on how much comes at once.
        let part = chunk.get(..most - head.len()).unwrap_or(chunk);
        if part.is_empty() {
            break;
        }
        head.extend_from_slice(part);
        let used = part.len();
        input.consume(used);
    }
    (head, None)
}

/// The rest of an input that could not be read on.
struct BrokenInput(Option<io::Error>);

impl Read for BrokenInput {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::Error::other("the rest can't be read")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn read(bytes: Vec<u8>, capacity: usize) -> String {
        let mut text = open(Box::new(BufReader::with_capacity(capacity, Cursor::new(bytes)))).unwrap().text;
        let mut all = String::new();
        text.read_to_string(&mut all).unwrap();
        all
    }

    #[test]
    fn gzip_and_byte_order_marks_go_however_the_bytes_come() {
        let two_members = [gzip(b"\xEF\xBB\xBFa\n"), gzip(b"b\n")].concat();
        for capacity in [1, 3, 8192] {
            assert_eq!(read(b"\xEF\xBB\xBFa\nb\n".to_vec(), capacity), "a\nb\n");
            assert_eq!(read(b"a\nb\n".to_vec(), capacity), "a\nb\n");
            assert_eq!(read(two_members.clone(), capacity), "a\nb\n");
            assert_eq!(read(Vec::new(), capacity), "");
            assert_eq!(read(b"x".to_vec(), capacity), "x");
        }
    }

    #[test]
    fn the_head_is_bounded() {
        let opened = open(Box::new(BufReader::new(io::repeat(b' ').take(1 << 24)))).unwrap();
        assert_eq!((opened.head.len(), opened.is_whole), (HEAD, false));
        assert!(open(Box::new(Cursor::new("a"))).unwrap().is_whole);
    }

    #[test]
    fn what_came_before_an_error_is_read_and_then_the_error() {
        let packed = gzip(b"a\nb\n");
        let torn = packed[..packed.len() - 5].to_vec();
        let Peeked { mut text, head, is_whole } = open(Box::new(Cursor::new(torn))).unwrap();
        assert_eq!((&head[..], is_whole), (&b"a\nb\n"[..], false));
        let mut all = Vec::new();
        assert!(text.read_to_end(&mut all).is_err());
        assert_eq!(all, b"a\nb\n");
    }
}
