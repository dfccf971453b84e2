//! Watching from the side while the program works.

use std::{
    collections::BTreeMap,
    fs,
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

/// Looks at final names all the time, and remembers any that held less than its whole content.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    breaches: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<u64>>,
}

impl Watcher {
    /// Watches these final names; each is to hold exactly these bytes from the moment it appears.
    pub(crate) fn new(expected: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let breaches = Arc::new(Mutex::new(Vec::new()));
        let (stopped, found) = (Arc::clone(&stop), Arc::clone(&breaches));
        let thread = thread::spawn(move || {
            let mut rounds = 0;
            let mut whole: BTreeMap<&PathBuf, bool> = BTreeMap::new();
            while !stopped.load(Ordering::SeqCst) {
                rounds += 1;
                for (path, data) in &expected {
                    let Ok(meta) = fs::metadata(path) else { continue };
                    // The content is compared once, when the name appears; its length every time.
                    let first = whole.insert(path, true).is_none();
                    if meta.len() != data.len() as u64 || (first && fs::read(path).ok().as_ref() != Some(data)) {
                        let text = format!("{} held {} of {} bytes", path.display(), meta.len(), data.len());
                        found.lock().unwrap().push(text);
                    }
                }
                thread::sleep(Duration::from_millis(1));
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
