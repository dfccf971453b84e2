//! Checksums given with a job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use std::str::FromStr;

/// A hash function that a manifest may name, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// CRC-32 (IEEE 802.3), 4 bytes: against accidents alone.
    #[serde(rename = "crc32")]
    Crc32,
    /// BSD `sum`: 16 bits and the number of 1024-byte blocks, 10 bytes together: against accidents alone.
    #[serde(rename = "bsd-sum")]
    BsdSum,
    /// POSIX `cksum`: a CRC of 32 bits over the bytes and their number, and that number, 12 bytes together: against
    /// accidents alone.
    #[serde(rename = "cksum")]
    Cksum,
    /// MD5, 16 bytes.
    #[serde(rename = "md5")]
    Md5,
    /// SHA-1, 20 bytes.
    #[serde(rename = "sha-1")]
    Sha1,
    /// SHA-256, 32 bytes.
    #[serde(rename = "sha-256")]
    Sha256,
    /// SHA-512, 64 bytes.
    #[serde(rename = "sha-512")]
    Sha512,
}

impl Algorithm {
    /// Every algorithm, shortest digest first.
    pub const ALL: [Self; 7] =
        [Self::Crc32, Self::BsdSum, Self::Cksum, Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// Length of the digest in bytes.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Crc32 => 4,
            Self::BsdSum => 10,
            Self::Cksum => 12,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The name as it is written: `crc32`, `bsd-sum`, `cksum`, `md5`, `sha-1`, `sha-256`, `sha-512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::BsdSum => "bsd-sum",
            Self::Cksum => "cksum",
            Self::Md5 => "md5",
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// The function of that name, however it is spelled: `SHA256`, `sha-256`, `Sha_256`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        Self::ALL.into_iter().find(|a| a.name().replace('-', "") == plain)
    }
}

/// An expected digest, written `sha-256=<hex>`; `sha256:<hex>` and bare hex of a known length are read too.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Checksum {
    algorithm: Algorithm,
    digest: Vec<u8>,
}

/// Why a text is no checksum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// The name before `=` or `:` is none that ftpq knows.
    #[error("the checksum algorithm {0:?} is unknown; use md5, sha-1, sha-256, sha-512, crc32, bsd-sum or cksum")]
    UnknownAlgorithm(String),
    /// Not a hexadecimal digest of the right length.
    #[error("a {algorithm} checksum is {expected} hexadecimal digits, not {found:?}")]
    BadDigest {
        /// What was named.
        algorithm: &'static str,
        /// Digits it should have.
        expected: usize,
        /// What was there.
        found: String,
    },
    /// Not the two numbers of BSD `sum`.
    #[error(
        "a bsd-sum checksum is two decimal numbers with a colon between, the sum (at most 65535) and the blocks, such as \
         55610:198719, not {0:?}"
    )]
    BadBsdSum(String),
    /// Not the two numbers of POSIX `cksum`.
    #[error(
        "a cksum checksum is two decimal numbers with a colon between, the checksum (at most 4294967295) and the length in \
         bytes, such as 930766865:9, not {0:?}"
    )]
    BadCksum(String),
    /// Bare digits of no known length.
    #[error(
        "{0} characters fit no known checksum; 32 hexadecimal digits are md5, 40 sha-1, 64 sha-256, 128 sha-512; others are \
         named: crc32=HEX, bsd-sum=SUM:BLOCKS, cksum=SUM:BYTES"
    )]
    UnknownLength(usize),
}

impl Checksum {
    /// The checksum of that algorithm and digest.
    ///
    /// # Errors
    /// When the digest has not the algorithm's length.
    pub fn new(algorithm: Algorithm, digest: Vec<u8>) -> Result<Self, ChecksumError> {
        if digest.len() == algorithm.digest_len() {
            Ok(Self { algorithm, digest })
        } else {
            Err(Self::bad(algorithm, &to_hex(&digest)))
        }
    }

    /// The checksum that BSD `sum` prints: 16 bits, and the number of 1024-byte blocks.
    #[must_use]
    pub fn bsd_sum(sum: u16, blocks: u64) -> Self {
        let digest = [sum.to_be_bytes().as_slice(), &blocks.to_be_bytes()].concat();
        Self { algorithm: Algorithm::BsdSum, digest }
    }

    /// The checksum that POSIX `cksum` prints: 32 bits, and the length in bytes.
    #[must_use]
    pub fn cksum(sum: u32, length: u64) -> Self {
        let digest = [sum.to_be_bytes().as_slice(), &length.to_be_bytes()].concat();
        Self { algorithm: Algorithm::Cksum, digest }
    }

    /// Reads the digest's hexadecimal digits, in either case; for BSD `sum` and `cksum` their two decimal numbers with a
    /// colon between.
    ///
    /// # Errors
    /// When they are not as many hexadecimal digits as the algorithm has.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Result<Self, ChecksumError> {
        let hex = hex.trim();
        let read = match algorithm {
            Algorithm::BsdSum => two_numbers(hex).map(|(sum, blocks)| Self::bsd_sum(sum, blocks)),
            Algorithm::Cksum => two_numbers(hex).map(|(sum, length)| Self::cksum(sum, length)),
            _ => parse_hex(hex)
                .filter(|digest| digest.len() == algorithm.digest_len())
                .map(|digest| Self { algorithm, digest }),
        };
        read.ok_or_else(|| Self::bad(algorithm, hex))
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The expected digest.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// The digest as its own tools print it: hexadecimal digits, for BSD `sum` and `cksum` two decimal numbers with a colon
    /// between.
    #[must_use]
    pub fn text(&self) -> String {
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        let sum_bytes = match self.algorithm {
            Algorithm::BsdSum => 2,
            Algorithm::Cksum => 4,
            _ => return to_hex(&self.digest),
        };
        let (sum, rest) = self.digest.split_at_checked(sum_bytes).unwrap_or_default();
        format!("{}:{}", number(sum), number(rest))
    }

    fn bad(algorithm: Algorithm, found: &str) -> ChecksumError {
        let found = super::printable(found, 140);
        match algorithm {
            Algorithm::BsdSum => ChecksumError::BadBsdSum(found),
            Algorithm::Cksum => ChecksumError::BadCksum(found),
            _ => {
                let (algorithm, expected) = (algorithm.name(), algorithm.digest_len() * 2);
                ChecksumError::BadDigest { algorithm, expected, found }
            }
        }
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let text = text.trim();
        if let Some((name, hex)) = text.split_once(['=', ':']) {
            let algorithm = Algorithm::from_name(name)
                .ok_or_else(|| ChecksumError::UnknownAlgorithm(super::printable(name, 40)))?;
            return Self::from_hex(algorithm, hex);
        }
        let algorithm = Algorithm::ALL
            .into_iter()
            // A CRC-32 has to be named: eight digits may be anything.
            .find(|a| *a >= Algorithm::Md5 && a.digest_len() * 2 == text.len())
            .ok_or(ChecksumError::UnknownLength(text.len()))?;
        Self::from_hex(algorithm, text)
    }
}

impl TryFrom<String> for Checksum {
    type Error = ChecksumError;

    fn try_from(text: String) -> Result<Self, ChecksumError> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(sum: Checksum) -> Self {
        sum.to_string()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.algorithm.name(), self.text())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Two decimal numbers with a colon between; `parse` alone would take a sign.
fn two_numbers<A: FromStr, B: FromStr>(text: &str) -> Option<(A, B)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (first, second) = text.split_once(':').filter(|(first, second)| digits(first) && digits(second))?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, b| {
        let _ = write!(hex, "{b:02x}");
        hex
    })
}

pub(super) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| pair.iter().try_fold(0u8, |byte, &b| Some(byte << 4 | digit(b)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_common_spelling() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        for text in [md5.to_owned(), format!("md5:{md5}"), format!("MD5={}", md5.to_uppercase())] {
            let sum: Checksum = text.parse().unwrap();
            assert_eq!(sum.to_string(), format!("md5={md5}"));
        }
        assert!(format!("SHA256:{}", "ab".repeat(32)).parse::<Checksum>().is_ok());
        assert!(format!("sha-1={}", "ab".repeat(20)).parse::<Checksum>().is_ok());
    }

    #[test]
    fn refuses_what_could_never_match() {
        assert!(matches!("crc64=00".parse::<Checksum>(), Err(ChecksumError::UnknownAlgorithm(_))));
        assert!(matches!("md5=zz".parse::<Checksum>(), Err(ChecksumError::BadDigest { expected: 32, .. })));
        assert!(matches!("abc".parse::<Checksum>(), Err(ChecksumError::UnknownLength(3))));
        assert!("é1".repeat(11).parse::<Checksum>().is_err());
        let said = |text: &str| text.parse::<Checksum>().unwrap_err().to_string();
        assert!(said("crc32=12").contains("a crc32 checksum is 8 hexadecimal digits"), "{}", said("crc32=12"));
        assert!(said("deadbeef").contains("crc32=HEX"), "eight digits may be anything");
        for text in ["cksum=4294967296:1", "cksum=1", "cksum=-1:2", "cksum=cbf43926"] {
            assert!(said(text).contains("the length in bytes"), "{}", said(text));
        }
        for text in ["bsd-sum=70000:1", "bsd-sum=1", "bsd-sum=+1:2", "bsd-sum=1:", "bsd-sum=a:b", "bsd-sum=d41d8cd9"] {
            assert!(said(text).contains("two decimal numbers"), "{}", said(text));
        }
    }

    #[test]
    fn checksums_against_accidents_are_read_and_written_as_their_tools_print_them() {
        for text in ["crc32=cbf43926", "bsd-sum=55610:198719", "bsd-sum=0:0", "cksum=4294967295:18446744073709551615"] {
            assert_eq!(text.parse::<Checksum>().unwrap().to_string(), text);
        }
        assert_eq!("CRC32:CBF43926".parse::<Checksum>().unwrap().text(), "cbf43926");
    }
}
