//! Where the screen writes to.

use rustix::termios::tcgetwinsize;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// Says how many columns and rows a terminal has now.
pub(super) type SizeOf = Box<dyn Fn() -> (usize, usize) + Send + Sync>;

/// The two streams of a program, and the terminal behind the second one.
pub struct Output {
    pub(super) results: Box<dyn Write + Send>,
    pub(super) messages: Box<dyn Write + Send>,
    pub(super) size: Option<SizeOf>,
}

impl Output {
    /// Standard output and standard error; bars where the latter is a terminal that can move its cursor.
    #[must_use]
    pub fn standard() -> Self {
        let able = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        let size: Option<SizeOf> = (able && io::stderr().is_terminal()).then(|| Box::new(size_of_stderr) as SizeOf);
        Self { results: unbuffered(io::stdout()), messages: unbuffered(io::stderr()), size }
    }

    /// Any two streams without a terminal: results, and progress with messages.
    #[must_use]
    pub fn plain(results: Box<dyn Write + Send>, messages: Box<dyn Write + Send>) -> Self {
        Self { results, messages, size: None }
    }
}

/// The stream itself, without the lock that all threads share: one that is held up holds up no other.
pub(super) fn unbuffered<S: Write + AsFd + Send + 'static>(stream: S) -> Box<dyn Write + Send> {
    match stream.as_fd().try_clone_to_owned() {
        Ok(own) => Box::new(File::from(own)),
        // Out of descriptors: it is shared.
        Err(_) => Box::new(stream),
    }
}

fn size_of_stderr() -> (usize, usize) {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}
