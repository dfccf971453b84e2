//! The table of attacks: that it is whole and true, and, at the end of `tests/run`, what came of each in that run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends by a panic, and says where"
)]

mod results;
mod rows;
mod sources;

use results::{Results, Standing};
use rows::{ROWS, Row};
use std::{collections::BTreeSet, env, fmt::Write, fs, io::Write as _, path::Path};

/// Rows whose tests are not written yet. A row that gets its tests is to leave this list.
const AWAITED: &[u8] = &[];

/// An id as it stands in the name of a test.
fn word(id: &str) -> String {
    id.to_lowercase().replace('-', "_")
}

/// Whether a test's name holds the id, whole.
fn holds(name: &str, id: &str) -> bool {
    let (name, id) = (format!("_{name}_"), format!("_{}_", word(id)));
    name.contains(&id)
}

fn last(test: &str) -> &str {
    test.rsplit("::").next().unwrap_or(test)
}

#[test]
fn the_table_has_every_row_once_and_each_is_answered() {
    let numbers: Vec<u8> = ROWS.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=65).collect::<Vec<u8>>());
    for Row { number, ids, attack, tests, void } in ROWS {
        assert!(!ids.is_empty() && !attack.is_empty(), "row {number}");
        let awaited = AWAITED.contains(number);
        assert_eq!(tests.is_empty(), awaited, "row {number}: it has tests, or stands in AWAITED");
        let named = tests.iter().any(|test| ids.iter().any(|id| holds(last(test), id)));
        // Where another row's test makes the same attack, the reason is for the reader to see in the row itself.
        let shared = tests.iter().any(|test| ROWS.iter().any(|r| r.number != *number && r.tests.contains(test)));
        assert!(awaited || named || shared, "row {number}: no test has one of {ids:?} in its name ({void})");
    }
}

#[test]
fn every_test_that_the_table_names_exists() {
    let tests = sources::tests();
    for Row { number, tests: named, .. } in ROWS {
        for test in *named {
            assert!(tests.contains(*test), "row {number}: there is no test {test}");
        }
    }
}

#[test]
fn every_test_with_an_id_in_its_name_stands_in_its_row() {
    let mut wrong = Vec::new();
    for test in sources::tests() {
        let found: BTreeSet<u8> =
            ROWS.iter().filter(|row| row.ids.iter().any(|id| holds(last(&test), id))).map(|row| row.number).collect();
        if found.is_empty() && ["cve_", "ghsa_", "rustsec_"].iter().any(|start| last(&test).starts_with(start)) {
            wrong.push(format!("{test}: no row has its id"));
        }
        for row in ROWS.iter().filter(|row| found.contains(&row.number) && !row.tests.contains(&test.as_str())) {
            wrong.push(format!("{test} is missing in row {}", row.number));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_shows_failures_and_what_did_not_run() {
    let junit = r#"<testsuite name="ftpq::program" tests="3">
        <testcase name="hostile_names::cve_2007_2509_line_end_in_an_argument" classname="ftpq::program" time="1"></testcase>
        <testcase name="hostile_names::cve_2017_6508_line_end_in_the_host" classname="ftpq::program" time="1">
            <failure type="test failure">no</failure>
        </testcase>
        <testcase name="lies_data::size_traps_a_lie_in_the_150_reply_changes_nothing" classname="x" time="1"/>
        </testsuite>"#;
    let results = Results::of_junit(junit).with_skipped(
        "skipped: hostile_names::cve_2004_1165_encoded_line_feed (no reason)\n\
         skipped: hostile_names::cve_2018_1000120_nul_in_the_path (half of it)\n",
    );
    let line = |number: usize| {
        let (line, standing) = shown(&ROWS[number - 1], &results);
        (line.lines().next().unwrap().to_owned(), standing)
    };
    assert!(line(6).0.ends_with("held"), "{:?}", line(6));
    assert!(line(8).0.ends_with("FAILED"), "{:?}", line(8));
    assert!(line(7).0.ends_with("skipped"), "{:?}", line(7));
    assert!(line(45).0.ends_with("1 of 3 ran, and held"), "{:?}", line(45));
    assert!(line(1).0.ends_with("not run"), "{:?}", line(1));
    let text = Results::of_log("test wire::x ... ok\ntest a::b ... FAILED\ntest c::d ... ignored\n");
    assert_eq!(
        [text.of("wire::x"), text.of("a::b"), text.of("c::d")],
        [Standing::Passed, Standing::Failed, Standing::NotRun]
    );
}

/// The lines of a row, and how it stands.
fn shown(row: &Row, results: &Results) -> (String, Standing) {
    let Row { number, ids, attack, tests, void } = row;
    let standings: Vec<Standing> = tests.iter().map(|test| results.of(test)).collect();
    let count = |wanted: Standing| standings.iter().filter(|s| **s == wanted).count();
    let (passed, failed, all) = (count(Standing::Passed), count(Standing::Failed), tests.len());
    let (text, whole) = match (passed, failed) {
        (_, 1..) => ("FAILED".to_owned(), Standing::Failed),
        _ if all == 0 => ("no test yet".to_owned(), Standing::NotRun),
        (0, 0) if count(Standing::Skipped) > 0 => ("skipped".to_owned(), Standing::Skipped),
        (0, 0) => ("not run".to_owned(), Standing::NotRun),
        (n, 0) if n == all => ("held".to_owned(), Standing::Passed),
        (n, 0) => (format!("{n} of {all} ran, and held"), Standing::Skipped),
    };
    let mut out = String::new();
    writeln!(out, "{number:>3}  {:<19} {attack:<72} {text}", ids[0]).unwrap();
    if ids.len() > 1 {
        writeln!(out, "     also {}", ids[1..].join(", ")).unwrap();
    }
    for (test, standing) in tests.iter().zip(standings) {
        writeln!(out, "     {:<8} {test}", standing.word()).unwrap();
    }
    if !void.is_empty() {
        writeln!(out, "     void     {void}").unwrap();
    }
    (out, whole)
}

/// `tests/run` calls this after all others.
#[test]
#[ignore = "prints what came of a whole run of tests; tests/run does it"]
fn prints_the_table() {
    let folder = env::var_os("FTPQ_TEST_REPORT").expect("FTPQ_TEST_REPORT names the folder of the run's reports");
    let read = |name: &str| fs::read_to_string(Path::new(&folder).join(name)).ok();
    let results = match read("junit.xml") {
        Some(junit) => Results::of_junit(&junit),
        None => Results::of_log(&read("log").expect("the log of the run")),
    };
    let results = results.with_skipped(&read("skipped").unwrap_or_default());
    let mut table = "attacks on FTP clients, and what came of them here\n".to_owned();
    let (mut held, mut failed) = (0, 0);
    for row in ROWS {
        let (lines, standing) = shown(row, &results);
        table += &lines;
        held += usize::from(standing == Standing::Passed);
        failed += usize::from(standing == Standing::Failed);
    }
    writeln!(
        table,
        "{} rows: {held} held, {failed} failed, {} not run in full",
        ROWS.len(),
        ROWS.len() - held - failed
    )
    .unwrap();
    fs::File::create(Path::new(&folder).join("attacks")).unwrap().write_all(table.as_bytes()).unwrap();
}
