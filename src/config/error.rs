//! Why settings can't be used.

use crate::model::{printable, without_userinfo};
use std::io;
use std::path::{Path, PathBuf};

/// Why a settings file, netrc or password file can't be used. Never holds any of a password.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A place in the file isn't understood.
    #[error("{}:{line}:{column}: {message}", shown(path))]
    Place {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The system's keyring can't be used.
    #[error("the keyring can't be used: {0}")]
    Keyring(String),
    /// The file as a whole can't be used.
    #[error("{}: {message}", shown(path))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), message: message.into() }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    /// An error at a byte offset in the file's text.
    pub(super) fn place(path: &Path, text: &str, offset: usize, message: &str) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let line = before.matches('\n').count() + 1;
        Self::Place { path: path.to_owned(), line, column, message: printable(message, 600) }
    }
}

fn shown(path: &Path) -> String {
    printable(&without_userinfo(&path.to_string_lossy()), 300)
}
