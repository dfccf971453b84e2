//! A job that is put together from several lines or cells, each with its own place.

use super::Position;
use super::entry::{Entry, Wanted, entry};
use super::error::Problem;
use super::warning::Reading;
use crate::model::ManifestLine;

/// What is known of a job so far, and where its parts stand.
pub(super) struct Draft {
    pub(super) wanted: Wanted,
    pub(super) at: Position,
    places: Vec<(&'static str, Position)>,
}

impl Draft {
    pub(super) fn new(at: Position) -> Self {
        Self { wanted: Wanted::default(), at, places: Vec::new() }
    }

    /// The fields, to be filled in.
    pub(super) fn line(&mut self) -> &mut ManifestLine {
        &mut self.wanted.line
    }

    /// Tells where a part stands, under the name that errors have for it.
    pub(super) fn place(&mut self, key: &'static str, at: Position) {
        self.places.push((key, at));
    }

    /// The entry.
    ///
    /// # Errors
    /// When a part can't be used: at its place, or else at that of the whole.
    pub(super) fn finish(self, reading: &mut Reading) -> Result<Entry, Problem> {
        let Self { wanted, at, places } = self;
        entry(wanted, at, reading).map_err(|bad| {
            let place = places.iter().rev().find(|(key, _)| *key == bad.key).map_or(at, |(_, place)| *place);
            Problem::line(place.line, place.column, &bad.message)
        })
    }
}
