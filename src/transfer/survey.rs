//! What a run saw of folders: what is gone on the server can only be told from that.

use crate::model::{IdSet, JobId, Source};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a run saw of folders. Bounded by 8 bytes a folder, and a range for each run of consecutive jobs.
#[derive(Debug, Default)]
pub struct Survey(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Jobs whose files were listed.
    jobs: IdSet,
    /// Folders that were read to their end, and whether anything was in them.
    read: HashMap<u64, bool>,
    /// Folders that were listed, entered or not.
    listed: HashSet<u64>,
}

impl Survey {
    /// Takes note of jobs whose files or folders were listed.
    pub(super) fn saw(&self, jobs: &IdSet) {
        self.lock().jobs.extend(jobs);
    }

    /// Takes note of a folder that was listed in another.
    pub(super) fn listed(&self, folder: &Source) {
        self.lock().listed.insert(mark(folder));
    }

    /// Takes note of a folder that was read to its end, and had so many entries.
    pub(super) fn read(&self, folder: &Source, entries: u64) {
        self.lock().read.insert(mark(folder), entries > 0);
    }

    /// Jobs whose files or folders were listed.
    #[must_use]
    pub fn jobs(&self) -> IdSet {
        self.lock().jobs.clone()
    }

    /// Whether the folder was read to its end.
    #[must_use]
    pub fn was_read(&self, folder: &Source) -> bool {
        self.lock().read.contains_key(&mark(folder))
    }

    /// Whether the folder was read to its end, and nothing was in it.
    #[must_use]
    pub fn was_empty(&self, folder: &Source) -> bool {
        self.lock().read.get(&mark(folder)) == Some(&false)
    }

    /// Whether a file below the folder `root` is not listed any more: its folder was read to its end and had it not, or
    /// one above it that was read to its end had not the folder on the way. What the rules leave out was listed. That it is
    /// gone is not known by that: a server may list less than it has.
    #[must_use]
    pub fn lacks(&self, root: &Source, job: JobId, file: &Source) -> bool {
        let seen = self.lock();
        if seen.jobs.contains(job) {
            return false;
        }
        let Some(rest) = below(root, file) else { return false };
        let mut folder = root.clone();
        let mut names = rest.split(|&b| b == b'/').peekable();
        while let Some(name) = names.next() {
            if !seen.read.contains_key(&mark(&folder)) {
                // The first one has to be read; of the others one knows that they were listed.
                return folder != *root && !seen.listed.contains(&mark(&folder));
            }
            if names.peek().is_some() {
                let Ok(path) = folder.path().join(name, true) else { return false };
                folder = Source::new(root.account().clone(), path, root.transfer_type());
            }
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path of a file below a folder; nothing for one that lies elsewhere.
fn below<'a>(root: &Source, file: &'a Source) -> Option<&'a [u8]> {
    let rest = file.path().as_bytes().strip_prefix(root.path().as_bytes())?;
    (root.account() == file.account() && !rest.is_empty()).then_some(rest)
}

fn mark(folder: &Source) -> u64 {
    let mut hasher = DefaultHasher::new();
    (folder.account(), folder.path()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(url: &str) -> Source {
        Source::parse_any(url).unwrap().0
    }

    #[test]
    fn only_what_a_whole_listing_lacks_is_missing() {
        let (survey, root) = (Survey::default(), folder("ftp://h/d/"));
        let gone = |job, url: &str| survey.lacks(&root, JobId(job), &folder(url));
        assert!(!gone(1, "ftp://h/d/a"), "nothing was read");
        survey.read(&root, 3);
        survey.saw(&[JobId(2)].into_iter().collect());
        survey.listed(&folder("ftp://h/d/out/"));
        survey.listed(&folder("ftp://h/d/in/"));
        survey.read(&folder("ftp://h/d/in/"), 0);
        assert!(survey.was_empty(&folder("ftp://h/d/in/")) && !survey.was_empty(&root));
        for (job, url, expected) in [
            (1, "ftp://h/d/a", true),
            (2, "ftp://h/d/a", false),
            (3, "ftp://h/d/out/a", false),
            (3, "ftp://h/d/out/deep/a", false),
            (4, "ftp://h/d/in/a", true),
            (5, "ftp://h/d/in/missing/a", true),
            (6, "ftp://h/d/missing/deep/a", true),
            (7, "ftp://h/other/a", false),
            (8, "ftp://g/d/a", false),
        ] {
            assert_eq!(gone(job, url), expected, "{url}");
        }
    }
}
