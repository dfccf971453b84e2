//! The 500 files: what they are called, where they lie, and every version that they ever have.

use crate::support::{bytes::Dice, pseudo_random};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::Arc};

/// Files of a storm.
pub(crate) const FILES: usize = 500;
/// Time of every file's first version: 2024-02-29 12:34:56 UTC.
const MODIFIED: u64 = 1_709_210_096;

/// One version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Makes its bytes.
    seed: u64,
    /// Its length.
    pub(crate) len: usize,
    /// Bytes at its beginning that are those of the version before: a file that grows.
    kept: usize,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) modified: u64,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Which server has it.
    pub(crate) server: usize,
    /// Its path there and here.
    pub(crate) path: String,
    /// Whether it is fetched as a user rather than anonymously.
    pub(crate) login: bool,
    /// Whether the manifest tells its size.
    pub(crate) tells_size: bool,
    /// Whether the manifest tells its checksum.
    pub(crate) tells_sum: bool,
    /// What it is, one after the other.
    pub(crate) versions: Vec<Version>,
}

impl Planned {
    /// One of the mix: mostly small, some of some MiB, a few that are worth to be split.
    pub(crate) fn draw(number: usize, server: usize, large: bool, dice: &mut Dice) -> Self {
        let len = if large { dice.between(17 << 20, 21 << 20) } else { length(dice) };
        let version = Version {
            seed: dice.next(),
            len: usize::try_from(len).unwrap(),
            kept: 0,
            modified: MODIFIED + 1000 * number as u64,
        };
        Self {
            server,
            path: name(number, dice),
            login: dice.between(0, 3) == 0,
            tells_size: dice.between(0, 2) == 0,
            tells_sum: dice.between(0, 5) == 0,
            versions: vec![version],
        }
    }

    /// Adds a version: of the same length, of another, or a longer one that begins with the last one.
    pub(crate) fn add_version(&mut self, dice: &mut Dice) {
        let last = *self.versions.last().unwrap();
        let (len, kept) = match dice.between(0, 3) {
            0 => (last.len, 0),
            1 => (usize::try_from(length(dice)).unwrap(), 0),
            _ => (last.len + usize::try_from(dice.between(1, 200_000)).unwrap(), last.len),
        };
        self.versions.push(Version { seed: dice.next(), len, kept, modified: last.modified + 60 });
    }

    /// The bytes of every version.
    pub(crate) fn contents(&self) -> Vec<Arc<Vec<u8>>> {
        let mut all: Vec<Arc<Vec<u8>>> = Vec::new();
        for version in &self.versions {
            let mut bytes = pseudo_random(version.seed, version.len);
            if version.kept > 0 {
                bytes[..version.kept].copy_from_slice(all.last().unwrap());
            }
            all.push(Arc::new(bytes));
        }
        all
    }

    /// The line of the manifest.
    pub(crate) fn line(&self, scheme: &str, site: &str, first: &[u8]) -> String {
        let user = if self.login { "user:password@" } else { "" };
        let mut line = json!({"url": format!("{scheme}://{user}{site}/{}", encoded(&self.path)), "path": self.path});
        if self.tells_size {
            line["size"] = first.len().into();
        }
        if self.tells_sum {
            let digest: String = Sha256::digest(first).iter().map(|b| format!("{b:02x}")).collect();
            line["checksum"] = format!("sha-256={digest}").into();
        }
        format!("{line}\n")
    }
}

/// 70 % up to 64 KiB, some of them empty and many of one length; 26 % up to 1 MiB; 4 % up to 6 MiB.
fn length(dice: &mut Dice) -> u64 {
    match dice.between(0, 100) {
        0..4 => 0,
        4..20 => 4096,
        20..70 => dice.between(1, 64 << 10),
        70..96 => dice.between(64 << 10, 1 << 20),
        _ => dice.between(1 << 20, 6 << 20),
    }
}

fn name(number: usize, dice: &mut Dice) -> String {
    let folder = dice.between(0, 9);
    let name = match dice.between(0, 8) {
        0 => format!("with spaces {number}.bin"),
        1 => format!("Größe-{number}-日本.bin"),
        2 => format!("a+b%20c#{number};x=1?.bin"),
        3 => format!("[{number}] 'quoted'.tar.gz"),
        _ => format!("f{number}.bin"),
    };
    if folder == 0 { name } else { format!("d{folder}/{name}") }
}

fn encoded(path: &str) -> String {
    let mut url = String::new();
    for &byte in path.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._".contains(&byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").unwrap();
        }
    }
    url
}
