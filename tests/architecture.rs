//! The floors of the house hold: a room names only rooms on lower floors; files stay readable; no `unsafe`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends by a panic, and says where")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Every room and its floor.
const FLOORS: [(&str, u8); 14] = [
    ("model", 0),
    ("wire", 1),
    ("policy", 1),
    ("manifest", 1),
    ("config", 1),
    ("ftp", 2),
    ("disk", 2),
    ("queue", 2),
    ("transfer", 3),
    ("engine", 4),
    ("cli", 5),
    ("ui", 5),
    ("api", 5),
    ("demo", 5),
];

/// Most lines of a file that is not a test.
const MOST_LINES: usize = 500;

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|&(_, floor)| floor)
}

#[test]
fn every_room_names_only_rooms_on_lower_floors() {
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        let mut parts = path.iter().map(|p| p.to_str().unwrap());
        let (first, more) = (parts.next().unwrap(), parts.next().is_some());
        match (first, more) {
            // These two put the parts together.
            ("lib.rs" | "main.rs", false) => {}
            (room, true) if floor(room).is_some() => {
                breaches.extend(breaches_in(room, &text).into_iter().map(|b| format!("src/{}: {b}", path.display())));
            }
            (other, _) => breaches.push(format!("src/{other} is no room of the house; give it a floor here")),
        }
    }
    assert!(breaches.is_empty(), "the floors are broken:\n{}", breaches.join("\n"));
}

#[test]
fn no_file_is_longer_than_can_be_read() {
    let too_long: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| path.file_name().is_some_and(|n| n != "tests.rs"))
        .map(|(path, text)| (path, lines_without_tests(&text)))
        .filter(|&(_, lines)| lines > MOST_LINES)
        .map(|(path, lines)| format!("src/{}: {lines} lines", path.display()))
        .collect();
    assert!(too_long.is_empty(), "over {MOST_LINES} lines, tests apart:\n{}", too_long.join("\n"));
}

#[test]
fn nothing_is_unsafe() {
    let beside = ["tests", "benches", "fuzz/src", "fuzz/fuzz_targets"].into_iter().flat_map(files_below);
    let unsafe_files: Vec<PathBuf> = sources()
        .into_iter()
        .chain(beside)
        .filter(|(_, text)| tokens(&plain(text)).iter().any(|t| t == "unsafe"))
        .map(|(path, _)| path)
        .collect();
    assert!(unsafe_files.is_empty(), "`unsafe` in {unsafe_files:?}");
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest)).unwrap();
        assert!(text.contains("unsafe_code = \"forbid\""), "{manifest} no longer forbids unsafe code");
    }
}

#[test]
fn the_map_in_lib_rs_names_every_room() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let missing: Vec<&str> = FLOORS.into_iter().map(|(r, _)| r).filter(|r| !text.contains(&format!("`{r}`"))).collect();
    assert!(missing.is_empty(), "the map in src/lib.rs leaves out {missing:?}");
}

/// Every Rust file under `src/`, by its path below it.
fn sources() -> Vec<(PathBuf, String)> {
    let found = files_below("src");
    assert!(found.len() > 10, "the sources were not found: {found:?}");
    found
}

/// Every Rust file below a folder, by its path below it.
fn files_below(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut todo = vec![root.clone()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing was found below {folder}");
    found
}

/// What a file of a room may not name.
fn breaches_in(room: &str, text: &str) -> Vec<String> {
    let own = floor(room).unwrap_or_default();
    let mut breaches = Vec::new();
    for named in rooms_named(text) {
        match (floor(&named), named.as_str()) {
            (_, name) if name == room => {}
            (Some(other), name) if other >= own => {
                breaches.push(format!("{room} (floor {own}) names {name} (floor {other})"));
            }
            (Some(_), _) => {}
            (None, name) => breaches.push(format!("{room} names `{name}`, which is no room; write crate::room::Thing")),
        }
    }
    breaches
}

/// First components of all paths that start at the crate, plain and in groups, and rooms reached by way of `super`.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let tokens = tokens(&plain(text));
    let mut named = BTreeSet::new();
    for at in 0..tokens.len() {
        let inside_path = at > 0 && tokens[at - 1] == "::";
        let starts = matches!(tokens[at].as_str(), "crate" | "ftpq") && !inside_path;
        if starts && tokens.get(at + 1).is_some_and(|t| t == "::") && !restricts_visibility(&tokens, at) {
            named.extend(heads(&tokens, at + 2));
        }
        if tokens[at] == "super" && !inside_path {
            let mut next = at + 1;
            while tokens.get(next).is_some_and(|t| t == "::") && tokens.get(next + 1).is_some_and(|t| t == "super") {
                next += 2;
            }
            // `super::super::room` can leave the room; a name that is a room is taken for one.
            if next > at + 1 && tokens.get(next).is_some_and(|t| t == "::") {
                named.extend(heads(&tokens, next + 1).into_iter().filter(|h| floor(h).is_some()));
            }
        }
    }
    named
}

/// `pub(in crate::room)` names no dependency.
fn restricts_visibility(tokens: &[String], at: usize) -> bool {
    at > 0 && tokens[at - 1] == "in"
}

/// The first names of a path, or of each path in a group.
fn heads(tokens: &[String], at: usize) -> Vec<String> {
    match tokens.get(at).map(String::as_str) {
        Some("{") => {
            let mut heads = Vec::new();
            let (mut depth, mut expected) = (0, false);
            for token in &tokens[at..] {
                match token.as_str() {
                    "{" => {
                        depth += 1;
                        expected = depth == 1;
                    }
                    "}" if depth == 1 => break,
                    "}" => depth -= 1,
                    "," => expected = depth == 1,
                    name if expected && depth == 1 => {
                        heads.push(name.to_owned());
                        expected = false;
                    }
                    _ => {}
                }
            }
            heads
        }
        Some(name) => vec![name.to_owned()],
        None => Vec::new(),
    }
}

/// Names, `::`, braces and commas, in order.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_alphanumeric() || c == '_' {
            let end = (at..chars.len()).find(|&i| !chars[i].is_alphanumeric() && chars[i] != '_');
            let end = end.unwrap_or(chars.len());
            tokens.push(chars[at..end].iter().collect());
            at = end;
        } else if c == ':' && chars.get(at + 1) == Some(&':') {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            at += 1;
        }
    }
    tokens
}

/// The text without comments, strings and characters; line ends stay.
fn plain(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().filter(|&&c| c == '\n'));
            out.push(' ');
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment, string or character that starts at `at` ends; `at` itself when none does.
fn skipped(chars: &[char], at: usize) -> usize {
    let is = |i: usize, c: char| chars.get(i) == Some(&c);
    let after = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        (from..chars.len()).find(|&i| chars[i..].starts_with(&end)).map_or(chars.len(), |i| i + end.len())
    };
    if is(at, '/') && is(at + 1, '/') {
        return (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len());
    }
    if is(at, '/') && is(at + 1, '*') {
        let (mut depth, mut i) = (1, at + 2);
        while i < chars.len() && depth > 0 {
            match (chars[i], chars.get(i + 1)) {
                ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
                ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
                _ => i += 1,
            }
        }
        return i;
    }
    let after_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if is(at, 'r') && (!after_name || (at > 0 && chars[at - 1] == 'b')) {
        let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
        if is(at + 1 + hashes, '"') {
            return after(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if is(at, '"') {
        let mut i = at + 1;
        while i < chars.len() && chars[i] != '"' {
            i += if chars[i] == '\\' { 2 } else { 1 };
        }
        return (i + 1).min(chars.len());
    }
    // A lifetime has no closing quote.
    if is(at, '\'') && is(at + 1, '\\') {
        return after(at + 3, "'");
    }
    if is(at, '\'') && is(at + 2, '\'') {
        return at + 3;
    }
    at
}

/// Lines up to the tests at the end of the file.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let test_module =
        |i: &usize| lines[*i].trim() == "#[cfg(test)]" && lines.get(i + 1).is_some_and(|l| l.contains("mod "));
    (0..lines.len()).find(test_module).unwrap_or(lines.len())
}

mod the_checker {
    use super::*;

    #[test]
    fn finds_a_room_on_its_own_or_a_higher_floor() {
        for (room, text) in [
            ("policy", "use crate::engine::Limits;"),
            ("wire", "use crate::policy::Plan;"),
            ("model", "fn f() { let x = ftpq::queue::open(); }"),
            ("ftp", "use crate::{model::Job, disk::{Part, sync}};"),
            ("disk", "use super::super::queue::Queue;"),
            ("policy", "#[cfg(test)]\nmod tests { use crate::transfer::Thing; }"),
            ("queue", "fn f(x: &crate :: engine\n::Desk) {}"),
        ] {
            let breaches = breaches_in(room, text);
            assert_eq!(breaches.len(), 1, "{room}: {text}: {breaches:?}");
        }
    }

    #[test]
    fn finds_what_hides_its_room() {
        for text in ["use crate::*;", "use crate::{self as all};", "use crate::Job;"] {
            assert_eq!(breaches_in("engine", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn lets_lower_floors_and_the_own_room_pass() {
        for (room, text) in [
            ("engine", "use crate::{model::{Job, JobId}, queue::Queue, transfer};"),
            ("queue", "use crate::queue::store::Store; use super::super::keys; use super::keys;"),
            ("wire", "// as crate::engine does\n/* crate::queue /* crate::ui */ */ use crate::model::Text;"),
            ("wire", "const A: &str = \"crate::engine\"; const B: &str = r#\"crate::\"queue\"#; const C: char = '\"';"),
            ("model", "pub(in crate::model) fn f<'a>(x: &'a str) -> &'a str { x }"),
            ("wire", "use other_crate::engine::X; use some::crate_engine;"),
        ] {
            assert_eq!(breaches_in(room, text), Vec::<String>::new(), "{room}: {text}");
        }
    }

    #[test]
    fn finds_unsafe_only_in_code() {
        let has = |text: &str| tokens(&plain(text)).iter().any(|t| t == "unsafe");
        assert!(has("fn f() { unsafe { g() } }"));
        assert!(!has("// unsafe\nfn unsafe_name() { \"unsafe\"; }"));
    }

    #[test]
    fn counts_lines_up_to_the_tests() {
        assert_eq!(lines_without_tests("a\nb\n#[cfg(test)]\nmod tests {\nc\n}\n"), 2);
        assert_eq!(lines_without_tests("a\n#[cfg(test)]\nfn f() {}\nb\n"), 4);
    }
}
