//! Lists of checksums, as the GNU tools write and read them.

use super::Pages;
use super::target::Target;
use crate::cli::check::{self, Digested};
use crate::cli::crew::{Crew, Hands};
use crate::cli::exit::{Exit, Failed};
use crate::cli::face::Face;
use crate::cli::words::{grouped, safe};
use crate::model::{Algorithm, Checksum, Job, JobState, Standing};
use std::path::{Path, PathBuf};

/// What every such list begins with: a line that the tools leave out.
pub(super) const MARK: &str = "# ftpq report";
/// Files left out that are named one by one.
const NAMED: u64 = 50;

/// How many lines of a list came about in which way.
#[derive(Default)]
struct SumsTally {
    listed: u64,
    /// Digests computed now.
    computed: u64,
    /// Files outside the base folder.
    outside: u64,
    /// Files that are done but not as their receipts have them.
    left_out: u64,
    /// Files that are not done, and folders that were not read.
    missing: u64,
    /// Some could not be read.
    unreadable: bool,
}

/// Writes the list.
pub(super) async fn write(
    face: &mut Face<'_>,
    pages: &mut Pages,
    crew: &mut Crew,
    target: &mut Target,
    (algorithm, base): (Algorithm, PathBuf),
) -> Result<Exit, Failed> {
    let tool = tool(algorithm);
    target.say(face, &format!("{MARK}: {}, checked by `{tool} -c` from its base folder", algorithm.name()))?;
    let mut made = SumsTally::default();
    loop {
        let page = pages.next(face).await?;
        if page.is_empty() {
            break;
        }
        let (done, others): (Vec<Job>, Vec<Job>) = page.into_iter().partition(|job| job.state == JobState::Done);
        made.missing += others.len() as u64;
        let files: Vec<Job> = done.into_iter().filter(|job| job.spec.folder.is_none()).collect();
        let weigh = |job: &Job| job.record.receipt.as_ref().map_or(0, |receipt| receipt.size);
        let digest = move |job: &Job, hands: &Hands| {
            let is_done = job.state == JobState::Done;
            if is_done { check::digest(job, algorithm, hands) } else { None }
        };
        let is_wrong = |result: &Option<Result<_, _>>| matches!(result, Some(Err(_)));
        for (job, result) in pages.work((face, crew), files, weigh, digest, is_wrong).await? {
            match result {
                Some(Ok(Digested { sum, computed })) => {
                    let full = job.spec.destination.full();
                    let name = name(&full, &base);
                    made.listed += 1;
                    made.computed += u64::from(computed);
                    made.outside += u64::from(name.starts_with('/'));
                    target.say(face, &line(&sum, &name))?;
                }
                Some(Err(off)) => {
                    made.left_out += 1;
                    made.unreadable |= off.standing == Standing::Unreadable;
                    if made.left_out <= NAMED {
                        face.undraw();
                        let (place, name) = (safe(&job.spec.destination), off.standing.name());
                        let (why, advice) = (&off.difference, off.advice(&job));
                        face.complain(&format!("not in the list: {place} (job {}) is {name}: {why}; {advice}", job.id));
                    }
                }
                None => made.missing += u64::from(job.state != JobState::Done),
            }
        }
    }
    face.undraw();
    let taken = made.listed - made.computed;
    let note = format!(
        "# {} files: {} digests by the receipts, {} computed now",
        grouped(made.listed),
        grouped(taken),
        grouped(made.computed)
    );
    target.say(face, &note)?;
    close(face, &made, &base);
    Ok(match made {
        SumsTally { unreadable: true, .. } => Exit::Storage,
        SumsTally { left_out: 0, missing: 0, .. } => Exit::Done,
        _ => Exit::SomeFailed,
    })
}

fn close(face: &mut Face<'_>, made: &SumsTally, base: &Path) {
    if made.left_out > NAMED {
        face.complain(&format!("and {} more: `ftpq verify` names them", grouped(made.left_out - NAMED)));
    }
    if made.missing > 0 {
        face.complain(&format!(
            "{} jobs are not done, so that their files are not in the list: `ftpq report` names \
                                them",
            grouped(made.missing)
        ));
    }
    if made.outside > 0 {
        face.complain(&format!(
            "{} files lie outside {} and stand there by their full paths",
            grouped(made.outside),
            base.display()
        ));
    }
}

fn tool(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha512 => "sha512sum",
        Algorithm::Md5 => "md5sum",
        _ => "sha256sum",
    }
}

/// The name in a list: relative to the base where the file is below it, as it is written there or as it really is.
fn name(full: &Path, base: &Path) -> String {
    let below = full.strip_prefix(base).map(Path::to_owned);
    let below = below.or_else(|_| full.strip_prefix(base.canonicalize().unwrap_or_default()).map(Path::to_owned));
    let name = below.as_deref().unwrap_or(full).to_string_lossy().into_owned();
    // What the tools take for standard input.
    if name == "-" { "./-".to_owned() } else { name }
}

/// A line as GNU's tools write it: in front of one with a backslash or a line end in its name stands a backslash, and those
/// are escaped.
fn line(sum: &Checksum, name: &str) -> String {
    if name.contains(['\\', '\n', '\r']) {
        let name = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        return format!("\\{}  {name}", sum.text());
    }
    format!("{}  {name}", sum.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The tool itself is asked, with every name that could mislead it.
    #[test]
    fn the_tool_accepts_every_name() {
        let dir = tempfile::tempdir().unwrap();
        let data = b"some bytes";
        let sum = Checksum::new(Algorithm::Sha256, crate::disk::digest_of(data, Algorithm::Sha256)).unwrap();
        let names = ["a", "-", "-b", " c ", "*d", "#e", "f\\n", "g\nh", "i\rj", "\\k", "ü%41", "l  m"];
        let mut list = format!("{MARK}: test\n");
        for file in names {
            let path = dir.path().join(file);
            std::fs::write(&path, data).unwrap();
            list.push_str(&line(&sum, &name(&path, dir.path())));
            list.push('\n');
        }
        list.push_str("# 12 files\n");
        std::fs::write(dir.path().join("list"), &list).unwrap();
        let Ok(out) = Command::new("sha256sum").args(["-c", "--strict", "list"]).current_dir(dir.path()).output()
        else {
            return;
        };
        assert!(
            out.status.success(),
            "{}{}\n{list}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        assert_eq!(String::from_utf8_lossy(&out.stdout).matches(": OK").count(), names.len());
    }

    #[test]
    fn names_are_relative_to_the_base() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let link = real.join("link");
        std::os::unix::fs::symlink(real.join("to"), &link).unwrap();
        std::fs::create_dir(real.join("to")).unwrap();
        assert_eq!(name(Path::new("/d/a/b"), Path::new("/d")), "a/b");
        assert_eq!(name(Path::new("/d/a/b"), Path::new("/e")), "/d/a/b");
        assert_eq!(name(&real.join("to/x"), &link), "x");
    }
}
