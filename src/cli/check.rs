//! One finished file against its receipt.

use super::crew::Hands;
use super::words::time;
use crate::disk::{DiskError, Finished, Found};
use crate::model::{Algorithm, Checksum, Job, Receipt, Standing};
use crate::policy::{is_as_finished, unix_seconds};

/// A file that is not as its receipt has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Off {
    pub(super) standing: Standing,
    /// In what it differs.
    pub(super) difference: String,
}

impl Off {
    fn new(standing: Standing, difference: impl Into<String>) -> Self {
        Self { standing, difference: difference.into() }
    }

    /// What to do about it.
    pub(super) fn advice(&self, job: &Job) -> String {
        let id = job.id;
        match self.standing {
            _ if job.record.receipt.as_ref().is_some_and(|receipt| receipt.left_alone) => format!(
                "`ftpq retry {id}`, then `ftpq run {id} --existing backup`, fetch the server's file and keep this one beside it"
            ),
            Standing::Right => String::new(),
            Standing::Missing => format!("`ftpq retry {}`, then `ftpq run`, fetches it again", job.id),
            Standing::Changed | Standing::Unprovable => format!(
                "`ftpq verify --retry {}` moves it aside and queues it again; where the change is meant, `ftpq remove {}`",
                job.id, job.id
            ),
            Standing::Unreadable => "see to permissions and disk, then verify it again".to_owned(),
        }
    }
}

impl From<DiskError> for Off {
    fn from(error: DiskError) -> Self {
        let standing = if error.is_replaced() { Standing::Changed } else { Standing::Unreadable };
        Self::new(standing, error.to_string())
    }
}

/// A digest for a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digested {
    pub(super) sum: Checksum,
    /// It was computed now; the receipt did not have it, or the file may have been written to since.
    pub(super) computed: bool,
}

/// Looks whether the file is here, and of the length that was recorded; nothing of it is read.
pub(super) fn look(job: &Job) -> Result<(), Off> {
    open(job).map(|_| ())
}

/// Compares the file with its receipt: by the best digest there is, else by its pieces, else by length and time. Returns by
/// what; nothing when it was stopped in between.
pub(super) fn verify(job: &Job, hands: &Hands) -> Option<Result<String, Off>> {
    let (file, receipt) = match open(job) {
        Ok(opened) => opened,
        Err(off) => return Some(Err(off)),
    };
    let Some(receipt) = receipt else {
        return Some(Err(Off::new(Standing::Unprovable, "no receipt of it is kept")));
    };
    if let Some(known) = receipt.known_digests().max_by_key(|sum| sum.algorithm()) {
        let sums = match file.digests(&[known.algorithm()], &|| hands.stopped(), &|count| hands.read(count)) {
            Ok(sums) => sums?,
            Err(error) => return Some(Err(error.into())),
        };
        return Some(compare(&sums, receipt).map(|()| known.algorithm().name().to_owned()));
    }
    if job.spec.expect.pieces.is_some() {
        return Some(compare_pieces(job, &file, hands)?.map(|()| "pieces".to_owned()));
    }
    Some(untouched(receipt, file.found(), false).map(|()| "size and time".to_owned()))
}

/// The digest of the file: the receipt's, where the file was surely not written to since; else computed, and compared with
/// all that the receipt has. Nothing when it was stopped in between.
pub(super) fn digest(job: &Job, algorithm: Algorithm, hands: &Hands) -> Option<Result<Digested, Off>> {
    let (file, receipt) = match open(job) {
        Ok(opened) => opened,
        Err(off) => return Some(Err(off)),
    };
    let known: Vec<&Checksum> = receipt.iter().flat_map(|receipt| receipt.known_digests()).collect();
    if let Some(sum) = known.iter().find(|sum| sum.algorithm() == algorithm)
        && receipt.is_some_and(|receipt| untouched(receipt, file.found(), true).is_ok())
    {
        return Some(Ok(Digested { sum: (*sum).clone(), computed: false }));
    }
    if known.is_empty() {
        let proved = match receipt {
            None => Err(Off::new(Standing::Unprovable, "no receipt of it is kept")),
            Some(_) if job.spec.expect.pieces.is_some() => compare_pieces(job, &file, hands)?,
            Some(receipt) => untouched(receipt, file.found(), false),
        };
        if let Err(off) = proved {
            return Some(Err(off));
        }
    }
    let mut wanted: Vec<Algorithm> = known.iter().map(|sum| sum.algorithm()).collect();
    if !wanted.contains(&algorithm) {
        wanted.push(algorithm);
    }
    let sums = match file.digests(&wanted, &|| hands.stopped(), &|count| hands.read(count)) {
        Ok(sums) => sums?,
        Err(error) => return Some(Err(error.into())),
    };
    if let Some(Err(off)) = receipt.map(|receipt| compare(&sums, receipt)) {
        return Some(Err(off));
    }
    sums.into_iter().find(|sum| sum.algorithm() == algorithm).map(|sum| Ok(Digested { sum, computed: true }))
}

/// The file, if it is one and has the length that was recorded, and its receipt.
fn open(job: &Job) -> Result<(Finished, Option<&Receipt>), Off> {
    let receipt = job.record.receipt.as_ref();
    let Some(file) = Finished::open(&job.spec.destination)? else {
        return Err(Off::new(Standing::Missing, "it is gone"));
    };
    // Nothing is known of one that was only left alone.
    match receipt.filter(|it| !it.left_alone).map(|it| it.size).filter(|&size| size != file.found().size) {
        Some(size) => {
            let text = format!("it has {} bytes, {size} by its receipt", file.found().size);
            Err(Off::new(Standing::Changed, text))
        }
        None => Ok((file, receipt)),
    }
}

/// Whether nothing was written to the file since it was proved, as far as its time tells. `surely` leaves out the second of the end itself.
fn untouched(receipt: &Receipt, found: Found, surely: bool) -> Result<(), Off> {
    if receipt.left_alone {
        return Err(Off::new(Standing::Unprovable, "it was here before, and was never compared (existing = skip)"));
    }
    let Some(modified) = found.modified else {
        return Err(Off::new(Standing::Unprovable, "no digest of it is known, and no time"));
    };
    let finished = i64::try_from(receipt.finished_at).unwrap_or(i64::MAX);
    // What is written to in that second has the same time.
    let is_sure = modified < finished || receipt.identity.modified.as_deref().and_then(unix_seconds) == Some(modified);
    if is_as_finished(receipt, found.size, found.modified) && (is_sure || !surely) {
        return Ok(());
    }
    let when = time(u64::try_from(modified).unwrap_or_default());
    let text =
        format!("its time is {when}, which is not the one it had when it was finished, and no digest of it is known");
    Err(Off::new(Standing::Unprovable, text))
}

fn compare(sums: &[Checksum], receipt: &Receipt) -> Result<(), Off> {
    for known in receipt.known_digests() {
        let found = sums.iter().find(|sum| sum.algorithm() == known.algorithm());
        if let Some(found) = found.filter(|&found| found != known) {
            let name = known.algorithm().name();
            let text = format!("its {name} is {}, by its receipt {}", found.text(), known.text());
            return Err(Off::new(Standing::Changed, text));
        }
    }
    Ok(())
}

fn compare_pieces(job: &Job, file: &Finished, hands: &Hands) -> Option<Result<(), Off>> {
    let pieces = job.spec.expect.pieces.as_ref()?;
    match file.wrong_piece(pieces, &|| hands.stopped(), &|count| hands.read(count)) {
        Err(error) => Some(Err(error.into())),
        Ok(None) => None,
        Ok(Some(None)) => Some(Ok(())),
        Ok(Some(Some(span))) => {
            let text = format!("bytes {} to {} are not those of the list's digests of pieces", span.start, span.end);
            Some(Err(Off::new(Standing::Changed, text)))
        }
    }
}
