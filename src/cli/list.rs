//! `list`: the jobs, page by page, however many there are.

use super::args::ListArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::resting_desk::RestingDesk;
use super::words::{bytes, safe};
use crate::model::{Job, JobRecord, Selection};

/// Jobs asked for at a time.
const PAGE: usize = 500;

/// Runs the command.
pub(super) async fn list(face: &mut Face<'_>, args: ListArgs) -> Result<Exit, Failed> {
    let selection = Selection { ids: None, state: args.state, host: args.host };
    let (mut after, mut desk) = (None, face.desk().await?);
    loop {
        let page = desk.list(selection.clone(), after, PAGE).await?;
        let resting = RestingDesk::new(desk);
        if after.is_none() && !page.is_empty() && !face.global.json {
            face.say("    ID  STATE            SIZE  DESTINATION  SOURCE")?;
        }
        for job in &page {
            if face.global.json { face.say_json(job)? } else { face.say(&line(job))? }
        }
        face.flush()?;
        let last = page.last().map(|job| job.id);
        // A desk may give short pages; only an empty one is the end.
        match last {
            Some(last) if after.is_none_or(|after| last > after) => after = Some(last),
            _ => return Ok(Exit::Done),
        }
        desk = resting.take_up(face).await?;
    }
}

fn line(job: &Job) -> String {
    let size = match &job.spec.folder {
        Some(_) => "folder".to_owned(),
        None => size(job).map_or_else(|| "-".to_owned(), bytes),
    };
    let (destination, source) = (safe(&job.spec.destination), safe(&job.spec.source));
    format!("{:>6}  {:<9}  {size:>10}  {destination}  {source}", job.id, job.state.name())
}

/// Length of the file in bytes, as far as it is known.
pub(super) fn size(job: &Job) -> Option<u64> {
    let JobRecord { receipt, progress, .. } = &job.record;
    let received = receipt.as_ref().map(|r| r.size);
    received.or_else(|| progress.as_ref().and_then(|p| p.identity.size)).or(job.spec.likely_size())
}
