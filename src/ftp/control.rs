//! The control connection: one command, one reply.

use super::dial::Trace;
use super::trouble;
use crate::model::{Failure, Secret, Stage, printable};
use crate::wire::{Command, Context, Decoder, Reply, ReplyClass, classify};
use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// A whole reply may take at least this long, and four times the time allowed without progress.
const REPLY_TIME: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// How long to wait for a better end of a reply that another code seems to end.
const GRACE: Duration = Duration::from_millis(500);
/// Characters of a line shown in the dialogue.
const SHOWN: usize = 500;

/// A control connection. It counts replies against commands: once they may differ, it refuses to go on, for a late
/// reply would be taken for that of the next command.
pub(super) struct Control {
    stream: TcpStream,
    decoder: Decoder,
    trace: Option<Trace>,
    timeout: Duration,
    /// Final replies that are still to come.
    outstanding: u32,
    broken: bool,
    logged_in: bool,
    /// Whether replies are known to end with another code.
    foreign_terminator: bool,
    /// The password: a server that repeats it must not get it into logs and records.
    secret: Option<Secret>,
}

/// A shorter password is not looked for in replies: too much else would be taken for it.
const LEAST_SECRET: usize = 4;

impl Control {
    /// A control connection whose greeting is still to come.
    pub(super) fn new(stream: TcpStream, trace: Option<Trace>, timeout: Duration) -> Self {
        Self {
            stream,
            decoder: Decoder::new(),
            trace,
            timeout,
            outstanding: 1,
            broken: false,
            logged_in: false,
            foreign_terminator: false,
            secret: None,
        }
    }

    /// From now on replies are freed of this password.
    pub(super) fn set_secret(&mut self, secret: Option<&Secret>) {
        self.secret = secret.filter(|secret| secret.reveal().len() >= LEAST_SECRET).cloned();
    }

    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn foreign_terminator(&self) -> bool {
        self.foreign_terminator
    }

    pub(super) fn set_foreign_terminator(&mut self, known: bool) {
        self.foreign_terminator = known;
    }

    /// From now on a 530 means that the session lost its login.
    pub(super) fn set_logged_in(&mut self) {
        self.logged_in = true;
    }

    /// Nothing more may be sent.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    /// Whether each command has had its reply, nothing else came, and the server has not closed.
    pub(super) fn is_in_step(&self) -> bool {
        !self.broken && self.outstanding == 0 && self.decoder.is_idle() && self.is_quiet()
    }

    /// Whether a final reply is still to come.
    pub(super) fn is_owed_a_reply(&self) -> bool {
        self.outstanding > 0
    }

    /// The server's address.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr().map(canonical)
    }

    /// This side's address.
    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr().map(canonical)
    }

    /// Where the dialogue is shown.
    pub(super) fn trace(&self) -> Option<Trace> {
        self.trace.clone()
    }

    /// Shows a line of the dialogue.
    pub(super) fn note(&self, text: &str) {
        if let Some(trace) = &self.trace {
            trace(text);
        }
    }

    /// Sends a command and returns its reply; a preliminary one too.
    pub(super) async fn ask(&mut self, stage: Stage, command: &Command) -> Result<Reply, Failure> {
        self.send(stage, command).await?;
        self.reply(stage).await
    }

    /// Sends a command. Its reply has to be fetched by [`Control::reply`].
    pub(super) async fn send(&mut self, stage: Stage, command: &Command) -> Result<(), Failure> {
        let line = command.encode().map_err(|error| trouble::forbidden(stage, error))?;
        if self.broken || self.outstanding > 0 {
            self.broken = true;
            return Err(trouble::out_of_step(stage, "the session is out of step with the server"));
        }
        if !self.is_quiet() || !self.decoder.is_idle() {
            return Err(self.uncalled(stage).await);
        }
        self.note(&format!("> {command}"));
        // Counted before it is written: a write that is cut short leaves the session unusable.
        self.outstanding += 1;
        match timeout(self.timeout, self.stream.write_all(&line)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.last_words(stage, &error).await),
            Err(_) => {
                self.broken = true;
                Err(trouble::timed_out(stage, self.timeout, "the server took no command"))
            }
        }
    }

    /// Returns the next reply.
    ///
    /// # Errors
    /// When nothing comes for the time allowed, the whole takes too long, the connection ends, or what comes is none.
    pub(super) async fn reply(&mut self, stage: Stage) -> Result<Reply, Failure> {
        let limit = REPLY_TIME.max(self.timeout * 4);
        self.take(stage, Some(Instant::now() + limit)).await
    }

    /// Returns the next reply, however long it takes. May be dropped and called again without loss.
    pub(super) async fn next_reply(&mut self, stage: Stage) -> Result<Reply, Failure> {
        self.take(stage, None).await
    }

    async fn take(&mut self, stage: Stage, limit: Option<Instant>) -> Result<Reply, Failure> {
        let begun = Instant::now();
        loop {
            match self.decoder.next_reply() {
                Ok(Some(reply)) => return Ok(self.counted(reply)),
                Ok(None) => {}
                Err(broken) => return Err(self.fail(trouble::broken(stage, &broken))),
            }
            let doubtful = self.decoder.is_doubtful();
            let patience = match (doubtful, limit) {
                (true, _) if self.foreign_terminator => Some(Instant::now()),
                (true, _) => Some(Instant::now() + GRACE),
                (false, Some(limit)) => Some(limit.min(Instant::now() + self.timeout)),
                (false, None) => None,
            };
            let failure = match patience {
                None => self.more(stage).await.err(),
                Some(until) => match timeout_at(until, self.more(stage)).await {
                    Ok(read) => read.err(),
                    Err(_) if limit.is_some_and(|limit| Instant::now() >= limit) => {
                        Some(trouble::too_slow(stage, begun.elapsed()))
                    }
                    Err(_) => Some(trouble::timed_out(stage, self.timeout, "the server was silent")),
                },
            };
            if let Some(failure) = failure {
                return match self.decoder.settle() {
                    Some(reply) => Ok(self.counted(reply)),
                    None => Err(self.fail(failure)),
                };
            }
        }
    }

    async fn more(&mut self, stage: Stage) -> Result<(), Failure> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk).await {
            Ok(0) => Err(trouble::closed(stage)),
            Ok(count) => {
                let bytes = chunk.get(..count).unwrap_or_default();
                self.decoder.feed(bytes).map_err(|broken| trouble::broken(stage, &broken))
            }
            Err(error) => Err(trouble::lost(stage, "control", &error)),
        }
    }

    fn counted(&mut self, mut reply: Reply) -> Reply {
        if let Some(secret) = &self.secret {
            reply.hide(secret.reveal().as_bytes());
        }
        let code = reply.code.get();
        self.show(&reply);
        self.foreign_terminator |= reply.foreign_terminator;
        if !reply.is(ReplyClass::Preliminary) {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        self.broken |= code == 421 || (self.logged_in && matches!(code, 430 | 530));
        reply
    }

    fn show(&self, reply: &Reply) {
        let Some(trace) = &self.trace else { return };
        for (at, line) in reply.lines.iter().enumerate() {
            let mark = if at + 1 == reply.lines.len() { ' ' } else { '-' };
            trace(&format!("< {}{mark}{}", reply.code, printable(&String::from_utf8_lossy(line), SHOWN)));
        }
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        self.broken = true;
        failure
    }

    /// Whether nothing has arrived and the server has not closed. Asks the kernel, for tokio's readiness may be old.
    fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit(); 1]);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// What the server said without being asked: 421 before it closes, or a reply too many.
    async fn uncalled(&mut self, stage: Stage) -> Failure {
        let failure = match timeout(GRACE, self.next_reply(stage)).await {
            Ok(Ok(reply)) if reply.code.get() == 421 => classify(&Context::new(stage, ""), &reply),
            Ok(Ok(reply)) => {
                trouble::out_of_step(stage, "the server sent a reply that was not asked for").with_reply(&reply.text())
            }
            Ok(Err(failure)) => failure,
            Err(_) => trouble::out_of_step(stage, "the server sent text that was not asked for"),
        };
        self.fail(failure)
    }

    /// After a failed write the server's reason may still be there to be read.
    async fn last_words(&mut self, stage: Stage, error: &io::Error) -> Failure {
        let failure = match timeout(GRACE, self.next_reply(stage)).await {
            Ok(Ok(reply)) if reply.code.get() == 421 => classify(&Context::new(stage, ""), &reply),
            _ => trouble::lost(stage, "control", error),
        };
        self.fail(failure)
    }
}

/// IPv4 in IPv6's clothes is IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        // As it is: a link-local address needs its scope.
        IpAddr::V6(_) => address,
    }
}
