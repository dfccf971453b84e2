//! Choices made of bytes.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes that are taken from the front; zeros where there are no more.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A number below `most`.
    pub(crate) fn below(&mut self, most: u8) -> u8 {
        self.byte() % most.max(1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A length: small, around a border, or any.
    pub(crate) fn length(&mut self) -> u64 {
        let kind = self.byte();
        let small = u64::from(self.byte());
        match kind % 8 {
            0 => small,
            1 => 16 * 1024 + small,
            2 => (16 * 1024u64).saturating_sub(small),
            3 => small << 20,
            4 => (small << 20) + u64::from(self.byte()),
            5 => u64::MAX - small,
            6 => small << 56,
            _ => u64::from(self.byte()) << 16 | u64::from(self.byte()) << 8 | small,
        }
    }

    pub(crate) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&b| b == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }
}

/// A folder of this thread's own, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
        let path = std::env::temp_dir().join(format!("ftpq-fuzz-{}-{thread}", std::process::id()));
        DirBuilder::new().recursive(true).mode(0o700).create(&path).expect("a folder for the files of this target");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).expect("a file");
        file.write_all(content).expect("its content");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Hands over this thread's folder.
pub(crate) fn in_folder<T>(work: impl FnOnce(&Folder) -> T) -> T {
    thread_local!(static FOLDER: Folder = Folder::new());
    FOLDER.with(work)
}
