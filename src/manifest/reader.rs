//! The one reader that all formats share.

use super::aria2::Aria2;
use super::assembly::Assembly;
use super::ena::EnaTable;
use super::ena_json::EnaJson;
use super::entry::{Entry, Position, entry, is_ftp};
use super::error::{LineError, Problem};
use super::jsonl::Jsonl;
use super::list::List;
use super::metalink::Metalink;
use super::number_sums::{NumberSums, Tool};
use super::options::ReadOptions;
use super::sequence_index::SequenceIndex;
use super::sums::Sums;
use super::table::Table;
use super::warning::{Reading, Warning, Warnings};
use super::{Format, input};
use crate::model::ManifestLine;
use std::io::BufRead;

/// What reads one format.
pub(super) trait Body: Send {
    /// The next entry or error, or nothing at the end.
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>>;
}

/// The entries of a manifest, one by one, as they are read. After an error the next line is read, unless the error is
/// fatal.
pub struct Reader {
    name: String,
    reading: Reading,
    state: ReaderState,
}

enum ReaderState {
    /// Not looked at yet: opening costs no read, so that it can't fail or wait.
    Raw(Box<dyn BufRead + Send>),
    Open(Box<dyn Body>),
    Ended,
}

impl Reader {
    /// A reader of that input, which errors call by that name. Nothing is read yet.
    #[must_use]
    pub fn open(input: Box<dyn BufRead + Send>, name: String, options: ReadOptions) -> Self {
        let reading = Reading { options, warnings: Warnings::default() };
        Self { name, reading, state: ReaderState::Raw(input) }
    }

    /// What was found, since this was asked last, that ftpq does without. None of it keeps a job from being queued.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        self.reading.warnings.take(&self.name)
    }

    fn next_entry(&mut self) -> Option<Result<Entry, Problem>> {
        if let ReaderState::Raw(_) = self.state {
            let ReaderState::Raw(raw) = std::mem::replace(&mut self.state, ReaderState::Ended) else { return None };
            match input::open(raw) {
                Ok(opened) => self.state = ReaderState::Open(self.choose(opened)),
                Err(e) => return Some(Err(Problem::fatal(1, &format!("can't be read: {e}")))),
            }
        }
        match &mut self.state {
            ReaderState::Open(body) => body.next(&mut self.reading),
            ReaderState::Raw(_) | ReaderState::Ended => None,
        }
    }

    fn choose(&mut self, opened: input::Peeked) -> Box<dyn Body> {
        let input::Peeked { text, head, is_whole } = opened;
        let format = self.reading.options.format.unwrap_or_else(|| Format::recognized(&head, &self.name));
        self.warn_of_idle_options(format);
        let needs_url = is_whole && self.reading.options.base.is_none();
        let nothing = if needs_url { no_url_in(&head) } else { None };
        match format {
            Format::List if nothing.is_some() => Box::new(Nothing(nothing)),
            Format::List => Box::new(List::new(text)),
            Format::Jsonl => Box::new(Jsonl::new(text)),
            Format::Csv => Box::new(Table::new(text, b',')),
            Format::Tsv => Box::new(Table::new(text, b'\t')),
            Format::Aria2 => Box::new(Aria2::new(text)),
            Format::Ena => Box::new(EnaTable::new(text)),
            Format::EnaJson => Box::new(EnaJson::new(text)),
            Format::Metalink => Box::new(Metalink::new(text)),
            Format::Sums => Box::new(Sums::new(text)),
            Format::BsdSums => Box::new(NumberSums::new(text, Tool::Sum)),
            Format::Cksum => Box::new(NumberSums::new(text, Tool::Cksum)),
            Format::Assembly => Box::new(Assembly::new(text)),
            Format::Rclone => Box::new(Table::of_urls_and_names(text)),
            Format::SequenceIndex => Box::new(SequenceIndex::new(text)),
        }
    }

    /// An option that does nothing is said to: it was meant to choose files.
    fn warn_of_idle_options(&mut self, format: Format) {
        let at = Position { line: 1, column: 1 };
        if !self.reading.options.suffixes.is_empty() && format != Format::Assembly {
            let message = format!("--suffix chooses files of an assembly_summary; this is read as {}", format.name());
            self.reading.warnings.say(at, &message);
        }
        if !self.reading.options.columns.is_empty() && !matches!(format, Format::Ena | Format::EnaJson) {
            let message = format!("--columns chooses files of an ENA report; this is read as {}", format.name());
            self.reading.warnings.say(at, &message);
        }
    }
}

/// A list that ends with its first word: why.
struct Nothing(Option<Problem>);

impl Body for Nothing {
    fn next(&mut self, _: &mut Reading) -> Option<Result<Entry, Problem>> {
        self.0.take().map(Err)
    }
}

/// Why a text is no list of URLs, said once and not for each of its lines; nothing where it may be one.
fn no_url_in(head: &[u8]) -> Option<Problem> {
    // What is not text is told of at its place.
    let text = std::str::from_utf8(head).ok()?;
    let before = text.match_indices("://").map(|(at, _)| text.get(..at).unwrap_or_default());
    let mut schemes =
        before.map(|before| before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default());
    let has_others = text.contains("://");
    let (number, line) =
        (1..).zip(text.lines()).find(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    if schemes.any(is_ftp) {
        return None;
    }
    let column = line.chars().take_while(|c| c.is_whitespace()).count() as u64 + 1;
    let message = if has_others {
        "no URL of FTP in this list: ftpq downloads over ftp://, ftpes:// and ftps:// alone; look for the archive's FTP address"
    } else {
        "no URL in this list: write one a line, such as ftp://HOST/FILE, or say where its files lie: --base ftp://HOST/FOLDER; \
         other lists are named by --format"
    };
    Some(Problem { fatal: true, ..Problem::line(number, column, message) })
}

impl Iterator for Reader {
    type Item = Result<Entry, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.next_entry()?.map_err(|problem| problem.in_file(&self.name));
        if matches!(&result, Err(error) if error.fatal) {
            self.state = ReaderState::Ended;
        }
        Some(result)
    }
}

/// The entry of one URL that stands in no file, with the destination it is given; `number` counts such URLs from 1.
///
/// # Errors
/// When it is no URL of a file, or the destination can't be used.
pub fn single(url: &str, path: Option<&str>, number: u64, options: &ReadOptions) -> Result<Entry, LineError> {
    let line = ManifestLine { url: url.to_owned(), path: path.map(str::to_owned), ..ManifestLine::default() };
    let mut reading = Reading { options: options.clone(), warnings: Warnings::default() };
    entry(line.into(), Position { line: number, column: 1 }, &mut reading)
        .map_err(|bad| Problem::line(number, 1, &bad.message).in_file("command line"))
}
