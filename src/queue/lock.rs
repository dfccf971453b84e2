//! One process owns the folder.

use super::{QueueError, files};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Ownership of a queue's folder; given up when dropped.
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the folder, and writes this process's id into the file `lock`.
    pub(super) fn take(dir: &Path) -> Result<Self, QueueError> {
        let path = dir.join("lock");
        let failed = |e: std::io::Error| QueueError::io("locking", &path, &e);
        let mut file =
            files::own_file().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("it is no file")));
        }
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Whoever owns the folder may just be writing its number: then it stays unnamed.
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(QueueError::Locked { path: dir.to_owned(), pid });
            }
            Err(e) => return Err(failed(e.into())),
        }
        // The number only helps a message: a full disk must not keep anybody from opening the queue.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would do, were it not for a child process that is just being started and has it too. A
        // failure leaves it to that.
        let _ = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_at_once_and_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        match Lock::take(dir.path()) {
            Err(QueueError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{:?}", other.map(|_| ())),
        }
        drop(lock);
        assert!(Lock::take(dir.path()).is_ok());
    }
}
