//! A line that names a folder: it becomes the job of reading it.

use super::ReadOptions;
use super::entry::{BadField, quoting};
use crate::model::{Destination, Folder, JobSpec, ManifestLine, RelPath, Source};

/// The job of reading a folder, with what is wanted below it where the URL says so.
pub(super) fn job(
    line: &ManifestLine,
    source: Source,
    pattern: Option<String>,
    options: &ReadOptions,
) -> Result<JobSpec, BadField> {
    let sums = [&line.checksum, &line.md5, &line.sha1, &line.sha256, &line.sha512];
    if line.size.is_some() || sums.into_iter().any(Option::is_some) {
        let message = "the URL names a folder, which has neither size nor checksum; leave them out";
        return Err(BadField::new("url", message));
    }
    if !line.mirrors.is_empty() {
        return Err(BadField::new(
            "mirrors",
            "the URL names a folder, which can't have mirrors; add each folder by itself",
        ));
    }
    let into = match &line.path {
        Some(path) => {
            // A slash at the end is how a person writes a folder.
            let path = quoting(path.trim_end_matches('/'), |text| RelPath::new(text));
            options.into.join(path.map_err(|e| BadField::new("path", e))?.as_str())
        }
        None => options.into.clone(),
    };
    let destination = Destination::folder(into).map_err(|e| BadField::new("path", e))?;
    // What is wanted may lie in folders below: those that can't hold it are not read.
    let recursive = options.folder.recursive || pattern.as_ref().is_some_and(|pattern| pattern.contains('/'));
    let rules = Folder { pattern, recursive, ..options.folder.clone() };
    let settings = line.settings.clone();
    Ok(JobSpec { settings, folder: Some(Box::new(rules)), ..JobSpec::new(source, destination) })
}
