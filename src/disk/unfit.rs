//! What speaks against taking a file that another program left for the beginning of the whole one.

use super::{DiskError, Place};
use rustix::fs::{SeekFrom, seek};
use std::fs::File;

/// What other programs put beside a file that they fetch in parts, behind its name.
const MARKS: [(&str, &str); 3] = [(".aria2", "aria2"), (".st", "axel"), ("-lftp-pget-status", "lftp's pget")];
/// Bytes that a file system gives or leaves out together.
const BLOCK: usize = 4096;
/// Bytes read at a time.
const STEP: usize = 256 * 1024;

impl Place {
    /// Why the file under the final name need not be the beginning of a whole one, although it is shorter: another
    /// program fetches it in parts, it has holes, or blocks of zeros, which may be space that was reserved. `stop` is asked
    /// several times a MiB; `None` also where it said so.
    ///
    /// # Errors
    /// When it can't be looked at or read.
    pub fn unfit(&self, stop: &dyn Fn() -> bool) -> Result<Option<String>, DiskError> {
        for (mark, program) in MARKS {
            let name = format!("{}{mark}", self.final_name());
            if self.stat(&name)?.is_some() {
                return Ok(Some(format!("{name} beside it shows that {program} fetches it in parts")));
            }
        }
        let file = self.open_final()?;
        let failed = |error: std::io::Error| self.error("read", self.final_name(), error);
        let length = file.metadata().map_err(failed)?.len();
        if let Some(at) = first_hole(&file, length) {
            return Ok(Some(format!("it has a hole at offset {at}")));
        }
        let blank = first_blank(&file, stop).map_err(failed)?;
        Ok(blank.map(|at| format!("it has nothing but zeros at offset {at}, which may be space that was reserved")))
    }
}

/// Offset of the first hole before the file's end; nothing where the file system does not tell.
fn first_hole(file: &File, length: u64) -> Option<u64> {
    seek(file, SeekFrom::Hole(0)).ok().filter(|&at| at < length)
}

/// Offset of the first block that holds nothing but zeros.
fn first_blank(file: &File, stop: &dyn Fn() -> bool) -> std::io::Result<Option<u64>> {
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    loop {
        let count = super::digest::read_full(file, &mut buffer, at)?;
        let read = buffer.get(..count).unwrap_or_default();
        let blank = read.chunks_exact(BLOCK).position(|block| block.iter().all(|&byte| byte == 0));
        if let Some(block) = blank {
            return Ok(Some(at + (block * BLOCK) as u64));
        }
        if count < STEP || stop() {
            return Ok(None);
        }
        at += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, RelPath};
    use std::fs;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    fn unfit(dir: &Path) -> Option<String> {
        let place = Place::open(&Destination::new(dir, RelPath::new("a").unwrap()).unwrap()).unwrap();
        place.unfit(&|| false).unwrap()
    }

    #[test]
    fn a_file_without_gaps_is_fit() {
        let dir = tempfile::tempdir().unwrap();
        for length in [0, 1, BLOCK - 1, BLOCK, STEP, STEP + BLOCK + 1] {
            fs::write(dir.path().join("a"), vec![7; length]).unwrap();
            assert_eq!(unfit(dir.path()), None, "{length} bytes");
        }
        // A few zeros, across the border of two blocks, are anybody's.
        let mut bytes = vec![7; 3 * BLOCK];
        bytes[BLOCK - 1000..2 * BLOCK - 1000].fill(0);
        fs::write(dir.path().join("a"), bytes).unwrap();
        assert_eq!(unfit(dir.path()), None);
    }

    #[test]
    fn what_other_programs_leave_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![7; 100]).unwrap();
        for (mark, word) in [(".aria2", "aria2"), (".st", "axel"), ("-lftp-pget-status", "lftp")] {
            let name = dir.path().join(format!("a{mark}"));
            fs::write(&name, "x").unwrap();
            assert!(unfit(dir.path()).unwrap().contains(word), "{mark}");
            fs::remove_file(name).unwrap();
        }
        let mut bytes = vec![7; STEP + 3 * BLOCK];
        bytes[STEP + BLOCK..STEP + 2 * BLOCK].fill(0);
        fs::write(dir.path().join("a"), &bytes).unwrap();
        assert!(unfit(dir.path()).unwrap().contains(&format!("zeros at offset {}", STEP + BLOCK)));
    }

    #[test]
    fn a_hole_is_told_where_the_file_system_does() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs::File::create(dir.path().join("a")).unwrap();
        file.write_all_at(&[7; 4096], 0).unwrap();
        file.write_all_at(&[7; 4096], 1 << 20).unwrap();
        let told = unfit(dir.path()).unwrap();
        assert!(told.contains("at offset 4096"), "{told}");
    }
}
