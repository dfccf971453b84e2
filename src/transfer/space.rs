//! A part file and its space: opened, cut to what counts, and reserved for the rest.

use super::fetch::Start;
use super::task::{Halt, Run, on_disk};
use crate::disk::{PartFile, Place, largest_file};
use crate::model::{Cause, Failure, Stage};

impl Run<'_> {
    /// The part file, cut to what is to be kept, with space reserved for the rest.
    pub(super) fn open_part(&mut self, place: &Place, start: &Start, size: Option<u64>) -> Result<PartFile, Halt> {
        let part = on_disk(Stage::Store, || {
            if start.set_aside {
                place.set_aside()?;
            }
            let part = place.open_part()?;
            if part.len()? != start.have {
                part.truncate(start.have)?;
            }
            Ok(part)
        })?;
        let size = size.unwrap_or(0);
        self.reserve(place, &part, size.saturating_sub(start.have), (start.have, size))?;
        Ok(part)
    }

    /// Reserves space for the rest of a file: `needed` bytes, of a part file that ends at one offset in bytes and is to end
    /// at another.
    pub(super) fn reserve(
        &mut self,
        place: &Place,
        part: &PartFile,
        needed: u64,
        reach: (u64, u64),
    ) -> Result<(), Halt> {
        if has_space(place, part, needed, reach)? {
            return Ok(());
        }
        // What is kept of an older version is worth less than the new one.
        on_disk(Stage::Store, || place.drop_old())?;
        if has_space(place, part, needed, reach)? {
            return Ok(());
        }
        // Other files may still fit.
        self.device = None;
        let free = on_disk(Stage::Store, || place.free_bytes())?;
        let message = format!("{needed} more bytes are needed for {}, {free} are free there", place.shown());
        let advice = "make space on that file system, then `ftpq run`: what is there is continued";
        Err(Failure::local(Stage::Store, Cause::DiskFull, message).with_advice(advice).into())
    }
}

/// Reserves space, and gives back what it got where that isn't enough. Returns whether there is space.
fn has_space(place: &Place, part: &PartFile, needed: u64, (end, size): (u64, u64)) -> Result<bool, Halt> {
    if needed == 0 {
        return Ok(true);
    }
    if on_disk(Stage::Store, || place.free_bytes())? < needed {
        return Ok(false);
    }
    match on_disk(Stage::Store, || part.allocate(size)) {
        Ok(()) => Ok(true),
        Err(Halt::Failed(failure)) if failure.cause == Cause::DiskFull => {
            on_disk(Stage::Store, || part.truncate(end))?;
            Ok(false)
        }
        Err(halt) => Err(halt),
    }
}

/// Whether this process may write files of that size: asked before the first byte is fetched.
pub(super) fn may_write(place: &Place, size: Option<u64>) -> Result<(), Halt> {
    let Some((size, most)) = size.zip(largest_file()).filter(|(size, most)| size > most) else { return Ok(()) };
    let message = format!("{} has {size} bytes, and this process may write {most} to one file at most", place.shown());
    let advice = "raise the limit on file sizes (`ulimit -f unlimited`), then `ftpq run`";
    Err(Failure::local(Stage::Store, Cause::FileTooLarge, message).with_advice(advice).into())
}

/// Lets go of an old part that is no further than the new one.
pub(super) fn drop_old_part(place: &Place, length: u64) -> Result<(), Halt> {
    on_disk(Stage::Store, || match place.old_part()? {
        Some(old) if old.size < length => place.drop_old(),
        _ => Ok(()),
    })
}
