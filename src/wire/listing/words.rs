//! The words of a line.

use super::item::Size;

/// Words that are looked at; what stands behind is a name.
const MOST: usize = 14;

/// Where the words of a line stand; blanks and tabs part them.
pub(super) struct Words<'a> {
    line: &'a [u8],
    places: [(usize, usize); MOST],
    count: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut places = [(0, 0); MOST];
        let (mut count, mut at) = (0, 0);
        for place in &mut places {
            let rest = line.get(at..).unwrap_or_default();
            let Some(start) = rest.iter().position(|&b| !is_blank(b)) else { break };
            let length = rest.iter().skip(start).take_while(|&&b| !is_blank(b)).count();
            *place = (at + start, at + start + length);
            at += start + length;
            count += 1;
        }
        Self { line, places, count }
    }

    /// How many there are, of those that are looked at.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, at: usize) -> Option<&'a [u8]> {
        let &(start, end) = self.places.get(at).filter(|_| at < self.count)?;
        self.line.get(start..end)
    }

    /// What stands behind a word, less the one blank that parts them.
    pub(super) fn behind(&self, at: usize) -> Option<&'a [u8]> {
        let &(_, end) = self.places.get(at).filter(|_| at < self.count)?;
        self.line.get(end + 1..).filter(|rest| !rest.is_empty())
    }

    /// What stands behind a word, less all blanks that part them.
    pub(super) fn from(&self, at: usize) -> Option<&'a [u8]> {
        let &(start, _) = self.places.get(at).filter(|_| at < self.count)?;
        self.line.get(start..)
    }

    /// Blanks between a word and the one before it.
    pub(super) fn gap_before(&self, at: usize) -> usize {
        let end = at.checked_sub(1).and_then(|before| self.places.get(before)).map_or(0, |&(_, end)| end);
        self.places.get(at).filter(|_| at < self.count).map_or(0, |&(start, _)| start.saturating_sub(end))
    }

    /// Whether the line begins with these words, in any case.
    pub(super) fn starts_with(&self, words: &[&str]) -> bool {
        let same = |(at, word): (usize, &&str)| self.get(at).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()));
        words.iter().enumerate().all(same)
    }

    /// Whether the first word begins with a blank before it.
    pub(super) fn is_indented(&self) -> bool {
        self.line.first().is_some_and(|&b| is_blank(b))
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether a word is digits alone.
pub(super) fn is_number(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

/// The number of a word of digits alone.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if !is_number(word) {
        return None;
    }
    word.iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// The number of one or two digits.
pub(super) fn small(word: &[u8]) -> Option<u32> {
    number(word).filter(|_| word.len() <= 2).and_then(|n| u32::try_from(n).ok())
}

/// A length in bytes below 2^63: digits, with separators of thousands, or with a unit.
pub(super) fn size(word: &[u8]) -> Option<Size> {
    if let Some(bytes) = number(word) {
        return signed(bytes).map(Size::Exact);
    }
    grouped(word).and_then(signed).map(Size::Exact).or_else(|| with_unit(word))
}

/// Whether a word stands where a length does: also one that is too large to be one.
pub(super) fn is_size(word: &[u8]) -> bool {
    is_number(word) || size(word).is_some()
}

fn signed(bytes: u64) -> Option<u64> {
    i64::try_from(bytes).is_ok().then_some(bytes)
}

/// `9,730` and `9.730`: groups of three behind the first.
fn grouped(word: &[u8]) -> Option<u64> {
    let mark = *word.iter().find(|b| !b.is_ascii_digit()).filter(|b| matches!(b, b',' | b'.' | b'\''))?;
    let mut groups = word.split(|&b| b == mark);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    groups.try_fold(number(first)?, |sum, group| {
        let group = number(group).filter(|_| group.len() == 3)?;
        sum.checked_mul(1000)?.checked_add(group)
    })
}

/// `12k`, `1.5M`, `3GB`.
fn with_unit(word: &[u8]) -> Option<Size> {
    let word = word.strip_suffix(b"B").or_else(|| word.strip_suffix(b"b")).unwrap_or(word);
    let (unit, digits) = word.split_last()?;
    let factor = match unit.to_ascii_lowercase() {
        b'k' => 1u64 << 10,
        b'm' => 1 << 20,
        b'g' => 1 << 30,
        b't' => 1 << 40,
        _ => return None,
    };
    let mut parts = digits.splitn(2, |b| matches!(b, b'.' | b','));
    let whole = number(parts.next()?)?.checked_mul(factor)?;
    let tenths = match parts.next() {
        Some(fraction) => number(fraction).filter(|_| fraction.len() == 1)?.checked_mul(factor)? / 10,
        None => 0,
    };
    whole.checked_add(tenths).and_then(signed).map(Size::About)
}
