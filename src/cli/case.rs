//! Names that a file system takes for one: `Foo` and `foo` are one file on FAT, on network drives of Windows, on ext4 where a
//! folder is set to it.

use crate::disk::is_one_file;
use crate::engine::{Desk, DeskError};
use crate::model::{Destination, JobId, JobState, RelPath, Selection};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Jobs asked for at a time.
const PAGE: usize = 1_000;

/// The destinations of jobs, without regard to case. It holds 8 bytes for each, not the names.
pub(super) struct OtherNames {
    seen: HashSet<u64>,
    state: RandomState,
}

impl OtherNames {
    /// Those of the jobs of files that are meant.
    pub(super) async fn of(desk: &dyn Desk, is_meant: impl Fn(JobId) -> bool + Send + Sync) -> Result<Self, DeskError> {
        let mut names = Self { seen: HashSet::new(), state: RandomState::new() };
        let mut after = None;
        loop {
            let page = desk.list(Selection::default(), after, PAGE).await?;
            let Some(last) = page.last().map(|job| job.id) else { return Ok(names) };
            let others = page
                .iter()
                .filter(|job| job.spec.folder.is_none() && job.state != JobState::Cancelled && is_meant(job.id));
            names
                .seen
                .extend(others.map(|job| names.state.hash_one(folded(&job.spec.destination))).collect::<Vec<_>>());
            after = Some(last);
        }
    }

    /// Whether one of them is this one but for the case.
    pub(super) fn have(&self, destination: &Destination) -> bool {
        self.seen.contains(&self.state.hash_one(folded(destination)))
    }
}

fn folded(destination: &Destination) -> String {
    destination.full().to_string_lossy().to_lowercase()
}

/// Whether the file is found under names that differ from its own in case alone. Blocks.
pub(super) fn has_names_in_other_case(destination: &Destination) -> bool {
    let full = destination.full();
    is_found_in_other_case(destination.path(), |other| is_one_file(&full, &destination.dir().join(other)))
}

/// The same, where `is_it` tells whether a path leads to it. Each name on the way is tried by itself, since each folder may
/// lie on another file system; letters beyond ASCII are told apart on some that take `A` and `a` for one.
fn is_found_in_other_case(path: &RelPath, is_it: impl Fn(&str) -> bool) -> bool {
    let names: Vec<&str> = path.as_str().split('/').collect();
    (0..names.len()).any(|at| {
        let own = names.get(at).copied().unwrap_or_default();
        let flips: [fn(char) -> char; 2] = [flip_ascii, flip];
        flips.into_iter().any(|flip| {
            let flipped: String = own.chars().map(flip).collect();
            let other: Vec<&str> =
                names.iter().enumerate().map(|(n, name)| if n == at { &flipped } else { *name }).collect();
            flipped != own && is_it(&other.join("/"))
        })
    })
}

fn flip_ascii(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

/// The letter in the other case, where that is one letter.
fn flip(c: char) -> char {
    let only = |mut letters: Box<dyn Iterator<Item = char>>| letters.next().filter(|_| letters.next().is_none());
    let other = if c.is_lowercase() { only(Box::new(c.to_uppercase())) } else { only(Box::new(c.to_lowercase())) };
    other.unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_any_name_on_the_way_leads_to_in_another_case_is_told() {
        let fat = |file: &'static str| move |path: &str| path.eq_ignore_ascii_case(file);
        let unicode = |file: &'static str| move |path: &str| path.to_lowercase() == file.to_lowercase();
        let found =
            |path: &str, is_it: &dyn Fn(&str) -> bool| is_found_in_other_case(&RelPath::new(path).unwrap(), is_it);
        assert!(found("Foo", &fat("Foo")) && found("a/1", &fat("a/1")) && found("größe", &fat("größe")));
        assert!(found("Ä", &unicode("Ä")) && found("größe", &unicode("größe")) && found("1/É/2", &unicode("1/É/2")));
        // A file system of its own, with other rules, below one that tells case apart.
        let mixed = |path: &str| path.strip_prefix("Mount/").is_some_and(|path| path.eq_ignore_ascii_case("Foo"));
        assert!(found("Mount/Foo", &mixed));
        for path in ["Foo", "a/1", "größe", "1/2", "Ä"] {
            assert!(!found(path, &|other: &str| other == path), "{path}");
        }
        // No other name there is.
        assert!(!found("1/2", &fat("1/2")));
    }
}
