//! What the system allows this process: open files, and lengths of files.

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Raises the limit on open files to the most that this user may have.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some() && current != maximum {
        // Where the system refuses, what is begun is held to the limit as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// The limit on open files; nothing where there is none.
pub(super) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Has a write beyond the limit on file sizes (`ulimit -f`) fail like any other that local storage refuses, where SIGXFSZ
/// would end the process without a word. To be called on a runtime.
///
/// # Errors
/// When the signal can't be taken.
pub fn outlive_file_size_limit() -> std::io::Result<()> {
    // Taken, the signal does nothing; it stays so when the stream is dropped.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}
