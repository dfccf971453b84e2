//! Folders of the files in memory, as MLSD and LIST tell of them.

use super::core::RemoteFile;
use std::{
    collections::hash_map::DefaultHasher,
    fmt::Write,
    hash::{Hash, Hasher},
};

/// What is in a folder: names, and the files; a folder has none.
pub(super) type Children = Vec<(String, Option<RemoteFile>)>;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What tells this content from another.
pub(super) fn unique(file: &RemoteFile) -> String {
    let mut hasher = DefaultHasher::new();
    (&file.data[..file.data.len().min(64)], file.data.len(), &file.modified).hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

/// As RFC 3659 has it.
pub(super) fn machine(children: &Children) -> Vec<u8> {
    let mut text = "type=cdir;modify=20240229123456; .\r\n".to_owned();
    for (name, file) in children {
        match file {
            Some(file) => {
                let (size, modified, unique) = (file.data.len(), &file.modified, unique(file));
                write!(text, "type=file;size={size};modify={modified};unique={unique}; {name}\r\n").unwrap();
            }
            None => write!(text, "type=dir;modify=20240229123456; {name}\r\n").unwrap(),
        }
    }
    text.into_bytes()
}

/// As vsftpd has it.
pub(super) fn people(children: &Children) -> Vec<u8> {
    let mut text = String::new();
    for (name, file) in children {
        let (mode, size) = file.as_ref().map_or(("drwxr-xr-x", 4096), |file| ("-rw-r--r--", file.data.len()));
        let modified = file.as_ref().map_or("20240229123456", |file| &file.modified);
        let month = modified.get(4..6).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
        let (year, day) = (modified.get(..4).unwrap_or("1970"), modified.get(6..8).unwrap_or("01"));
        let month = MONTHS[(month - 1) % 12];
        write!(text, "{mode}    1 0        0        {size:>12} {month} {day}  {year} {name}\r\n").unwrap();
    }
    text.into_bytes()
}
