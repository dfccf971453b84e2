//! One line of a checksum file: as `md5sum` and its kin write it, as BSD's `md5` does, or as Ensembl's CHECKSUMS.

use crate::model::{Algorithm, Checksum};

/// What a line of a checksum file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumLine {
    /// The file's name, as it is written but for escapes; empty where the line has a digest alone.
    pub name: Vec<u8>,
    /// Its checksum.
    pub checksum: Checksum,
}

/// Reads one line, without its end; nothing where it is none of a checksum file.
///
/// ```text
/// d41d8cd98f00b204e9800998ecf8427e  name       coreutils, text
/// d41d8cd98f00b204e9800998ecf8427e *name       coreutils, binary
/// \d41d8cd98f00b204e9800998ecf8427e  na\\me    coreutils, with an escape in the name
/// MD5 (name) = d41d8cd98f00b204e9800998ecf8427e    BSD; OpenSSL without the blanks
/// 05124 24 name                                BSD `sum`: checksum and blocks of 1024 bytes
/// d41d8cd98f00b204e9800998ecf8427e             a digest alone
/// ```
#[must_use]
pub fn sum_line(text: &[u8]) -> Option<SumLine> {
    let text = text.trim_ascii_end();
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    if matches!(text.first(), None | Some(b'#' | b';')) {
        return None;
    }
    bsd(text).or_else(|| coreutils(text)).or_else(|| sum_and_blocks(text))
}

/// `MD5 (name) = hex`, `MD5(name)= hex`
fn bsd(text: &[u8]) -> Option<SumLine> {
    let open = text.iter().position(|&b| b == b'(')?;
    let close = text.windows(2).rposition(|pair| pair == b")=").map(|at| (at, 2));
    let close = close.or_else(|| text.windows(3).rposition(|three| three == b") =").map(|at| (at, 3)));
    let (close, length) = close.filter(|&(at, _)| at > open)?;
    let algorithm = Algorithm::from_name(std::str::from_utf8(text.get(..open)?.trim_ascii()).ok()?)?;
    let checksum = hex(text.get(close + length..)?.trim_ascii()).filter(|sum| sum.algorithm() == algorithm);
    let checksum = checksum.or_else(|| {
        let digits = std::str::from_utf8(text.get(close + length..)?.trim_ascii()).ok()?;
        (algorithm == Algorithm::Crc32).then(|| Checksum::from_hex(algorithm, digits).ok())?
    })?;
    Some(SumLine { name: text.get(open + 1..close)?.to_vec(), checksum })
}

/// `hex  name`, `hex *name`, `hex`
fn coreutils(text: &[u8]) -> Option<SumLine> {
    let (text, escaped) = text.strip_prefix(b"\\").map_or((text, false), |rest| (rest, true));
    let text = text.trim_ascii_start();
    let end = text.iter().position(|&b| matches!(b, b' ' | b'\t')).unwrap_or(text.len());
    let (digits, name) = text.split_at_checked(end)?;
    let checksum = hex(digits)?;
    // One blank, then one for text or a `*` for binary; some put more blanks, and a name may begin with some.
    let name = name.get(1..).unwrap_or_default();
    let name = name.strip_prefix(b"*").unwrap_or(name);
    let name = if name.first() == Some(&b' ') { name.trim_ascii_start() } else { name };
    let name = if escaped { unescape(name)? } else { name.to_vec() };
    Some(SumLine { name, checksum })
}

/// `05124 24 name`
fn sum_and_blocks(text: &[u8]) -> Option<SumLine> {
    let text = text.trim_ascii_start();
    let mut words = text.splitn(2, |&b| matches!(b, b' ' | b'\t'));
    let sum: u16 = decimal(words.next()?)?.try_into().ok()?;
    let rest = words.next()?.trim_ascii_start();
    let mut words = rest.splitn(2, |&b| matches!(b, b' ' | b'\t'));
    let blocks = decimal(words.next()?)?;
    let name = words.next()?.trim_ascii_start();
    (!name.is_empty()).then(|| SumLine { name: name.to_vec(), checksum: Checksum::bsd_sum(sum, blocks) })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

/// A digest whose length tells its function.
fn hex(digits: &[u8]) -> Option<Checksum> {
    let algorithms = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
    let algorithm = algorithms.into_iter().find(|algorithm| algorithm.digest_len() * 2 == digits.len())?;
    Checksum::from_hex(algorithm, std::str::from_utf8(digits).ok()?).ok()
}

/// The name of a line that GNU's tools marked as escaped; nothing where it is none.
pub(super) fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match (byte, byte == b'\\') {
            (_, true) => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            (byte, false) => byte,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn every_form_of_a_line_is_read() {
        let sha256 = "ab".repeat(32);
        for (text, name, sum) in [
            (format!("{MD5}  a b.gz"), "a b.gz", format!("md5={MD5}")),
            (format!("{MD5} *./a.gz\r"), "./a.gz", format!("md5={MD5}")),
            (format!("{}  a", MD5.to_uppercase()), "a", format!("md5={MD5}")),
            (format!("{MD5} a"), "a", format!("md5={MD5}")),
            (format!("{MD5}\ta"), "a", format!("md5={MD5}")),
            (format!("{MD5}      sub/a"), "sub/a", format!("md5={MD5}")),
            (format!("\\{MD5}  a\\\\b\\nc"), "a\\b\nc", format!("md5={MD5}")),
            (MD5.to_owned(), "", format!("md5={MD5}")),
            (format!("{sha256}  -"), "-", format!("sha-256={sha256}")),
            (format!("MD5 (a (1).gz) = {MD5}"), "a (1).gz", format!("md5={MD5}")),
            (format!("SHA256(a)= {sha256}"), "a", format!("sha-256={sha256}")),
            ("CRC32 (a) = 00c0ffee".to_owned(), "a", "crc32=00c0ffee".to_owned()),
            ("05124    24 Homo_sapiens.fa.gz".to_owned(), "Homo_sapiens.fa.gz", "bsd-sum=5124:24".to_owned()),
            ("5124 24 a b".to_owned(), "a b", "bsd-sum=5124:24".to_owned()),
        ] {
            let found = sum_line(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            let name = name.as_bytes().to_vec();
            assert_eq!((found.name, found.checksum.to_string()), (name, sum), "{text}");
        }
    }

    #[test]
    fn what_is_no_checksum_is_passed_over() {
        for text in [
            "",
            "  ",
            "# d41d8cd98f00b204e9800998ecf8427e  a",
            "; made by",
            "hello world",
            "70000 24 a",
            "5124 24",
            "5124 -1 a",
            "d41d8cd98f00b204e9800998ecf8427  a",
            "MD5 (a) = d41d8cd9",
            "SHA256 (a) = d41d8cd98f00b204e9800998ecf8427e",
            "SHA384 (a) = d41d8cd98f00b204e9800998ecf8427e",
            "\\d41d8cd98f00b204e9800998ecf8427e  a\\x",
            "-----BEGIN PGP SIGNED MESSAGE-----",
        ] {
            assert_eq!(sum_line(text.as_bytes()), None, "{text}");
        }
    }
}
