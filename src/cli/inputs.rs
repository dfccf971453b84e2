//! What is named to be queued: URLs, manifests, standard input; read in chunks, off the runtime's own threads.

use super::exit::Failed;
use super::face::Face;
use super::words;
use crate::manifest::{Entry, LineError, ReadOptions, Reader, Warning, single};
use crate::model::without_userinfo;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

/// Entries handed over at a time.
pub(super) const CHUNK: usize = 1000;

/// Something named on the command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A URL, its number among the URLs, and the name its file is to have.
    Url {
        text: String,
        number: u64,
        name: Option<String>,
    },
    Manifest(PathBuf),
    Stdin,
}

impl Input {
    /// What each word names: `-`, anything with `://`, or else a file.
    pub(super) fn sort(words: Vec<OsString>) -> Vec<Self> {
        let mut urls = 0;
        let sort = |word: OsString| match word.to_str() {
            Some("-") => Self::Stdin,
            Some(text) if text.contains("://") => {
                urls += 1;
                Self::Url { text: text.to_owned(), number: urls, name: None }
            }
            _ => Self::Manifest(word.into()),
        };
        words.into_iter().map(sort).collect()
    }

    /// Whether other users can read a password in the process list.
    pub(super) fn shows_password(&self) -> bool {
        matches!(self, Self::Url { text, .. } if holds_password(text))
    }
}

/// Opens a list; what is none is told apart by what it looks like.
fn open(folder: &Path, path: &Path, name: &str) -> Result<File, Failed> {
    let wrong = |text: String| Err(Failed::Usage(text));
    if path.as_os_str().is_empty() {
        return wrong("an argument is empty; give a list file or a URL".to_owned());
    }
    let full = folder.join(path);
    match File::open(&full) {
        Ok(_) if full.is_dir() => wrong(format!("{name} is a folder; give a list file or a URL")),
        Ok(file) => Ok(file),
        Err(e) => {
            let is_path = name.starts_with(['/', '.', '~']) || e.kind() != ErrorKind::NotFound;
            let advice = if is_path { "" } else { "; a URL starts with ftp://" };
            wrong(format!("can't read the manifest {name}: {e}{advice}"))
        }
    }
}

/// Whether a text seems to be a URL with a password.
pub(super) fn holds_password(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| without_userinfo(rest) != rest)
}

/// Bytes that the entries of a chunk may weigh: some lists give thousands of digests for a file.
const WEIGHT: usize = 4 << 20;

/// Entries of one input, in chunks.
pub(super) enum Feed {
    /// One URL.
    One(Option<Box<Result<Entry, LineError>>>),
    List(Box<Reader>),
}

/// What was read of an input: nothing at its end.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Result<Entry, LineError>>,
    pub(super) warnings: Vec<Warning>,
}

impl Feed {
    /// Opens an input.
    pub(super) fn open(face: &mut Face<'_>, input: Input, options: &ReadOptions) -> Result<Self, Failed> {
        let reader = match input {
            Input::Url { text, number, name } => {
                let entry = single(&text, name.as_deref(), number, options);
                return Ok(Self::One(Some(Box::new(entry))));
            }
            Input::Stdin => {
                let input = face.input.take();
                let input = input.ok_or_else(|| Failed::Usage("standard input can be read only once".to_owned()))?;
                Reader::open(input, "standard input".to_owned(), options.clone())
            }
            Input::Manifest(path) => {
                let name = words::path(&path);
                let file = open(&face.around.folder, &path, &name)?;
                Reader::open(Box::new(BufReader::with_capacity(64 << 10, file)), name, options.clone())
            }
        };
        Ok(Self::List(Box::new(reader)))
    }

    /// The next entries, [`CHUNK`] at most, and the feed to ask for more; no entries at the end.
    pub(super) async fn next(self) -> Result<(Self, Chunk), Failed> {
        let mut reader = match self {
            Self::One(entry) => {
                let entries = entry.into_iter().map(|entry| *entry).collect();
                return Ok((Self::One(None), Chunk { entries, ..Chunk::default() }));
            }
            Self::List(reader) => reader,
        };
        // Standard input may keep one waiting, and a desk answers on the runtime's threads.
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = Chunk::default();
            let mut weight = 0;
            while chunk.entries.len() < CHUNK && weight < WEIGHT {
                let Some(entry) = reader.next() else { break };
                weight += entry.as_ref().map_or(0, weight_of);
                chunk.entries.push(entry);
            }
            chunk.warnings = reader.take_warnings();
            (Self::List(reader), chunk)
        });
        read.await.map_err(|e| Failed::Io("reading a manifest came to a halt".to_owned(), io::Error::other(e)))
    }
}

/// About how much memory an entry takes beyond what each does.
fn weight_of(entry: &Entry) -> usize {
    let pieces = entry.spec.expect.pieces.as_ref();
    let mirrors = entry.spec.mirrors.iter().map(|mirror| mirror.source.path().as_bytes().len() + 200);
    // Digests go to the queue in hexadecimal digits.
    mirrors.sum::<usize>() + pieces.map_or(0, |pieces| pieces.count() * pieces.algorithm().digest_len() * 3)
}
