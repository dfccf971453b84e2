//! A folder whose listing is not all of it: what a second one adds.

use super::expand::{Halt, Run};
use super::link::Link;
use super::rules::Rules;
use crate::ftp::ListingKind;
use crate::model::{Failure, FailureKind};
use crate::policy::SortedNames;
use crate::wire::listing::{Entry, Form, Item, Kind};
use std::collections::HashMap;

/// Entries of no known kind that are asked for one by one; where there are more, a listing of another form is cheaper.
const FEW: usize = 16;

/// What a server listed of a folder before it left the rest out.
pub(super) struct FirstPart {
    /// The names, in their order.
    pub(super) names: SortedNames,
    pub(super) form: Form,
    /// What the server said.
    pub(super) failure: Failure,
    /// Seconds since 1970-01-01 UTC.
    pub(super) now: i64,
}

/// Tells whether a name was listed.
type Lookup = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// One part of a folder, in the order of the names.
struct SortedPart {
    kind: ListingKind,
    /// What the server said when it left something out.
    cut: Failure,
    now: i64,
}

impl Run<'_> {
    /// Reads the folder in the order of its names, and then from the last one on. Costs one listing, and where the first was
    /// by MLSD, which Pure-FTPd does not sort, two.
    ///
    /// # Errors
    /// When the two parts are not all of the folder, besides the usual; what they hold was taken.
    pub(super) async fn read_from_both_ends(
        &mut self,
        rules: &Rules<'_>,
        link: &mut Link,
        first: FirstPart,
    ) -> Result<(), Halt> {
        let FirstPart { names, form, failure, now } = first;
        let hidden = form == Form::Machine;
        let order = |reversed| SortedPart { kind: ListingKind::Sorted { hidden, reversed }, cut: failure.clone(), now };
        let (mut sorted, mut is_known): (_, Option<Lookup>) = (names, None);
        if form == Form::Machine {
            let (count, mut met) = (sorted.count(), 0);
            let known: Lookup = Box::new(std::mem::take(&mut sorted).lookup());
            let mut is_new = |name: &[u8]| {
                sorted.take(name);
                met += usize::from(known(name));
                !known(name)
            };
            if self.read_part(rules, link, order(false), &mut is_new).await? {
                // A server that took the option for a name may have listed nothing, and confirmed it.
                return if met == count { Ok(()) } else { Err(self.in_part(failure)) };
            }
            is_known = Some(known);
        }
        let mut reversed = sorted.reversed();
        let mut is_new = |name: &[u8]| reversed.take(name) && !is_known.as_ref().is_some_and(|known| known(name));
        self.read_part(rules, link, order(true), &mut is_new).await?;
        if reversed.is_whole() { Ok(()) } else { Err(self.in_part(failure)) }
    }

    /// The failure of a folder that is known in part.
    fn in_part(&self, failure: Failure) -> Halt {
        let message = format!("{}: {} entries are known, others are not", failure.message, self.tally.entries);
        Failure { message, ..failure }.into()
    }

    /// Reads one part of a folder. Returns whether it is all of it.
    async fn read_part(
        &mut self,
        rules: &Rules<'_>,
        link: &mut Link,
        part: SortedPart,
        is_new: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<bool, Halt> {
        let path = self.task.job.spec.source.path();
        let mut listing = match link.session().await?.list_by(path, part.now, part.kind).await {
            Ok(listing) => listing,
            Err(refused) if refused.kind == FailureKind::Permanent => return Err(part.cut.into()),
            Err(other) => return Err(other.into()),
        };
        let is_all = loop {
            match listing.next().await {
                Ok(Some(Item::Entry(entry))) => {
                    if is_new(&entry.name) {
                        self.meet(rules, Item::Entry(entry)).await?;
                    }
                }
                // Of a line that is not understood nobody knows what it adds.
                Ok(Some(refused)) => self.meet(rules, refused).await?,
                Ok(None) => break true,
                // That is expected of it.
                Err(end) if end.cause == part.cut.cause => break false,
                Err(other) => return Err(other.into()),
            }
        };
        drop(listing);
        self.hand_over().await?;
        Ok(is_all)
    }

    /// Has LIST tell the kinds of entries of which MLSD does not, where they are many. Costs one listing.
    pub(super) async fn learn_kinds(
        &mut self,
        rules: &Rules<'_>,
        link: &mut Link,
        form: Form,
        now: i64,
    ) -> Result<(), Halt> {
        let is_unknown = |entry: &Entry| entry.kind == Kind::Unknown;
        if form != Form::Machine || self.unsure.iter().filter(|entry| is_unknown(entry)).count() <= FEW {
            return Ok(());
        }
        let path = self.task.job.spec.source.path();
        let mut listing = match link.session().await?.list_by(path, now, ListingKind::People).await {
            Ok(listing) => listing,
            // Then they are asked for one by one.
            Err(refused) if refused.kind == FailureKind::Permanent => return Ok(()),
            Err(other) => return Err(other.into()),
        };
        let (unknown, others) = std::mem::take(&mut self.unsure).into_iter().partition(is_unknown);
        self.unsure = others;
        let unknown: Vec<Entry> = unknown;
        let mut unknown: HashMap<Vec<u8>, Entry> = unknown.into_iter().map(|e| (e.name.clone(), e)).collect();
        let end = loop {
            match listing.next().await {
                Ok(Some(Item::Entry(told))) => {
                    let entry = if is_unknown(&told) { None } else { unknown.remove(&told.name) };
                    if let Some(entry) = entry {
                        let size = entry.size.or(told.size).filter(|_| told.kind == Kind::File);
                        let entry = Entry { kind: told.kind, size, ..entry };
                        self.sort(rules.judge(&entry), entry);
                        self.hand_over_in_time().await?;
                    }
                }
                Ok(Some(Item::Refused(_))) => {}
                Ok(None) => break None,
                // What it told is good all the same.
                Err(failure) => break Some(failure).filter(|failure| failure.kind != FailureKind::Permanent),
            }
        };
        drop(listing);
        self.unsure.extend(unknown.into_values());
        end.map_or(Ok(()), |failure| Err(failure.into()))
    }
}
