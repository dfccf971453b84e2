//! ftpq, a batch download manager for FTP: a persistent queue, a pool of workers, and one rule above all
//! others: a final file name never holds anything but the whole, checked file.
//!
//! # Map
//!
//! Rooms stand on floors. A room may name only rooms on a lower floor; `tests/architecture.rs` fails on a breach.
//!
//! | Floor | Rooms |
//! |---|---|
//! | 0 | [`model`]: the words. No tokio, no files, no clock |
//! | 1 | [`wire`]: FTP without sockets; [`policy`]: decisions as pure functions; [`manifest`]: readers of lists; [`config`]: settings file, netrc |
//! | 2 | [`ftp`]: drives `wire` over tokio; [`disk`]: part files and durable commit; [`queue`]: the stored jobs |
//! | 3 | [`transfer`]: one file, from claim to final name |
//! | 4 | [`engine`]: many files: dispatcher, hosts, events, shutdown, the clock |
//! | 5 | [`cli`], [`ui`], [`api`]: faces; they see only the engine's handle. `demo`: the first contact |

pub mod api;
pub mod cli;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod disk;
pub mod engine;
pub mod ftp;
pub mod manifest;
pub mod model;
pub mod policy;
pub mod queue;
pub mod transfer;
pub mod ui;
pub mod wire;
