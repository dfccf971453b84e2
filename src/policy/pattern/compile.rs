//! From a pattern's text to its states.

use super::{BYTE, PatternError, SLASH};

/// A state: what it takes, or where it leads at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// This character, or byte that is no character's.
    One(u32),
    /// Any but a slash.
    Any,
    /// Any.
    Deep,
    /// One of these ranges, or none of them where the flag stands; never a slash.
    Set(Vec<(u32, u32)>, bool),
    /// Both at once.
    Split(usize, usize),
    /// There.
    Jump(usize),
    /// The pattern's end.
    Match,
}

impl Op {
    /// Whether it takes the character.
    pub(super) fn takes(&self, unit: u32) -> bool {
        match self {
            Self::One(one) => *one == unit,
            Self::Any => unit != SLASH,
            Self::Deep => true,
            Self::Set(ranges, negated) => {
                unit != SLASH && ranges.iter().any(|&(low, high)| (low..=high).contains(&unit)) != *negated
            }
            Self::Split(..) | Self::Jump(_) | Self::Match => false,
        }
    }
}

/// A brace that is open.
struct Group {
    at: usize,
    /// The state where the last alternative begins to be an alternative.
    split: usize,
    /// The jumps behind the alternatives before it.
    ends: Vec<usize>,
}

struct Compiler<'a> {
    text: &'a str,
    /// Offset of what comes next.
    at: usize,
    /// Bytes of the whole before this text, for errors.
    offset: usize,
    ops: Vec<Op>,
    groups: Vec<Group>,
}

/// The states of a pattern; of one that `floats` with any folders before it.
pub(super) fn compile(text: &str, floats: bool, offset: usize) -> Result<Vec<Op>, PatternError> {
    let mut compiler = Compiler { text, at: 0, offset, ops: Vec::new(), groups: Vec::new() };
    if floats {
        compiler.any_folders();
    }
    while let Some(c) = compiler.next() {
        compiler.take(c)?;
    }
    if let Some(group) = compiler.groups.last() {
        return Err(PatternError::Open { mark: '{', at: group.at });
    }
    compiler.ops.push(Op::Match);
    Ok(compiler.ops)
}

impl Compiler<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn open(&self, mark: char, at: usize) -> PatternError {
        PatternError::Open { mark, at: self.offset + at }
    }

    fn take(&mut self, c: char) -> Result<(), PatternError> {
        let from = self.at - c.len_utf8();
        match c {
            '*' if self.rest().starts_with('*') => self.stars(from),
            '*' => self.repeat(&Op::Any),
            '?' => self.ops.push(Op::Any),
            '[' => {
                let set = self.set(from)?;
                self.ops.push(set);
            }
            '{' => {
                let split = self.split();
                self.groups.push(Group { at: self.offset + from, split, ends: Vec::new() });
            }
            ',' if !self.groups.is_empty() => {
                self.ops.push(Op::Jump(0));
                let end = self.ops.len() - 1;
                let split = self.split();
                if let Some(group) = self.groups.last_mut() {
                    group.ends.push(end);
                    let before = std::mem::replace(&mut group.split, split);
                    self.lead(before, split);
                }
            }
            '}' => match self.groups.pop() {
                Some(group) => {
                    let end = self.ops.len();
                    self.lead(group.split, group.split + 1);
                    for jump in group.ends {
                        self.lead(jump, end);
                    }
                }
                None => self.ops.push(Op::One('}'.into())),
            },
            '\\' => {
                let unit = self.escaped(from)?;
                self.ops.push(Op::One(unit));
            }
            c => self.ops.push(Op::One(c.into())),
        }
        Ok(())
    }

    /// `**`: any folders where it is a component before others, all that is below where it is the last, else `*`.
    fn stars(&mut self, from: usize) {
        let begins = from == 0 || self.text.as_bytes().get(from - 1) == Some(&b'/');
        while self.rest().starts_with('*') {
            self.at += 1;
        }
        if begins && self.rest().starts_with('/') {
            self.at += 1;
            self.any_folders();
        } else if begins && self.rest().is_empty() {
            self.ops.push(Op::Deep);
            self.repeat(&Op::Deep);
        } else {
            self.repeat(&Op::Any);
        }
    }

    /// `(.*/)?`
    fn any_folders(&mut self) {
        let split = self.split();
        self.repeat(&Op::Deep);
        self.ops.push(Op::One(SLASH));
        self.lead(split, self.ops.len());
    }

    fn repeat(&mut self, op: &Op) {
        let split = self.split();
        self.ops.push(op.clone());
        self.ops.push(Op::Jump(split));
        self.lead(split, self.ops.len());
    }

    /// A state that leads to the next one, and to one that [`Compiler::lead`] names later.
    fn split(&mut self) -> usize {
        let at = self.ops.len();
        self.ops.push(Op::Split(at + 1, at + 1));
        at
    }

    fn lead(&mut self, from: usize, to: usize) {
        match self.ops.get_mut(from) {
            Some(Op::Split(_, other)) => *other = to,
            Some(Op::Jump(there)) => *there = to,
            _ => {}
        }
    }

    /// What follows a `\`.
    fn escaped(&mut self, from: usize) -> Result<u32, PatternError> {
        let code = self.rest().strip_prefix('x').and_then(|rest| rest.get(..2));
        if let Some(byte) =
            code.filter(|code| !code.starts_with('+')).and_then(|code| u8::from_str_radix(code, 16).ok())
        {
            self.at += 3;
            return Ok(if byte < 0x80 { byte.into() } else { BYTE + u32::from(byte) });
        }
        self.next().map(u32::from).ok_or_else(|| self.open('\\', from))
    }

    /// What stands between brackets. A `]` right behind the `[` is a character.
    fn set(&mut self, from: usize) -> Result<Op, PatternError> {
        let negated = self.rest().starts_with(['!', '^']);
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        loop {
            let at = self.at;
            let low = match self.next() {
                None => return Err(self.open('[', from)),
                Some(']') if !ranges.is_empty() => return Ok(Op::Set(ranges, negated)),
                Some('[') if self.rest().starts_with([':', '.', '=']) => {
                    return Err(PatternError::Range { at: self.offset + at });
                }
                Some('\\') => self.escaped(at)?,
                Some(c) => c.into(),
            };
            let is_range = self.rest().strip_prefix('-').is_some_and(|rest| !rest.starts_with(']'));
            let high = if is_range {
                self.at += 1;
                let at = self.at;
                match self.next() {
                    None => return Err(self.open('[', from)),
                    Some('\\') => self.escaped(at)?,
                    Some(c) => c.into(),
                }
            } else {
                low
            };
            if high < low {
                return Err(PatternError::Range { at: self.offset + at });
            }
            ranges.push((low, high));
        }
    }
}
