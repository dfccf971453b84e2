//! File operations that are durable when they return.

use super::QueueError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Makes the folder for its owner alone, with those above it, where it is missing.
pub(super) fn make_dir(path: &Path) -> Result<(), QueueError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| QueueError::io("making", path, &e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Refuses a folder in which others could put what they want: whoever writes there decides what this user fetches, and
/// where to. The group that is this user's own counts as nobody else.
pub(super) fn must_be_own(path: &Path) -> Result<(), QueueError> {
    let meta = fs::metadata(path).map_err(|e| QueueError::io("reading", path, &e))?;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let foreign = !user.is_root() && meta.uid() != user.as_raw();
    let writable = meta.mode() & 0o002 != 0 || (meta.mode() & 0o020 != 0 && meta.gid() != group.as_raw());
    if foreign || writable { Err(QueueError::Shared { path: path.to_owned() }) } else { Ok(()) }
}

/// Options to open a file of the queue's folder that is there already, or made for its owner alone; no link is followed.
pub(super) fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = i32::try_from((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits()).unwrap_or(0);
    options.mode(0o600).custom_flags(flags);
    options
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), QueueError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| QueueError::io("syncing", path, &e))
}

/// Makes a folder and all that is in it durable, and its own name.
pub(super) fn sync_tree(path: &Path) -> Result<(), QueueError> {
    for entry in fs::read_dir(path).map_err(|e| QueueError::io("reading", path, &e))? {
        let entry = entry.map_err(|e| QueueError::io("reading", path, &e))?.path();
        if entry.is_dir() {
            sync_tree(&entry)?;
        } else {
            File::open(&entry).and_then(|f| f.sync_all()).map_err(|e| QueueError::io("syncing", &entry, &e))?;
        }
    }
    sync_dir(path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Opens a new file for writing that its owner alone can read; what was there is dropped.
pub(super) fn create(path: &Path) -> Result<File, QueueError> {
    // An old file would keep its owner and permissions.
    remove(path)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| QueueError::io("writing", path, &e))
}

/// Renames and makes the new name durable.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), QueueError> {
    fs::rename(from, to).map_err(|e| QueueError::io("renaming", from, &e))?;
    to.parent().map_or(Ok(()), sync_dir)
}

/// Replaces a file by these bytes, whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), QueueError> {
    let new = path.with_extension("new");
    let mut file = create(&new)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| QueueError::io("writing", &new, &e))?;
    rename(&new, path)
}

/// Removes a file; one that is not there is as good.
pub(super) fn remove(path: &Path) -> Result<(), QueueError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(QueueError::io("removing", path, &e)),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it; one that is not there is as good.
pub(super) fn remove_dir(path: &Path) -> Result<(), QueueError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(QueueError::io("removing", path, &e)),
        _ => Ok(()),
    }
}
