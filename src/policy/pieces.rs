//! The map of a file that comes over several connections: what is held, what is under way, and what is to be proved.

use crate::model::Span;

/// A piece is not divided into smaller ones than this, in bytes, where nothing is known of how fast they come.
pub const LEAST_PIECE: u64 = 8 * 1024 * 1024;
/// The same for the slowest connections: what one reads at once fits into it many times.
const LEAST_AT_ALL: u64 = 1024 * 1024;

/// The name of a piece in somebody's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PieceId(u64);

/// A piece that was taken: it holds the bytes from `start` to `at`, and is to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its name.
    pub id: PieceId,
    /// Offset in bytes of its first byte.
    pub start: u64,
    /// Offset in bytes of the first byte that is missing.
    pub at: u64,
}

/// How far a piece may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are still missing.
    pub bytes: u64,
    /// Whether it ends with the file, so that the server ends the data by itself.
    pub to_the_end: bool,
}

/// What a piece finds that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Nothing was held behind it, and what is missing there is its own now.
    GoOn,
    /// The piece behind it has only just begun.
    Wait,
    /// Bytes are held behind it, from `at` on: they are to be compared before both are one.
    Compare {
        /// Offset in bytes.
        at: u64,
        /// How many are held.
        bytes: u64,
    },
}

/// The map. Its segments follow one another without a gap from the file's first byte to its last; each holds its
/// beginning. Two segments become one only when the bytes on both sides of their border were proved to belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    size: u64,
    least: u64,
    named: u64,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    start: u64,
    at: u64,
    end: u64,
    holder: Option<PieceId>,
}

impl Segment {
    fn left(&self) -> u64 {
        self.end - self.at
    }

    fn is_empty(&self) -> bool {
        self.at == self.start
    }
}

impl Pieces {
    /// The map of a file of `size` bytes of which these ranges are held. Ranges that touch are taken for not yet proved to
    /// belong together; what overlaps or lies beyond the size is cut.
    #[must_use]
    pub fn new(size: u64, held: &[Span]) -> Self {
        let mut spans = held.to_vec();
        spans.sort_unstable();
        let mut segments = vec![Segment { start: 0, at: 0, end: size, holder: None }];
        for span in spans {
            let end = span.end.min(size);
            let Some(last) = segments.last_mut() else { break };
            let start = span.start.max(last.at);
            if start >= end {
                continue;
            }
            if start == 0 {
                last.at = end;
            } else {
                last.end = start;
                segments.push(Segment { start, at: end, end: size, holder: None });
            }
        }
        Self { size, least: LEAST_PIECE, named: 0, segments }
    }

    /// Sets how small a piece may get, by what a connection brings in a second: less is not worth opening one for, and more
    /// would leave a slow one behind alone at the end.
    pub fn set_rate(&mut self, bytes_a_second: u64) {
        self.least = bytes_a_second.clamp(LEAST_AT_ALL, LEAST_PIECE);
    }

    /// Pieces in somebody's hands.
    #[must_use]
    pub fn in_hands(&self) -> u64 {
        self.segments.iter().filter(|s| s.holder.is_some()).count() as u64
    }

    /// Takes a piece: the first that nobody holds; else the larger half of what is left of the piece with the most left,
    /// where both halves are worth a connection.
    pub fn take(&mut self) -> Option<Piece> {
        let last = self.segments.len().saturating_sub(1);
        let free = |(n, s): (usize, &Segment)| s.holder.is_none() && (s.left() > 0 || n < last);
        let at = match self.segments.iter().enumerate().position(free) {
            Some(at) => at,
            None => self.divide()?,
        };
        self.named += 1;
        let id = PieceId(self.named);
        let segment = self.segments.get_mut(at)?;
        segment.holder = Some(id);
        Some(Piece { id, start: segment.start, at: segment.at })
    }

    /// How many more could take a piece now.
    #[must_use]
    pub fn openings(&self) -> u64 {
        let last = self.segments.len().saturating_sub(1);
        let of = |(n, s): (usize, &Segment)| match s.holder {
            None => u64::from(s.left() > 0 || n < last),
            Some(_) => (s.left() / self.least).saturating_sub(1),
        };
        self.segments.iter().enumerate().map(of).sum()
    }

    /// How far the piece may go; nothing when it was taken away. The end of a piece may come nearer while others take
    /// from it, but not nearer than a MiB to where it stands.
    #[must_use]
    pub fn room(&self, id: PieceId) -> Option<Room> {
        let segment = self.segments.iter().find(|s| s.holder == Some(id))?;
        Some(Room { bytes: segment.left(), to_the_end: segment.end == self.size })
    }

    /// Offset in bytes of the first byte that the piece is missing; nothing when it was taken away.
    #[must_use]
    pub fn position(&self, id: PieceId) -> Option<u64> {
        self.segments.iter().find(|s| s.holder == Some(id)).map(|s| s.at)
    }

    /// Takes note that the piece holds `bytes` more. Returns whether it was still in hand.
    pub fn advance(&mut self, id: PieceId, bytes: u64) -> bool {
        let found = self.segments.iter_mut().find(|s| s.holder == Some(id));
        found.is_some_and(|segment| {
            segment.at = segment.at.saturating_add(bytes).min(segment.end);
            true
        })
    }

    /// Takes note that the piece no longer holds what is beyond offset `at`.
    pub fn rewind(&mut self, id: PieceId, at: u64) {
        if let Some(segment) = self.segments.iter_mut().find(|s| s.holder == Some(id)) {
            segment.at = segment.at.min(at).max(segment.start);
        }
    }

    /// What a piece finds at its end; with `least` bytes behind it a comparison is worth while.
    pub fn meet(&mut self, id: PieceId, least: u64) -> Option<Meeting> {
        let at = self.place(id)?;
        if self.segments.get(at)?.left() > 0 {
            return Some(Meeting::GoOn);
        }
        let next = self.segments.get(at + 1)?;
        let bytes = next.at - next.start;
        if next.holder.is_some() && bytes < least && next.left() > 0 {
            return Some(Meeting::Wait);
        }
        if bytes > 0 {
            return Some(Meeting::Compare { at: next.start, bytes });
        }
        self.absorb(at);
        Some(Meeting::GoOn)
    }

    /// Takes note that the piece was proved to go on with the bytes behind it; it is out of hand then.
    pub fn join(&mut self, id: PieceId) {
        let Some(at) = self.place(id) else { return };
        if at + 1 < self.segments.len() {
            let next = self.segments.remove(at + 1);
            if let Some(segment) = self.segments.get_mut(at) {
                *segment = Segment { start: segment.start, ..next };
            }
        }
    }

    /// Takes the piece out of hand; what it holds stays.
    pub fn give_back(&mut self, id: PieceId) {
        let Some(at) = self.place(id) else { return };
        if let Some(segment) = self.segments.get_mut(at) {
            segment.holder = None;
            if segment.is_empty() && at > 0 {
                self.absorb(at - 1);
            }
        }
    }

    /// Forgets all but the file's beginning.
    pub fn keep_beginning(&mut self) {
        self.segments.truncate(1);
        if let Some(first) = self.segments.first_mut() {
            first.end = self.size;
            first.holder = None;
        }
    }

    /// The ranges that are held. Two that touch were not yet proved to belong together.
    #[must_use]
    pub fn held(&self) -> Vec<Span> {
        self.segments.iter().filter(|s| !s.is_empty()).map(|s| Span { start: s.start, end: s.at }).collect()
    }

    /// How many bytes are held.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.segments.iter().map(|s| s.at - s.start).sum()
    }

    /// Length in bytes of the file's beginning that is whole and proved.
    #[must_use]
    pub fn contiguous(&self) -> u64 {
        self.segments.first().map_or(0, |s| s.at)
    }

    /// Offset in bytes after the last byte that is held.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.segments.iter().filter(|s| !s.is_empty()).map(|s| s.at).max().unwrap_or(0)
    }

    /// Whether the whole file is there, and all of it is proved.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.contiguous() == self.size
    }

    fn place(&self, id: PieceId) -> Option<usize> {
        self.segments.iter().position(|s| s.holder == Some(id))
    }

    /// Divides the piece with the most left. Returns the place of the new segment.
    fn divide(&mut self) -> Option<usize> {
        let (at, segment) = self.segments.iter_mut().enumerate().max_by_key(|(_, s)| s.left())?;
        let middle = segment.at + segment.left() / 2;
        if segment.left() / 2 < self.least {
            return None;
        }
        let new = Segment { start: middle, at: middle, end: segment.end, holder: None };
        segment.end = middle;
        self.segments.insert(at + 1, new);
        Some(at + 1)
    }

    /// Lets a segment have all of the empty one behind it.
    fn absorb(&mut self, at: usize) {
        if at + 1 < self.segments.len() {
            let next = self.segments.remove(at + 1);
            if let Some(segment) = self.segments.get_mut(at) {
                segment.end = next.end;
            }
        }
    }
}

/// How much the bytes of a block tell of where in a file it stands: the number of different pieces of 64 bytes in it.
#[must_use]
pub fn variety(block: &[u8]) -> usize {
    block.chunks(64).collect::<std::collections::HashSet<_>>().len()
}

#[cfg(test)]
mod tests;
