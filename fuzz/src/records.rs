//! What the queue stores.

use super::lists::sound_job;
use ftpq::disk::Label;
use ftpq::model::{Account, HostFacts, IdSet, JobId, JobRecord, JobSpec, ManifestLine, Progress};
use ftpq::queue::fuzzing as queue;

/// Every stored form: damage is an error and never a panic, whole values are read back as they were written, and none is
/// taken that could not have been accepted.
pub fn records(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    match first % 10 {
        0 => frame(bytes),
        1 => jobs(bytes),
        2 => states(bytes),
        3 => hashes(bytes),
        4 => journal(bytes),
        5 => job(bytes),
        6 => id_set(bytes),
        7 => {
            again::<JobRecord>(bytes);
            again::<HostFacts>(bytes);
        }
        8 => {
            again::<Label>(bytes);
            again::<Progress>(bytes);
        }
        _ => again::<ManifestLine>(bytes),
    }
}

/// What is sealed is opened again, and a flipped bit is noticed.
fn frame(bytes: &[u8]) {
    if let Ok(content) = queue::open_frame(bytes) {
        assert_eq!(content.len() + 5, bytes.len());
    }
    let mut sealed = queue::seal_frame(bytes);
    assert_eq!(queue::open_frame(&sealed).as_deref(), Ok(bytes));
    let at =
        bytes.iter().fold(0usize, |sum, &b| sum.wrapping_mul(31).wrapping_add(usize::from(b))) % (sealed.len() * 8);
    sealed[at / 8] ^= 1 << (at % 8);
    assert!(queue::open_frame(&sealed).is_err(), "bit {at}");
}

/// A pack in a frame that is whole, whatever was packed; and one packed of these jobs.
fn jobs(bytes: &[u8]) {
    if let Ok(read) = queue::open_jobs(&queue::seal_frame(bytes)) {
        for spec in read.into_iter().flatten() {
            sound_job(&spec);
        }
    }
    let texts: Vec<Vec<u8>> = bytes
        .split(|&b| b == b'\n')
        .filter_map(|line| serde_json::from_slice::<JobSpec>(line).ok())
        .map(|spec| serde_json::to_vec(&spec).unwrap())
        .collect();
    let read = queue::open_jobs(&queue::seal_jobs(&texts).unwrap()).unwrap();
    let again: Vec<Vec<u8>> = read.iter().map(|spec| serde_json::to_vec(spec.as_ref().unwrap()).unwrap()).collect();
    assert_eq!(again, texts);
}

fn states(bytes: &[u8]) {
    let Ok((account, states)) = queue::open_states(&queue::seal_frame(bytes)) else { return };
    assert!((1..=256).contains(&states.len()));
    sound_account(&account);
    let again = queue::open_states(&queue::seal_states(&account, &states).unwrap());
    assert_eq!(again, Ok((account, states)));
}

fn sound_account(account: &Account) {
    assert_eq!(Account::try_from(account.to_string()).as_ref(), Ok(account));
    assert!(!account.user.contains(char::is_control) && !account.host.contains(char::is_control));
}

fn hashes(bytes: &[u8]) {
    let sealed = queue::seal_frame(bytes);
    match queue::open_hashes(&sealed) {
        Ok(hashes) => assert_eq!(queue::seal_hashes(&hashes), sealed),
        Err(_) => assert_ne!(bytes.len() % 8, 0),
    }
}

/// A line of the journal whose sum is right, and one as it came.
fn journal(bytes: &[u8]) {
    let mut line = format!(r#"{{"crc":"{:08x}","entry":"#, crc32fast::hash(bytes)).into_bytes();
    line.extend_from_slice(bytes);
    line.push(b'}');
    for line in [bytes, &line] {
        let Some(written) = queue::journal_again(line) else { continue };
        let text = written.strip_suffix(b"\n").expect("a line");
        assert!(!text.contains(&b'\n'), "one line");
        assert_eq!(queue::journal_again(text), Some(written.clone()), "{:?}", String::from_utf8_lossy(&written));
    }
}

fn job(bytes: &[u8]) {
    if let Ok(spec) = serde_json::from_slice::<JobSpec>(bytes) {
        sound_job(&spec);
    }
}

/// A set of numbers holds what was put in, in whatever order.
fn id_set(bytes: &[u8]) {
    let mut set = IdSet::default();
    let mut plain = [false; 256];
    for pair in bytes.chunks_exact(2).take(64) {
        let (low, high) = (pair[0], pair[1]);
        set.insert_range(JobId(u64::from(low)), JobId(u64::from(high)));
        for at in low..=high {
            plain[usize::from(at)] = true;
        }
    }
    for (id, &held) in (0u64..).zip(&plain) {
        assert_eq!(set.contains(JobId(id)), held, "{id} in {set:?}");
    }
    let json = serde_json::to_vec(&set).unwrap();
    assert_eq!(serde_json::from_slice::<IdSet>(&json).unwrap(), set);
}

/// What is read from JSON is written and read back the same.
fn again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else { return };
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("and read"), value);
}
