//! `run`: works until nothing is left that can be done now.

use super::args::RunArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::login::Login;
use super::options::{self, RunOptions};
use super::words;
use crate::config::Config;
use crate::engine::RunOrder;
use crate::model::{Counts, IdSet, JobId, JobState, Secret, Selection, Settings};

/// Paused jobs that are named one by one.
const NAMED: usize = 20;

/// Runs the command.
pub(super) async fn run(face: &mut Face<'_>, args: RunArgs) -> Result<Exit, Failed> {
    let overrides = options::settings(face, &args.job)?;
    if args.job.login.user.is_some() != args.job.login.password_file.is_some() {
        return Err(Failed::Usage("with run, --user and --password-file go together".to_owned()));
    }
    let config = secrets(face, &args.run)?;
    let login = Login::new(&args.job.login, config)?;
    let password = login.pair();
    let only = id_set(&args.ids);
    if let Some(ids) = &only
        && count(face, ids).await?.total() == 0
    {
        return Err(Failed::Usage("no job has such a number; `ftpq list` shows them".to_owned()));
    }
    start(face, &args.run, Start { only, overrides, password, config: login.config }).await
}

/// The settings file, and all that a run takes from other files: read before anything is changed.
pub(super) fn secrets(face: &Face<'_>, options: &RunOptions) -> Result<Config, Failed> {
    let mut config = face.config()?;
    if let Some(path) = &options.netrc {
        config.read_netrc(path.as_deref())?;
    }
    config.check_password_files()?;
    config.check_tls_files()?;
    Ok(config)
}

/// What differs from run to run.
pub(super) struct Start {
    /// These jobs alone, where the user named some.
    pub(super) only: Option<IdSet>,
    pub(super) overrides: Settings,
    pub(super) password: Option<(String, Secret)>,
    pub(super) config: Config,
}

/// Starts the run, and tells its end by what became of it and, where jobs were asked for by name, of those.
pub(super) async fn start(face: &mut Face<'_>, options: &RunOptions, start: Start) -> Result<Exit, Failed> {
    let Start { only, overrides, password, config } = start;
    let order = RunOrder {
        queue: face.queue()?,
        only: only.clone(),
        connections: options.connections,
        per_host: options.per_host,
        overrides,
        password,
        config,
        display: face.display(),
    };
    face.flush()?;
    let report = face.house.run(order).await?;
    let counts = match &only {
        Some(ids) => Some(count(face, ids).await?),
        // Where the disk is full the queue is not asked once more.
        None if report.storage || report.left > 0 => None,
        None => Some(set_aside(face).await?),
    };
    if let Some(counts) = counts.filter(|counts| counts.left() == 0 && counts.paused > 0 && !face.global.json) {
        let which = paused(face, only.as_ref()).await?;
        face.complain(&format!("{} paused: `ftpq resume {which}`, then `ftpq run`", counts.paused));
    }
    Ok(Exit::of_run(&report, counts.as_ref()))
}

/// The count of paused jobs alone: of a whole queue, what failed or was cancelled in earlier runs is no news.
async fn set_aside(face: &mut Face<'_>) -> Result<Counts, Failed> {
    let all = face.desk().await?.counts(Selection::default()).await?;
    Ok(Counts { paused: all.paused, ..Counts::default() })
}

/// The paused ones of these jobs, as `resume` takes them.
async fn paused(face: &mut Face<'_>, only: Option<&IdSet>) -> Result<String, Failed> {
    let all = "--state paused".to_owned();
    let Some(ids) = only else { return Ok(all) };
    let selection = Selection { ids: Some(ids.clone()), state: Some(JobState::Paused), host: None };
    let page = face.desk().await?.list(selection, None, NAMED + 1).await?;
    let ids: IdSet = page.iter().map(|job| job.id).collect();
    Ok(if ids.is_empty() || page.len() > NAMED { all } else { words::numbers(&ids) })
}

async fn count(face: &mut Face<'_>, ids: &IdSet) -> Result<Counts, Failed> {
    let selection = Selection { ids: Some(ids.clone()), ..Selection::default() };
    Ok(face.desk().await?.counts(selection).await?)
}

/// The set of the named numbers; none where no number is named.
pub(super) fn id_set(ranges: &[(JobId, JobId)]) -> Option<IdSet> {
    let mut set = IdSet::default();
    for &(first, last) in ranges {
        set.insert_range(first, last);
    }
    (!set.is_empty()).then_some(set)
}
