//! Many files: dispatcher, workers, hosts, events, shutdown, the clock.
//!
//! One task, the dispatcher, decides what is begun; workers tell it how things end. Faces come through a [`Desk`].

mod aftermath;
mod assist;
mod board;
mod clock;
mod desk;
mod dispatcher;
mod hosts;
mod local;
mod logins;
mod order;
mod run;
mod settle;
mod signals;
mod worker;

pub use board::Board;
pub use desk::{Added, Changed, Desk, DeskError, Intake, Observer, Reply};
pub use local::{LocalDesk, peek};
pub use logins::contradiction;
pub use order::{Display, House, RunOrder, RunReport};
pub use run::prepare;
pub use signals::stop_on_signals;
