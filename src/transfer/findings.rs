//! What a run's workers found out on servers and share: the lists of checksums in folders, each fetched once, and who does
//! not answer questions for checksums.
//!
//! Of a list's lines nothing is kept but a hash of the name and the digest, side by side: a folder of 100,000 files takes
//! 5 MB with SHA-256.

use super::answers::AnswerCache;
use crate::model::{Account, Algorithm, Checksum, HostKey, RemotePath, Source};
use crate::policy::ServerClock;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// Bytes of lists that are kept; beyond that the folders that were looked at first are forgotten.
const MOST_BYTES: usize = 64 << 20;
/// Folders that are kept.
const MOST_FOLDERS: usize = 4096;
/// Lines of a list that are taken in.
pub(super) const MOST_LINES: usize = 1_000_000;
/// Questions for a checksum in which a host's session broke or fell silent, after which it is not asked any more.
const MOST_TROUBLES: u32 = 2;
/// Files for which a listing is read again in vain.
const MOST_OTHER: usize = 4;

/// What was found out in a run.
#[derive(Debug, Default)]
pub struct Findings {
    names: RandomState,
    folders: Mutex<Folders>,
    troubles: Mutex<HashMap<HostKey, u32>>,
    /// What was said of files about which servers were asked beforehand.
    pub(super) answers: AnswerCache,
    times: Mutex<HashMap<HostKey, Times>>,
    /// Files whose length the listings of a host tell otherwise than SIZE, also when they are read again.
    other_lengths: Mutex<HashMap<HostKey, HashSet<u64>>>,
}

/// What was found out of a host's times.
#[derive(Debug, Default)]
struct Times {
    clock: ServerClock,
    /// The first file whose time moved between two looks that followed upon each other.
    moved: Option<RemotePath>,
    /// Another one's did, too: not both are just being written.
    do_move: bool,
    /// That of a file whose time moved once did not.
    do_rest: bool,
}

/// A folder on a server, by the account that sees it.
type Key = (Account, Vec<u8>);

#[derive(Debug, Default)]
struct Folders {
    known: HashMap<Key, Arc<FolderSums>>,
    /// The oldest first.
    order: VecDeque<Key>,
}

/// The lists of checksums in one folder.
#[derive(Debug, Default)]
pub(super) struct FolderSums {
    /// The lists, once they were read.
    pub(super) lists: OnceCell<Vec<Sums>>,
    /// Number of the kind of sidecar that was found last beside a file.
    pub(super) kind: AtomicUsize,
}

impl FolderSums {
    fn bytes(&self) -> usize {
        self.lists.get().map_or(0, |lists| lists.iter().map(Sums::bytes).sum())
    }
}

impl Findings {
    /// What is known of a folder.
    pub(super) fn folder(&self, account: &Account, folder: &[u8]) -> Arc<FolderSums> {
        let mut folders = lock(&self.folders);
        let key = (account.clone(), folder.to_vec());
        if let Some(known) = folders.known.get(&key) {
            return Arc::clone(known);
        }
        let mut bytes: usize = folders.known.values().map(|folder| folder.bytes()).sum();
        while bytes > MOST_BYTES || folders.known.len() >= MOST_FOLDERS {
            let Some(oldest) = folders.order.pop_front() else { break };
            bytes -= folders.known.remove(&oldest).map_or(0, |folder| folder.bytes()).min(bytes);
        }
        let new: Arc<FolderSums> = Arc::default();
        folders.known.insert(key.clone(), Arc::clone(&new));
        folders.order.push_back(key);
        new
    }

    /// An empty list of checksums by that name.
    pub(super) fn sums(&self, name: &'static str) -> Sums {
        Sums { name, names: self.names.clone(), index: Vec::new(), digests: Vec::new(), sorted: true }
    }

    /// Takes note that a host's session did not survive a question for a checksum.
    pub(super) fn note_trouble(&self, host: HostKey) {
        *lock(&self.troubles).entry(host).or_default() += 1;
    }

    /// Takes note that a host's file was written to a moment ago; its time as the server tells it, and ours, both in
    /// seconds since 1970-01-01 UTC.
    pub(super) fn note_written(&self, host: HostKey, modified: i64, now: i64) {
        lock(&self.times).entry(host).or_default().clock.learn(modified, now);
    }

    /// What is known of a host's clock.
    pub(super) fn clock(&self, host: &HostKey) -> ServerClock {
        lock(&self.times).get(host).map(|times| times.clock).unwrap_or_default()
    }

    /// Takes note that a file's time moved between two looks that followed upon each other.
    pub(super) fn note_moving_time(&self, file: &Source) {
        let mut times = lock(&self.times);
        let times = times.entry(file.account().host_key()).or_default();
        let first = times.moved.get_or_insert_with(|| file.path().clone());
        times.do_move |= first != file.path();
    }

    /// Takes note that a file's time that moved once did not move between two looks that followed upon each other.
    pub(super) fn note_resting_time(&self, host: HostKey) {
        lock(&self.times).entry(host).or_default().do_rest = true;
    }

    /// Whether a host whose times moved once was seen to be mended.
    pub(super) fn has_resting_times(&self, host: &HostKey) -> bool {
        lock(&self.times).get(host).is_some_and(|times| times.do_rest && !times.do_move)
    }

    /// Whether a host's times may move by themselves.
    pub(super) fn has_moving_times(&self, host: &HostKey) -> bool {
        lock(&self.times).get(host).is_some_and(|times| times.do_move)
    }

    /// Takes note that a folder's listing, read again, still told the same length of a file, and another than SIZE.
    pub(super) fn note_other_length(&self, host: HostKey, file: &RemotePath) {
        let mut hosts = lock(&self.other_lengths);
        let files = hosts.entry(host).or_default();
        if files.len() < MOST_OTHER {
            files.insert(self.names.hash_one(file.as_bytes()));
        }
    }

    /// Whether a host's listings are known to tell other lengths than SIZE: to read a folder again for each of its files
    /// would cost the square of their number.
    pub(super) fn lists_other_lengths(&self, host: &HostKey) -> bool {
        lock(&self.other_lengths).get(host).is_some_and(|files| files.len() >= MOST_OTHER)
    }

    /// Whether a host had its chances to answer.
    pub(super) fn is_mute(&self, host: &HostKey) -> bool {
        lock(&self.troubles).get(host).is_some_and(|&troubles| troubles >= MOST_TROUBLES)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A list of checksums.
#[derive(Debug)]
pub(super) struct Sums {
    /// The list's own name.
    pub(super) name: &'static str,
    names: RandomState,
    /// Hash of a file's name, and where its digest stands.
    index: Vec<(u64, u32)>,
    /// Number of the algorithm and digest, one behind the other.
    digests: Vec<u8>,
    sorted: bool,
}

impl Sums {
    /// Takes in a file's checksum. Returns false where the list is full.
    pub(super) fn add(&mut self, name: &[u8], sum: &Checksum) -> bool {
        let Ok(at) = u32::try_from(self.digests.len()) else { return false };
        let Some(number) = Algorithm::ALL.iter().position(|known| *known == sum.algorithm()) else { return true };
        if self.index.len() >= MOST_LINES {
            return false;
        }
        self.index.push((self.names.hash_one(name), at));
        self.digests.push(u8::try_from(number).unwrap_or(0));
        self.digests.extend_from_slice(sum.digest());
        self.sorted = false;
        true
    }

    /// Ends the list.
    pub(super) fn finish(mut self) -> Self {
        self.index.sort_unstable();
        self.index.shrink_to_fit();
        self.digests.shrink_to_fit();
        self.sorted = true;
        self
    }

    /// The checksum of the file of that name; nothing where the list has none, or several that differ.
    pub(super) fn get(&self, name: &[u8]) -> Option<Checksum> {
        let wanted = self.names.hash_one(name);
        let first = self.index.partition_point(|&(hash, _)| hash < wanted);
        let mut sums =
            self.index.iter().skip(first).take_while(|(hash, _)| *hash == wanted).map(|&(_, at)| self.at(at));
        let sum = sums.next()??;
        sums.all(|other| other.as_ref() == Some(&sum)).then_some(sum)
    }

    fn at(&self, at: u32) -> Option<Checksum> {
        let entry = self.digests.get(usize::try_from(at).ok()?..)?;
        let (&number, digest) = entry.split_first()?;
        let algorithm = *Algorithm::ALL.get(usize::from(number))?;
        Checksum::new(algorithm, digest.get(..algorithm.digest_len())?.to_vec()).ok()
    }

    fn bytes(&self) -> usize {
        self.index.len() * size_of::<(u64, u32)>() + self.digests.len()
    }
}

/// Turns to the kind of sidecar that was found last.
pub(super) fn remember(folder: &FolderSums, kind: usize) {
    folder.kind.store(kind, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(byte: u8, algorithm: Algorithm) -> Checksum {
        Checksum::new(algorithm, vec![byte; algorithm.digest_len()]).unwrap()
    }

    #[test]
    fn a_list_gives_back_what_was_put_in_and_nothing_that_contradicts_itself() {
        let findings = Findings::default();
        let mut sums = findings.sums("MD5SUMS");
        for n in 0..200u8 {
            let algorithm = Algorithm::ALL[usize::from(n) % Algorithm::ALL.len()];
            assert!(sums.add(format!("file{n}").as_bytes(), &sum(n, algorithm)));
        }
        sums.add(b"twice", &sum(1, Algorithm::Md5));
        sums.add(b"twice", &sum(2, Algorithm::Md5));
        sums.add(b"again", &sum(3, Algorithm::Md5));
        sums.add(b"again", &sum(3, Algorithm::Md5));
        let sums = sums.finish();
        for n in 0..200u8 {
            let algorithm = Algorithm::ALL[usize::from(n) % Algorithm::ALL.len()];
            assert_eq!(sums.get(format!("file{n}").as_bytes()), Some(sum(n, algorithm)));
        }
        assert_eq!((sums.get(b"twice"), sums.get(b"other")), (None, None));
        assert_eq!(sums.get(b"again"), Some(sum(3, Algorithm::Md5)));
    }

    #[test]
    fn the_folders_that_were_looked_at_first_are_forgotten() {
        let findings = Findings::default();
        let account = Account::try_from("ftp://h".to_owned()).unwrap();
        let first = findings.folder(&account, b"/0");
        assert!(Arc::ptr_eq(&first, &findings.folder(&account, b"/0")));
        for n in 1..=MOST_FOLDERS {
            findings.folder(&account, format!("/{n}").as_bytes());
        }
        assert!(!Arc::ptr_eq(&first, &findings.folder(&account, b"/0")));
        assert!(lock(&findings.folders).known.len() <= MOST_FOLDERS);
    }

    #[test]
    fn a_host_that_does_not_answer_is_left_in_peace() {
        let findings = Findings::default();
        let host = HostKey { host: "h".to_owned(), port: 21 };
        for _ in 0..MOST_TROUBLES {
            assert!(!findings.is_mute(&host));
            findings.note_trouble(host.clone());
        }
        assert!(findings.is_mute(&host));
    }
}
