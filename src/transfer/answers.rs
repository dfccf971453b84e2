//! What servers said of files about which they were asked beforehand, together with others.

use crate::model::{Account, HostKey, Identity, RemotePath};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An answer counts for so long.
const FRESH: Duration = Duration::from_secs(10);
/// Answers and questions that are kept; beyond that all are forgotten, and asked again one by one.
const MOST: usize = 10_000;

/// After so many times a host is asked about one file at a time.
const MOST_TROUBLES: u32 = 2;

/// A file on a server, by the account that sees it.
type RemoteFile = (Account, RemotePath);

/// The answers of a run.
#[derive(Debug, Default)]
pub(super) struct AnswerCache {
    /// Nothing where the question is on its way.
    known: Mutex<HashMap<RemoteFile, Option<(Identity, Instant)>>>,
    /// How often a host did not answer several questions at a time.
    troubles: Mutex<HashMap<HostKey, u32>>,
}

impl AnswerCache {
    /// Takes the answer about a file, if there is a fresh one.
    pub(super) fn take(&self, account: &Account, path: &RemotePath) -> Option<Identity> {
        let (identity, since) = lock(&self.known).remove(&(account.clone(), path.clone()))??;
        (since.elapsed() < FRESH).then_some(identity)
    }

    /// About which files the server is to be asked now: the first one, and those of the next about which nobody else asks.
    /// None where its host is to be asked one by one, or there are no others.
    pub(super) fn to_ask(&self, account: &Account, own: &RemotePath, next: &[RemotePath]) -> Vec<RemotePath> {
        if lock(&self.troubles).get(&account.host_key()).is_some_and(|&troubles| troubles >= MOST_TROUBLES) {
            return Vec::new();
        }
        let mut known = lock(&self.known);
        if known.len() > MOST {
            known.clear();
        }
        let is_free = |path: &&RemotePath| !known.contains_key(&(account.clone(), (*path).clone()));
        let others: Vec<RemotePath> = next.iter().filter(is_free).cloned().collect();
        if others.is_empty() {
            return Vec::new();
        }
        let all: Vec<RemotePath> = std::iter::once(own.clone()).chain(others).collect();
        known.extend(all.iter().map(|path| ((account.clone(), path.clone()), None)));
        all
    }

    /// Keeps what the server said of these files; about those of which it said nothing it is asked again.
    pub(super) fn put(&self, account: &Account, answers: impl Iterator<Item = (RemotePath, Option<Identity>)>) {
        let (now, mut known) = (Instant::now(), lock(&self.known));
        for (path, identity) in answers {
            let key = (account.clone(), path);
            match (identity, known.get_mut(&key)) {
                (Some(identity), Some(slot @ None)) => *slot = Some((identity, now)),
                // Nobody waits for it any more.
                (Some(_), _) => {}
                (None, _) => drop(known.remove(&key)),
            }
        }
    }

    /// Takes note that a host did not answer several questions at a time.
    pub(super) fn note_trouble(&self, host: HostKey) {
        *lock(&self.troubles).entry(host).or_default() += 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_asked_about_once_and_each_answer_taken_once() {
        let answers = AnswerCache::default();
        let account = Account::try_from("ftp://h".to_owned()).unwrap();
        let path = |n: u8| RemotePath::new(format!("f{n}").into_bytes()).unwrap();
        let next: Vec<RemotePath> = (2..5).map(path).collect();
        assert_eq!(answers.to_ask(&account, &path(1), &next), (1..5).map(path).collect::<Vec<_>>());
        // Another worker asks about its own file and the one that is new.
        let later: Vec<RemotePath> = (3..6).map(path).collect();
        assert_eq!(answers.to_ask(&account, &path(2), &later), [path(2), path(5)]);
        assert!(answers.to_ask(&account, &path(3), &later).is_empty());
        let identity = Identity { size: Some(7), ..Identity::default() };
        answers.put(&account, [(path(1), Some(identity.clone())), (path(4), None)].into_iter());
        assert_eq!(answers.take(&account, &path(1)), Some(identity));
        assert_eq!((answers.take(&account, &path(1)), answers.take(&account, &path(4))), (None, None));
        assert_eq!(answers.to_ask(&account, &path(1), &[path(4)]).len(), 2, "it may be asked about again");
        for _ in 0..MOST_TROUBLES {
            answers.note_trouble(account.host_key());
        }
        assert!(answers.to_ask(&account, &path(7), &[path(8)]).is_empty());
    }
}
