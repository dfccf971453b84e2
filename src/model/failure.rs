//! How an attempt fails, in words a person can act upon.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The network's or the server's passing trouble: tried again.
    Transient,
    /// The same would happen again: not tried again by itself.
    Permanent,
    /// This machine's trouble: disk, permissions.
    Local,
}

/// The step that failed, in the order of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looking up the host name.
    Resolve,
    /// Opening the control connection.
    Connect,
    /// Waiting for the server's 220.
    Greeting,
    /// Agreeing on TLS with the server, and checking its certificate.
    Secure,
    /// USER, PASS, ACCT.
    Login,
    /// FEAT, OPTS, TYPE, PWD, CWD.
    Prepare,
    /// SIZE, MDTM, MLST.
    Inspect,
    /// MLSD or LIST, and the entries themselves.
    List,
    /// Deciding what to do with what is on disk.
    Plan,
    /// Opening the data connection: EPSV, PASV, EPRT, PORT.
    Data,
    /// REST.
    Restart,
    /// RETR and the bytes themselves.
    Retrieve,
    /// The final reply.
    Verdict,
    /// Size and checksum of what was received.
    Verify,
    /// Writing to the disk.
    Store,
    /// Giving the file its final name.
    Commit,
}

impl Stage {
    /// The stage in a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "looking up the host",
            Self::Connect => "connecting",
            Self::Greeting => "greeting",
            Self::Secure => "setting up TLS",
            Self::Login => "login",
            Self::Prepare => "setting up the session",
            Self::Inspect => "asking for size and time",
            Self::List => "reading the folder",
            Self::Plan => "deciding how to go on",
            Self::Data => "opening the data connection",
            Self::Restart => "restart",
            Self::Retrieve => "transfer",
            Self::Verdict => "end of transfer",
            Self::Verify => "checking",
            Self::Store => "writing",
            Self::Commit => "final name",
        }
    }
}

/// What went wrong, for programs and for the engine's decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The host can't be found or reached.
    Unreachable,
    /// The connection broke.
    Disconnected,
    /// No progress within the time allowed.
    Timeout,
    /// The server has too many connections, or too many of ours.
    TooManyConnections,
    /// The server refuses user or password.
    LoginRefused,
    /// The server's certificate is not the one it should be.
    Certificate,
    /// The server has no TLS, or none that ftpq speaks, where it is required.
    TlsRefused,
    /// The server takes a data connection only with the control connection's TLS session, and did not recognize it.
    TlsReuse,
    /// No such file, or no right to read it.
    Missing,
    /// The server refuses for another reason of its own.
    Refused,
    /// The server breaks the protocol.
    Protocol,
    /// No data connection could be opened.
    DataConnection,
    /// The remote file is another one than before.
    Changed,
    /// A mirror has another file than the source that the part file was begun with.
    OtherContent,
    /// A listing is not all that is in its folder.
    Incomplete,
    /// The number of bytes is wrong.
    WrongSize,
    /// The checksum is wrong.
    WrongChecksum,
    /// A file that must not be touched stands under the final name.
    Exists,
    /// No space, or no quota, left on the local file system.
    DiskFull,
    /// Another local error.
    LocalIo,
    /// Asked for what ftpq can't do.
    Unsupported,
    /// The local folder can't be written: its file system is read-only, or permission is missing.
    ReadOnly,
    /// The local file system, or a limit of this process, allows no file so large.
    FileTooLarge,
    /// This process, or this machine, has too many files and sockets open.
    Descriptors,
    /// A file that is to be replaced can't be moved to the backup folder.
    Backup,
}

impl Cause {
    /// Whether local storage refuses what a new run can go on with once it is mended: the job is kept, and costs no attempt.
    #[must_use]
    pub fn is_held_back(self) -> bool {
        matches!(self, Self::DiskFull | Self::ReadOnly | Self::FileTooLarge | Self::Backup)
    }
}

/// Why an attempt failed: what, at which stage, in whose words, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
pub struct Failure {
    /// Whether trying again can help.
    pub kind: FailureKind,
    /// Where it happened.
    pub stage: Stage,
    /// What it was.
    pub cause: Cause,
    /// What happened, in a sentence without a full stop.
    pub message: String,
    /// The server's own words, made safe for a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Failure {
    /// A failure that may pass by itself.
    #[must_use]
    pub fn transient(stage: Stage, cause: Cause, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, stage, cause, message)
    }

    /// A failure that would happen again.
    #[must_use]
    pub fn permanent(stage: Stage, cause: Cause, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, stage, cause, message)
    }

    /// A failure of this machine.
    #[must_use]
    pub fn local(stage: Stage, cause: Cause, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Local, stage, cause, message)
    }

    /// Adds the server's own words, made safe for a terminal and bounded.
    #[must_use]
    pub fn with_reply(mut self, text: &str) -> Self {
        self.reply = Some(super::printable(text, 300));
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_advice(mut self, text: impl Into<String>) -> Self {
        self.advice = Some(text.into());
        self
    }

    /// Whether it came before the login was through.
    #[must_use]
    pub fn is_before_login(&self) -> bool {
        matches!(self.stage, Stage::Resolve | Stage::Connect | Stage::Greeting | Stage::Secure | Stage::Login)
    }

    /// Whether another source of the same file may do better: it is not this machine's trouble with the file itself.
    #[must_use]
    pub fn is_of_source(&self) -> bool {
        self.kind != FailureKind::Local || self.is_before_login()
    }

    fn new(kind: FailureKind, stage: Stage, cause: Cause, message: impl Into<String>) -> Self {
        Self { kind, stage, cause, message: message.into(), reply: None, advice: None }
    }
}

/// One line: stage, message, the server's words, advice.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.name(), self.message)?;
        if let Some(reply) = &self.reply {
            write!(f, " (the server said: {reply})")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}
