//! What is gone on the server, and what becomes of it here.

use super::case::{OtherNames, has_names_in_other_case};
use super::exit::Failed;
use super::face::Face;
use super::words::{count, safe};
use crate::engine::{Desk, GoneFiles, Survey, back_up_local, remove_local};
use crate::model::{Change, Event, Job, JobId, JobState, Selection, Source};
use crate::policy::is_as_finished;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Jobs asked for at a time.
const PAGE: usize = 500;
/// Files that are named one by one.
const NAMED: u64 = 20;

/// Where what is gone is looked for.
pub(super) struct SyncPlace<'a> {
    pub(super) root: Source,
    pub(super) into: &'a Path,
    pub(super) survey: &'a Survey,
    /// What the server said of files that it does not list any more, where they are to be deleted.
    pub(super) gone: Option<&'a GoneFiles>,
    /// Where files go that were changed here.
    pub(super) backup_dir: Option<PathBuf>,
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
pub(super) async fn gone(face: &mut Face<'_>, place: &SyncPlace<'_>) -> Result<bool, Failed> {
    if let Some(found) = place.gone
        && !report_doubts(face, found)
    {
        return Ok(false);
    }
    let desk = face.desk().await?;
    let delete = place.gone.is_some();
    let (mut after, mut told, mut others) = (None, GoneLines::default(), None);
    loop {
        let page = desk.list(place.selection(), after, PAGE).await?;
        let Some(last) = page.last().map(|job| job.id) else { break };
        let missing: Vec<Job> = page.into_iter().filter(|job| place.has_lost(job)).collect();
        let missing = shared(missing, &*desk, place, &mut others).await?;
        let backup_dir = place.backup_dir.clone();
        let looked = aside(move || {
            let look = |(job, is_shared): (Job, bool)| {
                let found = if is_shared { SyncFinding::Shared } else { look(&job, delete, backup_dir.as_deref()) };
                (found, job)
            };
            missing.into_iter().map(look).collect::<Vec<_>>()
        })
        .await?;
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

/// The jobs, and of each whether its file is another job's too, under a name that differs in case alone. `others` is what is
/// known of their names so far: it is read where a file system takes such names for one, and anything is to be deleted there.
async fn shared(
    missing: Vec<Job>,
    desk: &dyn Desk,
    place: &SyncPlace<'_>,
    others: &mut Option<OtherNames>,
) -> Result<Vec<(Job, bool)>, Failed> {
    let Some(found) = place.gone else { return Ok(missing.into_iter().map(|job| (job, false)).collect()) };
    let look = |job: Job| {
        let is_folded = has_names_in_other_case(&job.spec.destination);
        (job, is_folded)
    };
    let mut looked = aside(move || missing.into_iter().map(look).collect::<Vec<_>>()).await?;
    if others.is_none() && looked.iter().any(|(_, is_folded)| *is_folded) {
        *others = Some(OtherNames::than(&found.proved, desk).await?);
    }
    for (job, is_shared) in &mut looked {
        *is_shared = *is_shared && others.as_ref().is_some_and(|others| others.have(&job.spec.destination));
    }
    Ok(looked)
}

/// Does what blocks on another thread.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failed> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Failed::Io("looking at files came to a halt".to_owned(), io::Error::other(e)))
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
            SyncFinding::Shared => {
                face.complain(&format!(
                    "gone on the server: {destination}: here it is one file with one that is not gone, whose name differs in \
                     case alone, so it stays"
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
    /// It is another job's too.
    Shared,
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
