//! Whether two paths lead to one file.

use std::fs::symlink_metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether two paths lead to one file or folder, no link followed at their ends. The number of the file is not asked for: file
/// systems in user space (exFAT and NTFS among them) give one to each name that a file is looked for by. No two files of one
/// file system were changed in the same nanosecond in every way. Blocks.
#[must_use]
pub fn is_one_file(one: &Path, other: &Path) -> bool {
    let traits = |path: &Path| {
        let it = symlink_metadata(path).ok()?;
        Some((it.dev(), it.mode(), it.size(), (it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec())))
    };
    let one = traits(one);
    one.is_some() && one == traits(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn two_names_of_a_file_are_told_from_two_files() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a"), "x").unwrap();
        fs::write(at("b"), "y").unwrap();
        let time = fs::metadata(at("a")).unwrap().modified().unwrap();
        fs::File::options().write(true).open(at("b")).unwrap().set_modified(time).unwrap();
        fs::hard_link(at("a"), at("c")).unwrap();
        assert!(is_one_file(&at("a"), &at("c")) && is_one_file(dir.path(), &at("../").join(dir.path())));
        assert!(!is_one_file(&at("a"), &at("b")) && !is_one_file(&at("a"), &at("d")));
        assert!(!is_one_file(&at("d"), &at("d")), "nothing is there");
    }
}
