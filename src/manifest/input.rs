//! From raw bytes to the text of a manifest: gzip undone, byte order mark dropped, the first bytes looked at.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

/// The byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// Most bytes that are looked at to recognize a format.
const HEAD: usize = 4096;

/// The text, and its first bytes: up to the end of the first line that isn't blank, or [`HEAD`].
pub(super) fn open(mut raw: Box<dyn BufRead + Send>) -> io::Result<(Box<dyn BufRead + Send>, Vec<u8>)> {
    let magic = peek(&mut raw, |head| head.len() >= 2)?;
    let packed = magic.starts_with(&[0x1F, 0x8B]);
    let whole = put_back(magic, raw);
    // RFC 1952, section 2.2: a file may hold several members.
    let mut text: Box<dyn BufRead + Send> =
        if packed { Box::new(BufReader::new(MultiGzDecoder::new(whole))) } else { whole };
    let mut head = peek(&mut text, |head| {
        let text = head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start();
        head.len() >= HEAD || (!text.is_empty() && text.contains(&b'\n'))
    })?;
    if head.starts_with(MARK) {
        head.drain(..MARK.len());
    }
    let whole = put_back(head.clone(), text);
    // What is recognized must not depend on how much came at once.
    head.truncate(HEAD - MARK.len());
    Ok((whole, head))
}

/// Takes bytes until there are enough, or no more.
fn peek(input: &mut Box<dyn BufRead + Send>, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !enough(&head) {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let part = chunk.get(..HEAD).unwrap_or(chunk);
        if part.is_empty() {
            break;
        }
        head.extend_from_slice(part);
        let used = part.len();
        input.consume(used);
    }
    Ok(head)
}

fn put_back(head: Vec<u8>, rest: Box<dyn BufRead + Send>) -> Box<dyn BufRead + Send> {
    Box::new(Cursor::new(head).chain(rest))
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
        let (mut text, _) = open(Box::new(BufReader::with_capacity(capacity, Cursor::new(bytes)))).unwrap();
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
        let (_, head) = open(Box::new(BufReader::new(io::repeat(b' ').take(1 << 24)))).unwrap();
        assert!(head.len() <= 2 * HEAD);
    }
}
