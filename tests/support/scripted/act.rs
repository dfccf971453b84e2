//! What a test may do to a conversation.

use super::{Core, Handshake};
use crate::support::certs::Identity;
use std::{sync::Arc, time::Duration};

/// One command, shown to the hook before it is answered.
pub(crate) struct Turn<'a> {
    /// The whole server.
    pub(crate) core: &'a Core,
    /// Number of the control connection, in the order they came, from 1.
    pub(crate) session: usize,
    /// How often this verb was seen before, over all sessions.
    pub(crate) before: usize,
    /// The verb in upper case; `GREETING` before the first command.
    pub(crate) verb: &'a str,
    /// What follows the verb.
    pub(crate) arg: &'a str,
    /// Offset that REST set.
    pub(crate) rest: u64,
    /// The honest delivery, for RETR of a file that is there, MLSD and LIST of a folder.
    pub(crate) honest: Option<&'a Delivery>,
}

impl Turn<'_> {
    /// The honest delivery of the file or listing that is asked for.
    pub(crate) fn delivery(&self) -> Delivery {
        self.honest.cloned().unwrap_or_else(|| panic!("{} {} delivers nothing", self.verb, self.arg))
    }
}

/// The server's answer.
pub(crate) enum Act {
    /// As an honest server answers.
    Usual,
    /// These bytes, and nothing is done.
    Say(Vec<u8>),
    /// These bytes one after the other with a pause between them, and nothing is done.
    Drip(Vec<u8>, Duration),
    /// These bytes over and over until the client goes away.
    Flood(Vec<u8>),
    /// Nothing at all; the connection stays open.
    Silence,
    /// These bytes, then the connection is closed.
    SayAndClose(Vec<u8>),
    /// The first bytes; after the pause, unasked, the last ones; then the connection is closed.
    SayAndCloseLater(Vec<u8>, Duration, Vec<u8>),
    /// What an honest server does, with its reply put into other words.
    Reword(Box<dyn FnOnce(&str) -> String>),
    /// Bytes over a data connection.
    Deliver(Delivery),
    /// These bytes; after the pause, unasked, the others; then the handshake of TLS.
    Secure {
        /// In one segment.
        reply: Vec<u8>,
        /// What follows in clear text.
        later: Option<(Duration, Vec<u8>)>,
    },
}

impl Act {
    /// A reply of one line.
    pub(crate) fn say(line: &str) -> Self {
        Self::Say(format!("{line}\r\n").into_bytes())
    }

    /// A reply of one line, after which the control connection is closed.
    pub(crate) fn say_and_close(line: &str) -> Self {
        Self::SayAndClose(format!("{line}\r\n").into_bytes())
    }
}

/// How RETR is carried out.
#[derive(Clone)]
pub(crate) struct Delivery {
    /// Name under which the bytes are counted; empty for a listing's, which are not.
    pub(crate) name: String,
    /// The file's content.
    pub(crate) data: Arc<Vec<u8>>,
    /// First byte that is sent.
    pub(crate) from: usize,
    /// Byte before which sending stops.
    pub(crate) upto: usize,
    /// The reply before the data; empty leaves it out.
    pub(crate) opening: String,
    /// What becomes of the data connection.
    pub(crate) end: End,
    /// The reply after the data; empty leaves it out.
    pub(crate) verdict: String,
    /// Whether the last reply is sent before the data.
    pub(crate) verdict_first: bool,
    /// Whether the control connection is closed after that.
    pub(crate) hang_up: bool,
    /// Bytes a second; 0 for as fast as it goes.
    pub(crate) pace: u64,
    /// What becomes of the handshake, where the data goes in TLS.
    pub(crate) handshake: Handshake,
    /// Another certificate on this data connection.
    pub(crate) identity: Option<Identity>,
}

/// The end of a data connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Closed in order; in TLS with `close_notify`.
    Close,
    /// Closed by TCP alone, as anybody on the way could.
    Cut,
    /// Reset.
    Reset,
    /// Left open without a further byte.
    Stall,
}
