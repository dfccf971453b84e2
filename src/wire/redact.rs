//! Takes passwords out of what servers say, in whatever form they repeat them.

use crate::model::Secret;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What stands in place of a password.
const HIDDEN: &[u8] = b"***";
/// Length in bytes from which a password is looked for anywhere in a text. A shorter one is looked for as a whole word:
/// too much else holds its letters.
const ANYWHERE: usize = 4;

/// Finds passwords in text: as they are, in another case, percent-encoded, in base64, in hexadecimal digits, in Latin-1
/// and UTF-16, and divided between lines. Knows nothing of what a server may think of otherwise.
#[derive(Clone, Default)]
pub struct Redactor(Arc<[Needle]>);

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anywhere, in any case, percent-encoded or not.
    Loose,
    /// As `Loose`, but only where no letter or digit stands beside it.
    Word,
    /// Base64 of either alphabet.
    Base64,
}

impl Redactor {
    /// Looks for these passwords.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self(secrets.into_iter().flat_map(|secret| needles(secret.reveal())).collect())
    }

    /// The lines of one reply without the passwords; nothing where none is in them.
    #[must_use]
    pub fn clean_lines(&self, lines: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        if self.0.is_empty() {
            return None;
        }
        // A password may be divided between lines, so they are looked at as one.
        let text = lines.concat();
        let starts: Vec<usize> = lines
            .iter()
            .scan(0, |at, line| {
                let start = *at;
                *at += line.len();
                Some(start)
            })
            .collect();
        let hidden = self.find(&text, &starts)?;
        let clean = |(line, &start): (&Vec<u8>, &usize)| without(line, hidden.get(start..).unwrap_or_default());
        Some(lines.iter().zip(&starts).map(clean).collect())
    }

    /// A text without the passwords.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        match self.clean_lines(&[text.as_bytes().to_vec()]) {
            Some(lines) => String::from_utf8_lossy(&lines.concat()).into_owned(),
            None => text.to_owned(),
        }
    }

    /// Which bytes of the text belong to a password; nothing where none does.
    fn find(&self, text: &[u8], starts: &[usize]) -> Option<Vec<bool>> {
        let mut hidden: Option<Vec<bool>> = None;
        for needle in self.0.iter() {
            let mut at = 0;
            while at < text.len() {
                let Some(end) = needle.end_at(text, at, starts) else {
                    at += 1;
                    continue;
                };
                let marks = hidden.get_or_insert_with(|| vec![false; text.len()]);
                marks.iter_mut().take(end).skip(at).for_each(|mark| *mark = true);
                at = end;
            }
        }
        hidden
    }
}

impl Needle {
    fn new(bytes: Vec<u8>, kind: Kind) -> Self {
        Self { bytes: Zeroizing::new(bytes), kind }
    }

    /// Where the password ends that begins at `at`, if one does.
    fn end_at(&self, text: &[u8], at: usize, starts: &[usize]) -> Option<usize> {
        let mut end = at;
        for &wanted in self.bytes.iter() {
            end = match self.kind {
                Kind::Base64 => step_base64(text, end, wanted)?,
                Kind::Loose | Kind::Word => step(text, end, wanted)?,
            };
        }
        let is_border = |at: usize| starts.contains(&at);
        let joins = |at: usize| text.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
        let stands_alone = || {
            let before = at.checked_sub(1).is_some_and(joins) && !is_border(at);
            let after = joins(end) && !is_border(end);
            !before && !after
        };
        (self.kind != Kind::Word || stands_alone()).then_some(end)
    }
}

/// Behind the character at `at`, if it is the wanted one in some form.
fn step(text: &[u8], at: usize, wanted: u8) -> Option<usize> {
    let here = *text.get(at)?;
    if here.eq_ignore_ascii_case(&wanted) {
        // RFC 959, appendix II: a quotation mark in a quoted text is doubled.
        let doubled = wanted == b'"' && text.get(at + 1) == Some(&b'"');
        return Some(at + 1 + usize::from(doubled));
    }
    let hex = |at: usize| text.get(at).and_then(|&b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    match here {
        b'%' => {
            let byte = hex(at + 1)? << 4 | hex(at + 2)?;
            byte.eq_ignore_ascii_case(&wanted).then_some(at + 3)
        }
        b'+' if wanted == b' ' => Some(at + 1),
        _ => None,
    }
}

fn step_base64(text: &[u8], at: usize, wanted: u8) -> Option<usize> {
    let here = match *text.get(at)? {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    (here == wanted).then_some(at + 1)
}

/// The forms that a password may come back in.
fn needles(secret: &str) -> Vec<Needle> {
    let bytes = secret.as_bytes();
    if bytes.is_empty() {
        return Vec::new();
    }
    if bytes.len() < ANYWHERE {
        return vec![Needle::new(bytes.to_vec(), Kind::Word)];
    }
    let mut found = vec![Needle::new(bytes.to_vec(), Kind::Loose)];
    let latin: Option<Vec<u8>> = secret.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    found.extend(latin.filter(|latin| latin != bytes).map(|latin| Needle::new(latin, Kind::Loose)));
    let mut utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    // Without the last byte: this way it is found in the other order of bytes too.
    utf16.pop();
    found.push(Needle::new(utf16, Kind::Loose));
    let hex = bytes.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect();
    found.push(Needle::new(hex, Kind::Loose));
    found.extend((0..3).map(|before| Needle::new(base64(bytes, before), Kind::Base64)));
    found
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Those characters of a text's base64 (RFC 4648, section 4) that stand for these bytes alone, `before` bytes behind a
/// multiple of three.
fn base64(bytes: &[u8], before: usize) -> Vec<u8> {
    let bit = |at: usize| bytes.get((at / 8).checked_sub(before)?).map(|byte| byte >> (7 - at % 8) & 1);
    let first = (8 * before).div_ceil(6);
    let last = (8 * (before + bytes.len())) / 6;
    let sextet = |at: usize| (6 * at..6 * at + 6).try_fold(0_usize, |sum, at| Some(sum << 1 | usize::from(bit(at)?)));
    (first..last).filter_map(|at| ALPHABET.get(sextet(at)?).copied()).collect()
}

/// The line with each run of hidden bytes replaced.
fn without(line: &[u8], hidden: &[bool]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(line.len());
    let mut inside = false;
    for (&byte, &is_hidden) in line.iter().zip(hidden) {
        match (is_hidden, inside) {
            (false, _) => shown.push(byte),
            (true, false) => shown.extend_from_slice(HIDDEN),
            (true, true) => {}
        }
        inside = is_hidden;
    }
    shown
}

/// Shows how many forms are looked for, and none of them.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({})", self.0.len())
    }
}

/// Two redactors are the same where they are one: what they look for is not compared.
impl PartialEq for Redactor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.is_empty() && other.0.is_empty())
    }
}

impl Eq for Redactor {}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(secret: &str, text: &str) -> String {
        Redactor::new([&Secret::new(secret)]).clean(text)
    }

    #[test]
    fn a_password_is_found_in_each_form() {
        let secret = "Hunter2/ü x";
        for text in [
            "Hunter2/ü x",
            "hUNTER2/ü X",
            "Hunter2%2F%C3%BC%20x",
            "Hunter2%2f%c3%bc+x",
            "48756e746572322fc3bc2078",
            // printf 'Hunter2/ü x' | base64, the same behind one and two other bytes, and in the alphabet for URLs.
            "SHVudGVyMi/DvCB4",
            "Okh1bnRlcjIvw7wgeA==",
            "dTpIdW50ZXIyL8O8IHg=",
            "SHVudGVyMi_DvCB4",
        ] {
            let shown = clean(secret, &format!("530 no '{text}'."));
            // What is left of base64 beside the password's own characters tells two of its bits at most.
            assert!(shown.starts_with("530 no '") && shown.contains("***") && shown.len() <= 19, "{text}: {shown}");
        }
        let utf16: Vec<u8> = "<Hunter2/ü x>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cleaned = Redactor::new([&Secret::new(secret)]).clean_lines(&[utf16]).unwrap().concat();
        assert!(cleaned.len() < 12, "{cleaned:?}");
        let latin = secret.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(Redactor::new([&Secret::new(secret)]).clean_lines(&[latin]).unwrap().concat(), b"***");
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        assert_eq!(base64(b"Hunter2/\xc3\xbc x", 0), b"SHVudGVyMi/DvCB4");
        assert_eq!(base64(b"hunter2", 1), b"h1bnRlcj");
        assert_eq!(base64(b"hunter2", 2), b"odW50ZXIy");
    }

    #[test]
    fn a_password_divided_between_lines_is_found() {
        let redactor = Redactor::new([&Secret::new("hunter2")]);
        let lines = [b"pass hun".to_vec(), b"ter".to_vec(), b"2 and hunter2".to_vec(), b"bye".to_vec()];
        let clean = redactor.clean_lines(&lines).unwrap();
        assert_eq!(clean, [b"pass ***".to_vec(), b"***".to_vec(), b"*** and ***".to_vec(), b"bye".to_vec()]);
    }

    #[test]
    fn a_short_password_is_hidden_where_it_is_a_word() {
        assert_eq!(clean("ab1", "530 ab1 is wrong, (AB1), cab1 x"), "530 *** is wrong, (***), cab1 x");
        assert_eq!(clean("x", "xylophone x"), "xylophone ***");
        let lines = [b"a".to_vec(), b"x".to_vec(), b"b".to_vec()];
        assert_eq!(Redactor::new([&Secret::new("x")]).clean_lines(&lines).unwrap()[1], b"***");
        assert_eq!(clean("", "anything"), "anything");
    }

    #[test]
    fn two_passwords_side_by_side_are_both_hidden() {
        let secrets = [Secret::new("hunter2"), Secret::new("acct-word")];
        assert_eq!(Redactor::new(&secrets).clean("hunter2acct-word, hunter2 acct-word"), "***, *** ***");
        assert_eq!(clean("a\"bcd", "\"a\"\"bcd\""), "\"***\"");
    }

    #[test]
    fn nothing_else_is_touched() {
        let redactor = Redactor::new([&Secret::new("hunter2")]);
        assert!(redactor.clean_lines(&[b"150 Opening BINARY mode %68unte".to_vec()]).is_none());
        assert_eq!(format!("{redactor:?}"), "Redactor(6)");
        assert!(Redactor::default().clean_lines(&[b"x".to_vec()]).is_none());
    }
}
