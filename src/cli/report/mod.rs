//! `report`: what is here and how it was proved, and what is missing; lists of checksums for other programs.

mod csv;
mod lines;
mod sums;
mod tally;
mod target;

use super::args::parse_ids;
use super::check;
use super::crew::{Crew, Hands};
use super::exit::{Exit, Failed};
use super::face::Face;
use super::resting_desk::{RestingDesk, is_as_read, jobs_by_now};
use super::run::id_set;
use crate::engine::Desk;
use crate::model::{Algorithm, IdSet, Job, JobId, ReportLine, Selection};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tally::Tally;
use target::Target;

/// Jobs asked for at a time.
const PAGE: usize = 10_000;

/// `report`.
#[derive(clap::Args)]
pub(super) struct ReportArgs {
    /// These jobs alone; 5-9 is a range
    #[arg(value_name = "ID", value_parser = parse_ids)]
    ids: Vec<(JobId, JobId)>,
    /// Jobs on this host alone: NAME or NAME:PORT
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// What to write: text for people; json or csv, a line a file; or a list that sha256sum -c and its like read
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<ReportFormat>,
    /// Write it to this file; it appears once it is whole, and replaces an earlier list of the same format alone
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder that names in a list of checksums are relative to [default: the list's own folder]
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Replace whatever file has the name given with -o
    #[arg(long, requires = "output")]
    force: bool,
    /// Go by the receipts alone, without a look at the files
    #[arg(long)]
    no_look: bool,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReportFormat {
    Text,
    Json,
    Csv,
    Sums(Algorithm),
}

const FORMATS: [(&str, ReportFormat); 6] = [
    ("text", ReportFormat::Text),
    ("json", ReportFormat::Json),
    ("csv", ReportFormat::Csv),
    ("sha256sums", ReportFormat::Sums(Algorithm::Sha256)),
    ("sha512sums", ReportFormat::Sums(Algorithm::Sha512)),
    ("md5sums", ReportFormat::Sums(Algorithm::Md5)),
];

fn formats() -> impl TypedValueParser<Value = ReportFormat> {
    PossibleValuesParser::new(FORMATS.map(|(name, _)| name)).try_map(|name| {
        FORMATS.into_iter().find(|(known, _)| *known == name).map(|(_, format)| format).ok_or("no such format")
    })
}

/// Jobs, page by page: a million of them are never held at once. The queue is free for others while one is worked on.
struct Pages {
    desk: Option<RestingDesk>,
    selection: Selection,
    after: Option<JobId>,
}

impl Pages {
    /// The next jobs; none at the end.
    async fn next(&mut self, face: &mut Face<'_>) -> Result<Vec<Job>, Failed> {
        let desk = self.take_up(face).await?;
        let page = desk.list(self.selection.clone(), self.after, PAGE).await?;
        self.desk = Some(RestingDesk::new(desk));
        self.after = page.last().map(|job| job.id).or(self.after);
        Ok(page)
    }

    async fn take_up(&mut self, face: &mut Face<'_>) -> Result<Box<dyn Desk>, Failed> {
        match self.desk.take() {
            Some(resting) => resting.take_up(face).await,
            None => face.desk().await,
        }
    }

    /// Does something with each job, and once more with those of which it found something wrong, where another process
    /// changed them since they were read.
    async fn work<R: Send + 'static>(
        &mut self,
        (face, crew): (&mut Face<'_>, &mut Crew),
        mut jobs: Vec<Job>,
        weigh: fn(&Job) -> u64,
        act: impl Fn(&Job, &Hands) -> R + Clone + Send + Sync + 'static,
        is_wrong: fn(&R) -> bool,
    ) -> Result<Vec<(Job, R)>, Failed> {
        let mut results = BTreeMap::new();
        while !jobs.is_empty() {
            let found = crew.work(face, jobs, weigh, act.clone()).await?;
            let (wrong, right): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, result)| is_wrong(result));
            results.extend(right.into_iter().map(|(job, result)| (job.id, (job, result))));
            jobs = Vec::new();
            if wrong.is_empty() {
                break;
            }
            let desk = self.take_up(face).await?;
            let mut by_now = jobs_by_now(&*desk, wrong.iter().map(|(job, _)| job.id).collect()).await?;
            self.desk = Some(RestingDesk::new(desk));
            for (job, result) in wrong {
                match by_now.remove(&job.id) {
                    Some(now) if !is_as_read(&job, &now) => jobs.push(now),
                    Some(_) => drop(results.insert(job.id, (job, result))),
                    None => {}
                }
            }
        }
        Ok(results.into_values().collect())
    }
}

/// Runs the command.
pub(super) async fn report(face: &mut Face<'_>, args: ReportArgs) -> Result<Exit, Failed> {
    let format = args.format.unwrap_or(if face.global.json { ReportFormat::Json } else { ReportFormat::Text });
    if args.base.is_some() && !matches!(format, ReportFormat::Sums(_)) {
        return Err(Failed::Usage("--base: only lists of checksums have names relative to a folder".to_owned()));
    }
    if args.no_look && matches!(format, ReportFormat::Sums(_)) {
        return Err(Failed::Usage("--no-look: a list of checksums is made of the files as they are now".to_owned()));
    }
    let output = args.output.as_deref().map(|path| face.absolute(path)).transpose()?;
    let base = match (&args.base, &output) {
        (Some(base), _) => face.absolute(base)?,
        (None, Some(path)) => path.parent().map_or_else(|| path.clone(), std::path::Path::to_owned),
        (None, None) => face.absolute(".".as_ref())?,
    };
    let ids: Option<IdSet> = id_set(&args.ids);
    let named = ids.is_some() || args.host.is_some();
    let selection = Selection { ids, state: None, host: args.host };
    let desk = face.desk().await?;
    let total = desk.counts(selection.clone()).await?.total();
    if total == 0 && named {
        return Err(Failed::Usage("no job is meant by this; `ftpq list` shows what there is".to_owned()));
    }
    let mut target = Target::open(output, format, args.force)?;
    let mut crew = Crew::new("looked at", total, "no report was written")?;
    let mut pages = Pages { desk: Some(RestingDesk::new(desk)), selection, after: None };
    let exit = match format {
        ReportFormat::Sums(algorithm) => {
            sums::write(face, &mut pages, &mut crew, &mut target, (algorithm, base)).await?
        }
        _ => write(face, &mut pages, &mut crew, (&mut target, format), !args.no_look).await?,
    };
    target.finish(args.force)?;
    Ok(exit)
}

/// Writes a report.
async fn write(
    face: &mut Face<'_>,
    pages: &mut Pages,
    crew: &mut Crew,
    (target, format): (&mut Target, ReportFormat),
    looks: bool,
) -> Result<Exit, Failed> {
    let mut tally = Tally::new(looks);
    if format == ReportFormat::Csv {
        target.say(face, csv::HEADER)?;
    }
    loop {
        let page = pages.next(face).await?;
        if page.is_empty() {
            break;
        }
        let look = move |job: &Job, _: &Hands| {
            let is_done = job.state == crate::model::JobState::Done || job.record.receipt.is_some();
            let is_file = looks && is_done && job.spec.folder.is_none();
            if is_file { check::look(job).err() } else { None }
        };
        for (job, off) in pages.work((face, crew), page, |_| 0, look, Option::is_some).await? {
            let line = lines::line(&job, off.as_ref());
            tally.note(&line, format == ReportFormat::Text);
            match format {
                ReportFormat::Json => target.say_json(face, &line)?,
                ReportFormat::Csv => target.say(face, &csv::row(&line)?)?,
                _ => {}
            }
        }
    }
    face.undraw();
    match format {
        ReportFormat::Json => target.say_json(face, &ReportLine::Summary(Box::new(tally.summary())))?,
        ReportFormat::Text => {
            for line in tally.text() {
                target.say(face, &line)?;
            }
        }
        _ => {}
    }
    if target.is_file() && format != ReportFormat::Text && !face.global.quiet {
        face.complain(&tally.summary().text);
    }
    Ok(if tally.is_whole() { Exit::Done } else { Exit::SomeFailed })
}
