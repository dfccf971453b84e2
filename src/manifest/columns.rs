//! What a column without a header can be: told by its looks, or refused with what it might be.

use super::entry::{quoting, scheme_of};
use crate::model::{Algorithm, Checksum, Source};

/// Fewest hexadecimal digits in one word that are taken for a checksum's and for nothing else.
const DIGEST: usize = 16;
/// Longest ending of a file's name, after its dot.
const ENDING: usize = 8;
/// Endings that are put behind a file's name for what belongs to it.
const BESIDE: [&str; 14] = [
    ".bai", ".crai", ".tbi", ".csi", ".fai", ".gzi", ".idx", ".md5", ".sha1", ".sha256", ".sha512", ".asc", ".sig",
    ".gpg",
];

/// What a word beside a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Another URL.
    Url,
    /// A checksum of the file.
    Checksum(Checksum),
    /// The file's length in bytes.
    Size(u64),
    /// The place of a value that there is none of.
    Absent,
    /// None of these: where the file goes, if anything.
    Name,
}

impl Column {
    /// Tells what a word is.
    ///
    /// # Errors
    /// When it looks like something that ftpq can't use: a sentence that says what it might be, without the word.
    pub(super) fn of(word: &str) -> Result<Self, String> {
        if scheme_of(word).is_some() {
            return Ok(Self::Url);
        }
        if ["-", ".", "NA", "N/A", "n/a"].contains(&word) {
            return Ok(Self::Absent);
        }
        if is_digits(word) {
            return match word.parse() {
                Ok(size) if word.len() < 20 => Ok(Self::Size(size)),
                _ if [32, 40, 64, 128].contains(&word.len()) => Self::checksum(word),
                _ => Err("this looks like a size, but no file is that long".to_owned()),
            };
        }
        if let Some((name, digits)) = word.split_once(['=', ':'])
            && is_digest_of(name, digits)
        {
            return Self::checksum(word);
        }
        if word.len() >= DIGEST && is_hex(word) {
            return Self::checksum(word);
        }
        unusable(word).map_or(Ok(Self::Name), Err)
    }

    fn checksum(word: &str) -> Result<Self, String> {
        quoting(word, str::parse).map(Self::Checksum).map_err(|e| format!("this looks like a checksum: {e}"))
    }
}

/// What is said of a word that is none of what stands in a list, where it looks like something else.
fn unusable(word: &str) -> Option<String> {
    let said = if word.starts_with('-') {
        "this looks like an option of another program; in a list of URLs only -O NAME is read"
    } else if word.len() == 8 && is_hex(word) && word.bytes().any(|b| b.is_ascii_digit()) {
        "this may be a CRC-32 or the file's name; write crc32=HEX, or name the file in a list in JSON Lines or CSV"
    } else if is_rounded(word) {
        "this looks like a rounded size; write the exact number of bytes, or leave it out"
    } else if is_address(word) {
        "this looks like another address; write ftp:// before it, on a line of its own"
    } else {
        return None;
    };
    Some(said.to_owned())
}

/// Whether a text is hexadecimal digits and nothing else.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a word is a checksum's digits, whole or not, and no name.
pub(super) fn is_digest(word: &str) -> bool {
    word.len() >= DIGEST && is_hex(word)
}

/// Whether a text is decimal digits and nothing else.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a name and digits make a checksum, of a function that ftpq knows or not: `sha384=…`, `bsd-sum=1:2`.
fn is_digest_of(name: &str, digits: &str) -> bool {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 12
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b));
    let pair = digits.split_once(':').is_some_and(|(first, second)| is_digits(first) && is_digits(second));
    plain && (pair || (digits.len() >= 8 && is_hex(digits)) || Algorithm::from_name(name).is_some())
}

/// Whether a word is a number with a unit: `1.5G`, `12MiB`.
fn is_rounded(word: &str) -> bool {
    let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = word.get(number.len()..).unwrap_or_default().to_ascii_lowercase();
    let numeric =
        number.starts_with(|c: char| c.is_ascii_digit()) && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    numeric && ["b", "k", "kb", "kib", "m", "mb", "mib", "g", "gb", "gib", "t", "tb", "tib"].contains(&unit.as_str())
}

/// Whether a text looks like the address of a file on an FTP server, without a scheme: `ftp.sra.ebi.ac.uk/vol1/a.gz`.
pub(super) fn is_address(text: &str) -> bool {
    let host = text.split_once('/').map(|(host, _)| host).unwrap_or_default();
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    host.starts_with("ftp") && host.split('.').count() > 2 && host.split('.').all(plain)
}

/// The ending of the last component of a path or URL, in small letters; none where it has no letter.
pub(super) fn ending(path: &str) -> Option<String> {
    let path = path.rsplit_once(";type=").map_or(path, |(path, _)| path);
    let (stem, ending) = last_part(path).rsplit_once('.')?;
    let plain = !stem.is_empty()
        && (1..=ENDING).contains(&ending.len())
        && ending.bytes().all(|b| b.is_ascii_alphanumeric())
        && ending.bytes().any(|b| b.is_ascii_alphabetic());
    plain.then(|| ending.to_ascii_lowercase())
}

/// What follows the last slash.
pub(super) fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name of the file that a URL of any scheme names; none where it can't be told.
pub(super) fn file_named(url: &str) -> Option<String> {
    let scheme = scheme_of(url)?;
    let rest = url.trim_start().get(scheme.len()..)?;
    let (source, _) = Source::parse(&format!("ftp{rest}")).ok()?;
    Some(source.file_name())
}

/// Whether two names are those of files that belong together: `a_1.gz` and `a_2.gz`, `a.bam` and `a.bam.bai` or `a.bai`.
/// The second may be taken for a name of the first, and is not.
pub(super) fn are_partners(first: &str, second: &str) -> bool {
    let differing: Vec<(u8, u8)> = first.bytes().zip(second.bytes()).filter(|(a, b)| a != b).collect();
    let numbered = first.len() == second.len() && matches!(differing[..], [(b'1', b'2') | (b'2', b'1')]);
    let beside = second.strip_prefix(first).is_some_and(|rest| BESIDE.contains(&rest));
    let stem = |name: &str, ending: &str| name.strip_suffix(ending).map(str::to_owned);
    let indexed = [(".bam", ".bai"), (".cram", ".crai")]
        .into_iter()
        .any(|(data, index)| stem(first, data).is_some_and(|first| stem(second, index).is_some_and(|s| s == first)));
    numbered || beside || indexed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_it_looks_like() {
        let hex = |length: usize| "0a".repeat(length / 2);
        let sum = |text: &str| Column::Checksum(text.parse().unwrap());
        for (word, column) in [
            (hex(32), sum(&hex(32))),
            (hex(40).to_uppercase(), sum(&hex(40))),
            (hex(64), sum(&hex(64))),
            (hex(128), sum(&hex(128))),
            ("0".repeat(32), sum(&"0".repeat(32))),
            (format!("md5:{}", hex(32)), sum(&hex(32))),
            ("crc32=cbf43926".to_owned(), sum("crc32=cbf43926")),
            ("cksum=930766865:9".to_owned(), sum("cksum=930766865:9")),
            ("bsd-sum=5:1".to_owned(), sum("bsd-sum=5:1")),
            ("0".to_owned(), Column::Size(0)),
            ("20240131".to_owned(), Column::Size(20_240_131)),
            ("ftp://h/a".to_owned(), Column::Url),
            ("https://h/a".to_owned(), Column::Url),
            ("-".to_owned(), Column::Absent),
            ("a.gz".to_owned(), Column::Name),
            ("sub/a".to_owned(), Column::Name),
            ("deadbeef".to_owned(), Column::Name),
            ("x=y.txt".to_owned(), Column::Name),
            ("12:30".to_owned(), Column::Name),
            ("n/a".to_owned(), Column::Absent),
            (".".to_owned(), Column::Absent),
            ("na".to_owned(), Column::Name),
            ("1.5".to_owned(), Column::Name),
            ("ftp/a.gz".to_owned(), Column::Name),
        ] {
            assert_eq!(Column::of(&word), Ok(column), "{word}");
        }
    }

    #[test]
    fn what_could_be_something_else_is_refused_by_what_it_might_be() {
        for (word, words) in [
            ("0a".repeat(28), "fit no known checksum"),
            ("0a".repeat(48), "fit no known checksum"),
            ("0".repeat(33), "no file is that long"),
            ("99999999999999999999".to_owned(), "no file is that long"),
            ("0123456789abcdef".to_owned(), "16 characters fit no known checksum"),
            (format!("sha384={}", "0a".repeat(48)), "\"sha384\" is unknown"),
            ("md5=12".to_owned(), "a md5 checksum is 32"),
            ("12ab34cd".to_owned(), "CRC-32"),
            ("1.5G".to_owned(), "rounded size"),
            ("12KiB".to_owned(), "rounded size"),
            ("-c".to_owned(), "option of another program"),
            ("--header=x".to_owned(), "option of another program"),
            ("ftp.sra.ebi.ac.uk/vol1/a.gz".to_owned(), "another address"),
        ] {
            let said = Column::of(&word).unwrap_err();
            assert!(said.contains(words), "{word}: {said}");
        }
    }

    #[test]
    fn endings_have_letters_and_files_that_belong_together_are_known() {
        for (path, found) in [
            ("ftp://h/a.fa.GZ", Some("gz")),
            ("ftp://h/a.txt;type=a", Some("txt")),
            ("a.b/c", None),
            ("v1.2", None),
            (".profile", None),
            ("Dr. Smith", None),
            ("a.", None),
        ] {
            assert_eq!(ending(path).as_deref(), found, "{path}");
        }
        for (first, second) in
            [("a_1.gz", "a_2.gz"), ("x_R2.fq", "x_R1.fq"), ("a.bam", "a.bam.bai"), ("a.cram", "a.crai"), ("a", "a.md5")]
        {
            assert!(are_partners(first, second), "{first} {second}");
        }
        for (first, second) in
            [("a_1.gz", "a_1.gz"), ("a_1.gz", "b_2.gz"), ("a_1.gz", "a_3.gz"), ("a.bai", "a.bam"), ("a", "a.csv")]
        {
            assert!(!are_partners(first, second), "{first} {second}");
        }
        assert_eq!(file_named("https://h/x/a%20b.gz").as_deref(), Some("a b.gz"));
        assert_eq!(file_named("https://h/get?id=1"), None);
    }
}
