//! From the end of an attempt to what becomes of its job.

use crate::model::{Attempt, Cause, Failure, FailureKind, Job, Progress, Receipt, Settlement, Source, Stage};
use crate::policy::{Decision, Door, Next, Rules, Standing, after_failure, decide, given_up};
use crate::transfer::{End, Report};
use std::time::Duration;

/// When an attempt was made, and what chance says: all that is not in its report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Seconds since 1970-01-01 UTC at its start.
    pub(super) started: u64,
    /// Seconds since 1970-01-01 UTC at its end.
    pub(super) now: u64,
    /// Milliseconds it took.
    pub(super) millis: u64,
    /// A number from 0 to 1.
    pub(super) dice: f64,
    /// Failures in a row that are allowed.
    pub(super) retries: u32,
}

/// What becomes of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Settle it so.
    Settle(Box<Settlement>),
    /// Keep it in hand until the end of the run: local storage refuses it.
    Park(Option<Progress>),
    /// The host could not be reached: what becomes of the job depends on how the host's other sessions fare.
    Host(Attempt),
}

/// Which of a job's sources an attempt goes to.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) source: Source,
    /// Its position among the job's sources.
    pub(super) at: usize,
    /// Which of the sources are left alone in this run.
    pub(super) shut: Vec<bool>,
}

impl Chosen {
    /// The job's own source.
    pub(super) fn own(job: &Job) -> Self {
        Self { source: job.spec.source.clone(), at: 0, shut: Vec::new() }
    }

    /// What the job's story says of it: where there is but one source, nothing.
    fn told(&self, job: &Job) -> Option<Source> {
        job.spec.is_mirrored().then(|| self.source.clone())
    }
}

/// Looks at a file that is only to be left alone for a while, whatever number of failures is allowed.
const LOOKS: u32 = crate::transfer::LOOKS + 1;

/// Decides what becomes of a job after an attempt.
pub(super) fn fate(job: &Job, chosen: &Chosen, report: &Report, mut moment: Moment) -> Fate {
    if report.pause.is_some() {
        moment.retries = moment.retries.max(LOOKS);
    }
    let attempt = |report: &Report, failure: Option<&Failure>, moment: Moment| Attempt {
        source: chosen.told(job).map(Box::new),
        ..attempt(report, failure, moment)
    };
    let by_own_source = chosen.source == job.spec.source;
    let settlement = match &report.end {
        End::Completed(receipt) => {
            let receipt = Receipt { finished_at: moment.now, source: chosen.told(job), ..(**receipt).clone() };
            Settlement::Done { receipt: Box::new(receipt), attempt: attempt(report, None, moment), by_own_source }
        }
        End::Unchanged { same, receipt } => {
            let checked_at = same.map(|_| moment.now);
            Settlement::Unchanged { checked_at, receipt: receipt.clone(), by_own_source }
        }
        End::Stopped => Settlement::Release {
            attempt: (report.fetched > 0).then(|| attempt(report, None, moment)),
            progress: report.progress.clone(),
        },
        End::Failed(failure) => match failure.cause {
            cause if cause.is_held_back() => return Fate::Park(report.progress.clone()),
            // Nobody's fault, and it passes as soon as fewer files are open.
            Cause::Descriptors => Settlement::Release {
                attempt: (report.fetched > 0).then(|| attempt(report, Some(failure), moment)),
                progress: report.progress.clone(),
            },
            _ if is_host_trouble(failure) => return Fate::Host(attempt(report, Some(failure), moment)),
            Cause::TooManyConnections if is_before_login(failure) => Settlement::Release {
                attempt: (report.fetched > 0).then(|| attempt(report, Some(failure), moment)),
                progress: report.progress.clone(),
            },
            _ if job.spec.is_mirrored() && failure.is_of_source() => {
                let attempt = attempt(report, Some(failure), moment);
                next_source(job, chosen, attempt, report.progress.clone(), moment)
            }
            _ => failed(job, attempt(report, Some(failure), moment), report, failure, moment),
        },
    };
    let earliest = moment.now + whole_seconds(report.pause.unwrap_or_default());
    Fate::Settle(Box::new(no_sooner(settlement, earliest, moment.now)))
}

/// Whether the failure came before the login was through: then no job is to blame.
pub(super) fn is_before_login(failure: &Failure) -> bool {
    failure.is_before_login()
}

/// Whether the failure is the server's or the network's, and would meet any other file of the host as well.
pub(super) fn is_host_trouble(failure: &Failure) -> bool {
    failure.kind == FailureKind::Transient && failure.cause != Cause::TooManyConnections && is_before_login(failure)
}

/// Whether TLS with the server failed for good, on the control or on a data connection: it would for every other file of
/// the account too.
pub(super) fn is_untrusted(failure: &Failure) -> bool {
    let by_cause = matches!(failure.cause, Cause::Certificate | Cause::TlsRefused | Cause::TlsReuse);
    let over_tls = failure.stage == Stage::Secure || by_cause;
    over_tls && failure.kind != FailureKind::Transient && failure.cause != Cause::Descriptors
}

/// A report of an attempt that did not get past signing in.
pub(super) fn not_signed_in(job: &Job, failure: Failure) -> Report {
    Report {
        from: 0,
        fetched: 0,
        gained: 0,
        note: None,
        progress: job.record.progress.clone(),
        device: None,
        pause: None,
        end: End::Failed(failure),
    }
}

/// What follows the failure of one of several sources.
pub(super) fn next_source(
    job: &Job,
    chosen: &Chosen,
    attempt: Attempt,
    progress: Option<Progress>,
    moment: Moment,
) -> Settlement {
    let mut record = job.record.clone();
    record.note_trouble(&attempt);
    let expect = &job.spec.expect;
    let rules = Rules { retries: moment.retries, provable: expect.checksum.is_some() || expect.pieces.is_some() };
    let standing = |(at, (priority, source)): (usize, (u32, &Source))| {
        let is_shut = chosen.shut.get(at).is_some_and(|&shut| shut);
        let (door, trouble) = (if is_shut { Door::Shut } else { Door::Open }, record.trouble(source));
        Standing { priority, trouble, door, speed: None }
    };
    let standings: Vec<Standing> = job.spec.sources().enumerate().map(standing).collect();
    match after_failure(&standings, chosen.at, rules, moment.dice) {
        Next::Source => Settlement::RetryAt { at: moment.now, attempt, progress },
        Next::RetryIn(wait) => Settlement::RetryAt { at: moment.now + whole_seconds(wait), attempt, progress },
        Next::GiveUp => give_up(job, attempt, progress),
    }
}

/// The source of the attempt that a settlement tells of.
pub(super) fn attempt_source(settlement: &Settlement, job: &Job) -> Source {
    let attempt = match settlement {
        Settlement::Done { attempt, .. } | Settlement::RetryAt { attempt, .. } | Settlement::GiveUp { attempt, .. } => {
            Some(attempt)
        }
        Settlement::Release { attempt, .. } => attempt.as_ref(),
        Settlement::Unchanged { .. } => None,
    };
    attempt.and_then(|attempt| attempt.source.as_deref()).unwrap_or(&job.spec.source).clone()
}

/// When a job is to be tried again.
pub(super) fn retry_at(settlement: &Settlement) -> Option<u64> {
    match settlement {
        Settlement::RetryAt { at, .. } => Some(*at),
        _ => None,
    }
}

/// Why a job that is given up has failed, in all.
pub(super) fn verdict(settlement: &Settlement, job: &Job) -> Option<Failure> {
    matches!(settlement, Settlement::GiveUp { .. }).then(|| {
        let mut record = job.record.clone();
        settlement.clone().write_to(&mut record);
        record.failure
    })?
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The job is not tried again by itself: what its last failure says is what a person can do now.
pub(super) fn give_up(job: &Job, attempt: Attempt, progress: Option<Progress>) -> Settlement {
    let failure = attempt.failure.map(|failure| given_up(failure, job.id));
    Settlement::GiveUp { attempt: Attempt { failure, ..attempt }, progress }
}

/// The same no sooner than at that time, unless another source is tried at once.
fn no_sooner(settlement: Settlement, earliest: u64, now: u64) -> Settlement {
    match settlement {
        Settlement::RetryAt { at, attempt, progress } if at > now => {
            Settlement::RetryAt { at: at.max(earliest), attempt, progress }
        }
        other => other,
    }
}

fn failed(job: &Job, attempt: Attempt, report: &Report, failure: &Failure, moment: Moment) -> Settlement {
    let fruitless = if attempt.is_fruitful() { 0 } else { job.record.fruitless.saturating_add(1) };
    let progress = report.progress.clone();
    match decide(failure, fruitless, moment.retries, moment.dice) {
        Decision::RetryIn(wait) => Settlement::RetryAt { at: moment.now + whole_seconds(wait), attempt, progress },
        Decision::GiveUp => give_up(job, attempt, progress),
    }
}

fn attempt(report: &Report, failure: Option<&Failure>, moment: Moment) -> Attempt {
    Attempt {
        started_at: moment.started,
        ended_at: moment.now,
        from: report.from,
        fetched: report.fetched,
        gained: report.gained,
        millis: moment.millis,
        note: report.note.clone(),
        failure: failure.cloned(),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, JobId, JobRecord, JobSpec, JobState, RelPath};

    fn job(fruitless: u32) -> Job {
        let place = Destination::new("/d", RelPath::new("a").unwrap()).unwrap();
        let spec = JobSpec::new("ftp://h/a".parse().unwrap(), place);
        let record = JobRecord { fruitless, ..JobRecord::default() };
        Job { id: JobId(1), state: JobState::Running, spec, record }
    }

    fn report(gained: u64, failure: Failure) -> Report {
        Report { gained, fetched: gained, ..not_signed_in(&job(0), failure) }
    }

    const MOMENT: Moment = Moment { started: 100, now: 200, millis: 100_000, dice: 0.0, retries: 3 };

    fn settled(fruitless: u32, report: &Report) -> Settlement {
        match fate(&job(fruitless), &Chosen::own(&job(0)), report, MOMENT) {
            Fate::Settle(settlement) => *settlement,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn progress_begins_the_count_of_failures_anew() {
        let dropped = || Failure::transient(Stage::Retrieve, Cause::Disconnected, "x");
        assert!(matches!(settled(2, &report(0, dropped())), Settlement::RetryAt { at: 204, .. }));
        assert!(matches!(settled(3, &report(0, dropped())), Settlement::GiveUp { .. }));
        assert!(matches!(settled(3, &report(100_000, dropped())), Settlement::RetryAt { at: 201, .. }));
        // What one overlap costs is no progress.
        assert!(matches!(settled(3, &report(16_384, dropped())), Settlement::GiveUp { .. }));
    }

    /// A file that was written to a moment ago is waited for even where no failure is allowed, but not for ever.
    #[test]
    fn a_file_that_is_to_be_left_alone_for_a_while_is_no_failure_yet() {
        let young = Failure::transient(Stage::Inspect, Cause::Changed, "x");
        let report = Report { pause: Some(Duration::from_secs(5)), ..report(0, young) };
        let settled = |fruitless| {
            let moment = Moment { retries: 0, ..MOMENT };
            match fate(&job(fruitless), &Chosen::own(&job(0)), &report, moment) {
                Fate::Settle(settlement) => *settlement,
                other => panic!("{other:?}"),
            }
        };
        assert!(matches!(settled(0), Settlement::RetryAt { at: 205, .. }), "{:?}", settled(0));
        assert!(matches!(settled(3), Settlement::RetryAt { at: 208, .. }), "{:?}", settled(3));
        assert!(matches!(settled(LOOKS), Settlement::GiveUp { .. }));
    }

    #[test]
    fn too_many_connections_never_counts_against_the_job() {
        let refused = Failure::transient(Stage::Login, Cause::TooManyConnections, "x");
        assert!(matches!(settled(3, &report(0, refused)), Settlement::Release { attempt: None, .. }));
    }

    /// A server that takes every login and refuses every RETR would otherwise be asked for ever.
    #[test]
    fn too_many_transfers_count_against_the_job() {
        let refused = || Failure::transient(Stage::Retrieve, Cause::TooManyConnections, "x");
        assert!(matches!(settled(0, &report(0, refused())), Settlement::RetryAt { .. }));
        assert!(matches!(settled(3, &report(0, refused())), Settlement::GiveUp { .. }));
    }

    /// Forty thousand jobs must not each try a server that shows the wrong certificate.
    #[test]
    fn a_refused_certificate_is_given_up_at_once_and_concerns_every_job() {
        for (failure, untrusted) in [
            (Failure::permanent(Stage::Secure, Cause::Certificate, "x"), true),
            (Failure::permanent(Stage::Data, Cause::Certificate, "x"), true),
            (Failure::permanent(Stage::Secure, Cause::TlsRefused, "x"), true),
            (Failure::local(Stage::Secure, Cause::LocalIo, "x"), true),
            (Failure::transient(Stage::Secure, Cause::Disconnected, "x"), false),
            (Failure::transient(Stage::Data, Cause::TlsReuse, "x"), false),
            (Failure::permanent(Stage::Data, Cause::TlsReuse, "x"), true),
            (Failure::permanent(Stage::Login, Cause::LoginRefused, "x"), false),
            (Failure::local(Stage::Store, Cause::LocalIo, "x"), false),
        ] {
            assert_eq!(is_untrusted(&failure), untrusted, "{failure:?}");
            let given_up = untrusted.then(|| matches!(settled(0, &report(0, failure)), Settlement::GiveUp { .. }));
            assert_ne!(given_up, Some(false));
        }
    }

    #[test]
    fn a_host_out_of_reach_is_no_fault_of_the_job() {
        let unreachable = Failure::transient(Stage::Connect, Cause::Unreachable, "x");
        assert!(matches!(fate(&job(9), &Chosen::own(&job(9)), &report(0, unreachable), MOMENT), Fate::Host(_)));
    }

    #[test]
    fn a_full_disk_parks_the_job() {
        let full = Failure::local(Stage::Store, Cause::DiskFull, "x");
        assert!(matches!(fate(&job(0), &Chosen::own(&job(0)), &report(5, full), MOMENT), Fate::Park(_)));
    }

    /// A disk that is full or read-only, or a limit of this process, is nothing that trying again by itself can mend, and
    /// nothing that another run may not go on with.
    #[test]
    fn what_local_storage_refuses_costs_no_attempt() {
        for cause in [Cause::DiskFull, Cause::ReadOnly, Cause::FileTooLarge, Cause::Backup] {
            let refused = Failure::local(Stage::Store, cause, "x");
            assert!(
                matches!(fate(&job(9), &Chosen::own(&job(9)), &report(0, refused), MOMENT), Fate::Park(_)),
                "{cause:?}"
            );
        }
        for stage in [Stage::Connect, Stage::Data, Stage::Store, Stage::Secure] {
            let pressed = Failure::local(stage, Cause::Descriptors, "x");
            assert!(matches!(settled(9, &report(0, pressed)), Settlement::Release { attempt: None, .. }), "{stage:?}");
        }
        let one_file = Failure::local(Stage::Store, Cause::LocalIo, "x");
        assert!(matches!(settled(0, &report(0, one_file)), Settlement::GiveUp { .. }));
    }

    #[test]
    fn only_what_would_meet_every_file_is_the_hosts_trouble() {
        assert!(is_host_trouble(&Failure::transient(Stage::Connect, Cause::Unreachable, "x")));
        assert!(!is_host_trouble(&Failure::transient(Stage::Retrieve, Cause::Timeout, "x")));
        assert!(!is_host_trouble(&Failure::transient(Stage::Login, Cause::TooManyConnections, "x")));
        assert!(!is_host_trouble(&Failure::permanent(Stage::Login, Cause::LoginRefused, "x")));
    }
}
