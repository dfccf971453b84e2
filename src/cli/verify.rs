//! `verify`: rechecks finished files against their receipts.

use super::args::parse_ids;
use super::check::{self, Off};
use super::crew::Crew;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::resting_desk::RestingDesk;
use super::run::id_set;
use super::words::{self, bytes, count, grouped, millis, safe};
use crate::disk::set_changed_aside;
use crate::engine::Desk;
use crate::model::{
    Change, IdSet, Job, JobId, JobState, Selection, Standing, VerifiedFile, VerifyLine, VerifySummary, printable,
};
use std::ffi::OsString;
use std::path::PathBuf;

/// Jobs asked for at a time.
const PAGE: usize = 10_000;

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
        Ok(Self { selection: Selection { ids: id_set(&ranges), state: Some(JobState::Done), host: None }, paths })
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
        meant
    }
}

/// Runs the command.
pub(super) async fn verify(face: &mut Face<'_>, args: VerifyArgs) -> Result<Exit, Failed> {
    let mut round = Round { meant: Meant::new(face, &args.what)?, retries: args.retry, ..Round::default() };
    let desk = face.desk().await?;
    let total = desk.counts(round.meant.selection.clone()).await?.done;
    let mut crew = Crew::new("verified", total, "what was found until then was printed")?;
    let looked = round.look(face, desk, &mut crew).await;
    face.undraw();
    (round.tally.bytes, round.tally.seconds) = crew.figures();
    close(face, &round.tally)?;
    looked?;
    let Round { meant, tally, .. } = round;
    let strays: Vec<String> =
        meant.paths.iter().filter(|(_, found)| !found).map(|(path, _)| words::path(path)).collect();
    if !strays.is_empty() {
        let text = format!("no finished job has a file at {}; `ftpq list --state done` shows them", strays.join(", "));
        return Err(Failed::Usage(text));
    }
    if tally.files == 0 && !args.what.is_empty() {
        return Err(Failed::Usage("none of these jobs is done; `ftpq list` shows how they stand".to_owned()));
    }
    Ok(match tally {
        VerifySummary { unreadable: 1.., .. } => Exit::Storage,
        VerifySummary { changed: 0, missing: 0, unprovable: 0, .. } => Exit::Done,
        _ => Exit::SomeFailed,
    })
}

/// One round over the files.
#[derive(Default)]
struct Round {
    meant: Meant,
    retries: bool,
    tally: VerifySummary,
    /// Jobs to be queued again.
    wrong: Vec<JobId>,
}

impl Round {
    /// Looks at all files, page by page.
    async fn look(&mut self, face: &mut Face<'_>, mut desk: Box<dyn Desk>, crew: &mut Crew) -> Result<(), Failed> {
        let mut after = None;
        loop {
            let page = desk.list(self.meant.selection.clone(), after, PAGE).await?;
            let Some(last) = page.last().map(|job| job.id) else { return Ok(()) };
            after = Some(last);
            if self.retries {
                // What is moved aside must still be what the jobs tell of.
                let looked = self.look_at(face, page, crew).await;
                // Interrupted or not: what was moved aside is queued again.
                self.queue_again(&*desk).await?;
                looked?;
            } else {
                let resting = RestingDesk::new(desk);
                self.look_at(face, page, crew).await?;
                desk = resting.take_up(face).await?;
            }
        }
    }

    async fn look_at(&mut self, face: &mut Face<'_>, page: Vec<Job>, crew: &mut Crew) -> Result<(), Failed> {
        let page: Vec<Job> = page.into_iter().filter(|job| self.meant.takes(job)).collect();
        let weigh = |job: &Job| job.record.receipt.as_ref().map_or(0, |receipt| receipt.size);
        let mut take = |face: &mut Face<'_>, (_, job): (usize, &Job), result: Option<_>| {
            let Some(result) = result else { return Ok(()) };
            let mut line = told(job, result, &mut self.tally);
            let is_news = line.standing != Standing::Right;
            if self.retries && is_wrong(line.standing) && take_aside(face, job, &mut line) {
                self.wrong.push(job.id);
            }
            say(face, line)?;
            // Who watches learns of it at once.
            if is_news { face.flush() } else { Ok(()) }
        };
        crew.stream(face, page, weigh, check::verify, &mut take).await?;
        face.flush()
    }

    async fn queue_again(&mut self, desk: &dyn Desk) -> Result<(), Failed> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        let ids: IdSet = self.wrong.drain(..).collect();
        let selection = Selection { ids: Some(ids), state: Some(JobState::Done), host: None };
        self.tally.queued += desk.change(selection, Change::Retry).await?.changed;
        Ok(())
    }
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

/// Makes room for the file to be fetched again. A run would take what stands there for the file where length and time
/// agree, and refuse to replace it where they don't. Returns whether there is room.
fn take_aside(face: &mut Face<'_>, job: &Job, line: &mut VerifiedFile) -> bool {
    if line.standing == Standing::Missing {
        line.advice = Some("queued again".to_owned());
        return true;
    }
    match tokio::task::block_in_place(|| set_changed_aside(&job.spec.destination)) {
        Ok(aside) => {
            line.moved_to = Some(aside.to_string_lossy().into_owned());
            line.advice = Some(format!("moved to {} and queued again", words::path(&aside)));
            true
        }
        Err(error) => {
            face.complain(&format!("job {} is not queued again: {error}", job.id));
            false
        }
    }
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
