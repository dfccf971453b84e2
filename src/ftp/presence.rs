//! Whether files are still on the server, asked by name: a listing proves the absence of nothing.
//!
//! Their folder is gone to first. Then each file is asked for by SIZE and MDTM, and by MLST where the server does not know
//! both; many files in one write where the server takes several commands at once.

use super::ahead::Answers;
use super::session::Session;
use crate::model::{Failure, FailureKind, RemotePath, Stage, TransferType};
use crate::wire::{Command, Context, FileAnswer, Reply, ReplyClass, file_answer};

/// Files that are asked for in one write: the replies fit into any buffer.
const TOGETHER: usize = 16;

/// Files of one folder that are asked for.
#[derive(Clone, Copy, Debug)]
pub struct PresenceQuery<'a> {
    /// The folder; the empty path is the login directory.
    pub folder: &'a RemotePath,
    /// The files.
    pub files: &'a [RemotePath],
    /// A file that was listed a moment ago: where the server refuses that one too, its refusals mean nothing.
    pub control: Option<&'a RemotePath>,
    /// Whether refusals count where there is no such file.
    pub trusts_refusals: bool,
}

impl Session {
    /// What the server says of these files, in their order; a refusal without a reason counts as [`FileAnswer::Missing`]
    /// where the control file is told of, or there is none and refusals are to be trusted. Costs a round trip for the folder,
    /// and for every 16 files one where the server takes several commands at once; else two for each file.
    ///
    /// # Errors
    /// When the session fails, or the server can't say for now.
    pub async fn presence(&mut self, query: PresenceQuery<'_>) -> Result<Vec<FileAnswer>, Failure> {
        self.settle().await?;
        self.set_type(TransferType::Image).await?;
        self.ask_for_utf8().await?;
        match self.go_to(Stage::Inspect, query.folder).await {
            Ok(()) => {}
            Err(failure) if failure.kind != FailureKind::Permanent => return Err(failure),
            // It may be gone with all its files, or not be entered for other reasons: paths from the root tell.
            Err(_) if self.has_unix_paths() => {}
            Err(failure) => return Ok(vec![FileAnswer::Unclear(failure.to_string()); query.files.len()]),
        }
        let is_trusted = match query.control {
            Some(control) => self.file_answers(std::slice::from_ref(control)).await?.contains(&FileAnswer::Exists),
            None => query.trusts_refusals,
        };
        let is_deaf = query.control.is_some() && !is_trusted;
        let mut found = Vec::with_capacity(query.files.len());
        for files in query.files.chunks(TOGETHER) {
            found.extend(self.file_answers(files).await?.into_iter().map(|answer| match answer {
                FileAnswer::Refused(_) if is_trusted => FileAnswer::Missing,
                // Whatever it says: it says so of what it has.
                FileAnswer::Missing if is_deaf => {
                    FileAnswer::Unclear("it does not answer for a file that it lists either".to_owned())
                }
                answer => answer,
            }));
        }
        Ok(found)
    }

    async fn file_answers(&mut self, files: &[RemotePath]) -> Result<Vec<FileAnswer>, Failure> {
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
        for (name, commands) in names.iter().zip(questions) {
            let mut replies: Vec<Reply> = Vec::with_capacity(commands.len());
            for command in commands {
                let reply = match told.next() {
                    Some((_, reply)) => reply,
                    None => self.control.ask(Stage::Inspect, &command).await?,
                };
                if matches!(reply.code.get(), 421 | 430 | 530) || reply.is(ReplyClass::Preliminary) {
                    return Err(self.judge(&Context::new(Stage::Inspect, command.verb()), &reply));
                }
                replies.push(reply);
            }
            answers.push(file_answer(&replies, name));
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
