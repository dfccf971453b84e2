//! A house without a queue: it remembers what it is asked, and answers what it is told to.

use crate::cli::args::Global;
use crate::cli::face::{Face, Surroundings};
use crate::cli::{Args, Exit, perform};
use crate::engine::{
    AccountStanding, Added, Changed, Credential, Desk, DeskError, House, Intake, KeptStanding, Reply, RunOrder,
    RunReport,
};
use crate::model::{Account, Change, Counts, IdSet, Job, JobId, JobSpec, Secret, Selection, StatusReport};
use clap::Parser;
use std::io::{BufRead, Cursor, Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tempfile::TempDir;

/// What was asked, and what is to be answered.
#[derive(Default)]
pub(super) struct State {
    pub(super) queues: Vec<PathBuf>,
    pub(super) pushed: Vec<usize>,
    pub(super) offered: Vec<JobSpec>,
    pub(super) accepted: Vec<JobSpec>,
    pub(super) secrets: Vec<(String, String)>,
    /// Logins that are stored, and whether for TLS alone.
    pub(super) kept: Vec<(String, bool)>,
    pub(super) forgotten: Vec<(Vec<String>, bool)>,
    pub(super) orders: Vec<RunOrder>,
    pub(super) changes: Vec<(Selection, Change)>,
    pub(super) listed: Vec<(Selection, Option<JobId>, usize)>,
    pub(super) known: IdSet,
    pub(super) jobs: Vec<Job>,
    pub(super) counts: Counts,
    pub(super) report: RunReport,
    pub(super) changed: Changed,
    pub(super) status: Option<StatusReport>,
    pub(super) fails: Option<DeskError>,
}

#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn answer<T: Send + 'static>(&self, make: impl FnOnce(&mut State) -> T) -> Reply<'static, T> {
        let mut state = self.state();
        let answer = match state.fails.clone() {
            Some(error) => Err(error),
            None => Ok(make(&mut state)),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl House for Fake {
    fn desk<'a>(&'a self, queue: &'a Path) -> Reply<'a, Box<dyn Desk>> {
        let desk: Box<dyn Desk> = Box::new(self.clone());
        self.answer(|state| {
            state.queues.push(queue.to_owned());
            desk
        })
    }

    fn run(&self, order: RunOrder) -> Reply<'_, RunReport> {
        self.answer(|state| {
            state.orders.push(order);
            state.report.clone()
        })
    }
}

impl Desk for Fake {
    fn intake(&self) -> Reply<'_, Box<dyn Intake>> {
        let intake: Box<dyn Intake> = Box::new(self.clone());
        self.answer(|_| intake)
    }

    fn status(&self) -> Reply<'_, StatusReport> {
        self.answer(|state| state.status.clone().unwrap())
    }

    fn counts(&self, _: Selection) -> Reply<'_, Counts> {
        self.answer(|state| state.counts)
    }

    fn list(&self, selection: Selection, after: Option<JobId>, limit: usize) -> Reply<'_, Vec<Job>> {
        self.answer(|state| {
            state.listed.push((selection.clone(), after, limit));
            let meant = |job: &Job| {
                selection.state.is_none_or(|state| job.state == state)
                    && selection.ids.as_ref().is_none_or(|ids| ids.contains(job.id))
            };
            let later = state.jobs.iter().filter(|&job| meant(job) && after.is_none_or(|after| job.id > after));
            later.take(limit).cloned().collect()
        })
    }

    fn show(&self, id: JobId) -> Reply<'_, Option<Job>> {
        self.answer(|state| state.jobs.iter().find(|job| job.id == id).cloned())
    }

    fn accounts(&self, _: Option<IdSet>) -> Reply<'_, Vec<AccountStanding>> {
        self.answer(|state| {
            let standing = |(login, tls): &(String, bool)| {
                let kept = Some(KeptStanding { known: true, tls: *tls, refused_at: None });
                let url = format!("ftp://{}", login.trim_end_matches(":21"));
                AccountStanding { login: login.clone(), account: Account::try_from(url).ok(), jobs: 1, left: 1, kept }
            };
            state.kept.iter().map(standing).collect()
        })
    }

    fn keep(&self, given: Credential) -> Reply<'_, bool> {
        self.answer(|state| {
            let entry = (given.account.credential(), given.tls);
            let changed = !state.kept.contains(&entry);
            state.kept.push(entry);
            state.secrets.push((given.account.credential(), given.secret.reveal().to_owned()));
            changed
        })
    }

    fn forget(&self, logins: Vec<String>, unused: bool) -> Reply<'_, Vec<String>> {
        self.answer(|state| {
            let known = |login: &String| state.kept.iter().any(|(name, _)| name == login);
            let gone: Vec<String> = logins.into_iter().filter(known).collect();
            state.forgotten.push((gone.clone(), unused));
            gone
        })
    }

    fn change(&self, selection: Selection, change: Change) -> Reply<'_, Changed> {
        self.answer(|state| {
            state.changes.push((selection, change));
            state.changed.clone()
        })
    }
}

impl Intake for Fake {
    fn push(&mut self, jobs: Vec<JobSpec>) -> Reply<'_, ()> {
        self.answer(|state| {
            state.pushed.push(jobs.len());
            state.offered.extend(jobs);
        })
    }

    fn credential(&mut self, given: Credential) -> Reply<'_, ()> {
        self.answer(|state| state.secrets.push((given.account.credential(), given.secret.reveal().to_owned())))
    }

    fn accept(self: Box<Self>) -> Reply<'static, Added> {
        self.answer(|state| {
            state.accepted = std::mem::take(&mut state.offered);
            let mut new = IdSet::default();
            let known = state.known.len();
            let count = state.accepted.len() as u64;
            if count > known {
                new.insert_range(JobId(101), JobId(100 + count - known));
            }
            Added { new, known: state.known.clone(), ..Added::default() }
        })
    }
}

/// A place to print to that a test can read, or that breaks like a closed pipe.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>, bool);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.1 {
            return Err(Error::from(ErrorKind::BrokenPipe));
        }
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A folder, a house, and standard input, for commands to be tried in.
pub(super) struct Trial {
    pub(super) folder: TempDir,
    pub(super) house: Fake,
    pub(super) input: Vec<u8>,
    pub(super) closed: bool,
    /// What the environment says.
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

/// What a command left behind.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) out: String,
    pub(super) err: String,
}

impl Trial {
    pub(super) fn new() -> Self {
        let trial = Self {
            folder: tempfile::tempdir().unwrap(),
            house: Fake::default(),
            input: Vec::new(),
            closed: false,
            user: None,
            password: None,
        };
        // The user's own settings must not play a part.
        trial.write("config.toml", "");
        trial
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a command line, its words separated by white space.
    pub(super) fn run(&self, line: &str) -> Ended {
        self.run_on(line, Box::new(Cursor::new(self.input.clone())))
    }

    /// The same with that standard input.
    pub(super) fn run_on(&self, line: &str, input: Box<dyn BufRead + Send>) -> Ended {
        self.perform(&line.split_whitespace().collect::<Vec<_>>(), input)
    }

    /// Runs a command line of these words.
    pub(super) fn run_words(&self, words: &[&str]) -> Ended {
        self.perform(words, Box::new(Cursor::new(self.input.clone())))
    }

    fn perform(&self, words: &[&str], input: Box<dyn BufRead + Send>) -> Ended {
        let words = std::iter::once("ftpq").chain(words.iter().copied());
        let args = Args::try_parse_from(words).unwrap_or_else(|e| panic!("{e}"));
        let (out, err) = (Paper(Arc::default(), self.closed), Paper::default());
        let mut face = Face { input: Some(input), ..self.face(args.global(), &out, &err) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let exit = runtime.block_on(perform(args, &mut face));
        let read = |paper: &Paper| String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        Ended { exit, out: read(&out), err: read(&err) }
    }

    fn face(&self, global: Global, out: &Paper, err: &Paper) -> Face<'_> {
        let config = Some(self.folder.path().join("config.toml"));
        Face {
            house: &self.house,
            global: Global { config, ..global },
            around: Surroundings {
                home: Some("/home/me".into()),
                folder: self.folder.path().to_owned(),
                user: self.user.clone(),
                password: self.password.clone(),
                ..Surroundings::default()
            },
            input: None,
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            stand: None,
            rehearsal: None,
            drawn: false,
        }
    }
}
