//! What the whole-program tests stand on: the program under test, real and scripted servers, files, reports.

pub(crate) mod bytes;
pub(crate) mod certs;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod ftpq;
pub(crate) mod ports;
pub(crate) mod pty;
pub(crate) mod real;
pub(crate) mod report;
pub(crate) mod schema;
pub(crate) mod scripted;
pub(crate) mod watch;

pub(crate) use bytes::pseudo_random;
pub(crate) use ftpq::{Ended, Ftpq};
#[allow(unused_imports, reason = "not every binary needs it")]
pub(crate) use ports::Port;
pub(crate) use scripted::{Act, Batch, Behind, Delivery, End, Scripted, Tls, Traits, Turn};
