//! A file's place: its folder, its final name and the names it has before it is whole.

use super::survey::{self, Surveyed, Wanted};
use super::{DiskError, PartFile, digest, folder, name, part};
use crate::model::{Algorithm, Cause, Destination, printable};
use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, accessat, fstat, fstatvfs, linkat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Files that are kept of those that turned out to be wrong.
const MOST_WRONG: u32 = 1000;

/// An open folder with the names of one file in it. A name that moves elsewhere after opening can't redirect it.
#[derive(Debug)]
pub struct Place {
    folder: OwnedFd,
    device: u64,
    inode: u64,
    final_name: String,
    part_name: String,
    old_name: String,
    full: PathBuf,
    shown: String,
}

/// A regular file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Length in bytes.
    pub size: u64,
    /// Modification time in seconds since 1970-01-01 UTC.
    pub modified: Option<i64>,
    /// The nanoseconds that belong to it: one that is saved anew within a second differs in them. Its number would not do: FAT
    /// and file systems in user space give others as time goes by.
    nanos: i64,
}

impl From<&Stat> for Found {
    fn from(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: Some(stat.st_mtime),
            nanos: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
        }
    }
}

impl Place {
    /// Opens the destination's folder and creates what is missing of it. Links are followed up to the folder that the
    /// user chose, and nowhere below (CVE-2014-4877).
    ///
    /// # Errors
    /// When a folder can't be opened or created, or a component below the user's folder is a link.
    pub fn open(destination: &Destination) -> Result<Self, DiskError> {
        let full = destination.full();
        let folder = folder::open_for(destination)?;
        let stat = fstat(&folder).map_err(|e| DiskError::system("look at the folder of", &full, e))?;
        let final_name = destination.path().file_name().to_owned();
        let part_name = name::part_name(&final_name);
        Ok(Self {
            folder,
            device: stat.st_dev,
            inode: stat.st_ino,
            old_name: name::old_name(&part_name),
            part_name,
            final_name,
            shown: printable(&full.to_string_lossy(), 4096),
            full,
        })
    }

    /// The file system's number: what fills up together.
    #[must_use]
    pub fn device(&self) -> u64 {
        self.device
    }

    /// What tells the folder from others: its file system and its number there.
    #[must_use]
    pub fn folder_id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Bytes that this user may still write on the file system.
    ///
    /// # Errors
    /// When the file system doesn't say.
    pub fn free_bytes(&self) -> Result<u64, DiskError> {
        let stat = match fstatvfs(&self.folder) {
            Ok(stat) if stat.f_blocks > 0 => stat,
            // Some file systems in user space don't tell.
            Ok(_) | Err(Errno::NOSYS | Errno::NOTSUP) => return Ok(u64::MAX),
            Err(error) => return Err(self.error("ask for the free space at", &self.final_name, error)),
        };
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether files can be made in the folder, as far as the system knows without trying.
    ///
    /// # Errors
    /// When the file system is read-only, or this user may not write to the folder.
    pub fn check_writable(&self) -> Result<(), DiskError> {
        match accessat(&self.folder, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            Err(error @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => {
                let folder = self.full.parent().unwrap_or(Path::new("/"));
                Err(DiskError::unwritable("write to the folder", folder, error))
            }
            // Where it can't be asked, the attempt shows.
            _ => Ok(()),
        }
    }

    /// The full path of the final name, made safe to show.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What stands under the final name.
    ///
    /// # Errors
    /// When that is a link, a folder or another thing that is no regular file, or can't be looked at.
    pub fn final_file(&self) -> Result<Option<Found>, DiskError> {
        self.look(&self.final_name)
    }

    /// What stands under the part name.
    ///
    /// # Errors
    /// As [`Place::final_file`].
    pub fn part_file(&self) -> Result<Option<Found>, DiskError> {
        self.look(&self.part_name)
    }

    /// The part that was set aside, if there is one.
    ///
    /// # Errors
    /// As [`Place::final_file`].
    pub fn old_part(&self) -> Result<Option<Found>, DiskError> {
        self.look(&self.old_name)
    }

    /// Opens the part file, created where it is missing, and locks it against other processes.
    ///
    /// # Errors
    /// When it can't be opened or created, is a link or shares its content with another name, or another process
    /// holds it.
    pub fn open_part(&self) -> Result<PartFile, DiskError> {
        part::open(self)
    }

    /// Makes the file under the final name the part file, durably, so that it can be continued.
    ///
    /// # Errors
    /// When there is none, it has further names (a change would show there too), or a part file is there already.
    pub fn adopt_final(&self) -> Result<(), DiskError> {
        const ACTION: &str = "take over";
        let stat = self.stat(&self.final_name)?.ok_or_else(|| self.error(ACTION, &self.final_name, Errno::NOENT))?;
        self.regular(&self.final_name, &stat)?;
        self.must_be_own(ACTION, &self.final_name, &stat)?;
        if stat.st_nlink != 1 {
            return Err(DiskError::taken(ACTION, &self.full, "it has further names (hard links)"));
        }
        self.rename_new(&self.final_name, &self.part_name)?;
        self.sync_dir()
    }

    /// Gives the part file the name `.NAME.ftpq-part.old`, in place of an earlier one. An open [`PartFile`] goes with
    /// it and has to be dropped; nothing happens where there is no part file.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set_aside(&self) -> Result<(), DiskError> {
        match renameat(&self.folder, &self.part_name, &self.folder, &self.old_name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.error("set aside", &self.part_name, error)),
        }
    }

    /// Deletes the part that was set aside, where there is one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn drop_old(&self) -> Result<(), DiskError> {
        self.remove(&self.old_name)
    }

    /// Deletes the part file, where there is one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_part(&self) -> Result<(), DiskError> {
        self.remove(&self.part_name)
    }

    /// Surveys the file under the final name; `None` when `stop` said so in between. `stop` is asked several times a MiB.
    ///
    /// # Errors
    /// When it is no regular file or can't be read.
    pub fn survey_final(&self, wanted: &Wanted, stop: &dyn Fn() -> bool) -> Result<Option<Surveyed>, DiskError> {
        let failed = |error: std::io::Error| DiskError::system("read", &self.full, error);
        survey::survey(&self.open_final()?, wanted, stop).map_err(failed)
    }

    /// The digest of the file under the final name; `None` when `stop` said so in between. `stop` is asked several times a
    /// MiB.
    ///
    /// # Errors
    /// When it is no regular file or can't be read.
    pub fn digest_final(&self, algorithm: Algorithm, stop: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>, DiskError> {
        let failed = |error: std::io::Error| DiskError::system("read", &self.full, error);
        digest::digest(&self.open_final()?, algorithm, stop).map_err(failed)
    }

    pub(super) fn open_final(&self) -> Result<File, DiskError> {
        let failed = |error: Errno| DiskError::system("read", &self.full, error);
        // Not to wait for the other end of a pipe that was put there meanwhile.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.folder, &self.final_name, flags, Mode::empty()).map_err(failed)?;
        let stat = fstat(&file).map_err(failed)?;
        self.regular(&self.final_name, &stat)?;
        Ok(File::from(file))
    }

    /// Gives the part file, which holds a file that turned out to be wrong, a name that tells so: `NAME.ftpq-wrong-WHAT`,
    /// with a number where that is taken. Nothing is replaced. Returns the name.
    ///
    /// # Errors
    /// When there is no part file, or no name is free for it.
    pub fn keep_wrong(&self, what: &str) -> Result<String, DiskError> {
        let mut number = 1;
        loop {
            let name = name::wrong_name(&self.final_name, what, number);
            if number < MOST_WRONG && self.stat(&name)?.is_some() {
                number += 1;
                continue;
            }
            match self.rename_new(&self.part_name, &name) {
                // Somebody was quicker.
                Err(error) if number < MOST_WRONG && error.cause() == Cause::Exists => number += 1,
                done => return done.map(|()| name),
            }
        }
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// When the disk can't take them.
    pub fn sync_dir(&self) -> Result<(), DiskError> {
        folder::sync(self.folder.as_fd(), &self.full)
    }

    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    pub(super) fn part_name(&self) -> &str {
        &self.part_name
    }

    pub(super) fn final_name(&self) -> &str {
        &self.final_name
    }

    /// The path of a name in the folder, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.full.parent().unwrap_or(Path::new("/")).join(name)
    }

    pub(super) fn error(&self, action: &'static str, name: &str, error: impl Into<std::io::Error>) -> DiskError {
        DiskError::system(action, self.path_of(name), error)
    }

    /// What the system says of a name, without following a link.
    pub(super) fn stat(&self, name: &str) -> Result<Option<Stat>, DiskError> {
        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error("look at", name, error)),
        }
    }

    /// Refuses whatever is no regular file.
    pub(super) fn regular(&self, name: &str, stat: &Stat) -> Result<(), DiskError> {
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return Ok(()),
            FileType::Directory => "a folder of that name is there",
            FileType::Symlink => "a symbolic link of that name is there",
            _ => "something of that name is there that is no file",
        };
        Err(DiskError::taken("write to", self.path_of(name), what))
    }

    /// Refuses a file that another user made: it stays his to change, before and after it gets its final name. Where the
    /// file system gives every new file to somebody else (root over NFS, FAT), such a file is one's own.
    pub(super) fn must_be_own(&self, action: &'static str, name: &str, stat: &Stat) -> Result<(), DiskError> {
        if stat.st_uid == geteuid().as_raw() || self.owner_of_new(action)? == stat.st_uid {
            return Ok(());
        }
        Err(DiskError::taken(action, self.path_of(name), "it belongs to another user"))
    }

    /// The user whom the file system gives a new file in the folder to.
    fn owner_of_new(&self, action: &'static str) -> Result<u32, DiskError> {
        let probe = format!(".ftpq-part.{}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&self.folder, &probe, flags, Mode::RUSR | Mode::WUSR).and_then(fstat);
        // Whatever stands under that name now was made here, or stopped it from being made.
        let removed = if made.is_ok() { self.remove(&probe) } else { Ok(()) };
        let stat = made.map_err(|error| self.error(action, &probe, error))?;
        removed.map(|()| stat.st_uid)
    }

    /// Renames without replacing anything: atomically where the file system can, else by a second link, else (FAT
    /// over a network and the like) by looking first.
    pub(super) fn rename_new(&self, from: &str, to: &str) -> Result<(), DiskError> {
        match renameat_with(&self.folder, from, &self.folder, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link_new(from, to),
            done => self.named(to, done),
        }
    }

    fn link_new(&self, from: &str, to: &str) -> Result<(), DiskError> {
        match linkat(&self.folder, from, &self.folder, to, AtFlags::empty()) {
            Ok(()) => self.remove(from),
            Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP | Errno::MLINK) => match self.stat(to)? {
                Some(_) => self.named(to, Err(Errno::EXIST)),
                None => self.named(to, renameat(&self.folder, from, &self.folder, to)),
            },
            failed => self.named(to, failed),
        }
    }

    fn named(&self, to: &str, done: Result<(), Errno>) -> Result<(), DiskError> {
        const ACTION: &str = "give a file the name";
        done.map_err(|error| match error {
            Errno::EXIST => DiskError::taken(ACTION, self.path_of(to), "a file of that name is there"),
            error => self.error(ACTION, to, error),
        })
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.error("delete", name, error)),
        }
    }

    fn look(&self, name: &str) -> Result<Option<Found>, DiskError> {
        let Some(stat) = self.stat(name)? else {
            return Ok(None);
        };
        self.regular(name, &stat)?;
        Ok(Some(Found::from(&stat)))
    }

    #[cfg(test)]
    pub(super) fn commit_by_link(&self) -> Result<(), DiskError> {
        self.link_new(&self.part_name, &self.final_name)
    }
}
