//! What a refusing reply means for a download, and what to do about it.
//!
//! The code decides, the text refines: servers use 530 for a wrong password and for a full house, 550 for a missing
//! file and for a busy one.

use super::reply::{Reply, ReplyClass};
use crate::model::{Cause, Failure, FailureKind, Stage};

/// What the reply answers.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The step it belongs to.
    pub stage: Stage,
    /// The command it answers; empty for the greeting and for replies nobody asked for.
    pub verb: &'a str,
    /// The path that was sent, whose words don't count when the reply echoes it.
    pub path: &'a [u8],
}

/// The server has no place for this connection.
const FULL: [&str; 12] = [
    "too many",
    "overloaded",
    "try later",
    "try again later",
    "try back later",
    "maximum number",
    "(the maximum)",
    "number of connect",
    "more connection",
    "already connected",
    "simultaneous login",
    "no more",
];
/// More words of a full house, too common to be trusted elsewhere.
const FULL_421: [&str; 2] = ["per ip", "per-ip"];
/// A 550 that may pass.
const PASSING: [&str; 5] = ["in use", "another process", "try again", "too many", "timed out"];
/// Not a full house, though the server has "too many" of something.
const LOOP: [&str; 2] = ["levels of symbolic", "levels of link"];
/// The server demands TLS.
const TLS: [&str; 7] = ["tls", "ssl", "encrypt", "prot p", "secure", "session reuse", "auth"];
/// A listing is not all there is.
const CUT: [&str; 15] = [
    "truncated",
    "incomplete",
    "partial list",
    "partial director",
    "listing limit",
    "limit reached",
    "limit exceeded",
    "too many files",
    "too many entries",
    "too many matches",
    "out of memory",
    "more files exist",
    "not all files",
    "not all entries",
    "listing aborted",
];
/// The file is not there.
const ABSENT: [&str; 6] = ["no such file", "not found", "does not exist", "doesn't exist", "cannot find", "can't find"];

impl<'a> Context<'a> {
    /// A command without a path.
    #[must_use]
    pub fn new(stage: Stage, verb: &'a str) -> Self {
        Self { stage, verb, path: b"" }
    }

    /// The same with the path that was sent.
    #[must_use]
    pub fn with_path(self, path: &'a [u8]) -> Self {
        Self { path, ..self }
    }

    fn command(&self) -> &'a str {
        if self.verb.is_empty() { "the connection" } else { self.verb }
    }
}

/// The failure that a reply is. Total: a reply that refuses nothing is a breach of the protocol where it stands.
#[must_use]
pub fn classify(context: &Context<'_>, reply: &Reply) -> Failure {
    let said = Said::new(reply, context.path);
    let verdict = match (reply.code.get(), context.stage) {
        (421, _) => service_closes(&said),
        (430 | 530, Stage::Greeting | Stage::Login) => login_refused(context, &said),
        (430 | 530, _) => Verdict::transient(Cause::Disconnected, "the session lost its login").advise(NEW_SESSION),
        (332 | 532, _) => {
            Verdict::permanent(Cause::LoginRefused, "the server asks for an account besides user and password")
                .advise("put the account into netrc (`account`), or ask the server's operator")
        }
        (521 | 522, _) if context.stage == Stage::Data && !said.any(&TLS) => {
            Verdict::permanent(Cause::DataConnection, "the server can't open data connections this way")
                .advise("choose another --data-mode")
        }
        (521 | 522 | 534 | 536 | 537, _) => needs_tls(context),
        (500, _) if said.any(&["oops"]) => Verdict::transient(Cause::Refused, "the server's own process failed")
            .advise("if it stays, tell the server's operator"),
        (_, Stage::Greeting | Stage::Login) => at_the_door(context, reply, &said),
        (425, _) => data_connection(context, &said),
        (426, Stage::List) => {
            Verdict::transient(Cause::Disconnected, "the server broke the listing off").advise(READ_AGAIN)
        }
        (426, _) => Verdict::transient(Cause::Disconnected, "the server broke the data connection off").advise(GOES_ON),
        (450, Stage::List) => Verdict::transient(Cause::Refused, "the folder is busy").advise(TRIES_LATER),
        (550, Stage::List) => unlisted(&said),
        (450, _) => Verdict::transient(Cause::Refused, "the file is busy").advise(TRIES_LATER),
        (451, _) => local_error(&said),
        (452, _) => Verdict::transient(Cause::Refused, "the server has no space").advise(TRIES_LATER),
        (501, _) => Verdict::permanent(
            Cause::Refused,
            format!("the server does not take the argument of {}", context.command()),
        )
        .advise("check the path; `ftpq -v` shows the dialogue"),
        (500 | 502 | 504, Stage::Data) => {
            Verdict::permanent(Cause::DataConnection, format!("the server does not know {}", context.command()))
                .advise("choose another --data-mode")
        }
        (500 | 502 | 504, _) => {
            Verdict::permanent(Cause::Refused, format!("the server does not know {}", context.command()))
                .advise("`ftpq -v` shows the dialogue; this may be no ordinary FTP server")
        }
        (503, _) => Verdict::transient(
            Cause::Protocol,
            format!("the server lost count of the commands before {}", context.command()),
        )
        .advise(NEW_SESSION),
        (550, _) => unavailable(&said),
        (552, _) => {
            Verdict::permanent(Cause::Refused, "the server's quota is used up").advise("ask the server's operator")
        }
        (553, _) => {
            Verdict::permanent(Cause::Refused, "the server does not allow this file name").advise("check the path")
        }
        (554, Stage::Restart | Stage::Retrieve | Stage::Verdict) => {
            Verdict::transient(Cause::Changed, "the file is now shorter than the part that is already here")
                .advise("it starts again from its beginning")
        }
        _ => by_class(context, reply),
    };
    verdict.into_failure(context.stage, reply)
}

/// Whether the words say that the path names nothing, as opposed to something that can't be had.
#[must_use]
pub fn says_missing(reply: &Reply, path: &[u8]) -> bool {
    Said::new(reply, path).any(&ABSENT)
}

/// Words of a refusal for want of a right.
const FORBIDDEN: [&str; 5] = ["permission", "denied", "not allowed", "prohibited", "forbidden"];
/// Words of a refusal of what is no file.
const NO_FILE: [&str; 4] = ["plain file", "regular file", "a directory", "not a file"];

/// Whether the words give another reason than that the path names nothing.
pub(super) fn says_denied(reply: &Reply, path: &[u8]) -> bool {
    Said::new(reply, path).denies()
}

/// Whether the words give another reason than that the path names nothing, of a reply as a failure has it.
#[must_use]
pub fn text_says_denied(reply: &str, path: &[u8]) -> bool {
    Said::text(reply.to_lowercase(), path).denies()
}

/// Whether a reply of success says that the folder was not read: vsftpd's `226 Transfer done (but failed to open
/// directory).`, Pure-FTPd's `226-Sorry, we were unable to read [.]`.
#[must_use]
pub fn says_unread(reply: &Reply) -> bool {
    unquoted(reply).any(&["failed to open", "unable to read", "permission denied", "error during globbing"])
}

/// Whether a reply of success says that the listing is not all there is: Pure-FTPd's `226-Output truncated to 10000
/// matches`, and the words that others may have for it.
#[must_use]
pub fn says_truncated(reply: &Reply) -> bool {
    unquoted(reply).any(&CUT)
}

/// The words of a reply without what stands in quotes: FileZilla Server ends a listing with the folder's path.
fn unquoted(reply: &Reply) -> Said {
    let words = reply.words();
    Said::text(words.split('"').step_by(2).collect::<Vec<_>>().join(" "), b"")
}

/// Whether a refusal of a listing says no more than that there is nothing in the folder.
#[must_use]
pub fn says_empty(reply: &str) -> bool {
    let words = reply.to_ascii_lowercase();
    let code = words.get(..3).unwrap_or_default();
    matches!(code, "450" | "550")
        && ["no files found", "no data sets found", "no members found", "directory is empty", "directory empty"]
            .iter()
            .any(|phrase| words.contains(phrase))
}

/// Whether the reply forbids to start anywhere but at the beginning (proftpd: `451 Restart not permitted, try again`).
#[must_use]
pub fn forbids_restart(reply: &Reply, path: &[u8]) -> bool {
    reply.code.get() == 451 && Said::new(reply, path).any(&["restart not permitted"])
}

const NEW_SESSION: &str = "a new session is opened";
const GOES_ON: &str = "the transfer goes on where it broke off";
const READ_AGAIN: &str = "the folder is read again";
const TRIES_LATER: &str = "it is tried again later";
const FEWER: &str = "fewer connections are used; `--per-host` sets the most";

/// A failure before it has a stage and the server's words.
struct Verdict {
    kind: FailureKind,
    cause: Cause,
    message: String,
    advice: Option<String>,
}

impl Verdict {
    fn transient(cause: Cause, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Transient, cause, message: message.into(), advice: None }
    }

    fn permanent(cause: Cause, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Permanent, cause, message: message.into(), advice: None }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn into_failure(self, stage: Stage, reply: &Reply) -> Failure {
        let failure = match self.kind {
            FailureKind::Permanent => Failure::permanent(stage, self.cause, self.message),
            FailureKind::Transient | FailureKind::Local => Failure::transient(stage, self.cause, self.message),
        };
        let failure = failure.with_reply(&reply.text());
        match self.advice {
            Some(advice) => failure.with_advice(advice),
            None => failure,
        }
    }
}

fn service_closes(said: &Said) -> Verdict {
    if said.any(&["data channel", "data connection"]) {
        Verdict::transient(Cause::DataConnection, "the server waited in vain for the data connection")
            .advise("if it stays, choose another --data-mode")
    } else if said.any(&FULL) || said.any(&FULL_421) {
        full()
    } else {
        Verdict::transient(Cause::Disconnected, "the server closes the session").advise(NEW_SESSION)
    }
}

fn full() -> Verdict {
    Verdict::transient(Cause::TooManyConnections, "the server takes no more connections").advise(FEWER)
}

fn needs_tls(context: &Context<'_>) -> Verdict {
    // At the door it counts as a refused login, so that no other job tries the same there.
    let door = matches!(context.stage, Stage::Greeting | Stage::Login);
    let cause = if door { Cause::LoginRefused } else { Cause::Unsupported };
    Verdict::permanent(cause, "the server demands an encrypted connection")
        .advise("write the URL with ftpes:// (or ftps:// for port 990)")
}

fn login_refused(context: &Context<'_>, said: &Said) -> Verdict {
    if said.any(&FULL) || said.only_n_sessions() {
        full()
    } else if said.any(&TLS) && !said.any(&["authenti", "author"]) {
        needs_tls(context)
    } else if context.stage == Stage::Greeting {
        Verdict::permanent(Cause::LoginRefused, "the server does not let this machine in")
            .advise("ask the server's operator")
    } else {
        Verdict::permanent(Cause::LoginRefused, "the server refuses the user or the password")
            .advise("give the right ones with --user and --password-file, in the URL, or in netrc; then `ftpq retry`")
    }
}

fn at_the_door(context: &Context<'_>, reply: &Reply, said: &Said) -> Verdict {
    let refusal = format!("the server refuses {}", context.command());
    match reply.code.class() {
        ReplyClass::Transient | ReplyClass::Permanent if said.any(&FULL) => full(),
        ReplyClass::Transient => Verdict::transient(Cause::Refused, refusal).advise(TRIES_LATER),
        ReplyClass::Permanent if context.stage == Stage::Login => Verdict::permanent(Cause::LoginRefused, refusal)
            .advise("check user and password; `ftpq -v` shows the dialogue"),
        // Another 331 after PASS: to try again would be to send the password twice.
        ReplyClass::Intermediate if context.stage == Stage::Login => {
            Verdict::permanent(Cause::LoginRefused, "the server asks for more than a user, a password and an account")
                .advise("ask the server's operator how programs sign in")
        }
        ReplyClass::Permanent => Verdict::permanent(Cause::Refused, refusal).advise("ask the server's operator"),
        _ => by_class(context, reply),
    }
}

fn data_connection(context: &Context<'_>, said: &Said) -> Verdict {
    if said.any(&["too many"]) {
        return full();
    }
    if said.any(&["tls", "ssl"]) {
        return needs_tls(context);
    }
    Verdict::transient(Cause::DataConnection, "the server could not open the data connection")
        .advise("if it stays, choose another --data-mode, or look at the firewalls between")
}

fn local_error(said: &Said) -> Verdict {
    if said.any(&["too many"]) {
        full()
    } else if said.any(&["restart not permitted"]) {
        Verdict::transient(Cause::Refused, "the server does not allow resuming")
            .advise("the file is fetched from its beginning")
    } else {
        Verdict::transient(Cause::Refused, "the server has trouble of its own").advise(TRIES_LATER)
    }
}

fn unavailable(said: &Said) -> Verdict {
    if said.any(&LOOP) {
        Verdict::permanent(Cause::Missing, "the path leads over links that go in a circle")
            .advise("tell the server's operator")
    } else if said.any(&["too many"]) {
        full()
    } else if said.any(&PASSING) || said.word("load") {
        Verdict::transient(Cause::Refused, "the server does not give the file now").advise(TRIES_LATER)
    } else if said.any(&FORBIDDEN) {
        Verdict::permanent(Cause::Missing, "the server gives no right to read the file")
            .advise("check the path and whether this user may read it")
    } else if said.any(&NO_FILE) {
        Verdict::permanent(Cause::Unsupported, "the path is a folder or something else that is no file")
            .advise("end its URL with a slash to fetch what is in it")
    } else {
        Verdict::permanent(Cause::Missing, "the server has no such file, or gives no right to read it")
            .advise("check the path: a path in a URL starts at the login directory, and with %2F at the server's root")
    }
}

/// A 550 about a folder.
fn unlisted(said: &Said) -> Verdict {
    if said.any(&LOOP) || said.any(&PASSING) || said.word("load") {
        unavailable(said)
    } else if said.any(&FORBIDDEN) {
        Verdict::permanent(Cause::Missing, "the server gives no right to read the folder")
            .advise("check the path and whether this user may read it")
    } else if said.any(&["not a directory"]) {
        Verdict::permanent(Cause::Unsupported, "the path is a file, not a folder")
            .advise("leave out the slash at the end of its URL")
    } else {
        Verdict::permanent(Cause::Missing, "the server has no such folder, or gives no right to read it")
            .advise("check the path: a path in a URL starts at the login directory, and with %2F at the server's root")
    }
}

fn by_class(context: &Context<'_>, reply: &Reply) -> Verdict {
    match reply.code.class() {
        ReplyClass::Transient => {
            Verdict::transient(Cause::Refused, format!("the server refuses {} for now", context.command()))
                .advise(TRIES_LATER)
        }
        ReplyClass::Permanent => {
            Verdict::permanent(Cause::Refused, format!("the server refuses {}", context.command()))
                .advise("`ftpq -v` shows the dialogue")
        }
        _ => Verdict::transient(
            Cause::Protocol,
            format!("the server answers {} with a reply that does not fit", context.command()),
        )
        .advise(NEW_SESSION),
    }
}

/// The words of a reply, those of an echoed path left out.
struct Said {
    words: String,
    names: Vec<String>,
}

impl Said {
    fn new(reply: &Reply, path: &[u8]) -> Self {
        Self::text(reply.words(), path)
    }

    /// Words in lower case.
    fn text(words: String, path: &[u8]) -> Self {
        let path = String::from_utf8_lossy(path).to_lowercase();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Self { words, names: vec![path, name] }
    }

    fn any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.without_names_like(phrase).contains(phrase))
    }

    /// Whether they give another reason than that the path names nothing: RFC 959's own words for 550 name several.
    fn denies(&self) -> bool {
        self.any(&FORBIDDEN) || self.any(&NO_FILE) || self.any(&["access"])
    }

    /// Whether the word stands alone: `load`, but not `download`.
    fn word(&self, word: &str) -> bool {
        self.without_names_like(word).split(|c: char| !c.is_alphanumeric()).any(|other| other == word)
    }

    /// `only 2 sessions are allowed`.
    fn only_n_sessions(&self) -> bool {
        let said = self.without_names_like("session");
        said.split_once("only")
            .and_then(|(_, rest)| rest.split_once("session"))
            .is_some_and(|(_, rest)| rest.contains("allowed"))
    }

    /// Names are taken out only where they could be mistaken: a file called `a` must not eat every `a`.
    fn without_names_like(&self, phrase: &str) -> String {
        let mut words = self.words.clone();
        for name in self.names.iter().filter(|name| name.contains(phrase)) {
            words = words.replace(name.as_str(), " ");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;
    use Cause::*;
    use FailureKind::{Permanent, Transient};

    fn judge(stage: Stage, verb: &str, text: &str) -> Failure {
        classify(&Context::new(stage, verb).with_path(b"/pub/load too many.bin"), &reply(text))
    }

    #[test]
    fn codes_and_words_decide() {
        use Stage::{Data, Greeting, Inspect, List, Login, Prepare, Restart, Retrieve};
        let table = [
            (
                Greeting,
                "421 There are too many connected users, please try again later.",
                Transient,
                TooManyConnections,
            ),
            (Greeting, "421 Too many connections (8) from this IP", Transient, TooManyConnections),
            (Greeting, "421 8 users (the maximum) are already logged in, sorry", Transient, TooManyConnections),
            (Greeting, "421 Maximum 2 connections per IP", Transient, TooManyConnections),
            (
                Greeting,
                "530 Sorry, the maximum number of clients (2) from your host are already connected.",
                Transient,
                TooManyConnections,
            ),
            (Greeting, "530 Not from there.", Permanent, LoginRefused),
            (Greeting, "500 OOPS: vsftpd: cannot locate user", Transient, Refused),
            (Greeting, "554 no", Permanent, Refused),
            (Login, "530 Login incorrect.", Permanent, LoginRefused),
            (Login, "530 Authentication failed.", Permanent, LoginRefused),
            (Login, "430 Invalid user.", Permanent, LoginRefused),
            (Login, "530 Only 2 sessions per user allowed", Transient, TooManyConnections),
            (Login, "530 Server overloaded", Transient, TooManyConnections),
            (Login, "530 User x: simultaneous login limit", Transient, TooManyConnections),
            (Login, "530 Non-anonymous sessions must use encryption.", Permanent, LoginRefused),
            (Login, "534 Policy requires SSL.", Permanent, LoginRefused),
            (Login, "532 Need account", Permanent, LoginRefused),
            (Login, "331 again?", Permanent, LoginRefused),
            (Login, "501 bad user name", Permanent, LoginRefused),
            (Login, "451 later", Transient, Refused),
            (Login, "150 what", Transient, Protocol),
            (Prepare, "530 Please login with USER and PASS.", Transient, Disconnected),
            (Prepare, "500 TYPE?", Permanent, Refused),
            (Inspect, "421 Timeout.", Transient, Disconnected),
            (Inspect, "550 Could not get file size.", Permanent, Missing),
            (Data, "421 Passive data channel timed out.", Transient, DataConnection),
            (Data, "425 Can't open passive connection", Transient, DataConnection),
            (Data, "425 Too many connections. Can't open data connection.", Transient, TooManyConnections),
            (Data, "522 Network protocol not supported, use (1)", Permanent, DataConnection),
            (Data, "502 EPRT?", Permanent, DataConnection),
            (Restart, "554 Restart offset beyond end", Transient, Changed),
            (Retrieve, "425 Unable to build data connection: TLS session not resumed", Permanent, Unsupported),
            (Retrieve, "426 Failure writing network stream.", Transient, Disconnected),
            (Retrieve, "450 file busy", Transient, Refused),
            (Retrieve, "451 Too many transfers", Transient, TooManyConnections),
            (Retrieve, "451 Restart not permitted, try again", Transient, Refused),
            (Retrieve, "452 no space", Transient, Refused),
            (Retrieve, "500 what?", Permanent, Refused),
            (Retrieve, "501 bad argument", Permanent, Refused),
            (Retrieve, "503 Bad sequence", Transient, Protocol),
            (Retrieve, "504 no", Permanent, Refused),
            (Retrieve, "521 Data connection cannot be opened with this PROT setting.", Permanent, Unsupported),
            (Retrieve, "522 SSL connection failed; session reuse required", Permanent, Unsupported),
            (Retrieve, "532 account", Permanent, LoginRefused),
            (Retrieve, "550 Failed to open file.", Permanent, Missing),
            (Retrieve, "550 Permission denied.", Permanent, Missing),
            (Retrieve, "550 a: not a plain file.", Permanent, Unsupported),
            (Retrieve, "550 I can only retrieve regular files", Permanent, Unsupported),
            (Retrieve, "550 You may not download this", Permanent, Missing),
            (
                Retrieve,
                "550 The process cannot access the file because it is being used by another process.",
                Transient,
                Refused,
            ),
            (Retrieve, "550 The load was 9.00 when you connected", Transient, Refused),
            (Retrieve, "550 Too many users", Transient, TooManyConnections),
            (Inspect, "550 Can't change directory to /a: Too many levels of symbolic links", Permanent, Missing),
            (List, "550 Can't change directory to /a: Too many levels of symbolic links", Permanent, Missing),
            (List, "550 Too many users", Transient, TooManyConnections),
            (List, "550 Failed to change directory.", Permanent, Missing),
            (List, "550 /a: Not a directory", Permanent, Unsupported),
            (List, "550 /a: Permission denied", Permanent, Missing),
            (List, "550 in use, try again", Transient, Refused),
            (List, "450 busy", Transient, Refused),
            (List, "426 broken", Transient, Disconnected),
            (List, "502 MLSD?", Permanent, Refused),
            (Retrieve, "550 File in use, TRY AGAIN", Transient, Refused),
            (Retrieve, "552 quota", Permanent, Refused),
            (Retrieve, "553 name", Permanent, Refused),
            (Retrieve, "554 beyond end", Transient, Changed),
            (Retrieve, "499 odd", Transient, Refused),
            (Retrieve, "599 odd", Permanent, Refused),
            (Retrieve, "331 odd", Transient, Protocol),
        ];
        for (stage, text, kind, cause) in table {
            let failure = judge(stage, "X", text);
            assert_eq!((failure.kind, failure.cause, failure.stage), (kind, cause, stage), "{stage:?} {text}");
            assert!(failure.reply.as_deref().is_some_and(|words| words.starts_with(&text[..3])), "{text}");
            assert!(failure.advice.is_some_and(|advice| !advice.is_empty()), "{text}");
        }
    }

    #[test]
    fn words_of_an_echoed_name_do_not_count() {
        let missing = judge(Stage::Retrieve, "RETR", "550 /pub/load too many.bin: No such file or directory");
        assert_eq!((missing.kind, missing.cause), (Permanent, Missing));
        let missing = judge(Stage::Retrieve, "RETR", "550 Load Too Many.bin: No such file");
        assert_eq!((missing.kind, missing.cause), (Permanent, Missing));
        let busy = classify(&Context::new(Stage::Retrieve, "RETR").with_path(b"a"), &reply("550 a: in use"));
        assert_eq!(busy.kind, Transient);
    }

    #[test]
    fn missing_and_forbidden_are_told_apart() {
        assert!(says_missing(&reply("550 a: No such file or directory"), b"a"));
        assert!(!says_missing(&reply("550 Could not get file size."), b"a"));
        assert!(!says_missing(&reply("550 not found.txt: access denied"), b"not found.txt"));
        assert!(forbids_restart(&reply("451 Restart not permitted, try again"), b"a"));
        assert!(!forbids_restart(&reply("451 Local error"), b"a"));
    }

    #[test]
    fn an_empty_folder_is_told_from_one_that_was_not_read() {
        for text in ["550 No data sets found.", "450 No files found", "550 No members found.", "550 Directory is empty"]
        {
            assert!(says_empty(&reply(text).text()), "{text}");
        }
        for text in ["550 No such file", "226 No files found", "550 Permission denied", "451 no files found", ""] {
            assert!(!says_empty(text), "{text}");
        }
        assert!(says_unread(&reply("226 Transfer done (but failed to open directory).")));
        assert!(!says_unread(&reply("226 Directory send OK.")));
    }

    /// FileZilla Server ends a listing with the path of the folder.
    #[test]
    fn a_folder_may_have_any_name() {
        for name in ["incomplete", "truncated", "permission denied"] {
            let reply = reply(&format!("226 Successfully transferred \"/{name}\""));
            assert!(!says_truncated(&reply) && !says_unread(&reply), "{name}");
        }
        assert!(says_truncated(&reply("226 Output truncated to 10000 matches")));
    }
}
