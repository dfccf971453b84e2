//! All that is to be known of a file's content, computed while it is read once.

use super::digest::{self, Hasher};
use crate::model::{Algorithm, Checksum, PieceDigests, Span};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// What is to be computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Digests of the whole file.
    pub whole: Vec<Algorithm>,
    /// Digests that its pieces are to have.
    pub pieces: Option<Arc<PieceDigests>>,
}

impl Wanted {
    /// Whether nothing is to be computed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.pieces.is_none()
    }

    /// Adds a digest of the whole file, where it is not wanted already.
    pub fn add(&mut self, algorithm: Algorithm) {
        if !self.whole.contains(&algorithm) {
            self.whole.push(algorithm);
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// Bytes that were read.
    pub length: u64,
    /// The digests of the whole file that were wanted.
    pub digests: Vec<Checksum>,
    /// Ranges whose digest is not the one it should be, in their order; those that touch are one.
    pub wrong: Vec<Span>,
}

impl Surveyed {
    /// The digest by that function, if it was wanted.
    #[must_use]
    pub fn digest(&self, algorithm: Algorithm) -> Option<&Checksum> {
        self.digests.iter().find(|sum| sum.algorithm() == algorithm)
    }
}

/// A survey under way: it takes in a file's bytes one after the other.
pub struct Survey {
    whole: Vec<(Algorithm, Hasher)>,
    pieces: Option<Pieces>,
    length: u64,
}

impl Survey {
    /// The survey of nothing yet.
    #[must_use]
    pub fn new(wanted: &Wanted) -> Self {
        let whole = wanted.whole.iter().map(|&algorithm| (algorithm, Hasher::new(algorithm))).collect();
        Self { whole, pieces: wanted.pieces.clone().map(Pieces::new), length: 0 }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for (_, hasher) in &mut self.whole {
            hasher.update(bytes);
        }
        if let Some(pieces) = &mut self.pieces {
            pieces.update(bytes);
        }
        self.length += bytes.len() as u64;
    }

    /// What is known now that all bytes were taken in.
    #[must_use]
    pub fn finish(self) -> Surveyed {
        let sum = |(algorithm, hasher): (Algorithm, Hasher)| Checksum::new(algorithm, hasher.finish()).ok();
        let digests = self.whole.into_iter().filter_map(sum).collect();
        let wrong = self.pieces.map(Pieces::finish).unwrap_or_default();
        Surveyed { length: self.length, digests, wrong }
    }
}

/// The pieces of a file, compared with what their digests are to be.
struct Pieces {
    wanted: Arc<PieceDigests>,
    /// The piece under way, and how many of its bytes were taken in.
    number: usize,
    filled: u64,
    hasher: Hasher,
    at: u64,
    wrong: Vec<Span>,
}

impl Pieces {
    fn new(wanted: Arc<PieceDigests>) -> Self {
        let hasher = Hasher::new(wanted.algorithm());
        Self { wanted, number: 0, filled: 0, hasher, at: 0, wrong: Vec::new() }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(self.wanted.length() - self.filled).unwrap_or(usize::MAX);
            let (own, rest) = bytes.split_at(room.min(bytes.len()));
            self.hasher.update(own);
            self.filled += own.len() as u64;
            self.at += own.len() as u64;
            bytes = rest;
            if self.filled == self.wanted.length() {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new(self.wanted.algorithm()));
        // A piece that has no digest is none that could be right.
        if self.wanted.get(self.number) != Some(hasher.finish().as_slice()) {
            let start = self.at - self.filled;
            match self.wrong.last_mut() {
                Some(last) if last.end == start => last.end = self.at,
                _ => self.wrong.push(Span { start, end: self.at }),
            }
        }
        self.number += 1;
        self.filled = 0;
    }

    fn finish(mut self) -> Vec<Span> {
        if self.filled > 0 {
            self.close();
        }
        self.wrong
    }
}

/// Surveys some bytes.
#[must_use]
pub fn survey_of(bytes: &[u8], wanted: &Wanted) -> Surveyed {
    let mut survey = Survey::new(wanted);
    survey.update(bytes);
    survey.finish()
}

/// Surveys a file from its first byte to its last; `None` when `stop` said so in between.
///
/// # Errors
/// When it can't be read.
pub(super) fn survey(file: &File, wanted: &Wanted, stop: &dyn Fn() -> bool) -> io::Result<Option<Surveyed>> {
    let mut survey = Survey::new(wanted);
    let all = Span { start: 0, end: u64::MAX };
    let done = digest::read_all(file, all, stop, &mut |bytes| survey.update(bytes))?;
    Ok(done.then(|| survey.finish()))
}

#[cfg(test)]
mod tests {
    use super::super::digest::digest_of;
    use super::*;

    fn pieces_of(data: &[u8], length: usize) -> PieceDigests {
        let digests: Vec<Vec<u8>> = data.chunks(length).map(|piece| digest_of(piece, Algorithm::Md5)).collect();
        PieceDigests::new(length as u64, Algorithm::Md5, &digests).unwrap()
    }

    #[test]
    fn one_reading_gives_every_digest_and_the_wrong_pieces_however_it_is_cut() {
        let data: Vec<u8> = (0..1050u32).map(|n| (n * 7 % 251) as u8).collect();
        let pieces = Arc::new(pieces_of(&data, 100));
        assert!(pieces.fit(1050) && pieces.fit(1001) && !pieces.fit(1000) && !pieces.fit(1101));
        let wanted = Wanted { whole: Algorithm::ALL.to_vec(), pieces: Some(pieces) };
        for (flipped, expected) in [
            (vec![], vec![]),
            (vec![0], vec![(0, 100)]),
            (vec![99, 100], vec![(0, 200)]),
            (vec![250, 1049], vec![(200, 300), (1000, 1050)]),
        ] {
            let mut bad = data.clone();
            flipped.iter().for_each(|&at: &usize| bad[at] ^= 1);
            for cut in [1, 7, 100, 333, 2000] {
                let mut survey = Survey::new(&wanted);
                bad.chunks(cut).for_each(|part| survey.update(part));
                let found = survey.finish();
                let expected: Vec<Span> = expected.iter().copied().map(Span::from).collect();
                assert_eq!((found.wrong, found.length), (expected, 1050), "{flipped:?} by {cut}");
                for algorithm in Algorithm::ALL {
                    let sum = found.digests.iter().find(|sum| sum.algorithm() == algorithm).unwrap();
                    assert_eq!(sum.digest(), digest_of(&bad, algorithm));
                }
            }
        }
    }

    /// A list whose pieces end before the file does must not let the rest pass.
    #[test]
    fn bytes_without_a_digest_are_wrong() {
        let data = [5; 300];
        let wanted = Wanted { whole: vec![], pieces: Some(Arc::new(pieces_of(&data[..200], 100))) };
        assert_eq!(survey_of(&data, &wanted).wrong, [Span { start: 200, end: 300 }]);
        assert_eq!(survey_of(&data[..200], &wanted).wrong, []);
        assert_eq!(survey_of(&[], &wanted).wrong, []);
    }
}
