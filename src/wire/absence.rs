//! Whether a server's refusals say that it has no such file.

use super::classify::{gives_no_reason, says_denied, says_missing};
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
    /// It refuses, in words that don't say why: vsftpd and Pure-FTPd say so of a file that is missing, others of one that
    /// they don't give.
    Refused(String),
    /// Its words say something else; these are they.
    Unclear(String),
}

/// What the replies to SIZE, MDTM and MLST about one file come to; `path` as it was sent.
#[must_use]
pub fn file_answer(replies: &[Reply], path: &[u8]) -> FileAnswer {
    let words = || printable(&replies.iter().map(Reply::text).collect::<Vec<_>>().join(" / "), SHOWN);
    if replies.iter().any(|reply| matches!(reply.code.get(), 213 | 250)) {
        return FileAnswer::Exists;
    }
    // A command that the server does not know says nothing of the file.
    let mut refusals = replies.iter().filter(|reply| !matches!(reply.code.get(), 500 | 502)).peekable();
    if refusals.peek().is_none() {
        return FileAnswer::Unclear(words());
    }
    let (mut is_plain, mut is_clear) = (false, true);
    for reply in refusals {
        is_plain |= says_missing(reply, path);
        let is_known = says_missing(reply, path) || gives_no_reason(reply, path);
        is_clear &= reply.code.get() == 550 && is_known && !says_denied(reply, path);
    }
    match (is_clear, is_plain) {
        (false, _) => FileAnswer::Unclear(words()),
        (true, true) => FileAnswer::Missing,
        (true, false) => FileAnswer::Refused(words()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    #[test]
    fn words_of_absence_are_told_from_all_others() {
        let table: [(&[&str], &str); 19] = [
            (&["213 5", "213 20240229123456"], "exists"),
            (&["550 f: Input/output error", "550 f: Input/output error"], "unclear"),
            (&["550 f: Stale file handle"], "unclear"),
            (&["550 Zugriff verweigert.", "550 Zugriff verweigert."], "unclear"),
            (&["550 The file is being used by another process."], "unclear"),
            (&["550 File unavailable (e.g., file not found, no access)."], "unclear"),
            (&["550 no"], "unclear"),
            (&["550 no", "213 20240229123456"], "exists"),
            (&["550 no", "250-x\r\n type=file; f\r\n250 End"], "exists"),
            (&["550 /d/f: No such file or directory", "550 /d/f: No such file or directory"], "missing"),
            (&["550 /d/f: No such file or directory", "502 MDTM?"], "missing"),
            (&["550 Could not get file size.", "550 Could not get file modification time."], "refused"),
            (&["550 Can't check for file existence", "502 MDTM?"], "refused"),
            (&["550 /d/f: Permission denied", "550 /d/f: Permission denied"], "unclear"),
            (&["550 No such file or directory, or permission denied", "550 no"], "unclear"),
            (&["550 f: not a plain file", "550 no"], "unclear"),
            (&["550 No such file or directory", "450 busy"], "unclear"),
            (&["500 SIZE?", "502 MDTM?"], "unclear"),
            (&["553 no", "550 No such file or directory"], "unclear"),
        ];
        for (lines, expected) in table {
            let replies: Vec<Reply> = lines.iter().map(|line| reply(line)).collect();
            let found = match file_answer(&replies, b"/d/f") {
                FileAnswer::Exists => "exists",
                FileAnswer::Missing => "missing",
                FileAnswer::Refused(_) => "refused",
                FileAnswer::Unclear(_) => "unclear",
            };
            assert_eq!(found, expected, "{lines:?}");
        }
        // The words of a file's own name are not the server's.
        let named = [reply("550 /d/permission denied.txt: No such file or directory")];
        assert_eq!(file_answer(&named, b"/d/permission denied.txt"), FileAnswer::Missing);
    }
}
