//! Lines of bounded length.

use super::MAX_LINE;
use super::error::Problem;
use std::io::{BufRead, ErrorKind};

/// Reads lines into one reused buffer; what is longer than [`MAX_LINE`] is skipped and reported.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    number: u64,
    ended: bool,
}

impl Lines {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { input, buffer: Vec::new(), number: 0, ended: false }
    }

    /// The next line's number and bytes without its end, or nothing at the end of the input.
    pub(super) fn next(&mut self) -> Option<Result<(u64, &[u8]), Problem>> {
        if self.ended {
            return None;
        }
        self.buffer.clear();
        let line = self.number + 1;
        let mut length = 0usize;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.ended = true;
                    return Some(Err(Problem::fatal(line, &format!("the rest can't be read: {e}"))));
                }
            };
            let end = chunk.iter().position(|&b| b == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or(chunk);
            let room = MAX_LINE.saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(part.get(..room).unwrap_or(part));
            length = length.saturating_add(part.len());
            let (used, at_eof) = (end.map_or(part.len(), |e| e + 1), chunk.is_empty());
            self.input.consume(used);
            self.ended = at_eof;
            if end.is_some() || at_eof {
                break;
            }
        }
        if self.ended && length == 0 {
            return None;
        }
        self.number = line;
        if length > MAX_LINE {
            let message = format!("the line is {length} bytes long; the limit is {MAX_LINE}");
            return Some(Err(Problem::line(line, 1, &message)));
        }
        Some(Ok((line, self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Cursor, Read};

    fn all(input: impl BufRead + Send + 'static) -> Vec<Result<(u64, String), (u64, bool)>> {
        let mut lines = Lines::new(Box::new(input));
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            found.push(match line {
                Ok((n, bytes)) => Ok((n, String::from_utf8_lossy(bytes).into_owned())),
                Err(p) => Err((p.at.line, p.fatal)),
            });
        }
        found
    }

    #[test]
    fn takes_both_line_ends_and_a_last_line_without_one() {
        let input = BufReader::with_capacity(3, Cursor::new("abcd\r\n\nxyz"));
        assert_eq!(all(input), [Ok((1, "abcd".into())), Ok((2, String::new())), Ok((3, "xyz".into()))]);
    }

    #[test]
    fn an_endless_line_is_skipped_in_bounded_memory_and_the_next_is_read() {
        let long = std::io::repeat(b'x').take(5 << 20).chain(Cursor::new("\nok\n"));
        let mut lines = Lines::new(Box::new(BufReader::new(long)));
        assert!(matches!(lines.next(), Some(Err(Problem { fatal: false, .. }))));
        assert!(lines.buffer.capacity() <= 2 * MAX_LINE);
        assert!(matches!(lines.next(), Some(Ok((2, b"ok")))));
    }

    #[test]
    fn a_line_of_just_the_limit_passes() {
        let input = std::io::repeat(b'x').take(MAX_LINE as u64).chain(Cursor::new("\n"));
        let found = all(BufReader::new(input));
        assert!(matches!(&found[..], [Ok((1, text))] if text.len() == MAX_LINE));
    }

    #[test]
    fn a_read_error_ends_the_reading_aloud() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("boom"))
            }
        }
        assert_eq!(all(BufReader::new(Cursor::new("a\nb").chain(Broken))), [Ok((1, "a".into())), Err((2, true))]);
    }
}
