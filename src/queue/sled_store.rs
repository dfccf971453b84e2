//! The store on disk: sled 0.34.
//!
//! Four of its traits shape this file. `flush` is `sync_file_range` and no fsync: the log is synced here, and so are
//! the blob files that large pages are moved to. `flush_async` deadlocks with several callers: it is never used. It
//! panics on most damage: every call stands inside `catch_unwind`. It stumbles over snapshots of its own that were not
//! written to their end: they are removed before it sees them.

use super::backend::{Backend, Batch, Visit};
use super::{QueueError, files};
use crate::model::printable;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Memory for pages of the store, in bytes. Work goes from pack to pack: there is little to be found again.
const CACHE: u64 = 16 * 1024 * 1024;

/// Longer than the file system's clock takes from tick to tick.
const TICK: Duration = Duration::from_secs(2);

/// A sled database in a folder of its own.
pub(super) struct SledStore {
    db: sled::Db,
    dir: PathBuf,
    log: File,
    synced_blobs: HashSet<OsString>,
    /// When the folder of blobs was changed last, once that is certain to be all.
    quiet_since: Option<SystemTime>,
}

impl SledStore {
    /// Opens the database in the folder, and makes it where there is none.
    pub(super) fn open(dir: &Path) -> Result<Self, QueueError> {
        guarded(dir, || Self::open_unguarded(dir))
    }

    fn open_unguarded(dir: &Path) -> Result<Self, QueueError> {
        let new = !dir.join("db").exists();
        remove_half_snapshots(dir)?;
        let config = sled::Config::new().path(dir).cache_capacity(CACHE).flush_every_ms(None);
        let mut tries = 0u32;
        let db = loop {
            match config.open() {
                // The queue's own lock is held, so this is a store that is only just given up, by sled's own thread or by a
                // process that was killed: it goes away.
                Err(sled::Error::Io(e)) if e.to_string().contains("could not acquire lock") => {
                    tries += 1;
                    if tries > 100 {
                        return Err(QueueError::Locked { path: dir.parent().unwrap_or(dir).to_owned(), pid: None });
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                result => break result.map_err(|e| failed("opening", dir, &e))?,
            }
        };
        let path = dir.join("db");
        let log = File::open(&path).map_err(|e| QueueError::io("opening", &path, &e))?;
        if new {
            db.flush().map_err(|e| failed("writing", dir, &e))?;
            files::sync_tree(dir)?;
        }
        Ok(Self { db, dir: dir.to_owned(), log, synced_blobs: HashSet::new(), quiet_since: None })
    }

    fn sync_blobs(&mut self) -> Result<(), QueueError> {
        let blobs = self.dir.join("blobs");
        let changed = fs::metadata(&blobs).and_then(|meta| meta.modified()).ok();
        if changed.is_some() && changed == self.quiet_since {
            return Ok(());
        }
        // Within the same tick of the clock the folder may change again without showing it.
        let is_over = |at: &SystemTime| at.elapsed().is_ok_and(|age| age > TICK);
        self.quiet_since = changed.filter(is_over);
        let entries = fs::read_dir(&blobs).map_err(|e| QueueError::io("reading", &blobs, &e))?;
        let mut present = HashSet::new();
        let mut fresh = false;
        for entry in entries {
            let name = entry.map_err(|e| QueueError::io("reading", &blobs, &e))?.file_name();
            // Blobs are written once, under names that are not used again.
            if !self.synced_blobs.contains(&name) {
                fresh = true;
                let path = blobs.join(&name);
                match File::open(&path).and_then(|file| file.sync_all()) {
                    // sled removes blobs on threads of its own.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    result => result.map_err(|e| QueueError::io("syncing", &path, &e))?,
                }
            }
            present.insert(name);
        }
        if fresh {
            files::sync_dir(&blobs)?;
        }
        self.synced_blobs = present;
        Ok(())
    }
}

/// Removes snapshots that a kill or a full disk left half written. sled would take one for the newest, which it is by its
/// name, and find it damaged; the log holds all that it was made of.
fn remove_half_snapshots(dir: &Path) -> Result<(), QueueError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(|e| QueueError::io("reading", dir, &e))?,
    };
    for entry in entries {
        let path = entry.map_err(|e| QueueError::io("reading", dir, &e))?.path();
        let is_snapshot = path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("snap."));
        if is_snapshot && path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(&path).map_err(|e| QueueError::io("removing", &path, &e))?;
        }
    }
    Ok(())
}

impl Backend for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, QueueError> {
        guarded(&self.dir, || {
            let value = self.db.get(key).map_err(|e| failed("reading", &self.dir, &e))?;
            Ok(value.map(|v| v.to_vec()))
        })
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), QueueError> {
        guarded(&self.dir, || {
            for entry in self.db.scan_prefix(prefix) {
                let (key, value) = entry.map_err(|e| failed("reading", &self.dir, &e))?;
                visit(&key, &value)?;
            }
            Ok(())
        })
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), QueueError> {
        guarded(&self.dir, || {
            let mut writes = sled::Batch::default();
            for (key, value) in batch {
                match value {
                    Some(value) => writes.insert(key.as_slice(), value.as_slice()),
                    None => writes.remove(key.as_slice()),
                }
            }
            self.db.apply_batch(writes).map_err(|e| failed("writing", &self.dir, &e))
        })
    }

    fn sync(&mut self) -> Result<(), QueueError> {
        // Blobs first: the log that names them must not be durable before they are.
        self.sync_blobs()?;
        guarded(&self.dir, || self.db.flush().map_err(|e| failed("writing", &self.dir, &e)))?;
        self.sync_blobs()?;
        self.log.sync_data().map_err(|e| QueueError::io("syncing", &self.dir.join("db"), &e))
    }

    fn size(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// What sled returns; a panic of its becomes damage that was noticed.
fn guarded<T>(dir: &Path, call: impl FnOnce() -> Result<T, QueueError>) -> Result<T, QueueError> {
    // Nothing of a store that panicked is used again: its books refuse every further change.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no known reason");
        Err(QueueError::damaged(dir, format!("its store gave up: {}", printable(text, 120))))
    })
}

fn failed(doing: &'static str, dir: &Path, error: &sled::Error) -> QueueError {
    match error {
        sled::Error::Io(e) => QueueError::io(doing, dir, e),
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => QueueError::damaged(dir, error.to_string()),
        _ => QueueError::Io { doing, path: dir.to_owned(), why: error.to_string() },
    }
}
