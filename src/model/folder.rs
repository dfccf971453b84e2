//! Folders: the rules by which their files become jobs, and what a listing said of a file.

use super::UniqueHash;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules by which a folder's files become jobs. A job with such rules is a folder's: its source is the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "wishes of the user that go together in any way")]
pub struct Folder {
    /// Pattern of the paths that are taken, below the folder where the reading began; all where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether folders in it are read too.
    pub recursive: bool,
    /// How many levels of folders are still to be read, this one included; no end where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Patterns of which a file has to match one, where there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns of which a file or folder may match none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Files older than this are left out: seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer: Option<i64>,
    /// Files with more bytes are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Folders that one command may make jobs of; [`Folder::MOST_FOLDERS`] where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_folders: Option<u64>,
    /// Jobs that one command may make of its folders; [`Folder::MOST_JOBS`] where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_jobs: Option<u64>,
    /// Whether all files go into one local folder.
    #[serde(skip_serializing_if = "is_false")]
    pub flatten: bool,
    /// Whether links to folders are entered.
    #[serde(skip_serializing_if = "is_false")]
    pub follow_links: bool,
    /// Whether files that are done are looked at again, and fetched anew where they changed.
    #[serde(skip_serializing_if = "is_false")]
    pub sync: bool,
    /// Path of this folder below the one where the reading began, as on the server and as the local name is made of it;
    /// empty for that one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub below: String,
    /// What MLSD's `unique` said of this folder and those above it, the nearest last, as far as the server tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<UniqueHash>,
    /// Links to folders that were entered on the way here.
    #[serde(skip_serializing_if = "is_zero")]
    pub links: u8,
    /// When it was asked for, in milliseconds since 1970-01-01 UTC. Folders below that were read for the same wish are
    /// not read once more, those of an earlier one are.
    #[serde(skip_serializing_if = "is_never")]
    pub asked: u64,
}

impl Folder {
    /// Links to folders that are entered one below the other at most: what no real path shows as a cycle ends here.
    pub const MOST_LINKS: u8 = 8;

    /// Folders that one command may make jobs of, where nobody says otherwise.
    pub const MOST_FOLDERS: u64 = 100_000;
    /// Jobs that one command may make of its folders, where nobody says otherwise.
    pub const MOST_JOBS: u64 = 10_000_000;

    /// Folders that one command may make jobs of.
    #[must_use]
    pub fn most_folders(&self) -> u64 {
        self.max_folders.unwrap_or(Self::MOST_FOLDERS)
    }

    /// Jobs that one command may make of its folders.
    #[must_use]
    pub fn most_jobs(&self) -> u64 {
        self.max_jobs.unwrap_or(Self::MOST_JOBS)
    }

    /// Whether these are the same wishes of the same folder, whenever they were uttered. What is left out for its age
    /// moves with the time of the wish; bounds, and what the server says of the folders above, are no part of it.
    #[must_use]
    pub fn is_same_wish(&self, other: &Self) -> bool {
        let timeless = |folder: &Self| Self {
            newer: None,
            asked: 0,
            max_folders: None,
            max_jobs: None,
            above: Vec::new(),
            ..folder.clone()
        };
        timeless(self) == timeless(other)
    }

    /// The rules of a folder in this one, whose name below where the reading began is `below`.
    #[must_use]
    pub fn deeper(&self, below: String, is_link: bool) -> Self {
        let depth = self.depth.map(|depth| depth.saturating_sub(1));
        Self { below, depth, links: self.links.saturating_add(u8::from(is_link)), ..self.clone() }
    }
}

/// What a listing said of a file: a hint, and what a later listing is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Listed {
    /// Length in bytes, where it was told to the byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it was changed last: MLSD's `modify`, or as many digits of `YYYYMMDDhhmmss`, in the server's own time, as LIST tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// MLSD's `unique`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique: Option<String>,
}

impl Listed {
    /// Whether two listings tell of the same content, as far as both tell. A time with fewer digits is compared by those.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let unlike = |x: &Option<String>, y: &Option<String>| matches!((x, y), (Some(x), Some(y)) if x != y);
        let other_time = match (&self.modified, &other.modified) {
            (Some(x), Some(y)) => !(x.starts_with(y.as_str()) || y.starts_with(x.as_str())),
            _ => false,
        };
        let other_size = matches!((self.size, other.size), (Some(x), Some(y)) if x != y);
        !(other_size || other_time || unlike(&self.unique, &other.unique))
    }
}

/// What became of a folder that was read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FolderTally {
    /// Entries of the listing.
    pub entries: u64,
    /// Files that are jobs now, new or known.
    pub files: u64,
    /// Their bytes, as far as the listing told.
    pub bytes: u64,
    /// Folders that are jobs now.
    pub folders: u64,
    /// Entries that the rules leave out.
    pub left_out: u64,
    /// Links to folders that were not entered.
    pub links: u64,
    /// Files that were done before and are listed as they were then.
    #[serde(default, skip_serializing_if = "is_never")]
    pub same: u64,
    /// Entries that no job can be made of, by name and reason: the first of them, safe to show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// How many there are.
    pub refused_count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(value: &u8) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_never(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(size: Option<u64>, modified: &str, unique: Option<&str>) -> Listed {
        Listed { size, modified: Some(modified.to_owned()), unique: unique.map(str::to_owned) }
    }

    #[test]
    fn two_listings_agree_as_far_as_both_tell() {
        let exact = listed(Some(5), "20261122140355", Some("u1"));
        assert!(exact.agrees(&listed(Some(5), "202611221403", None)), "LIST tells minutes");
        assert!(exact.agrees(&listed(None, "20261122", None)), "LIST tells days of old files");
        assert!(!exact.agrees(&listed(Some(6), "202611221403", None)));
        assert!(!exact.agrees(&listed(Some(5), "202611221404", None)));
        assert!(!exact.agrees(&listed(Some(5), "20261122140355", Some("u2"))));
        assert!(exact.agrees(&Listed::default()));
    }
}
