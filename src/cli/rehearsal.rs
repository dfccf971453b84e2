//! `--dry-run`: says what would be done. Folders are listed over the network, into a queue in memory; the real one is
//! only read, and no file is touched.

use super::exit::{Exit, Failed};
use super::face::Face;
use super::options::RunOptions;
use super::run::{RunStart, work};
use super::words::{bytes, count, safe};
use crate::engine::{Desk, LocalDesk, RunReport, Survey};
use crate::model::{IdSet, Job, JobId, JobState, Selection};
use serde::Serialize;
use std::sync::Arc;

/// Jobs asked for at a time.
const PAGE: usize = 500;

/// What would be done.
#[derive(Debug, Default, Serialize)]
pub(super) struct Forecast {
    /// Always true: nothing was done.
    dry_run: bool,
    /// Files that would be fetched.
    files: u64,
    /// Their bytes, where they are known.
    bytes: u64,
    /// Files of which no size is known.
    unsized_files: u64,
    /// Folders that were listed.
    folders: u64,
    /// Folders that could not be listed whole.
    folders_failed: u64,
    /// Folders that would still have to be listed.
    folders_left: u64,
    /// Files that are done already, and of which the server would be asked whether they are still the same.
    asked: u64,
    /// Files that are done already, or set aside, and would be left alone.
    left_alone: u64,
}

/// Puts a queue in memory in the place of the real one, with the jobs of the real one that are selected.
pub(super) async fn begin(face: &mut Face<'_>, selection: Selection, is_meant: fn(&Job) -> bool) -> Result<(), Failed> {
    let dir = face.queue()?;
    let rehearsal = LocalDesk::rehearsal(&dir).await?;
    // Looking must not make a queue where there is none.
    if dir.join("store-id").exists() {
        let desk = face.desk().await?;
        let mut after = None;
        loop {
            let page = desk.list(selection.clone(), after, PAGE).await?;
            let Some(last) = page.last().map(|job| job.id) else { break };
            rehearsal.restore(page.into_iter().filter(is_meant).collect()).await?;
            after = Some(last);
        }
    }
    face.rehearsal = Some(rehearsal);
    Ok(())
}

/// Reads the folders among these jobs, or among all, and all that are found in them; says what a run would fetch.
pub(super) async fn tell(
    face: &mut Face<'_>,
    options: &RunOptions,
    start: RunStart,
) -> Result<(Exit, RunReport), Failed> {
    let survey = start.survey.clone().unwrap_or_default();
    let desk = face.desk().await?;
    let everything = || [(JobId(1), JobId(u64::MAX))].into_iter().fold(IdSet::default(), ranges);
    let mut concerned = start.only.clone().unwrap_or_else(everything);
    let mut folders: Vec<JobId> = Vec::new();
    each(&*desk, Some(concerned.clone()), |job| {
        folders.extend((job.spec.folder.is_some() && is_left(job.state)).then_some(job.id));
    })
    .await?;
    let mut report = RunReport::default();
    if !folders.is_empty() {
        let only = Some(folders.into_iter().collect());
        let start = RunStart { only, survey: Some(Arc::<Survey>::clone(&survey)), ..start };
        report = work(face, options, start).await?.1;
    }
    concerned.extend(&survey.jobs());
    let mut forecast = Forecast {
        dry_run: true,
        folders: report.folders,
        folders_failed: report.folders_failed,
        folders_left: report.folders_left,
        ..Forecast::default()
    };
    let verbose = face.global.verbose && !face.global.json;
    let mut lines = Vec::new();
    each(&*desk, Some(concerned), |job| {
        forecast.add(job);
        if verbose && job.spec.folder.is_none() && is_left(job.state) && job.record.receipt.is_none() {
            lines.push(format!("would fetch: {} to {}", safe(&job.spec.source), safe(&job.spec.destination)));
        }
    })
    .await?;
    for line in lines {
        face.say(&line)?;
    }
    if face.global.json {
        face.say_json(&forecast)?;
    } else {
        face.say(&forecast.line())?;
    }
    let exit = match &report {
        report if report.storage => Exit::Storage,
        report if report.has_failed() => Exit::SomeFailed,
        report if report.interrupted || report.folders_left > 0 => Exit::Left,
        _ => Exit::Done,
    };
    Ok((exit, report))
}

fn ranges(mut set: IdSet, (first, last): (JobId, JobId)) -> IdSet {
    set.insert_range(first, last);
    set
}

fn is_left(state: JobState) -> bool {
    matches!(state, JobState::Queued | JobState::Running | JobState::Waiting)
}

/// Shows every one of these jobs.
async fn each(desk: &dyn Desk, ids: Option<IdSet>, mut visit: impl FnMut(&Job) + Send) -> Result<(), Failed> {
    let selection = Selection { ids, ..Selection::default() };
    let mut after = None;
    loop {
        let page = desk.list(selection.clone(), after, PAGE).await?;
        page.iter().for_each(&mut visit);
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}

fn are(files: u64) -> String {
    if files == 1 { "1 done file is".to_owned() } else { format!("{files} done files are") }
}

impl Forecast {
    fn add(&mut self, job: &Job) {
        if job.spec.folder.is_some() {
            return;
        }
        if !is_left(job.state) {
            self.left_alone += 1;
            return;
        }
        if job.record.receipt.is_some() {
            self.asked += 1;
            return;
        }
        self.files += 1;
        let listed = job.record.listed.as_ref().and_then(|listed| listed.size);
        match job.spec.expect.size.or(listed).or_else(|| job.spec.likely_size()) {
            Some(size) => self.bytes = self.bytes.saturating_add(size),
            None => self.unsized_files += 1,
        }
    }

    fn line(&self) -> String {
        let Self { files, unsized_files, folders, folders_failed, folders_left, left_alone, asked, .. } = self;
        let some = |number: u64, text: String| if number > 0 { text } else { String::new() };
        [
            format!("would fetch {}: {}", count(*files, "file"), bytes(self.bytes)),
            some(*unsized_files, format!(" and {unsized_files} of unknown size")),
            some(*asked, format!("; would ask the server whether {} still the same", are(*asked))),
            some(*left_alone, format!("; {left_alone} done already or set aside")),
            some(folders + folders_failed + folders_left, format!("; {} listed", count(*folders, "folder"))),
            some(*folders_failed, format!(", {folders_failed} not in whole")),
            some(*folders_left, format!(", {folders_left} left")),
            "; nothing was changed".to_owned(),
        ]
        .concat()
    }
}
