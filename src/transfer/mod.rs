//! One file, from claim to final name: ask, plan, fetch, compare, verify, commit.
//!
//! The order of steps is the promise: bytes are compared before new ones are written, recorded only once they are
//! durable, and the final name appears by one rename after everything was checked.

mod adopt;
mod answers;
mod aside;
mod bounds;
mod commit;
mod copy;
mod doubt;
mod expand;
mod failpoint;
mod fetch;
mod findings;
mod finisher;
mod follow;
mod gauge;
mod known;
mod ledger;
mod lengths;
mod lines;
mod link;
mod look;
mod origin;
mod parts;
mod patch;
mod piece;
mod prove;
mod recheck;
mod renew;
mod rules;
mod sample;
mod sidecar;
mod small;
mod space;
mod split;
mod survey;
mod task;
mod tools;
mod unsure;
mod whole;
mod wrong;

pub use bounds::Bounds;
pub use expand::{Expansion, expand};
pub use failpoint::failpoint;
pub use findings::Findings;
pub use finisher::Finisher;
pub use gauge::{Gauge, Phase};
pub use link::Link;
pub use piece::{Help, assist};
pub use recheck::{LOOKS, Rechecks, recheck};
pub use split::{Invitation, Split};
pub use survey::Survey;
pub use task::{End, Fetched, Report, Started, Stop, Task, fetch};
pub use whole::Whole;
