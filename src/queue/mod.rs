//! The stored jobs.
//!
//! One thread owns everything ([`Queue`] is the handle to it). A change goes into the journal, then into the store,
//! then the caller is told. `queue-schema/KEYS.md` describes what lies in the folder.
//!
//! | File | Subject |
//! |---|---|
//! | `handle` | the handle and the thread: requests in order, one durable change for all that wait |
//! | `books` | what is known, and the one way a change gets into memory, journal and store |
//! | `change`, `intake`, `correct`, `admit` | what workers, users, manifests and folders do to jobs |
//! | `index`, `order`, `destinations` | what is kept in memory: state and length of a job, what is claimed next, who goes where |
//! | `backend`, `sled_store` | the store's interface; in memory, on disk |
//! | `frame`, `keys`, `pack` | the stored form |
//! | `journal`, `manifests` | what the queue is rebuilt from |
//! | `open`, `load`, `rebuild`, `lock`, `files` | opening, noticing damage, mending it |
//! | `sizes` | what the open jobs need of the disk |
//! | `overview` | how things stand, for whoever only wants to know that |
//! | `credentials` | the one file that holds passwords |

mod admit;
mod backend;
mod books;
mod change;
mod correct;
mod credentials;
mod destinations;
mod error;
mod files;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod golden;
mod handle;
mod index;
mod intake;
mod journal;
mod keys;
mod load;
mod lock;
mod manifests;
mod open;
mod order;
mod overview;
mod pack;
mod rebuild;
mod sizes;
mod sled_store;
#[cfg(test)]
mod tests;
mod tree;

pub use admit::{Admission, Known, ListingChange, Reading, Renewal};
pub use credentials::{Credentials, Kept};
pub use error::QueueError;
pub use handle::{Intake, Queue};
pub use overview::Overview;
pub use sizes::FolderNeed;
pub use tree::TreeSize;

use crate::model::{Account, IdSet, JobId};

/// What a person should know about how the queue was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Texts for people, one line each.
    pub notices: Vec<String>,
    /// Whether the store was damaged and was built anew.
    pub rebuilt: bool,
}

/// What became of an intake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The new jobs.
    pub new: IdSet,
    /// Jobs that were there already: same source, same destination.
    pub known: IdSet,
    /// Jobs that took another checksum, size or digests of pieces than they had.
    pub corrected: IdSet,
    /// Those of them that were done, and are checked again.
    pub again: IdSet,
    /// Jobs that are not done, and lack mirrors that they are said to have.
    pub without_mirrors: IdSet,
    /// Jobs that are not done, and keep other settings than they are now given.
    pub kept_settings: IdSet,
}

/// What can be claimed of an account's jobs; those with mirrors are a group of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLoad {
    /// The account.
    pub account: Account,
    /// The accounts of these jobs' mirrors; none where they have no mirrors.
    pub mirrors: Vec<Account>,
    /// Jobs that can be claimed now.
    pub ready: u64,
    /// Jobs whose time has not come yet.
    pub waiting: u64,
    /// Jobs that are claimed already.
    pub claimed: u64,
    /// When the first of them can be claimed, in seconds since 1970-01-01 UTC.
    pub next_due: Option<u64>,
}

/// How many jobs an account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLoad {
    /// The account.
    pub account: Account,
    /// Its jobs, whatever their state.
    pub jobs: u64,
    /// Those that are not through.
    pub left: u64,
}

/// What became of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Jobs that were changed.
    pub changed: u64,
    /// Jobs that were named by number but did not allow it, with the reason; the first hundred.
    pub refused: Vec<(JobId, String)>,
    /// Changed jobs that a worker has in hand: it has to be stopped.
    pub affected_running: Vec<JobId>,
}
