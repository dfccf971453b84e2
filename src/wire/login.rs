//! From the greeting to a session that is ready for files, as a state machine fed with replies.

use super::burst::{Burst, Order};
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
    /// Send these in one write, and feed their replies.
    SendAll(Vec<Command>),
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
    /// OPTS UTF8 ON is still to be sent.
    pub utf8_due: bool,
    /// Whether the server that the greeting names queues commands which come during a transfer, where that is known of
    /// it. Anyone may give himself a name.
    pub queues_by_name: Option<bool>,
}

/// The dialogue (RFC 959, section 5.4; RFC 2389; RFC 2640). A password is sent once at most, and never before the
/// reply to USER.
#[derive(Debug)]
pub struct Login {
    at: At,
    credentials: Credentials,
    ready: Ready,
    /// What follows the login goes out in one write.
    together: bool,
    burst: Option<Burst>,
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
    Together,
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
            Self::Together | Self::Over => (Stage::Prepare, ""),
        };
        Context::new(stage, verb)
    }
}

impl Login {
    /// A login that awaits the greeting, one command at a time.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { at: At::Greeting, credentials, ready: Ready::default(), together: false, burst: None }
    }

    /// The same, with FEAT, TYPE and PWD in one write once the server let the user in.
    #[must_use]
    pub fn together(self) -> Self {
        Self { together: true, ..self }
    }

    /// Whether replies to several commands are awaited at once.
    #[must_use]
    pub fn is_together(&self) -> bool {
        self.burst.is_some()
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
            (At::Greeting, 220) => {
                self.ready.queues_by_name = queues_by_name(&reply.words());
                Ok(self.send(At::User, Command::User(self.credentials.user.clone())))
            }
            (At::Greeting | At::User, 230 | 232) | (At::Pass | At::Acct, 200..=299) => Ok(self.prepare()),
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
                self.ready.directory = if code == 257 { pwd::directory(reply) } else { None };
                Ok(self.done())
            }
            (At::Together, _) => self.on_burst(reply),
            _ => Err(self.refused(reply)),
        }
    }

    /// What follows once the user is let in. OPTS UTF8 ON waits for what FEAT says, and rides with a later burst.
    fn prepare(&mut self) -> LoginStep {
        if !self.together {
            return self.send(At::Feat, Command::Feat);
        }
        let commands = vec![Command::Feat, Command::Type(TransferType::Image), Command::Pwd];
        self.burst = Some(Burst::new(&commands));
        self.at = At::Together;
        LoginStep::SendAll(commands)
    }

    fn on_burst(&mut self, reply: &Reply) -> Result<LoginStep, Failure> {
        let Some(burst) = &mut self.burst else { return Err(self.refused(reply)) };
        if burst.take(reply.clone()) {
            return Ok(LoginStep::Wait);
        }
        if burst.order() != Order::Proved {
            let failure = Failure::transient(
                Stage::Prepare,
                Cause::Protocol,
                "the server does not answer several commands in their order",
            );
            return Err(failure.with_reply(&reply.text()).with_advice("it is tried again, one command at a time"));
        }
        for (verb, reply) in self.burst.take().into_iter().flat_map(Burst::into_answers) {
            let good = reply.is(ReplyClass::Completion);
            match verb {
                "FEAT" if good => self.ready.features = Features::parse(&reply),
                "PWD" if good => self.ready.directory = pwd::directory(&reply),
                "TYPE" if !good => {
                    self.at = At::Type;
                    return Err(self.refused(&reply));
                }
                _ => {}
            }
        }
        self.ready.utf8_due = self.ready.features.utf8;
        let foreign = self.ready.directory.as_ref().is_some_and(|path| !path.is_ascii());
        if self.ready.utf8_due && foreign {
            // OPTS may change in which bytes PWD tells the directory, and the paths below it are told.
            self.ready.utf8_due = false;
            return Ok(self.send(At::Opts, Command::OptsUtf8));
        }
        Ok(self.done())
    }

    fn done(&mut self) -> LoginStep {
        self.at = At::Over;
        LoginStep::Done(std::mem::take(&mut self.ready))
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

/// vsftpd does not look at its control connection during a transfer. `ProFTPD` does, but only where it does not send by
/// sendfile(2): `450 EPSV: data transfer in progress`. Pure-FTPd and pyftpdlib always do.
fn queues_by_name(greeting: &str) -> Option<bool> {
    let known = [("vsftpd", true), ("proftpd", false), ("pure-ftpd", false), ("pyftpdlib", false)];
    known.into_iter().find_map(|(name, queues)| greeting.contains(name).then_some(queues))
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
                Ok(LoginStep::SendAll(commands)) => sent.push(format!("{commands:?}")),
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

    #[test]
    fn what_follows_the_login_goes_out_together() {
        let replies =
            ["220 (vsFTPd 3.0.5)", "331 pw?", "230 in", "211-F\r\n UTF8\r\n211 E", "200 I", "257 \"/home\" is it"];
        let (sent, end) = play(login(Some("pw"), None).together(), &replies);
        assert_eq!(sent, ["USER bob", "PASS pw", "[FEAT, TYPE I, PWD]"]);
        let ready = end.unwrap().unwrap();
        assert!(ready.features.utf8 && ready.utf8_due && ready.queues_by_name == Some(true));
        assert_eq!(ready.directory.as_deref(), Some(b"/home".as_slice()));

        let named = ["230 in", "211-F\r\n UTF8\r\n211 E", "200 I", "257 \"/\u{e9}\"", "200 on", "200 I", "257 \"/e\""];
        let (sent, end) = play(login(None, None).together(), &named);
        assert_eq!(sent, ["[FEAT, TYPE I, PWD]", "OPTS UTF8 ON", "TYPE I", "PWD"]);
        let ready = end.unwrap().unwrap();
        assert_eq!((ready.directory.as_deref(), ready.utf8_due), (Some(b"/e".as_slice()), false));

        let replies = ["220 hi", "230 in", "500 FEAT?", "250 I", "550 no PWD"];
        let ready = play(login(None, None).together(), &replies).1.unwrap().unwrap();
        assert_eq!(ready, Ready::default());
    }

    #[test]
    fn replies_that_can_not_be_told_apart_end_the_login() {
        for replies in [
            ["200 I", "211 none", "257 \"/\""],
            ["211 none", "257 \"/\"", "200 I"],
            ["211 none", "200 I", "200 I"],
            ["211 none", "331 what", "257 \"/\""],
            ["150 what", "200 I", "257 \"/\""],
        ] {
            let mut login = login(None, None).together();
            login.on(&reply("230 in")).unwrap();
            let results = replies.map(|text| login.on(&reply(text)));
            let Err(failure) = &results[2] else { panic!("{replies:?}: {results:?}") };
            assert!(login.is_together());
            assert_eq!((failure.stage, failure.cause), (Stage::Prepare, Cause::Protocol), "{replies:?}");
        }
        for (last, cause) in [("421 bye", Cause::Disconnected), ("504 no TYPE", Cause::Refused)] {
            let replies = ["230 in", "211 none", last, "257 \"/\""];
            let failure = play(login(None, None).together(), &replies).1.unwrap_err();
            assert_eq!((failure.stage, failure.cause), (Stage::Prepare, cause), "{last}");
        }
    }
}
