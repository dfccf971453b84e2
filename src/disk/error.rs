//! What local storage refuses, and the next act.

use crate::model::{Cause, Failure, Stage, printable};
use rustix::io::Errno;
use std::{fmt, io, path::Path};

/// Longest path shown in a message, in characters.
const SHOWN: usize = 400;

/// An act on the local file system that failed.
#[derive(Debug)]
pub struct DiskError {
    action: &'static str,
    path: String,
    why: Why,
    /// It is about the folder that files are moved to before others replace them.
    is_backup: bool,
}

#[derive(Debug)]
enum Why {
    /// The system's word.
    System(io::Error),
    /// What stands under the name is not to be touched.
    Taken(&'static str),
    /// A link where only real folders are allowed.
    Link,
    /// Another process holds the file.
    Busy,
    /// The folder can't be written, whatever the file.
    Unwritable(io::Error),
}

impl DiskError {
    /// The system refused.
    pub(super) fn system(action: &'static str, path: impl AsRef<Path>, error: impl Into<io::Error>) -> Self {
        Self::new(action, path, Why::System(error.into()))
    }

    /// Something stands there that ftpq must not touch; `what` it is, in a few words.
    pub(super) fn taken(action: &'static str, path: impl AsRef<Path>, what: &'static str) -> Self {
        Self::new(action, path, Why::Taken(what))
    }

    /// A component below the user's folder is a link.
    pub(super) fn link(action: &'static str, path: impl AsRef<Path>) -> Self {
        Self::new(action, path, Why::Link)
    }

    /// The folder can't be written, whatever the file.
    pub(super) fn unwritable(action: &'static str, path: impl AsRef<Path>, error: impl Into<io::Error>) -> Self {
        Self::new(action, path, Why::Unwritable(error.into()))
    }

    /// Another process holds the file.
    pub(super) fn busy(action: &'static str, path: impl AsRef<Path>) -> Self {
        Self::new(action, path, Why::Busy)
    }

    fn new(action: &'static str, path: impl AsRef<Path>, why: Why) -> Self {
        Self { action, path: printable(&path.as_ref().to_string_lossy(), SHOWN), why, is_backup: false }
    }

    /// The same, of the backup folder.
    pub(super) fn of_backup(self) -> Self {
        Self { is_backup: true, ..self }
    }

    fn errno(&self) -> Option<Errno> {
        match &self.why {
            Why::System(error) | Why::Unwritable(error) => error.raw_os_error().map(Errno::from_raw_os_error),
            Why::Taken(_) | Why::Link | Why::Busy => None,
        }
    }

    /// Whether the file system, or the user's quota on it, is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOSPC | Errno::DQUOT))
    }

    /// Whether something stands in the way that ftpq did not put there: a link, a folder, a file that is no file.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        matches!(self.why, Why::Taken(_) | Why::Link)
    }

    /// What went wrong, for the engine's decisions: disk full or read-only, something in the way, or another local error.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match (&self.why, self.errno()) {
            (_, Some(Errno::NOSPC | Errno::DQUOT)) => Cause::DiskFull,
            (_, Some(Errno::FBIG)) => Cause::FileTooLarge,
            (_, Some(Errno::MFILE | Errno::NFILE)) => Cause::Descriptors,
            _ if self.is_backup => Cause::Backup,
            (Why::Unwritable(_), _) | (_, Some(Errno::ROFS)) => Cause::ReadOnly,
            (Why::Taken(_), _) => Cause::Exists,
            (Why::System(_) | Why::Link | Why::Busy, _) => Cause::LocalIo,
        }
    }

    /// The failure of an attempt at that stage, with what to do next.
    #[must_use]
    pub fn into_failure(self, stage: Stage) -> Failure {
        Failure::local(stage, self.cause(), self.to_string()).with_advice(self.advice())
    }

    fn advice(&self) -> &'static str {
        match (&self.why, self.errno()) {
            _ if self.cause() == Cause::Backup => {
                "the file here stays until then: make that folder writable, or give the command again with another \
                 --backup-dir, one on the file system of the file"
            }
            (Why::Taken(_), _) => "move it away or choose another destination, then `ftpq retry`",
            (Why::Link, _) => {
                "ftpq follows no links below the folder given with --into: name the real folder there, or make it a folder"
            }
            (Why::Busy, _) => "wait until it is done, or stop it, then `ftpq retry`",
            (_, Some(Errno::NOSPC)) => "make space on that file system, then `ftpq run`: what is there is continued",
            (_, Some(Errno::DQUOT)) => "your quota is used up: make space, then `ftpq run`: what is there is continued",
            (Why::Unwritable(_), Some(Errno::ACCESS | Errno::PERM)) => {
                "get write permission to the folder, then `ftpq run`; or add the files again with another --into"
            }
            (_, Some(Errno::ACCESS | Errno::PERM)) => {
                "get write permission to the folder and to what stands there, then `ftpq retry`"
            }
            (_, Some(Errno::ROFS)) => {
                "make the file system writable, then `ftpq run`; or add the files again with another --into"
            }
            (_, Some(Errno::NAMETOOLONG)) => "give the file a shorter destination in the manifest",
            (_, Some(Errno::FBIG)) => {
                "raise the limit on file sizes (`ulimit -f unlimited`), then `ftpq run`; where the file system itself holds \
                 no file this large, add it again with another --into"
            }
            (_, Some(Errno::MFILE | Errno::NFILE)) => "raise the limit on open files (`ulimit -n`), then `ftpq run`",
            (_, Some(Errno::IO)) => "the disk reports damage: check it before anything else",
            _ => "mend it, then `ftpq retry`",
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't {} {}: ", self.action, self.path)?;
        match &self.why {
            Why::System(error) | Why::Unwritable(error) => {
                let text = error.to_string();
                f.write_str(text.split(" (os error").next().unwrap_or(&text))
            }
            Why::Taken(what) => write!(f, "{what}"),
            Why::Link => f.write_str("it is a symbolic link"),
            Why::Busy => f.write_str("another ftpq is writing this file"),
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::System(error) | Why::Unwritable(error) => Some(error),
            Why::Taken(_) | Why::Link | Why::Busy => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;

    #[test]
    fn a_full_disk_is_told_apart_and_names_the_next_act() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            let error = DiskError::system("write", "/data/x", errno);
            assert!(error.is_full());
            let failure = error.into_failure(Stage::Store);
            assert_eq!((failure.kind, failure.cause), (FailureKind::Local, Cause::DiskFull));
            assert!(failure.to_string().contains("make space"), "{failure}");
        }
        assert!(!DiskError::system("write", "/data/x", Errno::IO).is_full());
    }

    #[test]
    fn what_a_new_run_can_go_on_with_is_told_apart_from_what_is_wrong_with_one_file() {
        let cause = |errno| DiskError::system("write", "/data/x", errno).cause();
        assert_eq!(cause(Errno::ROFS), Cause::ReadOnly);
        assert_eq!(cause(Errno::FBIG), Cause::FileTooLarge);
        assert_eq!([Errno::MFILE, Errno::NFILE].map(cause), [Cause::Descriptors; 2]);
        // A file that may not be opened says nothing of its folder.
        assert_eq!(cause(Errno::ACCESS), Cause::LocalIo);
        assert_eq!(DiskError::unwritable("write to", "/data", Errno::ACCESS).cause(), Cause::ReadOnly);
        assert_eq!(DiskError::unwritable("write to", "/data", Errno::NFILE).cause(), Cause::Descriptors);
        assert!(!cause(Errno::IO).is_held_back() && cause(Errno::ROFS).is_held_back());
    }

    #[test]
    fn the_path_in_a_message_can_not_drive_a_terminal() {
        let text = DiskError::system("open", "/a\u{1b}[2J", Errno::ACCESS).to_string();
        assert_eq!(text, "can't open /a\\u{1b}[2J: Permission denied");
    }
}
