//! `retry`, `pause`, `resume`, `cancel`, `remove`.

use super::args::Which;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::run::id_set;
use super::words::{count, safe};
use crate::engine::Desk;
use crate::model::{Change, JobState, Selection};

/// Refusals that are shown where a state or all jobs were named: there they are no surprise.
const SHOWN: usize = 3;

/// Cancelled jobs that are looked at for unfinished files: this many, as often at most.
const PAGE: usize = 500;
const PAGES: usize = 20;

/// Runs one of the commands.
pub(super) async fn change(face: &mut Face<'_>, which: Which, change: Change) -> Result<Exit, Failed> {
    let by_number = !which.ids.is_empty();
    // Nothing said must not mean everything.
    if !by_number && which.state.is_none() && !which.all {
        return Err(Failed::Usage("say which jobs: their numbers (5-9 is a range), --state STATE or --all".to_owned()));
    }
    let selection = Selection { ids: id_set(&which.ids), state: which.state, host: None };
    let desk = face.desk().await?;
    let changed = desk.change(selection.clone(), change).await?;
    if face.global.json {
        face.say_json(&changed)?;
    } else {
        face.say(&format!("{} {}", done(change), count(changed.changed, "job")))?;
    }
    let shown = if by_number { changed.refused.len() } else { SHOWN };
    for (id, why) in changed.refused.iter().take(shown) {
        // A gap of numbers speaks for itself.
        let text = if why.starts_with("there are no jobs") { safe(why) } else { format!("job {id}: {}", safe(why)) };
        face.complain(&text);
    }
    let hidden = changed.refused.len().saturating_sub(shown);
    if hidden > 0 {
        face.complain(&format!("and {hidden} more, or over that, stay as they are"));
    }
    if change == Change::Cancel && changed.changed > 0 && !face.global.json && keeps_parts(&*desk, selection).await? {
        face.complain(
            "unfinished files, .NAME.ftpq-part, are kept for a later `ftpq retry`; `ftpq remove` and deleting them \
             frees the space",
        );
    }
    if by_number && changed.changed == 0 && changed.refused.is_empty() {
        return Err(Failed::Usage("no job has such a number; `ftpq list` shows them".to_owned()));
    }
    // Whoever names a job by its number and can't have the change asked for what can't be.
    Ok(if by_number && !changed.refused.is_empty() { Exit::Usage } else { Exit::Done })
}

/// Whether any of the jobs that were cancelled has an unfinished file. Files are begun lowest numbers first, so the
/// first jobs tell.
async fn keeps_parts(desk: &dyn Desk, selection: Selection) -> Result<bool, Failed> {
    let selection = Selection { state: Some(JobState::Cancelled), ..selection };
    let mut after = None;
    for _ in 0..PAGES {
        let page = desk.list(selection.clone(), after, PAGE).await?;
        if page.iter().any(|job| job.record.progress.is_some()) {
            return Ok(true);
        }
        let Some(last) = page.last() else { break };
        after = Some(last.id);
    }
    Ok(false)
}

fn done(change: Change) -> &'static str {
    match change {
        Change::Retry | Change::Recheck => "queued again",
        Change::Pause | Change::Hold => "paused",
        Change::Resume => "resumed",
        Change::Cancel => "cancelled",
        Change::Remove => "removed",
    }
}
