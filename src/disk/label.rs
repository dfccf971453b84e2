//! What a part file is the beginning of, written on the file itself.
//!
//! A kill -9 may come before the queue's record of a file is durable; an extended attribute is there at once, costs one
//! system call, and goes where the file goes. It outlives the process, not surely the machine: after a machine crash
//! only what the queue recorded counts.

use super::{DiskError, PartFile, Place};
use crate::model::{Progress, Source};
use rustix::fs::{Mode, OFlags, XattrFlags, fgetxattr, fremovexattr, fsetxattr, fsync, openat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;

/// What stands on a part file. Another source's part file under the same name is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The remote file.
    pub source: Source,
    /// What of it the part file holds.
    pub progress: Progress,
}

const NAME: &str = "user.ftpq.part";
/// A longer label is none of ours.
const LIMIT: usize = 4096;

impl PartFile {
    /// Writes the label. Returns whether the file system can keep one.
    ///
    /// # Errors
    /// When the disk refuses for want of space or for another reason of its own.
    pub fn set_label(&self, source: &Source, progress: &Progress) -> Result<bool, DiskError> {
        write(self.file(), source, progress).map_err(|error| self.error("label", error.into()))
    }

    /// Takes the label off; a file under its final name needs none. Where that fails, it does no harm.
    pub fn clear_label(&self) {
        let _ = fremovexattr(self.file(), NAME);
    }
}

impl Place {
    /// The label of the part file; nothing where there is no part file, or no label that can be read.
    ///
    /// # Errors
    /// When the part file can't be opened.
    pub fn part_label(&self) -> Result<Option<Label>, DiskError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(self.folder(), self.part_name(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.error("read the label of", self.part_name(), error)),
        };
        let mut text = vec![0; LIMIT];
        let length = fgetxattr(&file, NAME, text.as_mut_slice()).unwrap_or(0);
        Ok(serde_json::from_slice(text.get(..length).unwrap_or_default()).ok())
    }

    /// Makes the file under the final name durable and labels it, so that it can be taken over without a moment at which
    /// nobody knows what it is. Returns whether the file system can keep a label.
    ///
    /// # Errors
    /// When the file can't be opened, or the disk refuses.
    pub fn label_final(&self, source: &Source, progress: &Progress) -> Result<bool, DiskError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let failed = |error| self.error("label", self.final_name(), error);
        let file = openat(self.folder(), self.final_name(), flags, Mode::empty()).map_err(failed)?;
        fsync(&file).map_err(failed)?;
        write(&file, source, progress).map_err(failed)
    }

    /// Takes a label off the file under the final name, which a crash just after its rename left there.
    pub fn clear_final_label(&self) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if let Ok(file) = openat(self.folder(), self.final_name(), flags, Mode::empty()) {
            let _ = fremovexattr(&file, NAME);
        }
    }
}

fn write(file: impl AsFd, source: &Source, progress: &Progress) -> Result<bool, Errno> {
    // The source once is enough.
    let label = Label { source: source.clone(), progress: Progress { source: None, ..progress.clone() } };
    let Ok(text) = serde_json::to_vec(&label) else { return Ok(false) };
    if text.len() > LIMIT {
        return Ok(false);
    }
    match fsetxattr(file, NAME, &text, XattrFlags::empty()) {
        Ok(()) => Ok(true),
        // Too little room for attributes is no want of space for data: ext4 keeps them in one block.
        Err(Errno::NOTSUP | Errno::NOSYS | Errno::PERM | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => Ok(false),
        Err(error) => Err(error),
    }
}
