//! What is gone on the server, and what becomes of it here.

use super::add::interrupts;
use super::case::{OtherNames, has_names_in_other_case};
use super::exit::Failed;
use super::face::Face;
use super::words::{count, numbers, safe};
use crate::engine::{Desk, GoneFiles, Survey, back_up_local, remove_local};
use crate::model::{Change, Event, IdSet, Job, JobId, JobState, Selection};
use crate::policy::is_as_finished;
use crate::transfer::failpoint;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Jobs asked for at a time.
const PAGE: u64 = 500;
/// Files that are named one by one.
const NAMED: u64 = 20;
/// Jobs that a command for the user names.
const NUMBERED: u64 = 50;

/// What was found out of files that are not listed any more, and what is to become of them.
pub(super) struct GoneTask<'a> {
    pub(super) found: &'a GoneFiles,
    pub(super) survey: &'a Survey,
    /// The server was asked for each, and what it has no more is to be deleted.
    pub(super) deletes: bool,
    /// Where files go that were changed here.
    pub(super) backup_dir: Option<PathBuf>,
}

/// Tells which files are gone on the server, and deletes them here where that is asked for. Returns whether it is certain of
/// all files that are not listed any more.
pub(super) async fn gone(face: &mut Face<'_>, task: &GoneTask<'_>) -> Result<bool, Failed> {
    let desk = face.desk().await?;
    if task.deletes && !report_doubts(face, &*desk, task).await? {
        return Ok(false);
    }
    let (mut after, mut told, mut others) = (JobId(0), GoneLines::default(), None);
    let interrupt = interrupts()?;
    loop {
        let page = page(&*desk, &task.found.gone, after).await?;
        let Some(page) = page else { break };
        after = page.last;
        failpoint("sync-deletes");
        if task.deletes && interrupt.has_come() {
            return Err(Failed::Interrupted("no more files are deleted here; give the command again"));
        }
        let looked = look_at(page.jobs, &*desk, task, &mut others).await?;
        let mut removed: Vec<JobId> = Vec::new();
        for (found, job) in looked {
            let is_over = told.tell(face, &job, found)?;
            removed.extend((is_over && task.deletes).then_some(job.id));
        }
        if !removed.is_empty() {
            let selection = Selection { ids: Some(removed.into_iter().collect()), ..Selection::default() };
            desk.change(selection, Change::Remove).await?;
        }
    }
    told.end(face, task.deletes)?;
    let GoneFiles { held_files, unlisted, unclear, .. } = task.found;
    Ok(!task.deletes || *held_files == 0 && unlisted.is_empty() && unclear.is_empty())
}

/// Jobs of some numbers, and the last of these.
struct Page {
    jobs: Vec<Job>,
    last: JobId,
}

/// The next jobs of these that are done; nothing where all were had.
async fn page(desk: &dyn Desk, ids: &IdSet, after: JobId) -> Result<Option<Page>, Failed> {
    let ids = ids.next(after, PAGE);
    let Some((_, last)) = ids.ranges().last() else { return Ok(None) };
    let selection = Selection { ids: Some(ids), state: Some(JobState::Done), host: None };
    let jobs = desk.list(selection, None, usize::try_from(PAGE).unwrap_or(usize::MAX)).await?;
    Ok(Some(Page { jobs, last }))
}

/// Looks what there is of these files, and deletes them where that is wanted; not those that are another job's too, under a
/// name that differs in case alone. `others` is what is known of names so far: it is read where a file system takes such names
/// for one, and anything is to be deleted there.
async fn look_at(
    jobs: Vec<Job>,
    desk: &dyn Desk,
    task: &GoneTask<'_>,
    others: &mut Option<OtherNames>,
) -> Result<Vec<(SyncFinding, Job)>, Failed> {
    let (deletes, backup_dir) = (task.deletes, task.backup_dir.clone());
    let is_folded = move |job: Job| (deletes && has_names_in_other_case(&job.spec.destination), job);
    let jobs = aside(move || jobs.into_iter().map(is_folded).collect::<Vec<_>>()).await?;
    if others.is_none() && jobs.iter().any(|(is_folded, _)| *is_folded) {
        *others = Some(OtherNames::of(desk, |id| !task.found.gone.contains(id)).await?);
    }
    let have = |job: &Job| others.as_ref().is_some_and(|others| others.have(&job.spec.destination));
    let jobs: Vec<(bool, Job)> = jobs.into_iter().map(|(is_folded, job)| (is_folded && have(&job), job)).collect();
    let look = move |(is_shared, job): (bool, Job)| {
        let found = if is_shared { SyncFinding::Shared } else { look(&job, deletes, backup_dir.as_deref()) };
        (found, job)
    };
    aside(move || jobs.into_iter().map(look).collect()).await
}

/// Does what blocks on another thread.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failed> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Failed::Io("looking at files came to a halt".to_owned(), io::Error::other(e)))
}

/// Says what stays though it is not listed any more. Returns whether anything may be deleted.
async fn report_doubts(face: &mut Face<'_>, desk: &dyn Desk, task: &GoneTask<'_>) -> Result<bool, Failed> {
    let GoneFiles { known, missing, held_files, unlisted, unclear, .. } = task.found;
    if task.found.is_question {
        face.complain(&format!(
            "{missing} of {known} files are no longer listed, more than --max-delete allows: nothing was deleted; if they are \
             gone, say so by --delete=force"
        ));
        return Ok(false);
    }
    for (held, files) in &task.found.held {
        face.complain(&format!("not deleted: {held} ({})", count(*files, "file")));
    }
    if *held_files > 0 {
        let files = count(*held_files, "file");
        face.complain(&format!(
            "not deleted: {files} of folders that lost too much at once, as when a disk of the server is not mounted; if they \
             are gone, say so by --delete=force"
        ));
    }
    for stays in &task.found.stays {
        face.complain(&format!("not deleted: {stays}"));
    }
    let renamed = renamed(desk, task).await?;
    let unlisted = unlisted.without(&renamed);
    let known = "if you know that they are gone, delete them here; to hear no more of them";
    for (ids, why, end) in [
        (
            &renamed,
            "the server lists under a name that differs in case alone, taking both names for one",
            "where a file of the old name is left here beside the new one, delete it; to hear no more of it",
        ),
        (&unlisted, "the server does not list, but still has: it lists less than there is", known),
        (unclear, "the server neither lists nor calls gone: give the command again later", known),
    ] {
        if !ids.is_empty() {
            let (files, remove) = (count(ids.len(), "file"), remove(ids));
            face.complain(&format!("not deleted: {files} that {why}; {end}: {remove}"));
        }
    }
    Ok(true)
}

/// What makes ftpq forget these jobs.
fn remove(ids: &IdSet) -> String {
    let named = ids.next(JobId(0), NUMBERED);
    let more = if named.len() < ids.len() { ", then the command again for the others" } else { "" };
    format!("`ftpq remove {}`{more}", numbers(&named))
}

/// Those of the files that the server still has of which it lists a name that differs in case alone.
async fn renamed(desk: &dyn Desk, task: &GoneTask<'_>) -> Result<IdSet, Failed> {
    let (unlisted, listed) = (&task.found.unlisted, task.survey.jobs());
    let (mut renamed, mut after) = (IdSet::default(), JobId(0));
    if unlisted.is_empty() {
        return Ok(renamed);
    }
    let others = OtherNames::of(desk, |id| listed.contains(id)).await?;
    while let Some(page) = page(desk, unlisted, after).await? {
        after = page.last;
        renamed.extend(&page.jobs.iter().filter(|job| others.have(&job.spec.destination)).map(|job| job.id).collect());
    }
    Ok(renamed)
}

/// What was told so far.
#[derive(Default)]
struct GoneLines {
    /// Files that are deleted, or stand.
    number: u64,
    /// Files that stay though they are gone.
    kept: u64,
    /// What stands or stays.
    left: IdSet,
}

impl GoneLines {
    /// Says how many they were, and what is to be done about those that are left.
    fn end(&self, face: &mut Face<'_>, deletes: bool) -> Result<(), Failed> {
        let remove = remove(&self.left);
        if self.kept > 0 {
            let files = count(self.kept, "file");
            face.complain(&format!(
                "not deleted: {files} that the server has no more, for the reasons above; delete here those that you don't \
                 need; to hear no more of them: {remove}"
            ));
        }
        if face.global.json || self.number == 0 {
            return Ok(());
        }
        let files = count(self.number, "file");
        face.say(&if deletes {
            format!("gone on the server: {files}, deleted here")
        } else {
            format!(
                "no longer listed: {files}, left here; --delete asks the server for each, and deletes what is gone and was not \
                 changed here; to hear no more of them: {remove}"
            )
        })
    }

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
            SyncFinding::Shared => {
                face.complain(&format!(
                    "gone on the server: {destination}: here it is one file with one that is not gone, whose name differs in \
                     case alone, so it stays"
                ));
                return Ok(true);
            }
            SyncFinding::Kept(why) => {
                self.kept += 1;
                self.left.insert(job.id);
                if self.kept <= NAMED {
                    face.complain(&format!("gone on the server, not deleted: {destination}: {why}"));
                }
                return Ok(false);
            }
            SyncFinding::Deleted => true,
            SyncFinding::Stands => {
                self.left.insert(job.id);
                false
            }
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
    /// A file, which nobody was asked about.
    Stands,
    /// It was as it was fetched, and is deleted.
    Deleted,
    /// It was changed here, and moved there.
    Moved(PathBuf),
    /// It is another job's too.
    Shared,
    /// Another file, or one that can't be deleted: why.
    Kept(String),
}

fn look(job: &Job, deletes: bool, backup_dir: Option<&Path>) -> SyncFinding {
    let file = match std::fs::symlink_metadata(job.spec.destination.full()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return SyncFinding::Nothing,
        _ if !deletes => return SyncFinding::Stands,
        Err(e) => return SyncFinding::Kept(e.to_string()),
        Ok(file) => file,
    };
    let as_fetched = file.is_file()
        && job.record.receipt.as_ref().is_some_and(|receipt| is_as_finished(receipt, file.len(), Some(file.mtime())));
    if let Some(dir) = backup_dir.filter(|_| !as_fetched && file.is_file()) {
        return back_up_local(&job.spec.destination, dir).map_or_else(SyncFinding::Kept, SyncFinding::Moved);
    }
    if !as_fetched {
        return SyncFinding::Kept("it is not the file that was fetched".to_owned());
    }
    match remove_local(&job.spec.destination, file.len()) {
        Ok(()) => SyncFinding::Deleted,
        Err(why) => SyncFinding::Kept(why),
    }
}
