//! Files that were fetched from a folder and are not listed there any more: which of them are gone is asked by name.
//!
//! A listing may lack what is there: a server cuts it, a disk is not mounted, a folder can't be read. So no file counts as
//! gone before the server was asked for it, and where much is missing, nobody is asked before the user has said so.

use super::dispatcher::Dispatcher;
use super::logins::Logins;
use crate::ftp::PresenceQuery;
use crate::model::{
    Event, Failure, FailureKind, IdSet, Job, JobId, JobState, RelPath, RemotePath, Selection, Source, printable,
};
use crate::policy::{DeleteLimit, local_name};
use crate::queue::QueueError;
use crate::transfer::{Link, Survey};
use crate::wire::FileAnswer;
use crate::wire::listing::name_without_version;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::PathBuf;

/// Jobs asked for at a time.
const PAGE: usize = 500;
/// Missing files that are held at a time: those of one folder among them are asked for together, and folders that were read
/// side by side gave their jobs in turn.
const ASKED: usize = 2_000;
/// Files and folders that are named.
const NAMED: usize = 20;
/// Files that are asked for quietly.
const QUIET: u64 = 100;

/// What is to be found out about files that are gone.
#[derive(Clone, Debug)]
pub struct GoneQuery {
    /// The folder on the server.
    pub root: Source,
    /// Where its files go.
    pub dir: PathBuf,
    /// How many may be missing before it stays a question.
    pub limit: DeleteLimit,
    /// The user has said yes to any number.
    pub force: bool,
    /// The server is to be asked for each file that is not listed any more.
    pub asks: bool,
}

/// What was found out. Whatever is not proved to be gone counts as there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoneFiles {
    /// Files that were fetched from the folder.
    pub known: u64,
    /// Those that are not listed any more.
    pub missing: u64,
    /// Those of which the server says that it has no such file; all of them where it was not to be asked.
    pub gone: IdSet,
    /// So many are missing that it stays a question: none was asked for.
    pub is_question: bool,
    /// Folders that are suddenly empty, or lack too many files, and how many each; the first of them.
    pub held: Vec<(String, u64)>,
    /// Files in such folders.
    pub held_files: u64,
    /// Files that the server still has, though it does not list them.
    pub unlisted: IdSet,
    /// Files of which the server's words don't tell, or that it could not be asked for.
    pub unclear: IdSet,
    /// Names and reasons of the first files that stay.
    pub stays: Vec<String>,
}

/// What is known of one folder on the server and all below it.
#[derive(Default)]
struct FolderCount {
    known: u64,
    missing: u64,
    /// A file that was listed in the folder itself.
    listed: Option<JobId>,
}

/// All folders that files came from, and those above them, by their paths.
#[derive(Default)]
struct Census {
    folders: HashMap<Vec<u8>, FolderCount>,
    missing: IdSet,
    known: u64,
}

/// The questions for missing files, as they go on.
struct Asking<'a> {
    query: &'a GoneQuery,
    survey: &'a Survey,
    census: &'a Census,
    /// A file that was listed in any folder.
    elsewhere: Option<RemotePath>,
    /// The session that the last folder was asked over.
    warm: Option<Link>,
    /// The run was stopped.
    is_over: bool,
    found: GoneFiles,
}

impl GoneQuery {
    fn selection(&self) -> Selection {
        let host = Some(self.root.account().host_key().to_string());
        Selection { ids: None, state: Some(JobState::Done), host }
    }

    /// Whether the job's file came from there; one that was here before and was left alone never did.
    fn concerns(&self, job: &Job) -> bool {
        let was_listed = job.spec.listed.is_some() || job.record.listed.is_some();
        let left_alone = job.record.receipt.as_ref().is_some_and(|receipt| receipt.left_alone);
        let source = &job.spec.source;
        was_listed
            && !left_alone
            && job.spec.folder.is_none()
            && job.spec.destination.dir() == self.dir
            && source.account() == self.root.account()
            && self.is_placed_by_rule(source.path(), job.spec.destination.path())
    }

    /// Whether the tree has that place for the file: by another rule, another command made the job, and it is none of this
    /// tree's.
    fn is_placed_by_rule(&self, remote: &RemotePath, local: &RelPath) -> bool {
        let Some(below) = remote.as_bytes().strip_prefix(self.root.path().as_bytes()) else { return false };
        let (names, places) = (below.split(|&b| b == b'/'), local.as_str().split('/'));
        names.clone().count() == places.clone().count()
            && names.zip(places).all(|(name, place)| {
                let is_it = |name: &[u8]| local_name(name).is_ok_and(|local| local == place);
                is_it(name) || is_it(&name_without_version(name))
            })
    }

    /// Why nothing that came from a folder is to be deleted before the user has said so: it, or one above it, is suddenly
    /// empty or lacks too many files. With that folder's URL.
    fn holds(&self, folder: &[u8], census: &Census, survey: &Survey) -> Option<String> {
        if self.force {
            return None;
        }
        self.folders_from(folder).find_map(|folder| {
            let source = self.folder(folder.to_vec())?;
            let count = census.folders.get(folder)?;
            let too_many = self.limit == DeleteLimit::Half && self.limit.is_exceeded(count.missing, count.known);
            let why = match (survey.was_empty(&source), too_many) {
                (true, _) => "nothing is listed in it any more",
                (false, true) => "more than half of its files are missing",
                (false, false) => return None,
            };
            Some(format!("{}: {why}", printable(&source.to_string(), 300)))
        })
    }

    /// A folder's path, and those of the folders above it up to the root.
    fn folders_from<'a>(&self, folder: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let root = self.root.path().as_bytes().len();
        let ends = folder.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
        let root_itself = (root == 0).then_some(0);
        ends.filter(move |&end| end >= root).chain(root_itself).filter_map(|end| folder.get(..end))
    }

    fn folder(&self, path: Vec<u8>) -> Option<Source> {
        let path = RemotePath::folder(path).ok()?;
        Some(Source::new(self.root.account().clone(), path, self.root.transfer_type()))
    }
}

impl Census {
    /// Counts a file that came from the root, or a folder below it.
    fn count(&mut self, query: &GoneQuery, job: &Job, is_missing: bool) {
        self.known += 1;
        let own = folder_of(job.spec.source.path());
        for folder in query.folders_from(&own) {
            // Most folders are known already, and their path need not be copied then.
            if !self.folders.contains_key(folder) {
                self.folders.insert(folder.to_vec(), FolderCount::default());
            }
            let Some(count) = self.folders.get_mut(folder) else { continue };
            count.known += 1;
            count.missing += u64::from(is_missing);
            if !is_missing && folder.len() == own.len() {
                count.listed = count.listed.or(Some(job.id));
            }
        }
    }
}

/// The path of a file's folder, with its slash.
fn folder_of(path: &RemotePath) -> Vec<u8> {
    path.parent().as_bytes().to_vec()
}

impl GoneFiles {
    fn keep(&mut self, job: &Job, why: &str) {
        if self.stays.len() < NAMED {
            self.stays.push(format!("{}: {why}", printable(&job.spec.destination.to_string(), 300)));
        }
    }

    fn hold(&mut self, why: String, files: u64) {
        self.held_files += files;
        if let Some((_, count)) = self.held.iter_mut().find(|(known, _)| *known == why) {
            *count += files;
        } else if self.held.len() < NAMED {
            self.held.push((why, files));
        }
    }

    fn give_up(&mut self, group: &[Job], failure: &Failure) {
        for job in group {
            self.unclear.insert(job.id);
            self.keep(job, &format!("the server could not be asked: {failure}"));
        }
    }

    fn take(&mut self, job: &Job, answer: FileAnswer) {
        match answer {
            FileAnswer::Missing => self.gone.insert(job.id),
            FileAnswer::Exists => {
                self.unlisted.insert(job.id);
                self.keep(job, "the server does not list it, but still has it");
            }
            FileAnswer::Refused(words) | FileAnswer::Unclear(words) => {
                self.unclear.insert(job.id);
                let words = match words.as_str() {
                    "" => "it has none of SIZE, MDTM and MLST",
                    words => words,
                };
                self.keep(job, &format!("the server does not say clearly that it is gone ({words})"));
            }
        }
    }
}

impl Dispatcher {
    /// Finds out which files are not listed any more, where all of the folder was read, and which of them are gone on the
    /// server, where that was asked for.
    pub(super) async fn look_for_gone(&mut self) -> Result<(), QueueError> {
        let (Some(query), Some(survey)) = (self.order.gone.clone(), self.shop.survey.clone()) else { return Ok(()) };
        let left = self.shop.queue.counts(self.selection()).await?.folders;
        let is_whole = left == 0 && self.report.folders_failed == 0 && survey.was_read(&query.root);
        if self.report.interrupted || self.report.storage && query.asks || !is_whole {
            return Ok(());
        }
        let census = self.count_missing(&query, &survey).await?;
        let (known, missing) = (census.known, census.missing.len());
        let mut found = GoneFiles { known, missing, ..GoneFiles::default() };
        if !query.asks {
            self.report.gone = Some(GoneFiles { gone: census.missing, ..found });
            return Ok(());
        }
        found.is_question = !query.force && query.limit.is_exceeded(missing, known);
        if missing > 0 && !found.is_question {
            if missing > QUIET {
                let text = format!("{missing} files are not listed any more: the server is asked for each of them");
                self.shop.observer.event(&Event::Notice { text });
            }
            let asked = self.ask_for_missing(&query, &survey, &census).await?;
            found = GoneFiles { known, missing, ..asked };
        }
        if *self.stop.borrow() {
            self.report.interrupted = true;
        } else {
            self.report.gone = Some(found);
        }
        Ok(())
    }

    async fn count_missing(&self, query: &GoneQuery, survey: &Survey) -> Result<Census, QueueError> {
        let (mut census, mut after) = (Census::default(), None);
        loop {
            let page = self.shop.queue.list(query.selection(), after, PAGE).await?;
            let Some(last) = page.last().map(|job| job.id) else { return Ok(census) };
            for job in page.iter().filter(|job| query.concerns(job)) {
                let lacks = survey.lacks(&query.root, job.id, &job.spec.source);
                census.count(query, job, lacks);
                if lacks {
                    census.missing.insert(job.id);
                }
            }
            after = Some(last);
        }
    }

    /// Asks for the missing files, some of them at a time and a folder of these at a time, over one session.
    async fn ask_for_missing(
        &mut self,
        query: &GoneQuery,
        survey: &Survey,
        census: &Census,
    ) -> Result<GoneFiles, QueueError> {
        let elsewhere = match census.folders.values().find_map(|count| count.listed) {
            Some(id) => self.path_of(id).await?,
            None => None,
        };
        let mut asking =
            Asking { query, survey, census, elsewhere, warm: None, is_over: false, found: GoneFiles::default() };
        let mut after = JobId(0);
        while !asking.is_over {
            let ids = census.missing.next(after, ASKED as u64);
            let Some((_, last)) = ids.ranges().last() else { break };
            let selection = Selection { ids: Some(ids), ..Selection::default() };
            let mut folders: BTreeMap<Vec<u8>, Vec<Job>> = BTreeMap::new();
            for job in self.shop.queue.list(selection, None, ASKED).await? {
                folders.entry(folder_of(job.spec.source.path())).or_default().push(job);
            }
            for (folder, jobs) in folders {
                self.ask_for_folder(&mut asking, folder, &jobs).await?;
            }
            after = last;
        }
        if let Some(link) = asking.warm {
            link.quit().await;
        }
        Ok(asking.found)
    }

    /// Asks for missing files of one folder, unless the run is stopped.
    async fn ask_for_folder(&mut self, asking: &mut Asking<'_>, path: Vec<u8>, jobs: &[Job]) -> Result<(), QueueError> {
        asking.is_over |= *self.stop.borrow();
        if asking.is_over {
            return Ok(());
        }
        if let Some(why) = asking.query.holds(&path, asking.census, asking.survey) {
            asking.found.hold(why, jobs.len() as u64);
            return Ok(());
        }
        let control = match asking.census.folders.get(&path).and_then(|count| count.listed) {
            Some(id) => self.path_of(id).await?,
            None => asking.elsewhere.clone(),
        };
        let Ok(folder) = RemotePath::folder(path) else { return Ok(()) };
        let files: Vec<RemotePath> = jobs.iter().map(|job| job.spec.source.path().clone()).collect();
        let asked = PresenceQuery {
            folder: &folder,
            root: asking.query.root.path(),
            files: &files,
            control: control.as_ref(),
            trusts_refusals: asking.query.force,
        };
        let answers = match self.warm_link(asking.warm.take(), asking.query, jobs) {
            Ok(mut link) => {
                let answers = self.or_stop(ask(&mut link, asked)).await;
                asking.warm = Some(link);
                answers
            }
            Err(failure) => Some(Err(failure)),
        };
        match answers {
            Some(Ok(answers)) => jobs.iter().zip(answers).for_each(|(job, answer)| asking.found.take(job, answer)),
            Some(Err(failure)) => asking.found.give_up(jobs, &failure),
            None => asking.is_over = true,
        }
        Ok(())
    }

    async fn path_of(&self, id: JobId) -> Result<Option<RemotePath>, QueueError> {
        Ok(self.shop.queue.get(id).await?.map(|job| job.spec.source.path().clone()))
    }

    /// The link that is there, or one with a session at rest, or a new one.
    fn warm_link(&mut self, there: Option<Link>, query: &GoneQuery, group: &[Job]) -> Result<Link, Failure> {
        if let Some(link) = there {
            return Ok(link);
        }
        let account = query.root.account().clone();
        if let Some(link) = self.hosts.take_idle(&account) {
            return Ok(link);
        }
        let settings = group.first().map(|job| self.settings(job, &account.host_key())).unwrap_or_default();
        let options = Logins::options(&settings, account.scheme)?;
        let quirks = self.hosts.known.get(&account.host_key()).map(|host| host.facts.quirks).unwrap_or_default();
        let rechecks = self.hosts.books(&account).rechecks.clone();
        self.logins.dial(&account, options, quirks).map(|dial| Link::new(dial, rechecks))
    }

    /// Does something, unless the run is stopped before its end.
    async fn or_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => None,
            done = work => Some(done),
        }
    }
}

/// Asks, and once more over a new session where the first one failed.
async fn ask(link: &mut Link, query: PresenceQuery<'_>) -> Result<Vec<FileAnswer>, Failure> {
    match link.session().await?.presence(query).await {
        Err(failure) if failure.kind == FailureKind::Transient => link.session().await?.presence(query).await,
        answers => answers,
    }
}
