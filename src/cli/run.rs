//! `run`: works until nothing is left that can be done now.

use super::args::RunArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::login::Login;
use super::options::{self, RunOptions};
use crate::config::Config;
use crate::engine::RunOrder;
use crate::model::{Counts, IdSet, JobId, Secret, Selection, Settings};

/// Runs the command.
pub(super) async fn run(face: &mut Face<'_>, args: RunArgs) -> Result<Exit, Failed> {
    let overrides = options::settings(&args.data, &args.file, &args.tls)?;
    if args.login.user.is_some() != args.login.password_file.is_some() {
        return Err(Failed::Usage("with run, --user and --password-file go together".to_owned()));
    }
    let config = face.config()?;
    let login = Login::new(face, &args.login, config)?;
    let password = login.pair();
    let only = id_set(&args.ids);
    if let Some(ids) = &only
        && count(face, ids).await?.total() == 0
    {
        return Err(Failed::Usage("no job has such a number; `ftpq list` shows them".to_owned()));
    }
    start(face, &args.run, Start { only, overrides, password, config: login.config }).await
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
    let Start { only, overrides, password, mut config } = start;
    if let Some(path) = &options.netrc {
        config.read_netrc(path.as_deref())?;
    }
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
    let asked = match &only {
        Some(ids) => Some(count(face, ids).await?),
        None => None,
    };
    Ok(Exit::of_run(&report, asked.as_ref()))
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
