//! What MLSD's `unique` said of a folder, as it is kept of those above another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What MLSD's `unique` said of a folder: its FNV-1a hash, 64 bits. A server may use 256 bytes for it, and each job of a folder
/// holds one for each folder above. Two that meet by chance are one folder that is not entered, and named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Stored", into = "u64")]
pub struct UniqueHash(u64);

impl UniqueHash {
    /// That of what the server said. It is stored, hence never to be changed.
    #[must_use]
    pub fn of(unique: &str) -> Self {
        let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(unique.bytes().fold(0xcbf2_9ce4_8422_2325, add))
    }
}

/// As it is stored, and as it was before: in the server's words.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Stored {
    Hash(u64),
    Words(String),
}

impl From<Stored> for UniqueHash {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Hash(hash) => Self(hash),
            Stored::Words(unique) => Self::of(&unique),
        }
    }
}

impl From<UniqueHash> for u64 {
    fn from(hash: UniqueHash) -> Self {
        hash.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_of_older_records_are_read_as_their_hash() {
        let long = "u".repeat(256);
        let read: Vec<UniqueHash> =
            serde_json::from_str(&format!(r#"["801U2", {long:?}, 12638187200555641996]"#)).unwrap();
        assert_eq!(read, [UniqueHash::of("801U2"), UniqueHash::of(&long), UniqueHash::of("a")]);
        let text = serde_json::to_string(&read).unwrap();
        assert!(text.len() < 70, "{text}");
        assert_eq!(serde_json::from_str::<Vec<UniqueHash>>(&text).unwrap(), read);
        assert!(serde_json::from_str::<UniqueHash>("-1").is_err());
    }
}
