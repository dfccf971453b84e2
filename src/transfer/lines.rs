//! Line ends of TYPE A.

/// Turns the network's CR LF into LF (RFC 959, section 3.1.1.1); a CR that no LF follows stays.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    held_cr: bool,
    /// How many there were: each was a byte longer on its way.
    pub(super) count: u64,
}

impl LineEnds {
    /// Appends the local form of `bytes` to `out`.
    pub(super) fn convert(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &b in bytes {
            match (self.held_cr, b) {
                (true, b'\n') => self.count += 1,
                (true, _) => out.push(b'\r'),
                (false, _) => {}
            }
            self.held_cr = b == b'\r';
            if !self.held_cr {
                out.push(b);
            }
        }
    }

    /// Appends what was held back at the end of the data.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held_cr) {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_converted_wherever_the_pieces_are_cut() {
        let text = b"a\r\nb\r\r\nc\rd\r\n\r\n\r";
        for cut in 0..=text.len() {
            let (mut lines, mut out) = (LineEnds::default(), Vec::new());
            lines.convert(&text[..cut], &mut out);
            lines.convert(&text[cut..], &mut out);
            lines.finish(&mut out);
            assert_eq!(out, b"a\nb\r\nc\rd\n\n\r", "cut at {cut}");
            assert_eq!(lines.count, 4, "cut at {cut}");
        }
    }
}
