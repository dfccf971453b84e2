//! Decisions as pure functions: resume, retry, admission to a host, rate, pieces. Time and chance are arguments.

mod advice;
mod age;
mod both_ends;
mod budget;
mod delete_limit;
mod descriptors;
mod fairness;
mod identity;
mod lengths;
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

pub use advice::{given_up, left_alone};
pub use age::ServerClock;
pub use both_ends::{ReversedNames, SortedNames};
pub use budget::Budget;
pub use delete_limit::{DeleteLimit, NoLimit};
pub use descriptors::{Descriptors, Shortage};
pub use fairness::{Demand, Transfer, give_way};
pub use identity::{Sameness, compare, same_identity};
pub use lengths::{LengthFinding, Lengths};
pub use mirror::{Choice, Door, Next, Rules, Standing, after_failure, choose};
pub use name::{Collision, FoldedNames, NameRefusal, local_name};
pub use pace::{LEAST, Pace};
pub use pattern::{Pattern, PatternError, split_pattern};
pub use pieces::{LEAST_PIECE, Meeting, Piece, PieceId, Pieces, Room, variety};
pub use rate::Bucket;
pub use recheck::{Comparison, SKEW, compare_with_receipt, is_as_finished};
pub use resume::{
    Difference, Facts, FinalFile, OVERLAP, Plan, expected_size, known_progress, other_content, overshoots, plan,
    unix_seconds,
};
pub use retry::{Decision, decide, delay};
pub use tuning::{Learned, Sample, Tuning};
