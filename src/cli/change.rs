//! `retry`, `pause`, `resume`, `cancel`, `remove`.

use super::args::Which;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::run::id_set;
use super::words::{count, safe};
use crate::model::{Change, Selection};

/// Refusals that are shown where a state or all jobs were named: there they are no surprise.
const SHOWN: usize = 3;

/// Runs one of the commands.
pub(super) async fn change(face: &mut Face<'_>, which: Which, change: Change) -> Result<Exit, Failed> {
    let by_number = !which.ids.is_empty();
    // Nothing said must not mean everything.
    if !by_number && which.state.is_none() && !which.all {
        return Err(Failed::Usage("say which jobs: their numbers (5-9 is a range), --state STATE or --all".to_owned()));
    }
    let selection = Selection { ids: id_set(&which.ids), state: which.state, host: None };
    let changed = face.desk().await?.change(selection, change).await?;
    if face.global.json {
        face.say_json(&changed)?;
    } else {
        face.say(&format!("{} {}", done(change), count(changed.changed, "job")))?;
    }
    let shown = if by_number { changed.refused.len() } else { SHOWN };
    for (id, why) in changed.refused.iter().take(shown) {
        face.complain(&format!("job {id}: {}", safe(why)));
    }
    let hidden = changed.refused.len().saturating_sub(shown);
    if hidden > 0 {
        face.complain(&format!("and {hidden} more, or over that, stay as they are"));
    }
    if by_number && changed.changed == 0 && changed.refused.is_empty() {
        return Err(Failed::Usage("no job has such a number; `ftpq list` shows them".to_owned()));
    }
    // Whoever names a job by its number and can't have the change asked for what can't be.
    Ok(if by_number && !changed.refused.is_empty() { Exit::Usage } else { Exit::Done })
}

fn done(change: Change) -> &'static str {
    match change {
        Change::Retry => "queued again",
        Change::Pause => "paused",
        Change::Resume => "resumed",
        Change::Cancel => "cancelled",
        Change::Remove => "removed",
    }
}
