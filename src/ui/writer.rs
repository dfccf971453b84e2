//! Writing where perhaps nobody reads: it is seen how long a write has been held up, and the end waits no longer than that.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A write that takes longer is held up: nobody reads.
pub(super) const HELD_UP: Duration = Duration::from_secs(1);
/// Bytes written at a time: so many a second are taken even by a slow line that somebody reads.
const CHUNK: usize = 4096;
/// Time that whoever has something to say waits until it was written, so that both streams stay in step.
const IN_STEP: Duration = Duration::from_millis(200);
/// Most bytes of messages that wait to be written.
const KEPT: usize = 64 << 10;

/// When the write began that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteClock(Arc<Mutex<Option<Instant>>>);

impl WriteClock {
    fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Whether a write is held up.
    pub(super) fn is_held_up(&self) -> bool {
        let began = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        began.is_some_and(|at| at.elapsed() >= HELD_UP)
    }
}

/// A stream whose writes are timed.
pub(super) struct TimedWriter {
    out: Box<dyn Write + Send>,
    clock: WriteClock,
}

impl TimedWriter {
    pub(super) fn new(out: Box<dyn Write + Send>, clock: &WriteClock) -> Self {
        Self { out, clock: clock.clone() }
    }
}

impl Write for TimedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.clock.set(Some(Instant::now()));
        let written = self.out.write(bytes.get(..CHUNK).unwrap_or(bytes)).and_then(|n| self.out.flush().map(|()| n));
        self.clock.set(None);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        // Each write is followed by one.
        Ok(())
    }
}

/// Standard error for what is said outside of runs. A thread of its own writes, so that nothing waits longer than a
/// moment where nobody reads. Clones write to the same stream.
#[derive(Clone, Default)]
pub struct MessageWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    clock: WriteClock,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    has_thread: bool,
    /// Nobody reads, as it seems: nobody waits until something was written.
    is_behind: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.is_writing
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything is written, or a time is over.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        let until_idle = |state: &mut State| !state.is_idle();
        self.changed.wait_timeout_while(state, limit, until_idle).unwrap_or_else(PoisonError::into_inner).0
    }

    fn write_all(&self, mut out: TimedWriter) {
        let mut state = self.state();
        loop {
            let text = std::mem::take(&mut state.waiting);
            state.is_writing = !text.is_empty();
            if text.is_empty() {
                state.is_behind = false;
                self.changed.notify_all();
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(state);
            // Where standard error is gone there is nowhere to tell it; the exit code still does.
            let _ = out.write_all(&text);
            state = self.state();
        }
    }
}

impl MessageWriter {
    /// Waits until all is written; not for a reader that has taken nothing for a second.
    pub fn finish(&self) {
        let mut state = self.0.state();
        while !state.is_idle() && !self.0.clock.is_held_up() {
            state = self.0.wait(state, Duration::from_millis(20));
        }
    }
}

impl Write for MessageWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if !state.has_thread {
            let shared = Arc::clone(&self.0);
            let out = TimedWriter::new(super::output::unbuffered(io::stderr()), &self.0.clock);
            std::thread::Builder::new().name("messages".to_owned()).spawn(move || shared.write_all(out))?;
            state.has_thread = true;
        }
        if state.waiting.len() + bytes.len() > KEPT {
            // Nobody has read the last 64 KiB.
            return Ok(bytes.len());
        }
        state.waiting.extend_from_slice(bytes);
        self.0.changed.notify_all();
        if !state.is_behind {
            state = self.0.wait(state, IN_STEP);
            state.is_behind = !state.is_idle();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
