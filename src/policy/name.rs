//! Local names of what a server lists.

use crate::model::{DestinationError, RelPath, percent_encoded, printable};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Why no file of this name is made here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    /// Nothing, `.` or `..`.
    #[error("the name is empty, `.` or `..`")]
    Dots,
    /// A slash (CVE-2002-1344, CVE-2004-1294).
    #[error("the name holds a slash, so it could lead to another folder")]
    Slash,
    /// A backslash (CVE-2010-3096), a control character, or one that changes the direction of writing.
    #[error("the name holds the character {0}, which ftpq refuses in file names")]
    Character(String),
    /// More bytes than file systems take, after percent-encoding.
    #[error("the name has {0} bytes; file systems take at most 255")]
    TooLong(usize),
    /// One of ftpq's own.
    #[error("the name {0:?} is one that ftpq keeps for unfinished files")]
    Reserved(String),
}

/// The local name for one component of a server's path: UTF-8 as it is, other names percent-encoded. A name is refused,
/// never mended: what was mended could be another file's name (CVE-2026-27699).
///
/// # Errors
/// When no file of this name may be made.
pub fn local_name(name: &[u8]) -> Result<String, NameRefusal> {
    if name.contains(&b'/') {
        return Err(NameRefusal::Slash);
    }
    let text = match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => percent_encoded(name),
    };
    match RelPath::new(text) {
        Ok(path) => Ok(path.into()),
        Err(DestinationError::Character { found, .. }) => Err(NameRefusal::Character(found)),
        Err(DestinationError::TooLong(length)) => Err(NameRefusal::TooLong(length)),
        Err(DestinationError::Reserved(_)) => {
            Err(NameRefusal::Reserved(printable(&String::from_utf8_lossy(name), 200)))
        }
        Err(
            DestinationError::Empty
            | DestinationError::Dots(_)
            | DestinationError::Absolute(_)
            | DestinationError::Folder(_),
        ) => Err(NameRefusal::Dots),
    }
}

/// How a name meets an earlier one of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collision {
    /// It is the same: one entry hides the other (CVE-2014-4877).
    Same,
    /// It differs in upper and lower case alone: on some file systems they are one file.
    Case,
}

/// The local names of one folder so far. It holds 16 bytes a name, not the names.
#[derive(Debug, Default)]
pub struct FoldedNames {
    /// Hashes without and with regard to case. Their seed is a run's own, so that no server can find two that meet.
    seen: HashMap<u64, u64>,
    state: RandomState,
}

impl FoldedNames {
    /// Takes a name. Returns how it meets an earlier one, if it does.
    pub fn meet(&mut self, name: &str) -> Option<Collision> {
        let exact = self.state.hash_one(name);
        match self.seen.insert(self.state.hash_one(name.to_lowercase()), exact) {
            None => None,
            Some(earlier) if earlier == exact => Some(Collision::Same),
            Some(_) => Some(Collision::Case),
        }
    }

    /// Takes a name. Returns whether it meets an earlier one in any way.
    pub fn collides(&mut self, name: &str) -> bool {
        self.meet(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_local_ones_or_are_refused() {
        for (name, local) in [
            (&b"a b"[..], "a b"),
            (b" lead", " lead"),
            (b"trail ", "trail "),
            (b"-dash", "-dash"),
            (b"#%41;?*[1]{c}~\"'", "#%41;?*[1]{c}~\"'"),
            ("grün".as_bytes(), "grün"),
            (b"lat\xfcn", "lat%FCn"),
            (b"\xff", "%FF"),
            (b"\xfc %", "%FC%20%25"),
            (b".hidden", ".hidden"),
            (b"...", "..."),
            (b"a -> b", "a -> b"),
            (b"CON", "CON"),
            (b"aux.txt", "aux.txt"),
        ] {
            assert_eq!(local_name(name).as_deref(), Ok(local));
        }
        let character = |found: &str| Err(NameRefusal::Character(found.to_owned()));
        for (name, refusal) in [
            (&b""[..], Err(NameRefusal::Dots)),
            (b".", Err(NameRefusal::Dots)),
            (b"..", Err(NameRefusal::Dots)),
            (b"../a", Err(NameRefusal::Slash)),
            (b"/etc/passwd", Err(NameRefusal::Slash)),
            (b"a/", Err(NameRefusal::Slash)),
            (b"\xff/..", Err(NameRefusal::Slash)),
            (b"..\\a", character("\\\\")),
            (b"a\nb", character("\\n")),
            (b"a\0", character("\\u{0}")),
            (b"a\x1b[2J", character("\\u{1b}")),
            (b"a\x7f", character("\\u{7f}")),
            ("a\u{85}".as_bytes(), character("\\u{85}")),
            ("photo\u{202e}gpj.exe".as_bytes(), character("\\u{202e}")),
            ("a\u{2066}b".as_bytes(), character("\\u{2066}")),
            (&[b'x'; 256], Err(NameRefusal::TooLong(256))),
            (&[0xff; 86], Err(NameRefusal::TooLong(258))),
            (b".a.ftpq-part", Err(NameRefusal::Reserved(".a.ftpq-part".to_owned()))),
        ] {
            assert_eq!(local_name(name), refusal, "{:?}", String::from_utf8_lossy(name));
        }
        assert!(local_name(&[b'x'; 255]).is_ok() && local_name(&[0xff; 85]).is_ok());
    }

    /// The encoding of control bytes in names that are no UTF-8 must not let them through.
    #[test]
    fn whatever_the_bytes_a_local_name_is_one_harmless_component() {
        let mut dice = fastrand::Rng::with_seed(1345);
        let mut taken = 0;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..dice.usize(..6))
                .map(|_| dice.choice(b"./\\\0\n\x1b\xff\xe2\x80\xaea".iter()))
                .map(|b| *b.unwrap())
                .collect();
            let Ok(name) = local_name(&bytes) else { continue };
            taken += 1;
            assert!(!name.is_empty() && name != "." && name != "..", "{bytes:?}");
            assert!(!name.contains(['/', '\\', '\u{202e}']) && !name.contains(char::is_control), "{bytes:?}");
        }
        assert!(taken > 1_000, "{taken}");
    }

    #[test]
    fn names_that_meet_are_told() {
        let mut names = FoldedNames::default();
        for (name, met) in [
            ("a", None),
            ("b", None),
            ("A", Some(Collision::Case)),
            ("A", Some(Collision::Same)),
            ("a", Some(Collision::Case)),
            ("Grün", None),
            ("GRÜN", Some(Collision::Case)),
            ("b", Some(Collision::Same)),
        ] {
            assert_eq!(names.meet(name), met, "{name}");
        }
        assert!((0..100_000).all(|n| !names.collides(&format!("file {n}"))));
    }
}
