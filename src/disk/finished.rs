//! A finished file looked at again: nothing is made on the way to it, and nothing of it is changed.

use super::digest::{Hasher, read_full};
use super::{DiskError, Found, Place, folder, name};
use crate::model::{Algorithm, Checksum, Destination, PieceDigests, Span};
use rustix::fs::{Advice, AtFlags, FileType, Mode, OFlags, Stat, fadvise, fstat, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::path::PathBuf;

/// Bytes read at a time.
const STEP: usize = 256 * 1024;
/// Names that are tried for a file that is set aside.
const TRIES: u32 = 1000;

/// A file under its final name, open for reading.
#[derive(Debug)]
pub struct Finished {
    file: File,
    path: PathBuf,
    found: Found,
}

impl Finished {
    /// Opens the file of a destination; nothing where it is not there. No link is followed below the user's folder.
    ///
    /// # Errors
    /// When it or a folder on the way is a link or something else ([`DiskError::is_replaced`]), or can't be opened.
    pub fn open(destination: &Destination) -> Result<Option<Self>, DiskError> {
        let path = destination.full();
        let Some(folder) = folder::find_for(destination)? else { return Ok(None) };
        // Not to wait for the other end of a pipe that was put there meanwhile.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&folder, destination.path().file_name(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(DiskError::taken("read", path, "a symbolic link of that name is there")),
            Err(Errno::NXIO) => return Err(DiskError::taken("read", path, "something that is no file is there")),
            Err(error) => return Err(DiskError::system("read", path, error)),
        };
        let stat = fstat(&file).map_err(|e| DiskError::system("look at", &path, e))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(Self { file: file.into(), path, found: Found::from(&stat) })),
            FileType::Directory => Err(DiskError::taken("read", path, "a folder of that name is there")),
            _ => Err(DiskError::taken("read", path, "something that is no file is there")),
        }
    }

    /// Its length and time when it was opened.
    #[must_use]
    pub fn found(&self) -> Found {
        self.found
    }

    /// Reads from offset `at` until the buffer is full or the file ends; returns the number of bytes read.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, DiskError> {
        read_full(&self.file, buffer, at).map_err(|error| DiskError::system("read", &self.path, error))
    }

    /// Its digests, each byte read once; `None` when `stop` said so in between. `read` is told of bytes that were read.
    ///
    /// # Errors
    /// When it can't be read, or was written to meanwhile.
    pub fn digests(
        &self,
        algorithms: &[Algorithm],
        stop: &dyn Fn() -> bool,
        read: &dyn Fn(u64),
    ) -> Result<Option<Vec<Checksum>>, DiskError> {
        let mut hashers: Vec<Hasher> = algorithms.iter().map(|&algorithm| Hasher::new(algorithm)).collect();
        let whole = self.each_step(stop, read, &mut |_, bytes| {
            for hasher in &mut hashers {
                hasher.update(bytes);
            }
        })?;
        let sums = algorithms.iter().zip(hashers).filter_map(|(&a, hasher)| Checksum::new(a, hasher.finish()).ok());
        Ok(whole.then(|| sums.collect()))
    }

    /// The first of its pieces whose digest is not the one given, or that is missing; `None` outside when `stop` said so
    /// in between.
    ///
    /// # Errors
    /// As [`Finished::digests`].
    pub fn wrong_piece(
        &self,
        pieces: &PieceDigests,
        stop: &dyn Fn() -> bool,
        read: &dyn Fn(u64),
    ) -> Result<Option<Option<Span>>, DiskError> {
        let length = pieces.length();
        let mut left = pieces.digests();
        let (mut hasher, mut end, mut wrong) = (Hasher::new(pieces.algorithm()), 0, None);
        let mut close = |hasher: Hasher, start: u64, end: u64| {
            let is_right = left.next().is_some_and(|digest| digest == hasher.finish());
            if !is_right {
                wrong.get_or_insert(Span { start, end });
            }
        };
        let whole = self.each_step(stop, read, &mut |_, mut bytes| {
            while !bytes.is_empty() {
                let room = usize::try_from(length - end % length).unwrap_or(usize::MAX).min(bytes.len());
                let (now, rest) = bytes.split_at(room);
                hasher.update(now);
                end += now.len() as u64;
                bytes = rest;
                if end.is_multiple_of(length) {
                    close(std::mem::replace(&mut hasher, Hasher::new(pieces.algorithm())), end - length, end);
                }
            }
        })?;
        if !end.is_multiple_of(length) {
            close(hasher, end - end % length, end);
        }
        if left.next().is_some() {
            wrong.get_or_insert(Span { start: end, end: end + length });
        }
        Ok(whole.then_some(wrong))
    }

    /// Reads it from its first byte to its last. Returns whether it came to the end.
    fn each_step(
        &self,
        stop: &dyn Fn() -> bool,
        read: &dyn Fn(u64),
        take: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<bool, DiskError> {
        // A hint: where it is not taken, reading is slower.
        let _ = fadvise(&self.file, 0, None, Advice::Sequential);
        let mut buffer = vec![0; STEP];
        let mut at = 0;
        loop {
            if stop() {
                return Ok(false);
            }
            let count = read_full(&self.file, &mut buffer, at).map_err(|e| DiskError::system("read", &self.path, e))?;
            take(at, buffer.get(..count).unwrap_or_default());
            at += count as u64;
            read(count as u64);
            if count < buffer.len() {
                break;
            }
        }
        let stat = fstat(&self.file).map_err(|e| DiskError::system("look at", &self.path, e))?;
        if Found::from(&stat) != self.found || at != self.found.size {
            return Err(DiskError::taken("read", &self.path, "it was written to while it was read"));
        }
        Ok(true)
    }
}

/// What is on the disk of a file that is to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtHand {
    /// Bytes of the disk that its part file has.
    pub part: u64,
    /// Length of the file under the final name.
    pub finished: Option<u64>,
}

/// What is on the disk of a file; nothing is made, no link followed below the user's folder.
///
/// # Errors
/// When its folder can't be opened.
pub fn at_hand(destination: &Destination) -> Result<AtHand, DiskError> {
    let Some(folder) = folder::find_for(destination)? else { return Ok(AtHand::default()) };
    let name = destination.path().file_name();
    let look = |name: &str| {
        let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(stat)
    };
    let blocks = |stat: Stat| u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let part = look(&name::part_name(name)).map_or(0, blocks);
    Ok(AtHand { part, finished: look(name).map(|stat| Found::from(&stat).size) })
}

/// Gives whatever stands under the final name another one beside it, `NAME.ftpq-changed`, and returns that. Nothing is
/// replaced.
///
/// # Errors
/// When there is nothing, or the file system refuses.
pub fn set_changed_aside(destination: &Destination) -> Result<PathBuf, DiskError> {
    let place = Place::open(destination)?;
    let name = destination.path().file_name();
    let mut number = 1;
    loop {
        let aside = if number == 1 { format!("{name}.ftpq-changed") } else { format!("{name}.ftpq-changed.{number}") };
        if place.stat(&aside)?.is_none() || number >= TRIES {
            place.rename_new(place.final_name(), &aside)?;
            place.sync_dir()?;
            return Ok(place.path_of(&aside));
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RelPath;
    use std::fs;

    fn place(dir: &std::path::Path, path: &str) -> Destination {
        Destination::new(dir, RelPath::new(path).unwrap()).unwrap()
    }

    #[test]
    fn a_look_makes_no_folder_and_follows_no_link() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Finished::open(&place(dir.path(), "a/b/c")).unwrap().is_none());
        assert!(!dir.path().join("a").exists(), "a look must change nothing");
        assert!(Finished::open(&place(&dir.path().join("none"), "c")).unwrap().is_none());
        fs::create_dir(dir.path().join("real")).unwrap();
        fs::write(dir.path().join("real/c"), "abc").unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("c", dir.path().join("real/l")).unwrap();
        for path in ["link/c", "real/l", "real"] {
            let error = Finished::open(&place(dir.path(), path)).unwrap_err();
            assert!(error.is_replaced(), "{path}: {error}");
        }
        assert_eq!(Finished::open(&place(dir.path(), "real/c")).unwrap().unwrap().found().size, 3);
    }

    #[test]
    fn digests_and_pieces_are_those_of_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..1_000_003u32).map(|n| (n % 251) as u8).collect();
        fs::write(dir.path().join("f"), &data).unwrap();
        let file = Finished::open(&place(dir.path(), "f")).unwrap().unwrap();
        let sums = file.digests(&[Algorithm::Md5, Algorithm::Sha256], &|| false, &|_| ()).unwrap().unwrap();
        for sum in sums {
            assert_eq!(sum.digest(), crate::disk::digest_of(&data, sum.algorithm()));
        }
        assert!(file.digests(&[Algorithm::Md5], &|| true, &|_| ()).unwrap().is_none());
        for length in [1, 1000, 300_000, 1_000_003, 2_000_000] {
            let all: Vec<Vec<u8>> = data.chunks(length).map(|c| crate::disk::digest_of(c, Algorithm::Crc32)).collect();
            let length = length as u64;
            let wrong = |digests: &[Vec<u8>]| {
                let pieces = PieceDigests::new(length, Algorithm::Crc32, digests).unwrap();
                file.wrong_piece(&pieces, &|| false, &|_| ()).unwrap().unwrap()
            };
            assert_eq!(wrong(&all), None, "{length}");
            let mut bad = all.clone();
            *bad.last_mut().unwrap() = vec![0; 4];
            assert_eq!(wrong(&bad).map(|span| span.end), Some(1_000_003), "{length}");
            assert!(wrong(&[all.clone(), vec![vec![0; 4]]].concat()).is_some(), "a piece is missing");
            assert!(wrong(&all[1..]).is_some(), "bytes behind the last piece");
        }
    }

    #[test]
    fn what_is_set_aside_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for round in ["one", "two"] {
            fs::write(dir.path().join("f"), round).unwrap();
            let aside = set_changed_aside(&place(dir.path(), "f")).unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), round);
        }
        assert!(dir.path().join("f.ftpq-changed.2").exists() && !dir.path().join("f").exists());
        assert!(set_changed_aside(&place(dir.path(), "f")).is_err());
    }
}
