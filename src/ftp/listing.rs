//! The entries of a folder, as they arrive.

use super::session::Session;
use super::trouble;
use crate::model::{Failure, RemotePath, Stage};
use crate::wire::listing::{Form, Item};

/// A folder's listing under way. Dropped before its end, it leaves the session unusable unless the server was done.
#[derive(Debug)]
#[must_use = "a listing has to be read to its end"]
pub struct Listing<'a> {
    session: &'a mut Session,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A file.
    File,
    /// A folder.
    Folder {
        /// Its path without links, where the server tells it.
        real: Option<Vec<u8>>,
    },
    /// Nothing, or nothing that may be had.
    Dangling,
}

impl Session {
    /// Opens the listing of a folder; the empty path is the login directory. `now`, in seconds since 1970-01-01 UTC,
    /// gives dates their year where the server leaves it out.
    ///
    /// # Errors
    /// When the server refuses, or the data connection can't be made.
    pub async fn list(&mut self, path: &RemotePath, now: i64) -> Result<Listing<'_>, Failure> {
        let _ = (path, now);
        self.settle().await?;
        Ok(Listing { session: self })
    }

    /// What a link leads to. The working directory is the same before and after.
    ///
    /// # Errors
    /// When the session fails.
    pub async fn kind_of_link(&mut self, path: &RemotePath) -> Result<LinkKind, Failure> {
        let _ = path;
        self.settle().await?;
        Ok(LinkKind::Dangling)
    }
}

impl Listing<'_> {
    /// The command whose answer is read: MLSD's facts are exact, LIST's are hints.
    #[must_use]
    pub fn form(&self) -> Form {
        Form::People
    }

    /// The next entry; nothing once the server confirmed that these are all.
    ///
    /// # Errors
    /// When the listing is not whole, or beyond a limit.
    pub async fn next(&mut self) -> Result<Option<Item>, Failure> {
        self.session.settle().await?;
        Err(trouble::impossible(Stage::List, "listings are not read yet", "wait for the next version"))
    }

    /// Breaks the listing off. The session stays usable when the server says its last word in time.
    pub async fn abort(self) {}
}
