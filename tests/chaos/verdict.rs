//! Whether what ftpq left and says is true: the storm knows what it did.

use crate::{
    files::Planned,
    storm::{Standing, Storm},
    support::{bytes::difference, watch},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
};

/// Most memory of ftpq, in KiB, whatever happens. A debug build that only waits for a server over TLS holds 45 MiB; up to 272
/// small files of at most 64 KiB, 17 MiB together, wait in memory for the server's last word where their sessions stall.
const MOST_MEMORY: u64 = 96 << 10;
/// Most control connections to one server for each run and for each blow to it: as many as a run may open to a host, and
/// what follows when all of them break.
const MOST_LOGINS: u64 = 16;

/// A job as ftpq tells of it, beside the truth.
struct Case<'a> {
    job: Value,
    planned: &'a Planned,
    standing: &'a Standing,
    /// What stands under the final name.
    found: Found,
}

/// What stands under a final name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// No file.
    Nothing,
    /// The whole of a version.
    Version(usize),
    /// What is no version of the file.
    Rubbish,
}

impl Case<'_> {
    fn state(&self) -> &str {
        self.job["state"].as_str().unwrap_or_default()
    }

    fn is_done(&self) -> bool {
        self.state() == "done"
    }
}

/// The verdict on what the storm left: a row of the table.
pub(crate) fn after_the_storm(storm: &mut Storm) -> String {
    let mut problems = Vec::new();
    let mut row = String::new();
    {
        let cases = cases(storm, &mut problems);
        let mut ends: BTreeMap<String, u64> = BTreeMap::new();
        for case in &cases {
            let end = match case.state() {
                "done" => "equal".to_owned(),
                "queued" | "waiting" => "open".to_owned(),
                "failed" => format!("failed ({})", case.job["failure"]["cause"].as_str().unwrap_or("?")),
                other => format!("{other}?"),
            };
            *ends.entry(end).or_default() += 1;
            problems.extend(wrong_file(case).into_iter().chain(wrong_state(case)).chain(wrong_reason(case, storm)));
        }
        let done: BTreeSet<u64> = cases.iter().filter(|c| c.is_done()).filter_map(|c| c.job["id"].as_u64()).collect();
        let lost: Vec<_> = storm.said_done.difference(&done).collect();
        if !lost.is_empty() {
            problems.push(format!("jobs that ftpq said were done, and are no more: {lost:?}"));
        }
        let needed: u64 = cases.iter().filter(|c| c.is_done()).map(length_of).sum();
        writeln!(row, "chaos seed {}: {}", storm.plan.seed, listed(&ends)).unwrap();
        row += &costs(storm, needed);
    }
    for site in &storm.town.sites {
        // A retry that waits for nothing would be seen here: it comes a thousand times a second.
        let blows = site.tally.total() + storm.tally.of(&["SIGSTOP"]);
        let most = MOST_LOGINS * (storm.memory.len() as u64 + blows);
        if site.relay.logins() > most {
            problems.push(format!("{} control connections to {}, more than {most}", site.relay.logins(), site.host));
        }
    }
    let most = storm.memory.iter().max().copied().unwrap_or_default();
    if most > MOST_MEMORY {
        problems.push(format!("{most} KiB of memory: {:?} in the rounds", storm.memory));
    }
    storm.problems.extend(problems);
    row
}

/// The verdict once all was well again, what had failed was tried again, and a run came to its end.
pub(crate) fn after_the_calm(storm: &mut Storm) -> String {
    let mut problems = Vec::new();
    let cases = cases(storm, &mut problems);
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut whole = BTreeSet::new();
    for case in &cases {
        problems.extend(wrong_file(case));
        let id = case.job["id"].clone();
        let reason = case.job["failure"]["cause"].as_str().unwrap_or("?");
        match case.state() {
            "done" => {
                *ends.entry("equal".to_owned()).or_default() += 1;
                whole.insert(storm.house.ftpq.downloads().join(&case.planned.path));
            }
            "failed" if is_for_good(case, reason) => *ends.entry(format!("failed ({reason})")).or_default() += 1,
            state => problems.push(format!("job {id} is {state} though all is well again: {}", case.job)),
        }
    }
    let parts = watch::parts_below(&storm.house.ftpq.downloads());
    let left: Vec<_> = whole.iter().map(|path| watch::part_of(path)).filter(|part| parts.contains(part)).collect();
    if !left.is_empty() {
        problems.push(format!("part files of files that are done: {left:?}"));
    }
    storm.problems.extend(problems);
    format!("    after the calm: {}\n", listed(&ends))
}

fn listed(ends: &BTreeMap<String, u64>) -> String {
    ends.iter().map(|(end, n)| format!("{n} {end}")).collect::<Vec<_>>().join(", ")
}

fn length_of(case: &Case) -> u64 {
    let Found::Version(version) = case.found else { return 0 };
    case.standing.contents[version].len() as u64
}

/// What was done and what it cost, for the table.
fn costs(storm: &Storm, needed: u64) -> String {
    let mut row = String::new();
    writeln!(row, "    ftpq, disk, clock, files: {}", storm.tally).unwrap();
    for (n, site) in storm.town.sites.iter().enumerate() {
        site.tally.add(site.relay.tally());
        writeln!(
            row,
            "    {} ({:?}): {} control connections; {}",
            site.host,
            storm.plan.tls[n],
            site.relay.logins(),
            site.tally
        )
        .unwrap();
    }
    let served: u64 = storm.town.sites.iter().map(|site| site.relay.bytes()).sum();
    let most = storm.memory.iter().max().copied().unwrap_or_default();
    let (served, needed) = (served >> 10, needed >> 10);
    writeln!(row, "    {} runs, {served} KiB served for {needed}, at most {most} KiB of memory", storm.memory.len())
        .unwrap();
    row
}

fn cases<'a>(storm: &'a Storm, problems: &mut Vec<String>) -> Vec<Case<'a>> {
    let mut jobs: BTreeMap<String, Value> = BTreeMap::new();
    for job in storm.house.ftpq.json(&["list"]) {
        let path = job["destination"]["path"].as_str().unwrap_or_default().to_owned();
        if jobs.insert(path.clone(), job).is_some() {
            problems.push(format!("two jobs for {path}"));
        }
    }
    let mut cases = Vec::new();
    for (planned, standing) in storm.plan.files.iter().zip(&storm.files) {
        let Some(job) = jobs.remove(&planned.path) else {
            problems.push(format!("the job of {} is lost", planned.path));
            continue;
        };
        let here = fs::read(storm.house.ftpq.downloads().join(&planned.path)).ok();
        let which = |data: &Vec<u8>| standing.contents.iter().position(|version| **version == *data);
        let found = here.as_ref().map_or(Found::Nothing, |data| which(data).map_or(Found::Rubbish, Found::Version));
        if let Some(data) = here.filter(|_| found == Found::Rubbish) {
            let all: Vec<_> = standing.contents.iter().map(|version| difference(&data, version)).collect();
            problems.push(format!("{} is no version of the file: {all:?}", planned.path));
        }
        cases.push(Case { job, planned, standing, found });
    }
    if !jobs.is_empty() {
        problems.push(format!("jobs that nobody asked for: {:?}", jobs.keys()));
    }
    cases
}

fn wrong_file(case: &Case) -> Option<String> {
    (case.is_done() && case.found == Found::Nothing).then(|| format!("done, and no file is there: {}", case.job))
}

fn wrong_state(case: &Case) -> Option<String> {
    let right = ["done", "queued", "waiting", "failed"].contains(&case.state());
    (!right).then(|| format!("a state that nobody asked for: {}", case.job))
}

/// Whether the reason that ftpq gives for a job that is not done is one that it was given.
fn wrong_reason(case: &Case, storm: &Storm) -> Option<String> {
    let failure = &case.job["failure"];
    if case.is_done() || (failure.is_null() && case.state() != "failed") {
        return None;
    }
    let reason = failure["cause"].as_str().unwrap_or("none");
    if explains(case, reason, storm) && failure["message"].as_str().is_some_and(|m| !m.is_empty()) {
        return None;
    }
    let site = &storm.town.sites[case.planned.server];
    let done = format!("{}; {}; {}", storm.tally, site.tally, site.relay.tally());
    Some(format!("a reason that nothing done explains: {}\n  what was done: {done}", case.job))
}

fn explains(case: &Case, reason: &str, storm: &Storm) -> bool {
    let site = &storm.town.sites[case.planned.server];
    let done = |kinds: &[&str]| site.tally.of(kinds) + site.relay.tally().of(kinds) + storm.tally.of(kinds) > 0;
    let changed = case.standing.version > 0;
    match reason {
        "missing" => case.standing.was_gone,
        "wrong_checksum" => changed && case.planned.tells_sum,
        "wrong_size" => changed || done(&["FIN", "all closed", "server killed"]),
        "changed" => changed,
        "exists" => changed && done(&["SIGKILL"]),
        "disk_full" => done(&["disk full"]),
        "unreachable" => done(&["server killed", "ports closed", "address gone", "name gone"]),
        "timeout" => done(&["stalled", "silence", "address gone", "SIGSTOP", "delayed", "dripped"]),
        "disconnected" | "data_connection" => {
            done(&["reset", "FIN", "all reset", "all closed", "server killed", "ports closed", "address gone"])
        }
        // Nobody refused a login or a connection, broke the protocol, or asked for what can't be.
        _ => false,
    }
}

/// Whether a failure is final even though everything is well: the list promises what the server has no more.
fn is_for_good(case: &Case, reason: &str) -> bool {
    let (first, now) = (&case.standing.contents[0], &case.standing.contents[case.standing.version]);
    match reason {
        "wrong_size" => case.planned.tells_size && first.len() != now.len(),
        "wrong_checksum" => case.planned.tells_sum && first != now,
        "exists" => case.standing.version > 0 && case.found != Found::Nothing,
        _ => false,
    }
}
