//! Where ftpq lives: a small disk that can be filled, and a clock that can be set.

use crate::{
    plan::Plan,
    support::{Ftpq, clock::Clock, disk::Small},
};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Program, queue, disk and clock.
pub(crate) struct House {
    /// The program and its folders.
    pub(crate) ftpq: Ftpq,
    disk: PathBuf,
    bound: Vec<PathBuf>,
    clock: Option<Clock>,
    _small: Small,
}

impl House {
    /// An empty house with a disk on which `bytes` find room.
    pub(crate) fn new(plan: &Plan, bytes: u64) -> Self {
        let mut ftpq = Ftpq::new();
        let disk = ftpq.folder().join("disk");
        let mebibytes = (bytes >> 20) * 5 / 4 + 100;
        let small = if plan.ext4 {
            Small::mount_image(&disk, "mkfs.ext4", mebibytes)
        } else {
            Small::mount(&disk, u32::try_from(mebibytes).unwrap())
        };
        let mut bound = vec![ftpq.downloads()];
        if plan.queue_there {
            bound.push(ftpq.queue());
        }
        for (n, place) in bound.iter().enumerate() {
            let there = disk.join(n.to_string());
            rustix::fs::mkdir(&there, Mode::RWXU).unwrap();
            fs::create_dir_all(place).unwrap();
            mount(&["--bind"], &there, place);
        }
        let clock = Clock::of(&mut ftpq);
        Self { ftpq, disk, bound, clock, _small: small.expect("a small file system needs root and a loop device") }
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) {
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let Ok(file) = rustix::fs::open(self.filler(), flags, Mode::RUSR) else { return };
        let mut at = 0;
        for bits in (12..27).rev() {
            while rustix::fs::fallocate(&file, FallocateFlags::empty(), at, 1 << bits).is_ok() {
                at += 1 << bits;
            }
        }
    }

    /// Gives the space back.
    pub(crate) fn drain(&self) {
        let _ = fs::remove_file(self.filler());
    }

    /// Sets the clock so many seconds beside the right time. Returns false where that can't be done.
    pub(crate) fn set_clock(&self, seconds: i64) -> bool {
        self.clock.as_ref().inspect(|clock| clock.set(seconds)).is_some()
    }

    fn filler(&self) -> PathBuf {
        self.disk.join("filler")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for place in &self.bound {
            let _ = Command::new("umount").arg("-l").arg(place).output();
        }
    }
}

/// Mounts one path over another.
pub(crate) fn mount(options: &[&str], from: &Path, to: &Path) {
    let output = Command::new("mount").args(options).arg(from).arg(to).output().unwrap();
    assert!(output.status.success(), "{}: {}", to.display(), String::from_utf8_lossy(&output.stderr));
}
