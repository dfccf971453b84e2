//! The tests that there are, found in the sources.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Every test of the library and of the program as a whole, as `module::test`.
pub(crate) fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for (folder, prefix) in [("src", ""), ("tests/program", ""), ("tests/support", "support::")] {
        for file in files(&root.join(folder)) {
            let below = file.strip_prefix(root.join(folder)).unwrap().with_extension("");
            let parts: Vec<&str> = below.iter().map(|part| part.to_str().unwrap()).collect();
            let parts = match parts.split_last() {
                Some((&("mod" | "lib" | "main"), rest)) => rest.to_vec(),
                _ => parts,
            };
            let module = parts.iter().fold(String::new(), |module, part| module + part + "::");
            let text = fs::read_to_string(&file).unwrap();
            found.extend(tests_in(&text).into_iter().map(|test| format!("{prefix}{module}{test}")));
        }
    }
    assert!(found.len() > 300, "the tests were not found: {found:?}");
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Names of the functions that are marked as tests, with the module of the file that they stand in.
fn tests_in(text: &str) -> Vec<String> {
    let (mut module, mut marked, mut found) = ("", false, Vec::new());
    for line in text.lines() {
        if let Some(name) =
            line.trim_start_matches("pub(crate) ").strip_prefix("mod ").and_then(|l| l.strip_suffix(" {"))
        {
            module = name;
        } else if line == "}" && !module.is_empty() && !marked {
            module = "";
        }
        let line = line.trim();
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))
            && std::mem::take(&mut marked)
        {
            let name = rest.split(['(', '<']).next().unwrap_or(rest);
            found.push(if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") });
        }
    }
    found
}

#[test]
fn a_test_is_found_by_its_mark_and_its_module() {
    let text = "#[test]\nfn a() {}\nfn helper() {}\n#[cfg(test)]\npub(crate) mod tests {\n    fn h() {\n    }\n    #[test]\n    \
                fn b() {\n    }\n}\n#[tokio::test]\n#[ignore]\nasync fn c() {\n}\n// #[test]\n// fn d() {}\n";
    assert_eq!(tests_in(text), ["a", "tests::b", "c"]);
}
