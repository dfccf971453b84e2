//! The entries of a folder, as they arrive, and what links lead to.
//!
//! A folder is always gone to by CWD first, and MLSD or LIST sent without a path. So the server itself says whether there
//! is such a folder (vsftpd and Pure-FTPd answer LIST of a missing one by 226 and nothing), and no name is taken for an
//! option or a pattern. LIST shows what the server shows of itself: vsftpd, `ProFTPD` and Pure-FTPd leave out names that
//! begin with a dot. `LIST -a` would be an option to them, and a file's name to others.
//!
//! The representation type stays what it is: servers send listings in lines whatever it is.

use super::opening::Begun;
use super::retrieval::{Retrieval, Verdict};
use super::session::Session;
use crate::model::{Cause, Failure, FailureKind, RemotePath, Stage};
use crate::wire::listing::{self, Excess, Form, Item, Limits};
use crate::wire::{Command, says_empty};
use tokio::task::consume_budget;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// A folder's listing under way. Dropped before its end, it leaves the session unusable unless the server was done.
#[must_use = "a listing has to be read to its end"]
pub struct Listing<'a> {
    /// The data, until the server said its last word.
    retrieval: Option<Retrieval<'a>>,
    parser: listing::Listing,
    form: Form,
    buffer: Vec<u8>,
    /// Where in the buffer the bytes stand that were read and not yet looked at.
    unread: std::ops::Range<usize>,
    phase: Phase,
}

/// How far a listing is.
#[derive(Clone, Debug)]
enum Phase {
    /// Data is still to come.
    Flowing,
    /// The data ended; its last line may still hold an entry.
    Ended,
    /// The server confirmed it.
    Whole,
    /// It will never be whole.
    Failed(Failure),
}

/// How a folder is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingKind {
    /// By MLSD where the server offers it, else by LIST.
    Best,
    /// By LIST.
    People,
    /// By LIST in the order of the names, as Pure-FTPd can.
    Sorted {
        /// Whether names that begin with a dot are wanted, which MLSD tells and LIST does not.
        hidden: bool,
        /// Whether the last name comes first.
        reversed: bool,
    },
}

/// A listing as it is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedListing {
    pub(super) kind: ListingKind,
    pub(super) limits: Limits,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A file.
    File,
    /// A folder.
    Folder {
        /// Its path from the server's root, where the server tells it: without the link on servers that follow it at once.
        real: Option<Vec<u8>>,
    },
    /// Nothing, or nothing that may be had.
    Dangling,
}

impl Session {
    /// Opens the listing of a folder; the empty path is the login directory. By MLSD where the server offers it, else by
    /// LIST. `now`, in seconds since 1970-01-01 UTC, gives dates their year where the server leaves it out.
    ///
    /// # Errors
    /// When there is no such folder, the server refuses, or the data connection can't be made. An MLSD that is refused in
    /// spite of FEAT is among [`Session::quirks`] then.
    pub async fn list(&mut self, path: &RemotePath, now: i64) -> Result<Listing<'_>, Failure> {
        self.list_within(path, now, WantedListing { kind: ListingKind::Best, limits: Limits::default() }).await
    }

    /// As [`Session::list`], in another form or order.
    ///
    /// # Errors
    /// As [`Session::list`].
    pub async fn list_by(&mut self, path: &RemotePath, now: i64, kind: ListingKind) -> Result<Listing<'_>, Failure> {
        self.list_within(path, now, WantedListing { kind, limits: Limits::default() }).await
    }

    /// The same under other limits.
    pub(super) async fn list_within(
        &mut self,
        path: &RemotePath,
        now: i64,
        wanted: WantedListing,
    ) -> Result<Listing<'_>, Failure> {
        self.settle().await?;
        self.ask_for_utf8().await?;
        self.go_to(Stage::List, path).await?;
        let limits = wanted.limits;
        match self.begin_listing(wanted.kind).await {
            Ok((begun, form)) => Ok(Listing::new(Some(Retrieval::new(self, begun)), form, now, limits)),
            // MVS and others have no better words for a folder without files; that it is there, CWD has told.
            Err(failure) if says_empty(failure.reply.as_deref().unwrap_or_default()) => {
                Ok(Listing::new(None, Form::People, now, limits))
            }
            Err(failure) => Err(failure),
        }
    }

    /// MLSD, or LIST where that is not known to the server or not wanted.
    async fn begin_listing(&mut self, kind: ListingKind) -> Result<(Begun, Form), Failure> {
        if let ListingKind::Sorted { hidden, reversed } = kind {
            let command = Command::ListSorted { hidden, reversed };
            return self.begin(command, 0).await.map(|begun| (begun, Form::People));
        }
        if kind == ListingKind::Best && self.features.mlsd && !self.quirks.no_mlsd {
            match self.begin(Command::Mlsd, 0).await {
                Err(failure) if is_unknown(&failure) => {
                    self.control.note("* MLSD is offered and refused: LIST is used from now on");
                    self.quirks.no_mlsd = true;
                    if !self.is_usable() {
                        let message = "the server refuses MLSD, which it offers";
                        return Err(Failure::transient(Stage::List, Cause::Refused, message)
                            .with_advice("the folder is read by LIST on a new session"));
                    }
                }
                begun => return begun.map(|begun| (begun, Form::Machine)),
            }
        }
        self.begin(Command::List, 0).await.map(|begun| (begun, Form::People))
    }

    /// What a link leads to, by CWD, and where that is refused by what the server says of a file. Later paths are right all
    /// the same.
    ///
    /// # Errors
    /// When the session fails, or the server can't say for now.
    pub async fn kind_of_link(&mut self, path: &RemotePath) -> Result<LinkKind, Failure> {
        self.settle().await?;
        match self.go_to(Stage::Inspect, path).await {
            Ok(()) => {
                // The parent of a link's folder is not the link's.
                self.lose_the_way();
                return Ok(LinkKind::Folder { real: self.working_directory(Stage::Inspect).await? });
            }
            Err(failure) if failure.kind == FailureKind::Permanent => {}
            Err(failure) => return Err(failure),
        }
        match self.inspect(path).await {
            Ok(_) => Ok(LinkKind::File),
            Err(failure) if matches!(failure.cause, Cause::Missing | Cause::Unsupported) => Ok(LinkKind::Dangling),
            Err(failure) => Err(failure),
        }
    }
}

impl<'a> Listing<'a> {
    fn new(retrieval: Option<Retrieval<'a>>, form: Form, now: i64, limits: Limits) -> Self {
        let phase = if retrieval.is_some() { Phase::Flowing } else { Phase::Whole };
        let parser = listing::Listing::new(form, now, limits);
        Self { retrieval, parser, form, buffer: vec![0; CHUNK], unread: 0..0, phase }
    }

    /// The command whose answer is read: MLSD's facts are exact, LIST's are hints.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Bytes of the listing that were looked at.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parser.bytes()
    }

    /// The next entry; nothing once the data ended cleanly and the server confirmed it, so that these are all. It holds
    /// no more than 64 KiB and a line.
    ///
    /// # Errors
    /// When the listing is not whole, or goes beyond a limit; then for good.
    pub async fn next(&mut self) -> Result<Option<Item>, Failure> {
        loop {
            let found = match &self.phase {
                Phase::Flowing => {
                    let mut input = self.buffer.get(self.unread.clone()).unwrap_or_default();
                    let found = self.parser.next(&mut input);
                    self.unread.start = self.unread.end - input.len();
                    found
                }
                Phase::Ended => self.parser.finish(),
                Phase::Whole => return Ok(None),
                Phase::Failed(failure) => return Err(failure.clone()),
            };
            self.phase = match (found, &self.phase) {
                (Ok(Some(item)), _) => return Ok(Some(item)),
                (Ok(None), Phase::Flowing) => self.fill().await,
                (Ok(None), _) => self.conclude().await,
                (Err(excess), _) => {
                    self.stop().await;
                    Phase::Failed(beyond(excess))
                }
            };
        }
    }

    /// Breaks the listing off. The session stays usable when the server says its last word in time.
    pub async fn abort(mut self) {
        self.stop().await;
    }

    async fn stop(&mut self) {
        if let Some(retrieval) = self.retrieval.take() {
            retrieval.abort().await;
        }
    }

    /// Reads on.
    async fn fill(&mut self) -> Phase {
        // A server that is faster than whoever takes the entries must leave others their turn.
        consume_budget().await;
        let Some(retrieval) = &mut self.retrieval else { return Phase::Ended };
        match retrieval.read(&mut self.buffer).await {
            Ok(0) => Phase::Ended,
            Ok(count) => {
                self.unread = 0..count;
                Phase::Flowing
            }
            Err(failure) => Phase::Failed(failure),
        }
    }

    /// The server's last word.
    async fn conclude(&mut self) -> Phase {
        let Some(retrieval) = self.retrieval.take() else { return Phase::Whole };
        match retrieval.finish().await {
            Verdict::Confirmed => Phase::Whole,
            // How many entries there are is told by the end of the data alone.
            Verdict::Cut { failure } => Phase::Failed(failure.with_advice(
                "anybody on the way could so hide files; it is read again; if it stays, tell the server's operator",
            )),
            Verdict::Unconfirmed { failure } | Verdict::Refused { failure } => Phase::Failed(failure),
        }
    }
}

impl std::fmt::Debug for Listing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listing").field("form", &self.form).field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// Whether a server does not know the command of the listing.
fn is_unknown(failure: &Failure) -> bool {
    let reply = failure.reply.as_deref().unwrap_or_default();
    failure.stage == Stage::List
        && ["500", "501", "502", "504"].iter().any(|code| reply.starts_with(code))
        && failure.kind == FailureKind::Permanent
}

fn beyond(excess: Excess) -> Failure {
    Failure::permanent(Stage::List, Cause::Refused, excess.to_string())
        .with_advice("this is no folder to be fetched as a whole: name its files one by one, or one of its folders")
}
