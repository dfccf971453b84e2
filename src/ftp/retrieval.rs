//! The bytes of a transfer, and the server's last word on it.

use super::session::Session;
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
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

/// How long an aborted transfer's final reply is waited for.
const SETTLE: Duration = Duration::from_secs(1);
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
    data: Option<TcpStream>,
    announced: Option<u64>,
    /// The server's last word, where it came before it was asked for.
    verdict: Option<Verdict>,
    /// Whether the control connection may still say something.
    listening: bool,
    /// How fast bytes come.
    pace: Pace,
}

impl<'a> Retrieval<'a> {
    pub(super) fn new(session: &'a mut Session, machine: Retrieve, data: TcpStream, announced: Option<u64>) -> Self {
        let listening = !machine.is_confirmed_early();
        Self { session, machine, data: Some(data), announced, verdict: None, listening, pace: Pace::default() }
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
        Ok(self.receive(|data| data.try_read(buf).map(Some)).await?.unwrap_or(0))
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
        self.receive(|data| {
            data.try_io(Interest::READABLE, || match splice(data, None, pipe, None, max, FLAGS) {
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
        mut take: impl FnMut(&TcpStream) -> io::Result<Option<usize>>,
    ) -> Result<Option<usize>, Failure> {
        let begun = Instant::now();
        loop {
            let Some(data) = self.data.as_ref() else { return Ok(Some(0)) };
            match take(data) {
                Ok(Some(0)) => {
                    self.end();
                    return Ok(Some(0));
                }
                Ok(Some(count)) => return self.keeps_coming(count).map(Some),
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let since = Instant::now();
                    let waited = self.wait(begun).await;
                    self.pace.waited(since.elapsed());
                    waited?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(self.last_word().unwrap_or_else(|| trouble::lost(Stage::Retrieve, "data", &error)));
                }
            }
        }
    }

    /// Refuses bytes that trickle: one now and then would hold a session for ever.
    fn keeps_coming(&mut self, count: usize) -> Result<usize, Failure> {
        let span = SPAN.max(self.session.control.timeout() * 4);
        match self.pace.took(count, span) {
            None => Ok(count),
            Some(bytes) => Err(trouble::trickle(bytes, span)),
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
        verdict
    }

    /// Breaks the transfer off: closes the data connection and gives the final reply a second to come. The session
    /// stays usable when it does.
    pub async fn abort(self) {
        let Self { session, data, .. } = self;
        drop(data);
        session.transfer_over(false);
        let settle = async {
            while session.control.is_owed_a_verdict() {
                if session.control.reply(Stage::Verdict).await.is_err() {
                    return;
                }
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

    /// Waits until there is data again; the server's word on the control connection is not missed meanwhile.
    async fn wait(&mut self, begun: Instant) -> Result<(), Failure> {
        let patience = self.session.control.timeout();
        let patience = if self.verdict.is_some() { patience.min(LAST_BYTES) } else { patience };
        tokio::select! {
            biased;
            () = readable(self.data.as_ref()) => Ok(()),
            reply = self.session.control.next_reply(Stage::Retrieve), if self.listening => {
                match reply {
                    Ok(reply) => self.hear(&reply),
                    // The data may be whole all the same; the final reply is missed at the end.
                    Err(_) => self.listening = false,
                }
                Ok(())
            }
            () = sleep_until(begun + patience) => Err(self.last_word().unwrap_or_else(|| {
                trouble::timed_out(Stage::Retrieve, patience, "no data came")
            })),
        }
    }

    fn hear(&mut self, reply: &Reply) {
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
        self.data = None;
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
                Verdict::Refused { failure }
            }
        }
    }

    /// What the server said before the data broke or ran dry.
    #[must_use]
    pub fn last_word(&self) -> Option<Failure> {
        match &self.verdict {
            Some(Verdict::Unconfirmed { failure } | Verdict::Refused { failure }) => Some(failure.clone()),
            Some(Verdict::Confirmed) | None => None,
        }
    }
}

/// Returns when there is something to read. An error shows again, and better, when bytes are asked for.
async fn readable(data: Option<&TcpStream>) {
    if let Some(data) = data {
        let _ = data.readable().await;
    }
}
