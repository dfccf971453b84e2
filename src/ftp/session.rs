//! A session: signed in, and ready for files.

use super::ahead::{Ahead, STRIKES};
use super::connect;
use super::control::Control;
use super::dial::{Dial, SessionOptions};
use super::gate::{Passage, Ticket};
use super::ports::PassivePorts;
use super::tls::{Security, Stream, TlsMode};
use super::trouble;
use crate::model::{Algorithm, Cause, Failure, Pipelining, Protection, Quirks, RemotePath, Stage, TransferType};
use crate::wire::{self, Command, Context, Features, LoginStep, Marker, Privacy, Reply, ReplyClass, classify};
use std::time::Duration;
use tokio::time::timeout;

/// Replies that a login may take.
const LOGIN_REPLIES: usize = 32;
/// Longest wait for the reply to QUIT.
const FAREWELL: Duration = Duration::from_secs(1);

/// A control connection that is signed in. One transfer at a time.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub struct Session {
    pub(super) control: Control,
    /// TLS of the control and data connections, where the session has it.
    pub(super) security: Option<Security>,
    pub(super) options: SessionOptions,
    pub(super) quirks: Quirks,
    pub(super) features: Features,
    /// MLST's size was compared with SIZE's.
    pub(super) listing_checked: bool,
    /// The function that HASH computes now, as far as this session chose it.
    pub(super) hash_chosen: Option<Algorithm>,
    /// A RANG was sent, which may still be in force.
    pub(super) has_range: bool,
    /// The restart marker, as of the last REST.
    pub(super) marker: Marker,
    /// The data ports that servers have named to any session.
    pub(super) ports: PassivePorts,
    /// What is ready for the next file.
    pub(super) ahead: Ahead,
    transfer_type: TransferType,
    /// The next transfer asks for another use of TLS than this session was opened with.
    pub(super) is_foreign: bool,
    /// The login directory, where it could be read.
    home: Option<Vec<u8>>,
    /// Directories gone down from the login directory; used only where paths can't be put together.
    here: Vec<Vec<u8>>,
    /// The working directory is another than these tell.
    astray: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("quirks", &self.quirks)
            .field("private", &self.is_private())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Connects and signs in; the session is in TYPE I then.
    ///
    /// # Errors
    /// When the host can't be reached or the server refuses. A password is sent once.
    pub async fn open(dial: &Dial) -> Result<Self, Failure> {
        let cautious = dial.quirks.lockstep || dial.quirks.foreign_terminator || dial.strikes > 0;
        if cautious || dial.options.pipelining == Pipelining::Off {
            return Self::sign_in(dial, false).await;
        }
        Self::open_briskly(dial).await
    }

    /// Signs in with several commands at once, and anew, one by one, where that leads nowhere.
    async fn open_briskly(dial: &Dial) -> Result<Self, Failure> {
        let (failure, together) = match Self::try_sign_in(dial, true).await {
            Ok(mut session) => {
                if !session.control.has_been_told_more() {
                    return Ok(session);
                }
                (trouble::out_of_step(Stage::Prepare, "there were more replies than commands"), true)
            }
            Err(trouble) => trouble,
        };
        let (lockstep, strikes) = match failure.cause {
            Cause::Protocol if together => (true, 0),
            // The server's own word, as 421, is no sign of a server or a firewall that can't.
            Cause::Disconnected | Cause::Timeout if together && failure.reply.is_none() => (false, dial.strikes + 1),
            _ => return Err(failure),
        };
        if let Some(trace) = &dial.trace {
            trace(&format!("* {failure}; again, one command at a time"));
        }
        let mut dial = dial.clone();
        dial.quirks.lockstep |= lockstep || strikes >= STRIKES;
        dial.strikes = strikes;
        Self::sign_in(&dial, false).await
    }

    async fn sign_in(dial: &Dial, together: bool) -> Result<Self, Failure> {
        Self::try_sign_in(dial, together).await.map_err(|(failure, _)| failure)
    }

    /// Connects and signs in; with a failure says whether it came upon several commands at once.
    async fn try_sign_in(dial: &Dial, together: bool) -> Result<Self, (Failure, bool)> {
        let mut security = Security::new(dial).map_err(|failure| (failure, false))?;
        let stream = connect::control(&dial.account, &dial.options).await.map_err(|failure| (failure, false))?;
        let mut control = Control::new(Stream::plain(stream), dial.trace.clone(), dial.options.timeout);
        control.set_foreign_terminator(dial.quirks.foreign_terminator);
        if let Ok(peer) = control.peer() {
            control.note(&format!("* connected to {peer}"));
        }
        control.set_passwords(dial.login.redactor());
        let login = wire::Login::new(dial.login.credentials());
        let login = login.with_privacy(privacy(security.as_ref()));
        let login = if together { login.together() } else { login };
        let ready = converse(&mut control, login, (dial, security.as_mut())).await?;
        control.set_logged_in();
        if !ready.is_private && security.take().is_some() {
            control.note("* the server offers no TLS: going on in the clear, as `tls = \"prefer\"` allows");
        }
        Ok(Self {
            control,
            security,
            options: dial.options.clone(),
            quirks: dial.quirks,
            features: ready.features,
            listing_checked: false,
            hash_chosen: None,
            has_range: false,
            marker: Marker::Clear,
            ports: dial.ports.clone(),
            ahead: Ahead::new(dial, &ready),
            transfer_type: TransferType::Image,
            is_foreign: false,
            home: ready.directory,
            here: Vec::new(),
            astray: false,
        })
    }

    /// What was known about the server, and what this session learned.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        Quirks {
            foreign_terminator: self.quirks.foreign_terminator || self.control.foreign_terminator(),
            no_queueing: self.quirks.no_queueing || self.control.answered_early(),
            ..self.quirks
        }
    }

    /// Puts in what was learned elsewhere, as when bytes showed that REST is ignored.
    pub fn set_quirks(&mut self, quirks: Quirks) {
        self.quirks = quirks;
        self.control.set_foreign_terminator(quirks.foreign_terminator);
        self.ahead.trust(quirks, self.options.pipelining);
    }

    /// Sessions in a row, this one the last, that ended or fell silent when several commands were sent at once.
    #[must_use]
    pub fn strikes(&self) -> u8 {
        self.ahead.strikes
    }

    /// Changes how later connections are made. The control connection stays as it is, but for the time allowed.
    pub fn set_options(&mut self, options: SessionOptions) {
        self.control.set_timeout(options.timeout);
        self.is_foreign |= options.tls != self.options.tls;
        if (options.data_mode, options.bind) != (self.options.data_mode, self.options.bind) {
            self.ahead.let_go();
        }
        self.options = options;
        self.ahead.trust(self.quirks, self.options.pipelining);
    }

    /// Closes a data connection that no transfer uses, and forgets a port that was named: another session may need it.
    pub fn let_go_of_data(&mut self) {
        self.ahead.let_go();
    }

    /// Whether another command may be sent: every reply came but the one that is expected last, no other, and the
    /// server has not closed.
    #[must_use]
    pub fn is_usable(&mut self) -> bool {
        // A new session brings new tickets; without one the next data connection would be refused.
        let spent = self.quirks.demands_reuse && self.security.as_ref().is_some_and(Security::is_out_of_tickets);
        !self.is_foreign && !self.has_range && self.control.is_in_step() && !spent
    }

    /// Whether TLS 1.3 is in use, and TLS 1.2 is allowed.
    #[must_use]
    pub fn can_step_down(&self) -> bool {
        self.security.as_ref().is_some_and(Security::has_tls13) && self.options.tls.tls12().is_some()
    }

    /// How its control and data connections are protected; `None` where no TLS was asked for.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        let version = self.security.as_ref().map(Security::version);
        let wanted = self.options.tls.protection()?;
        Some(Protection { tls: Some(version.into()), ..wanted })
    }

    /// Whether its control and data connections are private.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.security.is_some()
    }

    /// Whether the server announces that transfers may begin in the middle of a file (REST STREAM; RFC 3659, section 5).
    #[must_use]
    pub fn offers_restart(&self) -> bool {
        self.features.rest_stream && !self.quirks.no_rest
    }

    /// Says goodbye; takes a second at most.
    pub async fn quit(mut self) {
        if self.control.is_in_step() {
            // The server's answer changes nothing: the connection is closed either way.
            let _ = timeout(FAREWELL, self.control.quit()).await;
        }
        self.control.close();
    }

    /// Closes a data connection.
    pub(super) fn close(&mut self, data: Stream) {
        match &mut self.security {
            Some(security) => security.close(data),
            None => drop(data),
        }
    }

    /// Whether a path can be put together with the login directory and sent as one.
    pub(super) fn has_unix_paths(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.first() == Some(&b'/'))
    }

    /// The path as it has to be sent now, after the directories on the way were gone to where that is needed.
    pub(super) async fn locate(&mut self, path: &RemotePath) -> Result<Vec<u8>, Failure> {
        if let Some(whole) = self.whole(path) {
            return Ok(whole);
        }
        // VMS, OS/400 and servers without PWD: only single components are sure to be understood.
        let mut wanted = components(path);
        let name = wanted.pop().unwrap_or_default().to_vec();
        self.walk(Stage::Prepare, &wanted).await?;
        Ok(name)
    }

    /// Goes to a folder, or to where a link to one leads. Later paths are right all the same: they are whole, or
    /// [`Session::locate`] finds the way from here.
    ///
    /// # Errors
    /// When the server does not go there.
    pub(super) async fn go_to(&mut self, stage: Stage, path: &RemotePath) -> Result<(), Failure> {
        let Some(mut whole) = self.whole(path) else {
            let wanted = components(path);
            self.walk(stage, &wanted).await?;
            return self.check_blanks(stage, wanted.last().copied().unwrap_or_default()).await;
        };
        if whole.len() > 1 && whole.last() == Some(&b'/') {
            whole.pop();
        }
        self.change_to(stage, &whole).await?;
        self.astray = !self.has_unix_paths();
        let name = whole.rsplit(|&b| b == b'/').next().unwrap_or_default();
        self.check_blanks(stage, name).await
    }

    /// Takes note that the working directory may be any.
    pub(super) fn lose_the_way(&mut self) {
        self.astray = !self.has_unix_paths();
    }

    /// The path from the server's root; nothing where it can't be put together.
    pub(super) fn whole(&self, path: &RemotePath) -> Option<Vec<u8>> {
        if path.is_absolute() {
            return Some(path.as_bytes().to_vec());
        }
        let mut whole = self.home.clone().filter(|_| self.has_unix_paths())?;
        if whole.last() != Some(&b'/') {
            whole.push(b'/');
        }
        whole.extend_from_slice(path.as_bytes());
        Some(whole)
    }

    /// Goes from where the session stands to the directories below the login directory, one at a time.
    async fn walk(&mut self, stage: Stage, wanted: &[&[u8]]) -> Result<(), Failure> {
        if self.astray {
            self.come_home(stage).await?;
        }
        let shared = self.here.iter().zip(wanted).take_while(|(here, wanted)| here.as_slice() == **wanted).count();
        while self.here.len() > shared {
            self.go_up(stage).await?;
        }
        for &part in wanted.iter().skip(shared) {
            self.change_to(stage, part).await?;
            self.here.push(part.to_vec());
        }
        Ok(())
    }

    async fn come_home(&mut self, stage: Stage) -> Result<(), Failure> {
        if let Some(home) = self.home.clone()
            && self.control.ask(stage, &Command::Cwd(home)).await?.is(ReplyClass::Completion)
        {
            self.here.clear();
            self.astray = false;
            return Ok(());
        }
        self.control.give_up();
        Err(trouble::out_of_step(stage, "the server shows no way back to the login directory"))
    }

    async fn go_up(&mut self, stage: Stage) -> Result<(), Failure> {
        let reply = self.control.ask(stage, &Command::Cdup).await?;
        if !reply.is(ReplyClass::Completion) {
            // Where the session stands is not known any more.
            self.control.give_up();
            return Err(trouble::out_of_step(stage, "the server does not go back to the parent folder")
                .with_reply(&reply.text()));
        }
        self.here.pop();
        Ok(())
    }

    async fn change_to(&mut self, stage: Stage, path: &[u8]) -> Result<(), Failure> {
        let reply = self.control.ask(stage, &Command::Cwd(path.to_vec())).await?;
        if !reply.is(ReplyClass::Completion) {
            return Err(self.judge(&Context::new(stage, "CWD").with_path(path), &reply));
        }
        Ok(())
    }

    /// Makes sure that the server took a name with its outer blanks: without them it may be another folder's.
    async fn check_blanks(&mut self, stage: Stage, name: &[u8]) -> Result<(), Failure> {
        let bare = name.trim_ascii();
        if bare == name {
            return Ok(());
        }
        let told = self.working_directory(stage).await?;
        match told.as_deref().and_then(|told| told.rsplit(|&b| b == b'/').next()) {
            Some(last) if last != name && last.trim_ascii() == bare => Err(trouble::impossible(
                stage,
                "the server drops the blanks at the ends of the folder's name, and so shows another folder",
                "rename the folder on the server",
            )),
            _ => Ok(()),
        }
    }

    /// The working directory, where the server tells it.
    pub(super) async fn working_directory(&mut self, stage: Stage) -> Result<Option<Vec<u8>>, Failure> {
        let reply = self.control.ask(stage, &Command::Pwd).await?;
        match reply.code.get() {
            257 => Ok(wire::directory(&reply)),
            421 | 430 | 530 => Err(self.judge(&Context::new(stage, "PWD"), &reply)),
            _ if matches!(reply.code.class(), ReplyClass::Transient | ReplyClass::Permanent) => Ok(None),
            _ => Err(self.judge(&Context::new(stage, "PWD"), &reply)),
        }
    }

    /// The restart marker that is in force now.
    pub(super) fn marker(&self) -> Marker {
        match self.marker {
            // FileZilla Server forgets it upon any command, others only at a transfer.
            Marker::At(offset) if self.control.last_sent() != "REST" && offset > 0 => Marker::Unsure,
            Marker::At(_) if self.control.last_sent() != "REST" => Marker::Clear,
            marker => marker,
        }
    }

    /// Sets the representation type where it is another.
    pub(super) async fn set_type(&mut self, wanted: TransferType) -> Result<(), Failure> {
        if self.transfer_type == wanted {
            return Ok(());
        }
        let reply = self.control.ask(Stage::Prepare, &Command::Type(wanted)).await?;
        if !reply.is(ReplyClass::Completion) {
            return Err(self.judge(&Context::new(Stage::Prepare, "TYPE"), &reply));
        }
        self.transfer_type = wanted;
        Ok(())
    }

    /// The failure that a reply is. One that answers no question of ours ends the session.
    pub(super) fn judge(&mut self, context: &Context<'_>, reply: &Reply) -> Failure {
        if !matches!(reply.code.class(), ReplyClass::Transient | ReplyClass::Permanent) {
            self.control.give_up();
        }
        classify(context, reply)
    }
}

fn components(path: &RemotePath) -> Vec<&[u8]> {
    path.as_bytes().split(|&b| b == b'/').filter(|part| !part.is_empty()).collect()
}

/// What the login is to see to.
fn privacy(security: Option<&Security>) -> Privacy {
    match security.map(Security::mode) {
        None | Some(TlsMode::Off) => Privacy::None,
        Some(TlsMode::Explicit) => Privacy::Required,
        Some(TlsMode::Prefer) => Privacy::Preferred,
        Some(TlsMode::Implicit) => Privacy::Given,
    }
}

/// Leads the login to its end; with a failure says whether it came upon several commands at once.
async fn converse(
    control: &mut Control,
    mut login: wire::Login,
    (dial, mut security): (&Dial, Option<&mut Security>),
) -> Result<wire::Ready, (Failure, bool)> {
    let alone = |failure| (failure, false);
    let mut passage = None;
    if let Some(security) = security.as_mut().filter(|security| security.mode() == TlsMode::Implicit) {
        passage = pass(dial.ticket.as_ref()).await.map_err(alone)?;
        control.secure(security).await.map_err(alone)?;
    }
    for _ in 0..LOGIN_REPLIES {
        let together = login.is_together();
        let reply =
            if together { control.reply_ahead(login.stage()).await } else { control.reply(login.stage()).await };
        let mut step = reply.and_then(|reply| login.on(&reply)).map_err(|failure| (failure, together))?;
        // Before the first command: a connection that is refused by its greeting needs no leave.
        if passage.is_none() && matches!(step, LoginStep::Send(_) | LoginStep::SendAll(_)) {
            passage = pass(dial.ticket.as_ref()).await.map_err(alone)?;
        }
        if let (LoginStep::Secure, Some(security)) = (&step, &mut security) {
            control.secure(security).await.map_err(alone)?;
            control.set_foreign_terminator(dial.quirks.foreign_terminator);
            step = login.secured();
        }
        // What follows the login concerns this session alone.
        if login.stage() == Stage::Prepare
            && let Some(passage) = passage.as_mut()
        {
            passage.succeed();
        }
        let sent = match step {
            LoginStep::Send(command) => control.send(login.stage(), &command).await,
            LoginStep::SendAll(commands) => control.send_all(login.stage(), &commands).await,
            LoginStep::Wait => Ok(()),
            LoginStep::Secure => Err(trouble::out_of_step(login.stage(), "TLS was begun where none is wanted")),
            LoginStep::Done(ready) => return Ok(ready),
        };
        sent.map_err(|failure| (failure, login.is_together()))?;
    }
    Err((trouble::out_of_step(login.stage(), "the login does not come to an end"), false))
}

/// Leave to sign in, where it is needed.
async fn pass(ticket: Option<&Ticket>) -> Result<Option<Passage<'_>>, Failure> {
    match ticket {
        Some(ticket) => ticket.pass().await.map(Some).ok_or_else(trouble::turned_away),
        None => Ok(None),
    }
}
