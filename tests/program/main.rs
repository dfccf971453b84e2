//! The program as a whole, black box: the binary against scripted and real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends by a panic, and says where"
)]

#[path = "../support/mod.rs"]
mod support;
