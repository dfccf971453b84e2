//! How much can still be written where.

use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file system, as it is seen from one folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The file system's number.
    pub device: u64,
    /// Bytes that this user may still write there; `u64::MAX` where it does not say.
    pub free: u64,
}

impl Room {
    /// The file system of a folder; of the nearest folder above it where it is still to be made.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub fn at(folder: &Path) -> io::Result<Self> {
        let mut there = folder;
        loop {
            match (std::fs::metadata(there), there.parent()) {
                (Ok(meta), _) => return Ok(Self { device: meta.dev(), free: free(there)? }),
                (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => there = above,
                (Err(error), _) => return Err(error),
            }
        }
    }
}

fn free(folder: &Path) -> io::Result<u64> {
    let stat = statvfs(folder)?;
    // Some file systems in user space don't tell.
    Ok(if stat.f_blocks > 0 { stat.f_bavail.saturating_mul(stat.f_frsize) } else { u64::MAX })
}

/// The most bytes that this process may write to one file (`RLIMIT_FSIZE`); nothing where there is no such limit.
#[must_use]
pub fn largest_file() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}
