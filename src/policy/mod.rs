//! Decisions as pure functions: resume, retry, admission to a host, rate, pieces. Time and chance are arguments.

mod budget;
mod mirror;
mod name;
mod pace;
mod pattern;
mod pieces;
mod rate;
mod recheck;
mod resume;
mod retry;
mod tuning;

pub use budget::Budget;
pub use mirror::{Choice, Door, Next, Rules, Standing, after_failure, choose};
pub use name::{Collision, FoldedNames, NameRefusal, local_name};
pub use pace::{LEAST, Pace};
pub use pattern::{Pattern, PatternError, split_pattern};
pub use pieces::{LEAST_PIECE, Meeting, Piece, PieceId, Pieces, Room, variety};
pub use rate::Bucket;
pub use recheck::{Sameness, is_as_finished, sameness};
pub use resume::{
    Facts, FinalFile, OVERLAP, Plan, expected_size, known_progress, other_content, overshoots, plan, same_identity,
    unix_seconds,
};
pub use retry::{Decision, LONGEST_DELAY, decide, delay};
pub use tuning::{Learned, Sample, Tuning};
