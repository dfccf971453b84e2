//! Bounds of a tree: how many folders and jobs one command may make, and folders that lead back to one above them.

use crate::model::{Cause, Failure, Folder, JobId, JobSpec, Stage, UniqueHash, printable};
use crate::queue::{Queue, QueueError, TreeSize};
use crate::wire::listing::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// What is left out is named so often in a failure or a remark.
const TOLD: usize = 3;
/// Folders that may lead back and are kept until their listing has ended.
const SUSPECTS: usize = 1_000;

/// What each command's folders gave so far, by the time of the command.
#[derive(Debug, Default)]
pub struct Bounds {
    given: Mutex<HashMap<u64, Amount>>,
    /// What folders gave that are read again, counted in already: most of it is met once more.
    before: Mutex<HashMap<(JobId, u64), Amount>>,
    /// Commands of which this run has met a folder.
    met: tokio::sync::Mutex<HashSet<u64>>,
}

/// Jobs that folders gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    /// Folders among them.
    folders: u64,
    /// All of them.
    jobs: u64,
}

impl Amount {
    /// Takes a job of the kind out, if there is one.
    fn takes(&mut self, is_folder: bool) -> bool {
        let of_kind = if is_folder { self.folders } else { self.jobs - self.folders };
        if of_kind > 0 {
            self.jobs -= 1;
            self.folders -= u64::from(is_folder);
        }
        of_kind > 0
    }
}

impl Bounds {
    /// Counts in what the command's folders gave in earlier runs, where the first that this run meets is one of those.
    pub(super) async fn recall(&self, id: JobId, rules: &Folder, queue: &Queue) -> Result<(), QueueError> {
        // Others of the command wait here until it is known.
        let mut met = self.met.lock().await;
        // The named folder has given nothing where its job is the newest.
        let is_first = met.insert(rules.asked);
        if is_first && (!rules.below.is_empty() || queue.newest().await?.is_some_and(|newest| newest > id)) {
            let TreeSize { folders, jobs } = queue.tree_size(rules.asked).await?;
            let mut all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            *all.entry(rules.asked).or_default() = Amount { folders, jobs };
        }
        Ok(())
    }

    /// Counts a job in, where the command may make one more of its kind. Returns whether it may.
    fn take(&self, rules: &Folder, is_folder: bool) -> bool {
        let mut all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let given = all.entry(rules.asked).or_default();
        let folders = given.folders + u64::from(is_folder);
        let fits = given.jobs < rules.most_jobs() && folders <= rules.most_folders();
        if fits {
            *given = Amount { folders, jobs: given.jobs + 1 };
        }
        fits
    }

    fn give_back(&self, rules: &Folder, taken: Amount) {
        let mut all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let given = all.entry(rules.asked).or_default();
        given.folders = given.folders.saturating_sub(taken.folders);
        given.jobs = given.jobs.saturating_sub(taken.jobs);
    }
}

/// One folder's share of what its command may make.
pub(super) struct Share<'a> {
    bounds: &'a Bounds,
    rules: &'a Folder,
    id: JobId,
    taken: Amount,
    /// What an earlier attempt took and this one did not meet yet.
    before: Amount,
    beyond: Amount,
    /// The first that were left out.
    named: Vec<String>,
}

impl<'a> Share<'a> {
    /// The share of this folder, with these rules.
    pub(super) fn new(bounds: &'a Bounds, id: JobId, rules: &'a Folder) -> Self {
        let before =
            bounds.before.lock().unwrap_or_else(PoisonError::into_inner).remove(&(id, rules.asked)).unwrap_or_default();
        Self { bounds, rules, id, taken: Amount::default(), before, beyond: Amount::default(), named: Vec::new() }
    }

    /// Whether the command may make this job too; what it may not is remembered.
    pub(super) fn admits(&mut self, job: &JobSpec) -> bool {
        let is_folder = job.folder.is_some();
        let was_taken = self.before.takes(is_folder);
        let fits = was_taken || self.bounds.take(self.rules, is_folder);
        let amount = if fits { &mut self.taken } else { &mut self.beyond };
        amount.jobs += 1;
        amount.folders += u64::from(is_folder);
        if !fits && self.named.len() < TOLD {
            self.named.push(name_of(job));
        }
        fits
    }

    /// Ends the attempt. What was taken stays: its jobs are in the queue, and may be under way. When the folder is read
    /// again, it is not taken a second time.
    pub(super) fn close(&self, is_read_again: bool) {
        if is_read_again {
            let all =
                Amount { folders: self.taken.folders + self.before.folders, jobs: self.taken.jobs + self.before.jobs };
            self.bounds.before.lock().unwrap_or_else(PoisonError::into_inner).insert((self.id, self.rules.asked), all);
        } else {
            self.bounds.give_back(self.rules, self.before);
        }
    }

    /// The failure of a folder of which something was left out.
    pub(super) fn failure(&self) -> Option<Failure> {
        let Amount { folders, jobs } = self.beyond;
        if jobs == 0 {
            return None;
        }
        let (limit, option) = if folders == jobs {
            (format!("{} folders", self.rules.most_folders()), "--max-folders")
        } else {
            (format!("{} jobs", self.rules.most_jobs()), "--max-jobs")
        };
        let more = if jobs > self.named.len() as u64 { ", …" } else { "" };
        let message = format!(
            "{} and {} were left out, since one command makes {limit} at most: {}{more}",
            count(folders, "folder"),
            count(jobs - folders, "file"),
            self.named.join(", ")
        );
        let advice = format!(
            "all before them were queued; if the tree is meant to be so large, give the command again with a higher \
             {option}, else leave parts out with --exclude or --depth"
        );
        Some(Failure::permanent(Stage::List, Cause::Unsupported, message).with_advice(advice))
    }
}

/// The name of what a job fetches, without a folder's slash, safe to show.
fn name_of(job: &JobSpec) -> String {
    let path = job.source.path().as_bytes();
    let name = path.split(|&b| b == b'/').rfind(|part| !part.is_empty()).unwrap_or_default();
    printable(&String::from_utf8_lossy(name), 200)
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Folders that are one above them once more, where the server tells what is the same (MLSD's `unique`).
pub(super) struct Loops<'a> {
    above: &'a [UniqueHash],
    /// Another `unique` was told in this listing: it does tell one thing from another.
    differs: bool,
    suspects: Vec<JobSpec>,
    /// How many lead back, and the first names.
    found: u64,
    named: Vec<String>,
}

impl<'a> Loops<'a> {
    /// Nothing was met yet below the folders that have these `unique`s.
    pub(super) fn below(above: &'a [UniqueHash]) -> Self {
        Self { above, differs: false, suspects: Vec::new(), found: 0, named: Vec::new() }
    }

    /// Takes note of what the server tells an entry to be.
    pub(super) fn meet(&mut self, entry: &Entry) {
        self.differs |= entry.unique.as_ref().is_some_and(|unique| !self.above.contains(&UniqueHash::of(unique)));
    }

    /// Keeps a folder that may lead back until the listing has ended; gives back any other.
    pub(super) fn sift(&mut self, entry: &Entry, spec: Box<JobSpec>) -> Option<Box<JobSpec>> {
        let leads_back = entry.unique.as_ref().is_some_and(|unique| self.above.contains(&UniqueHash::of(unique)));
        if leads_back && self.suspects.len() < SUSPECTS {
            self.suspects.push(*spec);
            return None;
        }
        Some(spec)
    }

    /// The folders that were kept and are to be read after all: the server tells all things to be the same.
    pub(super) fn cleared(&mut self) -> Vec<JobSpec> {
        let suspects = std::mem::take(&mut self.suspects);
        if !self.differs {
            return suspects;
        }
        self.found += suspects.len() as u64;
        self.named.extend(suspects.iter().take(TOLD).map(name_of));
        Vec::new()
    }

    /// How many folders lead back.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    /// What is worth knowing of them.
    pub(super) fn remark(&self) -> Option<String> {
        let more = if self.found > self.named.len() as u64 { ", …" } else { "" };
        let what = if self.found == 1 { "1 folder is" } else { "folders are" };
        let what = if self.found > 1 { format!("{} {what}", self.found) } else { what.to_owned() };
        let names = self.named.join(", ");
        (self.found > 0).then(|| {
            format!(
                "{what} one above them once more, as the server tells by `unique`, and not entered again: {names}{more}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Destination;
    use crate::wire::listing::{Family, Kind};

    fn job(name: &str, is_folder: bool) -> JobSpec {
        let slash = if is_folder { "/" } else { "" };
        let folder = is_folder.then(Box::default);
        JobSpec {
            folder,
            ..JobSpec::new(format!("ftp://h/d/{name}{slash}").parse().unwrap(), Destination::folder("/d").unwrap())
        }
    }

    #[test]
    fn the_folders_of_one_command_share_one_bound_and_other_commands_have_their_own() {
        let bounds = Bounds::default();
        let rules = |asked| Folder { max_folders: Some(3), asked, ..Folder::default() };
        let (first, other) = (rules(1), rules(2));
        let mut share = Share::new(&bounds, JobId(1), &first);
        assert!(share.admits(&job("a", true)) && share.admits(&job("f", false)));
        let mut beside = Share::new(&bounds, JobId(2), &first);
        assert!(beside.admits(&job("b", true)) && beside.admits(&job("c", true)));
        assert!(!beside.admits(&job("d", true)) && beside.admits(&job("g", false)), "files are not bounded by folders");
        assert!(share.failure().is_none());
        let text = beside.failure().unwrap().to_string();
        assert!(text.contains("1 folder and 0 files were left out") && text.contains(": d;"), "{text}");
        assert!(text.contains("3 folders") && text.contains("--max-folders"), "{text}");
        assert!(Share::new(&bounds, JobId(3), &other).admits(&job("a", true)));
        // A listing that broke off is read again, and counts once.
        share.close(true);
        let mut again = Share::new(&bounds, JobId(1), &first);
        assert!(again.admits(&job("a", true)) && !again.admits(&job("z", true)));
        again.close(true);
        // What it does not list any more is another's.
        Share::new(&bounds, JobId(1), &first).close(false);
        assert!(Share::new(&bounds, JobId(2), &first).admits(&job("d", true)));
    }

    #[test]
    fn jobs_are_bounded_too_and_the_first_left_out_are_named() {
        let (bounds, rules) = (Bounds::default(), Folder { max_jobs: Some(2), ..Folder::default() });
        let mut share = Share::new(&bounds, JobId(1), &rules);
        let admitted = (0..9).filter(|n| share.admits(&job(&format!("f{n}"), false))).count();
        let text = share.failure().unwrap().to_string();
        assert_eq!(admitted, 2);
        assert!(
            text.contains("0 folders and 7 files") && text.contains("f2, f3, f4, …") && text.contains("--max-jobs"),
            "{text}"
        );
    }

    fn entry(name: &str, unique: Option<&str>) -> Entry {
        let (name, unique) = (name.as_bytes().to_vec(), unique.map(str::to_owned));
        let kind = Kind::Folder;
        Entry { name, unique, kind, size: None, time: None, modify: None, perm: None, family: Family::Machine }
    }

    #[test]
    fn a_folder_above_is_recognized_where_the_server_tells_one_thing_from_another() {
        let above = ["u1", "u2"].map(UniqueHash::of);
        let goes_on = |loops: &mut Loops<'_>, name: &str, unique| {
            let entry = entry(name, unique);
            loops.meet(&entry);
            loops.sift(&entry, Box::new(job(name, true))).is_some()
        };
        let mut loops = Loops::below(&above);
        assert!(!goes_on(&mut loops, "back", Some("u1")));
        assert!(goes_on(&mut loops, "on", Some("u3")) && goes_on(&mut loops, "mute", None));
        assert!(loops.cleared().is_empty());
        assert!(loops.remark().unwrap().contains("1 folder is one above them once more"), "{:?}", loops.remark());
        // A server for which all things are one.
        let mut constant = Loops::below(&above);
        assert!(!goes_on(&mut constant, "a", Some("u1")));
        assert_eq!((constant.cleared().len(), constant.found(), constant.remark()), (1, 0, None));
    }
}
