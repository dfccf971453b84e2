//! `list`: the jobs, page by page, however many there are.

use super::args::ListArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::words::{bytes, safe};
use crate::model::{Job, JobRecord, Selection};

/// Jobs asked for at a time.
const PAGE: usize = 500;

/// Runs the command.
pub(super) async fn list(face: &mut Face<'_>, args: ListArgs) -> Result<Exit, Failed> {
    let desk = face.desk().await?;
    let selection = Selection { ids: None, state: args.state, host: args.host };
    let mut after = None;
    loop {
        let page = desk.list(selection.clone(), after, PAGE).await?;
        for job in &page {
            if face.global.json {
                face.say_json(job)?;
                continue;
            }
            if after.is_none() && page.first().is_some_and(|first| first.id == job.id) {
                face.say("    ID  STATE            SIZE  DESTINATION  SOURCE")?;
            }
            face.say(&line(job))?;
        }
        // A desk may give short pages; only an empty one is the end.
        match page.last() {
            Some(last) if after.is_none_or(|after| last.id > after) => after = Some(last.id),
            _ => return Ok(Exit::Done),
        }
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
