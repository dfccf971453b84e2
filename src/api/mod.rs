//! Requests from other processes, over a local socket: `control.sock` in the queue's folder, for its owner alone.
//!
//! JSON Lines. The server greets with its version; then each request gets one answer, preceded by `"wait"` once a
//! second while it is worked on. An intake belongs to its connection and goes with it. A server that closes answers what
//! it has taken, and says `"closing"` to the others, which are put to whoever has the queue next. Where neither comes, the
//! owner was killed: what only asks is asked again, and of what changes something it is said that it may be done or not.

mod client;
mod line;
mod message;

/// What is said over the socket, for the fuzz targets alone.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    /// A request, read and written again; nothing where it is none.
    #[must_use]
    pub fn request_again(line: &[u8]) -> Option<Vec<u8>> {
        let request: super::message::Request = serde_json::from_slice(line).ok()?;
        serde_json::to_vec(&request).ok()
    }
}

mod server;
mod socket;
mod succession;

pub use client::Client;
pub use server::{Server, serve};
pub use succession::{FindOwner, Succession};

#[cfg(test)]
mod tests;
