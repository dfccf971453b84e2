//! The file that bytes are written to until it is whole.

use super::survey::{self, Surveyed, Wanted};
use super::{DiskError, Found, Place, digest};
use crate::model::{Algorithm, Span};
use rustix::fs::{
    Advice, AtFlags, FallocateFlags, FlockOperation, Mode, OFlags, Stat, StatxFlags, Timespec, Timestamps, UTIME_OMIT,
    fadvise, fallocate, flock, fstat, futimens, openat, renameat, statx, unlinkat,
};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

const OPEN: &str = "open the part file";
/// How often a part file that is renamed away under our hands is opened again.
const TRIES: usize = 5;

/// An open part file, locked against other processes until it is dropped.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    path: PathBuf,
}

/// Length and time of a part file at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    size: i64,
    seconds: i64,
    nanoseconds: i64,
}

/// Opens, checks and locks the part file of a place.
pub(super) fn open(place: &Place) -> Result<PartFile, DiskError> {
    let name = place.part_name();
    // NONBLOCK: a pipe or device planted under the name must not hold us up before it is refused.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    for _ in 0..TRIES {
        // The kernel takes the umask off, so that the final file has the mode of any new file.
        let file = match openat(place.folder(), name, flags, Mode::from_bits_truncate(0o666)) {
            Ok(file) => file,
            Err(error) => {
                // A link, a folder or a device says so better than its error code does.
                if let Some(stat) = place.stat(name)? {
                    place.regular(name, &stat)?;
                }
                if matches!(error, Errno::ACCESS | Errno::PERM) {
                    // Not this file alone, where the folder can't be written.
                    place.check_writable()?;
                }
                return Err(place.error(OPEN, name, error));
            }
        };
        let stat = fstat(&file).map_err(|e| place.error(OPEN, name, e))?;
        place.regular(name, &stat)?;
        place.must_be_own(OPEN, name, &stat)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // File systems without locks: the queue's own lock has to do.
            Ok(()) | Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => {}
            Err(Errno::WOULDBLOCK) => return Err(DiskError::busy(OPEN, place.path_of(name))),
            Err(error) => return Err(place.error("lock the part file", name, error)),
        }
        // Between opening and locking, its last holder may have given it the final name: never write to that.
        if !place.stat(name)?.is_some_and(|now| same(&now, &stat)) {
            continue;
        }
        if fstat(&file).map_err(|e| place.error(OPEN, name, e))?.st_nlink == 1 {
            return Ok(PartFile { file: file.into(), path: place.path_of(name) });
        }
        if place.stat(place.final_name())?.is_some_and(|whole| same(&whole, &stat)) {
            // A crash between linking the final name and deleting this one: the file is whole under the other.
            unlinkat(place.folder(), name, AtFlags::empty()).map_err(|e| place.error("delete", name, e))?;
        } else {
            return Err(DiskError::taken(OPEN, place.path_of(name), "it has further names (hard links)"));
        }
    }
    Err(DiskError::busy(OPEN, place.path_of(name)))
}

pub(super) fn same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

impl PartFile {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The same open file once more. It stays locked until both are dropped.
    ///
    /// # Errors
    /// When the system has no more files to give.
    pub fn share(&self) -> Result<Self, DiskError> {
        let file = self.file.try_clone().map_err(|e| self.error("share", e))?;
        Ok(Self { file, path: self.path.clone() })
    }

    /// Length in bytes.
    ///
    /// # Errors
    /// When the system doesn't say.
    pub fn len(&self) -> Result<u64, DiskError> {
        self.file.metadata().map(|meta| meta.len()).map_err(|e| self.error("look at", e))
    }

    /// Bytes of the disk that belong to it; where it has holes that is less than its length.
    ///
    /// # Errors
    /// When the system doesn't say.
    pub fn allocated(&self) -> Result<u64, DiskError> {
        let blocks = self.file.metadata().map_err(|e| self.error("look at", e))?.blocks();
        Ok(blocks.saturating_mul(512))
    }

    /// Whether it holds no byte.
    ///
    /// # Errors
    /// As [`PartFile::len`].
    pub fn is_empty(&self) -> Result<bool, DiskError> {
        self.len().map(|len| len == 0)
    }

    /// Cuts or extends it to `len` bytes; also gives back what was allocated beyond.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len).map_err(|e| self.error("cut", e))
    }

    /// Reads from offset `at` until the buffer is full or the file ends; returns the number of bytes read.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, DiskError> {
        digest::read_full(&self.file, buffer, at).map_err(|e| self.error("read", e))
    }

    /// Writes all bytes at offset `at`.
    ///
    /// # Errors
    /// When it can't be written; some of the bytes may have been.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        self.file.write_all_at(bytes, at).map_err(|e| self.error("write", e))
    }

    /// Reserves space for a file of `len` bytes without changing its length; does nothing where the file system can't.
    ///
    /// A length that nothing can have is none to reserve: it is a server's tale, and what arrives will show. In memory
    /// (tmpfs) nothing is reserved: to fill the pages twice costs a tenth of a transfer's time, and gains no order on a disk.
    ///
    /// # Errors
    /// When there is no space for it ([`DiskError::is_full`]), or the file system holds no file so large.
    pub fn allocate(&self, len: u64) -> Result<(), DiskError> {
        if len == 0 || self.is_in_memory() {
            return Ok(());
        }
        loop {
            match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, len) {
                Err(Errno::INTR) => {}
                Ok(()) | Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => return Ok(()),
                Err(error) => return Err(self.error("reserve space for", error.into())),
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn is_in_memory(&self) -> bool {
        // TMPFS_MAGIC of linux/magic.h.
        rustix::fs::fstatfs(&self.file).is_ok_and(|stat| i128::from(stat.f_type) == 0x0102_1994)
    }

    #[cfg(not(target_os = "linux"))]
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Makes its bytes and length durable (`fdatasync`).
    ///
    /// # Errors
    /// When the disk can't take them; what was written since the last success must not be trusted then.
    pub fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|e| self.error("sync", e))
    }

    /// Starts to write its bytes to the disk, without waiting for them. A hint: where it is not taken, nothing is lost.
    pub fn begin_writing_back(&self) {
        // Bytes that are still to be written are not dropped, as the name might make one fear; their writing begins.
        let _ = fadvise(&self.file, 0, None, Advice::DontNeed);
    }

    /// Makes bytes, length and times durable (fsync): the last step before the final name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn seal(&self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(|e| self.error("sync", e))
    }

    /// Sets the modification time, in seconds since 1970-01-01 UTC. Later writes change it again.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set_modified(&self, unix_seconds: i64) -> Result<(), DiskError> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: unix_seconds, tv_nsec: 0 },
        };
        futimens(&self.file, &times).map_err(|e| self.error("set the time of", e.into()))
    }

    /// The digest of the whole file; `None` when `stop` said so in between. `stop` is asked several times a MiB.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn digest(&self, algorithm: Algorithm, stop: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>, DiskError> {
        digest::digest(&self.file, algorithm, stop).map_err(|e| self.error("read", e))
    }

    /// Surveys the whole file; `None` when `stop` said so in between.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn survey(&self, wanted: &Wanted, stop: &dyn Fn() -> bool) -> Result<Option<Surveyed>, DiskError> {
        survey::survey(&self.file, wanted, stop).map_err(|e| self.error("read", e))
    }

    /// The digest of a part of the file; `None` when `stop` said so in between.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn digest_of_range(
        &self,
        algorithm: Algorithm,
        span: Span,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<u8>>, DiskError> {
        digest::range(&self.file, algorithm, span, stop).map_err(|e| self.error("read", e))
    }

    /// Makes sure that nobody has cut it shorter than `least` bytes: what is written behind a cut leaves a hole.
    ///
    /// # Errors
    /// When somebody has, or the system doesn't say.
    pub fn must_reach(&self, least: u64) -> Result<(), DiskError> {
        // Of the size alone: a network file system writes out all it holds before it tells a time.
        let size = match statx(&self.file, c"", AtFlags::EMPTY_PATH, StatxFlags::SIZE) {
            Ok(stat) => stat.stx_size,
            Err(_) => self.len()?,
        };
        if size >= least { Ok(()) } else { Err(self.touched()) }
    }

    /// What shows whether it was written to since.
    ///
    /// # Errors
    /// When the system doesn't say.
    pub fn stamp(&self) -> Result<Stamp, DiskError> {
        let stat = fstat(&self.file).map_err(|e| self.error("look at", e.into()))?;
        Ok(Stamp {
            size: stat.st_size,
            seconds: stat.st_mtime,
            nanoseconds: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
        })
    }

    /// Makes sure that nobody has written to it since it had that stamp.
    ///
    /// # Errors
    /// When somebody has, or the system doesn't say.
    pub fn must_be_as(&self, stamp: Stamp) -> Result<(), DiskError> {
        if self.stamp()? == stamp { Ok(()) } else { Err(self.touched()) }
    }

    fn touched(&self) -> DiskError {
        self.error("finish", std::io::Error::other("another program changed it while it was written"))
    }

    /// Gives the file its final name. A regular file of that name goes where it is still the one in `replaces`; nothing
    /// else is ever replaced. The name is durable after [`Place::sync_dir`].
    ///
    /// # Errors
    /// When something is in the way, or the part name no longer leads to this file.
    pub fn rename_to_final(&self, place: &Place, replaces: Option<Found>) -> Result<(), DiskError> {
        let own = fstat(&self.file).map_err(|e| self.error("look at", e.into()))?;
        if !place.stat(place.part_name())?.is_some_and(|now| same(&now, &own)) {
            let text = "it was moved or replaced while it was written";
            return Err(self.error("finish", std::io::Error::other(text)));
        }
        if let Some(replaces) = replaces {
            // Refuses links and folders too.
            if place.final_file()?.is_some_and(|now| now != replaces) {
                let path = place.path_of(place.final_name());
                return Err(DiskError::taken("replace", path, "it was changed while the new one was fetched"));
            }
            renameat(place.folder(), place.part_name(), place.folder(), place.final_name())
                .map_err(|e| place.error("replace", place.final_name(), e))
        } else {
            place.rename_new(place.part_name(), place.final_name())
        }
    }

    pub(super) fn error(&self, action: &'static str, error: std::io::Error) -> DiskError {
        DiskError::system(action, &self.path, error)
    }
}
