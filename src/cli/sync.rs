//! `sync`: takes what is new and changed in a folder, and tells what is gone.

use super::add::{Order, enqueue, interrupts};
use super::args::SyncArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::folder_options::FolderOptions;
use super::get::{all, wake};
use super::inputs::Input;
use super::login::{Ask, Login};
use super::options;
use super::rehearsal;
use super::run::{Start, secrets, work};
use super::words::{count, safe};
use crate::engine::{RunReport, Survey, remove_local};
use crate::manifest::{ReadOptions, single};
use crate::model::{Change, Event, Existing, Folder, Job, JobId, JobState, Receipt, Selection, Settings, Source};
use crate::policy::{split_pattern, unix_seconds};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// Jobs asked for at a time.
const PAGE: usize = 500;
/// Files that are named one by one.
const NAMED: u64 = 20;

/// Runs the command.
pub(super) async fn sync(face: &mut Face<'_>, args: SyncArgs) -> Result<Exit, Failed> {
    let given = options::settings(face, &args.job)?;
    // What changed on the server replaces what is here, once it is whole.
    let settings = Settings { existing: given.existing.or(Some(Existing::Overwrite)), ..given };
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
    let inputs = vec![Input::Url { text: args.url, number: 1, name: None }];
    let order = Order { inputs, read, login, settings: settings.clone(), skip_bad: false, may_lend: true };
    if args.run.dry_run {
        rehearsal::begin(face, Selection::default(), |_| true).await?;
    }
    let mut interrupt = interrupts()?;
    let queued = enqueue(face, order, &mut interrupt).await?;
    let (added, lent) = (queued.added, queued.lent);
    wake(face, &added.known).await?;
    let survey = Arc::new(Survey::default());
    let only = Some(all(&added));
    let start = Start { only, overrides: settings, password, lent, config, trace, survey: Some(Arc::clone(&survey)) };
    drop(interrupt);
    let (exit, report) = if args.run.dry_run {
        rehearsal::tell(face, &args.run, start).await?
    } else {
        work(face, &args.run, start).await?
    };
    if let Some(why) = incomplete(&report, &survey, &root) {
        let undone = if args.delete { "nothing was deleted" } else { "what is gone on the server is not known" };
        face.complain(&format!("{why}: {undone}"));
        return Ok(exit);
    }
    gone(face, &Place { root, into: &into, survey: &survey, delete: args.delete && !args.run.dry_run }).await?;
    Ok(exit)
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

/// Why it can't be told what is gone; nothing where it can.
fn incomplete(report: &RunReport, survey: &Survey, root: &Source) -> Option<&'static str> {
    match report {
        _ if report.interrupted => Some("it was stopped before the end"),
        RunReport { folders_failed: 1.., .. } => Some("a folder could not be read whole"),
        RunReport { folders_left: 1.., .. } => Some("folders are left to be read"),
        _ if !survey.was_read(root) => Some("the folder was not read by this process"),
        _ => None,
    }
}

/// Where what is gone is looked for.
struct Place<'a> {
    root: Source,
    into: &'a Path,
    survey: &'a Survey,
    delete: bool,
}

impl Place<'_> {
    /// Whether the file came from there and is not there any more.
    fn has_lost(&self, job: &Job) -> bool {
        let was_listed = job.spec.listed.is_some() || job.record.listed.is_some();
        let here = job.spec.destination.dir() == self.into;
        job.spec.folder.is_none() && was_listed && here && self.survey.is_gone(&self.root, job.id, &job.spec.source)
    }
}

/// Tells which files are gone on the server, and deletes them here where that is asked for.
async fn gone(face: &mut Face<'_>, place: &Place<'_>) -> Result<(), Failed> {
    let desk = face.desk().await?;
    let host = Some(place.root.account().host_key().to_string());
    let selection = Selection { ids: None, state: Some(JobState::Done), host };
    let (mut after, mut number, mut kept) = (None, 0u64, 0u64);
    loop {
        let page = desk.list(selection.clone(), after, PAGE).await?;
        let Some(last) = page.last().map(|job| job.id) else { break };
        let missing: Vec<Job> = page.into_iter().filter(|job| place.has_lost(job)).collect();
        let delete = place.delete;
        let looked = tokio::task::spawn_blocking(move || {
            missing.into_iter().map(|job| (look(&job, delete), job)).collect::<Vec<_>>()
        });
        let looked =
            looked.await.map_err(|e| Failed::Io("looking at files came to a halt".to_owned(), io::Error::other(e)))?;
        let mut removed: Vec<JobId> = Vec::new();
        for (found, job) in looked {
            let deleted = match found {
                // Nothing is left here either: the job has served its turn.
                Found::Nothing => {
                    removed.extend(delete.then_some(job.id));
                    continue;
                }
                Found::Deleted => true,
                Found::Stands => false,
                Found::Kept(why) => {
                    kept += 1;
                    if kept <= NAMED {
                        face.complain(&format!("gone on the server, not deleted: {}: {why}", job.spec.destination));
                    }
                    continue;
                }
            };
            removed.extend(deleted.then_some(job.id));
            number += 1;
            tell(face, &job, deleted, number)?;
        }
        if !removed.is_empty() {
            let selection = Selection { ids: Some(removed.into_iter().collect()), ..Selection::default() };
            desk.change(selection, Change::Remove).await?;
        }
        after = Some(last);
    }
    if !face.global.json && number > 0 {
        let what = if place.delete { "deleted here" } else { "left here; --delete deletes them" };
        face.say(&format!("gone on the server: {}, {what}", count(number, "file")))?;
    }
    Ok(())
}

fn tell(face: &mut Face<'_>, job: &Job, deleted: bool, number: u64) -> Result<(), Failed> {
    if face.global.json {
        let (source, destination) = (job.spec.source.clone(), job.spec.destination.clone());
        return face.say_json(&Event::Gone { job: job.id, source, destination, deleted });
    }
    if number <= NAMED && !face.global.quiet {
        face.complain(&format!("gone on the server: {}", job.spec.destination));
    }
    Ok(())
}

/// What there is of a file that is gone on the server.
enum Found {
    /// Nothing.
    Nothing,
    /// It is as it was fetched.
    Stands,
    /// It was, and is deleted.
    Deleted,
    /// Another file, or one that can't be deleted: why.
    Kept(String),
}

/// Whether length and time are those that the server told.
fn is_as_told(file: &Metadata, receipt: &Receipt) -> bool {
    let told = receipt.identity.modified.as_deref().and_then(unix_seconds);
    file.len() == receipt.size && told.is_none_or(|told| told == file.mtime())
}

fn look(job: &Job, delete: bool) -> Found {
    let file = match std::fs::symlink_metadata(job.spec.destination.full()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(e) => return Found::Kept(e.to_string()),
        Ok(file) => file,
    };
    let as_fetched = file.is_file() && job.record.receipt.as_ref().is_some_and(|receipt| is_as_told(&file, receipt));
    if !as_fetched {
        return Found::Kept("it is not the file that was fetched".to_owned());
    }
    if !delete {
        return Found::Stands;
    }
    match remove_local(&job.spec.destination, file.len()) {
        Ok(()) => Found::Deleted,
        Err(why) => Found::Kept(why),
    }
}
