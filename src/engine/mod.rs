//! Many files: dispatcher, workers, hosts, events, shutdown, the clock.
//!
//! One task, the dispatcher, decides what is begun; workers tell it how things end. Faces come through a [`Desk`].

mod aftermath;
mod assist;
mod board;
mod clock;
mod desk;
mod dispatcher;
mod expand;
mod fairness;
mod gone;
mod hosts;
mod lanes;
mod limits;
mod local;
mod logins;
mod mirrors;
mod order;
mod recheck;
mod run;
mod settle;
mod signals;
mod space;
mod trace;
mod worker;

pub use crate::transfer::Survey;
pub use board::Board;
pub use clock::now_millis;
pub use desk::{AccountStanding, Added, Changed, Credential, Desk, DeskError, Intake, KeptStanding, Observer, Reply};
pub use gone::{GoneFiles, GoneQuery};
pub use limits::{outlive_file_size_limit, raise_open_files};
pub use local::{LocalDesk, back_up_local, check_backup_dir, peek, remove_local};
pub use logins::contradiction;
pub use order::{Display, Given, House, RunOrder, RunReport};
pub use run::prepare;
pub use signals::{Interrupt, ShutdownGuard, ignores_hangup};
pub use trace::TraceFile;
