//! A checksum that is found beside the file, on the server.

use super::findings::{FolderSums, Sums, remember};
use super::link::Link;
use super::prove::Word;
use super::task::{Halt, Run};
use crate::ftp::Verdict;
use crate::manifest::{SumLine, sum_line};
use crate::model::{Cause, Failure, FailureKind, Proof, RemotePath, Source, Stage, TransferType};
use std::sync::atomic::Ordering::Relaxed;

/// Lists of checksums of a folder's files, the most telling first.
const LISTS: [&str; 6] = ["SHA512SUMS", "SHA256SUMS", "SHA1SUMS", "MD5SUMS", "md5checksums.txt", "CHECKSUMS"];
/// What is put behind a file's name, the most telling first.
const KINDS: [&str; 4] = [".sha512", ".sha256", ".sha1", ".md5"];
/// Bytes of a list that are read.
const LONGEST: u64 = 64 << 20;
/// The same for what stands beside one file.
const SHORT: u64 = 1 << 20;
/// Bytes of a line that are looked at.
const LINE: usize = 16 * 1024;

impl Run<'_> {
    /// Looks for the file's checksum in its folder: in the lists there, then in a file of its own.
    pub(super) async fn find_sidecar(&mut self, link: &mut Link) -> Result<Option<Word>, Halt> {
        let path = self.path().clone();
        let name = path.file_name().to_vec();
        let length = path.as_bytes().len() - name.len();
        let folder = path.as_bytes().get(..length).unwrap_or_default().to_vec();
        let known = self.task.findings.folder(self.source().account(), &folder);
        for list in self.lists(&known, &folder, link).await? {
            // A list says nothing of itself.
            if list.name.as_bytes() != name
                && let Some(checksum) = list.get(&name)
            {
                return Ok(Some(Word { checksum, proof: Proof::Sidecar { name: list.name.to_owned() } }));
            }
        }
        if KINDS.iter().any(|kind| name.ends_with(kind.as_bytes())) {
            return Ok(None);
        }
        let first = known.kind.load(Relaxed);
        let turns = std::iter::once(first).chain((0..KINDS.len()).filter(|&number| number != first));
        for (number, kind) in turns.filter_map(|number| Some((number, KINDS.get(number)?))) {
            let beside = [&name, kind.as_bytes()].concat();
            let Some(whole) = beside_path(&folder, &beside) else { continue };
            let mut lines: Vec<SumLine> = Vec::new();
            let mut many = false;
            let mut take = |line: SumLine| {
                let own = is_name(&line.name, &name);
                // Of a file with one line that is the one; of many, the one with the name.
                many |= !lines.is_empty();
                if lines.is_empty() || own {
                    lines.push(line);
                }
                true
            };
            if !self.read_sums(&whole, SHORT, &mut take, link).await? {
                continue;
            }
            let own = lines.iter().find(|line| is_name(&line.name, &name));
            if let Some(line) = own.or_else(|| lines.first().filter(|_| !many)) {
                remember(&known, number);
                let name = Source::new(self.source().account().clone(), whole, None).file_name();
                return Ok(Some(Word { checksum: line.checksum.clone(), proof: Proof::Sidecar { name } }));
            }
        }
        Ok(None)
    }

    /// The lists in a folder, read by whoever needs them first.
    async fn lists<'f>(&mut self, known: &'f FolderSums, folder: &[u8], link: &mut Link) -> Result<&'f [Sums], Halt> {
        let mut stop = self.task.stop.clone();
        let read = known.lists.get_or_try_init(|| async {
            let mut lists = Vec::new();
            for list in LISTS {
                let Some(path) = beside_path(folder, list.as_bytes()) else { continue };
                let mut sums = self.task.findings.sums(list);
                let mut full = false;
                let mut take = |line: SumLine| {
                    // Names in other folders are other files'.
                    let name = line.name.strip_prefix(b"./").unwrap_or(&line.name);
                    full |= !name.is_empty() && !name.contains(&b'/') && !sums.add(name, &line.checksum);
                    !full
                };
                let found = self.read_sums(&path, LONGEST, &mut take, link).await?;
                if full {
                    self.add_note(&format!("{list} on the server is too long to be used"));
                } else if found {
                    lists.push(sums.finish());
                }
            }
            Ok::<_, Halt>(lists)
        });
        // Who waits for another worker's reading has to stop when told to, too.
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => Err(Halt::Stopped),
            lists = read => lists.map(Vec::as_slice),
        }
    }

    /// Reads the checksums in a file on the server, until `take` has enough. Returns whether there is such a file, and all
    /// of it came.
    async fn read_sums(
        &mut self,
        path: &RemotePath,
        most: u64,
        take: &mut (dyn FnMut(SumLine) -> bool + Send),
        link: &mut Link,
    ) -> Result<bool, Halt> {
        let shown = crate::model::printable(&String::from_utf8_lossy(path.file_name()), 200);
        let named = |mut failure: Failure| {
            failure.message = format!("{shown}, which may hold the file's checksum: {}", failure.message);
            failure
        };
        let session = self.or_stop(link.session()).await??;
        let size = match self.or_stop(session.inspect(path)).await? {
            Ok(identity) => identity.size,
            Err(failure) if is_absent(&failure) => return Ok(false),
            Err(failure) => return Err(named(failure).into()),
        };
        if size.is_some_and(|size| size > most) {
            self.add_note(&format!("{shown} on the server is too long to be used"));
            return Ok(false);
        }
        let session = self.or_stop(link.session()).await??;
        let mut retrieval = match self.or_stop(session.retrieve(path, TransferType::Image, 0)).await? {
            Ok(retrieval) => retrieval,
            Err(failure) if is_absent(&failure) => return Ok(false),
            Err(failure) => return Err(named(failure).into()),
        };
        let mut lines = Lines::default();
        let mut buffer = vec![0; 32 * 1024];
        let mut read = 0;
        let more = loop {
            match self.or_stop(retrieval.read(&mut buffer)).await? {
                Ok(0) => break lines.finish(take),
                Ok(count) => {
                    read += count as u64;
                    if read > most || !lines.feed(buffer.get(..count).unwrap_or_default(), take) {
                        break false;
                    }
                }
                Err(failure) => return Err(named(failure).into()),
            }
        };
        if !more {
            retrieval.abort().await;
            return Ok(false);
        }
        match self.or_stop(retrieval.finish()).await? {
            Verdict::Confirmed => Ok(true),
            Verdict::Cut { .. } | Verdict::Unconfirmed { .. } if size == Some(read) => Ok(true),
            Verdict::Cut { failure } | Verdict::Unconfirmed { failure } | Verdict::Refused { failure } => {
                Err(named(failure).into())
            }
        }
    }
}

/// The path of a file beside another.
fn beside_path(folder: &[u8], name: &[u8]) -> Option<RemotePath> {
    RemotePath::new([folder, name].concat()).ok()
}

/// Whether a line's name is that of a file in the line's own folder.
fn is_name(written: &[u8], name: &[u8]) -> bool {
    written.strip_prefix(b"./").unwrap_or(written) == name
}

/// Whether there is nothing to be had under a name.
fn is_absent(failure: &Failure) -> bool {
    let about_file = matches!(failure.stage, Stage::Inspect | Stage::Retrieve | Stage::Verdict);
    about_file && failure.kind == FailureKind::Permanent && failure.cause != Cause::LoginRefused
}

/// Lines that arrive in pieces. What is too long for one is none.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// Takes in bytes and hands over the checksums in the lines that are whole. Returns false once there are enough.
    fn feed(&mut self, bytes: &[u8], take: &mut (dyn FnMut(SumLine) -> bool + Send)) -> bool {
        let mut parts = bytes.split(|&b| b == b'\n').peekable();
        while let Some(part) = parts.next() {
            if self.held.len() + part.len() > LINE {
                self.too_long = true;
                self.held.clear();
            }
            if !self.too_long {
                self.held.extend_from_slice(part);
            }
            if parts.peek().is_some() && !self.finish(take) {
                return false;
            }
        }
        true
    }

    /// Ends a line.
    fn finish(&mut self, take: &mut (dyn FnMut(SumLine) -> bool + Send)) -> bool {
        let line = if self.too_long { None } else { sum_line(&self.held) };
        self.held.clear();
        self.too_long = false;
        line.is_none_or(take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_wherever_the_pieces_are_cut() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        let long = "x".repeat(LINE + 1);
        let text = format!("# made by hand\n{md5}  a\r\n{long}\n{md5} *b\n\n{md5}  {long}\n{md5}  c");
        for cut in [1, 2, 7, 40, 1000, 50_000] {
            let (mut lines, mut names) = (Lines::default(), Vec::new());
            let mut take = |line: SumLine| {
                names.push(String::from_utf8(line.name).unwrap());
                true
            };
            text.as_bytes().chunks(cut).for_each(|part| assert!(lines.feed(part, &mut take)));
            assert!(lines.finish(&mut take));
            assert_eq!(names, ["a", "b", "c"], "cut at {cut}");
        }
    }
}
