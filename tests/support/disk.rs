//! Small file systems, made for one test. They need root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A small file system of its own; unmounted when dropped.
pub(crate) struct Small(PathBuf);

impl Small {
    /// A tmpfs of this size.
    pub(crate) fn mount(at: &Path, mebibytes: u32) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        // A queue may lie right there, and is for nobody else.
        let size = format!("size={mebibytes}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|o| o.status.success()).then(|| Self(at.to_owned()))
    }

    /// An ext2 of 12 MiB, which can't reserve space beforehand.
    pub(crate) fn mount_ext2(at: &Path) -> Option<Self> {
        Self::mount_image(at, "mkfs.ext2", 12)
    }

    /// A file system of a disk's kind, made by this program, of this size.
    pub(crate) fn mount_image(at: &Path, maker: &str, mebibytes: u64) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let image = at.with_extension("img");
        fs::File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        let done = |command: &mut Command| command.output().is_ok_and(|o| o.status.success());
        let made = done(Command::new(maker).args(["-q", "-F"]).arg(&image));
        let mounted = made && done(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(at));
        mounted.then(|| Self(at.to_owned()))
    }

    /// Makes it read-only, or writable again.
    #[allow(dead_code, reason = "not every binary needs it")]
    pub(crate) fn set_read_only(&self, read_only: bool) {
        let how = if read_only { "remount,ro" } else { "remount,rw" };
        let done = Command::new("mount").args(["-o", how]).arg(&self.0).output();
        assert!(done.is_ok_and(|o| o.status.success()), "the small file system does not become {how}");
    }

    /// Makes a tmpfs larger.
    pub(crate) fn grow(&self, mebibytes: u32) {
        let size = format!("remount,size={mebibytes}m");
        let done = Command::new("mount").args(["-o", &size]).arg(&self.0).output();
        assert!(done.is_ok_and(|o| o.status.success()), "the small file system does not grow");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
