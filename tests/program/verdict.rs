//! Judging a run: right bytes, or an honest failure.

use crate::support::{Ended, Ftpq, Scripted, bytes::difference, ftpq::Running, watch};
use serde_json::Value;
use std::{fs, time::Duration};

/// The usual impatience of tests against lying servers: seconds without progress, and one further attempt.
pub(crate) const IMPATIENT: [&str; 6] = ["run", "--timeout", "2", "--retries", "1", "--connections=4"];

/// How a job ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The whole file stands under its final name.
    Right,
    /// It failed, with this stage and cause.
    Failed {
        /// The stage's name in JSON.
        stage: String,
        /// The cause's name in JSON.
        cause: String,
    },
}

impl Verdict {
    /// Panics unless the file is right.
    pub(crate) fn expect_right(&self, story: &str) {
        assert!(*self == Self::Right, "the file was to be right, but: {self:?}\n{story}");
    }

    /// Panics unless it failed with one of these causes.
    pub(crate) fn expect_cause(&self, causes: &[&str], story: &str) {
        let fits = matches!(self, Self::Failed { cause, .. } if causes.contains(&cause.as_str()));
        assert!(fits, "one of {causes:?} was expected, not {self:?}\n{story}");
    }

    /// Panics unless it failed at one of these stages.
    pub(crate) fn expect_stage(&self, stages: &[&str], story: &str) {
        let fits = matches!(self, Self::Failed { stage, .. } if stages.contains(&stage.as_str()));
        assert!(fits, "a failure at one of {stages:?} was expected, not {self:?}\n{story}");
    }
}

/// A file queued from a scripted server.
pub(crate) struct Case {
    /// The program.
    pub(crate) ftpq: Ftpq,
    /// The server.
    pub(crate) server: Scripted,
}

impl Case {
    /// `a.bin` on the server, queued.
    pub(crate) fn new(server: Scripted, data: &[u8]) -> Self {
        server.put("a.bin", data);
        let ftpq = Ftpq::new();
        ftpq.add(&[(server.url("a.bin"), "a.bin")]);
        Self { ftpq, server }
    }

    /// Starts a run and kills it once the part file has this many bytes. The server sends little more until then.
    pub(crate) fn interrupt(&self, at_least: u64) {
        self.server.core().hold_behind(at_least + (64 << 10));
        let run = self.ftpq.spawn(&["run"]);
        let part = watch::part_of(&self.ftpq.downloads().join("a.bin"));
        let there = watch::wait_for(Duration::from_secs(20), || watch::length(&part) >= at_least);
        let ended = run.kill();
        self.server.core().release();
        assert!(there, "no part file of {at_least} bytes came about\n{ended}{}", self.server.core().dialogue());
        assert!(!self.ftpq.downloads().join("a.bin").exists(), "it was over before it was interrupted\n{ended}");
    }

    /// Runs to the end and judges; `expected` is what the server holds at the end.
    pub(crate) fn judge(&self, args: &[&str], expected: &[u8]) -> (Verdict, String) {
        let ended = self.ftpq.run(&[&["--json"], args].concat());
        self.judge_ended(&ended, expected)
    }

    /// The same with another limit on the time it takes.
    pub(crate) fn judge_within(&self, limit: Duration, args: &[&str], expected: &[u8]) -> (Verdict, String) {
        let ended = self.ftpq.spawn(&[&["--json"], args].concat()).wait(limit);
        self.judge_ended(&ended, expected)
    }

    /// Starts a run, follows its memory, and judges.
    pub(crate) fn judge_and_weigh(&self, args: &[&str], expected: &[u8]) -> (Verdict, String, u64) {
        let mut run: Running = self.ftpq.spawn(&[&["--json"], args].concat());
        let mut peak = 0;
        watch::wait_for(Duration::from_secs(60), || {
            peak = peak.max(run.peak_memory());
            run.ended()
        });
        let ended = run.wait(Duration::ZERO);
        let (verdict, story) = self.judge_ended(&ended, expected);
        (verdict, story, peak)
    }

    fn judge_ended(&self, ended: &Ended, expected: &[u8]) -> (Verdict, String) {
        let story = format!("{ended}{}", self.server.core().dialogue());
        let path = self.ftpq.downloads().join("a.bin");
        match ended.code {
            Some(0) => {
                let got = fs::read(&path).unwrap_or_else(|e| panic!("exit 0, but no file: {e}\n{story}"));
                if let Some(difference) = difference(&got, expected) {
                    panic!("exit 0, but the file is wrong: {difference}\n{story}");
                }
                let parts = watch::parts_below(&self.ftpq.downloads());
                assert!(parts.is_empty(), "part files are left: {parts:?}\n{story}");
                (Verdict::Right, story)
            }
            Some(1 | 3 | 5) => {
                assert!(!path.exists(), "exit {:?}, but something stands under the final name\n{story}", ended.code);
                let failure = last_failure(&ended.lines());
                let failure = failure.unwrap_or_else(|| panic!("no event tells the failure\n{story}"));
                for field in ["kind", "stage", "cause", "message"] {
                    let text = failure[field].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "the failure has no {field}: {failure:#}\n{story}");
                }
                let word = |field: &str| failure[field].as_str().unwrap().to_owned();
                // A server's lie is no trouble of this machine, unless it claims a file larger than the disk.
                assert_eq!(ended.code == Some(5), word("cause") == "disk_full", "{story}");
                (Verdict::Failed { stage: word("stage"), cause: word("cause") }, story)
            }
            _ => panic!("exit 0, 1, 3 or 5 was expected\n{story}"),
        }
    }
}

fn last_failure(events: &[Value]) -> Option<Value> {
    let failures = events
        .iter()
        .filter(|e| ["failed", "retrying", "held", "disk_full"].contains(&e["event"].as_str().unwrap_or("")));
    failures.map(|e| e["failure"].clone()).next_back()
}
