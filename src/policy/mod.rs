//! Decisions as pure functions: resume, retry, admission to a host, rate. Time and chance are arguments.

mod budget;
mod rate;
mod resume;
mod retry;
mod tuning;

pub use budget::Budget;
pub use rate::Bucket;
pub use resume::{
    Facts, FinalFile, OVERLAP, Plan, expected_size, known_progress, overshoots, plan, same_identity, unix_seconds,
};
pub use retry::{Decision, decide, delay};
pub use tuning::{Learned, Sample, Tuning};
