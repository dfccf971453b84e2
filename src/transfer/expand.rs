//! One folder: its entries become jobs while the listing comes in.

use super::bounds::{Bounds, Loops, Share};
use super::gauge::{Gauge, Phase};
use super::link::Link;
use super::parts::FirstPart;
use super::renew::{Look, judge};
use super::rules::{Fate, Rules};
use super::survey::Survey;
use super::task::{End, Report, Stop};
use crate::disk::is_one_file;
use crate::model::{
    Cause, Failure, Folder, FolderTally, IdSet, Job, JobId, JobSpec, JobState, Receipt, RemotePath, Stage, printable,
};
use crate::policy::{Collision, FoldedNames, SortedNames};
use crate::queue::{Admission, Known, Queue, QueueError, Renewal};
use crate::wire::listing::{Entry, Item, Kind, Refusal};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most jobs that are handed to the queue at a time.
const BATCH: usize = 1_000;
/// Jobs wait so long for others to be handed over with.
const MOMENT: Duration = Duration::from_millis(300);
/// Refused entries that are named.
const NAMED: usize = 20;
/// Refused entries that the failure names.
const TOLD: usize = 3;
/// Bytes of entries that are kept until the listing has ended: only then they can be asked for.
const UNSURE: usize = 16 * 1024 * 1024;

/// A folder to read, and all that it takes besides the link.
pub struct Expansion<'a> {
    /// The job, as claimed.
    pub job: &'a Job,
    /// Its rules.
    pub rules: &'a Folder,
    /// Where its jobs go.
    pub queue: &'a Queue,
    /// Where is shown what is being done.
    pub gauge: &'a Arc<Gauge>,
    /// When to stop.
    pub stop: Stop,
    /// Seconds since 1970-01-01 UTC.
    pub now: u64,
    /// What is seen, where anybody wants to know.
    pub survey: Option<&'a Survey>,
    /// What each command's folders gave so far.
    pub bounds: &'a Bounds,
    /// Whom to tell of jobs that this run is to work on: all of them, and the folders among them.
    pub found: &'a (dyn Fn(IdSet, IdSet) + Send + Sync),
}

/// Why reading does not go on.
pub(super) enum Halt {
    Stopped,
    Failed(Failure),
    /// The queue can't be written.
    Queue(QueueError),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<QueueError> for Halt {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

/// Reads a folder: each file becomes a job, each folder another one of this kind. Returns what there is to tell of the
/// attempt, and what was found where the listing was read to its end; what was handed to the queue before a failure
/// stays.
///
/// # Errors
/// When the queue can't be written.
pub async fn expand(task: &Expansion<'_>, link: &mut Link) -> Result<(Report, Option<FolderTally>), QueueError> {
    task.bounds.recall(task.job.id, task.rules, task.queue).await?;
    let mut run = Run::new(task);
    let end = match run.read(link).await {
        Ok(()) => run.end(),
        Err(Halt::Stopped) => End::Stopped,
        Err(Halt::Failed(failure)) => End::Failed(failure),
        Err(Halt::Queue(error)) => return Err(error),
    };
    // What failed for good may be tried again all the same.
    let is_read_again = !matches!(end, End::Completed(_));
    run.share.close(is_read_again);
    let tally = run.whole.then_some(run.tally);
    let report = Report {
        from: 0,
        fetched: 0,
        gained: 0,
        note: tally.as_ref().map(told),
        progress: None,
        device: None,
        pause: None,
        end,
    };
    Ok((report, tally))
}

/// What was found, in a line.
fn told(tally: &FolderTally) -> String {
    let FolderTally { entries, files, folders, left_out, .. } = tally;
    format!("read: {entries} entries, {files} files and {folders} folders queued or known, {left_out} left out")
}

/// A folder being read.
pub(super) struct Run<'a> {
    pub(super) task: &'a Expansion<'a>,
    pub(super) tally: FolderTally,
    /// Jobs to be handed over.
    pub(super) batch: Vec<JobSpec>,
    /// Jobs of files that the rules leave out.
    left_out: Vec<JobSpec>,
    since: Instant,
    names: FoldedNames,
    /// Names that differ from others in case alone: how many, and the first.
    collisions: u64,
    collision: String,
    folds_case: bool,
    /// Links, and entries of which the listing does not tell what they are.
    pub(super) unsure: Vec<Entry>,
    unsure_bytes: usize,
    /// Lines and entries that may stand for any file: what is known of the folder is not all that is in it.
    pub(super) hiding: u64,
    /// The listing ended in the middle of a line.
    is_cut_off: bool,
    share: Share<'a>,
    loops: Loops<'a>,
    /// The listing was read to its end.
    whole: bool,
}

impl<'a> Run<'a> {
    fn new(task: &'a Expansion<'a>) -> Self {
        Self {
            task,
            tally: FolderTally::default(),
            batch: Vec::new(),
            left_out: Vec::new(),
            since: Instant::now(),
            names: FoldedNames::default(),
            collisions: 0,
            collision: String::new(),
            folds_case: false,
            unsure: Vec::new(),
            unsure_bytes: 0,
            hiding: 0,
            is_cut_off: false,
            share: Share::new(task.bounds, task.job.id, task.rules),
            loops: Loops::below(&task.rules.above),
            whole: false,
        }
    }

    async fn read(&mut self, link: &mut Link) -> Result<(), Halt> {
        let task = self.task;
        let rules = Rules::new(task.job, task.rules)?;
        task.gauge.set_phase(Phase::Listing);
        let now = i64::try_from(task.now).unwrap_or(i64::MAX);
        let mut stop = task.stop.clone();
        let stopped = async move {
            let _ = stop.wait_for(|&stop| stop).await;
        };
        tokio::select! {
            biased;
            () = stopped => return Err(Halt::Stopped),
            done = self.take(&rules, link, now) => done?,
        }
        self.whole = self.hiding == 0;
        if let Some(survey) = task.survey.filter(|_| self.whole) {
            survey.read(&task.job.spec.source, self.tally.entries);
        }
        Ok(())
    }

    async fn take(&mut self, rules: &Rules<'_>, link: &mut Link, now: i64) -> Result<(), Halt> {
        let path = self.task.job.spec.source.path();
        let mut listing = link.session().await?.list(path, now).await?;
        let form = listing.form();
        let (mut names, mut end) = (SortedNames::default(), Ok(()));
        loop {
            match listing.next().await {
                Ok(Some(item)) => {
                    if let Item::Entry(entry) = &item {
                        names.take(&entry.name);
                    }
                    self.meet(rules, item).await?;
                }
                Ok(None) => break,
                Err(failure) if failure.cause == Cause::Incomplete => {
                    end = Err(failure);
                    break;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        drop(listing);
        self.hand_over().await?;
        let mut lack = None;
        if let Err(failure) = end {
            match self.read_from_both_ends(rules, link, FirstPart { names, form, failure, now }).await {
                Ok(()) => {}
                Err(Halt::Failed(failure)) if failure.cause == Cause::Incomplete => lack = Some(failure),
                Err(halt) => return Err(halt),
            }
        }
        self.learn_kinds(rules, link, form, now).await?;
        self.ask(rules, link).await?;
        self.batch.extend(self.loops.cleared());
        self.tally.links += self.loops.found();
        self.hand_over().await?;
        lack.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Takes what a listing tells.
    pub(super) async fn meet(&mut self, rules: &Rules<'_>, item: Item) -> Result<(), Halt> {
        self.tally.entries += 1;
        match item {
            Item::Entry(entry) => {
                let fate = rules.judge(&entry);
                if matches!(fate, Fate::Other) {
                    self.note_listed(rules, &entry);
                }
                self.sort(fate, entry);
            }
            Item::Refused(refused) => {
                self.hiding += u64::from(refused.why.hides_files());
                self.is_cut_off |= refused.why == Refusal::CutOff;
                self.refuse(&refused.shown, &refused.why.to_string());
            }
        }
        self.hand_over_in_time().await
    }

    /// Hands over what was gathered, where it is enough or has waited.
    pub(super) async fn hand_over_in_time(&mut self) -> Result<(), Halt> {
        if self.batch.len() + self.left_out.len() >= BATCH || self.since.elapsed() >= MOMENT {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Puts an entry where it belongs.
    pub(super) fn sort(&mut self, fate: Fate, entry: Entry) {
        self.loops.meet(&entry);
        match fate {
            Fate::File(spec) => {
                if self.may_stand_beside(&entry, &spec) {
                    self.batch.push(*spec);
                }
            }
            Fate::Folder(spec) => {
                self.note_folder(spec.source.path());
                if self.may_stand_beside(&entry, &spec)
                    && let Some(spec) = self.loops.sift(&entry, spec)
                {
                    self.batch.push(*spec);
                }
            }
            Fate::LeftOut(spec) => {
                self.tally.left_out += 1;
                if self.task.survey.is_some() {
                    self.left_out.push(*spec);
                }
            }
            Fate::Skipped(path) => {
                match entry.kind {
                    Kind::Link(_) => self.tally.links += 1,
                    _ => self.tally.left_out += 1,
                }
                self.note_folder(&path);
            }
            Fate::Other => self.tally.left_out += 1,
            Fate::Refused(why) => self.refuse(&String::from_utf8_lossy(&entry.name), &why),
            Fate::Asked => {
                self.unsure_bytes += entry.name.len() + size_of::<Entry>();
                if self.unsure_bytes <= UNSURE {
                    self.unsure.push(entry);
                } else {
                    self.hiding += u64::from(entry.kind == Kind::Unknown);
                    let why = "too many entries of this folder are links or of no kind that the listing tells";
                    self.refuse(&String::from_utf8_lossy(&entry.name), why);
                }
            }
        }
    }

    /// Whether a name can be had beside those before it. Names that differ in case alone are one file on some file
    /// systems; where they are two, that is told.
    fn may_stand_beside(&mut self, entry: &Entry, spec: &JobSpec) -> bool {
        let name = String::from_utf8_lossy(&entry.name);
        match self.names.meet(&name) {
            None => return true,
            // CVE-2014-4877: a link and then a folder of its name.
            Some(Collision::Same) => {
                self.refuse(&name, "the name stands in the listing twice; the first was taken");
                return false;
            }
            Some(Collision::Case) => {}
        }
        if self.collisions == 0 {
            self.folds_case = folds_case(spec.destination.dir());
            self.collision = printable(&name, 200);
        }
        self.collisions += 1;
        if self.folds_case {
            self.refuse(&name, "it differs from another name in case alone, which is one file on this file system");
        }
        !self.folds_case
    }

    /// Takes note of a name that is listed, and that nothing is fetched from now: what came from it before is not gone.
    pub(super) fn note_listed(&mut self, rules: &Rules<'_>, entry: &Entry) {
        if self.task.survey.is_none() {
            return;
        }
        if let Fate::File(spec) | Fate::LeftOut(spec) = rules.file(entry, None) {
            self.left_out.push(*spec);
        }
        if let Ok(path) = self.task.job.spec.source.path().join(&entry.name, true) {
            self.note_folder(&path);
        }
    }

    pub(super) fn note_folder(&self, path: &RemotePath) {
        if let Some(survey) = self.task.survey {
            let source = &self.task.job.spec.source;
            survey.listed(&crate::model::Source::new(source.account().clone(), path.clone(), source.transfer_type()));
        }
    }

    pub(super) fn refuse(&mut self, name: &str, why: &str) {
        self.tally.refused_count += 1;
        if self.tally.refused.len() < NAMED {
            self.tally.refused.push(format!("{}: {}", printable(name, 200), printable(why, 300)));
        }
    }

    /// Hands over what was gathered, and tells who is to work on it.
    pub(super) async fn hand_over(&mut self) -> Result<(), Halt> {
        self.since = Instant::now();
        let queue = self.task.queue;
        if let Some(survey) = self.task.survey.filter(|_| !self.left_out.is_empty()) {
            let ids = queue.at_places(std::mem::take(&mut self.left_out)).await?;
            survey.saw(&ids.into_iter().collect());
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let jobs: Vec<JobSpec> =
            std::mem::take(&mut self.batch).into_iter().filter(|job| self.share.admits(job)).collect();
        let admissions = queue.admit(jobs.clone()).await?;
        let (mut all, mut folders, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (job, admission) in jobs.into_iter().zip(admissions) {
            let id = match admission {
                Admission::New(id) => id,
                Admission::Known(old) => {
                    let id = old.id;
                    if job.folder.is_none() {
                        known.push((job.clone(), *old));
                    }
                    id
                }
                Admission::Clash(clash) => {
                    let name = String::from_utf8_lossy(job.source.path().file_name()).into_owned();
                    self.refuse(&name, &format!("{} has its local name already", clash.known));
                    continue;
                }
            };
            all.push(id);
            if job.folder.is_some() {
                self.tally.folders += 1;
                folders.push(id);
            } else {
                self.tally.files += 1;
                self.tally.bytes = self.tally.bytes.saturating_add(job.likely_size().unwrap_or(0));
            }
        }
        self.look_again(known).await?;
        self.tell(all, folders);
        Ok(())
    }

    fn tell(&self, all: Vec<JobId>, folders: Vec<JobId>) {
        let (all, folders): (IdSet, IdSet) = (all.into_iter().collect(), folders.into_iter().collect());
        if let Some(survey) = self.task.survey {
            survey.saw(&all);
        }
        (self.task.found)(all, folders);
    }

    /// Queues known files again that are to be fetched anew.
    async fn look_again(&mut self, known: Vec<(JobSpec, Known)>) -> Result<(), Halt> {
        let look = Look { asked: self.task.rules.asked };
        if known.is_empty() {
            return Ok(());
        }
        // A file system on a network may keep one waiting.
        let done = known.iter().filter(|(_, known)| known.state == JobState::Done).count();
        let judged = tokio::task::spawn_blocking(move || {
            known.into_iter().filter_map(|(job, known)| judge(&job, &known, look)).collect::<Vec<Renewal>>()
        });
        let renewals = judged.await.map_err(|e| {
            Failure::local(Stage::Store, Cause::LocalIo, format!("looking at files came to a halt: {e}"))
        })?;
        let asked = renewals.iter().filter(|renewal| renewal.was_done && renewal.again).count();
        self.tally.same += u64::try_from(done.saturating_sub(asked)).unwrap_or(0);
        if !renewals.is_empty() {
            self.task.queue.renew(renewals).await?;
        }
        Ok(())
    }

    /// What is worth knowing of a folder though nothing failed.
    fn remark(&self) -> Option<String> {
        let Self { collisions, collision, .. } = self;
        let text = || {
            format!("{collisions} names differ from others in case alone, which some systems take for one: {collision}")
        };
        let remarks: Vec<String> = (*collisions > 0).then(text).into_iter().chain(self.loops.remark()).collect();
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }

    /// Why a folder counts as not read: its listing holds lines that may stand for any file.
    fn incomplete(&self, named: &str) -> Failure {
        let Self { hiding, tally: FolderTally { entries, .. }, .. } = self;
        let message =
            format!("{hiding} of {entries} lines of the listing can't be used, so files may be missing: {named}");
        // A connection that broke unnoticed is whole the next time; a server that always ends so is not.
        if self.is_cut_off && self.task.job.record.fruitless == 0 {
            return Failure::transient(Stage::List, Cause::Incomplete, message).with_advice("the folder is read again");
        }
        let advice = "all other files were queued; name the missing ones one by one; `ftpq -v` shows the dialogue";
        Failure::permanent(Stage::List, Cause::Incomplete, message).with_advice(advice)
    }

    /// The end of a listing that was read.
    fn end(&self) -> End {
        let FolderTally { refused_count, entries, refused, .. } = &self.tally;
        if let Some(failure) = self.share.failure() {
            return End::Failed(failure);
        }
        if *refused_count == 0 {
            let folder = Some(Box::new(self.tally.clone()));
            return End::Completed(Box::new(Receipt { folder, note: self.remark(), ..Receipt::default() }));
        }
        let named = refused.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
        let more = if *refused_count > TOLD as u64 { "; …" } else { "" };
        if self.hiding > 0 {
            return End::Failed(self.incomplete(&format!("{named}{more}")));
        }
        let message = format!("{refused_count} of {entries} names can't be stored here: {named}{more}");
        let failure = Failure::permanent(Stage::List, Cause::Unsupported, message);
        End::Failed(failure.with_advice("all other files were queued; exclude these with --exclude"))
    }
}

/// Whether the file system of a folder takes names that differ in case for one; the folder may still have to be made.
fn folds_case(dir: &Path) -> bool {
    let flip = |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let there = dir.ancestors().filter(|dir| dir.exists());
    for (dir, name) in there.filter_map(|dir| Some((dir, dir.file_name()?.to_str()?))) {
        let flipped: String = name.chars().map(flip).collect();
        if flipped != name {
            return is_one_file(dir, &dir.with_file_name(flipped));
        }
    }
    false
}
