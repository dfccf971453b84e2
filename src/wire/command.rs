//! Commands and their one encoder.

use crate::model::{Secret, TransferType, printable};
use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use zeroize::Zeroizing;

/// A command of RFC 959, 2389, 2428, 2640, 3659 or 4217, as a client of downloads sends it.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// USER: whom to be.
    User(String),
    /// PASS: the password.
    Pass(Secret),
    /// ACCT: the account's word.
    Acct(Secret),
    /// AUTH: begin TLS, by this name of it (RFC 4217, section 4; `SSL` is what came before).
    Auth(&'static str),
    /// PBSZ 0: no protection buffer, as TLS needs none (RFC 4217, section 8).
    Pbsz,
    /// PROT P: data connections are private (RFC 4217, section 9).
    ProtPrivate,
    /// FEAT: what the server can do (RFC 2389).
    Feat,
    /// OPTS UTF8 ON.
    OptsUtf8,
    /// TYPE: the representation type.
    Type(TransferType),
    /// PWD: the working directory.
    Pwd,
    /// CWD: go to a directory.
    Cwd(Vec<u8>),
    /// CDUP: go to the parent directory.
    Cdup,
    /// SIZE: a file's length in the current type (RFC 3659, section 4).
    Size(Vec<u8>),
    /// MDTM: a file's modification time (RFC 3659, section 3).
    Mdtm(Vec<u8>),
    /// MLST: a file's facts (RFC 3659, section 7).
    Mlst(Vec<u8>),
    /// EPSV: listen for a data connection (RFC 2428, section 3).
    Epsv,
    /// PASV: listen for a data connection, over IPv4.
    Pasv,
    /// PORT: connect to this address.
    Port(SocketAddrV4),
    /// EPRT: connect to this address (RFC 2428, section 2).
    Eprt(SocketAddr),
    /// REST: start at this offset in bytes (RFC 3659, section 5).
    Rest(u64),
    /// RETR: send the file.
    Retr(Vec<u8>),
    /// MLSD: send the facts of all that is in the working directory (RFC 3659, section 7). Without a path, as LIST.
    Mlsd,
    /// LIST: tell people what is in the working directory. Never with a path: servers take what starts with `-` for options,
    /// and `*`, `?`, `[` and blanks for a pattern.
    List,
    /// LIST in the order of the names, by Pure-FTPd's own options.
    ListSorted {
        /// Whether names that begin with a dot are wanted.
        hidden: bool,
        /// Whether the last name comes first.
        reversed: bool,
    },
    /// OPTS HASH: the function that HASH is to use (draft-bryan-ftpext-hash).
    OptsHash(&'static str),
    /// HASH: the checksum of a file (draft-bryan-ftpext-hash).
    Hash(Vec<u8>),
    /// RANG: the first and the last byte that HASH is to be of (draft-bryan-ftp-range).
    Range(u64, u64),
    /// A server's own command for a checksum: its word and what follows it.
    Sum(&'static str, Vec<u8>),
    /// NOOP: nothing but an answer.
    Noop,
    /// ABOR: break the transfer off.
    Abor,
    /// QUIT.
    Quit,
}

/// A byte that would end the command it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the argument of {verb} holds a CR, LF or NUL at byte {at}, which would end the command")]
pub struct Forbidden {
    /// The command's word.
    pub verb: &'static str,
    /// Offset in the argument, in bytes.
    pub at: usize,
}

impl Command {
    /// The command's word.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Acct(_) => "ACCT",
            Self::Auth(_) => "AUTH",
            Self::Pbsz => "PBSZ",
            Self::ProtPrivate => "PROT",
            Self::Feat => "FEAT",
            Self::OptsUtf8 | Self::OptsHash(_) => "OPTS",
            Self::Hash(_) => "HASH",
            Self::Range(..) => "RANG",
            Self::Sum(verb, _) => verb,
            Self::Type(_) => "TYPE",
            Self::Pwd => "PWD",
            Self::Cwd(_) => "CWD",
            Self::Cdup => "CDUP",
            Self::Size(_) => "SIZE",
            Self::Mdtm(_) => "MDTM",
            Self::Mlst(_) => "MLST",
            Self::Epsv => "EPSV",
            Self::Pasv => "PASV",
            Self::Port(_) => "PORT",
            Self::Eprt(_) => "EPRT",
            Self::Rest(_) => "REST",
            Self::Retr(_) => "RETR",
            Self::Mlsd => "MLSD",
            Self::List | Self::ListSorted { .. } => "LIST",
            Self::Noop => "NOOP",
            Self::Abor => "ABOR",
            Self::Quit => "QUIT",
        }
    }

    /// Whether it is carried out over a data connection.
    #[must_use]
    pub fn is_transfer(&self) -> bool {
        matches!(self, Self::Retr(_) | Self::Mlsd | Self::List | Self::ListSorted { .. })
    }

    /// The line as it goes over the wire, with its CR LF. It may hold a password, and is overwritten when it goes.
    ///
    /// # Errors
    /// When an argument holds CR, LF or NUL: the rest of it would be another command.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Forbidden> {
        let argument = self.argument().map(Zeroizing::new);
        if let Some(at) =
            argument.iter().flat_map(|argument| argument.iter()).position(|b| matches!(b, b'\r' | b'\n' | 0))
        {
            return Err(Forbidden { verb: self.verb(), at });
        }
        // With room for all: a buffer that grows leaves copies behind.
        let length = self.verb().len() + argument.as_ref().map_or(0, |argument| argument.len() + 1) + 2;
        let mut line = Zeroizing::new(Vec::with_capacity(length));
        line.extend_from_slice(self.verb().as_bytes());
        if let Some(argument) = argument {
            line.push(b' ');
            line.extend_from_slice(&argument);
        }
        line.extend_from_slice(b"\r\n");
        Ok(line)
    }

    fn argument(&self) -> Option<Vec<u8>> {
        match self {
            Self::User(user) => Some(user.clone().into_bytes()),
            Self::Pass(secret) | Self::Acct(secret) => Some(secret.reveal().as_bytes().to_vec()),
            Self::Auth(name) => Some(name.as_bytes().to_vec()),
            Self::Pbsz => Some(b"0".to_vec()),
            Self::ProtPrivate => Some(b"P".to_vec()),
            Self::OptsUtf8 => Some(b"UTF8 ON".to_vec()),
            Self::Type(TransferType::Image) => Some(b"I".to_vec()),
            Self::Type(TransferType::Ascii) => Some(b"A".to_vec()),
            Self::Cwd(path)
            | Self::Size(path)
            | Self::Mdtm(path)
            | Self::Mlst(path)
            | Self::Retr(path)
            | Self::Hash(path)
            | Self::Sum(_, path) => Some(path.clone()),
            Self::OptsHash(name) => Some(format!("HASH {name}").into_bytes()),
            Self::Range(first, last) => Some(format!("{first} {last}").into_bytes()),
            Self::Port(address) => {
                let ([a, b, c, d], [high, low]) = (address.ip().octets(), address.port().to_be_bytes());
                Some(format!("{a},{b},{c},{d},{high},{low}").into_bytes())
            }
            Self::Eprt(address) => {
                let family = if address.is_ipv4() { 1 } else { 2 };
                // Without a scope: the server's idea of an interface is not ours.
                let ip: IpAddr = address.ip();
                Some(format!("|{family}|{ip}|{}|", address.port()).into_bytes())
            }
            Self::Rest(offset) => Some(offset.to_string().into_bytes()),
            Self::ListSorted { hidden, reversed } => {
                let letters =
                    [(*reversed, "r"), (*hidden, "a")].into_iter().filter_map(|(set, letter)| set.then_some(letter));
                let options: String = std::iter::once("-").chain(letters).collect();
                (options.len() > 1).then(|| options.into_bytes())
            }
            Self::Feat
            | Self::Pwd
            | Self::Cdup
            | Self::Epsv
            | Self::Pasv
            | Self::Mlsd
            | Self::List
            | Self::Noop
            | Self::Abor
            | Self::Quit => None,
        }
    }
}

/// The line as people may see it: safe for a terminal, and without passwords.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())?;
        match self {
            Self::Pass(_) | Self::Acct(_) => f.write_str(" ***"),
            _ => match self.argument() {
                Some(argument) => write!(f, " {}", printable(&String::from_utf8_lossy(&argument), 1000)),
                None => Ok(()),
            },
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_as_the_standards_have_them() {
        let v6: SocketAddr = "[2001:db8::1]:50000".parse().unwrap();
        let v4: SocketAddrV4 = "10.0.0.2:4660".parse().unwrap();
        let table: [(Command, &[u8]); 23] = [
            (Command::Auth("TLS"), b"AUTH TLS\r\n"),
            (Command::Pbsz, b"PBSZ 0\r\n"),
            (Command::ProtPrivate, b"PROT P\r\n"),
            (Command::Abor, b"ABOR\r\n"),
            (Command::User("bob".into()), b"USER bob\r\n"),
            (Command::Pass(Secret::new("s cret")), b"PASS s cret\r\n"),
            (Command::Acct(Secret::new("x")), b"ACCT x\r\n"),
            (Command::Feat, b"FEAT\r\n"),
            (Command::OptsUtf8, b"OPTS UTF8 ON\r\n"),
            (Command::Type(TransferType::Image), b"TYPE I\r\n"),
            (Command::Type(TransferType::Ascii), b"TYPE A\r\n"),
            (Command::Retr(b"/a b\xff".to_vec()), b"RETR /a b\xff\r\n"),
            (Command::Port(v4), b"PORT 10,0,0,2,18,52\r\n"),
            (Command::Eprt(v6), b"EPRT |2|2001:db8::1|50000|\r\n"),
            (Command::Eprt(v4.into()), b"EPRT |1|10.0.0.2|4660|\r\n"),
            (Command::Rest(u64::MAX), b"REST 18446744073709551615\r\n"),
            (Command::Mlsd, b"MLSD\r\n"),
            (Command::List, b"LIST\r\n"),
            (Command::ListSorted { hidden: true, reversed: false }, b"LIST -a\r\n"),
            (Command::ListSorted { hidden: true, reversed: true }, b"LIST -ra\r\n"),
            (Command::ListSorted { hidden: false, reversed: true }, b"LIST -r\r\n"),
            (Command::ListSorted { hidden: false, reversed: false }, b"LIST\r\n"),
            (Command::Quit, b"QUIT\r\n"),
        ];
        for (command, line) in table {
            assert_eq!(command.encode().unwrap().as_slice(), line, "{command}");
        }
    }

    /// RUSTSEC-2026-0271, CVE-2026-39983, CVE-2026-28296, GHSA-8c48-q9wj-3w37, CVE-2007-2509 and their kin.
    #[test]
    fn no_argument_can_end_its_command() {
        for bad in ["\r", "\n", "\0", "a\r\nDELE b", "a\nb", "trailing\r"] {
            let bytes = || bad.as_bytes().to_vec();
            let commands = [
                Command::User(bad.into()),
                Command::Pass(Secret::new(bad)),
                Command::Acct(Secret::new(bad)),
                Command::Cwd(bytes()),
                Command::Size(bytes()),
                Command::Mdtm(bytes()),
                Command::Mlst(bytes()),
                Command::Retr(bytes()),
            ];
            for command in commands {
                let refused = command.encode().unwrap_err();
                assert_eq!(refused.verb, command.verb());
                assert!(!refused.to_string().contains("DELE"), "{refused}");
            }
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        for command in [Command::Pass(Secret::new("hunter2")), Command::Acct(Secret::new("hunter2"))] {
            assert!(!format!("{command} {command:?}").contains("hunter2"));
        }
        assert_eq!(Command::Pass(Secret::new("")).to_string(), "PASS ***");
    }

    #[test]
    fn shown_commands_can_not_drive_a_terminal() {
        assert_eq!(Command::Retr(b"a\x1b[2J".to_vec()).to_string(), "RETR a\\u{1b}[2J");
    }
}
