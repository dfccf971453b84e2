//! Whether what is to be fetched fits on the disk, asked before the first byte, and again while folders are being read.

use super::Observer;
use super::dispatcher::Dispatcher;
use crate::config::Config;
use crate::disk::{AtHand, Room, at_hand};
use crate::model::{Event, Existing, IdSet, Job, JobId, JobState, Selection, Settings};
use crate::queue::{FolderNeed, Queue, QueueError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Duration, Instant, sleep};

/// Jobs asked for at a time.
const PAGE: usize = 2_000;
/// Time to the first look while folders are being read, and the longest from one look to the next.
const SOON: Duration = Duration::from_secs(3);
const LATE: Duration = Duration::from_secs(60);

/// What a run is asked to do, as far as it matters to the disk.
#[derive(Clone)]
struct Wishes {
    only: Option<IdSet>,
    overrides: Settings,
    config: Config,
}

impl Wishes {
    fn existing(&self, job: &Job) -> Existing {
        let host = self.config.settings_for(&job.spec.source.account().host_key());
        let settings = self.overrides.or(&job.spec.settings).or(&host).or(&Config::defaults());
        settings.existing.unwrap_or(Existing::Check)
    }
}

/// A file system, and what is to come there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Load {
    /// The first folder on it.
    folder: PathBuf,
    free: u64,
    needed: u64,
    files: u64,
    /// Files of unknown length.
    unknown: u64,
}

/// File systems by their numbers, and the folders that lie on each.
#[derive(Default)]
struct Survey {
    loads: BTreeMap<u64, Load>,
    devices: HashMap<PathBuf, u64>,
    /// Folders of servers that are still to be read.
    unread: u64,
}

impl Survey {
    /// Adds the folders' needs to the file systems they lie on. A folder that can't be looked at is left out: the attempt
    /// says why. Blocks.
    fn of(needs: Vec<FolderNeed>) -> Self {
        let mut survey = Self::default();
        for need in needs {
            survey.unread += need.unread;
            if need.files + need.unknown == 0 {
                continue;
            }
            let Ok(room) = Room::at(&need.folder) else { continue };
            survey.devices.insert(need.folder.clone(), room.device);
            let empty = Load { folder: need.folder, free: room.free, needed: 0, files: 0, unknown: 0 };
            let load = survey.loads.entry(room.device).or_insert(empty);
            load.needed = load.needed.saturating_add(need.bytes);
            load.files += need.files;
            load.unknown += need.unknown;
        }
        survey
    }

    fn is_short(&self) -> bool {
        self.loads.values().any(|load| load.needed > load.free)
    }

    /// The file system of a job's folder.
    fn load_of(&mut self, job: &Job) -> Option<&mut Load> {
        let full = job.spec.destination.full();
        let folder = full.parent()?;
        let device = self.devices.get(folder).or_else(|| self.devices.get(job.spec.destination.dir()))?;
        self.loads.get_mut(device)
    }

    /// Takes off what is here already of these jobs. Blocks.
    fn credit(&mut self, jobs: &[(Job, Existing)]) {
        for (job, existing) in jobs {
            let Some(size) = job.spec.likely_size().filter(|_| job.spec.folder.is_none()) else { continue };
            let Some(load) = self.load_of(job).filter(|load| load.needed > load.free) else { continue };
            // What can't be looked at is not counted as here.
            // One that was finished before is likely to be the same.
            let existing = if job.record.receipt.is_some() { Existing::Check } else { *existing };
            let here = at_hand(&job.spec.destination).map_or(0, |here| at_rest(here, existing, size));
            load.needed = load.needed.saturating_sub(here);
            load.files -= u64::from(here == size && load.files > 0);
        }
    }
}

/// How many of a file's bytes need no more space: those of a part file have theirs; a file under the final name is replaced
/// only by `overwrite`, which needs space for both, and continued only by `resume`.
fn at_rest(here: AtHand, existing: Existing, size: u64) -> u64 {
    let finished = match (here.finished, existing) {
        (Some(_), Existing::Check | Existing::Skip | Existing::Error) => size,
        (Some(length), Existing::Resume) => {
            if length < size {
                length
            } else {
                size
            }
        }
        (_, Existing::Overwrite | Existing::Backup) | (None, _) => 0,
    };
    finished.max(here.part).min(size)
}

/// Holds what is to be fetched against the space there is. What lies on the disk is only looked at where it matters.
async fn survey(queue: &Queue, wishes: &Wishes) -> Result<Survey, QueueError> {
    let needs = queue.needs(wishes.only.clone()).await?;
    let mut survey = aside(Survey::default(), move |_| Survey::of(needs)).await;
    let selection = Selection { ids: wishes.only.clone(), ..Selection::default() };
    let mut after: Option<JobId> = None;
    while survey.is_short() {
        let page = queue.list(selection.clone(), after, PAGE).await?;
        let Some(last) = page.last().map(|job| job.id) else { break };
        after = Some(last);
        let is_open = |job: &Job| matches!(job.state, JobState::Queued | JobState::Waiting | JobState::Running);
        let mut jobs = Vec::new();
        for job in page.into_iter().filter(is_open) {
            let existing = wishes.existing(&job);
            jobs.push((job, existing));
        }
        survey = aside(survey, move |mut survey| {
            survey.credit(&jobs);
            survey
        })
        .await;
    }
    Ok(survey)
}

/// Does what blocks on another thread.
async fn aside(survey: Survey, work: impl FnOnce(Survey) -> Survey + Send + 'static) -> Survey {
    match spawn_blocking(move || work(survey)).await {
        Ok(survey) => survey,
        Err(broken) => std::panic::resume_unwind(broken.into_panic()),
    }
}

/// Says where there is too little space. Returns whether there is enough everywhere, or the run goes on all the same.
fn tell(survey: &Survey, observer: &dyn Observer, goes_on: bool, told: &mut HashSet<u64>) -> bool {
    let mut fits = true;
    for (&device, load) in survey.loads.iter().filter(|(_, load)| load.needed > load.free) {
        fits = false;
        if told.insert(device) {
            let Load { folder, free, needed, files, unknown } = load.clone();
            let path = folder.display().to_string();
            observer.event(&Event::TooLittleSpace { path, needed, free, files, unknown, goes_on });
        }
    }
    fits || goes_on
}

/// Looks again and again while folders are being read; ends with the run.
pub(super) struct Lookout(Option<JoinHandle<()>>);

impl Drop for Lookout {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Dispatcher {
    /// Whether what is to be fetched fits, or the user wants the run all the same; what does not is said. As long as folders
    /// are read that hold nobody knows what, the lookout goes on.
    pub(super) async fn look_for_space(&self) -> Result<(bool, Lookout), QueueError> {
        let order = &self.order;
        let wishes =
            Wishes { only: order.only.clone(), overrides: order.overrides.clone(), config: order.config.clone() };
        let begun = Instant::now();
        let mut stop = self.stop.clone();
        let found = tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => return Ok((true, Lookout(None))),
            found = survey(&self.shop.queue, &wishes) => found?,
        };
        let mut told = HashSet::new();
        let observer = Arc::clone(&self.shop.observer);
        let goes = tell(&found, &*observer, order.force, &mut told);
        if found.unread == 0 || !goes {
            return Ok((goes, Lookout(None)));
        }
        let (queue, cost) = (self.shop.queue.clone(), begun.elapsed());
        // The jobs that folders give are among those that are worked on, though nobody could name them: they are new.
        let newest = queue.newest().await?.map_or(0, |id| id.0);
        let only = wishes.only.clone().map(|mut only| {
            only.insert_range(JobId(newest.saturating_add(1)), JobId(u64::MAX));
            only
        });
        let wishes = Wishes { only, ..wishes };
        let task = tokio::spawn(look_out(queue, wishes, observer, told, cost));
        Ok((goes, Lookout(Some(task))))
    }
}

async fn look_out(
    queue: Queue,
    wishes: Wishes,
    observer: Arc<dyn Observer>,
    mut told: HashSet<u64>,
    mut cost: Duration,
) {
    let mut pause = SOON;
    loop {
        sleep(pause.max(cost * 50)).await;
        pause = (pause * 2).min(LATE);
        let begun = Instant::now();
        // Where the queue can't be read the run ends by itself.
        let Ok(found) = survey(&queue, &wishes).await else { return };
        cost = begun.elapsed();
        tell(&found, &*observer, true, &mut told);
        if found.unread == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, Expectation, JobRecord, JobSpec, RelPath};
    use std::path::Path;

    fn job(dir: &Path, name: &str, size: u64) -> Job {
        let destination = Destination::new(dir, RelPath::new(name).unwrap()).unwrap();
        let expect = Expectation { size: Some(size), ..Expectation::default() };
        let spec = JobSpec { expect, ..JobSpec::new("ftp://h/a".parse().unwrap(), destination) };
        Job { id: JobId(1), state: JobState::Queued, spec, record: JobRecord::default() }
    }

    #[test]
    fn what_is_here_is_not_counted_twice() {
        let part = |part, finished| AtHand { part, finished };
        for (here, existing, expected) in [
            (part(0, None), Existing::Check, 0),
            (part(40, None), Existing::Check, 40),
            // Reserved in full already.
            (part(500, None), Existing::Check, 100),
            (part(0, Some(100)), Existing::Check, 100),
            (part(0, Some(7)), Existing::Skip, 100),
            (part(0, Some(30)), Existing::Resume, 30),
            (part(0, Some(100)), Existing::Overwrite, 0),
            (part(40, Some(100)), Existing::Overwrite, 40),
        ] {
            assert_eq!(at_rest(here, existing, 100), expected, "{here:?} {existing:?}");
        }
    }

    #[test]
    fn a_folder_still_to_be_made_lies_where_its_parent_lies() {
        let dir = tempfile::tempdir().unwrap();
        let need = |folder: PathBuf, bytes| FolderNeed { folder, files: 1, bytes, ..FolderNeed::default() };
        let needs = vec![need(dir.path().to_owned(), 10), need(dir.path().join("a/b/c"), u64::MAX - 20)];
        let mut survey = Survey::of(needs);
        assert_eq!(survey.loads.len(), 1, "{:?}", survey.loads);
        let load = survey.loads.values().next().unwrap();
        assert_eq!((load.files, load.needed), (2, u64::MAX - 10));
        assert!(survey.is_short() && !dir.path().join("a").exists());
        std::fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        std::fs::write(dir.path().join("a/b/c/f"), "x").unwrap();
        survey.credit(&[(job(dir.path(), "a/b/c/f", u64::MAX - 20), Existing::Check)]);
        assert!(!survey.is_short(), "the file is here: {:?}", survey.loads);
    }
}
