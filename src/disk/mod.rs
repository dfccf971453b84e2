//! Part files, digests, free space, durable commit. All calls block.
//!
//! A file is written under its part name, `.NAME.ftpq-part`, beside its final name, and renamed once it is whole.
//! Everything happens relative to an open folder and without following links below the folder that the user chose
//! (CVE-2014-4877, CVE-2004-2014), so that neither a manifest nor a planted link can redirect a write.

mod backup;
mod boot;
mod digest;
mod error;
mod finished;
mod folder;
mod label;
mod name;
mod output;
mod part;
mod pipe;
mod place;
mod reader;
mod removal;
mod room;
mod same;
mod survey;
mod unfit;

pub use backup::{check_backup, move_to_backup};
pub use boot::boot_id;
pub use digest::{Hasher, digest_of};
pub use error::DiskError;
pub use finished::{AtHand, Finished, at_hand, set_changed_aside};
pub use label::Label;
pub use output::NewFile;
pub use part::{PartFile, Stamp};
pub use pipe::Pipe;
pub use place::{Found, Place};
pub use reader::PartReader;
pub use removal::remove_file;
pub use room::{Room, largest_file};
pub use same::is_one_file;
pub use survey::{Survey, Surveyed, Wanted, survey_of};

#[cfg(test)]
mod tests;
