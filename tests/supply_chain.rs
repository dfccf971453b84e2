//! What ftpq is built from, as far as it can be told without tools: where it comes from, and that each crate has its
//! reason. Licences, duplicates and advisories are for `cargo deny`, which `.ci/run` calls.

#![allow(clippy::unwrap_used, reason = "a test ends by a panic, and says where")]
use std::fs;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(name: &str) -> String {
    fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The packages of a Cargo.lock, each with its lines.
fn packages(lock: &str) -> Vec<&str> {
    lock.split("[[package]]").skip(1).collect()
}

/// The crates of a Cargo.lock that come from elsewhere than crates.io, or whose content nothing pins.
fn strays(lock: &str) -> Vec<String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    packages(lock)
        .into_iter()
        .filter(|package| {
            let own = value(package, "name").is_some_and(|name| name == "ftpq") && value(package, "source").is_none();
            let known = value(package, "source").is_some_and(|source| source == REGISTRY);
            let pinned = value(package, "checksum").is_some_and(|sum| sum.len() == 64);
            !(own || known && pinned)
        })
        .map(|package| value(package, "name").unwrap_or_default())
        .collect()
}

/// The dependencies of a Cargo.toml that stand under no comment, neither their own nor that of their group.
fn without_reason(manifest: &str) -> Vec<String> {
    let (mut inside, mut reason, mut bare) = (false, false, Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
            reason = false;
        } else if line.starts_with('#') {
            reason = true;
        } else if line.is_empty() {
            reason = false;
        } else if inside && !line.starts_with([' ', ']', '}']) && !reason {
            bare.push(line.split('=').next().unwrap_or(line).trim().to_owned());
        }
    }
    bare
}

#[test]
fn every_crate_comes_from_crates_io_with_its_checksum() {
    let lock = read("Cargo.lock");
    assert!(packages(&lock).len() > 50);
    assert_eq!(strays(&lock), [""; 0]);
}

#[test]
fn a_crate_from_elsewhere_is_noticed() {
    let git = "[[package]]\nname = \"a\"\nsource = \"git+https://example.org/a#1\"\n";
    let bare = format!("[[package]]\nname = \"b\"\nsource = \"{REGISTRY}\"\n");
    let path = "[[package]]\nname = \"c\"\n";
    assert_eq!(strays(&format!("{git}\n{bare}\n{path}")), ["a", "b", "c"]);
}

#[test]
fn every_dependency_has_its_reason() {
    assert_eq!(without_reason(&read("Cargo.toml")), [""; 0]);
    assert_eq!(without_reason("[dependencies]\n# why\na = \"1\"\n\nb = \"1\"\n[features]\nc = []\n"), ["b"]);
}

#[test]
fn no_code_of_this_repository_may_be_unsafe() {
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let path = format!("{}/{manifest}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("unsafe_code = \"forbid\""), "{manifest}");
    }
}
