//! The stored forms, for the fuzz targets alone.

use super::{frame, journal, pack};
use crate::model::{Account, JobSpec, JobState};

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The content of a frame.
///
/// # Errors
/// When it is damaged.
pub fn open_frame(value: &[u8]) -> Result<Vec<u8>, String> {
    frame::open(value).map(<[u8]>::to_vec).map_err(text)
}

/// The content in its frame.
#[must_use]
pub fn seal_frame(content: &[u8]) -> Vec<u8> {
    frame::seal(content)
}

/// The jobs of a pack, each read by itself.
///
/// # Errors
/// When the pack is damaged.
pub fn open_jobs(value: &[u8]) -> Result<Vec<Result<JobSpec, String>>, String> {
    let texts = pack::open_jobs(value).map_err(text)?;
    Ok((0..).map_while(|at| texts.job(at).map_err(text).transpose()).collect())
}

/// A pack of jobs' JSON texts.
///
/// # Errors
/// When they can't be packed.
pub fn seal_jobs(texts: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    pack::seal_jobs(texts).map_err(text)
}

/// The account and states of a pack.
///
/// # Errors
/// When they are damaged.
pub fn open_states(value: &[u8]) -> Result<(Account, Vec<Option<JobState>>), String> {
    pack::open_states(value).map(|(owner, states)| (owner.account, states)).map_err(text)
}

/// The states of a pack.
///
/// # Errors
/// When they can't be written.
pub fn seal_states(account: &Account, states: &[Option<JobState>]) -> Result<Vec<u8>, String> {
    pack::seal_states(&pack::Owner::alone(account), states).map_err(text)
}

/// The hashes of a pack.
///
/// # Errors
/// When they are damaged.
pub fn open_hashes(value: &[u8]) -> Result<Vec<u64>, String> {
    pack::open_hashes(value).map_err(text)
}

/// The hashes in their frame.
#[must_use]
pub fn seal_hashes(hashes: &[u64]) -> Vec<u8> {
    pack::seal_hashes(hashes)
}

/// A line of the journal, read and written again; nothing where it is damaged.
#[must_use]
pub fn journal_again(line: &[u8]) -> Option<Vec<u8>> {
    journal::render(&journal::parse(line)?).ok()
}
