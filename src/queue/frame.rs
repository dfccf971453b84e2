//! The frame around every stored value: version of the form, CRC-32, content.

use serde::{Serialize, de::DeserializeOwned};

/// The version of the stored form that this program writes, and the latest it reads.
pub(super) const VERSION: u8 = 1;

const HEAD: usize = 5;

/// Why a stored value is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// Shorter than a frame.
    #[error("a stored value is cut short")]
    Short,
    /// The checksum differs.
    #[error("the checksum of a stored value differs")]
    Checksum,
    /// A form of a later version.
    #[error("a stored value has form {0}")]
    Newer(u8),
    /// The frame is whole and the content isn't what belongs there.
    #[error("a stored value can't be understood: {0}")]
    Content(String),
}

/// The value as JSON in its frame.
pub(super) fn seal_json<T: Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    serde_json::to_vec(value).map(|text| seal(&text)).map_err(|e| FrameError::Content(e.to_string()))
}

/// The value that is JSON in a frame.
pub(super) fn open_json<T: DeserializeOwned>(value: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(open(value)?).map_err(|e| FrameError::Content(e.to_string()))
}

/// The content in its frame: version, CRC-32 (big endian) of version and content, content.
pub(super) fn seal(content: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD + content.len());
    value.push(VERSION);
    value.extend_from_slice(&sum(VERSION, content).to_be_bytes());
    value.extend_from_slice(content);
    value
}

/// The content of a frame.
///
/// The checksum is judged before the version: a flipped bit in the version is damage, not a newer program.
pub(super) fn open(value: &[u8]) -> Result<&[u8], FrameError> {
    let (head, content) = value.split_at_checked(HEAD).ok_or(FrameError::Short)?;
    let [version, a, b, c, d] = head else { return Err(FrameError::Short) };
    if sum(*version, content) != u32::from_be_bytes([*a, *b, *c, *d]) {
        return Err(FrameError::Checksum);
    }
    if *version > VERSION {
        return Err(FrameError::Newer(*version));
    }
    Ok(content)
}

fn sum(version: u8, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealed = seal(b"content");
        assert_eq!(open(&sealed).unwrap(), b"content");
        for bit in 0..sealed.len() * 8 {
            let mut broken = sealed.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&broken), Err(FrameError::Checksum), "bit {bit}");
        }
        assert_eq!(open(&sealed[..4]), Err(FrameError::Short));
    }

    #[test]
    fn a_newer_form_is_refused_by_its_number() {
        let mut value = vec![9];
        value.extend_from_slice(&sum(9, b"x").to_be_bytes());
        value.push(b'x');
        assert_eq!(open(&value), Err(FrameError::Newer(9)));
    }
}
