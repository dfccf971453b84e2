//! A folder that a server lists only in part, from either end: whether the two parts are all of it.
//!
//! Pure-FTPd's LIST sorts all names of a folder by their bytes and lists the first 10,000; told to turn the order round, it
//! lists the last ones. What lies between the two is not listed. They are all there is where they overlap: each name of the first
//! part from the overlap's beginning on is in the second, the second has no other name there, and it goes on beyond the
//! first, so that the server did not turn round what it had cut before.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// The names of a listing in the order in which they came. It holds 8 bytes a name.
#[derive(Debug, Default)]
pub struct SortedNames {
    hashes: Vec<u64>,
    last: Vec<u8>,
    is_unsorted: bool,
    state: RandomState,
}

impl SortedNames {
    /// Takes the next name.
    pub fn take(&mut self, name: &[u8]) {
        self.is_unsorted |= !self.hashes.is_empty() && name <= self.last.as_slice();
        self.hashes.push(self.state.hash_one(name));
        self.last.clear();
        self.last.extend_from_slice(name);
    }

    /// How many came.
    #[must_use]
    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    /// What tells of a name whether it came.
    pub fn lookup(self) -> impl Fn(&[u8]) -> bool + Send + use<> {
        let (hashes, state): (HashSet<u64>, _) = (self.hashes.into_iter().collect(), self.state);
        move |name| hashes.contains(&state.hash_one(name))
    }

    /// The other part, of which nothing came yet.
    #[must_use]
    pub fn reversed(self) -> ReversedNames {
        let places = self.hashes.iter().enumerate().map(|(at, &hash)| (hash, at)).collect();
        let count = self.hashes.len();
        let Self { last, is_unsorted, state, .. } = self;
        ReversedNames {
            places,
            count,
            last,
            state,
            lowest: None,
            shared: 0,
            added: 0,
            first_place: count,
            is_odd: is_unsorted,
        }
    }
}

/// The names of the same folder listed from its end, held against those from its beginning.
#[derive(Debug)]
pub struct ReversedNames {
    /// Where each name of the first part stands in it.
    places: HashMap<u64, usize>,
    count: usize,
    /// The last name of the first part.
    last: Vec<u8>,
    state: RandomState,
    /// The name that came last.
    lowest: Option<Vec<u8>>,
    /// Names that both parts have.
    shared: usize,
    /// Names beyond the first part.
    added: usize,
    /// Where the lowest name that both have stands in the first.
    first_place: usize,
    /// Something does not fit.
    is_odd: bool,
}

impl ReversedNames {
    /// Takes the next name. Returns whether the first part lacks it.
    pub fn take(&mut self, name: &[u8]) -> bool {
        self.is_odd |= self.lowest.as_deref().is_some_and(|lowest| name >= lowest);
        self.lowest = Some(name.to_vec());
        if let Some(&place) = self.places.get(&self.state.hash_one(name)) {
            self.shared += 1;
            self.first_place = self.first_place.min(place);
            return false;
        }
        self.added += 1;
        // Between two names of the first part, where it has none.
        self.is_odd |= name <= self.last.as_slice();
        true
    }

    /// Whether the two parts are all names of the folder.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.is_odd && self.added > 0 && self.shared > 0 && self.shared == self.count - self.first_place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of the two parts: names that are new in the second, and whether they are all.
    fn both(first: &[&str], second: &[&str]) -> (Vec<String>, bool) {
        let mut names = SortedNames::default();
        for name in first {
            names.take(name.as_bytes());
        }
        let mut reversed = names.reversed();
        let new = second.iter().filter(|name| reversed.take(name.as_bytes())).map(|name| (*name).to_owned()).collect();
        (new, reversed.is_whole())
    }

    #[test]
    fn two_parts_are_whole_where_they_overlap_without_a_gap() {
        type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str], bool);
        let table: [Row; 10] = [
            ("they overlap", &["a", "b", "c"], &["e", "d", "c", "b"], &["e", "d"], true),
            ("by one name", &["a", "b", "c"], &["e", "d", "c"], &["e", "d"], true),
            ("there is a gap between", &["a", "b", "c"], &["f", "e", "d"], &["f", "e", "d"], false),
            ("cut first and turned round then", &["a", "b", "c"], &["c", "b", "a"], &[], false),
            ("one went away meanwhile", &["a", "b", "c"], &["e", "d", "c", "a"], &["e", "d"], false),
            ("one came meanwhile", &["a", "c", "d"], &["f", "d", "cc", "c"], &["f", "cc"], false),
            ("the first is in no order", &["a", "c", "b"], &["e", "d", "c", "b"], &["e", "d"], false),
            ("the second is in no order", &["a", "b", "c"], &["d", "e", "c", "b"], &["d", "e"], false),
            ("the second is in the first's order", &["a", "b", "c"], &["a", "b", "c"], &[], false),
            ("nothing came", &["a", "b"], &[], &[], false),
        ];
        for (what, first, second, new, whole) in table {
            assert_eq!(both(first, second), (new.iter().map(|name| (*name).to_owned()).collect(), whole), "{what}");
        }
    }

    #[test]
    fn order_is_that_of_the_bytes() {
        assert!(both(&["-", ".x", "B", "a", "é"], &["ö", "é", "a"]).1);
        assert!(!both(&["a", "B", "c"], &["d", "c", "B"]).1, "case does not count as letters do");
    }

    /// Whatever a folder holds and wherever it is cut: two parts are called whole only if they are.
    #[test]
    fn parts_of_any_folder_are_never_called_whole_wrongly() {
        let mut dice = fastrand::Rng::with_seed(226);
        let mut wholes = 0;
        for _ in 0..3000 {
            let mut names: Vec<String> = (0..dice.usize(1..40)).map(|_| dice.u16(..500).to_string()).collect();
            names.sort();
            names.dedup();
            let most = dice.usize(1..30);
            let first: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
            let second: Vec<&str> = names.iter().rev().take(most).map(String::as_str).collect();
            let (new, whole) = both(&first, &second);
            wholes += usize::from(whole);
            assert!(!whole || first.len() + new.len() == names.len(), "{names:?} cut at {most}");
            assert_eq!(whole, most < names.len() && 2 * most > names.len(), "{names:?} cut at {most}");
        }
        assert!(wholes > 300, "{wholes}");
    }
}
