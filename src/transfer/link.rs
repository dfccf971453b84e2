//! A worker's control connection, opened when it is needed and again after it broke.

use super::recheck::Rechecks;
use super::tools::Tools;
use crate::ftp::{Dial, Session};
use crate::model::{Failure, Protection, Quirks, RemotePath};
use crate::wire::HashWay;

/// How to reach a server, and the session with it while there is one.
pub struct Link {
    dial: Dial,
    session: Option<Session>,
    rechecks: Rechecks,
    pub(super) tools: Tools,
}

impl Link {
    /// A link without a session, which asks what is still to be asked for its account.
    #[must_use]
    pub fn new(dial: Dial, rechecks: Rechecks) -> Self {
        Self { dial, session: None, rechecks, tools: Tools::default() }
    }

    /// What is still to be asked for its account.
    pub(super) fn rechecks(&self) -> &Rechecks {
        &self.rechecks
    }

    /// Whether a question about this file can travel with those about the next one, over the session that stands.
    pub(super) fn may_ask_along(&mut self, path: &RemotePath) -> bool {
        self.session.as_mut().is_some_and(|session| session.is_usable() && session.may_ask_along(path))
    }

    /// How the server is reached.
    #[must_use]
    pub fn dial(&self) -> &Dial {
        &self.dial
    }

    /// Sets how the next connections are made. Where that ends the session that stands, it puts its account's questions
    /// first.
    pub async fn change_options(&mut self, options: crate::ftp::SessionOptions) {
        if self.session.is_some() && options.tls != self.dial.options.tls {
            super::recheck::recheck(self).await;
        }
        if let Some(session) = &mut self.session {
            session.set_options(options.clone());
        }
        self.dial.options = options;
    }

    /// The session; a new one where there is none that can be used.
    ///
    /// # Errors
    /// When signing in fails.
    pub async fn session(&mut self) -> Result<&mut Session, Failure> {
        if let Some(broken) = self.session.take_if(|session| !session.is_usable()) {
            self.dial.quirks = broken.quirks();
            self.dial.strikes = broken.strikes();
            // One that is in order, but of no use any more, makes room for the next first.
            broken.quit().await;
        }
        match &mut self.session {
            Some(session) => Ok(session),
            empty => Ok(empty.insert(Session::open(&self.dial).await?)),
        }
    }

    /// The session, for one more question about a part of a file: also one over which no file is to come any more.
    ///
    /// # Errors
    /// When signing in fails.
    pub(super) async fn ranging(&mut self) -> Result<&mut Session, Failure> {
        if !self.session.as_mut().is_some_and(Session::answers) {
            self.session().await?;
        }
        match &mut self.session {
            Some(session) => Ok(session),
            empty => Ok(empty.insert(Session::open(&self.dial).await?)),
        }
    }

    /// Whether a session stands that can be used for another file.
    #[must_use]
    pub fn is_usable(&mut self) -> bool {
        self.session.as_mut().is_some_and(Session::is_usable)
    }

    /// Whether no session was opened because another of the account did not get in.
    #[must_use]
    pub fn is_turned_away(&self) -> bool {
        self.dial.ticket.as_ref().is_some_and(crate::ftp::Ticket::is_turned_away)
    }

    /// What is known of the server's ways.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        self.session.as_ref().map_or(self.dial.quirks, Session::quirks)
    }

    /// How its connections are protected: those of the session that stands, else of one to come. `None` where no TLS is
    /// asked for.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.session.as_ref().map_or_else(|| self.dial.options.tls.protection(), Session::protection)
    }

    /// What was held against sending several commands at once. Where it grew over a failure, that may have been the
    /// cause, and one more try goes more slowly.
    #[must_use]
    pub fn doubts(&self) -> (bool, bool, u8) {
        let quirks = self.quirks();
        (quirks.lockstep, quirks.no_queueing, self.session.as_ref().map_or(self.dial.strikes, Session::strikes))
    }

    /// The best way to ask the server for a checksum, as far as a session that stands knows one.
    pub(super) fn hash_way(&self) -> Option<HashWay> {
        self.session.as_ref().and_then(Session::hash_way)
    }

    /// The way to ask it for that of a part of a file, by the same function.
    pub(super) fn ranged_hash_way(&self, way: HashWay) -> Option<HashWay> {
        self.session.as_ref().and_then(|session| session.ranged_hash_way(way))
    }

    /// Puts in what other sessions learned of the server.
    pub fn learn(&mut self, quirks: Quirks) {
        self.dial.quirks = self.dial.quirks.merged(quirks);
        if let Some(session) = &mut self.session {
            session.set_quirks(session.quirks().merged(quirks));
        }
    }

    /// Notes that the server can't restart in the middle of a file.
    pub fn learn_no_rest(&mut self) {
        self.dial.quirks.no_rest = true;
        if let Some(session) = &mut self.session {
            let quirks = Quirks { no_rest: true, ..session.quirks() };
            session.set_quirks(quirks);
        }
    }

    /// Chooses what to change after data connections were refused for their TLS session: at first nothing but the
    /// session, whose tickets were perhaps too old or used up; then the version. Returns whether there was something
    /// left to change.
    pub fn step_down(&mut self, refusals: u8) -> bool {
        if refusals <= 1 {
            return true;
        }
        let can = self.session.as_ref().is_some_and(Session::can_step_down);
        self.dial.only_tls12 |= can;
        can
    }

    /// Takes the choice of TLS 1.2 back. Returns whether it had been made here, and not learned of the server.
    pub fn step_up(&mut self) -> bool {
        std::mem::take(&mut self.dial.only_tls12) && !self.dial.quirks.only_tls12
    }

    /// Closes a data connection that no transfer uses.
    pub fn let_go_of_data(&mut self) {
        if let Some(session) = &mut self.session {
            session.let_go_of_data();
        }
    }

    /// Signs off, within a second.
    pub async fn quit(mut self) {
        if let Some(session) = self.session.take() {
            session.quit().await;
        }
    }
}
