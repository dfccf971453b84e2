//! From the greeting to a session that is ready for files, as a state machine fed with replies.

use super::classify::{Context, classify};
use super::command::Command;
use super::features::Features;
use super::pwd;
use super::reply::{Reply, ReplyClass};
use crate::model::{Cause, Failure, Secret, Stage, TransferType};

/// Whom to be.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// USER.
    pub user: String,
    /// PASS, where one is known.
    pub secret: Option<Secret>,
    /// ACCT, where one is known.
    pub account: Option<Secret>,
}

/// What to do next.
#[derive(Debug)]
pub enum LoginStep {
    /// Send this, and feed its reply.
    Send(Command),
    /// Feed the next reply.
    Wait,
    /// The session is ready, in TYPE I.
    Done(Ready),
}

/// What is known of a session that is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// What FEAT said.
    pub features: Features,
    /// The login directory, where PWD could be understood.
    pub directory: Option<Vec<u8>>,
}

/// The dialogue (RFC 959, section 5.4; RFC 2389; RFC 2640). A password is sent once at most.
#[derive(Debug)]
pub struct Login {
    at: At,
    credentials: Credentials,
    ready: Ready,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Greeting,
    User,
    Pass,
    Acct,
    Feat,
    Opts,
    Type,
    Pwd,
    Over,
}

impl At {
    fn context(self) -> Context<'static> {
        let (stage, verb) = match self {
            Self::Greeting => (Stage::Greeting, ""),
            Self::User => (Stage::Login, "USER"),
            Self::Pass => (Stage::Login, "PASS"),
            Self::Acct => (Stage::Login, "ACCT"),
            Self::Feat => (Stage::Prepare, "FEAT"),
            Self::Opts => (Stage::Prepare, "OPTS"),
            Self::Type => (Stage::Prepare, "TYPE"),
            Self::Pwd => (Stage::Prepare, "PWD"),
            Self::Over => (Stage::Prepare, ""),
        };
        Context::new(stage, verb)
    }
}

impl Login {
    /// A login that awaits the greeting.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { at: At::Greeting, credentials, ready: Ready::default() }
    }

    /// The step that the next reply belongs to.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.at.context().stage
    }

    /// Takes a reply and says what to do next.
    ///
    /// # Errors
    /// When the server refuses, asks for what is not known, or breaks the dialogue.
    pub fn on(&mut self, reply: &Reply) -> Result<LoginStep, Failure> {
        let code = reply.code.get();
        if self.stage() == Stage::Prepare && matches!(code, 421 | 430 | 530) {
            return Err(self.refused(reply));
        }
        match (self.at, code) {
            (At::Greeting, 120) => Ok(LoginStep::Wait),
            (At::Greeting, 220) => Ok(self.send(At::User, Command::User(self.credentials.user.clone()))),
            (At::Greeting | At::User, 230 | 232) | (At::Pass | At::Acct, 200..=299) => {
                Ok(self.send(At::Feat, Command::Feat))
            }
            (At::User, 331) => self.password(),
            (At::User | At::Pass, 332) => self.account(reply),
            (At::Feat, 200..=299) => {
                self.ready.features = Features::parse(reply);
                Ok(if self.ready.features.utf8 { self.send(At::Opts, Command::OptsUtf8) } else { self.set_type() })
            }
            // A server without FEAT, or one whose UTF8 needs no switching on, is as good.
            (At::Feat | At::Opts, _) if !reply.is(ReplyClass::Preliminary) => Ok(self.set_type()),
            (At::Type, 200..=299) => Ok(self.send(At::Pwd, Command::Pwd)),
            (At::Pwd, _) if !reply.is(ReplyClass::Preliminary) => {
                self.at = At::Over;
                self.ready.directory = if code == 257 { pwd::directory(reply) } else { None };
                Ok(LoginStep::Done(std::mem::take(&mut self.ready)))
            }
            _ => Err(self.refused(reply)),
        }
    }

    fn send(&mut self, at: At, command: Command) -> LoginStep {
        self.at = at;
        LoginStep::Send(command)
    }

    fn set_type(&mut self) -> LoginStep {
        self.send(At::Type, Command::Type(TransferType::Image))
    }

    fn password(&mut self) -> Result<LoginStep, Failure> {
        match self.credentials.secret.take() {
            Some(secret) => Ok(self.send(At::Pass, Command::Pass(secret))),
            None => Err(Failure::permanent(
                Stage::Login,
                Cause::LoginRefused,
                "the server asks for a password, and none is known",
            )
            .with_advice("give it with --password-file, in the URL, or in netrc; then `ftpq retry`")),
        }
    }

    fn account(&mut self, reply: &Reply) -> Result<LoginStep, Failure> {
        match self.credentials.account.take() {
            Some(account) => Ok(self.send(At::Acct, Command::Acct(account))),
            None => Err(self.refused(reply)),
        }
    }

    fn refused(&mut self, reply: &Reply) -> Failure {
        let context = self.at.context();
        self.at = At::Over;
        classify(&context, reply)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;
    use crate::model::FailureKind;

    fn login(secret: Option<&str>, account: Option<&str>) -> Login {
        Login::new(Credentials {
            user: "bob".into(),
            secret: secret.map(Secret::new),
            account: account.map(Secret::new),
        })
    }

    /// Plays the replies and returns the lines that were sent, and the end.
    fn play(mut login: Login, replies: &[&str]) -> (Vec<String>, Result<Option<Ready>, Failure>) {
        let mut sent = Vec::new();
        for text in replies {
            match login.on(&reply(text)) {
                Ok(LoginStep::Send(command)) => {
                    sent.push(String::from_utf8(command.encode().unwrap()).unwrap().trim_end().to_owned());
                }
                Ok(LoginStep::Wait) => {}
                Ok(LoginStep::Done(ready)) => return (sent, Ok(Some(ready))),
                Err(failure) => return (sent, Err(failure)),
            }
        }
        (sent, Ok(None))
    }

    #[test]
    fn the_usual_login() {
        let (sent, end) = play(
            login(Some("pw"), None),
            &[
                "220-hi\r\n220 there",
                "331 pw?",
                "230 in",
                "211-F\r\n UTF8\r\n211 E",
                "200 ok",
                "200 I",
                "257 \"/home\"",
            ],
        );
        assert_eq!(sent, ["USER bob", "PASS pw", "FEAT", "OPTS UTF8 ON", "TYPE I", "PWD"]);
        let ready = end.unwrap().unwrap();
        assert!(ready.features.utf8);
        assert_eq!(ready.directory.as_deref(), Some(b"/home".as_slice()));
    }

    #[test]
    fn shorter_and_longer_ways_in() {
        let tail = ["500 FEAT?", "200 I", "257 \"/\""];
        let table: [(&str, &[&str], &[&str]); 6] = [
            ("no password wanted", &["220 hi", "230 in"], &["USER bob", "FEAT"]),
            ("let in at once", &["230 in"], &["FEAT"]),
            ("has to wait first", &["120 soon", "220 hi", "230 in"], &["USER bob", "FEAT"]),
            ("superfluous password", &["220 hi", "331 pw?", "202 not needed"], &["USER bob", "PASS pw", "FEAT"]),
            (
                "account after PASS",
                &["220 hi", "331 pw?", "332 acct?", "230 in"],
                &["USER bob", "PASS pw", "ACCT x", "FEAT"],
            ),
            ("account at once", &["220 hi", "332 acct?", "202 in"], &["USER bob", "ACCT x", "FEAT"]),
        ];
        for (name, replies, commands) in table {
            let replies = [replies, &tail].concat();
            let (sent, end) = play(login(Some("pw"), Some("x")), &replies);
            assert_eq!(sent, [commands, &["TYPE I", "PWD"]].concat(), "{name}");
            assert!(end.unwrap().is_some(), "{name}");
        }
    }

    #[test]
    fn refusals_of_small_things_do_no_harm() {
        let (_, end) = play(
            login(Some("pw"), None),
            &["220 hi", "331 pw?", "230 in", "211-F\r\n UTF8\r\n211 E", "501 no", "250 I", "550 no PWD"],
        );
        assert_eq!(end.unwrap().unwrap().directory, None);
    }

    #[test]
    fn a_wrong_password_is_sent_once() {
        for again in ["331 again?", "530 Login incorrect."] {
            let (sent, end) = play(login(Some("pw"), None), &["220 hi", "331 pw?", again, "331 pw?"]);
            assert_eq!(sent, ["USER bob", "PASS pw"], "{again}");
            assert!(end.is_err(), "{again}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let (sent, end) = play(login(None, None), &["220 hi", "331 pw?"]);
        let failure = end.unwrap_err();
        assert_eq!((sent.len(), failure.kind, failure.cause), (1, FailureKind::Permanent, Cause::LoginRefused));
        let (_, end) = play(login(Some("pw"), None), &["220 hi", "331 pw?", "332 acct?"]);
        assert_eq!(end.unwrap_err().cause, Cause::LoginRefused);
    }

    #[test]
    fn each_refusal_carries_its_stage() {
        let table: [(&[&str], Stage, Cause); 6] = [
            (&["421 too many users"], Stage::Greeting, Cause::TooManyConnections),
            (&["331 what"], Stage::Greeting, Cause::Protocol),
            (&["220 hi", "530 no"], Stage::Login, Cause::LoginRefused),
            (&["220 hi", "230 in", "421 Timeout"], Stage::Prepare, Cause::Disconnected),
            (&["220 hi", "230 in", "530 log in first"], Stage::Prepare, Cause::Disconnected),
            (&["220 hi", "230 in", "500 ?", "504 no TYPE"], Stage::Prepare, Cause::Refused),
        ];
        for (replies, stage, cause) in table {
            let failure = play(login(Some("pw"), None), replies).1.unwrap_err();
            assert_eq!((failure.stage, failure.cause), (stage, cause), "{replies:?}");
        }
    }
}
