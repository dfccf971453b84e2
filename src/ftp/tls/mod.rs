//! TLS of the control connection and of every data connection (RFC 4217).
//!
//! | File | Subject |
//! |---|---|
//! | `policy` | what TLS has to be for a session: mode, whom to trust, whom to be |
//! | `config` | the library's configuration for a policy |
//! | `verifier` | whether a server is the one it should be |
//! | `refusal` | why there is no TLS with a server, and what to do about it |
//! | `distinguished` | names in certificates |

mod config;
mod distinguished;
mod policy;
mod refusal;
mod verifier;

pub use policy::{TlsMode, TlsPolicy};
#[allow(unused_imports, reason = "connections come next")]
pub(in crate::ftp) use {config::client_config, refusal::handshake_failure};
