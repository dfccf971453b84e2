//! `add`: manifests and URLs into the queue, whole or not at all.

use super::args::AddArgs;
use super::exit::{Exit, Failed};
use super::face::Face;
use super::get::all;
use super::inputs::{Feed, Input, holds_password};
use super::login::{Ask, Handed, Login};
use super::options::{self, RunOptions};
use super::rehearsal;
use super::run::RunStart;
use super::standing::DoneBefore;
use super::words::{count, numbers};
use crate::engine::{Added, Credential, Desk, Intake, Interrupt, contradiction};
use crate::manifest::{Entry, LineError, ReadOptions, Warning};
use crate::model::{Account, Change, Existing, IdSet, JobSpec, JobState, Selection, Settings, Source};
use crate::policy::Pattern;
use serde::Serialize;

/// Bad lines that are reported one by one.
const REPORTED: u64 = 20;
/// Bad lines after which reading stops, where none may be left out: a stream of them may never end.
const ENOUGH: u64 = 1000;
/// Ranges of numbers that are named in an advice.
const NAMED: usize = 8;

/// Everything to queue, and how.
pub(super) struct AddOrder {
    pub(super) inputs: Vec<Input>,
    pub(super) read: ReadOptions,
    pub(super) login: Login,
    pub(super) settings: Settings,
    pub(super) skip_bad: bool,
    /// Passwords that are not to be stored are of use: a run follows.
    pub(super) may_lend: bool,
}

/// What became of an order.
#[derive(Serialize)]
pub(super) struct Queued {
    #[serde(flatten)]
    pub(super) added: Added,
    /// Bad lines left out, where that was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u64>,
    /// Known jobs that are done.
    #[serde(flatten)]
    before: DoneBefore,
    /// How many of them the server is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    rechecked: Option<u64>,
    /// Passwords for the run that follows, and not to be stored.
    #[serde(skip)]
    pub(super) lent: Vec<Credential>,
}

/// Runs the command.
pub(super) async fn add(face: &mut Face<'_>, args: AddArgs) -> Result<Exit, Failed> {
    let settings = options::settings(face, &args.job)?;
    let config = face.config()?;
    let login = Login::new(face, &args.job.login, config, Ask::Told)?;
    let lends = args.job.login.no_store;
    if args.lists.base.as_deref().is_some_and(holds_password) {
        warn_of_password(face);
    }
    let into = face.absolute(args.into.as_deref().unwrap_or_else(|| ".".as_ref()))?;
    let read = args.lists.read(into, &args.folder)?;
    let inputs = Input::sort(args.inputs);
    // What `overwrite` wants of a file that is here, it wants of one that ftpq put there.
    let replaces = settings.existing == Some(Existing::Overwrite);
    let recheck = args.recheck.then_some(if replaces { Change::Retry } else { Change::Recheck });
    let order = AddOrder { inputs, read, login, settings, skip_bad: args.lists.skip_bad, may_lend: !lends };
    let mut interrupt = interrupts()?;
    if args.dry_run {
        rehearsal::begin(face, Selection::default(), |_| true).await?;
        let config = order.login.config.clone();
        let Queued { added, lent, .. } = enqueue(face, AddOrder { may_lend: true, ..order }, &mut interrupt).await?;
        ask_again(&*face.desk().await?, &added.known, recheck).await?;
        let start = RunStart { only: Some(all(&added)), lent, config, ..RunStart::default() };
        return Ok(rehearsal::tell(face, &RunOptions::default(), start).await?.0);
    }
    let mut queued = enqueue(face, order, &mut interrupt).await?;
    if !queued.added.known.is_empty() {
        let desk = face.desk().await?;
        queued.before = tokio::select! {
            biased;
            // The jobs are queued; who is in a hurry does without the look at the files.
            () = interrupt.recv() => DoneBefore::default(),
            found = DoneBefore::look(&*desk, &queued.added.known) => found?,
        };
        queued.rechecked = ask_again(&*desk, &queued.added.known, recheck).await?;
    }
    if !face.global.quiet && !queued.added.kept_settings.is_empty() {
        face.complain(&kept_settings(&queued.added.kept_settings));
    }
    if face.global.json {
        face.say_json(&queued)?;
    } else {
        let skipped = queued.skipped.filter(|n| *n > 0).map(|n| format!(", skipped {}", count(n, "bad line")));
        let new = count(queued.added.new.len(), "job");
        face.say(&format!("queued {new}{}{}", skipped.unwrap_or_default(), known(&queued)))?;
    }
    Ok(Exit::Done)
}

/// The jobs that were there already, and what to do about those that are done but whose files are not there as recorded.
fn known(queued: &Queued) -> String {
    let (known, gone) = (queued.added.known.len(), queued.before.gone.len());
    if known == 0 {
        return String::new();
    }
    let still = if queued.before.done == 1 { "it is still" } else { "they are still" };
    let done = match (queued.before.told(), queued.rechecked) {
        (Some(done), None) => format!("; {done}, and --recheck asks the server whether {still} the same"),
        (Some(done), Some(_)) => format!("; {done}: `ftpq run` asks the server whether {still} the same"),
        (None, _) => String::new(),
    };
    let who = match (known, gone) {
        (_, 0) => return format!(" ({known} {} there already{done})", were(known)),
        _ if queued.rechecked.is_some() => return format!(" ({known} {} there already{done})", were(known)),
        (1, _) => "it is done but its file is".to_owned(),
        (_, 1) => "1 of them is done but its file is".to_owned(),
        _ => format!("{gone} of them are done but their files are"),
    };
    let which = named(&queued.before.gone);
    let them = if gone == 1 { "it" } else { "them" };
    let or = if are_many(&queued.before.gone) { " and this command again, until none is named, or" } else { " or" };
    format!(
        " ({known} {} there already{done}; {who} gone or changed: `ftpq retry {which}`{or} `ftpq get` fetches {them} again)",
        were(known)
    )
}

/// Has the server asked about those of the jobs that are done. Returns how many they are, where that is wished.
async fn ask_again(desk: &dyn Desk, known: &IdSet, wish: Option<Change>) -> Result<Option<u64>, Failed> {
    let Some(change) = wish else { return Ok(None) };
    let selection = Selection { ids: Some(known.clone()), state: Some(JobState::Done), host: None };
    Ok(Some(desk.change(selection, change).await?.changed))
}

/// What a list says of known jobs that is not what was said before.
fn corrections(added: &Added) -> Vec<String> {
    let mut lines = Vec::new();
    let (corrected, again) = (added.corrected.len(), added.again.len());
    if corrected > 0 {
        let again = match again {
            0 => String::new(),
            1 if corrected == 1 => ": it was done, and `ftpq run` checks it again".to_owned(),
            1 => ": 1 of them was done, and `ftpq run` checks it again".to_owned(),
            _ => format!(": {again} of them were done, and `ftpq run` checks them again"),
        };
        lines.push(format!("{} took another checksum or size from the list{again}", count(corrected, "job")));
    }
    let lacking = &added.without_mirrors;
    if !lacking.is_empty() {
        let (jobs, which) = (count(lacking.len(), "job"), named(lacking));
        lines.push(format!(
            "{jobs} that {} known without some of the mirrors in the list {} without them: `ftpq remove {which}`, then add \
             the list again{}, to have them",
            if lacking.len() == 1 { "is" } else { "are" },
            if lacking.len() == 1 { "stays" } else { "stay" },
            until(lacking),
        ));
    }
    lines
}

/// Says that jobs go on with the settings that they were added with.
fn kept_settings(ids: &IdSet) -> String {
    let (were, them) =
        if ids.len() == 1 { ("was there already keeps its", "it") } else { ("were there already keep their", "them") };
    let (named, until) = (named(ids), until(ids));
    let run = if are_many(ids) { "ftpq run".to_owned() } else { format!("ftpq run {named}") };
    format!(
        "{} that {were} former settings: give the new ones to `{run}`, or `ftpq remove {named}` and add {them} again{until}",
        count(ids.len(), "job"),
    )
}

/// Numbers for an advice; the first of them where they are many.
fn named(ids: &IdSet) -> String {
    let first: IdSet = ids.ranges().take(NAMED).fold(IdSet::default(), |mut first, (low, high)| {
        first.insert_range(low, high);
        first
    });
    numbers(&first)
}

/// Whether an advice names only the first of them.
fn are_many(ids: &IdSet) -> bool {
    ids.ranges().nth(NAMED).is_some()
}

/// How an advice goes on that names only the first of them.
fn until(ids: &IdSet) -> &'static str {
    if are_many(ids) { ", until none is named" } else { "" }
}

fn were(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// Says once how a password on the command line is better given.
pub(super) fn warn_of_password(face: &mut Face<'_>) {
    let seen = match face.around.exposed {
        Some(_) => "can be seen by other users in the process list for as long as this runs",
        None => "could be seen in the process list until it was taken out, and stays in the shell's history",
    };
    face.complain(&format!(
        "a password in a URL on the command line {seen}; use --password-file, `ftpq login` or netrc"
    ));
}

/// Ctrl-C and its like, which from now on no longer end the process by themselves.
pub(super) fn interrupts() -> Result<Interrupt, Failed> {
    Interrupt::listen().map_err(|e| Failed::Io("the signal handlers can't be installed".to_owned(), e))
}

/// Reads all inputs and hands their jobs over; they are durable when this returns. Interrupted, it queues nothing.
pub(super) async fn enqueue(face: &mut Face<'_>, order: AddOrder, interrupt: &mut Interrupt) -> Result<Queued, Failed> {
    let AddOrder { inputs, read, login, settings, skip_bad, may_lend } = order;
    if inputs.iter().any(Input::shows_password) {
        warn_of_password(face);
    }
    let desk = face.desk().await?;
    let mut taking = Taking {
        intake: desk.intake().await?,
        login,
        settings,
        handed: Handed::default(),
        good: 0,
        may_lend,
        lent: Vec::new(),
        agreed: None,
    };
    let mut bad = Bad::default();
    'reading: for input in inputs {
        let mut feed = Feed::open(face, input, &read)?;
        loop {
            let (rest, chunk) = tokio::select! {
                biased;
                () = interrupt.recv() => return Err(Failed::Interrupted("nothing was queued")),
                read = feed.next() => read?,
            };
            for warning in &chunk.warnings {
                bad.warn(face, warning);
            }
            if chunk.entries.is_empty() {
                break;
            }
            feed = rest;
            let mut entries = Vec::with_capacity(chunk.entries.len());
            for entry in chunk.entries {
                match entry {
                    Ok(entry) => entries.push(entry),
                    Err(error) => bad.note(face, &error),
                }
            }
            // One bad line decides; the rest is read only to report what else is wrong.
            if skip_bad || bad.lines == 0 {
                taking.hand_over(face, entries).await?;
            } else if bad.lines >= ENOUGH {
                bad.stopped = true;
                break 'reading;
            }
        }
    }
    bad.close(face, skip_bad, taking.good)?;
    for credential in taking.login.ask(face, &*desk).await? {
        taking.hand_password(credential).await?;
    }
    if interrupt.has_come() {
        return Err(Failed::Interrupted("nothing was queued"));
    }
    // A signal does not keep from being told what is durable by now.
    let guard = interrupt.guard();
    let added = taking.intake.accept().await?;
    drop(guard);
    if !face.global.quiet {
        for line in corrections(&added) {
            face.complain(&line);
        }
    }
    let skipped = skip_bad.then_some(bad.lines);
    Ok(Queued { added, skipped, before: DoneBefore::default(), rechecked: None, lent: taking.lent })
}

/// An intake, and what completes the jobs on their way to it.
struct Taking {
    intake: Box<dyn Intake>,
    login: Login,
    settings: Settings,
    handed: Handed,
    good: u64,
    may_lend: bool,
    lent: Vec<Credential>,
    /// The last account and settings that were found to agree.
    agreed: Option<(Account, Settings)>,
}

impl Taking {
    async fn hand_over(&mut self, face: &mut Face<'_>, entries: Vec<Entry>) -> Result<(), Failed> {
        let mut jobs: Vec<JobSpec> = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut spec = entry.spec;
            if let Some(text) = spec.folder.as_ref().and_then(|folder| folder.pattern.as_deref()) {
                Pattern::parse(text).map_err(|e| Failed::Usage(format!("{}: {e}; nothing was queued", spec.source)))?;
            }
            spec.settings = self.settings.or(&spec.settings);
            let (spec, credential) = self.login.complete(spec, entry.secret)?;
            self.agree(&spec)?;
            let mirrors = entry.mirror_secrets.into_iter();
            let mirrors = mirrors.map(|(account, secret)| self.login.of_mirror(account, secret, &spec.settings));
            let credentials: Vec<Credential> = credential.into_iter().chain(mirrors).collect();
            jobs.push(spec);
            for credential in credentials {
                let (needed, warning) = self.handed.take(&credential.account, &credential.secret, credential.tls);
                if let Some(warning) = warning {
                    face.complain(&warning);
                }
                if needed {
                    self.hand_password(credential).await?;
                }
            }
        }
        self.good += jobs.len() as u64;
        if !jobs.is_empty() {
            self.intake.push(jobs).await?;
        }
        Ok(())
    }

    async fn hand_password(&mut self, credential: Credential) -> Result<(), Failed> {
        if !credential.stored {
            if !self.may_lend {
                let login = credential.account.credential();
                return Err(Failed::Usage(format!(
                    "--no-store: add starts no run, so the password for {login} would be lost; nothing was queued: use \
                     get, or leave --no-store out"
                )));
            }
            self.lent.push(credential.clone());
        }
        Ok(self.intake.credential(credential).await?)
    }

    /// Sees that a job's settings go together with its URL, as the settings file is now.
    fn agree(&mut self, spec: &JobSpec) -> Result<(), Failed> {
        for source in spec.mirrors.iter().map(|mirror| &mirror.source).chain([&spec.source]) {
            self.agree_with(source, spec)?;
        }
        Ok(())
    }

    fn agree_with(&mut self, source: &Source, spec: &JobSpec) -> Result<(), Failed> {
        let account = source.account();
        if self.agreed.as_ref().is_some_and(|(known, settings)| known == account && *settings == spec.settings) {
            return Ok(());
        }
        let settings = spec.settings.or(&self.login.config.settings_for(&account.host_key()));
        if let Some(failure) = contradiction(&settings, account.scheme) {
            return Err(Failed::Usage(format!("{source}: {failure}; nothing was queued")));
        }
        self.agreed = Some((account.clone(), spec.settings.clone()));
        Ok(())
    }
}

/// The bad lines so far, and the warnings.
#[derive(Default)]
struct Bad {
    lines: u64,
    warnings: u64,
    fatal: bool,
    /// Reading stopped at so many.
    stopped: bool,
}

impl Bad {
    fn note(&mut self, face: &mut Face<'_>, error: &LineError) {
        self.lines += 1;
        self.fatal |= error.fatal;
        if self.lines <= REPORTED {
            face.complain(&error.to_string());
        }
    }

    /// Says what ftpq does without; never the end of anything.
    fn warn(&mut self, face: &mut Face<'_>, warning: &Warning) {
        self.warnings += 1;
        if self.warnings <= REPORTED {
            face.complain(&warning.to_string());
        }
    }

    /// Says how many more there were, and ends the command when nothing may be queued.
    fn close(&self, face: &mut Face<'_>, skip_bad: bool, good: u64) -> Result<(), Failed> {
        if self.warnings > REPORTED {
            face.complain(&format!("and {} more warnings", self.warnings - REPORTED));
        }
        if self.lines > REPORTED {
            face.complain(&format!("and {} more", self.lines - REPORTED));
        }
        if self.stopped {
            face.complain(&format!("after {} bad lines the rest was not read", self.lines));
        }
        if self.lines == 0 || (skip_bad && !self.fatal && good > 0) {
            return Ok(());
        }
        face.complain(match (self.fatal, skip_bad) {
            (true, _) => "nothing was queued: a manifest could not be read to its end",
            (false, true) => "nothing was queued: no line was good",
            (false, false) => "nothing was queued; mend the lines, or leave them out with --skip-bad",
        });
        Err(Failed::Manifest)
    }
}
