//! How the queue fails.

use crate::model::{Clash, JobId, Source};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Why the queue could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueueError {
    /// Another process owns the folder.
    #[error("the queue {} is in use by {}; wait for it to end, or choose another folder with --queue", .path.display(), owner(.pid.as_ref()))]
    Locked {
        /// The queue's folder.
        path: PathBuf,
        /// Who owns it, where it said so.
        pid: Option<u32>,
    },
    /// Two sources want one destination; nothing was added.
    #[error(transparent)]
    Clash(Box<Clash>),
    /// One list gives a file two checksums of one kind, or two sizes; nothing was added.
    #[error("{0} stands twice in this list, with different checksums or sizes: keep the line that is right")]
    Contradiction(Box<Source>),
    /// No space, or no quota, for the queue itself.
    #[error("no space is left for the queue in {}; make some, then run ftpq again: nothing it confirmed is lost", .path.display())]
    Full {
        /// The queue's folder.
        path: PathBuf,
    },
    /// A limit of the system on this process is too low for the queue.
    #[error("{limit} for the queue in {}; raise the limit (`{how}`), then run ftpq again: nothing it confirmed is lost", .path.display())]
    Limited {
        /// The queue's folder, or a file in it.
        path: PathBuf,
        /// What is wanting, as the start of a sentence.
        limit: &'static str,
        /// What raises the limit.
        how: &'static str,
    },
    /// Written by a later version of ftpq.
    #[error("the queue in {} has form {found}, and this ftpq knows forms up to {known}; use the ftpq that wrote it, or a later one", .path.display())]
    Newer {
        /// The queue's folder.
        path: PathBuf,
        /// Version of the form that was found.
        found: u8,
        /// The latest version that is understood.
        known: u8,
    },
    /// What is stored can't be right.
    #[error("the queue in {} is damaged ({why}); run ftpq again: it rebuilds the queue from its manifests and journal", .path.display())]
    Damaged {
        /// The queue's folder.
        path: PathBuf,
        /// What was noticed.
        why: String,
    },
    /// The file system refused.
    #[error("{doing} {} failed: {why}; check the folder's owner, permissions and disk", .path.display())]
    Io {
        /// What was being done, as `writing`.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// Others can read a file that holds passwords.
    #[error("{} can be read by others; run `chmod 600` on it, and change the passwords in it if others use this machine", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Others can write to the queue's folder.
    #[error(
        "the folder {} is not this user's alone: others can change what is in it, and so what is fetched and where to; \
         run `chmod go-w` on it if it is yours, or choose another one with --queue",
        .path.display()
    )]
    Shared {
        /// The queue's folder.
        path: PathBuf,
    },
    /// There is no such job.
    #[error("there is no job {0} in the queue; `ftpq list` shows those there are")]
    NoSuchJob(JobId),
    /// More than one intake at a time, or one that ended already.
    #[error("this intake has ended; begin another one and hand the jobs over again")]
    IntakeEnded,
    /// The job's state doesn't allow it.
    #[error("{0}; `ftpq show` tells how the job stands")]
    Refused(String),
    /// The queue was closed.
    #[error("the queue is closed; open it again")]
    Closed,
}

fn owner(pid: Option<&u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl QueueError {
    /// The error of a file operation; a full disk and limits of the system are told apart.
    pub(super) fn io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match (error.kind(), errno) {
            (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => Self::Full { path: path.to_owned() },
            (io::ErrorKind::FileTooLarge, _) => {
                let (limit, how) = ("files may not be large enough here", "ulimit -f unlimited");
                Self::Limited { path: path.to_owned(), limit, how }
            }
            (_, Some(Errno::MFILE | Errno::NFILE)) => {
                Self::Limited { path: path.to_owned(), limit: "too few files may be open", how: "ulimit -n 1024" }
            }
            _ => Self::Io { doing, path: path.to_owned(), why: error.to_string() },
        }
    }

    /// Damage that was noticed.
    pub(super) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_and_every_text_names_the_next_act() {
        let full = QueueError::io("writing", Path::new("/q"), &io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, QueueError::Full { .. }), "{full:?}");
        for (errno, how) in [(Errno::FBIG, "ulimit -f unlimited"), (Errno::MFILE, "ulimit -n")] {
            let limited = QueueError::io("writing", Path::new("/q"), &io::Error::from(errno));
            assert!(limited.to_string().contains(how), "{limited}");
        }
        let locked = QueueError::Locked { path: "/q".into(), pid: Some(7) };
        assert_eq!(
            locked.to_string(),
            "the queue /q is in use by process 7; wait for it to end, or choose another folder with --queue"
        );
    }
}
