//! Whether files are still on the server, asked by name: a listing proves the absence of nothing.
//!
//! Their folder is gone to first. Then each file is asked for by SIZE and MDTM, and by MLST where the server does not know
//! both; many files in one write where the server takes several commands at once. Before them go a file that was listed a
//! moment ago, and a name that nobody can have given to a file: what the server says of a file that is gone are its words
//! for that name, in whatever language.

use super::ahead::Answers;
use super::session::Session;
use crate::model::{Failure, FailureKind, RemotePath, SourceError, Stage, TransferType};
use crate::wire::{Command, Context, FileAnswer, FileReplies, Reply, ReplyClass, file_answer};

/// Files that are asked for in one write: the replies fit into any buffer.
const TOGETHER: usize = 16;

/// Files of one folder that are asked for.
#[derive(Clone, Copy, Debug)]
pub struct PresenceQuery<'a> {
    /// The folder; the empty path is the login directory.
    pub folder: &'a RemotePath,
    /// A folder that was read a moment ago, that one or one above it.
    pub root: &'a RemotePath,
    /// The files.
    pub files: &'a [RemotePath],
    /// A file that was listed a moment ago: where the server refuses that one too, its refusals mean nothing.
    pub control: Option<&'a RemotePath>,
    /// Whether refusals count where there is no such file.
    pub trusts_refusals: bool,
}

impl Session {
    /// What the server says of these files, in their order; a refusal without a reason counts as [`FileAnswer::Missing`]
    /// where the control file is told of, or there is none and refusals are to be trusted. Costs a round trip for the
    /// folder; where that can't be entered, one for each folder above up to one that can, and two more; one for what is asked
    /// to compare with; and for every 16 files one where the server takes several commands at once, else two for each name.
    ///
    /// # Errors
    /// When the session fails, or the server can't say for now.
    pub async fn presence(&mut self, query: PresenceQuery<'_>) -> Result<Vec<FileAnswer>, Failure> {
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        self.ask_for_utf8().await?;
        let near = match self.nearest(&query).await? {
            Ok(near) => near,
            Err(words) => return Ok(vec![FileAnswer::Unclear(words); query.files.len()]),
        };
        let Ok(nothing) = no_file(query.folder, &near) else {
            return Ok(vec![
                FileAnswer::Unclear("there is no path to ask for beside it".to_owned());
                query.files.len()
            ]);
        };
        let compared: Vec<RemotePath> = query.control.cloned().into_iter().chain([nothing]).collect();
        let mut compared = self.ask_of(&compared).await?;
        let Some(nothing) = compared.pop() else { return Ok(Vec::new()) };
        let is_trusted = match compared.pop() {
            Some(control) => control.has_file(),
            None => query.trusts_refusals,
        };
        let is_deaf = query.control.is_some() && !is_trusted;
        let judge = |replies: &FileReplies| match file_answer(replies, &nothing) {
            FileAnswer::Refused(_) if is_trusted => FileAnswer::Missing,
            // Whatever it says: it says so of what it has.
            FileAnswer::Missing if is_deaf => {
                FileAnswer::Unclear("it does not answer for a file that it lists either".to_owned())
            }
            answer => answer,
        };
        let mut found = Vec::with_capacity(query.files.len());
        for files in query.files.chunks(TOGETHER) {
            let mut answers: Vec<FileAnswer> = self.ask_of(files).await?.iter().map(judge).collect();
            // Where the replies differ they may be another file's: a server may answer side by side.
            if answers.iter().any(|answer| *answer != FileAnswer::Missing) {
                for (file, answer) in files.iter().zip(&mut answers) {
                    if *answer == FileAnswer::Missing && files.len() > 1 {
                        *answer = self.ask_of(std::slice::from_ref(file)).await?.first().map_or(answer.clone(), judge);
                    }
                }
            }
            found.extend(answers);
        }
        Ok(found)
    }

    /// The folder that can be entered: the one that is asked about, or the nearest above it where the next one on the way is
    /// refused in the words for a folder that nothing is. Otherwise the server's words.
    async fn nearest(&mut self, query: &PresenceQuery<'_>) -> Result<Result<RemotePath, String>, Failure> {
        let (mut folder, mut refused) = (query.folder.clone(), None);
        loop {
            let failure = match self.go_to(Stage::Inspect, &folder).await {
                Ok(()) => break,
                Err(failure) if failure.kind != FailureKind::Permanent => return Err(failure),
                Err(failure) => failure,
            };
            // It may be gone with all its files, or not be entered for other reasons: paths from the root tell. All words
            // may be the same below one that is forbidden.
            let above = folder.above().filter(|_| self.has_unix_paths() && folder != *query.root);
            let Some(above) = above else { return Ok(Err(failure.to_string())) };
            refused = Some(std::mem::replace(&mut folder, above));
        }
        let Some(refused) = refused else { return Ok(Ok(folder)) };
        Ok(match self.folder_answer(&refused, &folder).await? {
            FileAnswer::Unclear(words) => Err(words),
            _ => Ok(folder),
        })
    }

    /// What the refusal to enter a folder comes to, beside that of a folder that nothing is in the same one above.
    async fn folder_answer(&mut self, folder: &RemotePath, above: &RemotePath) -> Result<FileAnswer, Failure> {
        let nothing = above.join(no_name().as_bytes(), true).ok();
        let mut told = Vec::with_capacity(2);
        for path in [Some(folder), nothing.as_ref()].into_iter().flatten() {
            let mut name = self.locate(path).await?;
            // As it is named in the server's words.
            name.pop_if(|last| *last == b'/');
            let reply = self.control.ask(Stage::Inspect, &Command::Cwd(name.clone())).await?;
            told.push(FileReplies { replies: vec![self.refusal(reply, "CWD")?], name });
        }
        Ok(match told.as_slice() {
            [folder, nothing] => file_answer(folder, nothing),
            _ => FileAnswer::Unclear("there is no folder beside it to compare with".to_owned()),
        })
    }

    /// A reply that tells of a name; not one that ends the session, or is none to the question.
    fn refusal(&mut self, reply: Reply, verb: &str) -> Result<Reply, Failure> {
        if matches!(reply.code.get(), 421 | 430 | 530) || reply.is(ReplyClass::Preliminary) {
            return Err(self.judge(&Context::new(Stage::Inspect, verb), &reply));
        }
        Ok(reply)
    }

    /// What the server replies about each file.
    async fn ask_of(&mut self, files: &[RemotePath]) -> Result<Vec<FileReplies>, Failure> {
        if files.len() > 1 && !self.has_unix_paths() {
            // Each is named from its own folder.
            let mut answers = Vec::with_capacity(files.len());
            for file in files {
                answers.extend(Box::pin(self.ask_of(std::slice::from_ref(file))).await?);
            }
            return Ok(answers);
        }
        let mut names = Vec::with_capacity(files.len());
        for file in files {
            names.push(self.locate(file).await?);
        }
        let questions: Vec<Vec<Command>> = names.iter().map(|name| self.presence_questions(name)).collect();
        let together: Vec<Command> = questions.iter().flatten().cloned().collect();
        let at_once = self.may_burst() && together.len() > 1;
        let told = if at_once { self.burst(&together).await? } else { Answers::Unclear };
        let mut told = match told {
            Answers::Told(told) => told.into_iter(),
            Answers::Unclear => Vec::new().into_iter(),
        };
        let mut answers = Vec::with_capacity(files.len());
        for (name, commands) in names.into_iter().zip(questions) {
            let mut replies: Vec<Reply> = Vec::with_capacity(commands.len());
            for command in commands {
                let reply = match told.next() {
                    Some((_, reply)) => reply,
                    None => self.control.ask(Stage::Inspect, &command).await?,
                };
                replies.push(self.refusal(reply, command.verb())?);
            }
            answers.push(FileReplies { name, replies });
        }
        Ok(answers)
    }

    /// SIZE and MDTM, and MLST where the server does not know one of them.
    fn presence_questions(&self, name: &[u8]) -> Vec<Command> {
        let mut commands = Vec::with_capacity(2);
        if !self.quirks.no_size {
            commands.push(Command::Size(name.to_vec()));
        }
        if !self.quirks.no_mdtm {
            commands.push(Command::Mdtm(name.to_vec()));
        }
        if commands.len() < 2 && self.features.mlst.is_some() {
            commands.push(Command::Mlst(name.to_vec()));
        }
        commands
    }
}

/// A name that nothing has. All servers take such a one, those without Unix paths too.
fn no_name() -> String {
    format!("ftpq{:04x}", fastrand::u16(..))
}

/// A path that names nothing, as deep as the folder's files: what can't be entered on the way to the folder is replaced, too.
fn no_file(folder: &RemotePath, near: &RemotePath) -> Result<RemotePath, SourceError> {
    let name = no_name();
    let depth = |path: &RemotePath| path.as_bytes().split(|byte| *byte == b'/').count();
    (depth(near)..depth(folder))
        .try_fold(near.clone(), |path, _| path.join(name.as_bytes(), true))?
        .join(name.as_bytes(), false)
}
