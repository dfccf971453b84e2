//! What a run saw of folders: what is gone on the server can only be told from that.

use crate::model::{IdSet, JobId, Source};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a run saw of folders. Bounded by 8 bytes a folder, and a range for each run of consecutive jobs.
#[derive(Debug, Default)]
pub struct Survey(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Jobs whose files were listed.
    jobs: IdSet,
    /// Folders that were read to their end.
    read: HashSet<u64>,
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

    /// Takes note of a folder that was read to its end.
    pub(super) fn read(&self, folder: &Source) {
        self.lock().read.insert(mark(folder));
    }

    /// Whether the folder was read to its end.
    #[must_use]
    pub fn was_read(&self, folder: &Source) -> bool {
        self.lock().read.contains(&mark(folder))
    }

    /// Whether a file below the folder `root` is gone on the server: its folder was read to its end and had it not, or
    /// one above it that was read to its end had not the folder on the way. What the rules leave out was listed, and is
    /// not gone.
    #[must_use]
    pub fn is_gone(&self, root: &Source, job: JobId, file: &Source) -> bool {
        let seen = self.lock();
        if seen.jobs.contains(job) {
            return false;
        }
        let Some(rest) = below(root, file) else { return false };
        let mut folder = root.clone();
        let mut names = rest.split(|&b| b == b'/').peekable();
        while let Some(name) = names.next() {
            if !seen.read.contains(&mark(&folder)) {
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
    fn only_what_a_whole_listing_lacks_is_gone() {
        let (survey, root) = (Survey::default(), folder("ftp://h/d/"));
        let gone = |job, url: &str| survey.is_gone(&root, JobId(job), &folder(url));
        assert!(!gone(1, "ftp://h/d/a"), "nothing was read");
        survey.read(&root);
        survey.saw(&[JobId(2)].into_iter().collect());
        survey.listed(&folder("ftp://h/d/out/"));
        survey.listed(&folder("ftp://h/d/in/"));
        survey.read(&folder("ftp://h/d/in/"));
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
