//! The control connection: commands, and the replies that belong to them.

use super::dial::Trace;
use super::tls::{Security, Stream, TlsMode, injected};
use super::trouble;
use crate::model::{Failure, Stage, printable};
use crate::wire::{Command, Context, Decoder, Place, Redactor, Reply, ReplyClass, Sequence, classify};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::task::consume_budget;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

/// A whole reply may take at least this long, and four times the time allowed without progress.
const REPLY_TIME: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// How long to wait for a better end of a reply that another code seems to end.
const GRACE: Duration = Duration::from_millis(500);
/// Longest wait for each reply to a command that was sent ahead of others' replies: a server that drops such commands
/// must not cost more.
const AHEAD: Duration = Duration::from_secs(10);
/// Characters of a line shown in the dialogue.
const SHOWN: usize = 500;

/// A control connection. It lays replies against commands: once they may differ, it refuses to go on, for a late reply
/// would be taken for that of the next command.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub(super) struct Control {
    stream: Stream,
    decoder: Decoder,
    trace: Option<Trace>,
    timeout: Duration,
    /// Commands whose final replies are still to come.
    awaited: Sequence,
    /// The command that was sent last.
    last: &'static str,
    /// A command is being written: were it cut short, the next one would be taken for its end.
    writing: bool,
    /// A command behind RETR was answered before the transfer was over.
    answered_early: bool,
    broken: bool,
    logged_in: bool,
    /// Whether replies are known to end with another code.
    foreign_terminator: bool,
    /// The passwords: a server that repeats one must not get it into logs and records.
    passwords: Redactor,
}

impl Control {
    /// A control connection whose greeting is still to come.
    pub(super) fn new(stream: Stream, trace: Option<Trace>, timeout: Duration) -> Self {
        let mut awaited = Sequence::new();
        awaited.expect("");
        Self {
            stream,
            decoder: Decoder::new(),
            trace,
            timeout,
            awaited,
            last: "",
            writing: false,
            answered_early: false,
            broken: false,
            logged_in: false,
            foreign_terminator: false,
            passwords: Redactor::default(),
        }
    }

    /// Puts TLS over the connection. What was learned before is forgotten: anyone could have said it.
    ///
    /// # Errors
    /// When something came that nothing asked for, or the handshake fails.
    pub(super) async fn secure(&mut self, security: &mut Security) -> Result<(), Failure> {
        if let Some(failure) = self.unfit_for_tls(security.mode()) {
            return Err(self.fail(failure));
        }
        match security.secure(&mut self.stream, self.timeout).await {
            Ok(agreed) => self.note(&format!("* {agreed}")),
            Err(failure) => return Err(self.fail(failure)),
        }
        self.decoder = Decoder::new();
        self.answered_early = false;
        Ok(())
    }

    /// From now on replies are shown without these passwords.
    pub(super) fn set_passwords(&mut self, passwords: Redactor) {
        self.passwords = passwords;
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

    /// Whether another command may be sent: each has had its reply, or only the one left behind RETR has not; nothing
    /// else came, and the server has not closed.
    pub(super) fn is_in_step(&mut self) -> bool {
        if self.broken || self.writing {
            return false;
        }
        match self.awaited.left_behind() {
            Some(_) => self.may_still_fit(),
            None => self.awaited.is_empty() && self.is_untouched(),
        }
    }

    /// Whether something is there that nothing asked for, other than a 421.
    pub(super) fn has_been_told_more(&mut self) -> bool {
        let Some(mut arrived) = self.arrived() else { return false };
        match arrived.next_reply() {
            Ok(Some(reply)) => reply.code.get() != 421,
            Ok(None) => !arrived.is_idle(),
            Err(_) => true,
        }
    }

    /// Whether a final reply is still to come.
    pub(super) fn is_owed_a_reply(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Whether a transfer's final reply is still to come.
    pub(super) fn is_owed_a_verdict(&self) -> bool {
        self.awaited.is_transfer_first()
    }

    /// Whether nothing but a transfer's final reply is still to come.
    pub(super) fn is_owed_only_a_verdict(&self) -> bool {
        !self.broken && !self.writing && self.awaited.is_transfer()
    }

    /// The command that was sent behind a RETR which is over now, if its reply is still to come.
    pub(super) fn left_behind(&self) -> Option<&'static str> {
        self.awaited.left_behind()
    }

    /// Whether the server answered a command behind RETR before the transfer was over.
    pub(super) fn answered_early(&self) -> bool {
        self.answered_early
    }

    /// The word of the command that was sent last.
    pub(super) fn last_sent(&self) -> &'static str {
        self.last
    }

    /// The server's address.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        self.stream.socket().peer_addr().map(canonical)
    }

    /// This side's address.
    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.stream.socket().local_addr().map(canonical)
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
        self.send_all(stage, std::slice::from_ref(command)).await
    }

    /// Sends commands in one write. Their replies have to be fetched one by one.
    pub(super) async fn send_all(&mut self, stage: Stage, commands: &[Command]) -> Result<(), Failure> {
        let lines = encode(stage, commands)?;
        if self.broken || self.writing || !self.awaited.is_empty() {
            self.broken = true;
            return Err(trouble::out_of_step(stage, "the session is out of step with the server"));
        }
        if !self.is_untouched() {
            return Err(self.uncalled(stage).await);
        }
        for command in commands {
            self.note(&format!("> {command}"));
            // Counted before it is written: a write that is cut short leaves the session unusable.
            self.awaited.expect(command.verb());
            self.last = command.verb();
        }
        self.write(stage, &lines).await
    }

    /// Sends a command behind a RETR whose transfer is under way, in a segment of its own.
    pub(super) async fn send_behind(&mut self, stage: Stage, command: &Command) -> Result<(), Failure> {
        let line = encode(stage, std::slice::from_ref(command))?;
        if self.broken || self.writing || !self.awaited.is_transfer() {
            self.broken = true;
            return Err(trouble::out_of_step(stage, "the session is out of step with the server"));
        }
        self.note(&format!("> {command}"));
        self.awaited.expect_behind(command.verb());
        self.write(stage, &line).await
    }

    /// Sends ABOR behind a command whose transfer is under way. Two final replies are to come then.
    pub(super) async fn send_abort(&mut self) -> Result<(), Failure> {
        let line = encode(Stage::Verdict, &[Command::Abor])?;
        self.note("> ABOR");
        self.awaited.expect("ABOR");
        self.write(Stage::Verdict, &line).await
    }

    /// Sends QUIT, and returns when the server has answered all there was, or closed.
    pub(super) async fn quit(&mut self) -> Result<(), Failure> {
        let line = encode(Stage::Prepare, &[Command::Quit])?;
        self.note("> QUIT");
        self.awaited.expect("QUIT");
        self.write(Stage::Prepare, &line).await?;
        while self.is_owed_a_reply() {
            self.reply(Stage::Prepare).await?;
        }
        Ok(())
    }

    /// Closes the connection.
    pub(super) fn close(self) {
        self.stream.close();
    }

    async fn write(&mut self, stage: Stage, lines: &[u8]) -> Result<(), Failure> {
        self.writing = true;
        match timeout(self.timeout, self.stream.write_all(lines)).await {
            Ok(Ok(())) => {
                self.writing = false;
                Ok(())
            }
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
        self.take(stage, self.timeout, Some(Instant::now() + limit)).await
    }

    /// Returns the next reply to commands that went out ahead, for which there is less patience.
    pub(super) async fn reply_ahead(&mut self, stage: Stage) -> Result<Reply, Failure> {
        let limit = REPLY_TIME.max(self.timeout * 4);
        self.take(stage, self.timeout.min(AHEAD), Some(Instant::now() + limit)).await
    }

    /// Returns the next final reply to a command over which a server may sit for long, and no longer than so.
    pub(super) async fn reply_within(&mut self, stage: Stage, patience: Duration) -> Result<Reply, Failure> {
        let until = Instant::now() + patience;
        loop {
            let reply = self.take(stage, patience, Some(until)).await?;
            if !reply.is(ReplyClass::Preliminary) {
                return Ok(reply);
            }
        }
    }

    /// Returns the next reply, however long it takes. May be dropped and called again without loss.
    pub(super) async fn next_reply(&mut self, stage: Stage) -> Result<Reply, Failure> {
        self.take(stage, self.timeout, None).await
    }

    async fn take(&mut self, stage: Stage, silence: Duration, limit: Option<Instant>) -> Result<Reply, Failure> {
        loop {
            let reply = self.whole(stage, silence, limit).await?;
            if let Some(reply) = self.placed(reply) {
                return Ok(reply);
            }
        }
    }

    async fn whole(&mut self, stage: Stage, silence: Duration, limit: Option<Instant>) -> Result<Reply, Failure> {
        let begun = Instant::now();
        loop {
            match self.decoder.next_reply() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(broken) => return Err(self.fail(trouble::broken(stage, &broken))),
            }
            let doubtful = self.decoder.is_doubtful();
            let patience = match (doubtful, limit) {
                (true, _) if self.foreign_terminator => Some(Instant::now()),
                (true, _) => Some(Instant::now() + GRACE),
                (false, Some(limit)) => Some(limit.min(Instant::now() + silence)),
                (false, None) => None,
            };
            let failure = match patience {
                None => self.more(stage).await.err(),
                Some(until) => match timeout_at(until, self.more(stage)).await {
                    Ok(read) => read.err(),
                    Err(_) if limit.is_some_and(|limit| Instant::now() >= limit) => {
                        Some(trouble::too_slow(stage, begun.elapsed()))
                    }
                    Err(_) => Some(trouble::timed_out(stage, silence, "the server was silent")),
                },
            };
            if let Some(failure) = failure {
                return match self.decoder.settle() {
                    Some(reply) => Ok(reply),
                    None => Err(self.fail(failure)),
                };
            }
        }
    }

    async fn more(&mut self, stage: Stage) -> Result<(), Failure> {
        // A socket that always has more lets nobody else have a turn, not even the timer that is to end this.
        consume_budget().await;
        loop {
            self.stream.readable().await;
            // Not there while nothing comes: it would be part of every future that waits for a reply.
            let mut chunk = [0; 1024];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return Err(trouble::closed(stage)),
                Ok(count) => {
                    let bytes = chunk.get(..count).unwrap_or_default();
                    return self.decoder.feed(bytes).map_err(|broken| trouble::broken(stage, &broken));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(trouble::lost(stage, "control", &error)),
            }
        }
    }

    /// The reply, if it is one that the caller waits for.
    fn placed(&mut self, mut reply: Reply) -> Option<Reply> {
        reply.hide(&self.passwords);
        let code = reply.code.get();
        self.show(&reply);
        self.foreign_terminator |= reply.foreign_terminator;
        let behind = self.awaited.behind();
        match self.awaited.place(&reply) {
            Place::Due | Place::Uncalled => {}
            Place::Early => {
                self.note("* that was answered before the transfer was over: nothing goes behind RETR any more");
                self.answered_early = true;
                // With a new port some servers give up the data connection of the running transfer.
                self.broken |= behind != Some("NOOP") && reply.is(ReplyClass::Completion);
                return None;
            }
        }
        self.broken |= code == 421 || (self.logged_in && matches!(code, 430 | 530));
        Some(reply)
    }

    fn show(&self, reply: &Reply) {
        let Some(trace) = &self.trace else { return };
        let lines = reply.shown();
        for (at, line) in lines.iter().enumerate() {
            let mark = if at + 1 == lines.len() { ' ' } else { '-' };
            trace(&format!("< {}{mark}{}", reply.code, printable(&String::from_utf8_lossy(line), SHOWN)));
        }
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        self.broken = true;
        failure
    }

    /// Why TLS can't begin: something came that nothing asked for, or the connection is gone, which is another matter.
    fn unfit_for_tls(&mut self, mode: TlsMode) -> Option<Failure> {
        let is_idle = self.decoder.is_idle();
        match self.stream.peek(&mut [0; 1]) {
            _ if !is_idle => Some(injected(mode)),
            Ok(None) => None,
            Ok(Some(0)) => Some(trouble::closed(Stage::Secure)),
            Err(error) => Some(trouble::lost(Stage::Secure, "control", &error)),
            // Nothing was trusted yet, and what it is the handshake tells: a refusal, or the greeting of a port without TLS.
            Ok(Some(_)) if mode == TlsMode::Implicit => None,
            Ok(Some(_)) => Some(injected(mode)),
        }
    }

    /// Whether nothing has arrived and the server has not closed. Asks the kernel, for tokio's readiness may be old.
    fn is_untouched(&mut self) -> bool {
        self.decoder.is_idle() && matches!(self.stream.peek(&mut [0; 1]), Ok(None))
    }

    /// Whether what has arrived is the reply to the command left behind, its beginning, or nothing yet.
    fn may_still_fit(&mut self) -> bool {
        let Some(mut arrived) = self.arrived() else { return false };
        match arrived.next_reply() {
            Ok(Some(reply)) => self.awaited.fits(&reply) && arrived.is_idle(),
            Ok(None) => !arrived.is_doubtful(),
            Err(_) => false,
        }
    }

    /// A look at what has arrived, up to 512 bytes of it, without taking it; nothing once the server has closed.
    fn arrived(&mut self) -> Option<Decoder> {
        let mut bytes = [0; 512];
        let count = match self.stream.peek(&mut bytes) {
            Ok(Some(0)) | Err(_) => return None,
            Ok(Some(count)) => count,
            Ok(None) => 0,
        };
        let mut decoder = self.decoder.clone();
        decoder.feed(bytes.get(..count).unwrap_or_default()).ok()?;
        Some(decoder)
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

/// The lines of the commands, one after the other.
fn encode(stage: Stage, commands: &[Command]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let encoded: Result<Vec<_>, _> = commands.iter().map(Command::encode).collect();
    let encoded = encoded.map_err(|error| trouble::forbidden(stage, error))?;
    let mut lines = Zeroizing::new(Vec::with_capacity(encoded.iter().map(|line| line.len()).sum()));
    for line in &encoded {
        lines.extend_from_slice(line);
    }
    Ok(lines)
}

/// IPv4 in IPv6's clothes is IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        // As it is: a link-local address needs its scope.
        IpAddr::V6(_) => address,
    }
}
