//! A second look at a part file while it grows.

use super::part::same;
use super::{DiskError, PartFile, Place, digest};
use rustix::fs::{Mode, OFlags, fstat, openat};
use std::fs::File;
use std::path::PathBuf;

/// A part file opened once more, to be read or synced on another thread. It holds no lock: whoever outlives the writer
/// with it keeps nobody from the file.
#[derive(Debug)]
pub struct PartReader {
    file: File,
    path: PathBuf,
}

impl PartFile {
    /// Opens the same file once more.
    ///
    /// # Errors
    /// When that fails, or another file stands there now.
    pub fn reader(&self, place: &Place) -> Result<PartReader, DiskError> {
        const ACTION: &str = "open the part file once more";
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let name = place.part_name();
        let file = openat(place.folder(), name, flags, Mode::empty()).map_err(|e| place.error(ACTION, name, e))?;
        let (own, other) = (fstat(self.file()), fstat(&file));
        match (own, other) {
            (Ok(own), Ok(other)) if same(&own, &other) => {
                Ok(PartReader { file: file.into(), path: place.path_of(name) })
            }
            (Err(error), _) | (_, Err(error)) => Err(place.error(ACTION, name, error)),
            _ => Err(DiskError::busy(ACTION, place.path_of(name))),
        }
    }
}

impl PartReader {
    /// Reads from offset `at` until the buffer is full or the file ends; returns the number of bytes read.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, DiskError> {
        digest::read_full(&self.file, buffer, at).map_err(|e| DiskError::system("read", &self.path, e))
    }

    /// Makes durable what was written before this call (`fdatasync`), by whichever handle.
    ///
    /// # Errors
    /// When the disk can't take it; what was written since the last success must not be trusted then.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|e| DiskError::system("sync", &self.path, e))
    }
}
