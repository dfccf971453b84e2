//! The server's own checksums: asked for after the data, one at a time, and with more patience than other commands.

use super::session::Session;
use crate::model::{Checksum, Failure, RemotePath, Span, Stage, TransferType};
use crate::wire::{Command, HashVerb, HashWay, NoDigest, ReplyClass, server_digest};
use std::time::Duration;

/// A server has to read the whole file: so many times the time allowed for anything else.
const PATIENCE: u32 = 10;

/// What came of a question for a checksum.
pub type Asked = Result<Checksum, NoAnswer>;

/// Why there is no checksum; nothing is wrong with the session then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// In words: the command, and what came of it.
    pub why: String,
    /// Whether another way may be asked by: this one is not known to the server.
    pub unknown: bool,
}

impl Session {
    /// The best way to ask this server for a file's checksum; nothing where it offers none.
    #[must_use]
    pub fn hash_way(&self) -> Option<HashWay> {
        if self.quirks.no_hash { None } else { self.features.hashes.best() }
    }

    /// The way to ask it for the checksum of a part of a file, by the same function.
    #[must_use]
    pub fn ranged_hash_way(&self, way: HashWay) -> Option<HashWay> {
        if self.quirks.no_hash { None } else { self.features.hashes.ranged(way.algorithm) }
    }

    /// How long the server may take for it.
    #[must_use]
    pub fn hash_patience(&self) -> Duration {
        self.control.timeout() * PATIENCE
    }

    /// Asks for the checksum of a file of `size` bytes.
    ///
    /// # Errors
    /// When the session does not survive it. What the server makes of the question is no error.
    pub async fn hash(&mut self, path: &RemotePath, way: HashWay, size: u64) -> Result<Asked, Failure> {
        self.ask_hash(path, way, (Span { start: 0, end: size }, None)).await
    }

    /// Asks for the checksum of a part of a file. `last` is the number that is sent as its end: servers take that for the
    /// last byte, or for the one behind it.
    ///
    /// # Errors
    /// As [`Session::hash`].
    pub async fn hash_range(
        &mut self,
        path: &RemotePath,
        way: HashWay,
        (span, last): (Span, u64),
    ) -> Result<Asked, Failure> {
        // What is left of a RANG would fall upon the next RETR: none goes over this session any more.
        self.has_range |= way.verb == HashVerb::Hash;
        self.ask_hash(path, way, (span, Some(last))).await
    }

    async fn ask_hash(
        &mut self,
        path: &RemotePath,
        way: HashWay,
        (span, last): (Span, Option<u64>),
    ) -> Result<Asked, Failure> {
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        let name = self.locate(path).await?;
        let Some(command) = way.ask(&name, last.map(|last| (span.start, last))) else {
            return Ok(Err(unasked(way, "a name with a quote can't be told to it")));
        };
        if let Some(choose) = way.choose().filter(|_| self.hash_chosen != Some(way.algorithm)) {
            let reply = self.control.ask(Stage::Verify, &choose).await?;
            if !reply.is(ReplyClass::Completion) {
                return Ok(Err(self.refused(way, NoDigest::Unknown, &reply.text())));
            }
            self.hash_chosen = Some(way.algorithm);
        }
        if let Some(last) = last.filter(|_| way.verb == HashVerb::Hash) {
            let reply = self.control.ask(Stage::Verify, &Command::Range(span.start, last)).await?;
            if !matches!(reply.code.class(), ReplyClass::Completion | ReplyClass::Intermediate) {
                return Ok(Err(unasked(way, "the server takes no range")));
            }
        }
        self.control.send(Stage::Verify, &command).await?;
        let reply = self.control.reply_within(Stage::Verify, self.hash_patience()).await?;
        Ok(match server_digest(&reply, way, &name, span) {
            Ok(sum) => Ok(sum),
            Err(why) => Err(self.refused(way, why, &reply.text())),
        })
    }

    /// Takes note of a question that brought nothing.
    fn refused(&mut self, way: HashWay, why: NoDigest, words: &str) -> NoAnswer {
        let unknown = why == NoDigest::Unknown;
        if unknown {
            self.features.hashes.strike(way);
            self.quirks.no_hash |= self.features.hashes.best().is_none();
        }
        NoAnswer { why: format!("{}: {why} ({words})", way.name()), unknown }
    }

    /// Whether another question may be asked, even if no file is to come over this session any more.
    #[must_use]
    pub fn answers(&mut self) -> bool {
        self.control.is_in_step()
    }
}

fn unasked(way: HashWay, why: &str) -> NoAnswer {
    NoAnswer { why: format!("{}: {why}", way.name()), unknown: false }
}
