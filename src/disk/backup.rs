//! The folder that files are moved to before others take their names. It may be any folder that the user chose, so it is
//! looked at before anything is moved there, or fetched for that.

use super::{DiskError, Place};
use crate::model::{Destination, RelPath};
use rustix::fs::{Access, AtFlags, CWD, RenameFlags, Statx, StatxFlags, accessat, renameat_with, statx};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

const MOVE: &str = "move a file to the backup folder";
const APART: &str = "it is on another file system than the file";
/// Names that are tried for a file that is moved.
const TRIES: u32 = 1000;

/// Moves whatever stands under the final name to the same path below another folder, and returns where it is. Nothing is
/// replaced: a number goes behind a name that is taken.
///
/// # Errors
/// When there is nothing, the other folder is on another file system, or the file system refuses.
pub fn move_to_backup(destination: &Destination, dir: &Path) -> Result<PathBuf, DiskError> {
    let place = Place::open(destination)?;
    let path = destination.path().as_str();
    let mut number = 1;
    loop {
        let path = if number == 1 { path.to_owned() } else { format!("{path}.{number}") };
        let other = RelPath::new(path).and_then(|path| Destination::new(dir, path));
        let other = other.map_err(|e| DiskError::system(MOVE, dir, std::io::Error::other(e.to_string())))?;
        let target = Place::open(&other).map_err(DiskError::of_backup)?;
        let names = (place.final_name(), target.final_name());
        match renameat_with(place.folder(), names.0, target.folder(), names.1, RenameFlags::NOREPLACE) {
            Ok(()) => {
                target.sync_dir()?;
                place.sync_dir()?;
                return Ok(other.full());
            }
            Err(Errno::EXIST) if number < TRIES => number += 1,
            Err(Errno::XDEV) => return Err(DiskError::taken(MOVE, other.full(), APART).of_backup()),
            Err(error) => return Err(DiskError::system(MOVE, other.full(), error).of_backup()),
        }
    }
}

/// Looks whether files can be moved from one folder to another. Both may still have to be made; nothing is changed.
///
/// # Errors
/// When they lie on different file systems, or this user can't write to the other one.
pub fn check_backup(from: &Path, dir: &Path) -> Result<(), DiskError> {
    let Some((folder, there)) = nearest(dir)? else { return Ok(()) };
    // Where it can't be asked, the attempt shows.
    let asked = accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    if let Err(error @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) = asked {
        return Err(DiskError::unwritable("write to the folder", folder, error).of_backup());
    }
    match nearest(from)? {
        Some((_, here)) if !is_one(&here, &there) => Err(DiskError::taken(MOVE, dir, APART).of_backup()),
        _ => Ok(()),
    }
}

/// Whether two folders lie on one file system, and are reached by one mount: no file can be moved between two.
fn is_one(one: &Statx, other: &Statx) -> bool {
    let device = |it: &Statx| (it.stx_dev_major, it.stx_dev_minor);
    let tells = |it: &Statx| it.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    device(one) == device(other) && (!tells(one) || !tells(other) || one.stx_mnt_id == other.stx_mnt_id)
}

/// The nearest folder that is there, the given one or one above it; nothing where the system can't tell.
fn nearest(folder: &Path) -> Result<Option<(&Path, Statx)>, DiskError> {
    let mut there = folder;
    loop {
        // With the slash, a file in the place of the folder is an error.
        match (statx(CWD, there.join(""), AtFlags::empty(), StatxFlags::MNT_ID), there.parent()) {
            (Ok(found), _) => return Ok(Some((there, found))),
            (Err(Errno::NOENT), Some(above)) => there = above,
            (Err(Errno::NOSYS), _) => return Ok(None),
            (Err(error), _) => return Err(DiskError::system("use the folder", there, error).of_backup()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn place(dir: &Path, path: &str) -> Destination {
        Destination::new(dir, RelPath::new(path).unwrap()).unwrap()
    }

    #[test]
    fn what_is_backed_up_keeps_its_path_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let backup = dir.path().join("backup");
        for (round, at) in [("one", "a/b/f"), ("two", "a/b/f.2"), ("three", "a/b/f.3")] {
            fs::create_dir_all(dir.path().join("into/a/b")).unwrap();
            fs::write(dir.path().join("into/a/b/f"), round).unwrap();
            let kept = move_to_backup(&place(&dir.path().join("into"), "a/b/f"), &backup).unwrap();
            assert_eq!((kept, fs::read_to_string(backup.join(at)).unwrap()), (backup.join(at), round.to_owned()));
        }
        assert!(move_to_backup(&place(&dir.path().join("into"), "a/b/f"), &backup).is_err(), "nothing is there");
    }

    #[test]
    fn a_backup_folder_is_looked_at_without_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let (into, backup) = (dir.path().join("into/new"), dir.path().join("backup/new"));
        check_backup(&into, &backup).unwrap();
        assert!(!dir.path().join("backup").exists() && !dir.path().join("into").exists());
        fs::write(dir.path().join("backup"), "x").unwrap();
        assert!(check_backup(&into, &backup).is_err() && check_backup(&into, &dir.path().join("backup")).is_err());
        let apart = check_backup(&into, Path::new("/proc/self/task")).unwrap_err();
        assert_eq!(apart.cause(), crate::model::Cause::Backup, "{apart}");
    }
}
