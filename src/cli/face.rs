//! What every command works with: the house, the global options, and where words go.

use super::args::Global;
use super::door::Door;
use super::exit::Failed;
use super::prompt::{self, Stand};
use super::words::{self, safe};
use crate::config::Config;
use crate::engine::{Desk, Display, House, LocalDesk, TraceFile};
use crate::model::{Secret, json_line};
use serde::Serialize;
use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Component, Path, PathBuf};

/// What the process was started with.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// `$FTPQ_QUEUE`.
    pub(super) queue: Option<OsString>,
    /// `$XDG_STATE_HOME`.
    pub(super) state: Option<OsString>,
    pub(super) home: Option<PathBuf>,
    pub(super) folder: PathBuf,
    /// `$FTPQ_USER`.
    pub(super) user: Option<String>,
    /// `$FTPQ_PASSWORD`, which is no longer there.
    pub(super) password: Option<Secret>,
    /// Where others can still see a password that came with the process.
    pub(super) exposed: Option<&'static str>,
    /// Whether somebody sits at a terminal and can be asked.
    pub(super) attended: bool,
    /// Whether standard error is a terminal that can move its cursor.
    pub(super) lively: bool,
}

/// One command's view of the world.
pub(super) struct Face<'a> {
    pub(super) house: &'a dyn House,
    pub(super) global: Global,
    pub(super) around: Surroundings,
    pub(super) input: Option<Box<dyn BufRead + Send>>,
    pub(super) out: Box<dyn Write + Send>,
    pub(super) err: Box<dyn Write + Send>,
    /// Whoever answers to signals since somebody was asked for a password.
    pub(super) stand: Option<Stand>,
    /// The queue in memory that stands for the real one, where nothing is to be changed.
    pub(super) rehearsal: Option<LocalDesk>,
    /// Figures stand on the terminal, to be taken off before anything else is printed.
    pub(super) drawn: bool,
}

impl<'a> Face<'a> {
    /// The face of this process.
    pub(super) fn of_process(global: Global, door: Door, house: &'a dyn House, err: Box<dyn Write + Send>) -> Self {
        let around = Surroundings {
            queue: env::var_os("FTPQ_QUEUE"),
            state: env::var_os("XDG_STATE_HOME"),
            home: env::home_dir(),
            // Without a current folder relative paths fail where they are used, with their names.
            folder: env::current_dir().unwrap_or_default(),
            user: env::var("FTPQ_USER").ok().filter(|user| !user.is_empty()),
            password: door.password,
            exposed: door.exposed,
            attended: prompt::is_attended(),
            lively: io::stderr().is_terminal()
                && env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb"),
        };
        Self {
            house,
            global,
            around,
            input: Some(Box::new(BufReader::new(io::stdin()))),
            out: Box::new(BufWriter::new(io::stdout())),
            err,
            stand: None,
            rehearsal: None,
            drawn: false,
        }
    }

    /// Prints a line of the result.
    pub(super) fn say(&mut self, line: &str) -> Result<(), Failed> {
        self.undraw();
        writeln!(self.out, "{line}").map_err(unheard)
    }

    /// Prints an object of the result as one line of JSON.
    pub(super) fn say_json(&mut self, value: &impl Serialize) -> Result<(), Failed> {
        self.say(&json(value)?)
    }

    /// Prints one line on standard error.
    pub(super) fn complain(&mut self, text: &str) {
        self.undraw();
        // When standard error is gone too, there is nowhere left to say so.
        let _ = self.err.write_all(format!("ftpq: {}\n", safe(&text)).as_bytes());
    }

    /// Draws figures in place of the former ones, where there is a terminal that can show them.
    pub(super) fn draw(&mut self, figures: &str) {
        if !self.around.lively || self.global.quiet {
            return;
        }
        // When standard error is gone too, there is nowhere left to say so.
        let _ = self.err.write_all(format!("\r{figures}\x1b[K").as_bytes()).and_then(|()| self.err.flush());
        self.drawn = !figures.is_empty();
    }

    /// Takes the figures off the terminal.
    pub(super) fn undraw(&mut self) {
        if self.drawn {
            self.draw("");
        }
    }

    /// Sees that all results are out.
    pub(super) fn flush(&mut self) -> Result<(), Failed> {
        self.out.flush().map_err(unheard)
    }

    /// The queue's folder, absolute.
    pub(super) fn queue(&self) -> Result<PathBuf, Failed> {
        let around = &self.around;
        let given =
            self.global.queue.clone().or_else(|| around.queue.clone().filter(|q| !q.is_empty()).map(Into::into));
        if let Some(folder) = given {
            return self.absolute(&folder);
        }
        let state = around.state.clone().map(PathBuf::from).filter(|folder| folder.is_absolute());
        state
            .or_else(|| around.home.as_ref().map(|home| home.join(".local/state")))
            .map(|folder| folder.join("ftpq"))
            .ok_or_else(|| Failed::Usage("no home folder is known; name the queue's folder with --queue".to_owned()))
    }

    /// The desk of the queue. Takes the face whole, because it can be sent to another thread but not shared with one.
    pub(super) async fn desk(&mut self) -> Result<Box<dyn Desk>, Failed> {
        if let Some(desk) = &self.rehearsal {
            return Ok(Box::new(desk.clone()));
        }
        Ok(self.house.desk(&self.queue()?).await?)
    }

    /// The settings file.
    pub(super) fn config(&self) -> Result<Config, Failed> {
        Ok(Config::load(self.global.config.as_deref())?)
    }

    /// The transcript, opened before anything is done.
    pub(super) fn trace(&self) -> Result<Option<TraceFile>, Failed> {
        let Some(path) = &self.global.trace else { return Ok(None) };
        let open = self.absolute(path).map(|path| TraceFile::open(&path))?;
        open.map(Some).map_err(|e| Failed::Io(format!("can't write the trace {}", words::path(path)), e))
    }

    /// How a run is to be shown.
    pub(super) fn display(&self) -> Display {
        Display { json: self.global.json, quiet: self.global.quiet, verbose: self.global.verbose }
    }

    /// A path as it stands on the command line, made absolute; it need not exist. One place has one such path:
    /// destinations are told apart by their text.
    pub(super) fn absolute(&self, path: &Path) -> Result<PathBuf, Failed> {
        let full = self.around.folder.join(path);
        let shown = || words::path(path);
        if full.components().any(|part| part == Component::ParentDir) {
            // Only the file system knows what `..` behind a link is.
            return full
                .canonicalize()
                .map_err(|e| Failed::Usage(format!("{}: {e}; write the folder without `..`, or make it", shown())));
        }
        if !full.is_absolute() {
            return Err(Failed::Usage(format!("{}: the current folder is gone; write a path from the root", shown())));
        }
        // Drops `.` and doubled slashes.
        Ok(full.components().collect())
    }
}

/// An object of the result as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, Failed> {
    json_line(value).map_err(|e| Failed::Io("can't write JSON".to_owned(), io::Error::other(e)))
}

fn unheard(error: io::Error) -> Failed {
    if error.kind() == ErrorKind::BrokenPipe {
        Failed::Unheard
    } else {
        Failed::Io("can't write to standard output".to_owned(), error)
    }
}
