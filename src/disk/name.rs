//! Names of unfinished files.

use ring::digest::{SHA256, digest as digest_of};
use std::fmt::Write;

/// What a part file's name ends with.
const SUFFIX: &str = ".ftpq-part";
/// What is added for a part that was set aside.
const OLD: &str = ".old";
/// Longest name that file systems take, in bytes.
const LONGEST: usize = 255;
/// Length in bytes of every shortened part name; the names that needed no shortening are all shorter, so that
/// the two never meet.
const SHORTENED: usize = LONGEST - OLD.len();

/// The part file's name beside a final name: `.NAME.ftpq-part`, or a shortened name with a digest of the whole one
/// where that and `.old` would not fit.
pub(super) fn part_name(name: &str) -> String {
    let plain = format!(".{name}{SUFFIX}");
    if plain.len() < SHORTENED {
        return plain;
    }
    let mut digest = String::new();
    for byte in digest_of(&SHA256, name.as_bytes()).as_ref().iter().take(8) {
        let _ = write!(digest, "{byte:02x}");
    }
    let room = SHORTENED - 1 - SUFFIX.len() - digest.len() - 1;
    let mut cut = room.min(name.len());
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let head = name.get(..cut).unwrap_or_default();
    let fill = "~".repeat(1 + room - cut);
    format!(".{head}{fill}{digest}{SUFFIX}")
}

/// The name of a part that was set aside.
pub(super) fn old_name(part: &str) -> String {
    format!("{part}{OLD}")
}

/// The name of a file that turned out to be wrong, the so-many-th of them: `NAME.ftpq-wrong-WHAT`, and `.2` and so on
/// behind it. A long name is shortened as that of a part file is.
pub(super) fn wrong_name(name: &str, what: &str, number: u32) -> String {
    let number = if number > 1 { format!(".{number}") } else { String::new() };
    let suffix = format!(".ftpq-wrong-{what}{number}");
    if name.len() + suffix.len() <= LONGEST {
        return format!("{name}{suffix}");
    }
    let mut digest = String::new();
    for byte in digest_of(&SHA256, name.as_bytes()).as_ref().iter().take(8) {
        let _ = write!(digest, "{byte:02x}");
    }
    let mut cut = LONGEST.saturating_sub(suffix.len() + digest.len() + 1).min(name.len());
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}~{digest}{suffix}", name.get(..cut).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_part_name_stands_beside_the_final_name() {
        assert_eq!(part_name("a.gz"), ".a.gz.ftpq-part");
        assert_eq!(old_name(&part_name("a.gz")), ".a.gz.ftpq-part.old");
    }

    #[test]
    fn long_names_fit_and_stay_apart() {
        let mut seen = HashSet::new();
        for length in 200..=LONGEST {
            for name in [format!("{}a", "x".repeat(length - 1)), format!("{}b", "x".repeat(length - 1))] {
                let part = part_name(&name);
                assert!(old_name(&part).len() <= LONGEST, "{length}");
                assert!(part.ends_with(SUFFIX), "{part}");
                assert!(seen.insert(part), "two names of {length} bytes share a part file");
            }
        }
        // A file may carry the very name that another one's part was shortened to.
        let shortened = part_name(&"x".repeat(LONGEST));
        let twin = &shortened[1..shortened.len() - SUFFIX.len()];
        assert_ne!(part_name(twin), shortened);
    }

    #[test]
    fn the_name_of_a_wrong_file_tells_so_and_fits() {
        assert_eq!(wrong_name("a.gz", "md5", 1), "a.gz.ftpq-wrong-md5");
        assert_eq!(wrong_name("a.gz", "sha-256", 2), "a.gz.ftpq-wrong-sha-256.2");
        let mut seen = HashSet::new();
        for name in ["x".repeat(255), format!("{}y", "x".repeat(254)), "é".repeat(127)] {
            for number in [1, 2, 1000] {
                let wrong = wrong_name(&name, "pieces", number);
                assert!(wrong.len() <= LONGEST && wrong.contains(".ftpq-wrong-pieces"), "{wrong}");
                assert!(seen.insert(wrong));
            }
        }
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        let part = part_name(&"é".repeat(127));
        assert_eq!(part.len(), SHORTENED);
        assert!(part.contains("é~"), "{part}");
    }
}
