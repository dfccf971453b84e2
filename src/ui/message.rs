//! Events and the end of a run as lines for people.

use super::text::{bytes, duration, rate};
use crate::engine::RunReport;
use crate::model::{Cause, Event, Failure, FolderTally, ProofCounts, SameBy, printable};
use std::time::Duration;

/// Failures told in full at the end.
const TOLD: usize = 50;
/// Hosts left alone that the last lines name.
const NAMED: usize = 5;
/// Characters of a URL, a path or a sentence from elsewhere.
const LONG: usize = 1000;

/// The line for an event; `None` for one that is not told. `verbose` tells of every file.
pub(super) fn line(event: &Event, verbose: bool) -> Option<String> {
    let safe = |text: &dyn ToString| printable(&text.to_string(), LONG);
    match event {
        Event::Started { source, why: Some(why), .. } => Some(format!("{}: {}", safe(source), safe(why))),
        Event::Started { source, from, .. } if verbose && *from > 0 => {
            Some(format!("{}: continued at {}", safe(source), bytes(*from)))
        }
        Event::Started { source, .. } if verbose => Some(format!("{}: started", safe(source))),
        Event::Done { destination, size, note, .. } if verbose => {
            let note = note.as_ref().map_or_else(String::new, |note| format!("; {}", safe(note)));
            Some(format!("done: {} ({}{note})", safe(destination), bytes(*size)))
        }
        Event::Folder { source, tally, .. } if verbose => Some(format!("read: {}: {}", safe(source), found(tally))),
        // Space that is wanting before the first byte is told by the last lines.
        Event::Started { .. }
        | Event::Done { .. }
        | Event::Folder { .. }
        | Event::Summary { .. }
        | Event::TooLittleSpace { goes_on: false, .. } => None,
        Event::Gone { destination, deleted: true, .. } => {
            Some(format!("gone on the server, deleted: {}", safe(destination)))
        }
        Event::Gone { destination, .. } => Some(format!("no longer listed: {}", safe(destination))),
        Event::Retrying { source, failure, seconds, .. } => {
            Some(format!("again in {}: {}: {}", duration(*seconds), safe(source), safe(failure)))
        }
        Event::Switched { source, failure, .. } => {
            Some(format!("on to another source: {}: {}", safe(source), safe(failure)))
        }
        Event::Failed { source, failure, .. } => Some(format!("failed: {}: {}", safe(source), safe(failure))),
        Event::Budget { host, connections, why } => {
            let s = if *connections == 1 { "" } else { "s" };
            Some(format!("{}: {connections} connection{s} at a time from now on: {}", safe(host), safe(why)))
        }
        Event::Held { account, failure } => {
            Some(format!("left alone: everything on {}: {}", safe(account), safe(failure)))
        }
        Event::DiskFull { path, failure } => Some(format!("disk full: {}: {}", safe(path), safe(failure))),
        Event::HeldBack { path, failure } => Some(format!("held back: {}: {}", safe(path), safe(failure))),
        Event::TooLittleSpace { .. } => Some(format!("warning: {}", shortage(event)?)),
        Event::Notice { text } => Some(safe(text)),
    }
}

/// How much space is wanting where.
fn shortage(event: &Event) -> Option<String> {
    let Event::TooLittleSpace { path, needed, free, files, unknown, .. } = event else { return None };
    let s = if *files == 1 { "" } else { "s" };
    let path = printable(path, LONG);
    let more = match unknown {
        0 => String::new(),
        1 => "; 1 more file is of unknown length".to_owned(),
        n => format!("; {n} more files are of unknown length"),
    };
    Some(format!(
        "not enough space: {files} file{s} need {} ({needed} bytes) on the file system of {path}, {} ({free} bytes) are free{more}",
        bytes(*needed),
        bytes(*free)
    ))
}

/// What was found in a folder.
fn found(tally: &FolderTally) -> String {
    let some = |number: u64, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {many}")),
    };
    let parts = [
        some(tally.files, "file", "files"),
        some(tally.folders, "folder", "folders"),
        some(tally.left_out, "entry left out", "entries left out"),
        some(tally.links, "link to a folder not followed", "links to folders not followed"),
        some(tally.refused_count, "name that can't be stored here", "names that can't be stored here"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "empty".to_owned() } else { parts.join(", ") }
}

/// What went wrong in a run, and how much came: kept for the last lines. Bounded.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: Vec<(String, Failure)>,
    untold: u64,
    /// Accounts whose login was refused.
    refused: u64,
    /// Hosts given up for this run, the first few.
    alone: Vec<String>,
    /// A file system was full.
    full: bool,
    /// Where there was too little space to begin.
    short: Vec<String>,
    traffic: Option<(u64, f64)>,
    /// How the files done were proved.
    proved: ProofCounts,
    /// Files that were done before, and that the server still has by size and time.
    same: u64,
    /// Such that it still has by their size alone.
    same_bytes: u64,
    same_size: u64,
}

impl Ledger {
    /// Takes note of what has to be told at the end.
    pub(super) fn note(&mut self, event: &Event) {
        if matches!(event, Event::TooLittleSpace { goes_on: false, .. }) && self.short.len() < NAMED {
            self.short.extend(shortage(event));
        }
        let (what, failure) = match event {
            Event::Failed { job, source, failure, .. } => (format!("failed: {source} (job {job})"), failure),
            Event::Held { account, failure } => (format!("left alone: everything on {account}"), failure),
            Event::DiskFull { path, failure } => (format!("disk full: {path}"), failure),
            Event::Folder { tally: FolderTally { same, .. }, .. } => {
                self.same += same;
                return;
            }
            Event::Done { unchanged, .. } => {
                self.same += u64::from(*unchanged == Some(SameBy::Time));
                self.same_bytes += u64::from(*unchanged == Some(SameBy::Bytes));
                self.same_size += u64::from(*unchanged == Some(SameBy::Size));
                return;
            }
            Event::HeldBack { path, failure } => (format!("held back: {path}"), failure),
            Event::Summary { bytes, seconds, proved, .. } => {
                self.traffic = Some((*bytes, *seconds));
                self.proved = *proved;
                return;
            }
            _ => return,
        };
        match event {
            Event::Held { failure, .. } if failure.cause == Cause::LoginRefused => {
                self.refused += 1;
            }
            Event::Held { account, .. } if self.alone.len() < NAMED => self.alone.push(account.clone()),
            Event::Held { .. } => {}
            _ => self.full |= matches!(event, Event::DiskFull { .. }),
        }
        if self.told.len() < TOLD {
            self.told.push((what, failure.clone()));
        } else {
            self.untold += 1;
        }
    }

    /// The last lines: each failure with its stage, the server's words and what to do, and then the count.
    /// `traffic` is bytes and seconds of the run, where no summary told them.
    pub(super) fn last_lines(&self, report: &RunReport, traffic: (u64, f64)) -> Vec<String> {
        let mut lines = self.short.clone();
        for (what, failure) in &self.told {
            lines.push(printable(what, LONG));
            lines.push(printable(&format!("  {}: {}", failure.stage.name(), failure.message), LONG));
            lines.extend(failure.reply.iter().map(|reply| printable(&format!("  the server said: {reply}"), LONG)));
            lines.extend(failure.advice.iter().map(|advice| printable(&format!("  what to do: {advice}"), LONG)));
        }
        if self.untold > 0 {
            lines.push(format!("and {} more: ftpq list --state failed", self.untold));
        }
        let same =
            [(self.same, "size and time"), (self.same_bytes, "the bytes compared"), (self.same_size, "size alone")];
        lines.extend(same.into_iter().filter(|(number, _)| *number > 0).map(|(number, by)| {
            let files = if number == 1 { "1 file was".to_owned() } else { format!("{number} files were") };
            format!("{files} here already, and the server still has the same by {by}")
        }));
        lines.extend(failed_before(report.failed_before));
        if report.has_left() {
            lines.push(printable(&self.next_act(report), LONG));
        }
        lines.push(count_line(report, self.traffic.unwrap_or(traffic), &self.proved));
        lines
    }
}

impl Ledger {
    /// What to do about the files that are left. A run that was not stopped leaves only what it left alone.
    fn next_act(&self, report: &RunReport) -> String {
        if !self.short.is_empty() {
            return "nothing was fetched: make room there, then `ftpq run`; or begin with what fits: --force"
                .to_owned();
        }
        let mut acts = Vec::new();
        match self.refused {
            _ if report.interrupted => {}
            0 => {}
            1 => acts.push("correct the password".to_owned()),
            _ => acts.push("correct the passwords".to_owned()),
        }
        if !report.interrupted && !self.alone.is_empty() {
            let (noun, were) = if self.alone.len() == 1 { ("host", "was") } else { ("hosts", "were") };
            acts.push(format!("the {noun} {were} left alone: {}; see why above", self.alone.join(", ")));
        }
        if self.full && !acts.is_empty() {
            acts.push("make room on the disk".to_owned());
        }
        match (report.interrupted, acts.is_empty()) {
            (true, _) => "stopped; `ftpq run` goes on with what is left".to_owned(),
            (false, true) => "`ftpq run` goes on with what is left".to_owned(),
            (false, false) => format!("{}; then `ftpq run` goes on with what is left", acts.join("; ")),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn count_line(report: &RunReport, (count, seconds): (u64, f64), proved: &ProofCounts) -> String {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let time = if time.as_secs() < 60 { format!("{:.1} s", time.as_secs_f64()) } else { duration(time.as_secs()) };
    let speed = if seconds > 0.0 { format!(" ({})", rate(count as f64 / seconds)) } else { String::new() };
    let RunReport { done, failed, left, .. } = report;
    let kinds: Vec<String> = proved.kinds().map(|(count, by)| format!("{count} {by}")).collect();
    let proved = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let folders = folders(report);
    format!("done {done}{proved}, failed {failed}, left {left}{folders}; {} in {time}{speed}", bytes(count))
}

/// What remains failed of earlier runs, and what to do about it.
fn failed_before(count: u64) -> Option<String> {
    let jobs = match count {
        0 => return None,
        1 => "1 job that failed in an earlier run still stands as failed".to_owned(),
        n => format!("{n} jobs that failed in earlier runs still stand as failed"),
    };
    Some(format!("{jobs}: `ftpq list --state failed` shows which, `ftpq retry --state failed` queues them again"))
}

/// The folders of a run, where there were any.
fn folders(report: &RunReport) -> String {
    let RunReport { folders, folders_failed, folders_left, .. } = report;
    let parts = [(*folders, "read"), (*folders_failed, "failed"), (*folders_left, "left")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if parts.is_empty() { String::new() } else { format!("; folders: {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, JobId, RelPath, Stage};

    fn failed(job: u64) -> Event {
        Event::Failed {
            job: JobId(job),
            source: "ftp://h/pub/a".parse().unwrap(),
            destination: Destination::new("/d", RelPath::new("a").unwrap()).unwrap(),
            failure: Failure::permanent(Stage::Retrieve, Cause::Missing, "the file is not there")
                .with_reply("550 no\u{1b}[2Jsuch file")
                .with_advice("check the path"),
        }
    }

    #[test]
    fn a_failure_is_told_with_its_url_stage_words_and_next_act() {
        let mut ledger = Ledger::default();
        ledger.note(&failed(7));
        let proved = ProofCounts { manifest: 2, size: 1, ..ProofCounts::default() };
        let (bytes, lax) = (10 << 20, Vec::new());
        ledger.note(&Event::Summary {
            done: 3,
            failed: 1,
            failed_before: 0,
            left: 0,
            bytes,
            seconds: 5.0,
            proved,
            lax,
        });
        let report = RunReport { done: 3, failed: 1, ..RunReport::default() };
        assert_eq!(
            ledger.last_lines(&report, (0, 0.0)),
            [
                "failed: ftp://h/pub/a (job 7)",
                "  transfer: the file is not there",
                "  the server said: 550 no\\u{1b}[2Jsuch file",
                "  what to do: check the path",
                "done 3 (2 by the list's checksum, 1 by length), failed 1, left 0; 10.0 MiB in 5.0 s (2.00 MiB/s)",
            ]
        );
    }

    #[test]
    fn a_million_failures_are_counted_not_kept() {
        let mut ledger = Ledger::default();
        for job in 0..1000 {
            ledger.note(&failed(job));
        }
        let lines = ledger.last_lines(&RunReport { left: 2, interrupted: true, ..RunReport::default() }, (0, 0.0));
        assert_eq!(lines.len(), TOLD * 4 + 3);
        assert_eq!(lines[TOLD * 4], "and 950 more: ftpq list --state failed");
        assert!(lines[TOLD * 4 + 1].starts_with("stopped;"));
    }

    #[test]
    fn the_way_on_is_that_of_what_holds_the_files_up() {
        let held = |account: &str, cause| Event::Held {
            account: account.to_owned(),
            failure: Failure::permanent(Stage::Login, cause, "no"),
        };
        let way = |events: &[Event], interrupted| {
            let mut ledger = Ledger::default();
            for event in events {
                ledger.note(event);
            }
            let report = RunReport { left: 2, interrupted, ..RunReport::default() };
            let lines = ledger.last_lines(&report, (0, 0.0));
            lines[lines.len() - 2].clone()
        };
        let (refused, alone) = (held("ftp://u@h", Cause::LoginRefused), held("g:21", Cause::Unreachable));
        let run = "`ftpq run` goes on with what is left";
        assert_eq!(way(&[], false), run);
        assert_eq!(way(std::slice::from_ref(&refused), false), format!("correct the password; then {run}"));
        assert_eq!(
            way(std::slice::from_ref(&alone), false),
            format!("the host was left alone: g:21; see why above; then {run}")
        );
        let both = way(&[refused.clone(), alone.clone()], false);
        assert!(both.starts_with("correct the password; the host was left alone: g:21"), "{both}");
        assert_eq!(way(&[refused], true), format!("stopped; {run}"));
        let many: Vec<Event> = (0..1000).map(|n| held(&format!("h{n}:21"), Cause::Timeout)).collect();
        assert!(way(&many, false).len() < 200);
    }

    #[test]
    fn a_message_is_one_line_and_can_not_drive_a_terminal() {
        let text = line(&Event::Notice { text: "a\nb\u{9b}c".to_owned() }, false).unwrap();
        assert_eq!(text, "a\\u{a}b\\u{9b}c");
        let text = line(&failed(1), false).unwrap();
        assert!(!text.contains('\u{1b}') && text.contains("550"), "{text}");
        let budget = Event::Budget { host: "h:21".to_owned(), connections: 1, why: "421".to_owned() };
        assert_eq!(line(&budget, false).unwrap(), "h:21: 1 connection at a time from now on: 421");
    }

    #[test]
    fn plain_progress_of_files_is_left_to_the_bars() {
        let started = |from, why| Event::Started {
            job: JobId(1),
            source: "ftp://h/a".parse().unwrap(),
            destination: Destination::new("/d", RelPath::new("a").unwrap()).unwrap(),
            size: None,
            from,
            why,
        };
        assert_eq!(line(&started(5, None), false), None);
        assert!(line(&started(1024, None), true).unwrap().contains("continued at 1.00 KiB"));
        assert!(line(&started(0, Some("it changed".to_owned())), false).unwrap().ends_with("it changed"));
    }
}
