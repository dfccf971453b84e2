//! The way from a socket to a part file on which no byte passes through this program's memory.

use super::{DiskError, PartFile};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes a pipe should hold. Twice as many save nothing that can be measured, and would use up what an account may keep
/// in pipes (`/proc/sys/fs/pipe-user-pages-soft`) with 64 of them.
const WANTED: usize = 512 * 1024;
/// With a smaller pipe, reading and writing costs less.
const LEAST: usize = 128 * 1024;

/// A pipe between a socket and a file. It is empty between any two uses, or it is dropped.
#[derive(Debug)]
pub struct Pipe {
    inlet: OwnedFd,
    outlet: File,
    capacity: usize,
}

impl Pipe {
    /// A pipe; nothing where the system gives none that is large enough to pay.
    #[must_use]
    pub fn open() -> Option<Self> {
        // Empty means empty: whoever asks for bytes that aren't there is told so, and does not wait.
        let (outlet, inlet) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        let mut size = WANTED;
        while size >= LEAST && fcntl_setpipe_size(&inlet, size).is_err() {
            size /= 2;
        }
        let capacity = fcntl_getpipe_size(&inlet).ok()?;
        (capacity >= LEAST).then(|| Self { inlet, outlet: File::from(outlet), capacity })
    }

    /// Where bytes go in.
    #[must_use]
    pub fn inlet(&self) -> BorrowedFd<'_> {
        self.inlet.as_fd()
    }

    /// Bytes it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

impl PartFile {
    /// Moves up to `count` bytes out of the pipe to offset `at`; returns how many went, or nothing where this file
    /// system can't take them so: then they are still in the pipe.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn splice_at(&self, pipe: &Pipe, count: usize, at: u64) -> Result<Option<usize>, DiskError> {
        // The pipe's own mode does not count here: without the flag, an empty one would be waited for.
        const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
        let mut offset = at;
        loop {
            return match splice(&pipe.outlet, None, self.file(), Some(&mut offset), count, FLAGS) {
                Ok(0) => Err(self.error("write", io::ErrorKind::WriteZero.into())),
                Ok(moved) => Ok(Some(moved)),
                Err(Errno::INTR) => continue,
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(None),
                Err(error) => Err(self.error("write", error.into())),
            };
        }
    }

    /// Writes `count` bytes that lie in the pipe to offset `at`, through memory.
    ///
    /// # Errors
    /// When they can't be written, or the pipe holds fewer.
    pub fn drain_at(&self, pipe: &Pipe, count: usize, at: u64) -> Result<(), DiskError> {
        let mut bytes = vec![0; count];
        (&pipe.outlet).read_exact(&mut bytes).map_err(|e| self.error("write", e))?;
        self.write_at(&bytes, at)
    }
}
