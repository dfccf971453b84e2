//! What the command line may say.

use super::folder_options::{FolderFilter, FolderOptions};
use super::list_options::ListOptions;
use super::options::{JobOptions, RunOptions, user_name};
use super::report::ReportArgs;
use super::verify::VerifyArgs;
use crate::model::{JobId, JobState};
use crate::policy::DeleteLimit;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

const AFTER_HELP: &str = "\
Exit codes:
  0  all that was asked for is done and checked
  1  some jobs failed for good; with run: now or in an earlier run (`ftpq list --state failed`);
     with report and verify: something is missing or changed
  2  usage, or a bad manifest or settings file; nothing was changed
  3  stopped with work left that a new `ftpq run` continues
  4  the queue is in use by another process that does not answer, or was ended before it did
  5  local storage: disk full or read-only, no permission, a limit on file sizes or open files

Files:
  The queue is kept in --queue, else $FTPQ_QUEUE, else $XDG_STATE_HOME/ftpq (~/.local/state/ftpq).
  Settings are read from --config, else $XDG_CONFIG_HOME/ftpq/config.toml (~/.config/ftpq/config.toml).";

/// Downloads lists of files over FTP from a queue that survives any interruption.
///
/// A final file name never holds anything but the whole, checked file.
#[derive(Parser)]
#[command(name = "ftpq", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Args {
    /// Whether the command is `demo`, and if so, whether its folder is to be kept.
    #[cfg(feature = "demo")]
    #[must_use]
    pub fn wants_demo(&self) -> Option<bool> {
        match self.command {
            Command::Demo { keep } => Some(keep),
            _ => None,
        }
    }

    pub(super) fn global(&self) -> Global {
        self.global.clone()
    }

    pub(super) fn into_command(self) -> Command {
        self.command
    }
}

/// Options of every command.
#[derive(clap::Args, Clone, Default)]
pub(super) struct Global {
    /// Folder of the queue
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(super) queue: Option<PathBuf>,
    /// Settings file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(super) config: Option<PathBuf>,
    /// Show the dialogue with the servers too, without passwords
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Global options")]
    pub(super) verbose: bool,
    /// Show nothing but failures and the last line
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(super) quiet: bool,
    /// Add every command and reply, with its time and without passwords, to this file (run and get)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(super) trace: Option<PathBuf>,
    /// Print one JSON object a line, as described in queue-schema/
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) json: bool,
}

/// The commands.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Queue the files of manifests and URLs; what is queued already stays as it is
    Add(AddArgs),
    /// Work until nothing is left that can be done now
    Run(RunArgs),
    /// Queue some files and download just those
    Get(GetArgs),
    /// Take the new and changed files of a folder; can be done every hour. What changed on the server replaces what is
    /// here; what was changed here is kept (--existing backup)
    Sync(SyncArgs),
    /// Show counts, hosts, and the run going on
    Status,
    /// List jobs
    List(ListArgs),
    /// Show one job with its whole history
    Show {
        /// Number of the job
        #[arg(value_parser = parse_id)]
        id: JobId,
    },
    /// Tell what is here and how it was proved, and what is missing; write lists of checksums
    Report(ReportArgs),
    /// Check finished files against what is known of them
    Verify(VerifyArgs),
    /// Try jobs again that failed, wait or were cancelled, and such that are done, where the server has another file by now
    Retry(Which),
    /// Set jobs aside
    Pause(Which),
    /// Take up paused jobs again
    Resume(Which),
    /// Call jobs off
    Cancel(Which),
    /// Forget jobs; files stay where they are
    Remove(RemoveArgs),
    /// Store a password, so that later commands and runs need not be given it
    Login(LoginArgs),
    /// Forget a stored password
    Logout(LogoutArgs),
    /// List the accounts whose passwords are stored, and those with jobs
    Logins,
    /// Show the whole promise on this machine, without a network
    #[cfg(feature = "demo")]
    Demo {
        /// Keep the folder with the files and the queue
        #[arg(long)]
        keep: bool,
    },
}

/// `add`.
#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// Files with lists (of URLs, checksums, aria2, ENA, NCBI, Metalink, ...; gzip too), URLs, or - for standard input
    #[arg(required = true, value_name = "MANIFEST|URL|-")]
    pub(super) inputs: Vec<OsString>,
    /// Folder that destinations lie below; made when first needed [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub(super) into: Option<PathBuf>,
    /// Of files that are done already, ask the server whether it still has the same; the next run does
    #[arg(long)]
    pub(super) recheck: bool,
    /// Say what would be queued, files and bytes; folders are listed, nothing is changed
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) lists: ListOptions,
    #[command(flatten)]
    pub(super) folder: FolderOptions,
    #[command(flatten)]
    pub(super) job: JobOptions,
}

/// `run`.
#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// Work on these jobs alone; 5-9 is a range
    #[arg(value_name = "ID", value_parser = parse_ids)]
    pub(super) ids: Vec<(JobId, JobId)>,
    #[command(flatten)]
    pub(super) run: RunOptions,
    #[command(flatten)]
    pub(super) job: JobOptions,
}

/// `get`.
#[derive(clap::Args)]
pub(super) struct GetArgs {
    /// URLs of files; of folders, with a slash at the end; with * and ? and ** in them
    #[arg(required_unless_present = "manifest", value_name = "URL")]
    pub(super) urls: Vec<String>,
    /// Name of the file, for one URL
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["into", "manifest"])]
    pub(super) output: Option<PathBuf>,
    /// Folder that destinations lie below; made when first needed [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub(super) into: Option<PathBuf>,
    /// Also the files of this list; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Vec<OsString>,
    #[command(flatten)]
    pub(super) lists: ListOptions,
    #[command(flatten)]
    pub(super) folder: FolderOptions,
    #[command(flatten)]
    pub(super) run: RunOptions,
    #[command(flatten)]
    pub(super) job: JobOptions,
}

/// `sync`.
#[derive(clap::Args)]
pub(super) struct SyncArgs {
    /// URL of the folder, with a slash at the end; with * and ? and ** in it for some of its files
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// Folder that its files go into; made when first needed
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// Delete local files that were fetched from there and are gone on the server: all of the folder was listed without
    /// them, and the server, asked for each by name, has none. `force` says yes where so many are missing that nothing
    /// would be deleted
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "proved",
        value_parser = ["proved", "force"])]
    pub(super) delete: Option<String>,
    /// Delete nothing where more files than that are missing: a number, or a share of those that are known, such as 20%
    /// [default: half of them; fewer than 100 are never too many]
    #[arg(long, value_name = "N|N%", requires = "delete", value_parser = DeleteLimit::from_str)]
    pub(super) max_delete: Option<DeleteLimit>,
    /// Move what was changed here to this folder, on the same file system, before it is replaced, or where it is gone on the
    /// server [default: what is replaced is kept as NAME.ftpq-changed, what is gone on the server stays]
    #[arg(long, value_name = "DIR")]
    pub(super) backup_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) which: FolderFilter,
    /// Enter folders behind symbolic links too; files behind such links are always fetched
    #[arg(long, help_heading = "Folders")]
    pub(super) follow_links: bool,
    #[command(flatten)]
    pub(super) run: RunOptions,
    #[command(flatten)]
    pub(super) job: JobOptions,
}

/// `list`.
#[derive(clap::Args)]
pub(super) struct ListArgs {
    /// Jobs in this state alone
    #[arg(long, value_parser = states())]
    pub(super) state: Option<JobState>,
    /// Jobs on this host alone: NAME or NAME:PORT
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,
}

/// Which jobs a change is for; that one of the three is said is checked later, for a clearer message.
#[derive(clap::Args)]
pub(super) struct Which {
    /// Numbers of jobs; 5-9 is a range
    #[arg(value_name = "ID", value_parser = parse_ids)]
    pub(super) ids: Vec<(JobId, JobId)>,
    /// Jobs in this state
    #[arg(long, value_parser = states())]
    pub(super) state: Option<JobState>,
    /// All jobs
    #[arg(long, conflicts_with_all = ["ids", "state"])]
    pub(super) all: bool,
}

/// `remove`.
#[derive(clap::Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// Forget the stored passwords of accounts that have no job left
    #[arg(long)]
    pub(super) forget_login: bool,
}

/// `login`.
#[derive(clap::Args)]
pub(super) struct LoginArgs {
    /// Whose password: [USER@]HOST[:PORT], or a URL. One that came with ftpes:// or ftps:// is never sent without TLS
    #[arg(value_name = "[USER@]HOST[:PORT]|URL")]
    pub(super) target: String,
    /// User name, where none stands there [default: `$FTPQ_USER`]
    #[arg(long, value_name = "NAME", value_parser = user_name)]
    pub(super) user: Option<String>,
    /// File whose first line is the password [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Take the password from the first line of standard input
    #[arg(long, conflicts_with = "password_file")]
    pub(super) password_stdin: bool,
    /// Store it in the system's keyring, not in the queue's folder
    #[arg(long)]
    pub(super) keyring: bool,
}

/// `logout`.
#[derive(clap::Args)]
pub(super) struct LogoutArgs {
    /// Whose password: [USER@]HOST[:PORT], or a URL; without a user the only one stored for that host
    #[arg(value_name = "[USER@]HOST[:PORT]|URL")]
    pub(super) target: String,
    /// User name, where none stands there
    #[arg(long, value_name = "NAME", value_parser = user_name)]
    pub(super) user: Option<String>,
    /// Forget it in the system's keyring, not in the queue's folder
    #[arg(long)]
    pub(super) keyring: bool,
}

fn states() -> impl TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.map(JobState::name))
        .try_map(|name| JobState::ALL.into_iter().find(|state| state.name() == name).ok_or("no such state"))
}

fn parse_id(text: &str) -> Result<JobId, String> {
    text.parse().map(JobId).map_err(|_| "write the number of a job, such as 7".to_owned())
}

pub(super) fn parse_ids(text: &str) -> Result<(JobId, JobId), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (parse_id(first), parse_id(last)) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err("write the number of a job, such as 7, or a range, such as 5-9".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound_and_the_help_names_every_exit_code() {
        Args::command().debug_assert();
        let help = Args::command().render_long_help().to_string();
        for code in 0..=5 {
            assert!(help.contains(&format!("\n  {code}  ")), "{code}: {help}");
        }
    }

    #[test]
    fn global_options_stand_before_and_after_the_command() {
        for line in [["ftpq", "--json", "status"], ["ftpq", "status", "--json"]] {
            assert!(Args::try_parse_from(line).unwrap().global().json);
        }
    }

    #[test]
    fn ids_are_numbers_and_ranges() {
        assert_eq!(parse_ids("5-9"), Ok((JobId(5), JobId(9))));
        assert_eq!(parse_ids("7"), Ok((JobId(7), JobId(7))));
        for text in ["", "9-5", "a", "-1", "5-", "1-2-3", "5 - 9"] {
            assert!(parse_ids(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        for line in [
            "",
            "add",
            "get",
            "remove --all 5",
            "retry --all --state failed",
            "list --state lost",
            "show x",
            "run --connections 0",
            "run --connections 257",
            "run --per-host 65",
            "run --per-host many",
            "run --timeout 0",
            "run --timeout 86401",
            "run --limit-rate 5X",
            "run --limit-rate 0",
            "run --active-ports 10-20",
            "run --data-mode fast",
            "run --bind localhost",
            "add -v -q x",
            "add --format xml x",
            "add --columns fasta x",
            "add --suffix a/b x",
            "get --columns fastq,aspera --manifest x",
            "get -o a --into b ftp://h/a",
        ] {
            let words = std::iter::once("ftpq").chain(line.split_whitespace());
            assert!(Args::try_parse_from(words).is_err(), "{line}");
        }
    }
}
