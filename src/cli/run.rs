//! `run`: works until nothing is left that can be done now.

use super::add::interrupts;
use super::args::RunArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::login::{Ask, Login};
use super::logins::keyring;
use super::options::{self, RunOptions};
use super::{rehearsal, words};
use crate::config::Config;
use crate::engine::{Credential, Given, GoneQuery, RunOrder, RunReport, Survey, TraceFile};
use crate::model::{Counts, IdSet, JobId, JobState, Selection, Settings};
use std::path::PathBuf;
use std::sync::Arc;

/// Paused jobs that are named one by one.
const NAMED: usize = 20;

/// Runs the command.
pub(super) async fn run(face: &mut Face<'_>, args: RunArgs) -> Result<Exit, Failed> {
    let overrides = options::settings(face, &args.job)?;
    let config = secrets(face, &args.run).await?;
    let trace = face.trace()?;
    let mut login = Login::new(face, &args.job.login, config, Ask::Needed)?;
    let password = login.pair();
    let asks = args.job.login.ask_password;
    if login.lacks_user() || (args.job.login.user.is_some() && password.is_none() && !asks) {
        let text = "with run, user and password go together: --user or FTPQ_USER, and --password-file, FTPQ_PASSWORD or \
                    --ask-password";
        return Err(Failed::Usage(text.to_owned()));
    }
    let only = id_set(&args.ids);
    if let Some(ids) = &only
        && count(face, ids).await?.total() == 0
    {
        return Err(Failed::Usage("no job has such a number; `ftpq list` shows them".to_owned()));
    }
    if args.run.dry_run {
        let selection = Selection { ids: only, ..Selection::default() };
        rehearsal::begin(face, selection, |job| {
            matches!(job.state, JobState::Queued | JobState::Running | JobState::Waiting)
        })
        .await?;
        let lent = ask(face, &mut login, None).await?;
        let start = RunStart { overrides, password, lent, config: login.config, trace, ..RunStart::default() };
        return Ok(rehearsal::tell(face, &args.run, start).await?.0);
    }
    let lent = ask(face, &mut login, only.as_ref()).await?;
    start(
        face,
        &args.run,
        RunStart { only, overrides, password, lent, config: login.config, trace, ..RunStart::default() },
    )
    .await
}

/// Asks for passwords that the run will need, and stores them where that is allowed. Returns the others.
async fn ask(face: &mut Face<'_>, login: &mut Login, only: Option<&IdSet>) -> Result<Vec<Credential>, Failed> {
    if !login.may_ask() {
        return Ok(Vec::new());
    }
    let desk = face.desk().await?;
    if desk.status().await?.pid.is_some() {
        // Another process is at work already; this one will only wait for it.
        return Ok(Vec::new());
    }
    let mut lent = Vec::new();
    for credential in login.ask_for_run(face, &*desk, only.cloned()).await? {
        if credential.stored {
            desk.keep(credential).await?;
        } else {
            lent.push(credential);
        }
    }
    Ok(lent)
}

/// The settings file, and all that a run takes from other files: read before anything is changed.
pub(super) async fn secrets(face: &mut Face<'_>, options: &RunOptions) -> Result<Config, Failed> {
    let mut config = face.config()?;
    let path = options.netrc.as_ref().and_then(Option::as_deref);
    if options.netrc.is_some() || (options.netrc_default && config.netrc.is_none()) {
        config.read_netrc(path, options.netrc_default)?;
    } else if options.netrc_default {
        config.netrc = config.netrc.map(|netrc| netrc.with_default(true));
    }
    config.keyring |= options.keyring;
    if config.keyring {
        // Not half way through the night: that it is there is seen now.
        keyring(|_| Ok(())).await?;
    }
    config.check_password_files()?;
    config.check_tls_files()?;
    Ok(config)
}

/// What differs from run to run.
#[derive(Default)]
pub(super) struct RunStart {
    /// These jobs alone, where the user named some.
    pub(super) only: Option<IdSet>,
    pub(super) overrides: Settings,
    pub(super) password: Option<Given>,
    pub(super) lent: Vec<Credential>,
    pub(super) config: Config,
    pub(super) trace: Option<TraceFile>,
    /// Where is put what is seen of folders.
    pub(super) survey: Option<Arc<Survey>>,
    /// Where to look for files that are not listed any more.
    pub(super) gone: Option<GoneQuery>,
    /// Where files go that were changed here and are replaced.
    pub(super) backup_dir: Option<PathBuf>,
}

/// Starts the run, and tells its end by what became of it and, where jobs were asked for by name, of those.
pub(super) async fn start(face: &mut Face<'_>, options: &RunOptions, start: RunStart) -> Result<Exit, Failed> {
    Ok(work(face, options, start).await?.0)
}

/// The same, with the report.
pub(super) async fn work(
    face: &mut Face<'_>,
    options: &RunOptions,
    start: RunStart,
) -> Result<(Exit, RunReport), Failed> {
    let RunStart { only, overrides, password, lent, config, trace, survey, gone, backup_dir } = start;
    let order = RunOrder {
        queue: face.queue()?,
        only: only.clone(),
        connections: options.connections,
        per_host: options.per_host,
        overrides,
        password,
        lent,
        config,
        force: options.force,
        display: face.display(),
        trace,
        survey,
        gone,
        backup_dir,
        rehearsal: face.rehearsal.is_some(),
    };
    face.flush()?;
    // From here on the run listens for signals.
    face.stand = None;
    let report = match face.rehearsal.clone() {
        Some(desk) => face.house.rehearse(desk, order).await?,
        None => face.house.run(order).await?,
    };
    // Until the exit code is known: a run that was stopped at its very end may be whole.
    let _guard = interrupts()?.guard();
    // With what its folders gave.
    let only = report.only.clone().filter(|_| only.is_some()).or(only);
    let counts = match &only {
        _ if face.rehearsal.is_some() => None,
        Some(ids) => Some(count(face, ids).await?),
        // Where the disk is full the queue is not asked once more.
        None if report.storage || report.has_left() => None,
        None => Some(set_aside(face).await?),
    };
    if let Some(counts) = counts.filter(|counts| counts.left() == 0 && counts.paused > 0 && !face.global.json) {
        let which = paused(face, only.as_ref()).await?;
        face.complain(&format!("{} paused: `ftpq resume {which}`, then `ftpq run`", counts.paused));
    }
    Ok((Exit::of_run(&report, counts.as_ref()), report))
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
