//! The screen as a terminal shows it.

use super::*;
use crate::engine::{Display, Interrupt, RunReport};
use crate::model::{Cause, Event, Failure, JobId, ProofCounts, RunningFile, Snapshot, Stage};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use unicode_width::UnicodeWidthChar;

/// As much of a terminal as the screen needs: a grid that scrolls, and the sequences that `terminal` writes.
struct Grid {
    rows: Vec<String>,
    at: (usize, usize),
    height: usize,
    width: usize,
    wraps: bool,
    autowrap: bool,
}

impl Grid {
    fn new(width: usize, height: usize) -> Self {
        Self { rows: vec![String::new()], at: (0, 0), height, width, wraps: false, autowrap: true }
    }

    fn feed(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\r' => self.at.1 = 0,
                '\n' => self.down(),
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let mut argument = String::new();
                    let letter = loop {
                        match chars.next().unwrap() {
                            c if c.is_ascii_alphabetic() => break c,
                            c => argument.push(c),
                        }
                    };
                    self.sequence(&argument, letter);
                }
                c => self.print(c),
            }
        }
    }

    fn sequence(&mut self, argument: &str, letter: char) {
        let count = argument.parse().unwrap_or(1);
        let top = self.rows.len().saturating_sub(self.height);
        match (argument, letter) {
            ("?7", _) => self.autowrap = letter == 'h',
            ("?2026", _) => {}
            (_, 'A') => self.at.0 = self.at.0.saturating_sub(count).max(top),
            (_, 'B') => self.at.0 = (self.at.0 + count).min(self.rows.len() - 1),
            (_, 'K') => self.erase_line(),
            (_, 'J') => {
                self.erase_line();
                self.rows.truncate(self.at.0 + 1);
            }
            other => panic!("{other:?}"),
        }
    }

    fn down(&mut self) {
        self.at.0 += 1;
        if self.at.0 == self.rows.len() {
            self.rows.push(String::new());
        }
    }

    fn erase_line(&mut self) {
        let mut used = 0;
        let kept: String = self.rows[self.at.0]
            .chars()
            .take_while(|c| {
                used += c.width().unwrap_or(0);
                used <= self.at.1
            })
            .collect();
        self.rows[self.at.0] = kept;
    }

    fn print(&mut self, c: char) {
        let wide = c.width().unwrap_or(0);
        if self.at.1 + wide > self.width {
            self.wraps = true;
            if !self.autowrap {
                return;
            }
            self.at.1 = 0;
            self.down();
        }
        let row = &mut self.rows[self.at.0];
        let mut before = String::new();
        let mut after = String::new();
        let mut used = 0;
        for old in row.chars() {
            let start = used;
            used += old.width().unwrap_or(0);
            if used <= self.at.1 {
                before.push(old);
            } else if start >= self.at.1 + wide {
                after.push(old);
            }
        }
        while before.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>() < self.at.1 {
            before.push(' ');
        }
        *row = format!("{before}{c}{after}");
        self.at.1 += wide;
    }
}

#[derive(Clone, Default)]
struct SharedText(Arc<Mutex<Vec<u8>>>);

impl Write for SharedText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SharedText {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

fn snapshot(files: usize, have: u64) -> Snapshot {
    let name = "とても長い名前の-genome-assembly_".repeat(5);
    Snapshot {
        running: (0..files)
            .map(|i| RunningFile {
                job: JobId(i as u64),
                name: format!("{i}-{name}.gz"),
                phase: "receiving".to_owned(),
                have,
                size: Some(200 << 20),
                rate: 1e6,
            })
            .collect(),
        files_left: 40,
        bytes: have,
        ..Snapshot::default()
    }
}

fn bars(grid: &Grid) -> (terminal::Bars, SharedText, Arc<AtomicUsize>) {
    let out = SharedText::default();
    let width = Arc::new(AtomicUsize::new(grid.width));
    let (now, height) = (Arc::clone(&width), grid.height);
    let size = Box::new(move || (now.load(Ordering::SeqCst), height));
    (terminal::Bars::new(Box::new(out.clone()), size), out, width)
}

fn draw(bars: &mut terminal::Bars, snapshot: &Snapshot) {
    let (width, height) = bars.size();
    bars.draw(render::lines(snapshot, width, height));
}

#[test]
fn eight_long_names_neither_wrap_nor_scroll_nor_leave_anything_behind() {
    for width in [40, 80, 200] {
        let mut grid = Grid::new(width, 24);
        let (mut bars, out, _) = bars(&grid);
        for step in 0..100u64 {
            draw(&mut bars, &snapshot(8, step << 20));
            let text = out.take();
            assert_eq!(text.matches("\x1b[?2026h").count(), 1, "one frame a refresh: {text:?}");
            grid.feed(&text);
            assert_eq!(grid.rows.len(), 9, "{width} columns, step {step}: {:#?}", grid.rows);
        }
        assert!(!grid.wraps, "{:#?}", grid.rows);
        for i in 0..8 {
            assert!(grid.rows[i].starts_with(&format!("{i}-")) && grid.rows[i].contains("49%"), "{:#?}", grid.rows);
        }
        assert!(grid.rows[8].contains("0/40 files"), "{:#?}", grid.rows);
    }
}

#[test]
fn messages_stand_above_the_bars_and_stay_whole() {
    let mut grid = Grid::new(80, 24);
    let (mut bars, out, _) = bars(&grid);
    let url = "ftp://example.org/".to_owned() + &"x".repeat(100);
    bars.say(&["first".to_owned()]);
    draw(&mut bars, &snapshot(3, 1));
    for i in 0..3 {
        bars.say(&[format!("message {i}"), url.clone()]);
        draw(&mut bars, &snapshot(3, 2 + i));
    }
    grid.feed(&out.take());
    let joined = grid.rows.concat();
    assert_eq!(joined.matches(&url).count(), 3, "{:#?}", grid.rows);
    assert_eq!(grid.rows[0], "first");
    assert_eq!(grid.rows.len(), 1 + 3 * 3 + 4, "{:#?}", grid.rows);
    assert!(grid.rows[10].starts_with("0-") && grid.rows[13].contains("files"), "{:#?}", grid.rows);
    bars.clear();
    grid.feed(&out.take());
    assert_eq!(grid.rows.iter().filter(|row| row.contains("files") || row.contains("0-")).count(), 0);
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let (mut bars, out, _) = bars(&Grid::new(80, 24));
    let lines = |done| render::lines(&snapshot(0, done), 79, 24);
    assert!(bars.draw(lines(5)) && !out.take().is_empty());
    assert!(!bars.draw(lines(5)) && out.take().is_empty());
    assert!(bars.draw(lines(6 << 20)) && !out.take().is_empty());
}

#[test]
fn fewer_files_leave_no_lines_behind() {
    let mut grid = Grid::new(80, 24);
    let (mut bars, out, _) = bars(&grid);
    for files in [8, 3, 0, 5, 60, 1] {
        draw(&mut bars, &snapshot(files, 5));
        grid.feed(&out.take());
        assert_eq!(grid.rows.len(), (files + 1).min(23), "{:#?}", grid.rows);
    }
}

#[test]
fn a_narrower_terminal_keeps_nothing_of_the_wider_lines() {
    let mut grid = Grid::new(80, 24);
    let (mut bars, out, width) = bars(&grid);
    bars.say(&["above".to_owned()]);
    draw(&mut bars, &snapshot(4, 5));
    grid.feed(&out.take());
    // What a terminal does with lines that no longer fit: it breaks them.
    let mut broken = Grid::new(50, 24);
    broken.feed(&grid.rows.join("\r\n"));
    width.store(50, Ordering::SeqCst);
    draw(&mut bars, &snapshot(4, 6));
    broken.feed(&out.take());
    assert_eq!(broken.rows.len(), 6, "{:#?}", broken.rows);
    assert_eq!(broken.rows[0], "above");
    width.store(120, Ordering::SeqCst);
    broken.width = 120;
    draw(&mut bars, &snapshot(4, 6));
    broken.feed(&out.take());
    assert_eq!(broken.rows.len(), 6, "{:#?}", broken.rows);
}

fn failed() -> Event {
    Event::Held {
        account: "ftp://bob@h".to_owned(),
        failure: Failure::permanent(Stage::Login, Cause::LoginRefused, "the password is wrong"),
    }
}

async fn play(display: Display) -> (String, String) {
    let (results, messages) = (SharedText::default(), SharedText::default());
    let out = Output::plain(Box::new(results.clone()), Box::new(messages.clone()));
    let screen = Screen::start(display, Arc::new(|| snapshot(1, 1)), out);
    let late = screen.observer();
    screen.observer().event(&Event::Notice { text: "by the way".to_owned() });
    late.event(&failed());
    late.event(&Event::Summary {
        done: 1,
        failed: 0,
        failed_before: 0,
        left: 2,
        bytes: 1024,
        seconds: 2.0,
        proved: ProofCounts::default(),
        lax: Vec::new(),
    });
    let report = RunReport { done: 1, left: 2, ..RunReport::default() };
    assert_eq!(screen.finish(Some(&report), &Interrupt::listen().unwrap()).await, 0);
    late.event(&failed());
    (results.take(), messages.take())
}

#[tokio::test]
async fn without_a_terminal_there_are_plain_lines() {
    let (results, messages) = play(Display::default()).await;
    assert_eq!(results, "");
    assert!(!messages.contains('\u{1b}'), "{messages}");
    let lines: Vec<_> = messages.lines().collect();
    assert_eq!(lines[0], "by the way");
    assert_eq!(*lines.last().unwrap(), "done 1, failed 0, left 2; 1.00 KiB in 2.0 s (512 B/s)");
    assert_eq!(messages.matches("the password is wrong").count(), 2, "{messages}");
}

#[tokio::test]
async fn quiet_tells_failures_and_the_last_line() {
    let (_, messages) = play(Display { quiet: true, ..Display::default() }).await;
    assert!(!messages.contains("by the way"), "{messages}");
    assert_eq!(messages.matches("the password is wrong").count(), 1, "{messages}");
    assert!(messages.lines().last().unwrap().starts_with("done 1"), "{messages}");
}

#[tokio::test]
async fn json_is_one_event_a_line_and_nothing_else() {
    let (results, messages) = play(Display { json: true, ..Display::default() }).await;
    assert_eq!(messages, "");
    let events: Vec<Event> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[1], failed());
}

#[tokio::test]
async fn a_screen_that_ends_without_a_report_says_nothing_more() {
    let messages = SharedText::default();
    let out = Output::plain(Box::new(io::sink()), Box::new(messages.clone()));
    let screen = Screen::start(Display::default(), Arc::new(Snapshot::default), out);
    let observer = screen.observer();
    assert_eq!(screen.finish(None, &Interrupt::listen().unwrap()).await, 0);
    (0..10_000).for_each(|_| observer.event(&failed()));
    assert_eq!(messages.take(), "");
}

#[tokio::test]
async fn a_terminal_is_put_in_order_where_the_screen_is_dropped() {
    let (messages, mut grid) = (SharedText::default(), Grid::new(120, 30));
    let out = Output {
        results: Box::new(io::sink()),
        messages: Box::new(messages.clone()),
        size: Some(Box::new(|| (120, 30))),
    };
    let screen = Screen::start(Display::default(), Arc::new(|| snapshot(4, 6)), out);
    screen.observer().event(&Event::Notice { text: "by the way".to_owned() });
    tokio::time::sleep(Duration::from_millis(800)).await;
    grid.feed(&messages.take());
    assert!(grid.rows.len() > 4, "nothing is drawn: {:#?}", grid.rows);
    drop(screen);
    grid.feed(&messages.take());
    assert_eq!(grid.rows.iter().filter(|row| !row.trim().is_empty()).count(), 1, "{:#?}", grid.rows);
}

/// Takes nothing, as a terminal that was stopped.
struct Stuck;

impl Write for Stuck {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        loop {
            std::thread::park();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn who_reports_and_who_ends_never_waits_for_a_stream_that_nobody_reads() {
    for (display, can_give_way) in [
        (Display::default(), true),
        (Display { verbose: true, ..Display::default() }, true),
        (Display { quiet: true, ..Display::default() }, true),
        (Display { json: true, ..Display::default() }, false),
    ] {
        let screen =
            Screen::start(display, Arc::new(Snapshot::default), Output::plain(Box::new(Stuck), Box::new(Stuck)));
        let observer = screen.observer();
        (0..100_000).for_each(|_| observer.event(&failed()));
        assert_eq!(*observer.behind().borrow(), !can_give_way, "{display:?}");
        if can_give_way {
            let (report, interrupt) = (RunReport::default(), Interrupt::listen().unwrap());
            let end = screen.finish(Some(&report), &interrupt);
            let unread = tokio::time::timeout(Duration::from_secs(60), end).await.expect("the end waits for a reader");
            assert!(unread < 10_000, "{unread} messages are kept");
        }
    }
}
