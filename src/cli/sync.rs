//! `sync`: takes what is new and changed in a folder, and tells what is gone.

use super::add::{AddOrder, enqueue, interrupts};
use super::args::SyncArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::folder_options::FolderOptions;
use super::get::{all, wake};
use super::inputs::Input;
use super::login::{Ask, Login};
use super::options;
use super::rehearsal;
use super::run::{RunStart, secrets, work};
use super::words::{count, safe};
use crate::engine::{GoneFiles, GoneQuery, RunReport, Survey, back_up_local, remove_local};
use crate::manifest::{ReadOptions, single};
use crate::model::{Change, Event, Existing, Folder, Job, JobId, JobState, Selection, Settings, Source};
use crate::policy::{is_as_finished, split_pattern};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Jobs asked for at a time.
const PAGE: usize = 500;
/// Files that are named one by one.
const NAMED: u64 = 20;

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
    let (delete, limit) = (how.is_some(), args.max_delete.unwrap_or_default());
    let query = how.map(|how| GoneQuery { root: root.clone(), dir: into.clone(), limit, force: how == "force" });
    let backup_dir = args.backup_dir.as_deref().map(|dir| face.absolute(dir)).transpose()?;
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
        gone: query,
        backup_dir: backup,
    };
    let (exit, report) = if args.run.dry_run {
        rehearsal::tell(face, &args.run, start).await?
    } else {
        work(face, &args.run, start).await?
    };
    let unasked = (delete && report.gone.is_none()).then_some("the server was not asked which files are gone");
    if let Some(why) = incomplete(&report, &survey, &root).or(unasked) {
        let undone = if delete { "nothing was deleted" } else { "what is gone on the server is not known" };
        face.complain(&format!("{why}: {undone}"));
        return Ok(if delete { exit.or_failed() } else { exit });
    }
    let place = SyncPlace { root, into: &into, survey: &survey, gone: report.gone.as_ref(), backup_dir };
    let all_told = gone(face, &place).await?;
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

/// Why it can't be told what is gone; nothing where it can.
fn incomplete(report: &RunReport, survey: &Survey, root: &Source) -> Option<&'static str> {
    match report {
        _ if report.interrupted => Some("it was stopped before the end"),
        RunReport { folders_failed: 1.., .. } => Some("a folder could not be read whole"),
        RunReport { folders_left: 1.., .. } => Some("folders are left to be read"),
        _ if !survey.was_read(root) => Some("the folder was not read whole by this process"),
        _ => None,
    }
}

/// Where what is gone is looked for.
struct SyncPlace<'a> {
    root: Source,
    into: &'a Path,
    survey: &'a Survey,
    /// What the server said of files that it does not list any more, where they are to be deleted.
    gone: Option<&'a GoneFiles>,
    /// Where files go that were changed here.
    backup_dir: Option<PathBuf>,
}

impl SyncPlace<'_> {
    /// Whether the file came from there and is gone; where the server was not asked, whether it is not listed any more.
    fn has_lost(&self, job: &Job) -> bool {
        if let Some(gone) = self.gone {
            return gone.proved.contains(job.id);
        }
        let was_listed = job.spec.listed.is_some() || job.record.listed.is_some();
        let here = job.spec.destination.dir() == self.into;
        job.spec.folder.is_none() && was_listed && here && self.survey.lacks(&self.root, job.id, &job.spec.source)
    }

    /// The jobs to look through.
    fn selection(&self) -> Selection {
        let ids = self.gone.map(|gone| gone.proved.clone());
        Selection { ids, state: Some(JobState::Done), host: Some(self.root.account().host_key().to_string()) }
    }
}

/// Tells which files are gone on the server, and deletes them here where that is asked for. Returns whether it is certain of
/// all files that are not listed any more.
async fn gone(face: &mut Face<'_>, place: &SyncPlace<'_>) -> Result<bool, Failed> {
    if let Some(found) = place.gone
        && !report_doubts(face, found)
    {
        return Ok(false);
    }
    let desk = face.desk().await?;
    let delete = place.gone.is_some();
    let (mut after, mut told) = (None, GoneLines::default());
    loop {
        let page = desk.list(place.selection(), after, PAGE).await?;
        let Some(last) = page.last().map(|job| job.id) else { break };
        let missing: Vec<Job> = page.into_iter().filter(|job| place.has_lost(job)).collect();
        let backup_dir = place.backup_dir.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let look = |job: Job| (look(&job, delete, backup_dir.as_deref()), job);
            missing.into_iter().map(look).collect::<Vec<_>>()
        });
        let looked =
            looked.await.map_err(|e| Failed::Io("looking at files came to a halt".to_owned(), io::Error::other(e)))?;
        let mut removed: Vec<JobId> = Vec::new();
        for (found, job) in looked {
            let is_over = told.tell(face, &job, found)?;
            removed.extend((is_over && delete).then_some(job.id));
        }
        if !removed.is_empty() {
            let selection = Selection { ids: Some(removed.into_iter().collect()), ..Selection::default() };
            desk.change(selection, Change::Remove).await?;
        }
        after = Some(last);
    }
    let number = told.number;
    if !face.global.json && number > 0 {
        let files = count(number, "file");
        face.say(&if delete {
            format!("gone on the server: {files}, deleted here")
        } else {
            format!("no longer listed: {files}, left here; --delete asks the server for each, and deletes what is gone")
        })?;
    }
    Ok(place.gone.is_none_or(|found| found.held_files + found.unlisted + found.unclear == 0))
}

/// Says what stays though it is not listed any more. Returns whether anything may be deleted.
fn report_doubts(face: &mut Face<'_>, found: &GoneFiles) -> bool {
    let GoneFiles { known, missing, held_files, unlisted, unclear, .. } = found;
    if found.is_question {
        face.complain(&format!(
            "{missing} of {known} files are no longer listed, more than --max-delete allows: nothing was deleted; if they are \
             gone, say so by --delete=force"
        ));
        return false;
    }
    for (held, files) in &found.held {
        face.complain(&format!("not deleted: {held} ({})", count(*files, "file")));
    }
    if *held_files > 0 {
        let files = count(*held_files, "file");
        face.complain(&format!(
            "not deleted: {files} of folders that lost too much at once, as when a disk of the server is not mounted; if they \
             are gone, say so by --delete=force"
        ));
    }
    for stays in &found.stays {
        face.complain(&format!("not deleted: {stays}"));
    }
    if *unlisted > 0 {
        let files = count(*unlisted, "file");
        face.complain(&format!(
            "not deleted: {files} that the server has and does not list: its listing is not to be trusted"
        ));
    }
    if *unclear > 0 {
        let files = count(*unclear, "file");
        face.complain(&format!("not deleted: {files} of which the server does not say that they are gone"));
    }
    true
}

/// What was told so far.
#[derive(Default)]
struct GoneLines {
    /// Files that are deleted, or stand.
    number: u64,
    /// Files that stay though they are gone.
    kept: u64,
}

impl GoneLines {
    /// Tells what there is of a file. Returns whether nothing is left of it.
    fn tell(&mut self, face: &mut Face<'_>, job: &Job, found: SyncFinding) -> Result<bool, Failed> {
        let (destination, source) = (job.spec.destination.clone(), job.spec.source.clone());
        let deleted = match found {
            // Nothing is left here either: the job has served its turn.
            SyncFinding::Nothing => return Ok(true),
            SyncFinding::Moved(to) => {
                face.complain(&format!(
                    "gone on the server, changed here: {destination} is now {}",
                    safe(&to.display())
                ));
                return Ok(true);
            }
            SyncFinding::Kept(why) => {
                self.kept += 1;
                if self.kept <= NAMED {
                    face.complain(&format!("gone on the server, not deleted: {destination}: {why}"));
                }
                return Ok(false);
            }
            SyncFinding::Deleted => true,
            SyncFinding::Stands => false,
        };
        self.number += 1;
        if face.global.json {
            face.say_json(&Event::Gone { job: job.id, source, destination, deleted })?;
        } else if self.number <= NAMED && !face.global.quiet {
            let what = if deleted { "gone on the server, deleted" } else { "no longer listed" };
            face.complain(&format!("{what}: {destination}"));
        }
        Ok(deleted)
    }
}

/// What there is of a file that is gone on the server.
enum SyncFinding {
    /// Nothing.
    Nothing,
    /// It is as it was fetched.
    Stands,
    /// It was, and is deleted.
    Deleted,
    /// It was changed here, and moved there.
    Moved(PathBuf),
    /// Another file, or one that can't be deleted: why.
    Kept(String),
}

fn look(job: &Job, delete: bool, backup_dir: Option<&Path>) -> SyncFinding {
    let file = match std::fs::symlink_metadata(job.spec.destination.full()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return SyncFinding::Nothing,
        Err(e) => return SyncFinding::Kept(e.to_string()),
        Ok(file) => file,
    };
    let as_fetched = file.is_file()
        && job.record.receipt.as_ref().is_some_and(|receipt| is_as_finished(receipt, file.len(), Some(file.mtime())));
    if let Some(dir) = backup_dir.filter(|_| delete && !as_fetched && file.is_file()) {
        return back_up_local(&job.spec.destination, dir).map_or_else(SyncFinding::Kept, SyncFinding::Moved);
    }
    if !as_fetched {
        return SyncFinding::Kept("it is not the file that was fetched".to_owned());
    }
    if !delete {
        return SyncFinding::Stands;
    }
    match remove_local(&job.spec.destination, file.len()) {
        Ok(()) => SyncFinding::Deleted,
        Err(why) => SyncFinding::Kept(why),
    }
}
