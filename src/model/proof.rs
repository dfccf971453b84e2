//! How it is known that a file is right.

use super::{Algorithm, Checksum, ChecksumError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a file was proved, the weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Proof {
    /// By nothing: no length was known.
    Nothing,
    /// By its length alone.
    Size,
    /// By a digest that the server computed. It proves that what the server has came over whole.
    Server {
        /// The command that asked for it: `HASH`, `XSHA256`, …
        command: String,
    },
    /// By a checksum found beside it on the server.
    Sidecar {
        /// Name of the file with the checksum.
        name: String,
    },
    /// By the digests of its pieces that the list gives.
    Pieces,
    /// By the checksum that the list gives.
    Manifest,
}

impl Proof {
    /// Every kind's name, the strongest first.
    pub const NAMES: [&'static str; 6] = ["manifest", "pieces", "sidecar", "server", "size", "nothing"];

    /// The kind in one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Size => "size",
            Self::Server { .. } => "server",
            Self::Sidecar { .. } => "sidecar",
            Self::Pieces => "pieces",
            Self::Manifest => "manifest",
        }
    }

    /// Whether a digest was compared.
    #[must_use]
    pub fn is_by_digest(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Size)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Size => f.write_str("length"),
            Self::Server { command } => write!(f, "the server's {command}"),
            Self::Sidecar { name } => write!(f, "{name} on the server"),
            Self::Pieces => f.write_str("the list's digests of pieces"),
            Self::Manifest => f.write_str("the list's checksum"),
        }
    }
}

/// By what it is known that a server still has the file that was fetched from it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SameBy {
    /// Size and time, or the time alone where the server told no size then either.
    Time,
    /// Some of its bytes, or all.
    Bytes,
    /// The size alone.
    Size,
}

/// How many files were proved in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProofCounts {
    /// By the checksum that the list gives.
    pub manifest: u64,
    /// By the digests of pieces that the list gives.
    pub pieces: u64,
    /// By a checksum found beside the file on the server.
    pub sidecar: u64,
    /// By a digest that the server computed.
    pub server: u64,
    /// By the length alone.
    pub size: u64,
    /// By nothing.
    pub nothing: u64,
}

impl ProofCounts {
    /// Counts one file more.
    pub fn add(&mut self, proof: &Proof) {
        let count = match proof {
            Proof::Nothing => &mut self.nothing,
            Proof::Size => &mut self.size,
            Proof::Server { .. } => &mut self.server,
            Proof::Sidecar { .. } => &mut self.sidecar,
            Proof::Pieces => &mut self.pieces,
            Proof::Manifest => &mut self.manifest,
        };
        *count += 1;
    }

    /// Files of which a digest was compared.
    #[must_use]
    pub fn by_digest(&self) -> u64 {
        self.manifest + self.pieces + self.sidecar + self.server
    }

    /// All files.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_digest() + self.size + self.nothing
    }

    /// The kinds that there are, the strongest first: how many, and by what as a sentence goes on.
    pub fn kinds(&self) -> impl Iterator<Item = (u64, &'static str)> {
        [
            (self.manifest, "by the list's checksum"),
            (self.pieces, "by the list's digests of pieces"),
            (self.sidecar, "by a checksum beside it on the server"),
            (self.server, "by the server's own digest"),
            (self.size, "by length"),
            (self.nothing, "by nothing, for no length was known or nothing was compared"),
        ]
        .into_iter()
        .filter(|&(count, _)| count > 0)
    }
}

/// Whether a server is asked for a checksum of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServerHash {
    /// Where no other checksum is known, and the server offers it in FEAT.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// A digest that is computed of every file, whether something is to be compared with it or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum KeptDigest {
    /// None but those that are compared.
    #[default]
    None,
    /// The digest by this function.
    Of(Algorithm),
}

impl KeptDigest {
    /// The hash function, where there is one.
    #[must_use]
    pub fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::None => None,
            Self::Of(algorithm) => Some(algorithm),
        }
    }
}

impl FromStr for KeptDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        let names = || Algorithm::ALL.map(Algorithm::name).join(", ");
        Algorithm::from_name(text).map(Self::Of).ok_or_else(|| format!("write none, or one of {}", names()))
    }
}

impl TryFrom<String> for KeptDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KeptDigest> for String {
    fn from(kept: KeptDigest) -> Self {
        kept.algorithm().map_or("none", Algorithm::name).to_owned()
    }
}

/// The digests of a file's pieces: all of one length but the last, which may be shorter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Stored", into = "Stored")]
#[schemars(with = "Stored")]
pub struct PieceDigests {
    length: u64,
    algorithm: Algorithm,
    /// One behind the other.
    digests: Vec<u8>,
}

/// The stored form.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Stored {
    /// Length of a piece in bytes.
    length: u64,
    /// The hash function.
    algorithm: Algorithm,
    /// The digests in hexadecimal digits, one behind the other.
    digests: String,
}

impl PieceDigests {
    /// Most pieces that are taken: each costs memory wherever its job is.
    pub const MOST: usize = 16_384;

    /// Digests of pieces of that many bytes.
    ///
    /// # Errors
    /// When a digest has not the algorithm's length.
    pub fn new(length: u64, algorithm: Algorithm, digests: &[Vec<u8>]) -> Result<Self, ChecksumError> {
        for digest in digests {
            Checksum::new(algorithm, digest.clone())?;
        }
        Ok(Self { length: length.max(1), algorithm, digests: digests.concat() })
    }

    /// Length of a piece in bytes, never 0.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digests, in the order of the pieces.
    pub fn digests(&self) -> impl Iterator<Item = &[u8]> {
        self.digests.chunks(self.algorithm.digest_len())
    }

    /// Whether they are the digests of a file of that many bytes, as far as their number tells.
    #[must_use]
    pub fn fit(&self, size: u64) -> bool {
        u64::try_from(self.count()).is_ok_and(|count| count == size.div_ceil(self.length))
    }

    /// The digest of the piece of that number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&[u8]> {
        let length = self.algorithm.digest_len();
        let start = number.checked_mul(length)?;
        self.digests.get(start..start.checked_add(length)?)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.digests.len() / self.algorithm.digest_len()
    }
}

impl TryFrom<Stored> for PieceDigests {
    type Error = ChecksumError;

    fn try_from(stored: Stored) -> Result<Self, ChecksumError> {
        let Stored { length, algorithm, digests } = stored;
        let bytes = super::checksum::parse_hex(&digests).filter(|bytes| bytes.len() % algorithm.digest_len() == 0);
        match bytes {
            Some(digests) => Ok(Self { length: length.max(1), algorithm, digests }),
            None => Err(ChecksumError::UnknownLength(digests.len())),
        }
    }
}

impl From<PieceDigests> for Stored {
    fn from(pieces: PieceDigests) -> Self {
        let digests = super::checksum::to_hex(&pieces.digests);
        Self { length: pieces.length, algorithm: pieces.algorithm, digests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_pieces_are_read_back() {
        let pieces = PieceDigests::new(4, Algorithm::Md5, &[vec![1; 16], vec![2; 16]]).unwrap();
        let text = serde_json::to_string(&pieces).unwrap();
        assert_eq!(serde_json::from_str::<PieceDigests>(&text).unwrap(), pieces);
        assert_eq!(pieces.digests().collect::<Vec<_>>(), [[1; 16], [2; 16]]);
        assert!(PieceDigests::new(4, Algorithm::Md5, &[vec![1; 15]]).is_err());
        assert!(serde_json::from_str::<PieceDigests>(r#"{"length":1,"algorithm":"md5","digests":"00"}"#).is_err());
    }

    #[test]
    fn a_proof_by_digest_is_stronger_than_one_by_length() {
        assert!(Proof::Manifest > Proof::Size && Proof::Size > Proof::Nothing);
        assert!(Proof::Server { command: "HASH".into() }.is_by_digest() && !Proof::Size.is_by_digest());
        assert_eq!(
            serde_json::to_string(&Proof::Sidecar { name: "MD5SUMS".into() }).unwrap(),
            r#"{"by":"sidecar","name":"MD5SUMS"}"#
        );
    }
}
