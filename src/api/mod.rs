//! Requests from other processes, over a local socket: `control.sock` in the queue's folder, for its owner alone.
//!
//! JSON Lines. The server greets with its version; then each request gets one answer, preceded by `"wait"` once a
//! second while it is worked on. An intake belongs to its connection and goes with it.

mod client;
mod line;
mod message;
mod server;
mod socket;

pub use client::Client;
pub use server::{Server, serve};

#[cfg(test)]
mod tests;
