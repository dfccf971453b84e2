//! Many files: dispatcher, workers, hosts, events, shutdown, the clock.

mod desk;
mod order;

pub use desk::{Added, Changed, Desk, DeskError, Intake, Observer, Reply};
pub use order::{Display, House, RunOrder, RunReport};
