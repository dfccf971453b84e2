//! Which entries of a folder become jobs, and which.

use crate::model::{
    Destination, Failure, Folder, Job, JobSpec, Listed, RelPath, RemotePath, Source, Stage, UniqueHash,
};
use crate::policy::{Pattern, PatternError, local_name};
use crate::wire::listing::{Entry, Kind, Resolution, Size, Time, Zone};

/// Longest local path below the user's folder, in bytes: `PATH_MAX` of Linux. A server may list folders in folders for
/// ever.
const LONGEST: usize = 4096;
/// Most folders one in the other.
const DEEPEST: usize = 255;
/// A server's own time is up to so many seconds from UTC.
const ZONES: i64 = 14 * 3600;

/// What becomes of an entry.
#[derive(Debug)]
pub(super) enum Fate {
    /// A file to fetch.
    File(Box<JobSpec>),
    /// A folder to read.
    Folder(Box<JobSpec>),
    /// A link, or an entry that the listing does not tell the kind of: the server has to be asked.
    Asked,
    /// A file that the rules leave out.
    LeftOut(Box<JobSpec>),
    /// A folder that the rules leave out, and all that is in it.
    Skipped(RemotePath),
    /// A thing that is neither file nor folder.
    Other,
    /// No local name can be made of it: why.
    Refused(String),
}

/// The rules of a folder, ready to be laid against its entries.
pub(super) struct Rules<'a> {
    job: &'a Job,
    folder: &'a Folder,
    pattern: Option<Pattern>,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl<'a> Rules<'a> {
    /// The rules of a folder's job.
    pub(super) fn new(job: &'a Job, folder: &'a Folder) -> Result<Self, Failure> {
        let parse = |text: &String| Pattern::parse(text).map_err(|e| unusable(text, &e));
        let all = |texts: &[String]| texts.iter().map(parse).collect::<Result<Vec<_>, _>>();
        let pattern = folder.pattern.as_ref().map(parse).transpose()?;
        Ok(Self { job, folder, pattern, include: all(&folder.include)?, exclude: all(&folder.exclude)? })
    }

    /// What becomes of an entry.
    pub(super) fn judge(&self, entry: &Entry) -> Fate {
        match &entry.kind {
            Kind::File => self.file(entry, Some(listed(entry))),
            Kind::Folder => self.folder(entry, false),
            Kind::Link(_) | Kind::Unknown => Fate::Asked,
            Kind::Other => Fate::Other,
        }
    }

    /// What becomes of a file, whatever the listing has it for; `listed` is what is known of it.
    pub(super) fn file(&self, entry: &Entry, listed: Option<Listed>) -> Fate {
        let (path, spec) = match self.spec(entry, false) {
            Ok(found) => found,
            Err(why) => return Fate::Refused(why),
        };
        let wanted = self.takes(&path) && self.fits(entry);
        let spec = Box::new(JobSpec { listed, ..spec });
        if wanted { Fate::File(spec) } else { Fate::LeftOut(spec) }
    }

    /// What becomes of a folder, or of a link to one.
    pub(super) fn folder(&self, entry: &Entry, is_link: bool) -> Fate {
        let remote = match self.job.spec.source.path().join(&entry.name, true) {
            Ok(remote) => remote,
            Err(e) => return Fate::Refused(e.to_string()),
        };
        let Folder { recursive, depth, .. } = self.folder;
        let (name, below) = match self.local(entry) {
            Ok(found) => found,
            Err(_) if !recursive => return Fate::Skipped(remote),
            Err(why) => return Fate::Refused(why),
        };
        let as_folder = format!("{below}/");
        let may_hold = |pattern: &Pattern| pattern.may_match_below(as_folder.as_bytes());
        let enters = *recursive
            && depth.is_none_or(|depth| depth > 1)
            && !self.exclude.iter().any(|pattern| pattern.matches(as_folder.as_bytes()))
            && self.pattern.as_ref().is_none_or(may_hold)
            && (self.include.is_empty() || self.include.iter().any(may_hold))
            && !(is_link && self.folder.links >= Folder::MOST_LINKS);
        if !enters {
            return Fate::Skipped(remote);
        }
        match self.place(&name, &below, true) {
            Ok(destination) => {
                let mut rules = Box::new(self.folder.deeper(below, is_link));
                rules.above.extend(entry.unique.as_deref().map(UniqueHash::of));
                let spec = JobSpec {
                    settings: self.job.spec.settings.clone(),
                    folder: Some(rules),
                    ..JobSpec::new(self.source(remote), destination)
                };
                Fate::Folder(Box::new(spec))
            }
            Err(why) => Fate::Refused(why),
        }
    }

    /// The path that is laid against patterns, and the job.
    fn spec(&self, entry: &Entry, is_folder: bool) -> Result<(String, JobSpec), String> {
        let (name, below) = self.local(entry)?;
        let remote = self.job.spec.source.path().join(&entry.name, is_folder).map_err(|e| e.to_string())?;
        let destination = self.place(&name, &below, is_folder)?;
        let spec =
            JobSpec { settings: self.job.spec.settings.clone(), ..JobSpec::new(self.source(remote), destination) };
        Ok((below, spec))
    }

    /// The local name, and the path below where the reading began.
    fn local(&self, entry: &Entry) -> Result<(String, String), String> {
        let name = local_name(&entry.plain_name()).map_err(|e| e.to_string())?;
        let above = &self.folder.below;
        let below = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
        Ok((name, below))
    }

    fn place(&self, name: &str, below: &str, is_folder: bool) -> Result<Destination, String> {
        let path = if self.folder.flatten && !is_folder { name } else { below };
        if below.len() > LONGEST || below.matches('/').count() > DEEPEST {
            return Err(format!("it lies more than {DEEPEST} folders or {LONGEST} bytes deep"));
        }
        let path = RelPath::new(path).map_err(|e| e.to_string())?;
        Destination::new(self.job.spec.destination.dir(), path).map_err(|e| e.to_string())
    }

    fn source(&self, path: RemotePath) -> Source {
        let source = &self.job.spec.source;
        Source::new(source.account().clone(), path, source.transfer_type())
    }

    fn takes(&self, path: &str) -> bool {
        let matches = |pattern: &Pattern| pattern.matches(path.as_bytes());
        self.pattern.as_ref().is_none_or(matches)
            && (self.include.is_empty() || self.include.iter().any(matches))
            && !self.exclude.iter().any(matches)
    }

    /// Whether size and time are as wanted, as far as the listing tells.
    fn fits(&self, entry: &Entry) -> bool {
        let size = entry.size.map(|size| match size {
            Size::Exact(bytes) | Size::About(bytes) => bytes,
        });
        let is_link = matches!(entry.kind, Kind::Link(_));
        let small = self.folder.max_size.is_none_or(|most| is_link || size.is_none_or(|size| size <= most));
        // The last moment that may be written like this.
        let latest = |time: &Time| {
            time.seconds.saturating_add(unit(time.resolution) + if time.zone == Zone::Server { ZONES } else { 0 })
        };
        let fresh = |from: i64| is_link || entry.time.as_ref().is_none_or(|time| latest(time) > from);
        small && self.folder.newer.is_none_or(fresh)
    }
}

/// What the listing says of a file, as it is kept.
pub(super) fn listed(entry: &Entry) -> Listed {
    let size = match entry.size {
        Some(Size::Exact(bytes)) => Some(bytes),
        _ => None,
    };
    let modified = entry.modify.clone().or_else(|| entry.time.as_ref().map(digits));
    Listed { size, modified, unique: entry.unique.clone() }
}

/// Seconds of the smallest unit that is written.
fn unit(resolution: Resolution) -> i64 {
    match resolution {
        Resolution::Second => 1,
        Resolution::Minute => 60,
        Resolution::Day => 86_400,
    }
}

/// A time as digits, as many as are known: `YYYYMMDD`, `YYYYMMDDhhmm` or `YYYYMMDDhhmmss`.
fn digits(time: &Time) -> String {
    let text: String = crate::model::rfc3339(u64::try_from(time.seconds).unwrap_or(0));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let length = match time.resolution {
        Resolution::Second => 14,
        Resolution::Minute => 12,
        Resolution::Day => 8,
    };
    digits.get(..length).unwrap_or(&digits).to_owned()
}

fn unusable(pattern: &str, error: &PatternError) -> Failure {
    let shown = crate::model::printable(pattern, 100);
    Failure::permanent(Stage::Plan, crate::model::Cause::Unsupported, format!("the pattern {shown}: {error}"))
        .with_advice("remove the job, and add the folder with another pattern")
}
