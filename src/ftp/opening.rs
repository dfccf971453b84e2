//! From EPSV, PASV, EPRT or PORT to the moment when data flows.

use super::ahead::Standing;
use super::connect;
use super::control::Control;
use super::listener::Listener;
use super::ports::HeldPort;
use super::retrieval::Retrieval;
use super::session::Session;
use super::tls::{Security, Stream, data_refused, data_trouble};
use super::trouble;
use crate::model::{Cause, DataMode, Failure, FailureKind, RemotePath, Stage, TransferType};
use crate::wire::{
    Command, End, Input, Marker, Opening, Reply, ReplyClass, Retrieve, RetrievePlan, Step, announced_size,
};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

/// Longest wait for a passive port when PASV is still left to be tried.
const IMPATIENT: Duration = Duration::from_secs(10);
/// Longest wait for a server that says it is done, and has not yet connected.
const LATE: Duration = Duration::from_secs(5);
/// How long to wait for the server's word on a data connection that broke in its handshake.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A transfer under way, and the dialogue that brings it to its end.
pub(super) struct Begun {
    pub(super) machine: Retrieve,
    pub(super) data: Stream,
    pub(super) announced: Option<u64>,
    /// The passive port that it came by.
    pub(super) port: Option<HeldPort>,
}

/// A transfer under way.
struct Opened {
    data: Stream,
    announced: Option<u64>,
}

/// How a data connection came about, or is to.
#[derive(Default)]
struct Data {
    stream: Option<TcpStream>,
    listener: Option<Listener>,
    /// The passive port.
    port: Option<HeldPort>,
}

impl Session {
    /// Opens a transfer of the file from an offset in bytes. Returns when the server accepted it, or sends already.
    ///
    /// # Errors
    /// When the server refuses or the data connection can't be made. A refused REST is among [`Session::quirks`] then.
    pub async fn retrieve(
        &mut self,
        path: &RemotePath,
        kind: TransferType,
        from: u64,
    ) -> Result<Retrieval<'_>, Failure> {
        if from > 0 && kind == TransferType::Ascii {
            return Err(trouble::impossible(
                Stage::Restart,
                "a transfer in TYPE A can't be resumed",
                "fetch it from its beginning, or with --type image",
            ));
        }
        self.settle().await?;
        self.set_type(kind).await?;
        let path = self.locate(path).await?;
        let begun = self.begin(Command::Retr(path), from).await?;
        Ok(Retrieval::new(self, begun))
    }

    /// Opens a transfer: the data connection, REST where it is needed, the command, up to the moment when data may come.
    pub(super) async fn begin(&mut self, command: Command, from: u64) -> Result<Begun, Failure> {
        let mut data = Data::default();
        let standing = self.standing().await;
        let early = standing.is_some();
        let opening = if let Some(Standing { stream, port, .. }) = standing {
            (data.stream, data.port) = (Some(stream), Some(port));
            Opening::Standing
        } else {
            let (opening, listener) = self.opening()?;
            data.listener = listener;
            opening
        };
        let plan = RetrievePlan { command, from, marker: self.marker(), opening };
        let (mut machine, first) = Retrieve::begin(plan);
        let opened = self.open_transfer(&mut machine, first, &mut data).await;
        let lessons = machine.lessons();
        self.quirks.no_epsv |= lessons.no_epsv;
        self.quirks.no_rest |= lessons.no_rest;
        match opened {
            Ok(Opened { data: stream, announced }) => Ok(Begun { machine, data: stream, announced, port: data.port }),
            Err(mut failure) => {
                if failure.kind == FailureKind::Permanent
                    && self.control.left_behind().is_some()
                    && is_unknown(&failure)
                {
                    // It may have been meant for the command behind RETR.
                    self.quirks.no_queueing = true;
                    self.control.give_up();
                    failure.kind = FailureKind::Transient;
                }
                // A restart that can't be undone would fall upon the next file.
                if matches!(failure.cause, Cause::Protocol | Cause::TlsReuse | Cause::TlsRefused | Cause::Certificate)
                    || (failure.stage == Stage::Restart && from == 0)
                {
                    self.control.give_up();
                }
                self.quirks.demands_reuse |= failure.cause == Cause::TlsReuse && failure.reply.is_some();
                // A reply too many may belong to the burst before.
                self.quirks.lockstep |= early && failure.cause == Cause::Protocol;
                self.transfer_over(false);
                Err(failure)
            }
        }
    }

    /// How the data connection is to be opened; for active modes with the listener, whose port has to be told.
    fn opening(&self) -> Result<(Opening, Option<Listener>), Failure> {
        let server = self.control.peer().map_err(|error| trouble::lost(Stage::Data, "control", &error))?;
        let opening = match self.options.data_mode {
            // PASV knows no IPv6.
            DataMode::Auto | DataMode::Passive if server.is_ipv6() => Opening::ExtendedPassive,
            DataMode::Auto | DataMode::Passive if self.quirks.no_epsv => Opening::Passive,
            DataMode::Auto | DataMode::Passive => Opening::ExtendedThenPassive,
            DataMode::Epsv => Opening::ExtendedPassive,
            DataMode::Pasv => Opening::Passive,
            mode @ (DataMode::Active | DataMode::Eprt | DataMode::Port) => {
                let local = self.control.local().map_err(|error| trouble::lost(Stage::Data, "control", &error))?;
                let listener = Listener::open(local, &self.options, self.control.trace())?;
                return Ok((Opening::Active(listener.command(mode)?), Some(listener)));
            }
        };
        Ok((opening, None))
    }

    async fn open_transfer(
        &mut self,
        machine: &mut Retrieve,
        first: Command,
        data: &mut Data,
    ) -> Result<Opened, Failure> {
        let server = self.control.peer().map_err(|error| trouble::lost(Stage::Data, "control", &error))?;
        let from = machine.offset();
        let mut step = Step::Send(first);
        let mut nowhere = None;
        loop {
            let next = match step {
                Step::Send(command) if command.is_transfer() => {
                    self.control.send(machine.stage(), &command).await?;
                    let is_file = matches!(command, Command::Retr(_));
                    if let Some(next) = self.behind_retr(from).filter(|_| is_file) {
                        self.control.send_behind(Stage::Retrieve, &next).await?;
                    }
                    let shaking = match &self.security {
                        None => Shaking::Over,
                        // A ticket is used up by its ClientHello, also where the transfer is refused then. A folder that was
                        // gone to is there.
                        Some(security)
                            if (!is_file || self.ahead.size.is_some()) && security.has_tickets_to_spare() =>
                        {
                            Shaking::Due
                        }
                        Some(_) => Shaking::OnceAccepted,
                    };
                    let accepting = Accepting {
                        control: &mut self.control,
                        security: self.security.as_mut(),
                        machine,
                        listener: data.listener.take(),
                        server: server.ip(),
                        data: data.stream.take().map(Stream::plain),
                        shaking,
                        announced: None,
                    };
                    return accepting.run().await;
                }
                Step::Send(command) => {
                    let reply = self.control.ask(machine.stage(), &command).await?;
                    // A refused one leaves nothing behind; one whose reply is lost ends the session.
                    let refused = matches!(reply.code.class(), ReplyClass::Transient | ReplyClass::Permanent);
                    if let Command::Rest(offset) = command
                        && !refused
                    {
                        self.marker = Marker::At(offset);
                    }
                    machine.on(Input::Reply(&reply))
                }
                Step::Connect(port) => match self.connect_data(server, port, (machine.has_another_way(), data)).await {
                    Ok(()) => machine.on(Input::DataOpened),
                    Err(error) => {
                        self.control.note(&format!("* data port {port}: {error}"));
                        nowhere = Some(trouble::unreachable(port, &error));
                        machine.on(Input::DataUnreachable)
                    }
                },
                Step::Unreachable => return Err(nowhere.unwrap_or_else(misplaced)),
                Step::Done(End::Refused(failure) | End::Unconfirmed(failure)) => return Err(failure),
                Step::Wait | Step::Done(End::Confirmed) => return Err(misplaced()),
            };
            step = next.map_err(|_| misplaced())?;
        }
    }

    /// Connects to a port of the server. Its address is the control connection's, whatever a reply says.
    async fn connect_data(
        &self,
        mut server: SocketAddr,
        port: u16,
        (another_way, data): (bool, &mut Data),
    ) -> io::Result<()> {
        server.set_port(port);
        // One that is held is given up first: it may be the same.
        (data.port, data.stream) = (None, None);
        let patience = self.options.timeout;
        let patience = if another_way { patience.min(IMPATIENT) } else { patience };
        let (port, stream) = connect::data_alone(server, self.options.bind, patience, &self.ports).await?;
        (data.port, data.stream) = (Some(port), Some(stream));
        Ok(())
    }
}

/// A transfer whose command is sent: replies, the data connection and its handshake come in any order.
struct Accepting<'a> {
    control: &'a mut Control,
    security: Option<&'a mut Security>,
    machine: &'a mut Retrieve,
    listener: Option<Listener>,
    server: IpAddr,
    data: Option<Stream>,
    shaking: Shaking,
    announced: Option<u64>,
}

/// How far the data connection's handshake is. It never comes before the command: `ProFTPD` and Pure-FTPd begin theirs only then.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shaking {
    /// To be begun as soon as the connection stands.
    Due,
    /// To be begun once the server has accepted the transfer too.
    OnceAccepted,
    /// Under way.
    Begun,
    /// Over, or there is none.
    Over,
}

impl Accepting<'_> {
    async fn run(mut self) -> Result<Opened, Failure> {
        // Data that ends before any reply may be the file or a refusal: the reply says which.
        let mut watch_data = true;
        let mut late = None;
        loop {
            self.begin_tls()?;
            if self.machine.is_accepted()
                && self.shaking == Shaking::Over
                && let Some(data) = self.data.take()
            {
                return Ok(Opened { data, announced: self.announced });
            }
            let accepted = self.machine.is_accepted();
            if accepted && late.is_none() && self.shaking == Shaking::Begun {
                late = Some(Instant::now() + self.control.timeout());
            }
            let timer = late.unwrap_or_else(Instant::now);
            let (shakes, stands) = (self.shaking == Shaking::Begun, self.data.is_some());
            tokio::select! {
                biased;
                reply = next_reply(self.control, self.machine.transfer_stage(), accepted && shakes), if !self.machine.is_confirmed_early() => {
                    let reply = reply.map_err(|failure| self.silence(failure))?;
                    self.announced = self.announced.or_else(|| hint(&reply));
                    self.on_reply(&reply)?;
                    if self.machine.is_confirmed_early() {
                        late = Some(Instant::now() + LATE.min(self.control.timeout()));
                    }
                }
                moved = on_data(self.data.as_mut(), shakes), if shakes || (stands && watch_data) => match moved {
                    Moved::Shaken(Ok(agreed)) => {
                        self.control.note(&format!("* {agreed}"));
                        self.shaking = Shaking::Over;
                        late = None;
                    }
                    Moved::Shaken(Err(error)) => return Err(self.broken(&error).await),
                    Moved::Flows if self.shaking == Shaking::Over && let Some(data) = self.data.take() => {
                        return Ok(Opened { data, announced: self.announced });
                    }
                    Moved::Flows | Moved::Ended => watch_data = false,
                },
                accepted = accept(self.listener.as_ref(), self.server), if !stands => {
                    let socket = accepted.map_err(|error| trouble::lost(Stage::Data, "data", &error))?;
                    self.data = Some(Stream::plain(socket));
                    self.machine.on(Input::DataOpened).map_err(|_| misplaced())?;
                }
                () = sleep_until(timer), if late.is_some() => return Err(self.too_late()),
            }
        }
    }

    /// Sends ClientHello as soon as that is due.
    fn begin_tls(&mut self) -> Result<(), Failure> {
        let due = match self.shaking {
            Shaking::Due => true,
            Shaking::OnceAccepted => self.machine.is_accepted(),
            Shaking::Begun | Shaking::Over => false,
        };
        if due && let (Some(security), Some(data)) = (&mut self.security, &mut self.data) {
            security.begin(data)?;
            self.shaking = Shaking::Begun;
        }
        Ok(())
    }

    fn on_reply(&mut self, reply: &Reply) -> Result<(), Failure> {
        match self.machine.on(Input::Reply(reply)) {
            Ok(Step::Done(End::Refused(failure) | End::Unconfirmed(failure))) => Err(self.refused(failure)),
            Ok(_) => Ok(()),
            Err(_) => Err(misplaced()),
        }
    }

    /// A refusal, which may be one of the data connection's TLS session.
    fn refused(&self, failure: Failure) -> Failure {
        let has_tls = self.data.as_ref().is_some_and(Stream::has_tls);
        if has_tls { data_refused(failure) } else { failure }
    }

    /// The data connection broke in its handshake. Where the server says why, its word counts.
    async fn broken(&mut self, error: &io::Error) -> Failure {
        let failure = data_trouble(error);
        while failure.cause == Cause::TlsReuse && !self.machine.is_confirmed_early() {
            let Ok(Ok(reply)) = timeout(LAST_WORD, self.control.next_reply(self.machine.transfer_stage())).await else {
                break;
            };
            if let Err(told) = self.on_reply(&reply) {
                return told;
            }
        }
        failure
    }

    /// A server that accepted the transfer and is silent since should have connected.
    fn silence(&self, failure: Failure) -> Failure {
        if failure.cause == Cause::Timeout && self.data.is_none() && self.machine.is_accepted() {
            self.too_late()
        } else {
            failure
        }
    }

    fn too_late(&self) -> Failure {
        match &self.listener {
            _ if self.shaking == Shaking::Begun => {
                let what = "the TLS handshake of the data connection did not come to an end";
                trouble::timed_out(Stage::Data, self.control.timeout(), what)
            }
            Some(listener) => trouble::never_connected(listener.address()),
            None => misplaced(),
        }
    }
}

/// The next reply. Once the transfer is accepted it may take long: the handshake has its own time.
async fn next_reply(control: &mut Control, stage: Stage, may_take_long: bool) -> Result<Reply, Failure> {
    if may_take_long { control.next_reply(stage).await } else { control.reply(stage).await }
}

/// What happened on the data connection.
enum Moved {
    /// The handshake is over, one way or the other.
    Shaken(io::Result<String>),
    /// There are bytes to be read.
    Flows,
    /// It ended without any.
    Ended,
}

/// What happens next on the data connection. May be dropped and called again without loss.
async fn on_data(data: Option<&mut Stream>, shakes: bool) -> Moved {
    match data {
        Some(data) if shakes => Moved::Shaken(Security::shake(data).await),
        Some(data) => {
            if data.has_bytes().await {
                Moved::Flows
            } else {
                Moved::Ended
            }
        }
        None => std::future::pending().await,
    }
}

/// Whether the server says that it does not know the command, or not now.
fn is_unknown(failure: &Failure) -> bool {
    let reply = failure.reply.as_deref().unwrap_or_default();
    ["500", "502", "503"].iter().any(|code| reply.starts_with(code))
}

pub(super) fn hint(reply: &Reply) -> Option<u64> {
    reply.is(ReplyClass::Preliminary).then(|| announced_size(reply))?
}

async fn accept(listener: Option<&Listener>, server: IpAddr) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept(server).await,
        None => std::future::pending().await,
    }
}

/// The dialogue took a turn that it can't take.
fn misplaced() -> Failure {
    trouble::out_of_step(Stage::Retrieve, "the transfer is out of order")
}
