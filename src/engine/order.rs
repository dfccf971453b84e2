//! A run: what is asked for, and how it ended.

use super::{Credential, Desk, DeskError, GoneFiles, GoneQuery, LocalDesk, Reply, TraceFile};
use crate::config::Config;
use crate::model::{IdSet, PerHost, Secret, Settings, StatusReport};
use crate::transfer::Survey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a user asks of a run.
#[derive(Clone, Debug)]
pub struct RunOrder {
    /// Folder of the queue.
    pub queue: PathBuf,
    /// These jobs alone; all where it is `None`.
    pub only: Option<IdSet>,
    /// Connections over all hosts at a time; `None` leaves it to the settings file, then to the default of 16.
    pub connections: Option<u32>,
    /// Connections to one host at a time; `None` leaves it to the settings file, then to the default, auto.
    pub per_host: Option<PerHost>,
    /// What the command line set; wins over jobs and settings file.
    pub overrides: Settings,
    /// User name and password given on the command line, for accounts of that name that have no other.
    pub password: Option<Given>,
    /// Passwords of this run alone.
    pub lent: Vec<Credential>,
    /// Settings file and netrc, already read.
    pub config: Config,
    /// Begin even if it will not all fit on the disk.
    pub force: bool,
    /// How to show it.
    pub display: Display,
    /// Where every command and reply is written to.
    pub trace: Option<TraceFile>,
    /// Where is put what is seen of folders.
    pub survey: Option<Arc<Survey>>,
    /// Where to look for files that are not listed any more.
    pub gone: Option<GoneQuery>,
    /// Where files go that were changed here and are replaced or deleted; beside the new ones where it is `None`.
    pub backup_dir: Option<PathBuf>,
    /// Folders are read, and no file is fetched.
    pub rehearsal: bool,
}

/// A password that is for whichever account has its user.
#[derive(Clone, Debug)]
pub struct Given {
    /// User name.
    pub user: String,
    /// The password.
    pub secret: Secret,
    /// Where it was given, as the start of a sentence: `the password file`.
    pub from: &'static str,
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// One JSON object a line on standard output.
    pub json: bool,
    /// Nothing but failures and the last line.
    pub quiet: bool,
    /// The dialogue with the servers too, without passwords.
    pub verbose: bool,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// Files done.
    pub done: u64,
    /// Files failed for good.
    pub failed: u64,
    /// Jobs of the queue, files or folders, that failed in earlier runs and still stand as failed; 0 where the run was about
    /// some jobs alone.
    pub failed_before: u64,
    /// Files left for another run.
    pub left: u64,
    /// Folders that were read.
    pub folders: u64,
    /// Folders that could not be read, or not in whole.
    pub folders_failed: u64,
    /// Folders left for another run.
    pub folders_left: u64,
    /// All jobs the run was about, those included that its folders gave; nothing where it was about all there are.
    pub only: Option<IdSet>,
    /// A file system was full, or local storage refused in another way that a new run can't mend by itself.
    pub storage: bool,
    /// The user stopped it.
    pub interrupted: bool,
    /// Which files are not listed any more, or gone on the server, where that was asked for and all of the folder was read.
    pub gone: Option<GoneFiles>,
}

impl RunReport {
    /// Whether another run would find work.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left + self.folders_left > 0
    }

    /// Whether anything failed for good, now or in an earlier run.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed + self.folders_failed + self.failed_before > 0
    }
}

/// The program around the command line: it opens queues and runs them.
pub trait House: Send + Sync {
    /// The desk of the queue in that folder: this process's own, or that of the process that owns it.
    ///
    /// # Errors
    /// When the queue can't be opened, or its owner doesn't answer.
    fn desk<'a>(&'a self, queue: &'a Path) -> Reply<'a, Box<dyn Desk>>;

    /// How things stand. Looks at no more of the queue than that takes.
    ///
    /// # Errors
    /// When the queue can't be opened, or its owner doesn't answer.
    fn status<'a>(&'a self, queue: &'a Path) -> Reply<'a, StatusReport> {
        Box::pin(async move { self.desk(queue).await?.status().await })
    }

    /// Works until nothing is left that can be done now, shows progress, and prints the last lines.
    ///
    /// # Errors
    /// When the queue can't be opened, or its owner doesn't answer.
    fn run(&self, order: RunOrder) -> Reply<'_, RunReport>;

    /// The same over a queue in memory that stands for the real one.
    ///
    /// # Errors
    /// When it can't be done.
    fn rehearse(&self, desk: LocalDesk, order: RunOrder) -> Reply<'_, RunReport> {
        let _ = (desk, order);
        Box::pin(std::future::ready(Err(DeskError::Storage("nothing can be rehearsed here".to_owned()))))
    }
}
