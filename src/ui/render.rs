//! A snapshot as lines of a given width.

use super::text::{bytes, columns, duration, fit, percent, rate};
use crate::model::{LaxHost, RunningFile, Snapshot, printable};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Columns of a file's bar where there is room for one.
const BAR: usize = 24;
/// Least width for a bar.
const WIDE: usize = 110;

/// The lines for a terminal: one a running file, as many as fit, and one for everything. No line is wider than
/// `width`, there are never more than `height`.
pub(super) fn lines(snapshot: &Snapshot, width: usize, height: usize) -> Vec<String> {
    let room = height.saturating_sub(1).max(1);
    let running = snapshot.running.len();
    let shown = if running < room { running } else { room.saturating_sub(2) };
    let mut lines: Vec<String> = snapshot.running.iter().take(shown).map(|file| file_line(file, width)).collect();
    if shown < running && room > 1 {
        lines.push(fit(&format!("… and {} more", running - shown), width));
    }
    lines.push(fit(&fitting(&total_parts(snapshot), width), width));
    lines
}

/// The state of everything in one line of any width, for a log.
pub(super) fn total(snapshot: &Snapshot) -> String {
    total_parts(snapshot).join("  ")
}

/// Columns are given up one by one as the terminal gets narrower; each keeps its width, so that nothing dances.
fn file_line(file: &RunningFile, width: usize) -> String {
    let part = file.size.map_or_else(String::new, |size| format!("{}%", percent(file.have, size)));
    let amount = match file.size {
        Some(size) => format!("{:>8}/{:<8}", bytes(file.have), bytes(size)),
        None => format!("{:>8}         ", bytes(file.have)),
    };
    let mut tail = String::new();
    if width >= WIDE {
        tail = format!("  {}", bar(file));
    }
    let _ = write!(tail, "  {part:>4}");
    if width >= 72 {
        let _ = write!(tail, "  {amount}");
    }
    if width >= 52 {
        let _ = write!(tail, "  {:>10}", rate(file.rate));
    }
    if width >= 32 {
        let _ = write!(tail, "  {}", fit(&left_or_phase(file), 11));
    }
    let name = width.saturating_sub(columns(&tail));
    let line = format!("{}{tail}", fit(&file.name, name));
    if columns(&line) <= width { line } else { fit(&line, width) }
}

fn bar(file: &RunningFile) -> String {
    let Some(size) = file.size else {
        return " ".repeat(BAR + 2);
    };
    let filled = usize::try_from(percent(file.have, size)).unwrap_or(0) * BAR / 100;
    format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR - filled))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a guess in seconds; the cast saturates")]
#[expect(clippy::cast_precision_loss, reason = "a guess in seconds")]
fn left_or_phase(file: &RunningFile) -> String {
    match file.size {
        Some(size) if file.phase == "receiving" && file.rate >= 1.0 => {
            format!("{} left", duration((size.saturating_sub(file.have) as f64 / file.rate).ceil() as u64))
        }
        _ => file.phase.clone(),
    }
}

fn total_parts(snapshot: &Snapshot) -> Vec<String> {
    let files = snapshot.files_done + snapshot.files_failed + snapshot.files_left;
    let mut parts = vec![format!("{}/{files} files", snapshot.files_done)];
    if snapshot.files_failed > 0 {
        parts.push(format!("{} failed", snapshot.files_failed));
    }
    if let Some(seconds) = snapshot.seconds_left {
        parts.push(format!("{} left", duration(seconds)));
    }
    let all = snapshot.bytes.saturating_add(snapshot.bytes_left);
    // A plus where files of unknown size are still to come.
    let more = if snapshot.unsized_left > 0 { "+" } else { "" };
    parts.insert(1, format!("{}/{}{more}", bytes(snapshot.bytes), bytes(all)));
    parts.insert(2, rate(snapshot.rate));
    // Before all else: the first part is never left out.
    parts.splice(0..0, lax(&snapshot.lax));
    parts
}

/// Hosts that are less protected than they could be: `NO TLS: h:21`, `TLS if offered: 3 hosts`. The worst comes first.
pub(super) fn lax(hosts: &[LaxHost]) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for LaxHost { host, protection } in hosts {
        kinds.entry(protection.to_string()).or_default().push(host);
    }
    let say = |(words, hosts): (&String, &Vec<&str>)| match hosts.as_slice() {
        [host] => format!("{words}: {}", printable(host, 100)),
        hosts => format!("{words}: {} hosts", hosts.len()),
    };
    kinds.iter().map(say).collect()
}

/// As many of the parts as fit.
fn fitting(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let more = if line.is_empty() { part.clone() } else { format!("  {part}") };
        if !line.is_empty() && columns(&line) + columns(&more) > width {
            continue;
        }
        line += &more;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CertificateCheck, JobId, ProofCounts, Protection, TlsInUse};

    fn file(name: &str, phase: &str) -> RunningFile {
        let (have, size) = (50 << 20, Some(200 << 20));
        RunningFile { job: JobId(1), name: name.to_owned(), phase: phase.to_owned(), have, size, rate: 1_048_576.0 }
    }

    fn snapshot(files: usize) -> Snapshot {
        let long = "日本語の長い名前-of-a-genome-assembly_".repeat(6) + "chr22.fa.gz";
        Snapshot {
            running: (0..files).map(|i| file(&format!("{i}-{long}"), "receiving")).collect(),
            files_done: 12,
            files_failed: 1,
            files_left: 87,
            bytes: 5 << 30,
            bytes_left: 7 << 30,
            unsized_left: 3,
            rate: 123_456_789.0,
            seconds_left: Some(4000),
            seconds: 60.0,
            proved: ProofCounts::default(),
            lax: Vec::new(),
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 1..=250 {
            for mut snapshot in [snapshot(8), Snapshot::default()] {
                for line in lines(&snapshot, width, 24) {
                    assert_eq!(columns(&line), width, "{line:?}");
                }
                for file in &mut snapshot.running {
                    file.size = None;
                    file.rate = f64::INFINITY;
                    file.phase = "waiting for the server's verdict".to_owned();
                }
                assert!(lines(&snapshot, width, 24).iter().all(|line| columns(line) == width));
            }
        }
    }

    #[test]
    fn every_usual_width_shows_what_matters() {
        let at = |width| lines(&snapshot(8), width, 24);
        let narrow = at(40).remove(0);
        assert!(narrow.starts_with("0-") && narrow.contains("25%") && narrow.contains("2:30 left"), "{narrow}");
        let usual = at(80).remove(0);
        for part in ["…", ".gz", "25%", "50.0 MiB/200 MiB", "1.00 MiB/s", "2:30 left"] {
            assert!(usual.contains(part), "{part} in {usual}");
        }
        assert!(at(200).remove(0).contains("[######------------------]"), "{:?}", at(200));
        let total = at(80).pop().unwrap();
        for part in ["12/100 files", "5.00 GiB/12.0 GiB+", "118 MiB/s", "1 failed", "1:06:40 left"] {
            assert!(total.contains(part), "{part} in {total}");
        }
        assert!(at(40).pop().unwrap().contains("12/100 files"));
    }

    /// Who is not protected must not overlook it, however narrow the terminal and whatever the log.
    #[test]
    fn every_total_says_first_who_is_not_protected() {
        let lax = |host: &str, tls, check| {
            let protection = Protection { tls, if_offered: check == CertificateCheck::Full, check };
            LaxHost { host: host.to_owned(), protection }
        };
        let mut shown = snapshot(8);
        shown.lax = vec![
            lax("a:21", Some(TlsInUse::None), CertificateCheck::Full),
            lax("b:21", None, CertificateCheck::Full),
            lax("c:21", None, CertificateCheck::Full),
            lax("d\u{1b}:990", Some(TlsInUse::V13), CertificateCheck::Nothing),
        ];
        assert!(
            total(&shown).starts_with(
                "NO TLS: a:21  TLS 1.3, CERTIFICATE NOT CHECKED: d\\u{1b}:990  TLS if offered: 2 hosts  12/100 files"
            ),
            "{}",
            total(&shown)
        );
        for width in [20, 40, 80] {
            let last = lines(&shown, width, 24).pop().unwrap();
            assert!(last.starts_with("NO TLS: a:21"), "{last}");
        }
    }

    #[test]
    fn columns_stand_still_while_numbers_change() {
        let mut one = file("a", "receiving");
        let before = file_line(&one, 80);
        one.have = 1;
        one.rate = 3.0;
        let after = file_line(&one, 80);
        assert_eq!(before.find('%'), after.find('%'), "{before}\n{after}");
        assert_eq!(before.find("/s"), after.find("/s"), "{before}\n{after}");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let lines = lines(&snapshot(40), 80, 24);
        assert_eq!(lines.len(), 23);
        assert_eq!(lines[21].trim_end(), "… and 19 more");
        for height in 1..50 {
            assert!(super::lines(&snapshot(40), 80, height).len() < height.max(2), "{height}");
        }
        assert_eq!(super::lines(&snapshot(8), 80, 10).len(), 9);
    }

    #[test]
    fn another_phase_than_receiving_is_named() {
        assert!(file_line(&file("a", "checking"), 80).contains("checking"));
    }
}
