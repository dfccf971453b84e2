//! What the server says of the file before its transfer.

use super::gauge::Phase;
use super::link::Link;
use super::recheck::paths;
use super::task::{Halt, Run, on_disk};
use crate::disk::Place;
use crate::ftp::Inspected;
use crate::model::{Failure, FailureKind, Identity, Receipt, Stability, Stage, TransferType};
use crate::policy::{OVERLAP, expected_size};
use std::time::Duration;

/// Between two looks that show whether the server's times move by themselves: MDTM tells seconds.
pub(super) const TELLTALE: Duration = Duration::from_millis(1_100);

impl Run<'_> {
    /// What the server says of the file, which is likely to be fetched then.
    pub(super) async fn look(&mut self, place: &Place, link: &mut Link) -> Result<Identity, Halt> {
        // One that was finished before is likely to be the same.
        if self.kind() == TransferType::Ascii || self.earlier().is_some() {
            return self.inspect(link).await;
        }
        let likely = if link.quirks().no_rest || self.task.settings.resume == Some(false) {
            0
        } else {
            let part = on_disk(Stage::Plan, || place.part_file())?;
            part.map_or(0, |part| part.size.saturating_sub(OVERLAP))
        };
        self.ask(link, Some(likely)).await
    }

    /// As [`Run::look`], for the first time: finds out whether the server's times show anything, where that is in doubt.
    pub(super) async fn look_first(&mut self, place: &Place, link: &mut Link) -> Result<Identity, Halt> {
        let mut remote = self.look(place, link).await?;
        let reads_twice =
            |receipt: &Receipt| receipt.stability == Some(Stability::ReadTwice) && self.is_of_source(receipt);
        let host = self.source().account().host_key();
        // A server whose times moved may have been mended since.
        let was_read_twice = self.earlier().is_some_and(reads_twice) && !self.task.findings.has_resting_times(&host);
        if was_read_twice && self.task.findings.has_moving_times(&host) {
            self.twice = true;
            remote.modified = None;
            return Ok(remote);
        }
        if !was_read_twice && !self.doubts_time(&remote) {
            return Ok(remote);
        }
        self.or_stop(tokio::time::sleep(TELLTALE)).await?;
        let again = self.look(place, link).await?;
        if again.size != remote.size || again.modified == remote.modified {
            if was_read_twice {
                self.task.findings.note_resting_time(host);
            }
            return Ok(again);
        }
        self.task.findings.note_moving_time(self.source());
        self.twice = true;
        remote.modified = None;
        self.add_note("the server tells another time at each look, so the file is read twice and compared");
        Ok(remote)
    }

    /// What the server says of the file now.
    pub(super) async fn inspect(&mut self, link: &mut Link) -> Result<Identity, Halt> {
        self.ask(link, None).await
    }

    /// What the server says of the file. With an offset, a transfer is likely to begin there next.
    async fn ask(&mut self, link: &mut Link, likely: Option<u64>) -> Result<Identity, Halt> {
        let mut along = true;
        let remote = loop {
            self.task.gauge.set_phase(if link.is_usable() { Phase::Asking } else { Phase::Connecting });
            let doubts = link.doubts();
            let rechecks = link.rechecks().clone();
            let ask = async {
                let session = link.session().await?;
                self.task.gauge.set_phase(Phase::Asking);
                let questions = if along { rechecks.take_along() } else { Vec::new() };
                let also = paths(&questions);
                let Inspected { file, others } = if let Some(from) = likely {
                    session.inspect_ahead(self.path(), from, &also).await
                } else {
                    let others = session.inspect_all(&also).await.into_iter().map(Some).collect();
                    Inspected { file: session.inspect(self.path()).await, others }
                };
                let took_along = !questions.is_empty();
                rechecks.answer(questions, others);
                Ok::<_, Failure>((file, took_along))
            };
            match self.or_stop(ask).await?.unwrap_or_else(|failure| (Err(failure), false)) {
                (Ok(remote), _) => break remote,
                // The session may not have borne the others' questions.
                (Err(failure), true) if likely.is_none() && failure.kind == FailureKind::Transient => along = false,
                // Each kind of doubt comes up once or twice, so this has an end.
                (Err(failure), _) if link.doubts() != doubts && failure.kind == FailureKind::Transient => {
                    self.add_note(&format!("once more with fewer commands at once: {failure}"));
                }
                (Err(failure), _) => return Err(failure.into()),
            }
        };
        self.task.gauge.set_size(expected_size(&remote, &self.task.job.spec.expect));
        Ok(remote)
    }
}
