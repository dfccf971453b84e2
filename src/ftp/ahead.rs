//! Going ahead of the server's replies: several commands in one write, and the next file's data connection early.
//!
//! Per file in passive mode, each line one round trip:
//!
//! ```text
//! lockstep   EPSV | connect | SIZE | MDTM | REST | RETR
//! burst      EPSV | connect, and with it SIZE MDTM REST | RETR
//! deep       connect, and with it SIZE MDTM REST | RETR, and behind it the next EPSV
//! ```
//!
//! EPSV and PASV are always written alone: the FTP helpers of firewalls look for their replies at the start of a segment.

use super::connect;
use super::dial::Dial;
use super::ports::HeldPort;
use super::session::Session;
use super::tls::peek;
use super::trouble;
use crate::model::{Cause, DataMode, Failure, Pipelining, Quirks, Stage};
use crate::wire::{
    Burst, Command, Context, Marker, Order, Ready, Reply, ReplyClass, classify, extended_passive_port, fits_behind,
    passive_address,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// After so many sessions in a row that broke under several commands at once, they are sent one by one for good.
pub(super) const STRIKES: u8 = 2;
/// A port that the server named, or a connection to it, is used for so long. Servers close theirs after 15 s or more.
const FRESH: Duration = Duration::from_secs(12);
/// Longest wait for a passive port when another way is left.
const IMPATIENT: Duration = Duration::from_secs(10);
/// Bytes still to come that no two kernels hold between them: a reply that comes after them was held back.
const PROOF: u64 = 16 * 1024 * 1024;

/// What a session has ready for its next file, and how far it may go.
#[derive(Debug)]
pub(super) struct Ahead {
    /// A data connection without a transfer.
    standing: Option<Standing>,
    /// A port that the server listens on, and since when.
    port: Option<(u16, Instant)>,
    /// A file came over this session, or the server is known to take several commands at once.
    pub(super) proven: bool,
    /// See [`Dial::strikes`].
    pub(super) strikes: u8,
    /// OPTS UTF8 ON is still to be sent.
    pub(super) utf8_due: bool,
    /// Whether the server queues commands, going by its greeting.
    queues_by_name: Option<bool>,
    /// Length of the file that was asked about last.
    pub(super) size: Option<u64>,
    /// A NOOP went behind a transfer that was under way, and its reply will tell.
    telling: bool,
    /// When the transfer ended behind which a command was sent.
    ended: Instant,
}

/// A data connection without a transfer.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) stream: TcpStream,
    /// The port that it leads to.
    pub(super) port: HeldPort,
    since: Instant,
}

/// What came of a burst.
pub(super) enum Answers {
    /// Each reply with the verb of its command.
    Told(Vec<(&'static str, Reply)>),
    /// The session is in step, but the replies can't be told apart.
    Unclear,
}

impl Ahead {
    pub(super) fn new(dial: &Dial, ready: &Ready) -> Self {
        let mut ahead = Self {
            standing: None,
            port: None,
            proven: false,
            strikes: dial.strikes,
            utf8_due: ready.utf8_due,
            queues_by_name: ready.queues_by_name,
            size: None,
            telling: false,
            ended: Instant::now(),
        };
        ahead.trust(dial.quirks, dial.options.pipelining);
        ahead
    }

    /// What the greeting tells of the server's ways.
    #[cfg(test)]
    pub(super) fn queues_by_name(&self) -> Option<bool> {
        self.queues_by_name
    }

    /// Takes note of what is known of the server, and of what the user vouches for.
    pub(super) fn trust(&mut self, quirks: Quirks, pipelining: Pipelining) {
        let vouched = matches!(pipelining, Pipelining::Burst | Pipelining::Deep);
        // After a strike a file has to come one command at a time first.
        self.proven |= (quirks.pipelines || vouched) && self.strikes == 0;
    }

    /// Drops what was ready.
    pub(super) fn let_go(&mut self) {
        self.standing = None;
        self.port = None;
    }

    /// The data connection that stands, if it is fresh and the server has neither closed it nor sent anything.
    fn take_standing(&mut self) -> Option<Standing> {
        self.standing
            .take()
            .filter(|it| it.since.elapsed() < FRESH && matches!(peek(&it.stream, &mut [0; 1]), Ok(None)))
    }

    fn take_port(&mut self) -> Option<u16> {
        self.port.take().filter(|(_, since)| since.elapsed() < FRESH).map(|(port, _)| port)
    }
}

impl Session {
    /// Whether several commands may be sent in one write.
    pub(super) fn may_burst(&self) -> bool {
        let quirks = self.quirks();
        self.options.pipelining != Pipelining::Off
            && !quirks.lockstep
            && !quirks.foreign_terminator
            && self.ahead.proven
    }

    /// Whether the data connection may be opened before the transfer is asked for.
    pub(super) fn may_open_early(&self) -> bool {
        self.may_burst() && self.passive().is_some()
    }

    /// The command that asks for a passive port; nothing in active modes.
    fn passive(&self) -> Option<Command> {
        match self.options.data_mode {
            DataMode::Active | DataMode::Eprt | DataMode::Port => None,
            DataMode::Pasv => Some(Command::Pasv),
            DataMode::Epsv => Some(Command::Epsv),
            DataMode::Auto | DataMode::Passive => {
                // PASV knows no IPv6.
                let only_epsv = self.control.peer().is_ok_and(|peer| peer.is_ipv6());
                Some(if self.quirks.no_epsv && !only_epsv { Command::Pasv } else { Command::Epsv })
            }
        }
    }

    /// What goes behind RETR: the next file's EPSV, where the server is known to queue commands; or a NOOP that finds
    /// out whether it does. Never EPSV to find out: pyftpdlib closes the running data connection upon it.
    pub(super) fn behind_retr(&self, from: u64) -> Option<Command> {
        let quirks = self.quirks();
        let passive = self.passive().filter(|_| self.may_burst() && !quirks.no_queueing)?;
        let large = self.ahead.size.is_some_and(|size| size.saturating_sub(from) >= PROOF);
        match (self.options.pipelining, self.ahead.queues_by_name) {
            (Pipelining::Deep, _) => Some(passive),
            (Pipelining::Off | Pipelining::Burst, _) | (Pipelining::Auto, Some(false)) => None,
            (Pipelining::Auto, _) if quirks.queues_commands => Some(passive),
            (Pipelining::Auto, name) => (large || name == Some(true)).then_some(Command::Noop),
        }
    }

    /// Takes note of a transfer that ended; of one that the server confirmed, that it was.
    pub(super) fn transfer_over(&mut self, confirmed: bool) {
        self.ahead.ended = Instant::now();
        self.ahead.telling = confirmed;
        if confirmed {
            // The server has used up its restart marker, or there was none.
            self.marker = Marker::Clear;
            self.ahead.proven = true;
            self.quirks.pipelines = true;
            // That it was the version is known only now that a file came; and not where connections just broke before.
            let tried = self.security.as_ref().is_some_and(|security| security.tries_tls12);
            self.quirks.only_tls12 |= tried && self.quirks.demands_reuse;
        }
    }

    /// Takes note that a transfer was broken off, and each of its commands had its reply: this session may go ahead now.
    pub(super) fn transfer_kept_step(&mut self) {
        self.ahead.proven = true;
    }

    /// Takes the reply to the command that was left behind a transfer, if there is one.
    ///
    /// # Errors
    /// When it is none, or none comes: nothing goes behind RETR on this host any more, and the session is over.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        if self.is_foreign {
            return Err(trouble::out_of_step(Stage::Prepare, "the session was opened with other settings of TLS"));
        }
        let Some(verb) = self.control.left_behind() else { return Ok(()) };
        let reply = match self.control.reply_ahead(Stage::Data).await {
            Ok(reply) => reply,
            Err(failure) => {
                self.quirks.no_queueing |= matches!(failure.cause, Cause::Timeout | Cause::Protocol);
                return Err(failure);
            }
        };
        let context = Context::new(Stage::Data, verb);
        if matches!(reply.code.get(), 421 | 430 | 530) {
            return Err(classify(&context, &reply));
        }
        if !fits_behind(verb, &reply) {
            self.control.give_up();
            self.quirks.no_queueing = true;
            return Err(trouble::out_of_step(Stage::Data, "a command behind a transfer had an odd reply")
                .with_reply(&reply.text()));
        }
        match reply.code.get() {
            200 => self.quirks.queues_commands |= self.ahead.telling,
            227 | 229 => self.ahead.port = port_in(&reply).map(|port| (port, self.ahead.ended)),
            _ => {}
        }
        Ok(())
    }

    /// The data connection that is ready for a transfer, if there is one, or can be had without asking.
    pub(super) async fn standing(&mut self) -> Option<Standing> {
        self.passive()?;
        if let Some(standing) = self.ahead.take_standing() {
            return Some(standing);
        }
        let port = self.ahead.take_port()?;
        let address = with_port(self.control.peer().ok()?, port);
        let patience = self.options.timeout.min(IMPATIENT);
        let (port, stream) = connect::data_alone(address, self.options.bind, patience, &self.ports).await.ok()?;
        Some(Standing { stream, port, since: Instant::now() })
    }

    /// Sends commands in one write, and meanwhile sees to it that a data connection stands. Returns the replies.
    ///
    /// # Errors
    /// When the session fails, or the replies don't belong to the commands: the host is spoken to in lockstep then.
    pub(super) async fn burst_and_open(&mut self, commands: &[Command]) -> Result<Answers, Failure> {
        let ready = self.ahead.take_standing();
        let port = match (&ready, self.ahead.take_port()) {
            (Some(_), _) => None,
            (None, Some(port)) => Some(port),
            (None, None) => self.ask_for_port().await?,
        };
        let server = self.control.peer().map_err(|error| trouble::lost(Stage::Data, "control", &error))?;
        let (bind, patience, ports) = (self.options.bind, self.options.timeout.min(IMPATIENT), self.ports.clone());
        let connect = async {
            let port = port?;
            Some((port, connect::data_alone(with_port(server, port), bind, patience, &ports).await))
        };
        let (connected, answers) = tokio::join!(connect, self.burst(commands));
        match (ready, connected) {
            (Some(standing), _) => self.ahead.standing = Some(standing),
            (None, Some((_, Ok((port, stream))))) => {
                self.ahead.standing = Some(Standing { stream, port, since: Instant::now() });
            }
            // The transfer asks for a port again, and tries all ways there are.
            (None, Some((port, Err(error)))) => self.control.note(&format!("* data port {port}: {error}")),
            (None, None) => {}
        }
        answers
    }

    /// A port to connect to; nothing where the server refuses it, which the transfer deals with.
    async fn ask_for_port(&mut self) -> Result<Option<u16>, Failure> {
        let Some(command) = self.passive() else { return Ok(None) };
        let reply = self.control.ask(Stage::Data, &command).await?;
        match (reply.code.get(), reply.code.class()) {
            (227 | 229, _) if fits_behind(command.verb(), &reply) => Ok(port_in(&reply)),
            (421 | 430 | 530, _) => Err(self.judge(&Context::new(Stage::Data, command.verb()), &reply)),
            (227 | 229, _) | (_, ReplyClass::Transient | ReplyClass::Permanent) => Ok(None),
            _ => Err(self.judge(&Context::new(Stage::Data, command.verb()), &reply)),
        }
    }

    /// Sends commands in one write. Returns the replies.
    ///
    /// # Errors
    /// As [`Session::burst_and_open`].
    pub(super) async fn burst(&mut self, commands: &[Command]) -> Result<Answers, Failure> {
        let restart = commands.iter().find_map(|command| match command {
            Command::Rest(offset) => Some(*offset),
            _ => None,
        });
        if restart.is_some_and(|offset| offset > 0) {
            // Until it is known what the server made of it.
            self.marker = Marker::Unsure;
        }
        let burst = match self.exchange(commands).await {
            Ok(burst) => burst,
            Err(failure) => return Err(self.burst_failed(failure)),
        };
        let order = burst.order();
        if order == Order::Broken || (order != Order::Proved && !self.is_fenced().await) {
            self.control.give_up();
            let failure =
                trouble::out_of_step(Stage::Inspect, "the replies to several commands at once don't fit them");
            return Err(self.burst_failed(failure));
        }
        self.ahead.strikes = 0;
        self.ahead.utf8_due &= !commands.contains(&Command::OptsUtf8);
        self.quirks.lockstep |= order == Order::Mixed;
        if order != Order::Proved {
            self.control.note("* the replies can't be told apart: asked again, one by one");
            return Ok(Answers::Unclear);
        }
        let answers = burst.into_answers();
        if let (Some(offset), Some((_, reply))) = (restart, answers.iter().find(|(verb, _)| *verb == "REST")) {
            match reply.code.class() {
                ReplyClass::Intermediate => self.marker = Marker::At(offset),
                ReplyClass::Permanent => self.quirks.no_rest = true,
                _ => {}
            }
        }
        Ok(Answers::Told(answers))
    }

    async fn exchange(&mut self, commands: &[Command]) -> Result<Burst, Failure> {
        let mut burst = Burst::new(commands);
        self.control.send_all(Stage::Inspect, commands).await?;
        let mut more = !commands.is_empty();
        while more {
            let reply = self.control.reply_ahead(Stage::Inspect).await?;
            if matches!(reply.code.get(), 421 | 430 | 530) {
                return Err(self.judge(&Context::new(Stage::Inspect, ""), &reply));
            }
            more = burst.take(reply);
        }
        Ok(burst)
    }

    /// Whether no reply of the burst is still on its way: one that is would be taken for that of a NOOP, and would not
    /// fit it.
    pub(super) async fn is_fenced(&mut self) -> bool {
        let reply = self.control.ask(Stage::Inspect, &Command::Noop).await;
        reply.is_ok_and(|reply| matches!(reply.code.get(), 200 | 500 | 502))
    }

    /// Takes note of a burst that the session did not survive.
    fn burst_failed(&mut self, failure: Failure) -> Failure {
        match failure.cause {
            Cause::Protocol => self.quirks.lockstep = true,
            // The server's own word, as 421, is no sign of a server or a firewall that can't.
            Cause::Disconnected | Cause::Timeout if failure.reply.is_none() => {
                self.ahead.strikes += 1;
                self.quirks.lockstep |= self.ahead.strikes >= STRIKES;
            }
            _ => {}
        }
        failure
    }
}

fn port_in(reply: &Reply) -> Option<u16> {
    match reply.code.get() {
        227 => passive_address(reply).map(|(_, port)| port),
        _ => extended_passive_port(reply),
    }
}

fn with_port(mut server: SocketAddr, port: u16) -> SocketAddr {
    server.set_port(port);
    server
}
