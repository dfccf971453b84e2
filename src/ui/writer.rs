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
const MOST_MESSAGES: usize = 64 << 10;

/// Says how many messages are missing.
pub(super) fn left_out(number: u64) -> String {
    let (s, were) = if number == 1 { ("", "was") } else { ("s", "were") };
    format!("{number} message{s} {were} left out because nobody was reading")
}

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
pub struct MessageWriter(Arc<MessageBuffer>);

#[derive(Default)]
struct MessageBuffer {
    state: Mutex<BufferState>,
    changed: Condvar,
    clock: WriteClock,
}

#[derive(Default)]
struct BufferState {
    waiting: Vec<u8>,
    /// Messages that were dropped since, because nobody read.
    left_out: u64,
    is_writing: bool,
    has_thread: bool,
    /// Nobody reads, as it seems: nobody waits until something was written.
    is_behind: bool,
}

impl BufferState {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.is_writing
    }
}

impl MessageBuffer {
    fn state(&self) -> MutexGuard<'_, BufferState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything is written, or a time is over.
    fn wait<'a>(&self, state: MutexGuard<'a, BufferState>, limit: Duration) -> MutexGuard<'a, BufferState> {
        let until_idle = |state: &mut BufferState| !state.is_idle();
        self.changed.wait_timeout_while(state, limit, until_idle).unwrap_or_else(PoisonError::into_inner).0
    }

    fn write_all(&self, mut out: TimedWriter) {
        let mut state = self.state();
        loop {
            let mut text = std::mem::take(&mut state.waiting);
            if let dropped @ 1.. = std::mem::take(&mut state.left_out) {
                text.extend_from_slice(format!("ftpq: {}\n", left_out(dropped)).as_bytes());
            }
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
        if !state.waiting.is_empty() && state.waiting.len() + bytes.len() > MOST_MESSAGES {
            // Figures that are drawn anew again and again are no messages.
            state.left_out += u64::from(bytes.ends_with(b"\n"));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is told to.
    #[derive(Clone, Default)]
    struct Gated(Arc<Valve>);

    #[derive(Default)]
    struct Valve {
        state: Mutex<ValveState>,
        changed: Condvar,
    }

    #[derive(Default)]
    struct ValveState {
        is_asked: bool,
        is_open: bool,
        taken: Vec<u8>,
    }

    impl Gated {
        /// Waits until somebody writes.
        fn until_asked(&self) {
            drop(self.0.changed.wait_while(self.0.state.lock().unwrap(), |state| !state.is_asked).unwrap());
        }

        fn open(&self) {
            self.0.state.lock().unwrap().is_open = true;
            self.0.changed.notify_all();
        }
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let Valve { state, changed } = &*self.0;
            let mut state = state.lock().unwrap();
            state.is_asked = true;
            changed.notify_all();
            let mut state = changed.wait_while(state, |state| !state.is_open).unwrap();
            state.taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn messages_that_were_dropped_are_counted_for_who_reads_at_last() {
        let (gated, mut messages) = (Gated::default(), MessageWriter::default());
        messages.0.state().has_thread = true;
        let (buffer, out) = (Arc::clone(&messages.0), TimedWriter::new(Box::new(gated.clone()), &messages.0.clock));
        std::thread::spawn(move || buffer.write_all(out));
        let line = |n: usize| format!("ftpq: {n} {}\n", "x".repeat(1000));
        for n in 0..200 {
            messages.write_all(line(n).as_bytes()).unwrap();
            gated.until_asked();
            // Figures are drawn anew; none of them is missed.
            messages.write_all(b"\r5 of 9 files\x1b[K").unwrap();
        }
        gated.open();
        // Not `finish`, which gives up on a reader that has taken nothing for a second: as this one may seem to have.
        let is_idle = messages.0.wait(messages.0.state(), Duration::from_secs(120)).is_idle();
        assert!(is_idle, "it was not written");
        let text = String::from_utf8(gated.0.state.lock().unwrap().taken.clone()).unwrap();
        let came = (0..200).filter(|n| text.contains(&line(*n))).count();
        assert!((1..200).contains(&came), "{came}");
        let told = format!("ftpq: {} messages were left out because nobody was reading\n", 200 - came);
        assert!(text.ends_with(&told), "{came}: {:?}", text.lines().last());
    }
}
