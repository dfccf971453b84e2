//! Every length that anybody told of a file, held against what came.

/// What was told of a file's length, and how many bytes came, all in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// Length of the file as it came.
    pub came: u64,
    /// Offset that the last transfer began at.
    pub from: u64,
    /// SIZE, or MLST's `size`; a 0 may mean that the server does not know.
    pub size: Option<u64>,
    /// What the folder's listing told.
    pub listed: Option<u64>,
    /// What the reply to RETR announced: of the whole file on some servers, of what is left of it on others.
    pub announced: Option<u64>,
}

/// What the lengths show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthFinding {
    /// All agree, or nobody told any.
    Agree,
    /// The listing tells another length than what came: it may be out of date, and is to be asked again.
    ListingDiffers(u64),
    /// The reply to RETR announced another length, and SIZE tells what came.
    AnnouncedOther(u64),
    /// The reply to RETR announced another length, and nobody else told any.
    AnnouncedAlone(u64),
}

impl Lengths {
    /// Judges what came. `SIZE` itself, and the length that the list gives, are held against it elsewhere.
    #[must_use]
    pub fn judge(self) -> LengthFinding {
        let is_sized = self.size.is_some_and(|size| size != 0);
        if let Some(listed) = self.listed.filter(|&listed| listed != self.came) {
            return LengthFinding::ListingDiffers(listed);
        }
        let fits = |announced: u64| announced == self.came || announced.saturating_add(self.from) == self.came;
        match self.announced.filter(|&announced| announced != 0 && !fits(announced)) {
            Some(announced) if is_sized || self.listed.is_some() => LengthFinding::AnnouncedOther(announced),
            Some(announced) => LengthFinding::AnnouncedAlone(announced),
            None => LengthFinding::Agree,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_that_was_told_is_held_against_what_came() {
        use LengthFinding::{Agree, AnnouncedAlone, AnnouncedOther, ListingDiffers};
        let base = Lengths { came: 100, ..Lengths::default() };
        let table = [
            (base, Agree),
            (Lengths { size: Some(100), listed: Some(100), announced: Some(100), ..base }, Agree),
            (Lengths { size: Some(0), ..base }, Agree),
            (Lengths { listed: Some(300), ..base }, ListingDiffers(300)),
            (Lengths { size: Some(100), listed: Some(300), ..base }, ListingDiffers(300)),
            (Lengths { size: Some(0), listed: Some(300), announced: Some(300), ..base }, ListingDiffers(300)),
            (Lengths { announced: Some(300), ..base }, AnnouncedAlone(300)),
            (Lengths { size: Some(0), announced: Some(300), ..base }, AnnouncedAlone(300)),
            (Lengths { size: Some(100), announced: Some(300), ..base }, AnnouncedOther(300)),
            (Lengths { listed: Some(100), announced: Some(50), ..base }, AnnouncedOther(50)),
            // Some count the whole file, some what is left.
            (Lengths { from: 40, announced: Some(100), ..base }, Agree),
            (Lengths { from: 40, announced: Some(60), ..base }, Agree),
            (Lengths { from: 40, announced: Some(40), ..base }, AnnouncedAlone(40)),
            // Some announce nothing for a file whose length they do not know.
            (Lengths { announced: Some(0), ..base }, Agree),
        ];
        for (lengths, expected) in table {
            assert_eq!(lengths.judge(), expected, "{lengths:?}");
        }
    }
}
