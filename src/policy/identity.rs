//! Whether two descriptions of a remote file are of the same content.

use crate::model::{Identity, printable};

/// What two descriptions by the same server, one later than the other, show of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// What one tells, the other tells too, and it is the same.
    Same,
    /// It is another content, in these words.
    Moved(String),
    /// One of them leaves out what the other tells, in these words: nothing shows that the content is the same.
    Untold(String),
}

/// Compares two descriptions. `unique` counts only where both tell it: a server may be asked by SIZE and MDTM at one time and
/// by MLST at another.
#[must_use]
pub fn compare(before: &Identity, after: &Identity) -> Sameness {
    let changes = changes(before, after);
    if !changes.is_empty() {
        return Sameness::Moved(changes.join(", "));
    }
    let told = [
        ("size", before.size.is_some(), after.size.is_some()),
        ("time", before.modified.is_some(), after.modified.is_some()),
    ];
    let left_out = |&(name, before, after): &(&str, bool, bool)| match (before, after) {
        (true, false) => Some(format!("the server no longer tells the file's {name}")),
        (false, true) => Some(format!("the server did not tell the file's {name} before")),
        _ => None,
    };
    told.iter().find_map(left_out).map_or(Sameness::Same, Sameness::Untold)
}

/// Whether two descriptions show the same content.
#[must_use]
pub fn same_identity(before: &Identity, after: &Identity) -> bool {
    compare(before, after) == Sameness::Same
}

/// In what two descriptions differ that both tell.
pub(super) fn changes(old: &Identity, new: &Identity) -> Vec<String> {
    let mut parts = Vec::new();
    if let (Some(a), Some(b)) = (old.size, new.size)
        && a != b
    {
        parts.push(format!("size {a} became {b}"));
    }
    if let (Some(a), Some(b)) = (&old.modified, &new.modified)
        // Fractions may come and go; what both give must agree (RFC 3659, section 2.3).
        && !(a.starts_with(b.as_str()) || b.starts_with(a.as_str()))
    {
        parts.push(format!("time {} became {}", printable(a, 40), printable(b, 40)));
    }
    if let (Some(a), Some(b)) = (&old.unique, &new.unique)
        && a != b
    {
        parts.push(format!("unique id {} became {}", printable(a, 40), printable(b, 40)));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(size: Option<u64>, modified: Option<&str>, unique: Option<&str>) -> Identity {
        Identity { size, modified: modified.map(str::to_owned), unique: unique.map(str::to_owned) }
    }

    const TIME: Option<&str> = Some("20240102030405");

    #[test]
    fn what_was_told_once_has_to_be_told_again() {
        let full = identity(Some(5), TIME, None);
        let untold = |before: &Identity, after: &Identity| match compare(before, after) {
            Sameness::Untold(why) => why,
            other => panic!("{other:?}"),
        };
        let no_time = identity(Some(5), None, None);
        assert_eq!(untold(&full, &no_time), "the server no longer tells the file's time");
        assert_eq!(untold(&no_time, &full), "the server did not tell the file's time before");
        assert_eq!(untold(&full, &identity(None, TIME, None)), "the server no longer tells the file's size");
        assert_eq!(untold(&identity(None, TIME, None), &full), "the server did not tell the file's size before");
        // A server that never tells a time is taken at its size.
        assert!(same_identity(&no_time, &no_time));
        assert!(same_identity(&Identity::default(), &Identity::default()));
    }

    #[test]
    fn what_differs_is_named_even_where_something_is_left_out() {
        let told = |before: &Identity, after: &Identity| match compare(before, after) {
            Sameness::Moved(why) => why,
            other => panic!("{other:?}"),
        };
        let full = identity(Some(5), TIME, Some("u1"));
        assert_eq!(told(&full, &identity(Some(6), None, None)), "size 5 became 6");
        assert_eq!(
            told(&full, &identity(Some(6), Some("20240102030406"), Some("u2"))),
            "size 5 became 6, time 20240102030405 became 20240102030406, unique id u1 became u2"
        );
    }

    #[test]
    fn fractions_and_unique_ids_may_come_and_go() {
        let full = identity(Some(5), TIME, None);
        assert!(same_identity(&full, &identity(Some(5), Some("20240102030405.123"), None)));
        assert!(same_identity(&identity(Some(5), Some("20240102030405.123"), None), &full));
        assert!(!same_identity(
            &identity(Some(5), Some("20240102030405.5"), None),
            &identity(Some(5), Some("20240102030405.6"), None)
        ));
        assert!(same_identity(&full, &identity(Some(5), TIME, Some("u1"))));
        assert!(!same_identity(&identity(Some(5), TIME, Some("u2")), &identity(Some(5), TIME, Some("u1"))));
    }
}
