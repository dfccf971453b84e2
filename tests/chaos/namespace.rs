//! Each seed in namespaces of its own: addresses, ports, mounts and processes that nobody else sees, and that are gone
//! with it.

use crate::support::{real, report};
use std::{
    env, fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// The seed and its seconds, inside.
pub(crate) fn asked() -> Option<(u64, u64)> {
    let number = |name: &str| env::var(name).ok()?.parse().ok();
    Some((number("FTPQ_CHAOS_SEED")?, number("FTPQ_CHAOS_SPAN_INSIDE")?))
}

/// Where the inside writes its plan, its row of the table and its story.
pub(crate) fn out() -> PathBuf {
    PathBuf::from(env::var_os("FTPQ_CHAOS_OUT").unwrap())
}

/// Weathers one seed. Panics, with the story, when something is not as it has to be.
pub(crate) fn weather(seed: u64, span: u64) {
    if let Some(reason) = unavailable() {
        return report::skip(&reason);
    }
    let folder = tempfile::tempdir().unwrap();
    let (row, story) = run(seed, span, folder.path());
    report::table(&row);
    assert!(story.is_none(), "seed {seed}:\n{}", story.unwrap());
}

/// Weathers all these seeds, each to its end, and prints a row of each. With `FTPQ_CHAOS_LOGS` the story of each stays
/// there.
pub(crate) fn weather_all(seeds: Range<u64>, span: u64) {
    if let Some(reason) = unavailable() {
        panic!("{reason}");
    }
    let logs = env::var_os("FTPQ_CHAOS_LOGS").map(PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let mut bad = Vec::new();
    for seed in seeds {
        let place = logs.clone().unwrap_or_else(|| folder.path().to_owned()).join(seed.to_string());
        fs::create_dir_all(&place).unwrap();
        let (row, story) = run(seed, span, &place);
        print!("{row}");
        if let Some(story) = story {
            let problems = fs::read_to_string(place.join("problems")).unwrap_or(story);
            let first: Vec<String> = problems.lines().take(12).map(|line| line.chars().take(600).collect()).collect();
            println!("seed {seed} IS NOT AS IT HAS TO BE:\n{}", first.join("\n"));
            bad.push(seed);
        }
    }
    assert!(bad.is_empty(), "seeds {bad:?}");
}

/// Runs a seed in its namespaces: its row of the table, and its story where something was wrong.
fn run(seed: u64, span: u64, place: &Path) -> (String, Option<String>) {
    let begin = Instant::now();
    let output = fs::File::create(place.join("output")).unwrap();
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "inside", "--ignored", "--nocapture"])
        .env("FTPQ_CHAOS_SEED", seed.to_string())
        .env("FTPQ_CHAOS_SPAN_INSIDE", span.to_string())
        .env("FTPQ_CHAOS_OUT", place)
        .env_remove("FTPQ_TEST_REPORT")
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .status()
        .unwrap();
    let row = fs::read_to_string(place.join("row"))
        .unwrap_or_else(|_| format!("chaos seed {seed}: came to no end, after {:.0?}\n", begin.elapsed()));
    let story = (!status.success()).then(|| {
        let output = fs::read(place.join("output")).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    });
    (row, story)
}

/// Why there can be no storm here, where that is so.
fn unavailable() -> Option<String> {
    if let Some(reason) = real::tls_unavailable() {
        return Some(reason);
    }
    let able = Command::new("unshare").args(["--net", "ip", "link", "set", "lo", "up"]).output();
    match able {
        Ok(output) if output.status.success() => None,
        _ => Some("needs root and ip (iproute2), for a network namespace".to_owned()),
    }
}
