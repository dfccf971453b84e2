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
    /// Neither is sent where the connection is not private.
    pub tls_only: bool,
}

/// Whether the session is to be private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privacy {
    /// It is not.
    #[default]
    None,
    /// By AUTH TLS (RFC 4217), or there is no session.
    Required,
    /// By AUTH TLS where the server knows it.
    Preferred,
    /// The connection is, from its first byte on; its data connections are still to be made so.
    Given,
}

/// What to do next.
#[derive(Debug)]
pub enum LoginStep {
    /// Send this, and feed its reply.
    Send(Command),
    /// Send these in one write, and feed their replies.
    SendAll(Vec<Command>),
    /// Put TLS over the connection, and go on by [`Login::secured`]. What the server sent before is worth nothing now.
    Secure,
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
    /// Whether control and data connections are private.
    pub is_private: bool,
}

/// The dialogue (RFC 959, section 5.4; RFC 2389; RFC 2640; RFC 4217). A password is sent once at most, never before the
/// reply to USER, and where privacy is required never before TLS is up.
#[derive(Debug)]
pub struct Login {
    at: At,
    credentials: Credentials,
    ready: Ready,
    privacy: Privacy,
    /// The greeting let the user in.
    welcome: bool,
    /// What follows the login goes out in one write.
    together: bool,
    burst: Option<Burst>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Greeting,
    /// AUTH by this name.
    Auth(&'static str),
    /// Between 234 and the end of the handshake.
    Securing,
    User,
    Pass,
    Acct,
    Pbsz,
    Prot,
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
            Self::Auth(_) => (Stage::Secure, "AUTH"),
            Self::Securing => (Stage::Secure, ""),
            Self::Pbsz => (Stage::Secure, "PBSZ"),
            Self::Prot => (Stage::Secure, "PROT"),
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
        Self {
            at: At::Greeting,
            credentials,
            ready: Ready::default(),
            privacy: Privacy::None,
            welcome: false,
            together: false,
            burst: None,
        }
    }

    /// The same, private.
    #[must_use]
    pub fn with_privacy(mut self, privacy: Privacy) -> Self {
        self.privacy = privacy;
        self.ready.is_private = privacy == Privacy::Given;
        self
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
        let step = self.step(reply);
        if step.is_err() {
            // Whatever comes now, nothing more is said.
            self.at = At::Over;
        }
        step
    }

    fn step(&mut self, reply: &Reply) -> Result<LoginStep, Failure> {
        let code = reply.code.get();
        if self.stage() == Stage::Prepare && matches!(code, 421 | 430 | 530) {
            return Err(self.refused(reply));
        }
        match (self.at, code) {
            (At::Greeting, 120) => Ok(LoginStep::Wait),
            // CVE-2021-22946: 230 is no reason to leave TLS out.
            (At::Greeting, 220 | 230 | 232) => {
                self.ready.queues_by_name = queues_by_name(&reply.words());
                self.welcome = code != 220;
                Ok(match self.privacy {
                    Privacy::Required | Privacy::Preferred => self.send(At::Auth("TLS"), Command::Auth("TLS")),
                    Privacy::None | Privacy::Given => self.sign_in(),
                })
            }
            (At::Auth(_), _) => self.on_auth(reply),
            (At::User, 230 | 232) | (At::Pass | At::Acct, 200..=299) => Ok(self.let_in()),
            (At::User, 331) => self.password(),
            (At::User | At::Pass, 332) => self.account(reply),
            (At::Pbsz | At::Prot, _) => self.on_protection(reply),
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

    /// Goes on once TLS is up. Nothing that was said before is trusted: anyone could have said it.
    pub fn secured(&mut self) -> LoginStep {
        self.ready = Ready { is_private: true, ..Ready::default() };
        self.privacy = Privacy::Required;
        // Who was let in by a greeting in the clear was perhaps not let in by the server.
        self.welcome = false;
        self.sign_in()
    }

    fn sign_in(&mut self) -> LoginStep {
        if self.welcome {
            return self.let_in();
        }
        self.send(At::User, Command::User(self.credentials.user.clone()))
    }

    fn on_auth(&mut self, reply: &Reply) -> Result<LoginStep, Failure> {
        let (code, class) = (reply.code.get(), reply.code.class());
        // Some servers say 334 where RFC 4217 has 234.
        if matches!(code, 234 | 334) {
            self.at = At::Securing;
            return Ok(LoginStep::Secure);
        }
        if code == 421 || class != ReplyClass::Permanent {
            return Err(self.refused(reply));
        }
        let full = classify(&Context::new(Stage::Greeting, "AUTH"), reply);
        if full.cause == Cause::TooManyConnections {
            return Err(Failure { stage: Stage::Secure, ..full });
        }
        // 530 is what a server without TLS says to all but USER.
        if self.at == At::Auth("TLS") && code != 530 {
            return Ok(self.send(At::Auth("SSL"), Command::Auth("SSL")));
        }
        if self.privacy == Privacy::Preferred {
            self.privacy = Privacy::None;
            return Ok(self.sign_in());
        }
        self.at = At::Over;
        let message = "the server does not offer TLS on this port, so nothing was sent to it";
        Err(tls_refused(message, reply).with_advice(
            "if it offers TLS on a port of its own, write ftps://; without TLS, anyone on the way can read the password",
        ))
    }

    /// What follows once the user is let in.
    fn let_in(&mut self) -> LoginStep {
        if !self.ready.is_private {
            return self.prepare();
        }
        if !self.together {
            return self.send(At::Pbsz, Command::Pbsz);
        }
        // Nothing depends on the replies before each was looked at.
        let preparations = preparations();
        self.burst = Some(Burst::new(&preparations));
        self.at = At::Pbsz;
        LoginStep::SendAll([vec![Command::Pbsz, Command::ProtPrivate], preparations].concat())
    }

    /// PBSZ and PROT: without both, data would come in the clear, or not at all.
    fn on_protection(&mut self, reply: &Reply) -> Result<LoginStep, Failure> {
        let class = reply.code.class();
        // On a port for TLS alone some servers know no PBSZ; what counts is PROT P.
        let needless = self.at == At::Pbsz && self.privacy == Privacy::Given && class == ReplyClass::Permanent;
        match (self.at, class) {
            // Of the commands behind, the replies of these two would fit nothing else.
            (_, ReplyClass::Completion) if matches!(reply.code.get(), 211 | 221 | 257) => Err(self.refused(reply)),
            (At::Pbsz, ReplyClass::Completion | ReplyClass::Permanent)
                if needless || class == ReplyClass::Completion =>
            {
                if self.is_together() {
                    self.at = At::Prot;
                    return Ok(LoginStep::Wait);
                }
                Ok(self.send(At::Prot, Command::ProtPrivate))
            }
            (At::Prot, ReplyClass::Completion) if self.is_together() => {
                self.at = At::Together;
                Ok(LoginStep::Wait)
            }
            (At::Prot, ReplyClass::Completion) => Ok(self.prepare()),
            (_, ReplyClass::Permanent) => {
                self.at = At::Over;
                let message = "the server refuses to make data connections private";
                Err(tls_refused(message, reply).with_advice("ask the server's operator to allow PBSZ 0 and PROT P"))
            }
            _ => Err(self.refused(reply)),
        }
    }

    /// What follows once connections are as private as they are to be. OPTS UTF8 ON waits for what FEAT says, and rides with a later burst.
    fn prepare(&mut self) -> LoginStep {
        if !self.together {
            return self.send(At::Feat, Command::Feat);
        }
        let commands = preparations();
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
            Some(_) if self.is_exposed() => Err(exposed()),
            Some(secret) => Ok(self.send(At::Pass, Command::Pass(secret))),
            None => Err(Failure::permanent(
                Stage::Login,
                Cause::LoginRefused,
                "the server asks for a password, and none is known",
            )
            .with_advice("give it with `ftpq login`, --password-file, in the URL, or in netrc; then `ftpq retry`")),
        }
    }

    fn account(&mut self, reply: &Reply) -> Result<LoginStep, Failure> {
        match self.credentials.account.take() {
            Some(_) if self.is_exposed() => Err(exposed()),
            Some(account) => Ok(self.send(At::Acct, Command::Acct(account))),
            None => Err(self.refused(reply)),
        }
    }

    /// Whether the password is for TLS, and there is none.
    fn is_exposed(&self) -> bool {
        self.credentials.tls_only && !self.ready.is_private
    }

    fn refused(&mut self, reply: &Reply) -> Failure {
        let context = self.at.context();
        self.at = At::Over;
        classify(&context, reply)
    }
}

fn exposed() -> Failure {
    let message = "the password is for TLS alone, and the server offers none, so it was not sent";
    Failure::permanent(Stage::Login, Cause::TlsRefused, message)
        .with_advice("queue the file with ftpes://, or give the password anew with `ftpq login ftp://USER@HOST`")
}

/// What is asked of every server that let the user in.
fn preparations() -> Vec<Command> {
    vec![Command::Feat, Command::Type(TransferType::Image), Command::Pwd]
}

fn tls_refused(message: &str, reply: &Reply) -> Failure {
    Failure::permanent(Stage::Secure, Cause::TlsRefused, message).with_reply(&reply.text())
}

/// vsftpd does not look at its control connection during a transfer. `ProFTPD` does, but only where it does not send by
/// sendfile(2): `450 EPSV: data transfer in progress`. Pure-FTPd and pyftpdlib always do.
fn queues_by_name(greeting: &str) -> Option<bool> {
    let known = [("vsftpd", true), ("proftpd", false), ("pure-ftpd", false), ("pyftpdlib", false)];
    known.into_iter().find_map(|(name, queues)| greeting.contains(name).then_some(queues))
}

#[cfg(test)]
mod tests;
