//! What FEAT says (RFC 2389).

use super::hash::HashOffers;
use super::reply::Reply;

/// What a server says it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent announcements, each with a name")]
pub struct Features {
    /// MLST, and the facts it gives.
    pub mlst: Option<MachineListing>,
    /// MLSD, by itself or with MLST (RFC 3659, section 7.8), with the fact `type`.
    pub mlsd: bool,
    /// SIZE.
    pub size: bool,
    /// MDTM.
    pub mdtm: bool,
    /// REST STREAM.
    pub rest_stream: bool,
    /// UTF8: path names are UTF-8 (RFC 2640).
    pub utf8: bool,
    /// EPSV.
    pub epsv: bool,
    /// TVFS: paths are made of `/` as on Unix (RFC 3659, section 6).
    pub tvfs: bool,
    /// Checksums that the server computes.
    pub hashes: HashOffers,
}

/// Facts that MLST gives without being asked (RFC 3659, section 7.8: those with a `*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineListing {
    /// `type`; also where no fact is named at all.
    pub kind: bool,
    /// `size`.
    pub size: bool,
    /// `modify`.
    pub modify: bool,
    /// `unique`.
    pub unique: bool,
}

impl Features {
    /// The features in a 211 reply to FEAT; unknown ones are passed over.
    #[must_use]
    pub fn parse(reply: &Reply) -> Self {
        let mut features = Self::default();
        for line in &reply.lines {
            let line = String::from_utf8_lossy(line).trim().to_ascii_uppercase();
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "MLST" => {
                    let facts = MachineListing::parse(rest);
                    features.mlst = Some(facts);
                    features.mlsd = facts.kind;
                }
                "MLSD" if features.mlst.is_none() => features.mlsd = true,
                "SIZE" => features.size = true,
                "MDTM" => features.mdtm = true,
                "REST" if rest.trim() == "STREAM" => features.rest_stream = true,
                "UTF8" => features.utf8 = true,
                "EPSV" => features.epsv = true,
                "TVFS" => features.tvfs = true,
                _ => features.hashes.take(word, rest),
            }
        }
        features
    }
}

impl MachineListing {
    fn parse(facts: &str) -> Self {
        // A server that marks none can only mean that it gives them all.
        let marked = facts.contains('*');
        let gives = |name: &str| {
            facts.split(';').any(|fact| {
                let fact = fact.trim();
                if marked { fact.strip_suffix('*') == Some(name) } else { fact == name }
            })
        };
        let kind = gives("TYPE") || facts.trim().is_empty();
        Self { kind, size: gives("SIZE"), modify: gives("MODIFY"), unique: gives("UNIQUE") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    #[test]
    fn reads_the_lists_of_common_servers() {
        let vsftpd = "211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End";
        let features = Features::parse(&reply(vsftpd));
        assert!(features.epsv && features.mdtm && features.size && features.rest_stream && features.tvfs);
        assert_eq!((features.utf8, features.mlst), (false, None));

        let proftpd = "211-Features:\r\n MLST modify*;perm*;size*;type*;unique*;UNIX.group*;\r\n UTF8\r\n211 End";
        let features = Features::parse(&reply(proftpd));
        assert!(features.utf8);
        assert_eq!(features.mlst, Some(MachineListing { kind: true, size: true, modify: true, unique: true }));
    }

    #[test]
    fn a_fact_that_is_switched_off_is_not_offered() {
        let features = Features::parse(&reply("211-x\r\n mlst Type*;Size;Modify*;\r\n211 End"));
        assert_eq!(features.mlst, Some(MachineListing { kind: true, size: false, modify: true, unique: false }));
        let features = Features::parse(&reply("211-x\r\n MLST size;modify;\r\n211 End"));
        assert_eq!(features.mlst, Some(MachineListing { kind: false, size: true, modify: true, unique: false }));
    }

    #[test]
    fn lines_with_the_code_in_front_and_rubbish_are_understood() {
        let features = Features::parse(&reply("211-x\r\n211-SIZE\r\n530 foo\r\n\r\n211-UTF8 \r\n211 End"));
        assert!(features.size && features.utf8);
        assert_eq!(Features::parse(&reply("211 no features")), Features::default());
    }
}
