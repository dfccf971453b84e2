//! Size, time and identity of a remote file, before its transfer.

use super::ahead::Answers;
use super::session::Session;
use crate::model::{Cause, Failure, FailureKind, Identity, RemotePath, Stage, TransferType};
use crate::wire::{self, Command, Context, EntryKind, Marker, Reply, ReplyClass, classify, says_missing};

/// What a question about a file brought.
enum Answer {
    /// The server answered it.
    Told(Reply),
    /// The server has nothing, or gives nothing, under this name.
    Denied(Failure, bool),
    /// The server does not know the command.
    Unknown,
    /// The server refuses the command for this file; that says nothing about the file.
    Unclear,
}

/// What MLST brought.
enum Listed {
    /// All that is needed.
    Whole(Identity),
    /// Not enough; whether it denied the file, and whether in plain words.
    Wanting(Option<(Failure, bool)>),
}

/// Replies about one file that came before they were asked for one by one.
type Told = Vec<(&'static str, Reply)>;

/// What the server says of a file, and of others that were asked about along with it.
#[derive(Debug)]
pub struct Inspected {
    /// Of the file; the failure is as that of [`Session::inspect`].
    pub file: Result<Identity, Failure>,
    /// Of the others, in their order; nothing where they were not asked about, since the file can't be reached.
    pub others: Vec<Option<Result<Identity, Failure>>>,
}

impl Inspected {
    /// The file can't be reached, or the session failed before any of them was answered.
    fn failed(failure: Failure, others: usize) -> Self {
        let of_others = (failure.kind == FailureKind::Transient).then(|| Err(failure.clone()));
        Self { file: Err(failure), others: vec![of_others; others] }
    }
}

impl Session {
    /// What the server says of the file, in TYPE I: MLST's facts where it offers them, else SIZE and MDTM. What a
    /// server can't tell stays `None`. In one round trip where the server takes several commands at once.
    ///
    /// # Errors
    /// When there is no such file (said by two commands, where the server knows two), it is a folder, or the session
    /// fails.
    pub async fn inspect(&mut self, path: &RemotePath) -> Result<Identity, Failure> {
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        let name = self.locate(path).await?;
        let (commands, counts) = self.questions_about(std::slice::from_ref(&name));
        let told = if self.may_burst() && commands.len() > 1 {
            apart(self.burst(&commands).await?, &counts).pop().unwrap_or_default()
        } else {
            Told::new()
        };
        self.identify(&name, told).await
    }

    /// As [`Session::inspect`], for the file that a link leads to: by SIZE and MDTM alone, for MLST may tell of the link
    /// itself, and of which of the two differs from server to server.
    ///
    /// # Errors
    /// As [`Session::inspect`].
    pub async fn inspect_behind_link(&mut self, path: &RemotePath) -> Result<Identity, Failure> {
        let offered = self.features.mlst.take();
        let identity = self.inspect(path).await;
        self.features.mlst = offered;
        identity
    }

    /// As [`Session::inspect`], for a file that is likely to be fetched then, from `likely` on: where the server takes
    /// several commands at once, the data connection is opened meanwhile and REST sent, so that
    /// [`Session::retrieve`] needs one round trip more. Any other offset, and no transfer at all, are right too. The
    /// questions about `others` travel along; their answers stand apart, for a failure of the one is none of the other.
    pub async fn inspect_ahead(&mut self, path: &RemotePath, likely: u64, others: &[&RemotePath]) -> Inspected {
        let told = match self.ask_ahead(path, likely, others).await {
            Ok(told) => told,
            Err(failure) => return Inspected::failed(failure, others.len()),
        };
        let mut told = told.into_iter();
        let mut answers = Vec::with_capacity(others.len());
        for other in others {
            answers.push(Some(self.answer(other, told.next().unwrap_or_default()).await));
        }
        Inspected { file: self.answer(path, told.next().unwrap_or_default()).await, others: answers }
    }

    /// What the server says of several files, as [`Session::inspect`] does of one: in one round trip where it takes
    /// several commands at once.
    pub async fn inspect_all(&mut self, paths: &[&RemotePath]) -> Vec<Result<Identity, Failure>> {
        let told = match self.ask_together(paths).await {
            Ok(told) => told,
            Err(failure) => return vec![Err(failure); paths.len()],
        };
        let mut told = told.into_iter();
        let mut answers = Vec::with_capacity(paths.len());
        for path in paths {
            answers.push(self.answer(path, told.next().unwrap_or_default()).await);
        }
        answers
    }

    /// Whether a question about this file can travel with those about another one.
    #[must_use]
    pub fn may_ask_along(&self, path: &RemotePath) -> bool {
        self.may_burst() && self.whole(path).is_some()
    }

    /// Puts the questions about `others`, then those about the file, while the data connection is opened, where that
    /// may be done at once. Returns the replies that came so, each file's apart.
    async fn ask_ahead(
        &mut self,
        path: &RemotePath,
        likely: u64,
        others: &[&RemotePath],
    ) -> Result<Vec<Told>, Failure> {
        let mut all = self.names(others);
        if !self.may_open_early() || all.len() < others.len() {
            let all: Vec<&RemotePath> = others.iter().copied().chain([path]).collect();
            return self.ask_together(&all).await;
        }
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        all.push(self.locate(path).await?);
        let (mut commands, counts) = self.questions_about(&all);
        if likely > 0 || self.marker() != Marker::Clear {
            // RFC 3659, section 5.3: REST is the last before RETR.
            commands.push(Command::Rest(likely));
        }
        let answers = self.burst_and_open(&commands).await?;
        Ok(apart(answers, &counts))
    }

    /// Puts the questions about several files, at once where that may be.
    async fn ask_together(&mut self, paths: &[&RemotePath]) -> Result<Vec<Told>, Failure> {
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        let all = self.names(paths);
        let (commands, counts) = self.questions_about(&all);
        if all.len() < paths.len() || commands.len() < 2 || !self.may_burst() {
            return Ok(Vec::new());
        }
        // It may well take fewer at a time: what a great many do to a session is no lesson.
        let (lockstep, strikes) = (self.quirks.lockstep, self.ahead.strikes);
        let answers = self.burst(&commands).await;
        if paths.len() > 1 {
            (self.quirks.lockstep, self.ahead.strikes) = (lockstep, strikes);
        }
        Ok(apart(answers?, &counts))
    }

    /// The names of files as far as they can be sent from any directory: all of them, or none.
    fn names(&self, paths: &[&RemotePath]) -> Vec<Vec<u8>> {
        paths.iter().map(|path| self.whole(path)).collect::<Option<_>>().unwrap_or_default()
    }

    /// What is to be asked about files, one after the other, and how many commands each takes.
    fn questions_about(&self, names: &[Vec<u8>]) -> (Vec<Command>, Vec<usize>) {
        let mut commands: Vec<Command> = self.ahead.utf8_due.then_some(Command::OptsUtf8).into_iter().collect();
        let mut counts = Vec::with_capacity(names.len());
        for name in names {
            let before = commands.len();
            commands.extend(self.questions(name));
            counts.push(commands.len() - before);
        }
        (commands, counts)
    }

    /// What the server says of a file, of which it has told something already.
    async fn answer(&mut self, path: &RemotePath, told: Told) -> Result<Identity, Failure> {
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        let name = self.locate(path).await?;
        self.identify(&name, told).await
    }

    /// Sends OPTS UTF8 ON where that is still to be done.
    pub(super) async fn ask_for_utf8(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.ahead.utf8_due) {
            // Whatever the server says to it: names are sent as they are.
            let reply = self.control.ask(Stage::Prepare, &Command::OptsUtf8).await?;
            if matches!(reply.code.get(), 421 | 430 | 530) || reply.is(ReplyClass::Preliminary) {
                return Err(self.judge(&Context::new(Stage::Prepare, "OPTS"), &reply));
            }
        }
        Ok(())
    }

    /// What is to be asked about a file.
    pub(super) fn questions(&self, name: &[u8]) -> Vec<Command> {
        let mut commands = Vec::new();
        let listed = self.has_listing();
        if listed {
            commands.push(Command::Mlst(name.to_vec()));
        }
        if !(self.quirks.no_size || (listed && self.listing_checked)) {
            commands.push(Command::Size(name.to_vec()));
        }
        if !(self.quirks.no_mdtm || listed) {
            commands.push(Command::Mdtm(name.to_vec()));
        }
        commands
    }

    /// Whether MLST tells all that is needed.
    fn has_listing(&self) -> bool {
        self.features.mlst.is_some_and(|facts| facts.size && facts.modify)
    }

    /// Puts together what was told; what was not is asked now.
    async fn identify(&mut self, name: &[u8], mut told: Told) -> Result<Identity, Failure> {
        let identity = self.identity(name, &mut told).await;
        self.ahead.size = identity.as_ref().ok().and_then(|identity| identity.size);
        identity
    }

    async fn identity(&mut self, name: &[u8], told: &mut Told) -> Result<Identity, Failure> {
        self.ask_for_utf8().await?;
        let mut denials = Vec::new();
        if self.has_listing() {
            match self.described(name, told).await? {
                Listed::Whole(identity) => return Ok(identity),
                Listed::Wanting(denial) => denials.extend(denial),
            }
        }
        let size = if self.quirks.no_size {
            Answer::Unknown
        } else {
            self.question(Command::Size(name.to_vec()), name, told).await?
        };
        self.quirks.no_size |= matches!(size, Answer::Unknown);
        let time = if self.quirks.no_mdtm {
            Answer::Unknown
        } else {
            self.question(Command::Mdtm(name.to_vec()), name, told).await?
        };
        self.quirks.no_mdtm |= matches!(time, Answer::Unknown);

        let mut identity = Identity::default();
        let mut exists = false;
        for (answer, is_size) in [(size, true), (time, false)] {
            match answer {
                Answer::Told(reply) if is_size => {
                    identity.size = wire::size(&reply);
                    exists = true;
                }
                Answer::Told(reply) => {
                    identity.modified = wire::modification_time(&reply);
                    exists = true;
                }
                Answer::Denied(failure, plain) => denials.push((failure, plain)),
                Answer::Unknown | Answer::Unclear => {}
            }
        }
        // One 550 alone may concern the command: some servers refuse SIZE and still send the file.
        let sure = denials.len() > 1 || denials.iter().any(|(_, plain)| *plain);
        match denials.pop() {
            Some((failure, _)) if sure && !exists => Err(self.missing_or_folder(failure, name).await?),
            _ => Ok(identity),
        }
    }

    async fn described(&mut self, name: &[u8], told: &mut Told) -> Result<Listed, Failure> {
        let entry = match self.question(Command::Mlst(name.to_vec()), name, told).await? {
            Answer::Told(reply) => wire::entry(&reply),
            Answer::Denied(failure, plain) => return Ok(Listed::Wanting(Some((failure, plain)))),
            Answer::Unknown | Answer::Unclear => {
                self.features.mlst = None;
                None
            }
        };
        let Some(entry) = entry else { return Ok(Listed::Wanting(None)) };
        if entry.kind == EntryKind::Directory {
            return Err(folder());
        }
        // A link's own facts are not those of the file it leads to.
        let (EntryKind::File, Some(size), Some(modified)) = (entry.kind, entry.size, entry.modify) else {
            return Ok(Listed::Wanting(None));
        };
        if !self.listing_checked && !self.quirks.no_size {
            self.listing_checked = true;
            if let Answer::Told(reply) = self.question(Command::Size(name.to_vec()), name, told).await?
                && wire::size(&reply).is_some_and(|other| other != size)
            {
                self.control.note("* MLST and SIZE differ; MLST is not used any more");
                self.features.mlst = None;
                return Ok(Listed::Wanting(None));
            }
        }
        Ok(Listed::Whole(Identity { size: Some(size), modified: Some(modified), unique: entry.unique }))
    }

    async fn question(&mut self, command: Command, name: &[u8], told: &mut Told) -> Result<Answer, Failure> {
        let reply = match told.iter().position(|(verb, _)| *verb == command.verb()) {
            Some(at) => told.swap_remove(at).1,
            None => self.control.ask(Stage::Inspect, &command).await?,
        };
        let context = Context::new(Stage::Inspect, command.verb()).with_path(name);
        match reply.code.get() {
            213 | 250 => Ok(Answer::Told(reply)),
            500 | 502 => Ok(Answer::Unknown),
            550 => {
                let failure = classify(&context, &reply);
                match failure.kind {
                    FailureKind::Transient => Err(failure),
                    _ => Ok(Answer::Denied(failure, says_missing(&reply, name))),
                }
            }
            530 | 532 => Err(self.judge(&context, &reply)),
            _ if matches!(reply.code.class(), ReplyClass::Completion | ReplyClass::Permanent) => Ok(Answer::Unclear),
            _ => Err(self.judge(&context, &reply)),
        }
    }

    /// Tells a folder from a file that is missing, where one CWD can do no harm to later paths.
    async fn missing_or_folder(&mut self, denial: Failure, name: &[u8]) -> Result<Failure, Failure> {
        if denial.cause == Cause::Missing && self.has_unix_paths() {
            let reply = self.control.ask(Stage::Inspect, &Command::Cwd(name.to_vec())).await?;
            if reply.is(ReplyClass::Completion) {
                return Ok(folder());
            }
        }
        Ok(denial)
    }
}

/// Replies to several files' questions, each file's apart; none where they can't be told apart.
fn apart(answers: Answers, counts: &[usize]) -> Vec<Told> {
    let Answers::Told(answers) = answers else { return Vec::new() };
    let mut answers = answers.into_iter().filter(|(verb, _)| *verb != "OPTS");
    counts.iter().map(|&count| answers.by_ref().take(count).collect()).collect()
}

fn folder() -> Failure {
    Failure::permanent(Stage::Inspect, Cause::Unsupported, "the path is a folder, not a file")
        .with_advice("end its URL with a slash to fetch what is in it")
}
