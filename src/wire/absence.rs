//! Whether a server's refusals say that it has no such file.

use super::classify::{says_denied, says_missing};
use super::reply::Reply;
use crate::model::printable;

/// Characters of the server's words that are shown.
const SHOWN: usize = 200;

/// What a server's answers to several questions about one file come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// It has the file.
    Exists,
    /// It says that there is no such file.
    Missing,
    /// It refuses as it refuses a name that nothing has, in words that may mean anything.
    Refused(String),
    /// Its words say something else; these are they.
    Unclear(String),
}

/// The replies to SIZE, MDTM and MLST about one name.
#[derive(Clone, Debug)]
pub struct FileReplies {
    /// The name as it was sent.
    pub name: Vec<u8>,
    /// A reply to each question that was asked.
    pub replies: Vec<Reply>,
}

impl FileReplies {
    /// Whether one of them tells of a file.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.replies.iter().any(|reply| matches!(reply.code.get(), 213 | 250))
    }

    /// Whether the reply says of its name what the one at the same place says of another name.
    fn is_like(&self, at: usize, other: &Self) -> bool {
        let (Some(here), Some(there)) = (self.replies.get(at), other.replies.get(at)) else { return false };
        let name = |name: &[u8]| String::from_utf8_lossy(name).to_lowercase();
        let (own, foreign) = (name(&self.name), name(&other.name));
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let renamed = there.words().replace(&foreign, &own).replace(&last(&foreign), &last(&own));
        here.code == there.code && here.words() == renamed
    }
}

/// What the replies about a file come to, beside those about a name that nothing has.
#[must_use]
pub fn file_answer(about: &FileReplies, nothing: &FileReplies) -> FileAnswer {
    if about.has_file() {
        return FileAnswer::Exists;
    }
    let (mut is_plain, mut is_clear) = (false, !nothing.has_file());
    let mut refusals = 0;
    for (at, reply) in about.replies.iter().enumerate() {
        // A command that the server does not know says nothing of the file.
        if matches!(reply.code.get(), 500 | 502) {
            continue;
        }
        refusals += 1;
        let says_missing = says_missing(reply, &about.name);
        is_plain |= says_missing;
        let is_known = says_missing || about.is_like(at, nothing);
        is_clear &= reply.code.get() == 550 && is_known && !says_denied(reply, &about.name);
    }
    if refusals > 0 && is_clear && is_plain {
        return FileAnswer::Missing;
    }
    let words: Vec<String> = about.replies.iter().map(Reply::text).collect();
    let words = printable(&words.join(" / "), SHOWN);
    if refusals > 0 && is_clear { FileAnswer::Refused(words) } else { FileAnswer::Unclear(words) }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    #[test]
    fn words_of_absence_are_told_from_all_others() {
        let absent = &["550 /d/ftpq1a2b: No such file or directory", "550 /d/ftpq1a2b: No such file or directory"];
        let mute = &["550 Could not get file size.", "550 Could not get file modification time."];
        let german = &["550 Das System kann die angegebene Datei nicht finden.", "550 ftpq1a2b: nicht da"];
        let no = &["550 no", "550 no"];
        let table: [(&[&str], &[&str], &str); 26] = [
            (absent, &["213 5", "213 20240229123456"], "exists"),
            (absent, &["550 f: Input/output error", "550 f: Input/output error"], "unclear"),
            (absent, &["550 f: Stale file handle"], "unclear"),
            (absent, &["550 Zugriff verweigert.", "550 Zugriff verweigert."], "unclear"),
            (german, &["550 Zugriff verweigert.", "550 Zugriff verweigert."], "unclear"),
            (german, &["550 Das System kann die angegebene Datei nicht finden.", "550 f: nicht da"], "refused"),
            (absent, &["550 The file is being used by another process."], "unclear"),
            (
                &["550 File unavailable (e.g., file not found, no access)."],
                &["550 File unavailable (e.g., file not found, no access)."],
                "unclear",
            ),
            (absent, &["550 no", "550 no"], "unclear"),
            (no, &["550 no", "550 no"], "refused"),
            (no, &["550 no", "550 busy"], "unclear"),
            (no, &["550 no", "213 20240229123456"], "exists"),
            (no, &["550 no", "250-x\r\n type=file; f\r\n250 End"], "exists"),
            (&["450 no", "450 no"], &["450 no", "450 no"], "unclear"),
            // What is told of a name that nothing has is told of anything.
            (&["213 5", "213 20240229123456"], &["550 f: No such file or directory"], "unclear"),
            (absent, &["550 /d/f: No such file or directory", "550 /d/f: No such file or directory"], "missing"),
            (no, &["550 /d/f: No such file or directory", "502 MDTM?"], "missing"),
            (mute, &["550 Could not get file size.", "550 Could not get file modification time."], "refused"),
            (&["550 Can't check for file existence"], &["550 Can't check for file existence", "502 MDTM?"], "refused"),
            (absent, &["550 /d/f: Permission denied", "550 /d/f: Permission denied"], "unclear"),
            (no, &["550 No such file or directory, or permission denied", "550 no"], "unclear"),
            (absent, &["550 f: not a plain file", "550 no"], "unclear"),
            (absent, &["550 No such file or directory", "450 busy"], "unclear"),
            (&["500 SIZE?", "502 MDTM?"], &["500 SIZE?", "502 MDTM?"], "unclear"),
            (absent, &["553 no", "550 No such file or directory"], "unclear"),
            (absent, &[], "unclear"),
        ];
        let about = |name: &str, lines: &[&str]| FileReplies {
            name: name.as_bytes().to_vec(),
            replies: lines.iter().map(|line| reply(line)).collect(),
        };
        for (nothing, lines, expected) in table {
            let found = match file_answer(&about("/d/f", lines), &about("/d/ftpq1a2b", nothing)) {
                FileAnswer::Exists => "exists",
                FileAnswer::Missing => "missing",
                FileAnswer::Refused(_) => "refused",
                FileAnswer::Unclear(_) => "unclear",
            };
            assert_eq!(found, expected, "{lines:?} beside {nothing:?}");
        }
        // The words of a file's own name are not the server's.
        let path = "/d/permission denied.txt";
        let named = about(path, &["550 /d/permission denied.txt: No such file or directory"]);
        assert_eq!(file_answer(&named, &about("/d/ftpq1a2b", absent)), FileAnswer::Missing);
    }
}
