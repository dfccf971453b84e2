//! TLS under control and data connections (RFC 4217).
//!
//! | File | Subject |
//! |---|---|
//! | `policy`, `config` | what the user demands, and rustls's form of it |
//! | `security` | what all connections of one session share |
//! | `tickets` | how data connections resume the control connection's TLS session |
//! | `stream` | one kind of stream for control and data, with TLS or without |
//! | `layer` | records in, bytes out |
//! | `trouble` | failures of handshakes |

mod config;
mod layer;
mod policy;
mod security;
mod stream;
mod tickets;
mod trouble;

pub use policy::{TlsMode, TlsPolicy};
pub(super) use security::Security;
pub(super) use stream::{Stream, peek};
pub(super) use trouble::{cut, data as data_trouble, data_refused, injected};
