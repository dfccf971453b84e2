//! What a report says of one job.

use crate::cli::check::Off;
use crate::cli::words::time;
use crate::model::{Checksum, Job, JobState, Receipt, ReportLine, ReportedFile, ReportedFolder};

/// The line of a job. `off` tells what was found where its file should be.
pub(super) fn line(job: &Job, off: Option<&Off>) -> ReportLine {
    if job.spec.folder.is_some() {
        return ReportLine::Folder(Box::new(folder(job)));
    }
    let record = &job.record;
    let receipt = record.receipt.as_ref().filter(|_| job.state == JobState::Done);
    let is_done = job.state == JobState::Done;
    let (reason, advice) = match off {
        Some(_) if !is_done => why(job),
        Some(off) => (Some(off.difference.clone()), Some(off.advice(job))),
        None if is_done => (None, None),
        None if record.receipt.is_some() => {
            let (reason, advice) = why(job);
            (reason.map(|reason| format!("{reason}; an earlier one is here")), advice)
        }
        None => why(job),
    };
    let source = receipt.and_then(|receipt| receipt.source.as_ref()).unwrap_or(&job.spec.source).clone();
    #[expect(clippy::cast_precision_loss, reason = "a time for people")]
    let seconds = record.millis as f64 / 1000.0;
    ReportLine::File(Box::new(ReportedFile {
        job: job.id,
        state: job.state,
        here: is_done && off.is_none(),
        source,
        destination: job.spec.destination.clone(),
        size: receipt.map(|receipt| receipt.size).or_else(|| job.spec.likely_size()),
        proof: receipt.map(Receipt::proved_by),
        digests: receipt.into_iter().flat_map(Receipt::known_digests).map(Checksum::clone).collect(),
        attempts: record.attempts,
        fetched: record.fetched,
        seconds,
        finished_at: receipt.map(|receipt| receipt.finished_at),
        reason,
        failure: record.failure.clone().filter(|_| !is_done),
        advice,
    }))
}

fn folder(job: &Job) -> ReportedFolder {
    let is_done = job.state == JobState::Done;
    let (reason, advice) = if is_done { (None, None) } else { why(job) };
    let receipt = job.record.receipt.as_ref().filter(|_| is_done);
    ReportedFolder {
        job: job.id,
        state: job.state,
        source: job.spec.source.clone(),
        destination: job.spec.destination.clone(),
        tally: receipt.and_then(|receipt| receipt.folder.as_deref().cloned()),
        reason,
        failure: job.record.failure.clone().filter(|_| !is_done),
        advice,
    }
}

/// Why a job is not done, and what to do about it.
fn why(job: &Job) -> (Option<String>, Option<String>) {
    let failure = job.record.failure.as_ref();
    let told = failure.map(|failure| format!("{}: {}", failure.stage.name(), failure.message));
    let advised = failure.and_then(|failure| failure.advice.clone());
    let id = job.id;
    let (reason, advice) = match job.state {
        JobState::Queued if job.record.receipt.is_some() => {
            ("the server is still to be asked whether it has the same".to_owned(), "`ftpq run`".to_owned())
        }
        JobState::Queued => (told.unwrap_or_else(|| "not begun yet".to_owned()), "`ftpq run`".to_owned()),
        JobState::Running => ("it is being fetched".to_owned(), "wait for the run that is going on".to_owned()),
        JobState::Waiting => {
            let at = job.record.not_before.map_or_else(String::new, |at| format!(", not before {}", time(at)));
            (told.unwrap_or_default(), format!("`ftpq run` tries it again{at}"))
        }
        JobState::Paused => ("set aside by the user".to_owned(), format!("`ftpq resume {id}`, then `ftpq run`")),
        JobState::Cancelled => {
            let advice = format!("`ftpq retry {id}`, then `ftpq run`; or `ftpq remove {id}`, if it is not wanted");
            ("called off by the user".to_owned(), advice)
        }
        JobState::Failed | JobState::Done => {
            let again = format!("`ftpq retry {id}`, then `ftpq run`");
            let advice = match advised {
                Some(advice) if advice.contains("`ftpq retry") => advice,
                Some(advice) => format!("{advice}; then {again}"),
                None => again,
            };
            (told.unwrap_or_default(), advice)
        }
    };
    (Some(reason), Some(advice))
}
