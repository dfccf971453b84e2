//! Asks for a password on the terminal, without showing what is typed.

use super::exit::Failed;
use crate::engine::ignores_hangup;
use crate::model::{Secret, printable};
use rustix::process::{Pid, Signal as Number, getpgrp, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};
use zeroize::Zeroizing;

/// Longest password, in bytes: what a terminal hands over in one line.
const LIMIT: u64 = 4096;

/// Whether somebody sits at standard input and standard error, and sees what is asked.
pub(super) fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal() && tcgetpgrp(io::stdin()).is_ok_and(|it| it == getpgrp())
}

/// Answers to signals in place of the system, which no longer does once a program has listened for them. Ends when
/// dropped.
pub(super) struct Stand(JoinHandle<()>);

impl Drop for Stand {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks for the password of a login, `user@host:port`. What it returns besides has to be kept until somebody else
/// listens for signals.
///
/// # Errors
/// When there is no terminal, or nothing is typed.
pub(super) async fn password(login: &str) -> Result<(Secret, Stand), Failed> {
    let failed = |e| Failed::Io("can't ask on the terminal".to_owned(), e);
    let tty = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_| {
        Failed::Usage("there is no terminal to ask for a password on; use --password-file or `ftpq login`".to_owned())
    })?;
    let mut signals = PromptSignals::new().map_err(failed)?;
    let question = format!("Password for {}: ", printable(login, 200));
    let mut silence = Silence::new(&tty, &question).map_err(failed)?;
    let reader = tty.try_clone().map_err(failed)?;
    let mut typed = spawn_blocking(move || line(&reader));
    let line = loop {
        tokio::select! {
            biased;
            heard = signals.next() => {
                // A shell would go on in a terminal that shows nothing.
                drop(silence);
                match heard {
                    Heard::Interrupt => return Err(Failed::Interrupted("no password was given")),
                    Heard::End(number) => std::process::exit(128 + number),
                    Heard::Stop => signals.stop().await,
                }
                silence = Silence::new(&tty, &question).map_err(failed)?;
            }
            line = &mut typed => break line,
        }
    };
    drop(silence);
    let bytes = line.map_err(|e| failed(io::Error::other(e)))?.map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failed::Usage("the password is not UTF-8".to_owned()))?;
    let secret = Secret::new(text);
    match secret.control_at() {
        _ if text.is_empty() => Err(Failed::Usage("no password was given".to_owned())),
        Some(_) => Err(Failed::Usage("the password holds a control character, which no FTP command can carry".into())),
        None => Ok((secret, signals.stand_in())),
    }
}

/// One line without its end.
fn line(mut tty: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LIMIT).unwrap_or_default()));
    let mut byte = [0; 1];
    while (bytes.len() as u64) < LIMIT {
        match tty.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) => bytes.extend_from_slice(&byte),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(bytes)
}

/// A terminal that does not show what is typed, until this is dropped: at the end, at a signal, in a panic.
struct Silence<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    /// Silences the terminal, and then puts the question.
    fn new(tty: &'a File, question: &str) -> io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // What was typed before the question was seen is no answer.
        tcsetattr(tty, OptionalActions::Flush, &silent)?;
        let silence = Self { tty, before };
        (&mut &*tty).write_all(question.as_bytes())?;
        Ok(silence)
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(self.tty, OptionalActions::Now, &self.before);
    }
}

/// Stops this process as the terminal asked, until somebody continues it.
fn stop() {
    let own: Pid = getpid();
    let _ = kill_process(own, Number::STOP);
}

/// Waits for a signal, where it is listened for.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

enum Heard {
    Interrupt,
    End(i32),
    Stop,
}

struct PromptSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    quit: Signal,
    stop: Signal,
    go_on: Signal,
}

impl PromptSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: (!ignores_hangup()).then(|| signal(SignalKind::hangup())).transpose()?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(Number::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(Number::CONT.as_raw()))?,
        })
    }

    /// Waits for a signal.
    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::Interrupt,
            _ = self.terminate.recv() => Heard::End(SignalKind::terminate().as_raw_value()),
            () = heard(&mut self.hangup) => Heard::End(SignalKind::hangup().as_raw_value()),
            _ = self.quit.recv() => Heard::End(SignalKind::quit().as_raw_value()),
            _ = self.stop.recv() => Heard::Stop,
        }
    }

    /// Stops, until somebody continues it. This thread may run on for a moment: it waits for the signal to go on.
    async fn stop(&mut self) {
        stop();
        self.go_on.recv().await;
    }

    /// From now on: stopping and quitting for as long as the process lives, and being told to end or hung up for as long as
    /// nobody else listens for that.
    fn stand_in(self) -> Stand {
        let Self { mut terminate, mut hangup, mut quit, stop: mut stopped, .. } = self;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = stopped.recv() => stop(),
                    _ = quit.recv() => std::process::exit(128 + SignalKind::quit().as_raw_value()),
                }
            }
        });
        Stand(tokio::spawn(async move {
            let number = tokio::select! {
                _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
                () = heard(&mut hangup) => SignalKind::hangup().as_raw_value(),
            };
            std::process::exit(128 + number);
        }))
    }
}
