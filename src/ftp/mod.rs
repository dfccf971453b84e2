//! Sessions with servers: drives [`wire`](crate::wire) over tokio.
//!
//! | File | Subject |
//! |---|---|
//! | `dial` | what a session is opened with |
//! | `gate` | one login ahead of the others, while it is not known whether the account gets in |
//! | `connect` | names, addresses, sockets |
//! | `control` | the control connection: one command, one reply, within bounds of time |
//! | `listener` | where the server connects to in active modes |
//! | `session` | login, working directory, type, QUIT |
//! | `inspect`, `several` | MLST, or SIZE and MDTM, of one file and of several |
//! | `hash` | the server's own checksums |
//! | `ahead` | several commands at once, and the next file's data connection early |
//! | `opening` | from EPSV to the first byte |
//! | `ports` | data ports, compared over all sessions of a run |
//! | `listing` | folders, entry by entry, and what links lead to |
//! | `retrieval` | the bytes, and the server's last word |
//! | `tls/` | TLS under control and data |
//! | `trouble` | failures that no reply describes |
//!
//! Every wait has an end that does not depend on the server: [`SessionOptions::timeout`] without progress, and for a
//! reply an absolute limit besides. A session whose replies may be out of step says so by [`Session::is_usable`].

mod ahead;
mod connect;
mod control;
mod dial;
mod gate;
mod hash;
mod inspect;
mod listener;
mod listing;
mod opening;
mod ports;
mod presence;
mod retrieval;
mod session;
mod several;
mod tls;
mod trouble;

#[cfg(test)]
mod tests;

pub use dial::{Dial, Login, SessionOptions, Trace};
pub use gate::{Gate, Ticket};
pub use hash::{Asked, NoAnswer};
pub use inspect::Inspected;
pub use listing::{LinkKind, Listing, ListingKind};
pub use ports::PassivePorts;
pub use presence::PresenceQuery;
pub use retrieval::{Retrieval, Verdict};
pub use session::Session;
pub use tls::{TlsMode, TlsPolicy};
