//! FTP without sockets: replies, commands, addresses, and the dialogues as state machines fed with replies.
//!
//! | File | Subject |
//! |---|---|
//! | `reply` | bytes → [`Reply`], bounded (RFC 959, section 4.2) |
//! | `command` | [`Command`] → bytes; the one place that refuses CR, LF and NUL |
//! | `address` | 227, 229, PORT and EPRT |
//! | `features`, `pwd`, `facts`, `numbers` | what FEAT, PWD, MLST, SIZE and MDTM answer |
//! | `classify` | a refusing reply → [`Failure`](crate::model::Failure) with advice |
//! | `login` | greeting to working directory |
//! | `retrieve` | one transfer, control and data in any legal order |

mod address;
mod classify;
mod command;
mod facts;
mod features;
mod login;
mod numbers;
mod pwd;
mod reply;
mod retrieve;

pub use address::{extended_passive_port, passive_address};
pub use classify::{Context, classify, forbids_restart, says_missing};
pub use command::{Command, Forbidden};
pub use facts::{Entry, EntryKind, entry};
pub use features::{Features, MachineListing};
pub use login::{Credentials, Login, LoginStep, Ready};
pub use numbers::{announced_size, modification_time, size};
pub use pwd::directory;
pub use reply::{Broken, Decoder, Reply, ReplyClass, ReplyCode};
pub use retrieve::{End, Input, Lessons, Opening, Refused, Retrieve, RetrievePlan, Step};
