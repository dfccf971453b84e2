//! How a manifest is read, as the user says.

use super::Format;
use super::entry::read_url;
use crate::model::{Folder, without_userinfo};
use std::fmt;
use std::path::PathBuf;

/// How a manifest is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The format; recognized where it is `None`.
    pub format: Option<Format>,
    /// What relative URLs and names of files are appended to.
    pub base: Option<Base>,
    /// Absolute folder that destinations lie below.
    pub into: PathBuf,
    /// Which files of an assembly are meant: what follows the assembly's name in theirs. Empty for its whole folder.
    pub suffixes: Vec<String>,
    /// Which files of an ENA report are meant. Empty for the first kind that the report has.
    pub columns: Vec<EnaColumn>,
    /// The rules of folders that are named.
    pub folder: Folder,
    /// Takes a URL with wildcards apart: the folder, and the pattern of what is wanted below it.
    pub split: fn(&str) -> (String, Option<String>),
}

impl ReadOptions {
    /// Nothing said but the folder for the files.
    #[must_use]
    pub fn below(into: PathBuf) -> Self {
        let split = |url: &str| (url.to_owned(), None);
        let (suffixes, columns) = (Vec::new(), Vec::new());
        Self { format: None, base: None, into, suffixes, columns, folder: Folder::default(), split }
    }
}

/// A kind of files in an ENA report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnaColumn {
    /// FASTQ files that ENA made.
    Fastq,
    /// The files as they were submitted.
    Submitted,
    /// Files in NCBI's SRA format.
    Sra,
}

impl EnaColumn {
    /// Every kind, the one that is taken first where none is named.
    pub const ALL: [Self; 3] = [Self::Fastq, Self::Submitted, Self::Sra];

    /// The name before `_ftp`, `_md5` and `_bytes` in the report's columns.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fastq => "fastq",
            Self::Submitted => "submitted",
            Self::Sra => "sra",
        }
    }
}

/// A URL that relative ones are appended to. May hold a password, which it never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// Checks a URL of a folder on an FTP server.
    ///
    /// # Errors
    /// When no URL can be made with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let base = Self(text.trim().trim_end_matches('/').to_owned());
        read_url(&base.join("-"), false).map(|_| base)
    }

    /// The URL of something below, whose own text is a URL's.
    pub(super) fn join(&self, relative: &str) -> String {
        format!("{}/{}", self.0, relative.trim_start_matches('/'))
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_userinfo(&self.0))
    }
}
