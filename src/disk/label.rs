//! What a part file is the beginning of, written on the file itself.
//!
//! A kill -9 may come before the queue's record of a file is durable; an extended attribute is there at once, costs one
//! system call, and goes where the file goes. It outlives the process, not surely the machine: after a machine crash
//! only what the queue recorded counts.

use super::{DiskError, PartFile, Place};
use crate::model::{Progress, Source};
use rustix::fs::{Mode, OFlags, XattrFlags, fgetxattr, fremovexattr, fsetxattr, openat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// The label's form. Another source's part file under the same name is none of ours.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    source: Source,
    progress: Progress,
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
        let label = Label { source: source.clone(), progress: progress.clone() };
        let Ok(text) = serde_json::to_vec(&label) else { return Ok(false) };
        if text.len() > LIMIT {
            return Ok(false);
        }
        match fsetxattr(self.file(), NAME, &text, XattrFlags::empty()) {
            Ok(()) => Ok(true),
            // Too little room for attributes is no want of space for data: ext4 keeps them in one block.
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::PERM | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => Ok(false),
            Err(error) => Err(self.error("label", error.into())),
        }
    }

    /// Takes the label off; a file under its final name needs none. Where that fails, it does no harm.
    pub fn clear_label(&self) {
        let _ = fremovexattr(self.file(), NAME);
    }
}

impl Place {
    /// The label of the part file; nothing where there is no part file, or no label that can be read, or one of
    /// another source.
    ///
    /// # Errors
    /// When the part file can't be opened.
    pub fn part_label(&self, source: &Source) -> Result<Option<Progress>, DiskError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(self.folder(), self.part_name(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.error("read the label of", self.part_name(), error)),
        };
        let mut text = vec![0; LIMIT];
        let length = fgetxattr(&file, NAME, text.as_mut_slice()).unwrap_or(0);
        let label: Option<Label> = serde_json::from_slice(text.get(..length).unwrap_or_default()).ok();
        Ok(label.filter(|label| label.source == *source).map(|label| label.progress))
    }

    /// Takes a label off the file under the final name, which a crash just after its rename left there.
    pub fn clear_final_label(&self) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if let Ok(file) = openat(self.folder(), self.final_name(), flags, Mode::empty()) {
            let _ = fremovexattr(&file, NAME);
        }
    }
}
