//! The bytes of a transfer, and the server's last word on it.

use super::opening::{Begun, hint};
use super::ports::HeldPort;
use super::session::Session;
use super::tls::{Stream, cut, data_refused};
use super::trouble;
use crate::model::{Cause, Failure, Stage};
use crate::policy::Pace;
use crate::wire::{End, Input, Reply, Retrieve, Step};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long an aborted transfer's final reply is waited for.
const SETTLE: Duration = Duration::from_secs(1);
/// How long data is read on after ABOR.
const DRAIN: Duration = Duration::from_millis(500);
/// Data that comes fast is left to gather for so long: to be woken for each record costs as much as to decrypt it.
const MOMENT: Duration = Duration::from_millis(1);
/// Bytes a second that are fast.
const FAST: u128 = 64_000_000;
/// Bytes of it at once.
const WASTE: usize = 64 * 1024;
/// Longest wait for more data once the server said that the transfer failed.
const LAST_BYTES: Duration = Duration::from_secs(5);
/// The least span over which bytes have to come at more than a trickle; four times the time allowed without progress
/// where that is longer, as for a reply.
const SPAN: Duration = Duration::from_secs(10);

/// What the server says of a transfer whose data ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well, says the server. Whether all bytes came is for the caller to count.
    Confirmed,
    /// All is well, says the server, but the data ended without TLS's `close_notify`: only where the number of bytes is
    /// known is it known that all came.
    Cut {
        /// In words.
        failure: Failure,
    },
    /// The data ended cleanly, but no final reply came, or it was 426.
    Unconfirmed {
        /// What happened instead.
        failure: Failure,
    },
    /// The server says that the transfer failed.
    Refused {
        /// How.
        failure: Failure,
    },
}

/// A transfer under way. It ends by [`Retrieval::finish`] or [`Retrieval::abort`]; when it is dropped instead, the
/// session is not usable any more, unless the final reply had come.
#[derive(Debug)]
#[must_use = "a transfer has to be read, and finished or aborted"]
pub struct Retrieval<'a> {
    session: &'a mut Session,
    machine: Retrieve,
    /// The data connection, until the server ended the data.
    data: Option<Stream>,
    announced: Option<u64>,
    /// The server's last word, where it came before it was asked for.
    verdict: Option<Verdict>,
    /// Whether the control connection may still say something.
    listening: bool,
    /// Whether any data came.
    flowed: bool,
    /// The data ended without `close_notify` under TLS.
    cut: bool,
    /// Whether data is left to gather.
    gathering: Gathering,
    /// How fast bytes come.
    pace: Pace,
    /// The passive port that the data comes by, until the first byte.
    port: Option<HeldPort>,
}

/// How fast data comes, as of a moment ago.
#[derive(Debug)]
struct Gathering {
    since: Instant,
    bytes: usize,
    is_fast: bool,
}

impl Gathering {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, is_fast: false }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Whether a moment's data is worth waiting for before it is looked at.
    fn is_fast(&mut self) -> bool {
        let passed = self.since.elapsed();
        if passed >= MOMENT {
            let bytes = std::mem::take(&mut self.bytes);
            self.is_fast = bytes as u128 * 1_000_000 > FAST * passed.as_micros();
            self.since = Instant::now();
        }
        self.is_fast
    }
}

impl<'a> Retrieval<'a> {
    pub(super) fn new(session: &'a mut Session, begun: Begun) -> Self {
        let Begun { machine, data, announced, port } = begun;
        let listening = !machine.is_confirmed_early();
        Self {
            session,
            machine,
            data: Some(data),
            announced,
            verdict: None,
            listening,
            flowed: false,
            cut: false,
            gathering: Gathering::new(),
            pace: Pace::default(),
            port,
        }
    }

    fn stage(&self) -> Stage {
        self.machine.transfer_stage()
    }

    /// What the server's 150 announced as `(N bytes)`: a hint only, for some servers count the whole file and some
    /// what is left of it.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// Reads some bytes; 0 is the end of the data. May be dropped and called again without loss.
    ///
    /// # Errors
    /// When nothing comes for the time allowed, or the connection breaks.
    pub async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        if buf.is_empty() {
            return Ok(0);
        }
        let count = self.receive(|data| data.try_read(buf).map(Some)).await?.unwrap_or(0);
        self.gathering.add(count);
        Ok(count)
    }

    /// Moves up to `max` bytes into a pipe, which must be empty; 0 is the end of the data, and nothing that the system
    /// can't move bytes from this connection so: [`Retrieval::read`] has them then. May be dropped and called again
    /// without loss.
    ///
    /// # Errors
    /// As [`Retrieval::read`].
    pub async fn splice(&mut self, pipe: BorrowedFd<'_>, max: usize) -> Result<Option<usize>, Failure> {
        const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
        if max == 0 {
            return Ok(Some(0));
        }
        if self.data.as_ref().is_some_and(Stream::has_tls) {
            return Ok(None);
        }
        self.receive(|data| {
            data.socket().try_io(Interest::READABLE, || match splice(data.socket(), None, pipe, None, max, FLAGS) {
                Ok(count) => Ok(Some(count)),
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(None),
                Err(error) => Err(error.into()),
            })
        })
        .await
    }

    /// Waits for bytes and takes them by `take`; 0 is the end of the data.
    async fn receive(
        &mut self,
        mut take: impl FnMut(&mut Stream) -> io::Result<Option<usize>>,
    ) -> Result<Option<usize>, Failure> {
        let begun = Instant::now();
        loop {
            let Some(data) = self.data.as_mut() else { return Ok(Some(0)) };
            match take(data) {
                Ok(Some(0)) => {
                    self.end();
                    return Ok(Some(0));
                }
                Ok(Some(count)) => {
                    self.port = None;
                    self.flowed = true;
                    return self.keeps_coming(count).map(Some);
                }
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.session.is_private() && self.gathering.is_fast() {
                        sleep(MOMENT).await;
                    }
                    let since = Instant::now();
                    let waited = self.wait(begun).await;
                    self.pace.waited(since.elapsed());
                    waited?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(self.last_word().unwrap_or_else(|| trouble::lost(self.stage(), "data", &error)));
                }
            }
        }
    }

    /// Refuses bytes that trickle: one now and then would hold a session for ever.
    fn keeps_coming(&mut self, count: usize) -> Result<usize, Failure> {
        let span = SPAN.max(self.session.control.timeout() * 4);
        match self.pace.took(count, span) {
            None => Ok(count),
            Some(bytes) => Err(trouble::trickle(self.stage(), bytes, span)),
        }
    }

    /// Takes the server's last word, after the end of the data.
    pub async fn finish(mut self) -> Verdict {
        if self.data.is_some() {
            self.session.control.give_up();
            let failure = trouble::out_of_step(Stage::Verdict, "the data was not read to its end");
            return Verdict::Unconfirmed { failure };
        }
        let verdict = match self.verdict.take() {
            Some(verdict) => verdict,
            None => self.final_reply().await,
        };
        self.session.transfer_over(verdict == Verdict::Confirmed);
        let lessons = self.machine.lessons();
        self.session.quirks.no_rest |= lessons.no_rest;
        if verdict == Verdict::Confirmed && self.cut {
            let failure = cut();
            self.session.control.note(&format!("* {}", failure.message));
            return Verdict::Cut { failure };
        }
        verdict
    }

    /// Breaks the transfer off: closes the data connection and gives the final reply a second to come. The session
    /// stays usable when it does.
    pub async fn abort(mut self) {
        let asked = self.data.is_some() && self.ask_to_stop().await;
        let Self { session, data, port, .. } = self;
        if let Some(data) = data {
            session.close(data);
        }
        drop(port);
        session.transfer_over(false);
        let settle = async {
            while session.control.is_owed_a_verdict() || (asked && session.control.is_owed_a_reply()) {
                if session.control.reply(Stage::Verdict).await.is_err() {
                    return;
                }
            }
            if asked && !session.is_fenced().await {
                session.control.give_up();
            }
            // What was sent behind it has to be answered in its turn; the session takes note where it is not.
            let _ = session.settle().await;
        };
        // A reply that does not come in time leaves the session owed one, and so unusable.
        let _ = timeout(SETTLE, settle).await;
        if session.is_usable() {
            session.transfer_kept_step();
        }
    }

    /// Sends ABOR and reads on for a moment: under TLS, `ProFTPD` ends the whole session when its data connection is closed,
    /// and Pure-FTPd falls silent. vsftpd hears it only once the data connection is closed. Returns whether it was sent.
    async fn ask_to_stop(&mut self) -> bool {
        let deaf = self.session.security.as_ref().is_none_or(|security| security.deaf_to_abort);
        if deaf || !self.session.control.is_owed_only_a_verdict() || self.session.control.send_abort().await.is_err() {
            return false;
        }
        let mut waste = vec![0; WASTE];
        let drain = async { while !matches!(self.read(&mut waste).await, Ok(0) | Err(_)) {} };
        let deaf = timeout(DRAIN, drain).await.is_err();
        if let Some(security) = &mut self.session.security {
            security.deaf_to_abort = deaf;
        }
        true
    }

    /// Waits until there is data again; the server's word on the control connection is not missed meanwhile.
    async fn wait(&mut self, begun: Instant) -> Result<(), Failure> {
        let patience = self.session.control.timeout();
        let patience = if self.verdict.is_some() { patience.min(LAST_BYTES) } else { patience };
        let stage = self.stage();
        tokio::select! {
            biased;
            () = readable(self.data.as_ref()) => Ok(()),
            reply = self.session.control.next_reply(stage), if self.listening => {
                match reply {
                    Ok(reply) => self.hear(&reply),
                    // The data may be whole all the same; the final reply is missed at the end.
                    Err(_) => self.listening = false,
                }
                Ok(())
            }
            () = sleep_until(begun + patience) => Err(self.last_word().unwrap_or_else(|| {
                trouble::timed_out(stage, patience, "no data came")
            })),
        }
    }

    fn hear(&mut self, reply: &Reply) {
        self.announced = self.announced.or_else(|| hint(reply));
        match self.machine.on(Input::Reply(reply)) {
            Ok(Step::Done(end)) => {
                self.listening = false;
                let broken_off = reply.code.get() == 426;
                self.verdict = Some(match end {
                    // The bytes that are on their way may be all of them.
                    End::Refused(failure) if broken_off => Verdict::Unconfirmed { failure },
                    end => self.judge(end),
                });
            }
            Ok(_) => self.listening = !self.machine.is_confirmed_early(),
            Err(_) => {
                self.listening = false;
                self.session.control.give_up();
            }
        }
    }

    fn end(&mut self) {
        // At once: proftpd waits for it before its final reply.
        if let Some(data) = self.data.take() {
            self.cut = data.is_cut();
            self.session.close(data);
            self.port = None;
        }
        if self.verdict.is_none()
            && let Ok(Step::Done(end)) = self.machine.on(Input::DataEnded)
        {
            self.verdict = Some(self.judge(end));
        }
    }

    async fn final_reply(&mut self) -> Verdict {
        loop {
            let reply = match self.session.control.reply(Stage::Verdict).await {
                Ok(reply) => reply,
                Err(failure) => return Verdict::Unconfirmed { failure },
            };
            match self.machine.on(Input::Reply(&reply)) {
                Ok(Step::Done(end)) => return self.judge(end),
                Ok(_) => {}
                Err(_) => {
                    self.session.control.give_up();
                    let failure = trouble::out_of_step(Stage::Verdict, "the transfer's end is out of order");
                    return Verdict::Unconfirmed { failure: failure.with_reply(&reply.text()) };
                }
            }
        }
    }

    fn judge(&mut self, end: End) -> Verdict {
        match end {
            End::Confirmed => Verdict::Confirmed,
            End::Unconfirmed(failure) => Verdict::Unconfirmed { failure },
            End::Refused(failure) => {
                if failure.cause == Cause::Protocol {
                    self.session.control.give_up();
                }
                let failure = self.of_tls(failure);
                Verdict::Refused { failure }
            }
        }
    }

    /// A refusal, which may be one of the data connection's TLS session where nothing came over it: vsftpd looks after the
    /// handshake whether a session was resumed.
    fn of_tls(&mut self, failure: Failure) -> Failure {
        if self.flowed || !self.session.is_private() {
            return failure;
        }
        let failure = data_refused(failure);
        if failure.cause == Cause::TlsReuse {
            self.session.quirks.demands_reuse = true;
            self.session.control.give_up();
        }
        failure
    }

    /// What the server said before the data broke or ran dry.
    #[must_use]
    pub fn last_word(&self) -> Option<Failure> {
        match &self.verdict {
            Some(Verdict::Unconfirmed { failure } | Verdict::Refused { failure }) => Some(failure.clone()),
            Some(Verdict::Confirmed | Verdict::Cut { .. }) | None => None,
        }
    }
}

/// Returns when there is something to read.
async fn readable(data: Option<&Stream>) {
    if let Some(data) = data {
        data.readable().await;
    }
}
