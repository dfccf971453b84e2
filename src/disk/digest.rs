//! Digests, and digests of whole files.

use crate::model::{Algorithm, Span};
use md5::{Digest, Md5};
use ring::digest::{Context, SHA256, SHA512};
use sha1::Sha1;
use std::{fs::File, io, os::unix::fs::FileExt};

/// Bytes read at a time: they are still in the processor's cache when they are hashed.
const STEP: usize = 256 * 1024;

/// A digest under way. SHA-256 and SHA-512 are ring's, which is the quicker, on processors without instructions for them
/// by far; MD5 it has not, and its SHA-1 uses no such instructions where there are some.
pub struct Hasher(Inner);

enum Inner {
    Crc32(crc32fast::Hasher),
    BsdSum { sum: u16, length: u64 },
    Cksum { crc: crc32fast::Hasher, length: u64 },
    Md5(Md5),
    Sha1(Sha1),
    Ring(Context),
}

impl Hasher {
    /// The digest of nothing yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Crc32 => Inner::Crc32(crc32fast::Hasher::new()),
            Algorithm::BsdSum => Inner::BsdSum { sum: 0, length: 0 },
            // `cksum` begins with zeros, the usual CRC-32 with ones.
            Algorithm::Cksum => Inner::Cksum { crc: crc32fast::Hasher::new_with_initial(u32::MAX), length: 0 },
            Algorithm::Md5 => Inner::Md5(Md5::new()),
            Algorithm::Sha1 => Inner::Sha1(Sha1::new()),
            Algorithm::Sha256 => Inner::Ring(Context::new(&SHA256)),
            Algorithm::Sha512 => Inner::Ring(Context::new(&SHA512)),
        })
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Crc32(crc) => crc.update(bytes),
            Inner::BsdSum { sum, length } => {
                *sum = bytes.iter().fold(*sum, |sum, &byte| sum.rotate_right(1).wrapping_add(u16::from(byte)));
                *length += bytes.len() as u64;
            }
            Inner::Cksum { crc, length } => {
                update_mirrored(crc, bytes);
                *length += bytes.len() as u64;
            }
            Inner::Md5(md5) => md5.update(bytes),
            Inner::Sha1(sha1) => sha1.update(bytes),
            Inner::Ring(context) => context.update(bytes),
        }
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            Inner::Crc32(crc) => crc.finalize().to_be_bytes().to_vec(),
            Inner::BsdSum { sum, length } => {
                [sum.to_be_bytes().as_slice(), &length.div_ceil(1024).to_be_bytes()].concat()
            }
            Inner::Cksum { mut crc, length } => {
                let number = length.to_le_bytes();
                let used = number.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                update_mirrored(&mut crc, number.get(..used).unwrap_or_default());
                [crc.finalize().reverse_bits().to_be_bytes().as_slice(), &length.to_be_bytes()].concat()
            }
            Inner::Md5(md5) => md5.finalize().to_vec(),
            Inner::Sha1(sha1) => sha1.finalize().to_vec(),
            Inner::Ring(context) => context.finish().as_ref().to_vec(),
        }
    }
}

/// POSIX `cksum` (IEEE 1003.1) has the polynomial of the usual CRC-32, and takes each byte's highest bit first instead of
/// its lowest; so does the usual one, of bytes with their bits in the other order.
fn update_mirrored(crc: &mut crc32fast::Hasher, bytes: &[u8]) {
    let mut mirrored = [0; 4096];
    for part in bytes.chunks(mirrored.len()) {
        let mirrored = mirrored.get_mut(..part.len()).unwrap_or_default();
        mirrored.iter_mut().zip(part).for_each(|(to, from)| *to = from.reverse_bits());
        crc.update(mirrored);
    }
}

/// The digest of a file from its first byte to its last, or `None` when `stop` said so in between.
///
/// # Errors
/// When the file can't be read.
pub(super) fn digest(file: &File, algorithm: Algorithm, stop: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
    range(file, algorithm, Span { start: 0, end: u64::MAX }, stop)
}

/// The digest of a part of a file, or of as much of it as there is.
///
/// # Errors
/// When the file can't be read.
pub(super) fn range(
    file: &File,
    algorithm: Algorithm,
    span: Span,
    stop: &dyn Fn() -> bool,
) -> io::Result<Option<Vec<u8>>> {
    let mut hasher = Hasher::new(algorithm);
    let done = read_all(file, span, stop, &mut |bytes| hasher.update(bytes))?;
    Ok(done.then(|| hasher.finish()))
}

/// Hands a part of a file over, piece by piece, as far as the file goes. Returns false when `stop` said so in between.
///
/// # Errors
/// When the file can't be read.
pub(super) fn read_all(
    file: &File,
    span: Span,
    stop: &dyn Fn() -> bool,
    take: &mut dyn FnMut(&[u8]),
) -> io::Result<bool> {
    let mut buffer = vec![0; STEP];
    let mut at = span.start;
    loop {
        if stop() {
            return Ok(false);
        }
        let left = usize::try_from(span.end.saturating_sub(at)).unwrap_or(STEP).min(STEP);
        let read = read_full(file, buffer.get_mut(..left).unwrap_or_default(), at)?;
        take(buffer.get(..read).unwrap_or_default());
        at += read as u64;
        if read < STEP {
            return Ok(true);
        }
    }
}

/// The digest of some bytes.
#[must_use]
pub fn digest_of(bytes: &[u8], algorithm: Algorithm) -> Vec<u8> {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
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
