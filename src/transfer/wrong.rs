//! A file whose bytes are all there, and not right: the bad ranges are fetched again where they can be found, else all of
//! it once; then it is kept aside, under a name that tells.

use super::finisher::Content;
use super::link::Link;
use super::patch::Patch;
use super::prove::Word;
use super::task::{Halt, Run, on_disk};
use crate::disk::{PartFile, Place, Surveyed, Wanted};
use crate::model::{Cause, Checksum, Failure, Identity, PieceDigests, Progress, Proof, Span, Stage, TransferType};
use crate::wire::HashWay;

/// Times that bad ranges of a file are fetched again in one attempt.
const MENDS: u32 = 3;
/// Questions to the server for the place of what is wrong.
const QUESTIONS: u32 = 40;
/// Ranges of which one has to be right for the others to be worth looking at.
const TELLING: u32 = 6;
/// A smaller range is not divided to find it.
const GRAIN: u64 = 64 * 1024;
/// The same as a part of the file.
const GRAINS: u64 = 512;

/// What was found wrong.
pub(super) struct Wrong {
    /// What the file was to be, where it is one checksum; else its pieces are wrong.
    pub(super) word: Option<Word>,
    /// How the server gave it, if it was the server.
    pub(super) way: Option<HashWay>,
    pub(super) surveyed: Surveyed,
}

impl Wrong {
    /// What is wrong, and by whose word.
    fn text(&self, pieces: Option<&PieceDigests>, size: u64) -> String {
        let Some(Word { checksum, proof }) = &self.word else { return self.pieces_text(pieces, size) };
        let found = self.surveyed.digest(checksum.algorithm()).map_or_else(String::new, Checksum::to_string);
        let gives = match proof {
            Proof::Sidecar { name } => format!("{} on the server gives", crate::model::printable(name, 200)),
            Proof::Server { command } => format!("the server's {command} gives"),
            _ => "the manifest gives".to_owned(),
        };
        format!("the checksum is {found}, {gives} {checksum}")
    }

    fn pieces_text(&self, pieces: Option<&PieceDigests>, size: u64) -> String {
        let (count, length) = pieces.map_or((0, 0), |pieces| (pieces.count(), pieces.length()));
        if let Some(first) = self.surveyed.wrong.first().filter(|_| pieces.is_some_and(|pieces| pieces.fit(size))) {
            let bytes: u64 = bytes_in(&self.surveyed.wrong);
            let at = first.start;
            return format!(
                "{bytes} bytes, from offset {at} on, are in pieces whose digests the manifest gives otherwise"
            );
        }
        format!(
            "the manifest gives digests for {count} pieces of {length} bytes, which do not fit a file of {size} bytes"
        )
    }

    /// What its kind is called in a file's name.
    fn kind(&self) -> &'static str {
        self.word.as_ref().map_or("pieces", |word| word.checksum.algorithm().name())
    }

    fn advice(&self) -> String {
        let ask = match self.word.as_ref().map(|word| &word.proof) {
            Some(Proof::Sidecar { .. }) => {
                "the server's file or what stands beside it is wrong: ask the server's operator, then ftpq retry; without \
                 --sidecars no checksum is looked for there"
            }
            Some(Proof::Server { .. }) => {
                "the server's file or what it computes is wrong: ask its operator, then ftpq retry; --server-hash off does \
                 without its word"
            }
            _ => "the manifest or the server's file is wrong: compare with the publisher's list, then ftpq retry",
        };
        ask.to_owned()
    }
}

impl Run<'_> {
    /// What follows from a file that is wrong.
    pub(super) async fn is_wrong(
        &mut self,
        place: &Place,
        content: Content,
        (remote, size): (&Identity, u64),
        wrong: Wrong,
        link: &mut Link,
    ) -> Halt {
        self.digest = None;
        let text = wrong.text(self.pieces.as_deref(), size);
        let mended = match &content {
            Content::Part(part) if self.may_mend(remote, size, link) => {
                match self.find_wrong(place, part, size, &wrong, link).await {
                    Ok(spans) => self.mend(&spans, size, &text).await,
                    Err(halt) => return halt,
                }
            }
            _ => Ok(None),
        };
        match mended {
            Err(halt) => return halt,
            Ok(Some(patch)) => {
                // What comes now is this source's to answer for.
                self.foreign = None;
                return Halt::Mend(patch);
            }
            Ok(None) => {}
        }
        // Whose bytes are wrong can't be known; from its start, this source's file is judged for itself.
        let foreign = self.foreign.take().is_some();
        // Where another source may have the right one, nothing is asked of this one twice.
        let is_enough = self.wrong > 0 || (self.from == 0 && self.task.job.spec.is_mirrored());
        if foreign || !is_enough {
            self.wrong = 1;
            return Halt::Again(Some(text));
        }
        let again = if self.wrong > 0 { ", also when it was fetched once more" } else { "" };
        match keep_aside(place, content, wrong.kind()) {
            Err(halt) => halt,
            Ok(name) => {
                self.progress = None;
                let message = format!("{text}{again}; the bad file is kept as {name}");
                Failure::permanent(Stage::Verify, Cause::WrongChecksum, message).with_advice(wrong.advice()).into()
            }
        }
    }

    /// Whether ranges of the file may be fetched again by themselves.
    fn may_mend(&self, remote: &Identity, size: u64, link: &Link) -> bool {
        self.mends < MENDS
            && self.kind() == TransferType::Image
            && remote.size == Some(size)
            && self.task.settings.resume.unwrap_or(true)
            && !link.quirks().no_rest
    }

    /// The ranges that are wrong, where they can be found: by the list's digests of pieces, or by the server's of ranges.
    async fn find_wrong(
        &mut self,
        place: &Place,
        part: &PartFile,
        size: u64,
        wrong: &Wrong,
        link: &mut Link,
    ) -> Result<Vec<Span>, Halt> {
        let pieces = self.pieces.clone().filter(|pieces| pieces.fit(size));
        if wrong.word.is_none() {
            return Ok(if pieces.is_some() { wrong.surveyed.wrong.clone() } else { Vec::new() });
        }
        if pieces.is_some() {
            let wanted = Wanted { whole: Vec::new(), pieces };
            let shared = on_disk(Stage::Verify, || part.share())?;
            let work = move |stop: Box<dyn Fn() -> bool>| shared.survey(&wanted, &stop);
            return Ok(self.compute(work, place).await?.wrong);
        }
        match wrong.way.and_then(|way| link.ranged_hash_way(way)) {
            Some(way) => self.narrow_down(place, part, (way, size), link).await,
            None => Ok(Vec::new()),
        }
    }

    /// Finds what is wrong by asking the server for the checksums of ever smaller ranges.
    async fn narrow_down(
        &mut self,
        place: &Place,
        part: &PartFile,
        (way, size): (HashWay, u64),
        link: &mut Link,
    ) -> Result<Vec<Span>, Halt> {
        let grain = GRAIN.max(size / GRAINS);
        let mut questions = Questions { way, left: QUESTIONS, asked: 0, agreed: 0, inclusive: true };
        let mut doubtful = vec![Span { start: 0, end: size }];
        let mut found = Vec::new();
        while let Some(span) = doubtful.pop() {
            if questions.asked >= TELLING && questions.agreed == 0 {
                // It is another file, or the server has one answer for everything.
                return Ok(Vec::new());
            }
            if span.end - span.start <= grain || questions.left < 2 {
                found.push(span);
                continue;
            }
            let middle = span.start + (span.end - span.start) / 2;
            let (left, right) = (Span { end: middle, ..span }, Span { start: middle, ..span });
            let Some(left_is_right) = self.agree(place, part, left, &mut questions, link).await? else {
                return Ok(Vec::new());
            };
            if left_is_right {
                // What is wrong has to be in the other half.
                doubtful.push(right);
                continue;
            }
            let Some(right_is_right) = self.agree(place, part, right, &mut questions, link).await? else {
                return Ok(Vec::new());
            };
            if !right_is_right {
                doubtful.push(right);
            }
            doubtful.push(left);
        }
        Ok(found)
    }

    /// Whether the server's checksum of a range is ours; nothing where it gives none.
    async fn agree(
        &mut self,
        place: &Place,
        part: &PartFile,
        span: Span,
        questions: &mut Questions,
        link: &mut Link,
    ) -> Result<Option<bool>, Halt> {
        loop {
            questions.left = questions.left.saturating_sub(1);
            let last = if questions.inclusive { span.end - 1 } else { span.end };
            let path = self.path().clone();
            let way = questions.way;
            let asked = async { link.ranging().await?.hash_range(&path, way, (span, last)).await };
            let theirs = match self.or_stop(asked).await? {
                Ok(Ok(sum)) => sum,
                Ok(Err(no)) => {
                    self.add_note(&format!("the server does not tell where the file is wrong, {}", no.why));
                    return Ok(None);
                }
                Err(failure) => {
                    self.add_note(&format!("the server does not tell where the file is wrong: {}", failure.message));
                    return Ok(None);
                }
            };
            let other = Span { end: last, ..span };
            let algorithm = way.algorithm;
            let shared = on_disk(Stage::Verify, || part.share())?;
            let may_be_exclusive = questions.inclusive;
            let work = move |stop: Box<dyn Fn() -> bool>| {
                let Some(own) = shared.digest_of_range(algorithm, span, &stop)? else { return Ok(None) };
                let short = if own != theirs.digest() && may_be_exclusive && other.end > other.start {
                    shared.digest_of_range(algorithm, other, &stop)?
                } else {
                    None
                };
                Ok(Some((own == theirs.digest(), short.is_some_and(|short| short == theirs.digest()))))
            };
            match self.compute(work, place).await? {
                // It takes the end for the byte behind the last one: asked again, so that this byte is in.
                (false, true) => questions.inclusive = false,
                (same, _) => {
                    questions.asked += 1;
                    questions.agreed += u32::from(same);
                    return Ok(Some(same));
                }
            }
        }
    }

    /// Writes down that some ranges are wrong, so that they are fetched again whatever happens. Nothing where too much is
    /// wrong for that to be worth while.
    async fn mend(&mut self, spans: &[Span], size: u64, text: &str) -> Result<Option<Patch>, Halt> {
        let bad = bytes_in(spans);
        if bad == 0 || bad > size / 2 {
            return Ok(None);
        }
        let held = complement(spans, size);
        let beginning = held.first().filter(|span| span.start == 0).map_or(0, |span| span.end);
        let Some(old) = self.progress.clone() else { return Ok(None) };
        self.mends += 1;
        let progress = Progress {
            durable: old.durable.min(beginning),
            durable_ranges: Vec::new(),
            ranges: held.clone(),
            wrong: self.wrong,
            ..old
        };
        let recorded = self.task.queue.checkpoint(self.task.job.id, progress.clone()).await;
        recorded.map_err(|error| super::ledger::unrecorded(&error))?;
        self.progress = Some(progress);
        let why = format!("{text}: {bad} of {size} bytes, from offset {} on, are fetched again", first(spans));
        Ok(Some(Patch { held, why: Some(why) }))
    }
}

/// Gives the bad file a name that tells so. Returns the name.
fn keep_aside(place: &Place, content: Content, kind: &str) -> Result<String, Halt> {
    on_disk(Stage::Verify, || {
        let part = match content {
            Content::Part(part) => part,
            Content::Bytes(bytes) => {
                let part = place.open_part()?;
                part.truncate(0)?;
                part.write_at(&bytes, 0)?;
                part
            }
        };
        // It is the beginning of nothing any more.
        part.clear_label();
        let name = place.keep_wrong(kind)?;
        // What was kept of the file before is as wrong.
        place.drop_old()?;
        Ok(name)
    })
    .map(|name| crate::model::printable(&name, 300))
}

/// How a server is asked for the checksums of ranges.
struct Questions {
    way: HashWay,
    left: u32,
    /// Ranges that were compared, and those of them that were right.
    asked: u32,
    agreed: u32,
    /// Whether it takes a range's end for its last byte.
    inclusive: bool,
}

fn bytes_in(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.end - span.start).sum()
}

fn first(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.start).min().unwrap_or(0)
}

/// What of a file of `size` bytes is in none of the ranges.
fn complement(spans: &[Span], size: u64) -> Vec<Span> {
    let mut spans = spans.to_vec();
    spans.sort_unstable();
    let mut held = Vec::new();
    let mut at = 0;
    for span in spans {
        if span.start > at {
            held.push(Span { start: at, end: span.start });
        }
        at = at.max(span.end);
    }
    if at < size {
        held.push(Span { start: at, end: size });
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wrong_is_kept() {
        let spans = |pairs: &[(u64, u64)]| pairs.iter().copied().map(Span::from).collect::<Vec<_>>();
        for (wrong, held) in [
            (&[(0, 10)][..], &[(10, 100)][..]),
            (&[(90, 100)], &[(0, 90)]),
            (&[(50, 60), (20, 30), (30, 40)], &[(0, 20), (40, 50), (60, 100)]),
            (&[(0, 100)], &[]),
            (&[], &[(0, 100)]),
        ] {
            assert_eq!(complement(&spans(wrong), 100), spans(held), "{wrong:?}");
        }
    }
}
