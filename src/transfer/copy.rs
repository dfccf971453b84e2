//! From received bytes to the part file: first compared, then written.

use super::lines::LineEnds;
use crate::disk::{DiskError, PartFile, Pipe};
use crate::policy::{OVERLAP, overshoots};

/// What became of some received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// Compared or written.
    Fine,
    /// The server ignored REST and sends from the start; what is there is compared all along.
    RestIgnored,
    /// They differ from what is there.
    Differs,
    /// More than the file holds; what was beyond its size is not written.
    TooMuch,
}

/// Compares what overlaps with the part file and writes what is new.
pub(super) struct Copier<'a> {
    part: &'a PartFile,
    /// Offset of the next received byte in the file.
    position: u64,
    /// Bytes that were there before; nothing below is ever written.
    have: u64,
    size: Option<u64>,
    /// The first received bytes, until there are enough to judge them.
    opening: Option<Vec<u8>>,
    lines: Option<LineEnds>,
    scratch: Vec<u8>,
}

impl<'a> Copier<'a> {
    /// A copier of data that starts at offset `from` of a file whose first `have` bytes are in `part`.
    pub(super) fn new(part: &'a PartFile, from: u64, have: u64, size: Option<u64>) -> Self {
        let opening = (have > from).then(Vec::new);
        Self { part, position: from, have, size, opening, lines: None, scratch: Vec::new() }
    }

    /// A copier of data in TYPE A.
    pub(super) fn ascii(part: &'a PartFile) -> Self {
        Self { lines: Some(LineEnds::default()), ..Self::new(part, 0, 0, None) }
    }

    /// Bytes at the start of the part file that are right.
    pub(super) fn length(&self) -> u64 {
        self.position.max(self.have)
    }

    /// Offset after the last received byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Line ends that came in TYPE A, each of them two bytes long.
    pub(super) fn line_ends(&self) -> u64 {
        self.lines.as_ref().map_or(0, |lines| lines.count)
    }

    /// Takes received bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Took, DiskError> {
        self.part.must_reach(self.length())?;
        if let Some(lines) = &mut self.lines {
            let mut out = std::mem::take(&mut self.scratch);
            out.clear();
            lines.convert(bytes, &mut out);
            self.part.write_at(&out, self.position)?;
            self.position += out.len() as u64;
            self.scratch = out;
            return Ok(Took::Fine);
        }
        let Some(mut opening) = self.opening.take() else { return self.continue_with(bytes) };
        opening.extend_from_slice(bytes);
        if (opening.len() as u64) < self.wanted() {
            self.opening = Some(opening);
            return Ok(Took::Fine);
        }
        self.judge(&opening)
    }

    /// How many of the next bytes may go into the file without being looked at: those that neither have to be compared
    /// nor converted, and that the file has room for.
    pub(super) fn unseen(&self) -> u64 {
        if self.lines.is_some() || self.opening.is_some() || self.position < self.have {
            return 0;
        }
        self.size.map_or(0, |size| size.saturating_sub(self.position))
    }

    /// Takes `count` bytes, no more than [`Copier::unseen`], that lie in a pipe. Returns whether the file system takes
    /// them without detour. After an error the pipe may hold some of them still; what counts is what the file got.
    pub(super) fn take_unseen(&mut self, pipe: &Pipe, count: usize) -> Result<bool, DiskError> {
        self.part.must_reach(self.length())?;
        let mut left = count;
        while left > 0 {
            let Some(moved) = self.part.splice_at(pipe, left, self.position)? else {
                self.part.drain_at(pipe, left, self.position)?;
                self.position += left as u64;
                return Ok(false);
            };
            left = left.saturating_sub(moved);
            self.position += moved as u64;
        }
        Ok(true)
    }

    /// Takes note of the end of data.
    pub(super) fn end(&mut self) -> Result<Took, DiskError> {
        if let Some(lines) = &mut self.lines {
            let mut out = Vec::new();
            lines.finish(&mut out);
            self.part.write_at(&out, self.position)?;
            self.position += out.len() as u64;
        }
        match self.opening.take() {
            Some(opening) => self.judge(&opening),
            None => Ok(Took::Fine),
        }
    }

    fn wanted(&self) -> u64 {
        OVERLAP.min(self.have - self.position)
    }

    /// Decides where in the file the received bytes belong.
    fn judge(&mut self, opening: &[u8]) -> Result<Took, DiskError> {
        let count = usize::try_from(self.wanted()).unwrap_or(usize::MAX).min(opening.len());
        let first = opening.get(..count).unwrap_or(opening);
        if self.holds(first, self.position)? {
            return self.continue_with(opening);
        }
        if self.position > 0 && count > 0 && self.holds(first, 0)? {
            self.position = 0;
            let took = self.continue_with(opening)?;
            return Ok(if took == Took::Fine { Took::RestIgnored } else { took });
        }
        Ok(Took::Differs)
    }

    fn continue_with(&mut self, bytes: &[u8]) -> Result<Took, DiskError> {
        let known = usize::try_from(self.have.saturating_sub(self.position)).unwrap_or(usize::MAX).min(bytes.len());
        let (old, new) = bytes.split_at(known);
        if !old.is_empty() {
            if !self.holds(old, self.position)? {
                return Ok(Took::Differs);
            }
            self.position += old.len() as u64;
        }
        let end = self.position + new.len() as u64;
        let (new, took) = match self.size {
            Some(size) if overshoots(end, Some(size)) => {
                let room = usize::try_from(size.saturating_sub(self.position)).unwrap_or(usize::MAX);
                (new.get(..room).unwrap_or(new), Took::TooMuch)
            }
            _ => (new, Took::Fine),
        };
        if !new.is_empty() {
            self.part.write_at(new, self.position)?;
            self.position += new.len() as u64;
        }
        Ok(took)
    }

    /// Whether the part file holds these bytes there.
    fn holds(&mut self, bytes: &[u8], at: u64) -> Result<bool, DiskError> {
        let mut there = std::mem::take(&mut self.scratch);
        there.resize(bytes.len(), 0);
        let count = self.part.read_at(&mut there, at)?;
        let same = there.get(..count) == Some(bytes);
        self.scratch = there;
        Ok(same)
    }
}

#[cfg(test)]
mod tests;
