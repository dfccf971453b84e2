//! The order of work: long files first where their lengths are known, so that none is left to run alone at the end.

use crate::model::JobSpec;
use std::cmp::Reverse;

/// Files of less than 2 to this power bytes (1 MiB) are short: which of them goes first matters to nobody.
const SHORT: u32 = 20;

/// What is kept of a file's length: 0 where it is short or unknown, and one more for each doubling from 1 MiB on.
/// A folder has [`FOLDER`].
pub(super) type Class = u8;

/// A place in the order of work; the least is first. Longer files go before shorter ones, and those of one class in
/// the order of their numbers.
pub(super) type Rank = (Reverse<Class>, u64);

/// The class of folders: what they hold is known only once they are read.
pub(super) const FOLDER: Class = Class::MAX;

/// The class of a job.
pub(super) fn of(spec: &JobSpec) -> Class {
    if spec.folder.is_some() { FOLDER } else { class(spec.likely_size()) }
}

/// The class of a length in bytes.
fn class(size: Option<u64>) -> Class {
    let doublings = size.and_then(u64::checked_ilog2).map_or(0, |log| (log + 1).saturating_sub(SHORT));
    // At most 64 - 20.
    Class::try_from(doublings).unwrap_or(Class::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_doubles_from_class_to_class() {
        let mib = 1 << SHORT;
        let table = [
            (None, 0),
            (Some(0), 0),
            (Some(1), 0),
            (Some(mib - 1), 0),
            (Some(mib), 1),
            (Some(2 * mib - 1), 1),
            (Some(2 * mib), 2),
            (Some(700 * mib), 10),
            (Some(u64::MAX), 44),
        ];
        for (size, expected) in table {
            assert_eq!(class(size), expected, "{size:?}");
        }
    }
}
