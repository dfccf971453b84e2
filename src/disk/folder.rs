//! Opens and creates folders: by name as far as the user chose them, one by one and without links below.

use super::DiskError;
use crate::model::Destination;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fsync, mkdirat, open, openat, statat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

const OPEN: &str = "open the folder";
const CREATE: &str = "create the folder";
/// The kernel takes the umask off.
const MODE: Mode = Mode::from_bits_truncate(0o777);

/// The folder that will hold the file, created where it is missing.
///
/// # Errors
/// When a folder can't be opened or created, or a component of the manifest's path is a link or no folder.
pub(super) fn open_for(destination: &Destination) -> Result<OwnedFd, DiskError> {
    let mut path = destination.dir().to_owned();
    let mut folder = open_or_create(&path)?;
    for component in destination.path().folders() {
        path.push(component);
        folder = open_below(folder.as_fd(), component, &path)?;
    }
    Ok(folder)
}

/// The folder that holds the file, where it is there; nothing is created.
///
/// # Errors
/// When a folder can't be opened, or a component of the manifest's path is a link or no folder.
pub(super) fn find_for(destination: &Destination) -> Result<Option<OwnedFd>, DiskError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut path = destination.dir().to_owned();
    let mut folder = match open(&path, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(DiskError::system(OPEN, path, error)),
    };
    for component in destination.path().folders() {
        path.push(component);
        folder = match openat(&folder, component, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(not_opened(folder.as_fd(), component, &path, error)),
        };
    }
    Ok(Some(folder))
}

/// `mkdir -p`, following links; each new name is made durable, as a file in a lost folder is lost too.
fn open_or_create(path: &Path) -> Result<OwnedFd, DiskError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open_it = || open(path, flags, Mode::empty()).map_err(|e| refused(OPEN, path, e));
    match (open(path, flags, Mode::empty()), path.parent()) {
        (Ok(folder), _) => return Ok(folder),
        (Err(Errno::NOENT), Some(parent)) => {
            let parent = open_or_create(parent)?;
            // A path that ends in `..` has no name to create; it is there once its parent is.
            if let Some(name) = path.file_name() {
                create(parent.as_fd(), Path::new(name), path)?;
            }
        }
        _ => {}
    }
    open_it()
}

fn open_below(parent: BorrowedFd<'_>, name: &str, path: &Path) -> Result<OwnedFd, DiskError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut opened = openat(parent, name, flags, Mode::empty());
    if matches!(opened, Err(Errno::NOENT)) {
        create(parent, Path::new(name), path)?;
        opened = openat(parent, name, flags, Mode::empty());
    }
    opened.map_err(|error| not_opened(parent, name, path, error))
}

fn not_opened(parent: BorrowedFd<'_>, name: &str, path: &Path, error: Errno) -> DiskError {
    // Linux says "not a directory" for a link, so that the kind has to be asked for.
    let kind = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| FileType::from_raw_mode(stat.st_mode));
    match (error, kind) {
        (Errno::NOTDIR | Errno::LOOP, Ok(FileType::Symlink)) => DiskError::link(OPEN, path),
        (Errno::NOTDIR, Ok(_)) => DiskError::taken(CREATE, path, "a file of that name is there"),
        _ => refused(OPEN, path, error),
    }
}

/// A folder that the system lets nobody use, or this user not.
fn refused(action: &'static str, path: &Path, error: Errno) -> DiskError {
    match error {
        Errno::ACCESS | Errno::PERM => DiskError::unwritable(action, path, error),
        _ => DiskError::system(action, path, error),
    }
}

fn create(parent: BorrowedFd<'_>, name: &Path, path: &Path) -> Result<(), DiskError> {
    match mkdirat(parent, name, MODE) {
        // Another worker was quicker.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(refused(CREATE, path, error)),
    }
    sync(parent, path)
}

/// Makes the names in a folder durable. File systems that can't sync folders are left to themselves.
///
/// # Errors
/// When the disk can't take them.
pub(super) fn sync(folder: BorrowedFd<'_>, path: &Path) -> Result<(), DiskError> {
    match fsync(folder) {
        Ok(()) | Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(()),
        Err(error) => Err(DiskError::system("sync the folder of", path, error)),
    }
}
