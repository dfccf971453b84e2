//! The first contact: an embedded server, a download, an interruption, a resume.
//!
//! The server is its own (see `server`), not libunftp: that would add 127 crates to the first command a newcomer runs.

mod files;
mod server;
mod story;

/// Shows the promise on this machine alone: starts a server on loopback, queues a manifest, kills the download half
/// way, resumes it, compares. Tells it on standard output and returns the exit code: 0 only if everything held.
/// `keep` leaves its folder for a look.
#[must_use]
pub fn run(keep: bool) -> u8 {
    match story::tell(keep) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            eprintln!("the demonstration could not go on: {error}");
            1
        }
    }
}
