//! `sync`: takes what is new and changed in a folder, and tells what is gone.

use super::add::{AddOrder, enqueue, interrupts};
use super::args::SyncArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::folder_options::FolderOptions;
use super::get::{all, wake};
use super::gone::{GoneTask, gone};
use super::inputs::Input;
use super::login::{Ask, Login};
use super::options;
use super::rehearsal;
use super::run::{RunStart, secrets, work};
use super::words::safe;
use crate::engine::{GoneQuery, RunReport, Survey, check_backup_dir};
use crate::manifest::{ReadOptions, single};
use crate::model::{Existing, Folder, Selection, Settings, Source};
use crate::policy::split_pattern;
use std::sync::Arc;

const STOPPED: &str = "the run was stopped before its end: let it come to its end";

/// Runs the command.
pub(super) async fn sync(face: &mut Face<'_>, args: SyncArgs) -> Result<Exit, Failed> {
    let given = options::settings(face, &args.job)?;
    // What changed on the server replaces what is here, once it is whole; what was changed here is kept.
    let settings = Settings { existing: given.existing.or(Some(Existing::Backup)), ..given };
    let config = secrets(face, &args.run).await?;
    let trace = face.trace()?;
    let login = Login::new(face, &args.job.login, config.clone(), Ask::Needed)?;
    let password = login.pair();
    let into = face.absolute(&args.dir)?;
    let folder = FolderOptions { which: args.which, follow_links: args.follow_links, ..FolderOptions::default() };
    let rules = folder.rules(true);
    let rules = Folder { recursive: rules.depth != Some(1), ..rules };
    let read = ReadOptions { folder: rules, split: split_pattern, ..ReadOptions::below(into.clone()) };
    let root = root(&args.url, &read)?;
    let how = args.delete.filter(|_| !args.run.dry_run);
    let (deletes, limit) = (how.is_some(), args.max_delete.unwrap_or_default());
    let force = how.is_some_and(|how| how == "force");
    let query = GoneQuery { root: root.clone(), dir: into.clone(), limit, force, asks: deletes };
    let backup_dir = args.backup_dir.as_deref().map(|dir| face.absolute(dir)).transpose()?;
    if let Some(dir) = &backup_dir {
        check_backup_dir(&into, dir).map_err(|why| {
            let into = safe(&into.display());
            let advice = "give --backup-dir a folder that you can write to, on the file system of";
            Failed::Usage(format!("{why}; {advice} {into}"))
        })?;
    }
    let inputs = vec![Input::Url { text: args.url, number: 1, name: None }];
    let order = AddOrder { inputs, read, login, settings: settings.clone(), skip_bad: false, may_lend: true };
    if args.run.dry_run {
        rehearsal::begin(face, Selection::default(), |_| true).await?;
    }
    let mut interrupt = interrupts()?;
    let queued = enqueue(face, order, &mut interrupt).await?;
    let (added, lent) = (queued.added, queued.lent);
    wake(face, &added.known).await?;
    let survey = Arc::new(Survey::default());
    let only = Some(all(&added));
    let seen = Some(Arc::clone(&survey));
    let backup = backup_dir.clone();
    let start = RunStart {
        only,
        overrides: settings,
        password,
        lent,
        config,
        trace,
        survey: seen,
        gone: Some(query),
        backup_dir: backup,
    };
    let (exit, report) = if args.run.dry_run {
        rehearsal::tell(face, &args.run, start).await?
    } else {
        work(face, &args.run, start).await?
    };
    let interrupt = interrupts()?;
    let found = match incomplete(&report, &survey, &root) {
        None if interrupt.has_come() => Err(STOPPED),
        None => report.gone.as_ref().ok_or("the server was not asked which files are gone: mend what is said above"),
        Some(why) => Err(why),
    };
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            let undone = if deletes { "nothing was deleted" } else { "what is gone on the server is not known" };
            face.complain(&format!("{undone}: {why}, then give the command again"));
            return Ok(if deletes { exit.or_failed() } else { exit });
        }
    };
    let task = GoneTask { found, survey: &survey, deletes, backup_dir };
    let all_told = gone(face, &task).await?;
    Ok(if all_told { exit } else { exit.or_failed() })
}

/// The folder that the URL names.
fn root(url: &str, read: &ReadOptions) -> Result<Source, Failed> {
    // What is wrong with the URL is said where it is queued.
    let entry = single(url, None, 1, read).map_err(|e| Failed::Usage(e.to_string()))?;
    if entry.spec.folder.is_none() {
        let text = format!("{}: this is a file's URL; a folder's has a slash at its end", safe(&entry.spec.source));
        return Err(Failed::Usage(text));
    }
    Ok(entry.spec.source)
}

/// Why it can't be told what is gone, and what to do; nothing where it can.
fn incomplete(report: &RunReport, survey: &Survey, root: &Source) -> Option<&'static str> {
    match report {
        _ if report.interrupted => Some(STOPPED),
        RunReport { folders_failed: 1.., .. } => {
            Some("a folder could not be read whole: mend what is said of it above")
        }
        RunReport { folders_left: 1.., .. } => Some("folders are left to be read: `ftpq run` until none is"),
        _ if !survey.was_read(root) => Some(
            "the folder was not read by this process, as when another process works on the queue: wait until that has ended",
        ),
        _ => None,
    }
}
