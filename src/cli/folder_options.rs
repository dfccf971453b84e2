//! Options of whoever names folders: which of their files are meant.

use crate::engine::now_millis;
use crate::model::{Folder, parse_bytes};
use crate::policy::{Pattern, unix_seconds};
use clap::value_parser;

/// Which files of a folder are meant.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "Folders")]
pub(super) struct FolderOptions {
    /// Read the folders in a folder too
    #[arg(long)]
    pub(super) recursive: bool,
    #[command(flatten)]
    pub(super) which: FolderFilter,
    /// Put all files into one folder; files of one name are then refused but for the first
    #[arg(long)]
    pub(super) flatten: bool,
    /// Enter folders behind symbolic links too; files behind such links are always fetched
    #[arg(long)]
    pub(super) follow_links: bool,
}

/// What is left out.
#[derive(clap::Args, Clone, Default)]
#[command(next_help_heading = "Folders")]
pub(super) struct FolderFilter {
    /// Levels of folders to read: 1 reads the named folder alone (more than 1 reads the folders in it too)
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=255))]
    pub(super) depth: Option<u32>,
    /// Take files alone that match: *, ?, [a-z], {a,b}, ** across folders; may be given again
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub(super) include: Vec<String>,
    /// Leave out what matches; a pattern with a slash at the end means folders; may be given again
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub(super) exclude: Vec<String>,
    /// Leave out older files: 2026-11-01, 2026-11-01T12:00:00Z (UTC), or an age: 36h, 7d, 2w
    #[arg(long, value_name = "DATE|AGE", value_parser = newer)]
    pub(super) newer: Option<Since>,
    /// Leave out larger files; K, M and G are binary
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub(super) max_size: Option<u64>,
    /// Folders to read for this command at most, so that a tree without end comes to one [default: 100000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(super) max_folders: Option<u64>,
    /// Jobs to make of folders for this command at most [default: 10000000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(super) max_jobs: Option<u64>,
}

/// A moment, or a span of time before now, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    At(i64),
    Ago(i64),
}

impl FolderOptions {
    /// The rules that the options make, for a wish that is uttered now.
    pub(super) fn rules(&self, sync: bool) -> Folder {
        let FolderFilter { depth, include, exclude, newer, max_size, max_folders, max_jobs } = self.which.clone();
        let asked = now_millis();
        let now = i64::try_from(asked / 1000).unwrap_or(i64::MAX);
        Folder {
            recursive: self.recursive || depth.is_some_and(|depth| depth > 1),
            depth,
            include,
            exclude,
            newer: newer.map(|since| match since {
                Since::At(moment) => moment,
                Since::Ago(seconds) => now.saturating_sub(seconds),
            }),
            max_size,
            max_folders,
            max_jobs,
            flatten: self.flatten,
            follow_links: self.follow_links,
            sync,
            asked,
            ..Folder::default()
        }
    }
}

fn pattern(text: &str) -> Result<String, String> {
    Pattern::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

fn newer(text: &str) -> Result<Since, String> {
    let wrong =
        || "write a date such as 2026-11-01 or 2026-11-01T12:00:00Z, or an age such as 36h, 7d or 2w".to_owned();
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];
    if let Some((number, unit)) = units.iter().find_map(|&(mark, unit)| Some((text.strip_suffix(mark)?, unit))) {
        let number: i64 = number.parse().map_err(|_| wrong())?;
        return number.checked_mul(unit).filter(|&ago| ago > 0).map(Since::Ago).ok_or_else(wrong);
    }
    let (day, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let clock = clock.strip_suffix('Z').unwrap_or(clock);
    let clock = if clock.len() == 5 { format!("{clock}:00") } else { clock.to_owned() };
    if day.len() != 10 || clock.len() != 8 {
        return Err(wrong());
    }
    let digits: String = [day.replace('-', ""), clock.replace(':', "")].concat();
    unix_seconds(&digits).map(Since::At).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_dates_are_read() {
        assert_eq!(newer("36h"), Ok(Since::Ago(36 * 3600)));
        assert_eq!(newer("2w"), Ok(Since::Ago(14 * 86_400)));
        assert_eq!(newer("1970-01-02"), Ok(Since::At(86_400)));
        assert_eq!(newer("1970-01-02T00:00:01Z"), Ok(Since::At(86_401)));
        assert_eq!(newer("1970-01-02 01:00"), Ok(Since::At(90_000)));
        for text in ["", "d", "-1d", "0h", "7", "2026-13-01", "2026-1-1", "yesterday", "99999999999999999d"] {
            assert!(newer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_depth_of_more_than_one_reads_the_folders_below() {
        let options = |depth| FolderOptions {
            which: FolderFilter { depth, ..FolderFilter::default() },
            ..FolderOptions::default()
        };
        assert!(options(Some(2)).rules(false).recursive);
        assert!(!options(Some(1)).rules(false).recursive && !options(None).rules(false).recursive);
    }
}
