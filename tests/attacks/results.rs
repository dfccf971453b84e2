//! What came of the tests of one run, as the test runner tells it: nothing here asks the tests themselves.

use std::collections::BTreeMap;

/// How a test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Passed,
    Failed,
    /// It ran, and said that it, or a part of it, could not be done here.
    Skipped,
    NotRun,
}

impl Standing {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
        }
    }
}

/// Standings by test.
pub(crate) struct Results(BTreeMap<String, Standing>);

impl Results {
    /// Of a report in the form of `JUnit`, as cargo-nextest writes it.
    pub(crate) fn of_junit(text: &str) -> Self {
        let mut results = BTreeMap::new();
        for case in text.split("<testcase ").skip(1) {
            let name = case.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            let body = case.split("</testcase>").next().unwrap_or(case);
            let head = body.split('>').next().unwrap_or_default();
            let own = if head.ends_with('/') { "" } else { body };
            // A test that failed and then passed on another try has not held.
            let bad = ["<failure", "<error", "<flakyFailure", "<rerunFailure"].iter().any(|mark| own.contains(mark));
            results.insert(name.to_owned(), if bad { Standing::Failed } else { Standing::Passed });
        }
        Self(results)
    }

    /// Of what `cargo test` prints.
    pub(crate) fn of_log(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
        let standings = lines.filter_map(|(name, word)| match word.split(' ').next() {
            Some("ok") => Some((name.to_owned(), Standing::Passed)),
            Some("FAILED") => Some((name.to_owned(), Standing::Failed)),
            _ => None,
        });
        Self(standings.collect())
    }

    /// The same, where some of the tests that passed said that they were skipped.
    pub(crate) fn with_skipped(mut self, text: &str) -> Self {
        for line in text.lines().filter_map(|line| line.strip_prefix("skipped: ")) {
            let name = line.split(" (").next().unwrap_or(line);
            let standing = self.0.entry(name.to_owned()).or_insert(Standing::Skipped);
            if *standing == Standing::Passed {
                *standing = Standing::Skipped;
            }
        }
        self
    }

    /// How a test stands.
    pub(crate) fn of(&self, test: &str) -> Standing {
        self.0.get(test).copied().unwrap_or(Standing::NotRun)
    }
}
