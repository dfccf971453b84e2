//! `get`: queues some files and downloads just those.

use super::add::{AddOrder, enqueue, interrupts, warn_of_password};
use super::args::GetArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::inputs::{Input, holds_password};
use super::login::{Ask, Login};
use super::options;
use super::run::{RunStart, secrets};
use super::{rehearsal, words};
use crate::engine::Added;
use crate::model::{Change, IdSet, JobState, Selection};
use std::path::{Path, PathBuf};

/// Runs the command.
pub(super) async fn get(face: &mut Face<'_>, args: GetArgs) -> Result<Exit, Failed> {
    let overrides = options::settings(face, &args.job)?;
    let config = secrets(face, &args.run).await?;
    let trace = face.trace()?;
    let login = Login::new(face, &args.job.login, config.clone(), Ask::Needed)?;
    let password = login.pair();
    let (into, name) = place(face, &args)?;
    let mut inputs: Vec<Input> =
        (1..).zip(args.urls).map(|(number, text)| Input::Url { text, number, name: name.clone() }).collect();
    inputs.extend(Input::sort(args.manifest));
    if args.lists.base.as_deref().is_some_and(holds_password) {
        warn_of_password(face);
    }
    let (read, skip_bad) = (args.lists.read(into, &args.folder)?, args.lists.skip_bad);
    let order = AddOrder { inputs, read, login, settings: overrides.clone(), skip_bad, may_lend: true };
    if args.run.dry_run {
        rehearsal::begin(face, Selection::default(), |_| true).await?;
    }
    let mut interrupt = interrupts()?;
    let queued = enqueue(face, order, &mut interrupt).await?;
    let (added, lent) = (queued.added, queued.lent);
    let only = all(&added);
    if only.is_empty() {
        face.complain("the manifest is empty; there is nothing to get");
        return Ok(Exit::Done);
    }
    tokio::select! {
        biased;
        () = interrupt.recv() => {
            return Err(Failed::Interrupted("nothing was downloaded; `ftpq run` works on what is queued"));
        }
        woken = wake(face, &added.known) => woken?,
    }
    let start = RunStart { only: Some(only), overrides, password, lent, config, trace, ..RunStart::default() };
    if args.run.dry_run {
        Ok(rehearsal::tell(face, &args.run, start).await?.0)
    } else {
        super::run::start(face, &args.run, start).await
    }
}

/// The folder for the files, and the name of the one file where the user gives it.
fn place(face: &Face<'_>, args: &GetArgs) -> Result<(PathBuf, Option<String>), Failed> {
    let Some(output) = &args.output else {
        return Ok((face.absolute(args.into.as_deref().unwrap_or_else(|| Path::new(".")))?, None));
    };
    let bad = |why: &str| Failed::Usage(format!("-o {}: {why}", words::path(output)));
    if args.urls.len() != 1 {
        return Err(bad("one name fits one URL; give a folder with --into instead"));
    }
    if output.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(bad("names a folder; give it with --into instead"));
    }
    let name = output.file_name().and_then(|name| name.to_str()).ok_or_else(|| bad("is no UTF-8 file name"))?;
    let folder = output.parent().unwrap_or_else(|| Path::new(""));
    Ok((face.absolute(folder)?, Some(name.to_owned())))
}

pub(super) fn all(added: &Added) -> IdSet {
    let mut ids = added.known.clone();
    for (first, last) in added.new.ranges() {
        ids.insert_range(first, last);
    }
    ids
}

/// Jobs that were there get another chance, for the user asks for them now. Those that are done are asked about: nothing is
/// there on the word of the queue alone.
pub(super) async fn wake(face: &mut Face<'_>, known: &IdSet) -> Result<(), Failed> {
    if known.is_empty() {
        return Ok(());
    }
    let desk = face.desk().await?;
    for (state, change) in [
        (JobState::Failed, Change::Recheck),
        (JobState::Cancelled, Change::Recheck),
        (JobState::Waiting, Change::Recheck),
        (JobState::Paused, Change::Resume),
        (JobState::Done, Change::Recheck),
    ] {
        let selection = Selection { ids: Some(known.clone()), state: Some(state), host: None };
        desk.change(selection, change).await?;
    }
    Ok(())
}
