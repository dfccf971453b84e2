//! Files whose bytes are all there, and that the server is still to be asked about: their questions travel with the next
//! file's, and where there is none, a session at rest puts them.

use super::dispatcher::Dispatcher;
use super::hosts::Hosts;
use super::worker::{Shop, Word};
use crate::model::Account;
use crate::queue::QueueError;
use crate::transfer::{Link, recheck};
use std::sync::Arc;
use std::time::Duration;

/// A question that waited for so long for a file to travel with is put by itself.
const LONG: Duration = Duration::from_secs(1);

/// No session is waited for any longer.
const LONGEST: Duration = Duration::from_secs(8);

impl Dispatcher {
    /// Looks for questions that were put back: whoever took them along has another transfer to do.
    pub(super) fn look_for_questions(&mut self) {
        let Hosts { accounts, unasked, .. } = &mut self.hosts;
        let waiting =
            accounts.iter().filter(|(_, books)| !books.rechecks.is_empty()).map(|(account, _)| account.clone());
        unasked.extend(waiting);
    }

    /// Has sessions at rest put the questions of their accounts. Where a next file is about to come, they wait for it, though
    /// not for long.
    pub(super) fn recheck(&mut self) {
        for account in std::mem::take(&mut self.hosts.unasked) {
            let waits = self.hosts.has_work(&account) && self.hosts.books(&account).rechecks.since() < LONG;
            match self.hosts.take_question(&account, waits) {
                Errand::None => {}
                Errand::Wait => drop(self.hosts.unasked.insert(account)),
                Errand::Ask(link) => drop(tokio::spawn(Arc::clone(&self.shop).recheck(*link))),
            }
        }
    }

    /// Takes back a session that has put its account's questions.
    pub(super) async fn rechecked(&mut self, link: Link) -> Result<(), QueueError> {
        let (account, quirks) = (link.dial().account.clone(), link.quirks());
        self.put_by(&account, link, true);
        self.learn(&account.host_key(), quirks).await
    }
}

impl Shop {
    pub(super) async fn recheck(self: Arc<Self>, mut link: Link) {
        let account = link.dial().account.clone();
        let asked = tokio::spawn(async move {
            recheck(&mut link).await;
            Box::new(link)
        });
        // Where it broke down, its session is gone.
        let word = asked.await.map_or_else(|_| Word::RecheckLost(account), Word::Rechecked);
        // Nobody listens any more only when the run is over and the process ends.
        let _ = self.words.send(word);
    }
}

/// What is to be done about the questions of an account.
enum Errand {
    /// Nothing: they were put, or can't be.
    None,
    /// They are put later.
    Wait,
    /// This session puts them.
    Ask(Box<Link>),
}

impl Hosts {
    fn take_question(&mut self, account: &Account, waits: bool) -> Errand {
        let books = self.books(account);
        if books.rechecks.is_empty() {
            return Errand::None;
        }
        if books.links == 0 {
            // No session is left that will ever ask.
            books.rechecks.forget();
            return Errand::None;
        }
        if waits {
            return Errand::Wait;
        }
        if let Some(link) = self.take_idle(account) {
            return Errand::Ask(Box::new(link));
        }
        let books = self.books(account);
        if books.rechecks.since() < LONGEST {
            return Errand::Wait;
        }
        // The sessions that are left have long to do: the file is taken up again by one of its own.
        books.rechecks.forget();
        Errand::None
    }
}
