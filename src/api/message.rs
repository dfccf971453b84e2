//! What is said over the socket.

use crate::engine::DeskError;
use crate::model::{Account, Change, IdSet, JobId, JobSpec, Secret, Selection};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of these messages.
pub(super) const VERSION: u32 = 2;

/// Most jobs in one answer to `list`; long ones are fewer.
pub(super) const PAGE: usize = 1000;

/// What is said of an intake that ended before it was accepted.
pub(super) const NOTHING_QUEUED: &str = "nothing was queued; give the command again, with the whole list";

/// The server's first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Greeting {
    /// [`VERSION`] of the server.
    pub(super) ftpq: u32,
}

/// A request. Not `Debug`: one of them carries a password.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Counts, hosts, and the run going on.
    Status,
    /// Counts of the selected jobs.
    Counts {
        /// Which.
        selection: Selection,
    },
    /// Jobs; fewer than asked for mean nothing, none means the end.
    List {
        /// Which.
        selection: Selection,
        /// Those with a higher number.
        after: Option<JobId>,
        /// So many at most.
        limit: usize,
    },
    /// One job.
    Show {
        /// Which.
        id: JobId,
    },
    /// Changes jobs.
    Change {
        /// Which.
        selection: Selection,
        /// How.
        change: Change,
    },
    /// Opens the connection's intake.
    Begin,
    /// Hands over jobs.
    Push {
        /// Some of them.
        jobs: Vec<JobSpec>,
    },
    /// Hands over a password.
    Credential {
        /// Whose.
        account: Account,
        /// The password.
        secret: Word,
        /// Never to be sent without TLS.
        tls: bool,
        /// To be stored.
        stored: bool,
    },
    /// Keeps a password at once.
    Keep {
        /// Whose.
        account: Account,
        /// The password.
        secret: Word,
        /// Never to be sent without TLS.
        tls: bool,
        /// To be stored.
        stored: bool,
    },
    /// Forgets passwords.
    Forget {
        /// Their names.
        logins: Vec<String>,
        /// Those without jobs alone.
        unused: bool,
    },
    /// The accounts, with their jobs and what is kept of their passwords.
    Accounts {
        /// Jobs of these numbers alone.
        ids: Option<IdSet>,
    },
    /// Accepts what was handed over.
    Accept,
}

impl Request {
    /// What is known of a request that was sent and got no answer, and what to do; nothing where it changes nothing, and
    /// can be put once more.
    pub(super) fn doubt(&self) -> Option<&'static str> {
        match self {
            Self::Status
            | Self::Counts { .. }
            | Self::List { .. }
            | Self::Show { .. }
            | Self::Accounts { .. }
            | Self::Begin => None,
            Self::Change { .. } => {
                Some("it may be done or not; look with `ftpq list`, and give the command again where it is not done")
            }
            Self::Forget { .. } => {
                Some("it may be done or not; look with `ftpq logins`, and give the command again where it is not done")
            }
            Self::Keep { .. } => Some("the password may be stored or not; give the command again"),
            Self::Accept => Some("the jobs may be queued or not; give the command again: it queues none twice"),
            Self::Push { .. } | Self::Credential { .. } => Some(NOTHING_QUEUED),
        }
    }

    /// Whether it is of no use without the requests before it.
    pub(super) fn is_of_intake(&self) -> bool {
        matches!(self, Self::Push { .. } | Self::Credential { .. } | Self::Accept)
    }
}

/// A password on its way over the socket: the one place where it is written out.
pub(super) struct Word(pub(super) Secret);

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.reveal())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// An answer, or a sign of life before it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer<T> {
    /// What was asked for.
    Ok(T),
    /// Why not.
    Error(DeskError),
    /// It is being worked on.
    Wait,
    /// No request is taken any more, neither one that is on its way.
    Closing,
}
