//! Digests of whole files.

use crate::model::Algorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use std::{fs::File, io, os::unix::fs::FileExt};

/// Bytes read at a time.
const STEP: usize = 1 << 20;

/// The digest of a file from its first byte to its last, or `None` when `stop` said so in between.
///
/// # Errors
/// When the file can't be read.
pub(super) fn digest(file: &File, algorithm: Algorithm, stop: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
    match algorithm {
        Algorithm::Md5 => hash::<Md5>(file, stop),
        Algorithm::Sha1 => hash::<Sha1>(file, stop),
        Algorithm::Sha256 => hash::<Sha256>(file, stop),
        Algorithm::Sha512 => hash::<Sha512>(file, stop),
    }
}

/// The digest of some bytes.
#[must_use]
pub fn digest_of(bytes: &[u8], algorithm: Algorithm) -> Vec<u8> {
    match algorithm {
        Algorithm::Md5 => Md5::digest(bytes).to_vec(),
        Algorithm::Sha1 => Sha1::digest(bytes).to_vec(),
        Algorithm::Sha256 => Sha256::digest(bytes).to_vec(),
        Algorithm::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}

fn hash<D: Digest>(file: &File, stop: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
    let mut hasher = D::new();
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    loop {
        if stop() {
            return Ok(None);
        }
        let read = read_full(file, &mut buffer, at)?;
        hasher.update(buffer.get(..read).unwrap_or_default());
        at += read as u64;
        if read < buffer.len() {
            return Ok(Some(hasher.finalize().to_vec()));
        }
    }
}

/// Fills the buffer from an offset on; returns fewer bytes only at the end of the file.
///
/// # Errors
/// When the file can't be read.
pub(super) fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
