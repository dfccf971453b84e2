//! Which jobs may have a destination: numbers by 64-bit hash.

use std::collections::{BTreeMap, HashMap};

/// Parts of the map, a power of two. Each grows by itself, so that no growth needs the memory of the whole map twice.
const PARTS: usize = 64;

/// Numbers of jobs by their destinations' hashes. A hit says "perhaps".
pub(super) struct Destinations {
    first: Vec<HashMap<u64, u64>>,
    /// Further jobs with a hash that is taken: different paths, one hash.
    more: BTreeMap<u64, Vec<u64>>,
}

impl Default for Destinations {
    fn default() -> Self {
        Self { first: (0..PARTS).map(|_| HashMap::new()).collect(), more: BTreeMap::new() }
    }
}

impl Destinations {
    /// Adds a job.
    pub(super) fn insert(&mut self, hash: u64, id: u64) {
        let Some(part) = self.first.get_mut(part(hash)) else { return };
        match part.entry(hash) {
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(id);
            }
            std::collections::hash_map::Entry::Occupied(_) => self.more.entry(hash).or_default().push(id),
        }
    }

    /// Adds all of another map, part after part.
    pub(super) fn take_in(&mut self, other: Self) {
        for (hash, id) in other.first.into_iter().flatten() {
            self.insert(hash, id);
        }
        for (hash, ids) in other.more {
            ids.into_iter().for_each(|id| self.insert(hash, id));
        }
    }

    /// Jobs whose destination has that hash.
    pub(super) fn get(&self, hash: u64) -> impl Iterator<Item = u64> {
        let first = self.first.get(part(hash)).and_then(|part| part.get(&hash));
        first.into_iter().chain(self.more.get(&hash).into_iter().flatten()).copied()
    }
}

fn part(hash: u64) -> usize {
    usize::try_from(hash % (PARTS as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_one_hash_stay_apart() {
        let mut map = Destinations::default();
        for id in [1, 2, 3] {
            map.insert(7, id);
        }
        map.insert(71, 4);
        assert_eq!(map.get(7).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(map.get(71).collect::<Vec<_>>(), [4]);
        assert_eq!(map.get(8).next(), None);
    }
}
