//! A report in numbers, and the text made of them.

use crate::cli::words::{bytes, count, grouped, safe};
use crate::model::{JobState, Proof, ReportLine, ReportSummary, ReportedFile, ReportedFolder, printable};

/// Missing files that a text names.
const NAMED: usize = 50;
/// Longest line about one of them.
const WIDE: usize = 2000;

/// What was counted so far. Bounded, however many jobs there are.
pub(super) struct Tally {
    sums: ReportSummary,
    /// What is missing, in lines for people: the first of it.
    told: Vec<String>,
    named: usize,
    /// More is missing than was named.
    untold: u64,
    /// Files that a run would still fetch.
    open: u64,
}

impl Tally {
    pub(super) fn new(looked: bool) -> Self {
        let sums = ReportSummary { looked, ..ReportSummary::default() };
        Self { sums, told: Vec::new(), named: 0, untold: 0, open: 0 }
    }

    /// Counts a line; `tells` keeps what is to be told of it.
    pub(super) fn note(&mut self, line: &ReportLine, tells: bool) {
        match line {
            ReportLine::File(file) => self.file(file, tells),
            ReportLine::Folder(folder) => self.folder(folder, tells),
            ReportLine::Summary(_) => {}
        }
    }

    fn file(&mut self, file: &ReportedFile, tells: bool) {
        let sums = &mut self.sums;
        sums.files += 1;
        sums.attempts += u64::from(file.attempts);
        sums.fetched = sums.fetched.saturating_add(file.fetched);
        if file.here {
            let proof = file.proof.clone().unwrap_or(Proof::Nothing);
            sums.proved += u64::from(proof != Proof::Nothing);
            sums.by.add(&proof);
            sums.bytes = sums.bytes.saturating_add(file.size.unwrap_or(0));
            return;
        }
        sums.missing += 1;
        self.open += u64::from(matches!(file.state, JobState::Queued | JobState::Waiting | JobState::Running));
        if !tells {
            return;
        }
        let head = format!("missing: {} (job {}, {})", safe(&file.destination), file.job, file.state);
        self.tell(&[
            head,
            format!("  from: {}", safe(&file.source)),
            format!("  why: {}", file.reason.as_deref().unwrap_or_default()),
            format!("  what to do: {}", file.advice.as_deref().unwrap_or_default()),
        ]);
    }

    fn folder(&mut self, folder: &ReportedFolder, tells: bool) {
        self.sums.folders += 1;
        let refused = folder.tally.as_ref().map_or(0, |tally| tally.refused_count);
        self.sums.refused += refused;
        let is_read = folder.state == JobState::Done;
        self.sums.folders_missing += u64::from(!is_read);
        if !tells {
            return;
        }
        if !is_read {
            self.tell(&[
                format!("missing: all of the folder {} (job {}, {})", safe(&folder.source), folder.job, folder.state),
                format!("  to: {}", safe(&folder.destination)),
                format!("  why: {}", folder.reason.as_deref().unwrap_or_default()),
                format!("  what to do: {}", folder.advice.as_deref().unwrap_or_default()),
            ]);
        } else if let Some(tally) = folder.tally.as_ref().filter(|_| refused > 0) {
            self.tell(&[
                format!("missing: {} of the folder {} (job {})", entries(refused), safe(&folder.source), folder.job),
                format!("  why: no local file can be made of them: {}", tally.refused.join(", ")),
                "  what to do: give them other names on the server, or in a list of their own".to_owned(),
            ]);
        }
    }

    fn tell<const N: usize>(&mut self, lines: &[String; N]) {
        if self.named < NAMED {
            self.named += 1;
            self.told.extend(lines.iter().map(|line| printable(line, WIDE)));
        } else {
            self.untold += 1;
        }
    }

    /// Whether all that was asked for is here.
    pub(super) fn is_whole(&self) -> bool {
        self.sums.missing + self.sums.folders_missing + self.sums.refused == 0
    }

    pub(super) fn summary(&self) -> ReportSummary {
        ReportSummary { text: self.sign_off(), ..self.sums.clone() }
    }

    /// The one sentence to sign: who reads no further knows how it stands. Only a digest makes a file checked.
    fn sign_off(&self) -> String {
        let ReportSummary { files, proved, by, missing, .. } = &self.sums;
        let kinds: Vec<String> = by.kinds().map(|(count, how)| format!("{} {how}", grouped(count))).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
        let all_checked = by.by_digest() == *files && *files > 0;
        let lead = match *files {
            0 => "no file was asked for".to_owned(),
            _ if all_checked => format!("{} of {} checked{kinds}", grouped(*proved), grouped(*files)),
            _ => {
                let (are, noun) = if *proved == 1 { ("is", "file") } else { ("are", "files") };
                let noun = if *files == 1 { noun } else { "files" };
                format!("{} of {} {noun} {are} here and proved{kinds}", grouped(*proved), grouped(*files))
            }
        };
        let is = if *missing == 1 { "is" } else { "are" };
        let (unread, refused) = (self.sums.folders_missing, self.sums.refused);
        let were = if unread == 1 { "was" } else { "were" };
        let rest = [
            (by.nothing, format!("{} here without any proof", grouped(by.nothing))),
            (*missing, format!("{} {is} missing", grouped(*missing))),
            (unread, format!("{} {were} not read to the end", count(unread, "folder"))),
            (refused, format!("{} of folders can't be files here", entries(refused))),
        ];
        let parts = rest.into_iter().filter(|(count, _)| *count > 0).map(|(_, part)| part);
        std::iter::once(lead).chain(parts).collect::<Vec<_>>().join("; ")
    }

    /// The report for people.
    pub(super) fn text(&self) -> Vec<String> {
        let sums = &self.sums;
        let here = sums.files - sums.missing;
        let mut lines = vec![
            self.sign_off(),
            format!("{} in {}", bytes(sums.bytes), files(here)),
            format!("{} fetched in {}", bytes(sums.fetched), attempts(sums.attempts)),
        ];
        if sums.folders > 0 {
            let read = sums.folders - sums.folders_missing;
            lines.push(format!("{} of {} folders read to the end", grouped(read), grouped(sums.folders)));
        }
        if !sums.looked {
            lines.push("by the receipts alone: the files were not looked at".to_owned());
        }
        let open = self.open;
        lines.extend_from_slice(&self.told);
        if self.untold > 0 {
            let all = "ftpq report --format csv names all";
            lines.push(format!("and {} more missing: `{all}`", grouped(self.untold)));
        }
        if open > 0 {
            lines.push(format!("{} still to be fetched: `ftpq run`", files(open)));
        }
        lines
    }
}

fn files(number: u64) -> String {
    format!("{} file{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn attempts(number: u64) -> String {
    format!("{} attempt{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn entries(number: u64) -> String {
    format!("{} entr{}", grouped(number), if number == 1 { "y" } else { "ies" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, JobId, RelPath};

    fn file(id: u64, proof: Option<Proof>) -> ReportLine {
        ReportLine::File(Box::new(ReportedFile {
            job: JobId(id),
            state: if proof.is_some() { JobState::Done } else { JobState::Failed },
            here: proof.is_some(),
            source: "ftp://h/a".parse().unwrap(),
            destination: Destination::new("/d", RelPath::new(format!("f{id}")).unwrap()).unwrap(),
            size: Some(10),
            proof,
            digests: Vec::new(),
            attempts: 1,
            fetched: 10,
            seconds: 0.5,
            finished_at: None,
            reason: Some("no\u{1b}[2J".to_owned()),
            failure: None,
            advice: None,
        }))
    }

    fn text(all: &[(u64, Option<Proof>)]) -> Vec<String> {
        let mut tally = Tally::new(true);
        for (count, proof) in all {
            for id in 0..*count {
                tally.note(&file(id, proof.clone()), true);
            }
        }
        tally.text()
    }

    #[test]
    fn the_first_line_can_be_signed() {
        for (all, first) in [
            (vec![(38_112, Some(Proof::Manifest))], "38,112 of 38,112 checked: 38,112 by the list's checksum"),
            (
                vec![(900, Some(Proof::Manifest)), (97, Some(Proof::Size)), (3, None)],
                "997 of 1,000 files are here and proved: 900 by the list's checksum, 97 by length; 3 are missing",
            ),
            (vec![(1, Some(Proof::Size))], "1 of 1 file is here and proved: 1 by length"),
            (
                vec![(1, Some(Proof::Nothing))],
                "0 of 1 files are here and proved: 1 by nothing, for no length was known or nothing was compared; 1 here without any proof",
            ),
            (vec![], "no file was asked for"),
        ] {
            assert_eq!(text(&all)[0], first);
        }
    }

    #[test]
    fn a_million_missing_files_are_counted_not_kept_and_drive_no_terminal() {
        let lines = text(&[(1000, None)]);
        assert!(lines.iter().any(|line| line.starts_with("and 950 more missing")), "{lines:?}");
        assert!(lines.len() < 220 && lines.iter().all(|line| !line.contains('\u{1b}')), "{lines:?}");
    }
}
