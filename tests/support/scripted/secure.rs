//! The commands of RFC 4217, and TLS on control and data connections.

use super::{
    Delivery, Demand, Shaken,
    session::Session,
    tls::{Handshake, Line},
};
use rustls::{HandshakeKind, ServerConfig};
use std::{sync::Arc, thread, time::Duration};

impl Session<'_> {
    /// TLS before the greeting, where it is so; whether the session goes on.
    pub(super) fn begin(&mut self) -> bool {
        if !self.configs.as_ref().is_some_and(|c| c.tls().implicit) {
            return true;
        }
        // draft-ietf-ftpext-sec-consider has data connections protected from the beginning.
        self.data_secure = true;
        self.shake()
    }

    /// AUTH.
    pub(super) fn auth(&mut self, arg: &str) -> bool {
        if self.configs.is_none() {
            return self.reply("502 Command not implemented.");
        }
        if self.stream.is_secure() {
            return self.reply("503 TLS is there already.");
        }
        if !matches!(arg.to_ascii_uppercase().as_str(), "TLS" | "TLS-C" | "SSL" | "TLS-P") {
            return self.reply("504 Unknown mechanism.");
        }
        if !self.unread.is_empty() {
            self.reply("503 Spurious data.");
            return false;
        }
        self.secure(b"234 Proceed with negotiation.\r\n", None)
    }

    /// Answers AUTH with these bytes and goes over to TLS; whether the session goes on.
    pub(super) fn secure(&mut self, reply: &[u8], later: Option<(Duration, Vec<u8>)>) -> bool {
        if !(self.write(reply) && self.flush()) {
            return false;
        }
        if let Some((pause, bytes)) = later {
            thread::sleep(pause);
            if !(self.write(&bytes) && self.flush()) {
                return false;
            }
        }
        // RFC 4217, section 4: what was said before counts no more.
        (self.user, self.logged_in) = (None, false);
        self.shake()
    }

    fn shake(&mut self) -> bool {
        let Some(configs) = &self.configs else { return false };
        let (config, how) = (configs.control(), configs.tls().handshake.clone());
        let shaken = self.stream.secure(config, &how);
        self.note_handshake(&shaken, false)
    }

    fn note_handshake(&self, shaken: &Result<Option<HandshakeKind>, String>, data: bool) -> bool {
        match shaken {
            Ok(kind) => {
                let resumed = *kind == Some(HandshakeKind::Resumed);
                self.core.note_shaken(Shaken { session: self.number, data, resumed });
                true
            }
            Err(why) => {
                self.core.note_unshaken(self.number, why);
                false
            }
        }
    }

    /// PBSZ and PROT.
    pub(super) fn protect(&mut self, verb: &str, arg: &str) -> bool {
        match (verb, arg) {
            _ if self.configs.is_none() => self.reply("502 Command not implemented."),
            _ if !self.stream.is_secure() => self.reply(&format!("503 {verb} needs a secure connection.")),
            ("PBSZ", _) => {
                self.data_ready = true;
                self.reply("200 PBSZ set to 0.")
            }
            _ if !self.data_ready => self.reply("503 PBSZ first."),
            (_, "P") => {
                self.data_secure = true;
                self.reply("200 PROT now Private.")
            }
            (_, "C") if self.requires() => self.reply("534 PROT C is not allowed here."),
            (_, "C") => {
                self.data_secure = false;
                self.reply("200 PROT now Clear.")
            }
            _ => self.reply("504 PROT not recognized."),
        }
    }

    /// The words that refuse a command in clear text, where TLS is required.
    pub(super) fn refused_in_clear(&self, verb: &str) -> Option<&'static str> {
        if !self.requires() {
            return None;
        }
        match verb {
            "USER" | "PASS" if !self.stream.is_secure() => Some("530 Non-anonymous sessions must use encryption."),
            "RETR" if !self.data_secure => Some("522 Data connections must be encrypted."),
            _ => None,
        }
    }

    fn requires(&self) -> bool {
        self.configs.as_ref().is_some_and(|c| c.tls().required)
    }

    /// What is demanded of data connections.
    pub(super) fn demands(&self) -> Demand {
        self.configs.as_ref().filter(|_| self.data_secure).map_or(Demand::Nothing, |c| c.tls().demand)
    }

    /// TLS on a data connection, where PROT P was said; the words that refuse it otherwise.
    pub(super) fn secure_data(&mut self, stream: &mut Line, delivery: &Delivery) -> Result<(), String> {
        let Some(configs) = self.configs.as_ref().filter(|_| self.data_secure) else { return Ok(()) };
        let tls = configs.tls();
        let forgotten = tls.forgets_after.is_some_and(|age| self.born.elapsed() > age)
            || tls.forgets_behind.is_some_and(|n| self.data_connections >= n);
        let config: Arc<ServerConfig> = configs.data(delivery.identity.as_ref(), forgotten);
        let how: &Handshake = &delivery.handshake;
        self.data_connections += 1;
        let shaken = stream.secure(config, how);
        if !self.note_handshake(&shaken, true) {
            return Err("425 Unable to build data connection: TLS negotiation failed".to_owned());
        }
        let kind = shaken.ok().flatten();
        if let Some(refusal) = configs.refusal(kind) {
            stream.close(true);
            return Err(refusal.to_owned());
        }
        if tls.client_authority.is_some() && stream.client_chain() != self.stream.client_chain() {
            return Err("425 Unable to build data connection: client certificate mismatch".to_owned());
        }
        Ok(())
    }

    /// Refuses a data connection; whether the session goes on.
    pub(super) fn refuse_data(&mut self, refusal: &str) -> bool {
        // vsftpd ends the session over it.
        self.reply(refusal) && self.demands() != Demand::Vsftpd
    }
}
