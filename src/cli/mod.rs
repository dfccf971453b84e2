//! The command line.
//!
//! It sees the program through two handles alone: [`House`], which opens queues and runs them, and the desk that the
//! house opens. Results go to standard output, everything else to standard error; `exit.rs` is the one place that turns
//! ends into exit codes.

mod add;
mod args;
mod case;
mod change;
mod check;
mod crew;
mod door;
mod exit;
mod face;
mod folder_options;
mod get;
mod gone;
mod inputs;
mod list;
mod list_options;
mod login;
mod logins;
mod options;
mod prompt;
mod proof_options;
mod rehearsal;
mod report;
mod resting_desk;
mod run;
mod show;
mod standing;
mod status;
mod sync;
mod verify;
mod words;

#[cfg(test)]
mod tests;

pub use args::Args;
pub use door::Door;
pub use exit::Exit;

use crate::engine::House;
use crate::model::{Change, printable, without_userinfo};
use args::Command;
use clap::Parser;
use exit::Failed;
use face::Face;
use std::io::Write;

/// Reads the command line. On a mistake, and for `--help` and `--version`, it prints what there is to say and ends the
/// process.
#[must_use]
pub fn parse(door: &Door) -> Args {
    match Args::try_parse_from(&door.args) {
        Ok(args) => args,
        Err(e) if !e.use_stderr() => e.exit(),
        Err(e) => {
            // clap quotes what it doesn't understand: a URL in the wrong place, with its password.
            // When standard error is gone, there is nowhere left to say so; the exit code still does.
            let _ = std::io::stderr().write_all(without_passwords(&e.to_string()).as_bytes());
            std::process::exit(i32::from(Exit::Usage.code()));
        }
    }
}

/// Does what the command line asks, and returns the exit code. What is no result is said on `err`.
pub async fn execute(args: Args, door: Door, house: &dyn House, err: Box<dyn Write + Send>) -> u8 {
    let mut face = Face::of_process(args.global(), door, house, err);
    if let Some(place) = face.around.exposed {
        face.complain(&format!("a password in the {place} is visible in ps and /proc; use --password-file"));
    }
    perform(args, &mut face).await.code()
}

async fn perform(args: Args, face: &mut Face<'_>) -> Exit {
    let result = dispatch(args, face).await.and_then(|exit| face.flush().map(|()| exit));
    match result {
        Ok(exit) => exit,
        Err(failed) => {
            if let Some(text) = failed.text() {
                face.complain(&text);
            }
            failed.exit()
        }
    }
}

async fn dispatch(args: Args, face: &mut Face<'_>) -> Result<Exit, Failed> {
    let command = args.into_command();
    if !matches!(command, Command::Add(_) | Command::Run(_) | Command::Get(_) | Command::Sync(_)) {
        // Of no use here; but who names a settings file with mistakes should hear of them at once.
        face.config()?;
    }
    if face.global.trace.is_some() && !matches!(command, Command::Run(_) | Command::Get(_) | Command::Sync(_)) {
        return Err(Failed::Usage("--trace: only run, get and sync speak with servers".to_owned()));
    }
    match command {
        Command::Add(args) => add::add(face, args).await,
        Command::Run(args) => run::run(face, args).await,
        Command::Get(args) => get::get(face, args).await,
        Command::Sync(args) => sync::sync(face, args).await,
        Command::Status => status::status(face).await,
        Command::List(args) => list::list(face, args).await,
        Command::Show { id } => show::show(face, id).await,
        Command::Report(args) => report::report(face, args).await,
        Command::Verify(args) => verify::verify(face, args).await,
        Command::Retry(which) => change::change(face, which, Change::Retry).await,
        Command::Pause(which) => change::change(face, which, Change::Pause).await,
        Command::Resume(which) => change::change(face, which, Change::Resume).await,
        Command::Cancel(which) => change::change(face, which, Change::Cancel).await,
        Command::Remove(args) => logins::remove(face, args).await,
        Command::Login(args) => logins::login(face, args).await,
        Command::Logout(args) => logins::logout(face, args).await,
        Command::Logins => logins::list(face).await,
        #[cfg(feature = "demo")]
        Command::Demo { .. } => Err(Failed::Usage("the demo is not run from here".to_owned())),
    }
}

/// Each line without what could be user information behind its first quotation mark, and safe for a terminal.
fn without_passwords(text: &str) -> String {
    let clean = |line: &str| match line.split_once('\'') {
        Some((before, quoted)) => format!("{before}'{}", without_userinfo(quoted)),
        None => without_userinfo(line),
    };
    text.lines().map(|line| printable(&clean(line), 2000) + "\n").collect()
}
