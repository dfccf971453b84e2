//! Packs: up to 256 jobs of one account in one value, their states in a second, their destinations' hashes in a third,
//! and the classes of their lengths in a fourth.

use super::frame::{self, FrameError};
use super::order::Class;
use crate::model::{Account, JobSpec, JobState};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::ops::Range;
use std::sync::Arc;

/// Most jobs in a pack.
pub(super) const JOBS: usize = 256;

/// A pack is closed early once its jobs' JSON has this many bytes.
pub(super) const BYTES: usize = 256 * 1024;

/// Most bytes of a pack's JSON that are read: what closes a pack and the longest job (a line of 1 MiB) fit in several times,
/// and a damaged or made-up pack can't fill memory.
const MOST: u64 = 16 * 1024 * 1024;

/// States of a pack's jobs, in order of their numbers; `None` where the job was removed.
pub(super) type States = Vec<Option<JobState>>;

/// Whose jobs a pack holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The account of their own sources.
    pub(super) account: Account,
    /// The accounts of their mirrors; jobs without any never stand in one pack with such.
    pub(super) mirrors: Arc<Accounts>,
}

/// A set of accounts.
pub(super) type Accounts = BTreeSet<Account>;

/// What is stored under `s`.
#[derive(Serialize, Deserialize)]
struct StoredStates {
    account: Account,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    mirrors: Accounts,
    states: String,
}

/// The value of jobs given as JSON texts: a JSON array, deflated.
pub(super) fn seal_jobs(texts: &[Vec<u8>]) -> Result<Vec<u8>, FrameError> {
    let failed = |e: std::io::Error| FrameError::Content(e.to_string());
    let array = [b"[", texts.join(&b","[..]).as_slice(), b"]"].concat();
    let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
    // In one piece: the encoder clears its whole buffer at each write.
    out.write_all(&array).map_err(failed)?;
    Ok(frame::seal(&out.finish().map_err(failed)?))
}

/// A pack's jobs, unpacked but not parsed: most of the time only some of them are asked for.
pub(super) struct Texts {
    text: Vec<u8>,
    /// Where each job stands.
    places: Vec<Range<usize>>,
}

impl Texts {
    /// Length in bytes of the job at a position.
    pub(super) fn length(&self, at: usize) -> usize {
        self.places.get(at).map_or(0, Range::len)
    }

    /// The job at a position, as it is stored.
    pub(super) fn text(&self, at: usize) -> Option<&[u8]> {
        self.text.get(self.places.get(at)?.clone())
    }

    /// The job at a position; nothing where there is none.
    pub(super) fn job(&self, at: usize) -> Result<Option<JobSpec>, FrameError> {
        let Some(text) = self.places.get(at).and_then(|place| self.text.get(place.clone())) else { return Ok(None) };
        serde_json::from_slice(text).map(Some).map_err(|e| FrameError::Content(e.to_string()))
    }
}

/// The jobs of a pack.
pub(super) fn open_jobs(value: &[u8]) -> Result<Texts, FrameError> {
    let mut text = Vec::new();
    DeflateDecoder::new(frame::open(value)?)
        .take(MOST)
        .read_to_end(&mut text)
        .map_err(|e| FrameError::Content(e.to_string()))?;
    let places = elements(&text).ok_or_else(|| FrameError::Content("a pack's jobs".to_owned()))?;
    Ok(Texts { text, places })
}

/// Where the elements of a JSON array of objects stand; nothing where brackets or quotation marks don't match.
fn elements(text: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0u32, 0);
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => loop {
                match bytes.next()?.1 {
                    b'\\' => drop(bytes.next()?),
                    b'"' => break,
                    _ => {}
                }
            },
            b'[' | b'{' => {
                depth += 1;
                if depth == 2 {
                    start = at;
                }
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 1 {
                    found.push(start..at + 1);
                }
            }
            _ => {}
        }
    }
    (depth == 0 && text.first() == Some(&b'[')).then_some(found)
}

impl Owner {
    /// The owner of jobs without mirrors.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn alone(account: &Account) -> Self {
        Self { account: account.clone(), mirrors: Arc::default() }
    }

    /// Whether the jobs have mirrors.
    pub(super) fn is_mirrored(&self) -> bool {
        !self.mirrors.is_empty()
    }
}

/// The value of a pack's states: the accounts once, and a letter a job.
pub(super) fn seal_states(owner: &Owner, states: &[Option<JobState>]) -> Result<Vec<u8>, FrameError> {
    let states = states.iter().map(|&state| letter(state)).collect();
    let (account, mirrors) = (owner.account.clone(), (*owner.mirrors).clone());
    frame::seal_json(&StoredStates { account, mirrors, states })
}

/// The owner and states of a pack.
pub(super) fn open_states(value: &[u8]) -> Result<(Owner, States), FrameError> {
    let stored: StoredStates = frame::open_json(value)?;
    let states: Option<States> = stored.states.chars().map(from_letter).collect();
    match states {
        Some(states) if !states.is_empty() && states.len() <= JOBS => {
            Ok((Owner { account: stored.account, mirrors: Arc::new(stored.mirrors) }, states))
        }
        _ => Err(FrameError::Content("a pack's states".to_owned())),
    }
}

/// The value of a pack's hashes: eight bytes each, big endian.
pub(super) fn seal_hashes(hashes: &[u64]) -> Vec<u8> {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect();
    frame::seal(&bytes)
}

/// The hashes of a pack.
pub(super) fn open_hashes(value: &[u8]) -> Result<Vec<u64>, FrameError> {
    let (whole, rest) = frame::open(value)?.as_chunks::<8>();
    if rest.is_empty() {
        Ok(whole.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect())
    } else {
        Err(FrameError::Content("a pack's hashes".to_owned()))
    }
}

/// The value of a pack's classes: a byte each; nothing where all are 0.
pub(super) fn seal_classes(classes: &[Class]) -> Option<Vec<u8>> {
    classes.iter().any(|&class| class > 0).then(|| frame::seal(classes))
}

/// The classes of a pack.
pub(super) fn open_classes(value: &[u8]) -> Result<Vec<Class>, FrameError> {
    frame::open(value).map(<[u8]>::to_vec)
}

/// FNV-1a of the whole path, and of a folder's source behind it, 64 bits: stored, hence never to be changed. A hit is
/// always confirmed by the job itself.
pub(super) fn hash(spec: &JobSpec) -> u64 {
    let source = spec.folder.as_ref().map(|_| format!("\0{}", spec.source)).unwrap_or_default();
    let place = spec.destination.to_string();
    place
        .bytes()
        .chain(source.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A value in hexadecimal digits, as the journal holds it.
pub(super) fn to_hex(value: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The value of hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Result<Vec<u8>, FrameError> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let half = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let whole = |&[high, low]: &[u8; 2]| Some(half(high)? << 4 | half(low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(whole).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| FrameError::Content("hexadecimal digits".to_owned()))
}

/// The letter a state is stored as. Running is never stored.
fn letter(state: Option<JobState>) -> char {
    match state {
        Some(JobState::Queued | JobState::Running) => 'q',
        Some(JobState::Waiting) => 'w',
        Some(JobState::Paused) => 'p',
        Some(JobState::Done) => 'd',
        Some(JobState::Failed) => 'f',
        Some(JobState::Cancelled) => 'c',
        None => '-',
    }
}

#[expect(clippy::option_option, reason = "a removed job is one thing, an unknown letter another")]
fn from_letter(letter: char) -> Option<Option<JobState>> {
    match letter {
        'q' => Some(Some(JobState::Queued)),
        'w' => Some(Some(JobState::Waiting)),
        'p' => Some(Some(JobState::Paused)),
        'd' => Some(Some(JobState::Done)),
        'f' => Some(Some(JobState::Failed)),
        'c' => Some(Some(JobState::Cancelled)),
        '-' => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back_and_running_becomes_queued() {
        let account = Account::try_from("ftp://bob@h:2121".to_owned()).unwrap();
        let states: States = JobState::ALL.into_iter().map(Some).chain([None]).collect();
        for mirrors in [Accounts::new(), [account.clone()].into()] {
            let owner = Owner { account: account.clone(), mirrors: Arc::new(mirrors) };
            assert_eq!(open_states(&seal_states(&owner, &states).unwrap()).unwrap().0, owner);
        }
        let (_, back) = open_states(&seal_states(&Owner::alone(&account), &states).unwrap()).unwrap();
        for (before, after) in states.into_iter().zip(back) {
            let expected = if before == Some(JobState::Running) { Some(JobState::Queued) } else { before };
            assert_eq!(after, expected);
        }
    }

    #[test]
    fn jobs_are_found_whatever_their_names_hold() {
        let names = ["a", "[{", "}],", r"q\", "\"]", r#"\","{""#, "ü%41"];
        let texts: Vec<String> =
            names.map(|name| serde_json::json!({"n": name, "deep": [{"x": [1]}]}).to_string()).into();
        let array = format!("[{}]", texts.join(","));
        let found = elements(array.as_bytes()).unwrap();
        assert_eq!(found.into_iter().map(|place| &array[place]).collect::<Vec<_>>(), texts);
        assert_eq!(elements(b"[]"), Some(Vec::new()));
        for broken in ["", "{}", "[{]", "[{\"}]", "[{}]]", "[{\"a\\"] {
            assert_eq!(elements(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_pack_that_swells_is_refused() {
        let packed = |length: usize| {
            let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
            out.write_all(b"[").unwrap();
            out.write_all(&vec![b' '; length]).unwrap();
            out.write_all(b"]").unwrap();
            frame::seal(&out.finish().unwrap())
        };
        let most = usize::try_from(MOST).unwrap();
        assert!(open_jobs(&packed(most - 2)).is_ok());
        assert!(open_jobs(&packed(most - 1)).is_err());
    }

    #[test]
    fn hashes_are_read_back() {
        assert_eq!(open_hashes(&seal_hashes(&[1, u64::MAX])).unwrap(), [1, u64::MAX]);
        assert!(open_hashes(&frame::seal(b"odd")).is_err());
    }
}
