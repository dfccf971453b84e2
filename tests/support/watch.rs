//! Watching from the side while the program works.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Waits until something is so; false when it did not come about in time.
pub(crate) fn wait_for(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !so() {
        if begin.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(3));
    }
    true
}

/// The part file of a final name.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    path.with_file_name(format!(".{name}.ftpq-part"))
}

/// Length of a file; 0 when there is none.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

/// Every file below a folder, without the folders.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                todo.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Part files that are left below a folder.
pub(crate) fn parts_below(folder: &Path) -> Vec<PathBuf> {
    files_below(folder).into_iter().filter(|p| p.to_string_lossy().contains("ftpq-part")).collect()
}

/// What a file under its final name is known by, as long as nobody touches it.
type Look = (u64, u64, i64, i64);

/// Looks at final names all the time, and remembers any that held less than its whole content.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    breaches: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<u64>>,
}

impl Watcher {
    /// Watches these final names; each is to hold exactly these bytes from the moment it appears.
    pub(crate) fn new(expected: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let versions = expected.into_iter().map(|(path, data)| (path, vec![Arc::new(data)])).collect();
        Self::of_versions(versions, Duration::from_millis(1))
    }

    /// Watches final names of files that change on the server: each is to hold one version of it, and the whole of that.
    pub(crate) fn of_versions(expected: BTreeMap<PathBuf, Vec<Arc<Vec<u8>>>>, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let breaches = Arc::new(Mutex::new(Vec::new()));
        let (stopped, found) = (Arc::clone(&stop), Arc::clone(&breaches));
        let thread = thread::spawn(move || {
            let mut rounds = 0;
            let mut known: BTreeMap<&PathBuf, Look> = BTreeMap::new();
            while !stopped.load(Ordering::SeqCst) {
                rounds += 1;
                for (path, versions) in &expected {
                    let Ok(meta) = fs::metadata(path) else { continue };
                    // The content is compared when the name appears, and whenever something about it is another.
                    let look = (meta.len(), meta.ino(), meta.mtime(), meta.mtime_nsec());
                    if known.insert(path, look) == Some(look) {
                        continue;
                    }
                    let Ok(data) = fs::read(path) else { continue };
                    if !versions.iter().any(|version| **version == data) {
                        let whole: Vec<usize> = versions.iter().map(|v| v.len()).collect();
                        let text = format!("{} held {} bytes that are none of {whole:?}", path.display(), data.len());
                        found.lock().unwrap().push(text);
                    }
                }
                thread::sleep(pause);
            }
            rounds
        });
        Self { stop, breaches, thread: Some(thread) }
    }

    /// Ends the watch: every breach, and how often was looked.
    pub(crate) fn finish(mut self) -> (Vec<String>, u64) {
        self.stop.store(true, Ordering::SeqCst);
        let rounds = self.thread.take().unwrap().join().unwrap();
        (self.breaches.lock().unwrap().clone(), rounds)
    }
}
