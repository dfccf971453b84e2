//! A file that is made whole under another name, and gets its own by a rename.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A new file, gone again unless it is given its name.
#[derive(Debug)]
pub struct NewFile {
    out: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    named: bool,
}

impl NewFile {
    /// Begins a file that is to have that path.
    ///
    /// # Errors
    /// When its folder can't be written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        // A name that was cut is told apart by the process.
        let short: String = name.chars().take(40).collect();
        let temporary = path.with_file_name(format!(".{short}.{}.ftpq-new", std::process::id()));
        let out = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        Ok(Self { out: BufWriter::new(out), temporary, path: path.to_owned(), named: false })
    }

    /// Makes it durable and gives it its name; what has that name is replaced only where that is said.
    ///
    /// # Errors
    /// When it can't be written, or something has the name; it is gone then.
    pub fn finish(mut self, replace: bool) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        if replace {
            fs::rename(&self.temporary, &self.path)?;
        } else {
            match renameat_with(CWD, &self.temporary, CWD, &self.path, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    fs::hard_link(&self.temporary, &self.path)?;
                    fs::remove_file(&self.temporary)?;
                }
                done => done?,
            }
        }
        self.named = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Some file systems can't sync folders.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.named {
            // There is nobody left to tell.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let written = |text: &str| {
            let mut file = NewFile::create(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        drop(written("half"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        written("one").finish(false).unwrap();
        assert_eq!(written("two").finish(false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        written("three").finish(true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }
}
