//! What is to be shown, until the screen's thread takes it.
//!
//! Whoever reports an event puts it here and goes on: a terminal or a pipe that nobody reads holds no work up. Of the messages
//! for people a bounded number waits, and the oldest are dropped. Events for programs are all kept: while more of them wait than
//! memory should hold, nothing new is begun, and so they are bounded by what is under way.

use super::message::{self, Ledger};
use crate::engine::{Display, Observer, RunReport};
use crate::model::{Event, json_line};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Time for which events are gathered before they are written: thousands of small files a second must not wake the
/// screen's thread for each.
const GATHER: Duration = Duration::from_millis(20);
/// Most bytes of messages for people that wait to be shown.
pub(super) const MOST_BYTES: usize = 64 << 10;
/// Bytes of events for programs that wait to be read before nothing new is begun.
pub(super) const BEHIND: usize = 256 << 10;

/// Takes events from all that do the work.
#[derive(Clone)]
pub(super) struct EventSender(pub(super) Arc<EventQueue>);

impl Observer for EventSender {
    fn event(&self, event: &Event) {
        self.0.push(event);
    }

    fn behind(&self) -> watch::Receiver<bool> {
        self.0.behind.subscribe()
    }
}

/// How the screen ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// With the last lines of a run.
    Report(Box<RunReport>),
    /// Without a word.
    Silent,
}

/// What the screen's thread takes at a time.
#[derive(Debug, Default)]
pub(super) struct Portion {
    /// Lines to be written, without their ends.
    pub(super) lines: Vec<String>,
    /// Older ones that were dropped.
    pub(super) left_out: u64,
    /// Something happened, told or not.
    pub(super) stirred: bool,
    /// Nothing comes after this.
    pub(super) ending: Option<(Ending, Ledger)>,
}

/// Lines that wait to be shown.
pub(super) struct EventQueue {
    display: Display,
    state: Mutex<Waiting>,
    news: Condvar,
    behind: watch::Sender<bool>,
}

#[derive(Default)]
struct Waiting {
    ledger: Ledger,
    lines: VecDeque<String>,
    /// Their bytes.
    size: usize,
    /// Lines in the writer's hands, and their bytes.
    taken: u64,
    taken_size: usize,
    left_out: u64,
    stirred: bool,
    ending: Option<Ending>,
    /// Nobody reads events any more.
    is_deaf: bool,
}

impl EventQueue {
    pub(super) fn new(display: Display) -> Self {
        Self { display, state: Mutex::default(), news: Condvar::new(), behind: watch::Sender::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: &Event) {
        let line = self.line(event);
        let mut state = self.state();
        if state.ending.is_some() || (self.display.json && state.is_deaf) {
            return;
        }
        state.ledger.note(event);
        if let Some(line) = line {
            state.add(line);
            if self.display.json {
                self.weigh(&state);
            } else {
                state.bound();
            }
        }
        // It is woken once for all that comes until it takes them.
        if !std::mem::replace(&mut state.stirred, true) {
            self.news.notify_one();
        }
    }

    /// The line that tells of an event, where one is to.
    fn line(&self, event: &Event) -> Option<String> {
        match self.display {
            Display { json: true, .. } => Some(json(event)),
            Display { quiet: true, .. } => None,
            Display { verbose, .. } => message::line(event, verbose),
        }
    }

    /// Waits until there is something to show, or until a time has come.
    pub(super) fn take(&self, until: Instant) -> Portion {
        let mut state = self.state();
        while !state.stirred && state.ending.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Portion::default();
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.ending.is_none() {
            drop(state);
            std::thread::sleep(GATHER);
            state = self.state();
        }
        let lines: Vec<String> = std::mem::take(&mut state.lines).into();
        state.taken += lines.len() as u64;
        state.taken_size += std::mem::take(&mut state.size);
        let (left_out, stirred) = (std::mem::take(&mut state.left_out), std::mem::take(&mut state.stirred));
        let ending = state.ending.as_ref().map(|_| Ending::Silent);
        let ending = ending.and_then(|silent| state.ending.replace(silent));
        Portion { lines, left_out, stirred, ending: ending.map(|ending| (ending, std::mem::take(&mut state.ledger))) }
    }

    /// So many lines with so many bytes were written.
    pub(super) fn written(&self, lines: u64, bytes: usize) {
        let mut state = self.state();
        state.taken = state.taken.saturating_sub(lines);
        state.taken_size = state.taken_size.saturating_sub(bytes);
        self.weigh(&state);
    }

    /// Nobody reads events any more: they are not kept.
    pub(super) fn stop_listening(&self) {
        let mut state = self.state();
        state.is_deaf = true;
        state.lines.clear();
        (state.size, state.taken, state.taken_size) = (0, 0, 0);
        self.weigh(&state);
    }

    /// Whether nobody reads events any more.
    pub(super) fn is_unheard(&self) -> bool {
        self.state().is_deaf
    }

    /// Nothing comes after what is there.
    pub(super) fn end(&self, ending: Ending) {
        let mut state = self.state();
        if state.ending.is_none() {
            state.ending = Some(ending);
            self.news.notify_one();
        }
    }

    /// Lines that were not written.
    pub(super) fn unwritten(&self) -> u64 {
        let state = self.state();
        state.taken + state.lines.len() as u64
    }

    /// Says whether too much waits, and that it no longer does once half of it was read.
    fn weigh(&self, state: &Waiting) {
        let size = state.size + state.taken_size;
        self.behind.send_if_modified(|behind| {
            let was = *behind;
            *behind = if was { size > BEHIND / 2 } else { size > BEHIND };
            *behind != was
        });
    }
}

impl Waiting {
    fn add(&mut self, line: String) {
        self.size += line.len() + 1;
        self.lines.push_back(line);
    }

    /// Drops the oldest messages where there are too many.
    fn bound(&mut self) {
        while self.size > MOST_BYTES
            && let Some(line) = self.lines.pop_front()
        {
            self.size = self.size.saturating_sub(line.len() + 1);
            self.left_out += 1;
        }
    }
}

/// An event as a line of JSON.
fn json(event: &Event) -> String {
    let told = json_line(event)
        .or_else(|error| json_line(&Event::Notice { text: format!("an event can't be told in JSON: {error}") }));
    told.unwrap_or_else(|_| r#"{"event":"notice","text":"an event can't be told in JSON"}"#.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(n: usize) -> Event {
        Event::Notice { text: format!("{n}: {}", "x".repeat(100)) }
    }

    fn queue(json: bool) -> EventQueue {
        EventQueue::new(Display { json, verbose: true, ..Display::default() })
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn of_messages_that_nobody_reads_the_latest_are_kept_and_the_others_counted() {
        let queue = queue(false);
        for n in 0..100_000 {
            queue.push(&notice(n));
            let state = queue.state();
            assert!(state.size <= MOST_BYTES && state.lines.len() * 100 <= MOST_BYTES, "{n}");
        }
        let Portion { lines, left_out, .. } = queue.take(now());
        assert_eq!(lines.len() as u64 + left_out, 100_000);
        assert!(lines[0].starts_with(&format!("{left_out}: ")) && lines.last().unwrap().starts_with("99999: "));
        assert!(!*queue.behind.borrow(), "people are never waited for");
    }

    #[test]
    fn failures_that_gave_way_are_told_in_the_end_all_the_same() {
        let queue = queue(false);
        let failure = crate::model::Failure::permanent(
            crate::model::Stage::Login,
            crate::model::Cause::LoginRefused,
            "the password is wrong",
        );
        queue.push(&Event::Held { account: "ftp://bob@h".to_owned(), failure });
        (0..10_000).for_each(|n| queue.push(&notice(n)));
        queue.end(Ending::Report(Box::new(RunReport { left: 1, ..RunReport::default() })));
        queue.push(&notice(0));
        let Portion { lines, ending, .. } = queue.take(now());
        assert!(lines.iter().all(|line| !line.contains("bob")));
        let Some((Ending::Report(report), ledger)) = ending else { panic!("it does not end") };
        let told = ledger.last_lines(&report, (0, 0.0));
        assert!(told.iter().any(|line| line.contains("ftp://bob@h")), "{told:?}");
    }

    #[test]
    fn events_for_programs_are_all_kept_and_hold_back_what_is_new_until_half_is_read() {
        let queue = queue(true);
        let mut number = 0;
        while !*queue.behind.borrow() {
            queue.push(&notice(number));
            number += 1;
        }
        // What is under way goes on to report.
        (number..number + 1_000).for_each(|n| queue.push(&notice(n)));
        let Portion { lines, left_out, .. } = queue.take(now());
        assert_eq!((lines.len(), left_out), (number + 1_000, 0));
        assert!(number * 100 < BEHIND && queue.unwritten() == lines.len() as u64);
        for (read, line) in lines.iter().enumerate() {
            assert_eq!(*queue.behind.borrow(), queue.state().taken_size > BEHIND / 2, "after {read}");
            queue.written(1, line.len() + 1);
        }
        assert_eq!((queue.unwritten(), queue.state().taken_size), (0, 0));
    }

    #[test]
    fn events_are_not_kept_for_a_reader_that_is_gone() {
        let queue = queue(true);
        (0..100_000).for_each(|n| queue.push(&notice(n)));
        assert!(*queue.behind.borrow());
        queue.stop_listening();
        (0..100_000).for_each(|n| queue.push(&notice(n)));
        assert!(!*queue.behind.borrow() && queue.state().lines.is_empty());
    }
}
