//! TLS of the control connection and of every data connection (RFC 4217).
//!
//! | File | Subject |
//! |---|---|
//! | `policy` | what TLS has to be for a session: mode, whom to trust, whom to be |
//! | `config` | the library's configuration for a policy |
//! | `verifier` | whether a server is the one it should be |
//! | `security` | what all connections of one session share |
//! | `tickets` | how data connections resume the control connection's TLS session |
//! | `stream` | one kind of stream for control and data, with TLS or without |
//! | `layer` | records in, bytes out |
//! | `trouble` | failures of the connections |
//! | `refusal` | why there is no TLS with a server, and what to do about it |
//! | `distinguished` | names in certificates |

mod config;
mod distinguished;
mod layer;
mod policy;
mod refusal;
mod security;
mod stream;
mod tickets;
mod trouble;
mod verifier;

#[cfg(test)]
mod tests;

pub use policy::{TlsMode, TlsPolicy};
pub(super) use security::Security;
pub(super) use stream::{Stream, peek};
pub(super) use trouble::{client_refused, cut, data as data_trouble, data_refused, injected};
#[cfg(test)]
pub(super) use {config::client_config, refusal::handshake_failure};
