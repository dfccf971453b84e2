//! The lines at the bottom of a terminal, with messages scrolling by above them.
//!
//! indicatif fills each line with spaces to the terminal's last column and leaves it to the terminal to wrap. After a
//! change of width terminals join and split such lines anew, and remains of them scroll away. Hence it draws on a
//! terminal one column narrower, and what it draws is translated: hard line ends, no filling, and one write a frame.

use super::output::SizeOf;
use super::text::columns;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A frame is shown at once where the terminal knows of it (DEC private mode 2026), and never wraps (mode 7).
const BEGIN: &str = "\x1b[?2026h\x1b[?7l";
/// Whatever an earlier, longer frame left below goes away.
const END: &str = "\x1b[J\x1b[?7h\x1b[?2026l";

/// Bars on a terminal.
pub(super) struct Bars {
    frame: Arc<Frame>,
    all: MultiProgress,
    bar: ProgressBar,
    shown: Vec<String>,
    width: usize,
}

impl Bars {
    /// Nothing is drawn yet.
    pub(super) fn new(out: Box<dyn Write + Send>, size: SizeOf) -> Self {
        let frame = Arc::new(Frame { size, state: Mutex::new(FrameState::new(out)) });
        let target = ProgressDrawTarget::term_like(Box::new(Terminal(Arc::clone(&frame))));
        let all = MultiProgress::with_draw_target(target);
        // Lines are overwritten in place instead of cleared first: that is what would flicker.
        all.set_move_cursor(true);
        // One bar of many lines: one frame a refresh, whatever the number of files.
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = all.add(ProgressBar::no_length().with_style(style));
        let width = frame.size().0;
        Self { frame, all, bar, shown: Vec::new(), width }
    }

    /// Columns and rows to render for.
    pub(super) fn size(&self) -> (usize, usize) {
        self.frame.size()
    }

    /// Puts the lines in place of the former ones. Returns whether they differ.
    pub(super) fn draw(&mut self, lines: Vec<String>) -> bool {
        let width = self.size().0;
        if lines == self.shown && width == self.width {
            return false;
        }
        self.after_resize(width);
        self.bar.set_message(lines.join("\n"));
        self.shown = lines;
        true
    }

    /// Prints lines above the bars.
    pub(super) fn say(&mut self, lines: &[String]) {
        self.after_resize(self.size().0);
        self.frame.hold(true);
        self.all.suspend(|| self.frame.print(lines));
        self.frame.hold(false);
    }

    /// Takes the bars away.
    pub(super) fn clear(self) {
        self.bar.finish_and_clear();
        self.frame.hold(false);
    }

    /// In a narrower terminal the former lines are broken into more rows; their upper ones would be left behind.
    fn after_resize(&mut self, width: usize) {
        if width < self.width {
            let rows = |line: &String| columns(line.trim_end()).div_ceil((width + 1).max(1)).max(1);
            let extra: usize = self.shown.iter().map(rows).sum::<usize>() - self.shown.len();
            self.frame.up(extra);
        }
        self.width = width;
    }
}

/// What is drawn, until it is written at once.
struct Frame {
    size: SizeOf,
    state: Mutex<FrameState>,
}

struct FrameState {
    /// `None` after a write failed: there is nowhere to tell it, and the run goes on.
    out: Option<Box<dyn Write + Send>>,
    frame: String,
    /// The row that is being filled.
    row: String,
    /// The row is full; the next character begins another.
    full: bool,
    held: bool,
}

impl Frame {
    fn state(&self) -> MutexGuard<'_, FrameState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last column stays empty: a terminal wraps, or waits to wrap, once it is filled.
    fn size(&self) -> (usize, usize) {
        let (width, height) = (self.size)();
        (width.saturating_sub(1).max(1), height)
    }

    fn hold(&self, held: bool) {
        let mut state = self.state();
        state.held = held;
        state.flush();
    }

    /// Whole lines as they are; the terminal may wrap these, so that a URL stays one to it.
    fn print(&self, lines: &[String]) {
        let mut state = self.state();
        state.end_row();
        state.full = false;
        for line in lines {
            let _ = write!(state.frame, "\r\x1b[?7h{line}\x1b[K\r\n\x1b[?7l");
        }
    }

    fn up(&self, rows: usize) {
        if rows > 0 {
            let _ = write!(self.state().frame, "\x1b[{rows}A\r\x1b[J");
        }
    }
}

impl FrameState {
    fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Some(out), frame: String::new(), row: String::new(), full: false, held: false }
    }

    fn put(&mut self, text: &str, width: usize) {
        for c in text.chars() {
            match c {
                '\r' | '\n' => {
                    self.end_row();
                    self.full = false;
                    self.frame.push_str(if c == '\r' { "\r" } else { "\r\n" });
                }
                c => {
                    if std::mem::take(&mut self.full) {
                        self.frame.push_str("\r\n");
                    }
                    self.row.push(c);
                    // Bytes are never fewer than columns: a cheap check before the exact one.
                    if self.row.len() >= width && columns(&self.row) >= width {
                        self.end_row();
                        self.full = true;
                    }
                }
            }
        }
    }

    /// Writes the row without its filling and erases what stood behind it.
    fn end_row(&mut self) {
        if !self.row.is_empty() {
            self.frame.push_str(self.row.trim_end());
            self.frame.push_str("\x1b[K");
            self.row.clear();
        }
    }

    fn control(&mut self, count: usize, letter: char) {
        self.end_row();
        self.full = false;
        if count > 0 {
            let _ = write!(self.frame, "\x1b[{count}{letter}");
        }
    }

    fn flush(&mut self) {
        if self.held {
            return;
        }
        self.end_row();
        if self.frame.is_empty() {
            return;
        }
        let frame = format!("{BEGIN}{}{END}", std::mem::take(&mut self.frame));
        if let Some(out) = &mut self.out
            && out.write_all(frame.as_bytes()).and_then(|()| out.flush()).is_err()
        {
            self.out = None;
        }
    }
}

/// The frame as indicatif sees it.
struct Terminal(Arc<Frame>);

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Terminal")
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        u16::try_from(self.0.size().0).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.0.size().1).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.state().control(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.state().control(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.state().control(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.state().control(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.write_str("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let width = self.0.size().0;
        self.0.state().put(text, width);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let mut state = self.0.state();
        state.row.clear();
        state.full = false;
        state.frame.push_str("\r\x1b[K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.0.state().flush();
        Ok(())
    }
}
