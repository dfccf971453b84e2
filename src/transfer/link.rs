//! A worker's control connection, opened when it is needed and again after it broke.

use super::tools::Tools;
use crate::ftp::{Dial, Session};
use crate::model::{Failure, Quirks};

/// How to reach a server, and the session with it while there is one.
pub struct Link {
    dial: Dial,
    session: Option<Session>,
    pub(super) tools: Tools,
}

impl Link {
    /// A link without a session.
    #[must_use]
    pub fn new(dial: Dial) -> Self {
        Self { dial, session: None, tools: Tools::default() }
    }

    /// How the server is reached.
    #[must_use]
    pub fn dial(&self) -> &Dial {
        &self.dial
    }

    /// Sets how the next data connections are opened.
    pub fn set_options(&mut self, options: crate::ftp::SessionOptions) {
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
        }
        match &mut self.session {
            Some(session) => Ok(session),
            empty => Ok(empty.insert(Session::open(&self.dial).await?)),
        }
    }

    /// Whether a session stands that can be used for another file.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_usable)
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

    /// Notes that the server can't restart in the middle of a file.
    pub fn learn_no_rest(&mut self) {
        self.dial.quirks.no_rest = true;
        if let Some(session) = &mut self.session {
            let quirks = Quirks { no_rest: true, ..session.quirks() };
            session.set_quirks(quirks);
        }
    }

    /// Signs off, within a second.
    pub async fn quit(mut self) {
        if let Some(session) = self.session.take() {
            session.quit().await;
        }
    }
}
