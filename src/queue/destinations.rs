//! Which jobs may have a destination: numbers by 64-bit hash.

use std::collections::{BTreeMap, HashMap};

/// Numbers of jobs by their destinations' hashes. A hit says "perhaps".
#[derive(Default)]
pub(super) struct Destinations {
    first: HashMap<u64, u64>,
    /// Further jobs with a hash that is taken: different paths, one hash.
    more: BTreeMap<u64, Vec<u64>>,
}

impl Destinations {
    /// Adds a job.
    pub(super) fn insert(&mut self, hash: u64, id: u64) {
        match self.first.entry(hash) {
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(id);
            }
            std::collections::hash_map::Entry::Occupied(_) => self.more.entry(hash).or_default().push(id),
        }
    }

    /// Jobs whose destination has that hash.
    pub(super) fn get(&self, hash: u64) -> Vec<u64> {
        let more = self.more.get(&hash).into_iter().flatten().copied();
        self.first.get(&hash).copied().into_iter().chain(more).collect()
    }

    /// Takes over all jobs of another map.
    pub(super) fn merge(&mut self, other: Self) {
        self.first.reserve(other.first.len());
        for (hash, id) in other.first {
            self.insert(hash, id);
        }
        for (hash, ids) in other.more {
            for id in ids {
                self.insert(hash, id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_one_hash_stay_apart() {
        let mut map = Destinations::default();
        map.insert(7, 1);
        let mut other = Destinations::default();
        other.insert(7, 2);
        other.insert(7, 3);
        map.merge(other);
        assert_eq!(map.get(7), [1, 2, 3]);
        assert!(map.get(8).is_empty());
    }
}
