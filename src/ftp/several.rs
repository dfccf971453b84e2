//! Questions about several files in one write.

use super::ahead::Answers;
use super::session::Session;
use super::trouble;
use crate::model::{Failure, Identity, RemotePath, Stage, TransferType};
use crate::wire::{self, EntryKind, Reply};

impl Session {
    /// What the server says of several files, in TYPE I and in one round trip: for each, what was told, nothing where it
    /// refused or its reply is of no use. A hint: what matters is to be confirmed by [`Session::inspect`]. Returns nothing
    /// at all where the server is not known to take several commands at once.
    ///
    /// # Errors
    /// When the session fails, or the replies can't be told apart. What that says of the server is not learned: it may well
    /// take fewer at a time.
    pub async fn inspect_several(&mut self, paths: &[RemotePath]) -> Result<Option<Vec<Option<Identity>>>, Failure> {
        if !self.may_burst() {
            return Ok(None);
        }
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        self.ask_for_utf8().await?;
        let questions = |path| self.whole(path).map(|name| self.questions(&name)).unwrap_or_default();
        let each: Vec<_> = paths.iter().map(questions).collect();
        let lengths: Vec<usize> = each.iter().map(Vec::len).collect();
        let (lockstep, strikes) = (self.quirks.lockstep, self.ahead.strikes);
        let told = self.burst(&each.concat()).await;
        (self.quirks.lockstep, self.ahead.strikes) = (lockstep, strikes);
        let Answers::Told(told) = told? else {
            let why = "the replies to questions about several files can't be told apart";
            return Err(trouble::out_of_step(Stage::Inspect, why));
        };
        let mut told = told.into_iter();
        Ok(Some(lengths.into_iter().map(|length| identity(told.by_ref().take(length))).collect()))
    }
}

/// What replies about one file tell, where they don't contradict each other.
fn identity(told: impl Iterator<Item = (&'static str, Reply)>) -> Option<Identity> {
    let mut found = Identity::default();
    let mut size = None;
    let mut refused = false;
    for (verb, reply) in told {
        match (verb, reply.code.get()) {
            ("MLST", 250) => {
                let entry = wire::entry(&reply).filter(|entry| entry.kind == EntryKind::File)?;
                found = Identity { size: entry.size, modified: entry.modify, unique: entry.unique };
            }
            ("SIZE", 213) => size = wire::size(&reply),
            ("MDTM", 213) => found.modified = wire::modification_time(&reply),
            _ => refused = true,
        }
    }
    let differs = matches!((found.size, size), (Some(a), Some(b)) if a != b);
    found.size = found.size.or(size);
    (!refused && !differs && found != Identity::default()).then_some(found)
}
