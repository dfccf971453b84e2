//! A file that was finished before and is asked for again: whether the server still has the same one, and whether what
//! stands here is still what was put there.

use super::identity::changes;
use super::resume::unix_seconds;
use crate::model::{Identity, Receipt, Stability, TransferType};

/// Seconds by which a server's times may be behind this machine's: some tell local time (RFC 3659, section 2.3, asks for UTC).
pub const SKEW: i64 = 14 * 3600 + 120;

/// Whether a server still has the file that a receipt tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It has, as far as size and time tell.
    Same,
    /// Its size is the same, and more can't be compared: why.
    SameSize(&'static str),
    /// Size and time are the same, and the `unique` fact is another: some servers number their files anew.
    OtherId,
    /// It has another one: in what they differ.
    Different(String),
    /// It tells a time that it did not tell then, and by which the file may have been changed since.
    NewTime(String),
    /// It no longer tells what it told then: what is not told is not the same.
    Untold(&'static str),
}

/// Compares what the server says now with what it said when the file was finished. `same_source` tells that it is the
/// same server: each mirror has times of its own. In TYPE A the file here may have another size than the server's.
#[must_use]
pub fn compare_with_receipt(receipt: &Receipt, now: &Identity, same_source: bool, kind: TransferType) -> Comparison {
    let (mut then, now) = (known(&receipt.identity, receipt.size), known(now, receipt.size));
    if then.size.is_none() && now.size.is_some() && kind == TransferType::Image {
        then.size = Some(receipt.size);
    }
    let times_move = receipt.stability == Some(Stability::ReadTwice) && now.modified.is_none();
    if times_move {
        then.modified = None;
    }
    match (then.size, now.size) {
        (Some(a), Some(b)) if a != b => return Comparison::Different(changes(&then, &now).join(", ")),
        (Some(_), None) => return Comparison::Untold("size"),
        _ => {}
    }
    if !same_source {
        return match (then.size, now.size) {
            (Some(_), Some(_)) => Comparison::SameSize("it came from another mirror"),
            _ => Comparison::Untold("size"),
        };
    }
    let differs = match (&then.modified, &now.modified) {
        // Fractions may come and go; what both give must agree (RFC 3659, section 2.3).
        (Some(a), Some(b)) => !(a.starts_with(b.as_str()) || b.starts_with(a.as_str())),
        _ => false,
    };
    let other_id = matches!((&then.unique, &now.unique), (Some(a), Some(b)) if a != b);
    match (&then.modified, &now.modified) {
        _ if differs => Comparison::Different(changes(&then, &now).join(", ")),
        (Some(_), Some(_)) if other_id => Comparison::OtherId,
        _ if other_id => Comparison::Different(changes(&then, &now).join(", ")),
        (Some(_), Some(_)) => Comparison::Same,
        (Some(_), None) if receipt.untold => Comparison::SameSize("the server tells no time any more"),
        (Some(_), None) => Comparison::Untold("time"),
        (None, Some(time)) => since(receipt, time),
        (None, None) if then.size.is_none() || now.size.is_none() => Comparison::Untold("size nor time"),
        (None, None) if times_move => Comparison::SameSize("the server tells another time at each look"),
        (None, None) => Comparison::SameSize("the server tells no time"),
    }
}

/// Some servers answer 0 for the size of every file: that tells nothing of one that is not empty.
fn known(identity: &Identity, size: u64) -> Identity {
    Identity { size: identity.size.filter(|&told| told != 0 || size == 0), ..identity.clone() }
}

/// A time that was not told then tells whether the file was changed since.
fn since(receipt: &Receipt, time: &str) -> Comparison {
    let begun = receipt.finished_at.saturating_sub(receipt.millis.div_ceil(1000));
    let begun = i64::try_from(begun).unwrap_or(i64::MAX);
    match unix_seconds(time) {
        Some(changed) if changed.saturating_add(SKEW) < begun => Comparison::Same,
        Some(changed) if changed < begun.saturating_add(SKEW) => Comparison::NewTime(crate::model::printable(time, 40)),
        Some(_) => Comparison::Different(format!("it was changed at {}", crate::model::printable(time, 40))),
        None => Comparison::Untold("time"),
    }
}

/// Whether the file under the final name has length and time as it was finished: its own time then, or the server's, where
/// that was told, otherwise one not after the end of the download. One that was left alone never was.
#[must_use]
pub fn is_as_finished(receipt: &Receipt, size: u64, modified: Option<i64>) -> bool {
    let told = receipt.modified_here.or_else(|| receipt.identity.modified.as_deref().and_then(unix_seconds));
    let finished = i64::try_from(receipt.finished_at).unwrap_or(i64::MAX);
    let in_time = match told {
        // FAT keeps every other second.
        Some(told) => modified.is_some_and(|modified| modified == told || modified == told - told.rem_euclid(2)),
        None => modified.is_some_and(|modified| modified <= finished),
    };
    size == receipt.size && in_time && !receipt.left_alone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(size: Option<u64>, modified: Option<&str>, unique: Option<&str>) -> Identity {
        Identity { size, modified: modified.map(str::to_owned), unique: unique.map(str::to_owned) }
    }

    /// Finished at 2024-03-01 00:00:00, after ten seconds.
    fn receipt(identity: Identity) -> Receipt {
        Receipt { size: 7, identity, finished_at: 1_709_251_200, millis: 10_000, ..Receipt::default() }
    }

    const T: Option<&str> = Some("20240229123456");

    #[test]
    fn a_file_is_as_it_was_finished_by_its_own_time_or_the_server_s() {
        let told = receipt(identity(Some(7), Some("20240229123457"), None));
        let at = unix_seconds("20240229123457").unwrap();
        for (modified, is_it) in [(at, true), (at - 1, true), (at + 1, false), (at - 2, false)] {
            assert_eq!(is_as_finished(&told, 7, Some(modified)), is_it, "{modified}: FAT has even seconds");
        }
        assert!(!is_as_finished(&told, 8, Some(at)) && !is_as_finished(&told, 7, None));
        let even = receipt(identity(Some(7), Some("20240229123456"), None));
        assert!(!is_as_finished(&even, 7, Some(at - 2)));
        let own = Receipt { modified_here: Some(5), ..told };
        assert!(is_as_finished(&own, 7, Some(5)) && !is_as_finished(&own, 7, Some(at)));
    }

    #[test]
    fn what_was_told_then_has_to_be_told_now_and_be_equal() {
        let full = identity(Some(7), T, None);
        for (then, now, verdict) in [
            (full.clone(), full.clone(), "same"),
            (full.clone(), identity(Some(7), Some("20240229123456.123"), None), "same"),
            (full.clone(), identity(Some(7), T, Some("u")), "same"),
            (full.clone(), identity(Some(8), T, None), "different"),
            (full.clone(), identity(Some(7), Some("20240229123457"), None), "different"),
            (identity(Some(7), T, Some("u")), identity(Some(7), T, Some("v")), "id"),
            (identity(Some(7), None, Some("u")), identity(Some(7), None, Some("v")), "different"),
            (full.clone(), identity(Some(7), None, None), "untold"),
            (full.clone(), identity(None, T, None), "untold"),
            (full.clone(), identity(Some(0), T, None), "untold"),
            (full, Identity::default(), "untold"),
            (identity(Some(7), None, None), identity(Some(7), None, None), "size"),
            (identity(Some(7), None, None), identity(Some(8), None, None), "different"),
            (identity(None, T, None), identity(None, T, None), "same"),
            (identity(Some(0), T, None), identity(Some(0), T, None), "same"),
            (identity(Some(0), None, None), identity(Some(0), None, None), "untold"),
            (Identity::default(), Identity::default(), "untold"),
            // A size that is told only now is that of the file here, or of another.
            (Identity::default(), identity(Some(7), None, None), "size"),
            (Identity::default(), identity(Some(9), None, None), "different"),
            (identity(None, T, None), identity(Some(7), T, None), "same"),
            (identity(None, T, None), identity(Some(9), T, None), "different"),
            (identity(Some(0), T, None), identity(Some(9), T, None), "different"),
        ] {
            let found = match compare_with_receipt(&receipt(then.clone()), &now, true, TransferType::Image) {
                Comparison::Same => "same",
                Comparison::SameSize(_) => "size",
                Comparison::OtherId => "id",
                Comparison::Different(_) => "different",
                Comparison::Untold(_) => "untold",
                Comparison::NewTime(_) => "new",
            };
            assert_eq!(found, verdict, "{then:?} {now:?}");
        }
    }

    #[test]
    fn a_time_that_is_told_only_now_has_to_lie_before_the_download() {
        let before = receipt(identity(Some(7), None, None));
        let at = |time| compare_with_receipt(&before, &identity(Some(7), Some(time), None), true, TransferType::Image);
        assert_eq!(at("20240229093000"), Comparison::Same);
        // In whatever zone it is told.
        for time in ["20240229100000", "20240229235830", "20240301000001", "20240301130000"] {
            assert_eq!(at(time), Comparison::NewTime(time.to_owned()));
        }
        for time in ["20240301150000", "20250101000000"] {
            assert!(matches!(at(time), Comparison::Different(_)), "{time}");
        }
        assert_eq!(at("yesterday"), Comparison::Untold("time"));
    }

    #[test]
    fn a_time_that_moved_at_each_look_tells_nothing_while_it_is_left_out() {
        let before = Receipt { stability: Some(Stability::ReadTwice), ..receipt(identity(Some(7), None, None)) };
        let at = |now: Identity| compare_with_receipt(&before, &now, true, TransferType::Image);
        assert!(matches!(at(identity(Some(7), None, None)), Comparison::SameSize(_)));
        assert!(matches!(at(identity(Some(8), None, None)), Comparison::Different(_)));
        assert!(matches!(at(identity(None, None, None)), Comparison::Untold(_)));
        // A time that moves no more is as one that is told only now.
        assert_eq!(at(identity(Some(7), Some("20240229093000"), None)), Comparison::Same);
        assert!(matches!(at(identity(Some(7), Some("20250101000000"), None)), Comparison::Different(_)));
    }

    #[test]
    fn another_mirror_is_compared_by_size_alone() {
        let before = receipt(identity(Some(7), T, Some("u")));
        let at = |now: Identity| compare_with_receipt(&before, &now, false, TransferType::Image);
        assert!(matches!(at(identity(Some(7), Some("20250101000000"), Some("v"))), Comparison::SameSize(_)));
        assert!(matches!(at(identity(Some(8), T, None)), Comparison::Different(_)));
        assert!(matches!(at(identity(None, T, None)), Comparison::Untold(_)));
    }

    #[test]
    fn a_file_here_is_as_finished_by_length_and_the_servers_time() {
        let told = receipt(identity(Some(7), T, None));
        assert!(is_as_finished(&told, 7, Some(1_709_210_096)));
        for (size, modified) in [(8, Some(1_709_210_096)), (7, Some(1_709_210_097)), (7, None)] {
            assert!(!is_as_finished(&told, size, modified), "{size} {modified:?}");
        }
        let untold = receipt(identity(Some(7), None, None));
        assert!(is_as_finished(&untold, 7, Some(1_709_251_200)));
        assert!(!is_as_finished(&untold, 7, Some(1_709_251_201)));
    }
}
