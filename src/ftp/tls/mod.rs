//! TLS of the control connection and of every data connection (RFC 4217).
//!
//! | File | Subject |
//! |---|---|
//! | `policy` | what TLS has to be for a session: mode, whom to trust, whom to be |
//! | `config` | the library's configuration for a policy |

mod config;
mod policy;

#[allow(unused_imports, reason = "connections come next")]
pub(in crate::ftp) use config::client_config;
pub use policy::{TlsMode, TlsPolicy};
