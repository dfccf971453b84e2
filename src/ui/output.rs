//! Where the screen writes to.

use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};

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
        Self { results: Box::new(io::stdout()), messages: Box::new(io::stderr()), size }
    }

    /// Any two streams without a terminal: results, and progress with messages.
    #[must_use]
    pub fn plain(results: Box<dyn Write + Send>, messages: Box<dyn Write + Send>) -> Self {
        Self { results, messages, size: None }
    }
}

fn size_of_stderr() -> (usize, usize) {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}
