//! Lines of a list that are none of its format: words above and below its table.

use super::Position;
use super::error::Problem;
use super::warning::Reading;

/// What was passed over so far.
#[derive(Default)]
pub(super) struct Prose {
    count: u64,
    first: Option<Position>,
    /// Whether there was anything else.
    has_table: bool,
}

impl Prose {
    /// Passes a line over.
    pub(super) fn pass(&mut self, number: u64) {
        self.count += 1;
        if self.first.is_none_or(|first| number < first.line) {
            self.first = Some(Position { line: number, column: 1 });
        }
    }

    /// Whether there was a line of the format.
    pub(super) fn has_table(&self) -> bool {
        self.has_table
    }

    /// Notes that there was a line of the format.
    pub(super) fn see_table(&mut self) {
        self.has_table = true;
    }

    /// Tells at the end, once, how many lines were passed over.
    ///
    /// # Errors
    /// When there was nothing else: `shape` says what a line has to look like.
    pub(super) fn close(&mut self, shape: &str, reading: &mut Reading) -> Result<(), Problem> {
        let Some(at) = self.first.take() else { return Ok(()) };
        if !self.has_table {
            let message = format!("no line here is a checksum and a name: {shape}");
            return Err(Problem::fatal_at(at, &message));
        }
        let message = match self.count {
            1 => "this line is left out: it does not look like the list's other lines".to_owned(),
            count => {
                format!("{count} lines are left out, this one first: they do not look like the list's other lines")
            }
        };
        reading.warnings.say(at, &message);
        Ok(())
    }
}
