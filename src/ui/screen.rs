//! The one thread that writes: events as they come, progress five times a second while there is any.

use super::message::{self, Ledger};
use super::output::Output;
use super::render;
use super::terminal::Bars;
use crate::engine::{Display, Observer, RunReport};
use crate::model::{Event, Snapshot, json_line};
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two frames on a terminal.
const FRAME: Duration = Duration::from_millis(200);
/// Time for which events are gathered before they are written: thousands of small files a second must not wake this
/// thread for each.
const GATHER: Duration = Duration::from_millis(20);
/// Time between two looks on a terminal while nothing changes there.
const CALM: Duration = Duration::from_secs(2);
/// Time between two lines in a log.
const LOG: Duration = Duration::from_secs(10);
/// Events that may wait to be written. A reader of `--json` that is slower than this holds the run up: nothing is
/// left out.
const WAITING: usize = 4096;

enum Note {
    Event(Box<Event>),
    End(RunReport),
    Close,
}

/// Shows a run. Dropped without [`Screen::finish`] it takes the bars away and tells no last lines.
pub struct Screen {
    notes: SyncSender<Note>,
    thread: Option<JoinHandle<()>>,
}

struct Mouth(SyncSender<Note>);

impl Observer for Mouth {
    fn event(&self, event: &Event) {
        // Refused only after the end of the run's last lines, when nothing is left to be told to.
        let _ = self.0.send(Note::Event(Box::new(event.clone())));
    }
}

impl Observer for Screen {
    fn event(&self, event: &Event) {
        let _ = self.notes.send(Note::Event(Box::new(event.clone())));
    }
}

impl Screen {
    /// Starts to show a run. `snapshot` is asked five times a second on a terminal while files arrive, else every 10 s.
    #[must_use]
    pub fn start(display: Display, snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>, out: Output) -> Self {
        let (notes, inbox) = sync_channel(WAITING);
        let thread = std::thread::spawn(move || Writer::new(display, snapshot, out).run(&inbox));
        Self { notes, thread: Some(thread) }
    }

    /// A handle for the engine that outlives the screen without harm.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(Mouth(self.notes.clone()))
    }

    /// Takes the bars away and prints the last lines: each failure, and what was done.
    pub fn finish(mut self, report: &RunReport) {
        self.close(Note::End(report.clone()));
    }

    fn close(&mut self, last: Note) {
        if let Some(thread) = self.thread.take() {
            let _ = self.notes.send(last);
            let _ = thread.join();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close(Note::Close);
    }
}

/// Where messages go.
enum Face {
    Bars(Bars),
    Lines(Box<dyn Write + Send>),
}

struct Writer {
    display: Display,
    snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    results: Option<Box<dyn Write + Send>>,
    face: Face,
    ledger: Ledger,
}

impl Writer {
    fn new(display: Display, snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>, out: Output) -> Self {
        let face = match out.size {
            Some(size) if !display.json && !display.quiet => Face::Bars(Bars::new(out.messages, size)),
            _ => Face::Lines(out.messages),
        };
        Self { display, snapshot, results: Some(out.results), face, ledger: Ledger::default() }
    }

    fn run(mut self, inbox: &Receiver<Note>) {
        let pause = if matches!(self.face, Face::Bars(_)) { FRAME } else { LOG };
        let calm = pause.max(CALM);
        let mut due = Instant::now() + pause;
        let mut end = None;
        while end.is_none() {
            match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(note) => {
                    if matches!(note, Note::Event(_)) {
                        std::thread::sleep(GATHER);
                    }
                    let mut events = Vec::new();
                    for note in std::iter::once(note).chain(inbox.try_iter().take(WAITING)) {
                        match note {
                            Note::Event(event) => events.push(*event),
                            last => end = Some(last),
                        }
                    }
                    self.tell(&events);
                    due = due.min(Instant::now() + pause);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => end = Some(Note::Close),
            }
            if Instant::now() >= due {
                due = Instant::now() + if self.progress() { pause } else { calm };
            }
        }
        self.end(end);
    }

    fn tell(&mut self, events: &[Event]) {
        for event in events {
            self.ledger.note(event);
        }
        if self.display.json {
            self.print_results(events);
        } else if !self.display.quiet {
            let lines: Vec<String> =
                events.iter().filter_map(|event| message::line(event, self.display.verbose)).collect();
            self.say(&lines);
        }
    }

    fn print_results(&mut self, events: &[Event]) {
        let Some(out) = &mut self.results else {
            return;
        };
        let written = events
            .iter()
            .try_for_each(|event| {
                let mut line = json_line(event)?;
                line.push('\n');
                out.write_all(line.as_bytes())
            })
            .and_then(|()| out.flush());
        if let Err(error) = written {
            self.results = None;
            self.say(&[format!("can't write events to standard output: {error}; the run goes on without them")]);
        }
    }

    fn say(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        match &mut self.face {
            Face::Bars(bars) => bars.say(lines),
            Face::Lines(out) => {
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
            Face::Bars(bars) => {
                let (width, height) = bars.size();
                bars.draw(render::lines(&now, width, height)) || !now.running.is_empty()
            }
            Face::Lines(_) => {
                self.say(&[render::total(&now)]);
                true
            }
        }
    }

    fn end(mut self, last: Option<Note>) {
        let lines = match last {
            Some(Note::End(report)) if !self.display.json => {
                let now = (self.snapshot)();
                let mut lines = self.ledger.last_lines(&report, (now.bytes, now.seconds));
                // Whoever looks only at the last line is told too.
                if let Some(count) = lines.last_mut() {
                    *count = std::iter::once(count.clone()).chain(render::lax(&now.lax)).collect::<Vec<_>>().join("; ");
                }
                lines
            }
            _ => Vec::new(),
        };
        self.say(&lines);
        if let Face::Bars(bars) = self.face {
            bars.clear();
        }
    }
}
