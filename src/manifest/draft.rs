//! A job that is put together from several lines or cells, each with its own place.

use super::Position;
use super::entry::{Entry, Names, Wanted, entry};
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
    /// A file of which nothing is known yet.
    pub(super) fn new(at: Position) -> Self {
        let wanted = Wanted { names: Names::File, ..Wanted::default() };
        Self { wanted, at, places: Vec::new() }
    }

    /// The fields, to be filled in.
    pub(super) fn line(&mut self) -> &mut ManifestLine {
        &mut self.wanted.line
    }

    /// Tells where a part stands, under the name that errors have for it.
    pub(super) fn place(&mut self, key: &'static str, at: Position) {
        self.places.push((key, at));
    }

    /// Where a part stands; the place of the whole where it was not told.
    pub(super) fn place_of(&self, key: &str) -> Position {
        self.places.iter().rev().find(|(known, _)| *known == key).map_or(self.at, |(_, place)| *place)
    }

    /// The entry.
    ///
    /// # Errors
    /// When a part can't be used: at its place, or else at that of the whole.
    pub(super) fn finish(self, reading: &mut Reading) -> Result<Entry, Problem> {
        let Self { wanted, at, places } = self;
        entry(wanted, at, reading).map_err(|bad| {
            let place = places.iter().rev().find(|(key, _)| *key == bad.key).map_or(at, |(_, place)| *place);
            Problem::at(place, &bad.message)
        })
    }
}
