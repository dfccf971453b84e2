//! Servers, the accounts on them, and what was learned about them.

use super::source::encode;
use super::{Protection, Scheme, Source, SourceError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A server's address as the user gave it. Budgets of connections and learned facts belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostKey {
    /// Host name, lower case, or address (IPv6 in brackets).
    pub host: String,
    /// TCP port of the control connection.
    pub port: u16,
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Whom to be on which server, and how to speak to it. Sessions are shared within one account only; a
/// credential is kept under the account's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Account {
    /// How the server is spoken to.
    pub scheme: Scheme,
    /// User name; `anonymous` where the URL names none.
    pub user: String,
    /// Host name, lower case, or address (IPv6 in brackets).
    pub host: String,
    /// TCP port of the control connection.
    pub port: u16,
}

impl Account {
    /// The user name where none is given (RFC 1635).
    pub const ANONYMOUS: &'static str = "anonymous";

    /// The server alone.
    #[must_use]
    pub fn host_key(&self) -> HostKey {
        HostKey { host: self.host.clone(), port: self.port }
    }

    /// Whether the user is one of the names for guests.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.user.eq_ignore_ascii_case(Self::ANONYMOUS) || self.user.eq_ignore_ascii_case("ftp")
    }

    /// The name a password is kept under: `user@host:port`.
    #[must_use]
    pub fn credential(&self) -> String {
        format!("{}@{}:{}", self.user, self.host, self.port)
    }
}

/// `ftp://host`, with user and port where they are not the usual ones: the start of every URL of this account.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        if self.user != Self::ANONYMOUS {
            write!(f, "{}@", encode_user(&self.user))?;
        }
        f.write_str(&self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// Encodes all that could end the user name or be taken for a password.
fn encode_user(user: &str) -> String {
    encode(user.as_bytes()).replace('@', "%40").replace(':', "%3A").replace('/', "%2F")
}

impl TryFrom<String> for Account {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        Source::parse(&format!("{text}/-")).map(|(source, _)| source.account().clone())
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.to_string()
    }
}

/// How many connections a host gets at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PerHost {
    /// As many as bring something.
    #[default]
    Auto,
    /// So many at most.
    Most(u32),
}

impl PerHost {
    /// Most that may be set.
    pub const LIMIT: u32 = 64;
}

impl std::str::FromStr for PerHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let most = text.parse().ok().filter(|most| (1..=Self::LIMIT).contains(most));
        most.map(Self::Most).ok_or_else(|| format!("write auto, or a whole number from 1 to {}", Self::LIMIT))
    }
}

/// What was learned about a server, kept from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostFacts {
    /// Most connections it was seen to accept at a time, once it refused one more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// When that was learned, in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_learned_at: Option<u64>,
    /// Connections at a time that were worth having.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub useful_connections: Option<u32>,
    /// When it was learned that more bring nothing, in seconds since 1970-01-01 UTC; absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub useful_learned_at: Option<u64>,
    /// Bytes a second that one file came with lately, where mirrors were to be chosen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<u64>,
    /// When that was learned, in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_learned_at: Option<u64>,
    /// How its connections were protected; absent where no TLS was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<Protection>,
    /// Ways in which it departs from the standards.
    #[serde(default)]
    pub quirks: Quirks,
}

/// Ways in which a server departs from the standards, as values: learned, stored, shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub struct Quirks {
    /// EPSV is refused, or its ports can't be reached: PASV is used.
    #[serde(default)]
    pub no_epsv: bool,
    /// REST is refused or ignored: an interrupted file is read again from its start.
    #[serde(default)]
    pub no_rest: bool,
    /// SIZE is unknown to it.
    #[serde(default)]
    pub no_size: bool,
    /// MDTM is unknown to it.
    #[serde(default)]
    pub no_mdtm: bool,
    /// MLSD is refused, whatever FEAT says: LIST is used.
    #[serde(default)]
    pub no_mlsd: bool,
    /// It ends multi-line replies with another code.
    #[serde(default)]
    pub foreign_terminator: bool,
    /// A file came over it, so several commands may be sent at once.
    #[serde(default)]
    pub pipelines: bool,
    /// Several commands at once did not work: one at a time, whatever else is known.
    #[serde(default)]
    pub lockstep: bool,
    /// It was seen to answer a command behind RETR after the transfer.
    #[serde(default)]
    pub queues_commands: bool,
    /// It was seen not to: no command goes behind RETR, whatever else is known.
    #[serde(default)]
    pub no_queueing: bool,
    /// It refuses data connections that do not resume the control connection's TLS session.
    #[serde(default)]
    pub demands_reuse: bool,
    /// It was seen to do so under TLS 1.3 and not under TLS 1.2, which is used.
    #[serde(default)]
    pub only_tls12: bool,
    /// It offers checksums of its own and refuses to compute them: it is not asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_hash: bool,
}

impl Quirks {
    /// What either knows: sessions learn apart, and none unlearns.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self {
            no_epsv: self.no_epsv || other.no_epsv,
            no_rest: self.no_rest || other.no_rest,
            no_size: self.no_size || other.no_size,
            no_mdtm: self.no_mdtm || other.no_mdtm,
            no_mlsd: self.no_mlsd || other.no_mlsd,
            foreign_terminator: self.foreign_terminator || other.foreign_terminator,
            pipelines: self.pipelines || other.pipelines,
            lockstep: self.lockstep || other.lockstep,
            queues_commands: self.queues_commands || other.queues_commands,
            no_queueing: self.no_queueing || other.no_queueing,
            demands_reuse: self.demands_reuse || other.demands_reuse,
            only_tls12: self.only_tls12 || other.only_tls12,
            no_hash: self.no_hash || other.no_hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_reads_back_what_it_prints() {
        for text in ["ftp://h", "ftp://bob@h:2121", "ftps://a%40b@[::1]", "ftpes://u%3Ax@h:990"] {
            let account = Account::try_from(text.to_owned()).unwrap();
            assert_eq!(Account::try_from(account.to_string()).unwrap(), account, "{text}");
        }
    }

    #[test]
    fn connections_per_host_are_a_number_or_auto() {
        assert_eq!("auto".parse(), Ok(PerHost::Auto));
        assert_eq!("64".parse(), Ok(PerHost::Most(64)));
        for text in ["", "0", "65", "-1", "AUTO", "4.5"] {
            assert!(text.parse::<PerHost>().unwrap_err().contains("from 1 to 64"), "{text}");
        }
    }

    #[test]
    fn facts_of_an_earlier_version_are_read() {
        let facts: HostFacts = serde_json::from_str(r#"{"connection_limit":2,"limit_learned_at":9}"#).unwrap();
        assert_eq!((facts.connection_limit, facts.useful_connections, facts.useful_learned_at), (Some(2), None, None));
    }

    #[test]
    fn the_credential_names_user_host_and_port() {
        let account = Account::try_from("ftp://bob@h".to_owned()).unwrap();
        assert_eq!(account.credential(), "bob@h:21");
    }
}
