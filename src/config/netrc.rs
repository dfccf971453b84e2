//! netrc: logins by host, as ftp(1) and curl read them, but never for another host or user than written.

use super::ConfigError;
use super::secret_file::read_private;
use crate::model::{HostKey, Secret};
use std::path::Path;

/// Largest netrc, in bytes.
const LIMIT: u64 = 1 << 20;

/// The logins of a netrc file.
#[derive(Clone, Debug, Default)]
pub struct Netrc {
    machines: Vec<Machine>,
    use_default: bool,
}

/// A login from netrc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetrcEntry {
    /// User name.
    pub login: String,
    /// Password.
    pub password: Secret,
    /// What ACCT sends (RFC 959, section 4.1.1), where it is given.
    pub account: Option<Secret>,
}

/// One `machine`, or `default`, which is used where that was asked for.
#[derive(Clone, Debug, Default)]
struct Machine {
    host: Option<String>,
    port: Option<u16>,
    login: Option<String>,
    password: Option<Secret>,
    account: Option<Secret>,
}

impl Netrc {
    /// Reads a netrc file, which must belong to this user and be closed to all others.
    ///
    /// # Errors
    /// When it doesn't or isn't, is larger than 1 MiB, or holds a word that is none of netrc's.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_private(path, LIMIT)?;
        parse(&text).map_err(|(offset, message)| ConfigError::place(path, &text, offset, message))
    }

    /// The same logins, `default` included where that is asked for: its login is for every host that no `machine` names.
    #[must_use]
    pub fn with_default(self, asked: bool) -> Self {
        Self { use_default: asked, ..self }
    }

    /// The login for a host, from entries that name no port: that user's, or the first where no user is asked for.
    ///
    /// The host must be the very one, an entry without user or password is never filled from another, and `default`
    /// is not used unless asked for (CVE-2024-11053, CVE-2025-0167).
    #[must_use]
    pub fn login(&self, host: &str, user: Option<&str>) -> Option<NetrcEntry> {
        self.find(host, None, user)
    }

    /// The same for a host and port: entries that name the port come before those that name none.
    #[must_use]
    pub fn login_at(&self, host: &HostKey, user: Option<&str>) -> Option<NetrcEntry> {
        self.find(&host.host, Some(host.port), user)
            .or_else(|| self.find(&host.host, None, user))
            .or_else(|| self.default(host, user))
    }

    fn find(&self, host: &str, port: Option<u16>, user: Option<&str>) -> Option<NetrcEntry> {
        self.machines.iter().filter(|m| m.port == port && m.is_for(host)).find_map(|m| m.entry(user))
    }

    /// The login of the first `default`, for a host that has no entry at all: one that has, for another user or without
    /// a password, is not a stranger.
    fn default(&self, host: &HostKey, user: Option<&str>) -> Option<NetrcEntry> {
        if !self.use_default || self.machines.iter().any(|m| m.is_for(&host.host)) {
            return None;
        }
        let entry = self.machines.iter().find(|m| m.host.is_none())?;
        entry.port.is_none_or(|port| port == host.port).then(|| entry.entry(user))?
    }
}

impl Machine {
    fn is_for(&self, host: &str) -> bool {
        let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
        self.host.as_deref().is_some_and(|name| bare(name) == bare(host))
    }

    fn entry(&self, user: Option<&str>) -> Option<NetrcEntry> {
        let login = self.login.clone().filter(|login| user.is_none_or(|user| user == login))?;
        Some(NetrcEntry { login, password: self.password.clone()?, account: self.account.clone() })
    }
}

/// Reads the words of a file. Errors hold no word of it: any could be a part of a password.
fn parse(text: &str) -> Result<Netrc, (usize, &'static str)> {
    let mut words = Words { text, at: 0 };
    let mut machines: Vec<Machine> = Vec::new();
    while let Some((at, word)) = words.keyword()? {
        let mut value = || match words.value() {
            Ok(Some(word)) if !word.chars().any(char::is_control) => Ok(word),
            Ok(Some(_)) => Err((at, "the value of this word holds a control character")),
            Ok(None) => Err((at, "this word needs a value behind it")),
            Err(wrong) => Err(wrong),
        };
        let Some(machine) = machines.last_mut() else {
            match word {
                "machine" => machines.push(Machine { host: Some(value()?), ..Machine::default() }),
                "default" => machines.push(Machine::default()),
                "macdef" => words.skip_macro(),
                _ => return Err((at, "the first word must be `machine`")),
            }
            continue;
        };
        match word {
            "machine" => machines.push(Machine { host: Some(value()?), ..Machine::default() }),
            "default" => machines.push(Machine::default()),
            "login" => machine.login = Some(value()?),
            "password" => machine.password = Some(Secret::new(value()?)),
            "account" => machine.account = Some(Secret::new(value()?)),
            "port" => machine.port = Some(value()?.parse().map_err(|_| (at, "the port is no number up to 65535"))?),
            "macdef" => words.skip_macro(),
            _ => {
                return Err((
                    at,
                    "a word that is none of machine, default, login, password, account, port and macdef; \
                     a value with spaces stands in quotes",
                ));
            }
        }
    }
    Ok(Netrc { machines, use_default: false })
}

/// The words of a netrc file: separated by white space, or in double quotes.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn bare(&mut self) -> &'a str {
        let rest = self.rest();
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        self.at += word.len();
        word
    }

    /// The next word and its offset; `#` starts a comment here, where a value may begin with it.
    fn keyword(&mut self) -> Result<Option<(usize, &'a str)>, (usize, &'static str)> {
        loop {
            self.skip_space();
            if self.rest().starts_with('#') {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                continue;
            }
            let at = self.at;
            return Ok(Some((at, self.bare())).filter(|(_, word)| !word.is_empty()));
        }
    }

    fn value(&mut self) -> Result<Option<String>, (usize, &'static str)> {
        self.skip_space();
        if !self.rest().starts_with('"') {
            return Ok(Some(self.bare().to_owned()).filter(|word| !word.is_empty()));
        }
        let start = self.at;
        let (mut value, mut escaped) = (String::new(), false);
        for (offset, c) in self.rest().char_indices().skip(1) {
            match (escaped, c) {
                (false, '"') => {
                    self.at += offset + 1;
                    return Ok(Some(value));
                }
                (false, '\\') => escaped = true,
                _ => {
                    value.push(match (escaped, c) {
                        (true, 'n') => '\n',
                        (true, 'r') => '\r',
                        (true, 't') => '\t',
                        _ => c,
                    });
                    escaped = false;
                }
            }
        }
        Err((start, "a quotation mark that is never closed"))
    }

    /// A macro ends at the first blank line.
    fn skip_macro(&mut self) {
        let rest = self.rest();
        let mut length = 0;
        for line in rest.split_inclusive('\n') {
            length += line.len();
            if line.trim().is_empty() {
                break;
            }
        }
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, host: &str, user: Option<&str>) -> Option<(String, String)> {
        parse(text).unwrap().login(host, user).map(|e| (e.login, e.password.reveal().to_owned()))
    }

    fn both(login: &str, password: &str) -> (String, String) {
        (login.to_owned(), password.to_owned())
    }

    const SAMPLE: &str = "# my logins\n\
        machine a.example login alice password #1pw # why\n\
        machine a.example login bob password \"two \\\"words\\\"\" account acc\n\
        macdef init\n cd /pub\n machine evil login x password y\n\n\
        machine b.example\n  login carol\n\
        machine c.example password lonely\n\
        machine D.Example port 2121 login dora password four\n\
        default login anonymous password me@\n";

    #[test]
    fn the_entry_of_the_very_host_and_user_is_found() {
        assert_eq!(login(SAMPLE, "a.example", None), Some(both("alice", "#1pw")));
        assert_eq!(login(SAMPLE, "A.EXAMPLE", Some("bob")), Some(both("bob", "two \"words\"")));
        let entry = parse(SAMPLE).unwrap().login("a.example", Some("bob")).unwrap();
        assert_eq!(entry.account.unwrap().reveal(), "acc");
        assert_eq!(login("machine ::1 login u password p", "[::1]", None), Some(both("u", "p")));
    }

    /// CVE-2024-11053, CVE-2025-0167, CVE-2026-6429: a password that belongs to another host or user.
    #[test]
    fn nobody_elses_password_is_ever_given() {
        for (host, user) in [
            ("a.example", Some("carol")),
            ("a.example", Some("Alice")),
            ("example", None),
            ("x.a.example", None),
            ("a.example.", None),
            ("b.example", None),
            ("b.example", Some("carol")),
            ("c.example", None),
            ("c.example", Some("alice")),
            ("d.example", None),
            ("evil", None),
            ("unknown", None),
            ("unknown", Some("anonymous")),
            ("", None),
        ] {
            assert_eq!(login(SAMPLE, host, user), None, "{host} {user:?}");
        }
    }

    /// CVE-2025-0167: `default` for a host that has an entry of its own, or for a user it does not name.
    #[test]
    fn default_is_for_strangers_and_only_when_asked_for() {
        let text = "machine a login alice password 1\nmachine b login bob\nmachine c port 2121 login c password 2\n\
                    default login guest password 3\ndefault login never password 4\n";
        let login = |asked: bool, host: &str, port, user: Option<&str>| {
            let netrc = parse(text).unwrap().with_default(asked);
            netrc.login_at(&HostKey { host: host.to_owned(), port }, user).map(|e| e.login)
        };
        assert_eq!(login(true, "x", 21, None).as_deref(), Some("guest"));
        assert_eq!(login(true, "x", 21, Some("guest")).as_deref(), Some("guest"));
        for (asked, host, port, user) in [
            (false, "x", 21, None),
            (true, "x", 21, Some("eve")),
            (true, "a", 21, Some("guest")),
            (true, "b", 21, None),
            (true, "c", 21, None),
        ] {
            assert_eq!(login(asked, host, port, user), None, "{asked} {host} {port} {user:?}");
        }
        let empty = parse("default\nmachine a login x password y").unwrap().with_default(true);
        assert_eq!(empty.login_at(&HostKey { host: "z".to_owned(), port: 21 }, None), None);
        let ported = parse("default port 2121 login x password y").unwrap().with_default(true);
        let at = |port| ported.login_at(&HostKey { host: "z".to_owned(), port }, None).is_some();
        assert!(at(2121) && !at(21));
    }

    /// CVE-2022-35260: a file that ends in the middle of a word, without a line end, or is all one word.
    #[test]
    fn a_file_cut_anywhere_is_read_or_refused() {
        for end in (0..=SAMPLE.len()).filter(|&end| SAMPLE.is_char_boundary(end)) {
            let _ = parse(&SAMPLE[..end]);
        }
        assert!(parse(&"x".repeat(4095)).is_err());
        assert!(parse(&format!("machine {} login u password p", "h".repeat(5000))).is_ok());
    }

    #[test]
    fn an_entry_with_a_port_is_for_that_port_alone() {
        let netrc = parse(SAMPLE).unwrap();
        let at = |host: &str, port| netrc.login_at(&HostKey { host: host.into(), port }, None).map(|e| e.login);
        assert_eq!(at("d.example", 2121), Some("dora".into()));
        assert_eq!(at("d.example", 21), None);
        assert_eq!(at("a.example", 2121), Some("alice".into()));
    }

    #[test]
    fn errors_name_the_place_and_no_word_of_the_file() {
        for (text, at) in [
            ("machine", 0),
            ("login hunter2", 0),
            ("machine h login u password hunter1 hunter2", 35),
            ("machine h password \"hunter2", 19),
            ("machine h password", 10),
            ("machine h port hunter2", 10),
            ("machine h password \"hunter2\\n\"", 10),
        ] {
            let (offset, message) = parse(text).unwrap_err();
            assert_eq!(offset, at, "{text}");
            assert!(!message.contains("hunter"), "{text}");
        }
        assert!(!format!("{:?}", parse(SAMPLE).unwrap()).contains("1pw"));
    }
}
