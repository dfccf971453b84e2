//! `verify`: rechecks finished files against their receipts.

use super::add::interrupts;
use super::args::parse_ids;
use super::check::{self, Off};
use super::crew::Crew;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::resting_desk::{RestingDesk, is_as_read, jobs_by_now};
use super::run::id_set;
use super::words::{self, bytes, count, grouped, millis, safe};
use crate::disk::{DiskError, Place, set_changed_aside};
use crate::engine::Desk;
use crate::model::{
    Change, IdSet, Job, JobState, Selection, Standing, VerifiedFile, VerifyLine, VerifySummary, printable,
};
use crate::transfer::failpoint;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Jobs asked for at a time.
const PAGE: usize = 10_000;
/// Files found wrong that are told of at once, at most.
const GROUP: usize = 32;
/// Time after which the next one is told of though there are fewer.
const SOON: Duration = Duration::from_secs(1);

/// `verify`.
#[derive(clap::Args)]
pub(super) struct VerifyArgs {
    /// Files, folders, or numbers of jobs (5-9 is a range; ./7 is a file named 7) [default: all finished files]
    #[arg(value_name = "PATH|ID")]
    what: Vec<OsString>,
    /// Move what is changed aside, and queue what is changed or missing again
    #[arg(long)]
    retry: bool,
}

/// Which files are meant.
#[derive(Default)]
struct Meant {
    selection: Selection,
    /// Paths, and whether a file of a job was found there.
    paths: Vec<(PathBuf, bool)>,
    /// Files among them that were only left alone.
    left_alone: u64,
}

impl Meant {
    fn new(face: &Face<'_>, words: &[OsString]) -> Result<Self, Failed> {
        let (mut ranges, mut paths) = (Vec::new(), Vec::new());
        for word in words {
            match word.to_str().map(parse_ids) {
                Some(Ok(range)) => ranges.push(range),
                _ => paths.push((face.absolute(word.as_ref())?, false)),
            }
        }
        if !ranges.is_empty() && !paths.is_empty() {
            let text = "name either numbers of jobs or paths; a file whose name is a number is ./7";
            return Err(Failed::Usage(text.to_owned()));
        }
        let selection = Selection { ids: id_set(&ranges), state: Some(JobState::Done), host: None };
        Ok(Self { selection, paths, left_alone: 0 })
    }

    fn takes(&mut self, job: &Job) -> bool {
        if job.spec.folder.is_some() {
            return false;
        }
        let full = job.spec.destination.full();
        let mut meant = self.paths.is_empty();
        for (path, found) in &mut self.paths {
            let is_below = full.starts_with(&*path);
            *found |= is_below;
            meant |= is_below;
        }
        // One that was only left alone was never finished.
        let is_left_alone = job.record.receipt.as_ref().is_some_and(|receipt| receipt.left_alone);
        self.left_alone += u64::from(meant && is_left_alone);
        meant && !is_left_alone
    }
}

/// Runs the command.
pub(super) async fn verify(face: &mut Face<'_>, args: VerifyArgs) -> Result<Exit, Failed> {
    let mut round = Round { meant: Meant::new(face, &args.what)?, retries: args.retry, ..Round::default() };
    let desk = face.desk().await?;
    let total = desk.counts(round.meant.selection.clone()).await?.done;
    let mut crew = Crew::new("verified", total, "what was found until then was printed")?;
    round.desk = Some(RestingDesk::new(desk));
    let looked = round.look(face, &mut crew).await;
    face.undraw();
    (round.tally.bytes, round.tally.seconds) = crew.figures();
    close(face, &round.tally)?;
    looked?;
    let Round { meant, tally, left_out, .. } = round;
    if left_out > 0 {
        let were = if left_out == 1 { "was" } else { "were" };
        let why = "other commands queued or removed their jobs meanwhile; `ftpq list` shows how they stand";
        face.complain(&format!("{} {were} left out: {why}", count(left_out, "file")));
    }
    if meant.left_alone > 0 {
        let (files, were) = (count(meant.left_alone, "file"), if meant.left_alone == 1 { "was" } else { "were" });
        face.complain(&format!("{files} {were} left out: here before, never compared (existing = skip)"));
    }
    let strays: Vec<String> =
        meant.paths.iter().filter(|(_, found)| !found).map(|(path, _)| words::path(path)).collect();
    if !strays.is_empty() {
        let text = format!("no finished job has a file at {}; `ftpq list --state done` shows them", strays.join(", "));
        return Err(Failed::Usage(text));
    }
    if tally.files == 0 && left_out == 0 && meant.left_alone == 0 && !args.what.is_empty() {
        return Err(Failed::Usage("none of these jobs is done; `ftpq list` shows how they stand".to_owned()));
    }
    Ok(match tally {
        VerifySummary { unreadable: 1.., .. } => Exit::Storage,
        VerifySummary { changed: 0, missing: 0, unprovable: 0, .. } => Exit::Done,
        _ => Exit::SomeFailed,
    })
}

/// One round over the files. The queue is free for others while they are read, and while what was found is printed.
#[derive(Default)]
struct Round {
    meant: Meant,
    retries: bool,
    tally: VerifySummary,
    desk: Option<RestingDesk>,
    /// Files that are not as their jobs, as they were read, tell.
    found: Vec<(Job, Off)>,
    /// When such were last told of.
    told_at: Option<Instant>,
    /// Jobs that got another receipt meanwhile: their files are looked at once more.
    again: Vec<Job>,
    /// Files whose jobs are no longer done, or gone.
    left_out: u64,
}

impl Round {
    /// Looks at all files, page by page.
    async fn look(&mut self, face: &mut Face<'_>, crew: &mut Crew) -> Result<(), Failed> {
        let mut after = None;
        loop {
            let desk = self.take_up(face).await?;
            let page = desk.list(self.meant.selection.clone(), after, PAGE).await?;
            self.desk = Some(RestingDesk::new(desk));
            let Some(last) = page.last().map(|job| job.id) else { return Ok(()) };
            after = Some(last);
            let mut page: Vec<Job> = page.into_iter().filter(|job| self.meant.takes(job)).collect();
            while !page.is_empty() {
                self.look_at(face, page, crew).await?;
                page = std::mem::take(&mut self.again);
            }
        }
    }

    async fn take_up(&mut self, face: &mut Face<'_>) -> Result<Box<dyn Desk>, Failed> {
        match self.desk.take() {
            Some(resting) => resting.take_up(face).await,
            None => face.desk().await,
        }
    }

    async fn look_at(&mut self, face: &mut Face<'_>, page: Vec<Job>, crew: &mut Crew) -> Result<(), Failed> {
        let weigh = |job: &Job| job.record.receipt.as_ref().map_or(0, |receipt| receipt.size);
        let mut take = |face: &mut Face<'_>, (_, job): (usize, &Job), result: Option<_>| {
            match result {
                Some(Ok(by)) => say(face, told(job, Ok(by), &mut self.tally))?,
                Some(Err(off)) => self.found.push((job.clone(), off)),
                None => {}
            }
            let is_time = self.told_at.is_none_or(|at| at.elapsed() > SOON);
            if is_time || self.found.len() >= GROUP { self.tell(face) } else { Ok(()) }
        };
        let looked = crew.stream(face, page, weigh, check::verify, &mut take).await;
        if matches!(looked, Ok(_) | Err(Failed::Interrupted(_))) {
            self.tell(face)?;
            face.flush()?;
        }
        looked.map(drop)
    }

    /// Tells of the files that were found wrong, and sees that they are fetched again where that is wanted.
    fn tell(&mut self, face: &mut Face<'_>) -> Result<(), Failed> {
        if self.found.is_empty() {
            return Ok(());
        }
        for line in block_in_place(|| Handle::current().block_on(self.settle(face)))? {
            say(face, line)?;
        }
        self.told_at = Some(Instant::now());
        // Who watches learns of it at once.
        face.flush()
    }

    /// What is to be told of files that were found wrong, by their jobs as they stand now.
    async fn settle(&mut self, face: &mut Face<'_>) -> Result<Vec<VerifiedFile>, Failed> {
        let found = std::mem::take(&mut self.found);
        let desk = self.take_up(face).await?;
        let mut by_now = jobs_by_now(&*desk, found.iter().map(|(job, _)| job.id).collect()).await?;
        let mut lines = Vec::new();
        for (job, off) in found {
            match by_now.remove(&job.id) {
                Some(now) if is_as_read(&job, &now) => lines.push(told(&job, Err(off), &mut self.tally)),
                Some(now) if now.state == JobState::Done => self.again.push(now),
                _ => self.left_out += 1,
            }
        }
        if self.retries {
            self.tally.queued += queue_again(face, &*desk, &mut lines).await?;
        }
        self.desk = Some(RestingDesk::new(desk));
        Ok(lines)
    }
}

/// Queues jobs of wrong files again, and moves the files aside. The jobs are queued first, durably: whatever ends the process
/// then, no file is moved whose job counts as done. Returns how many were queued.
async fn queue_again(face: &mut Face<'_>, desk: &dyn Desk, lines: &mut [VerifiedFile]) -> Result<u64, Failed> {
    let _guard = interrupts()?.guard();
    // A run that is going on in another process would begin with a queued job at once, and might take the wrong file for
    // the right one just before it is moved: there the jobs are paused until the files are moved.
    let holds = desk.status().await?.run.is_some();
    let (change, state) = if holds { (Change::Hold, JobState::Paused) } else { (Change::Retry, JobState::Queued) };
    let mut wrong: Vec<&mut VerifiedFile> = Vec::new();
    for line in lines.iter_mut().filter(|line| is_wrong(line.standing)) {
        match may_take_aside(line) {
            Ok(()) => wrong.push(line),
            Err(error) => face.complain(&format!("job {} is not queued again: {error}", line.job)),
        }
    }
    if wrong.is_empty() {
        return Ok(0);
    }
    let ids: IdSet = wrong.iter().map(|line| line.job).collect();
    desk.change(in_state(&ids, JobState::Done), change).await?;
    failpoint("verify-queued");
    // Others may have changed some of the jobs just before.
    let by_now = jobs_by_now(desk, ids).await?;
    wrong.retain(|line| by_now.get(&line.job).is_some_and(|job| job.state == state));
    let queued = wrong.len() as u64;
    let moved = take_all_aside(face, wrong, holds);
    failpoint("verify-moved");
    if !holds {
        return Ok(queued);
    }
    let resumed = desk.change(in_state(&moved, JobState::Paused), Change::Resume).await;
    if resumed.is_err() {
        let which = words::numbers(&moved);
        let what = "whose files were moved aside as NAME.ftpq-changed may still be paused";
        face.complain(&format!("jobs {which} {what}: `ftpq resume {which}`, then `ftpq run`"));
    }
    Ok(resumed?.changed)
}

/// Those of the jobs that are in a state.
fn in_state(ids: &IdSet, state: JobState) -> Selection {
    Selection { ids: Some(ids.clone()), state: Some(state), host: None }
}

/// Moves files aside. Returns the jobs of those that are.
fn take_all_aside(face: &mut Face<'_>, wrong: Vec<&mut VerifiedFile>, are_held: bool) -> IdSet {
    let mut moved = IdSet::default();
    for line in wrong {
        let Err(error) = take_aside(line) else {
            moved.insert(line.job);
            continue;
        };
        line.advice = Some(if are_held {
            format!("paused; move the file that is here away, then `ftpq resume {}` and `ftpq run`", line.job)
        } else {
            "queued again; move the file that is here away before `ftpq run`".to_owned()
        });
        face.complain(&format!("the file of job {} is still in its place: {error}", line.job));
    }
    moved
}

fn is_wrong(standing: Standing) -> bool {
    matches!(standing, Standing::Changed | Standing::Missing | Standing::Unprovable)
}

fn told(job: &Job, result: Result<String, Off>, tally: &mut VerifySummary) -> VerifiedFile {
    tally.files += 1;
    let standing = result.as_ref().map_or_else(|off| off.standing, |_| Standing::Right);
    let counted = match (&result, standing) {
        (Ok(by), _) if by == "size and time" => &mut tally.by_time,
        (_, Standing::Right) => &mut tally.by_digest,
        (_, Standing::Changed) => &mut tally.changed,
        (_, Standing::Missing) => &mut tally.missing,
        (_, Standing::Unprovable) => &mut tally.unprovable,
        (_, Standing::Unreadable) => &mut tally.unreadable,
    };
    *counted += 1;
    let (by, off) = match result {
        Ok(by) => (Some(by), None),
        Err(off) => (None, Some(off)),
    };
    VerifiedFile {
        job: job.id,
        destination: job.spec.destination.clone(),
        standing,
        size: job.record.receipt.as_ref().map_or(0, |receipt| receipt.size),
        by,
        advice: off.as_ref().map(|off| off.advice(job)),
        difference: off.map(|off| off.difference),
        moved_to: None,
    }
}

/// Whether a file can be moved aside, as far as its folder tells.
fn may_take_aside(line: &VerifiedFile) -> Result<(), DiskError> {
    if line.standing == Standing::Missing { Ok(()) } else { Place::open(&line.destination).map(drop) }
}

/// Makes room for the file to be fetched again. A run would take what stands there for the file where length and time
/// agree, and refuse to replace it where they don't.
fn take_aside(line: &mut VerifiedFile) -> Result<(), DiskError> {
    if line.standing == Standing::Missing {
        line.advice = Some("queued again".to_owned());
        return Ok(());
    }
    let aside = set_changed_aside(&line.destination)?;
    line.moved_to = Some(aside.to_string_lossy().into_owned());
    line.advice = Some(format!("moved to {} and queued again", words::path(&aside)));
    Ok(())
}

fn say(face: &mut Face<'_>, line: VerifiedFile) -> Result<(), Failed> {
    if face.global.json {
        return face.say_json(&VerifyLine::File(Box::new(line)));
    }
    let VerifiedFile { job, destination, standing, by, difference, advice, .. } = line;
    match (standing, difference, advice) {
        (Standing::Right, ..) if face.global.verbose => {
            face.say(&format!("right: {} ({})", safe(&destination), by.unwrap_or_default()))
        }
        (Standing::Right, ..) => Ok(()),
        (_, difference, advice) => {
            let text = difference.unwrap_or_default();
            face.say(&format!("{}: {} (job {job}): {}", standing.name(), safe(&destination), safe(&text)))?;
            face.say(&format!("  what to do: {}", printable(&advice.unwrap_or_default(), 2000)))
        }
    }
}

fn close(face: &mut Face<'_>, tally: &VerifySummary) -> Result<(), Failed> {
    if face.global.json {
        return face.say_json(&VerifyLine::Summary(Box::new(tally.clone())));
    }
    let right = tally.by_digest + tally.by_time;
    let mut text = format!("{} of {} files are as they were", grouped(right), grouped(tally.files));
    let kinds = [(tally.by_digest, "by digest"), (tally.by_time, "by size and time")];
    let wrongs = [
        (tally.changed, "changed"),
        (tally.missing, "missing"),
        (tally.unprovable, "can't be proved"),
        (tally.unreadable, "can't be read"),
    ];
    let list = |all: &[(u64, &str)]| {
        let some = all.iter().filter(|(count, _)| *count > 0);
        some.map(|(count, what)| format!("{} {what}", grouped(*count))).collect::<Vec<_>>().join(", ")
    };
    for (lead, part) in [(": ", list(&kinds)), ("; ", list(&wrongs))] {
        if !part.is_empty() {
            text.push_str(lead);
            text.push_str(&part);
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time for people")]
    let took = millis((tally.seconds * 1000.0) as u64);
    face.say(&format!("{text}; {} read in {took}", bytes(tally.bytes)))?;
    if tally.queued > 0 {
        face.say(&format!("{} queued again: `ftpq run`", count(tally.queued, "job")))?;
    }
    Ok(())
}
