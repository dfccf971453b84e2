//! A report as CSV (RFC 4180): a row a file or folder.

use crate::cli::exit::Failed;
use crate::model::{ReportLine, printable};
use std::io;

/// The columns; an earlier report is told from a foreign file by them.
pub(super) const HEADER: &str =
    "job,kind,state,here,destination,size,proof,digests,attempts,fetched,seconds,finished_at,source,reason,advice";

/// Characters of a text from elsewhere.
const LONG: usize = 4000;

/// The row of a line; nothing of the summary, which has no columns.
pub(super) fn row(line: &ReportLine) -> Result<String, Failed> {
    let text = |text: &str| printable(text, LONG);
    let option = |text: &Option<String>| text.as_deref().map(|text| printable(text, LONG)).unwrap_or_default();
    let cells = match line {
        ReportLine::Summary(_) => return Ok(String::new()),
        ReportLine::File(file) => [
            file.job.to_string(),
            "file".to_owned(),
            file.state.to_string(),
            file.here.to_string(),
            text(&file.destination.to_string()),
            file.size.map(|size| size.to_string()).unwrap_or_default(),
            file.proof.as_ref().map(|proof| proof.name().to_owned()).unwrap_or_default(),
            file.digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            file.attempts.to_string(),
            file.fetched.to_string(),
            format!("{:.3}", file.seconds),
            file.finished_at.map(|at| at.to_string()).unwrap_or_default(),
            text(&file.source.to_string()),
            option(&file.reason),
            option(&file.advice),
        ],
        ReportLine::Folder(folder) => [
            folder.job.to_string(),
            "folder".to_owned(),
            folder.state.to_string(),
            folder.tally.is_some().to_string(),
            text(&folder.destination.to_string()),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            text(&folder.source.to_string()),
            option(&folder.reason),
            option(&folder.advice),
        ],
    };
    let failed = |error: io::Error| Failed::Io("can't write CSV".to_owned(), error);
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(cells).map_err(|e| failed(io::Error::other(e)))?;
    let bytes = writer.into_inner().map_err(|e| failed(io::Error::other(e.to_string())))?;
    let row = String::from_utf8(bytes).map_err(|e| failed(io::Error::other(e)))?;
    Ok(row.trim_end_matches('\n').to_owned())
}
