//! Deleting a file that is gone on the server, and the folders that are empty then.

use super::{DiskError, Place};
use crate::model::{Destination, RelPath};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

const ACTION: &str = "delete";

/// Deletes a regular file of that length, and then the folders that are empty, up to the one that the user chose. No link
/// is followed below that one.
///
/// # Errors
/// When something else stands there, it belongs to another user, or the file system refuses.
pub fn remove_file(destination: &Destination, size: u64) -> Result<(), DiskError> {
    let place = Place::open(destination)?;
    let name = destination.path().file_name();
    let Some(stat) = place.stat(name)? else { return Ok(()) };
    place.regular(name, &stat)?;
    place.must_be_own(ACTION, name, &stat)?;
    if u64::try_from(stat.st_size) != Ok(size) {
        return Err(DiskError::taken(
            ACTION,
            place.path_of(name),
            "it has another length than the file that was fetched",
        ));
    }
    unlinkat(place.folder(), name, AtFlags::empty()).map_err(|e| place.error(ACTION, name, e))?;
    place.sync_dir()?;
    drop(place);
    remove_empty(destination)
}

/// Removes the folders above a destination that are empty.
fn remove_empty(destination: &Destination) -> Result<(), DiskError> {
    let mut path = destination.path().as_str();
    while let Some((above, _)) = path.rsplit_once('/') {
        path = above;
        let Ok(folder) = RelPath::new(path).and_then(|path| Destination::new(destination.dir(), path)) else { break };
        let place = Place::open(&folder)?;
        let name = folder.path().file_name();
        match unlinkat(place.folder(), name, AtFlags::REMOVEDIR) {
            Ok(()) => place.sync_dir()?,
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => break,
            Err(error) => return Err(place.error(ACTION, name, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_goes_with_the_folders_that_it_leaves_empty_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| Destination::new(dir.path(), RelPath::new(path).unwrap()).unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for (path, text) in [("a/b/gone", "12345"), ("a/mine", "x")] {
            fs::write(dir.path().join(path), text).unwrap();
        }
        assert!(remove_file(&at("a/b/gone"), 4).is_err(), "another length");
        std::os::unix::fs::symlink(dir.path().join("a/mine"), dir.path().join("link")).unwrap();
        assert!(remove_file(&at("link"), 1).is_err(), "a link is not what was fetched");
        remove_file(&at("a/b/gone"), 5).unwrap();
        assert!(!dir.path().join("a/b").exists());
        assert_eq!(fs::read(dir.path().join("a/mine")).unwrap(), b"x");
        remove_file(&at("a/b/gone"), 5).unwrap();
        assert!(dir.path().join("link").is_symlink());
    }
}
