//! The one thread that writes: events as they come, progress five times a second while there is any. It may be held up
//! for ever; nothing else is.

use super::event_queue::{Ending, EventQueue, EventSender, Portion};
use super::message::Ledger;
use super::output::Output;
use super::render;
use super::terminal::Bars;
use super::writer::{HELD_UP, TimedWriter, WriteClock, left_out};
use crate::engine::{Display, Interrupt, Observer, RunReport};
use crate::model::Snapshot;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// Time between two frames on a terminal.
const FRAME: Duration = Duration::from_millis(200);
/// Time between two looks on a terminal while nothing changes there.
const CALM: Duration = Duration::from_secs(2);
/// Time between two lines in a log.
const LOG: Duration = Duration::from_secs(10);
/// Bytes of events that are written at once.
const BLOCK: usize = 32 << 10;
/// Time between two looks at whether the last lines are written.
const LOOK: Duration = Duration::from_millis(20);

/// Shows a run.
pub struct Screen {
    events: Arc<EventQueue>,
    clock: WriteClock,
    must_be_read: bool,
    ended: oneshot::Receiver<()>,
}

impl Screen {
    /// Starts to show a run. `snapshot` is asked five times a second on a terminal while files arrive, else every 10 s.
    #[must_use]
    pub fn start(display: Display, snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>, out: Output) -> Self {
        let (events, clock) = (Arc::new(EventQueue::new(display)), WriteClock::default());
        let writer = Writer::new(display, snapshot, out, &clock);
        let (last, ended) = oneshot::channel();
        let queue = Arc::clone(&events);
        std::thread::spawn(move || {
            writer.run(&queue);
            // Nobody waits any more where the writer was held up for too long.
            let _ = last.send(());
        });
        Self { events, clock, must_be_read: display.json, ended }
    }

    /// A handle for the engine that outlives the screen without harm.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(EventSender(Arc::clone(&self.events)))
    }

    /// Takes the bars away and prints the last lines of a report: each failure, and what was done. Waits until that was
    /// written, unless nobody has read anything for a second; the reader of `--json` is waited for until `interrupt` comes.
    /// Returns how many lines or events were not read.
    pub async fn finish(mut self, report: Option<&RunReport>, interrupt: &Interrupt) -> u64 {
        self.events.end(report.map_or(Ending::Silent, |report| Ending::Report(Box::new(report.clone()))));
        let stop = interrupt.stop();
        while tokio::time::timeout(LOOK, &mut self.ended).await.is_err() {
            // Where standard output is closed, what is said of that is all that is left.
            let is_waited_for = self.must_be_read && !self.events.is_unheard() && !*stop.borrow();
            if self.clock.is_held_up() && !is_waited_for {
                break;
            }
        }
        self.events.unwritten()
    }
}

impl Drop for Screen {
    /// Where the program comes to an early end, the terminal is put in order all the same.
    fn drop(&mut self) {
        self.events.end(Ending::Silent);
        let deadline = Instant::now() + HELD_UP;
        while self.ended.try_recv() == Err(TryRecvError::Empty) && !self.clock.is_held_up() && Instant::now() < deadline
        {
            std::thread::sleep(LOOK);
        }
    }
}

/// Where messages go.
enum MessageFace {
    Bars(Bars),
    Lines(Box<dyn Write + Send>),
}

struct Writer {
    display: Display,
    snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    results: Box<dyn Write + Send>,
    face: MessageFace,
}

impl Writer {
    fn new(
        display: Display,
        snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>,
        out: Output,
        clock: &WriteClock,
    ) -> Self {
        let timed = |out| Box::new(TimedWriter::new(out, clock)) as Box<dyn Write + Send>;
        let face = match out.size {
            Some(size) if !display.json && !display.quiet => MessageFace::Bars(Bars::new(timed(out.messages), size)),
            _ => MessageFace::Lines(timed(out.messages)),
        };
        Self { display, snapshot, results: timed(out.results), face }
    }

    fn run(mut self, events: &EventQueue) {
        let pause = if matches!(self.face, MessageFace::Bars(_)) { FRAME } else { LOG };
        let calm = pause.max(CALM);
        let mut due = Instant::now() + pause;
        loop {
            let Portion { lines, left_out, stirred, ending } = events.take(due);
            self.tell(&lines, left_out, events);
            if let Some((ending, ledger)) = ending {
                return self.end(&ending, &ledger);
            }
            if stirred {
                due = due.min(Instant::now() + pause);
            }
            if Instant::now() >= due {
                due = Instant::now() + if self.progress() { pause } else { calm };
            }
        }
    }

    fn tell(&mut self, lines: &[String], older: u64, events: &EventQueue) {
        if self.display.json {
            if let Err(error) = self.print_events(lines, events) {
                events.stop_listening();
                self.say(&[format!("can't write events to standard output: {error}; the run goes on without them")]);
            }
            return;
        }
        if older > 0 {
            self.say(&[left_out(older)]);
        }
        self.say(lines);
        events.written(lines.len() as u64, lines.iter().map(|line| line.len() + 1).sum());
    }

    fn print_events(&mut self, lines: &[String], events: &EventQueue) -> io::Result<()> {
        let (mut block, mut count) = (String::new(), 0);
        for (at, line) in (1..).zip(lines) {
            block.push_str(line);
            block.push('\n');
            count += 1;
            if block.len() >= BLOCK || at == lines.len() {
                self.results.write_all(block.as_bytes())?;
                events.written(count, block.len());
                (block, count) = (String::new(), 0);
            }
        }
        Ok(())
    }

    fn say(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        match &mut self.face {
            MessageFace::Bars(bars) => bars.say(lines),
            MessageFace::Lines(out) => {
                let mut text = lines.join("\n");
                text.push('\n');
                // Where standard error is gone there is nowhere to tell it; the exit code still does.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
        }
    }

    /// Shows how things stand. Returns whether they are about to change without any event.
    fn progress(&mut self) -> bool {
        if self.display.quiet || self.display.json {
            return false;
        }
        let now = (self.snapshot)();
        match &mut self.face {
            MessageFace::Bars(bars) => {
                let (width, height) = bars.size();
                bars.draw(render::lines(&now, width, height)) || !now.running.is_empty()
            }
            MessageFace::Lines(_) => {
                self.say(&[render::total(&now)]);
                true
            }
        }
    }

    fn end(mut self, ending: &Ending, ledger: &Ledger) {
        let lines = match ending {
            Ending::Report(report) if !self.display.json => {
                let now = (self.snapshot)();
                let mut lines = ledger.last_lines(report, (now.bytes, now.seconds));
                // Whoever looks only at the last line is told too.
                if let Some(count) = lines.last_mut() {
                    *count = std::iter::once(count.clone()).chain(render::lax(&now.lax)).collect::<Vec<_>>().join("; ");
                }
                lines
            }
            Ending::Report(_) | Ending::Silent => Vec::new(),
        };
        self.say(&lines);
        if let MessageFace::Bars(bars) = self.face {
            bars.clear();
        }
    }
}
