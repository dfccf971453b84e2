//! A row of a plain list: URLs, and beside each what is known of its file, in any order.
//!
//! Columns stand apart by tabs or blanks. A single blank parts them too, where it can't be one that belongs into a URL or
//! a name: what is cut off a URL by mistake makes another file of it.

use super::columns::{Column, are_partners, ending, is_address, is_digest, last_part};
use super::entry::scheme_of;
use super::error::offset_in;
use super::joined::{host_in, is_several, joined, name_at_end, names_folder, pieces, server_and_path};
use crate::model::Checksum;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// Most URLs of one row.
const URLS: usize = 1000;
/// Most words between two gaps of a row.
const WORDS: usize = 1000;
/// What columns stand apart by.
const BLANKS: [char; 2] = [' ', '\t'];
/// Options of other programs before the name of a file.
const NAMING: [&str; 5] = ["-O", "-o", "--out", "--output", "--output-document"];

/// A file of a row, and where its parts stand, in bytes of the line.
#[derive(Debug, Default)]
pub(super) struct RowFile {
    /// Its URLs: mirrors have the same name at their end.
    pub(super) urls: Vec<(String, usize)>,
    /// The servers of FTP that they name, once there are two URLs, and the path on each.
    servers: BTreeMap<String, String>,
    /// The name that they end with, once somebody asked.
    named: OnceCell<Option<String>>,
    pub(super) checksum: Option<(Checksum, usize)>,
    pub(super) size: Option<(u64, usize)>,
    pub(super) name: Option<(String, usize)>,
    /// What is worth a warning.
    pub(super) doubt: Option<Doubt>,
}

/// What may have been meant otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// A single blank behind a URL: taken for the gap before a destination.
    OneBlank,
    /// URLs of several servers with different names: taken for different files.
    OtherNames,
}

/// A part of a row that can't be read: where, in bytes, and why.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) at: usize,
    pub(super) message: String,
}

fn misfit<T>(at: usize, message: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit { at, message: message.into() })
}

/// A word of a row, what it is, and where it stands.
struct RowWord<'l> {
    column: Column,
    word: &'l str,
    at: usize,
    /// It was called a name.
    is_named: bool,
    /// What it might be instead of a part of a name.
    refusal: Option<String>,
}

/// The files of a row that begins at this byte of its line. With `below_base` a path may stand for a URL.
///
/// # Errors
/// When a part of it could be more than one thing, or nothing that ftpq can use.
pub(super) fn files(line: &str, start: usize, below_base: bool) -> Result<Vec<RowFile>, Misfit> {
    let row = line.get(start..).unwrap_or_default();
    let (url, rest) = row.split_at(row.bytes().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(row.len()));
    // Most rows are a URL and nothing else.
    let is_bare = rest.trim_ascii_start().is_empty() && !url.bytes().any(|b| matches!(b, b';' | b','));
    if (scheme_of(url).is_some() && is_bare) || (scheme_of(url).is_none() && !below_base) {
        let file = RowFile { urls: vec![(url.to_owned(), start)], ..RowFile::default() };
        return Ok(vec![file]);
    }
    let line = without_comment(line)?;
    let rest = line.get(start + url.len()..).unwrap_or_default();
    let mut files = Files { below_base, first: url, all: Vec::new(), count: 0, latest: 0..0 };
    if scheme_of(url).is_none() {
        why_no_path(url).map_or(Ok(()), |message| misfit(start, message))?;
    }
    files.take_urls(url, start)?;
    let gap = rest.len() - rest.trim_start_matches(BLANKS).len();
    let is_close = gap == 1 && rest.starts_with(' ');
    for (index, field) in fields(rest).enumerate() {
        files.take_field(field, line, is_close && index == 0)?;
    }
    files.finish()
}

/// Why a word is no path below the base; nothing where it can be one.
fn why_no_path(word: &str) -> Option<&'static str> {
    let is_pattern = word.bytes().all(|b| b == b'*');
    if is_digest(word) {
        Some("a checksum where the path has to stand; is this a list of checksums? say --format checksums")
    } else if word.starts_with('-') {
        Some("no path: it begins with a dash; write one as %2D")
    } else if word.starts_with(['"', '<']) || word.starts_with("{\"") {
        Some("no path: it begins with a mark of JSON or HTML; write such a mark as %22, %3C or %7B")
    } else if !is_pattern && !word.contains(char::is_alphanumeric) {
        Some("no path: it has neither a letter nor a digit")
    } else if is_address(word) {
        Some("an address without its scheme; write ftp:// before it")
    } else if is_several(word) {
        Some("several paths with `;` or `,` between? write each on a line of its own; in a name write %3B and %2C")
    } else if word.ends_with(':') {
        Some("no path: it ends in a colon; write one as %3A")
    } else {
        None
    }
}

/// The line without a comment at its end: `#` behind white space, and before some.
fn without_comment(line: &str) -> Result<&str, Misfit> {
    for (at, _) in line.match_indices('#') {
        let (before, after) = line.split_at(at);
        if !before.ends_with(BLANKS) {
            continue;
        }
        let text = before.trim_end_matches(BLANKS);
        let is_wide = before.ends_with('\t') || before.len() - text.len() > 1;
        let is_spaced = after.get(1..).is_none_or(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '#']));
        if is_wide || is_spaced || (!text.contains(BLANKS) && ending(text).is_some()) {
            return Ok(text);
        }
        let message = "a `#` that may begin a comment or belong to a name: put a blank behind it for a comment; in a URL, \
                       write # as %23 and the blank as %20";
        return misfit(at, message);
    }
    Ok(line.trim_end_matches(BLANKS))
}

/// The parts of a text between tabs, or two blanks and more.
fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split('\t')
        .flat_map(|part| part.split("  "))
        .map(|part| part.trim_matches(' '))
        .filter(|part| !part.is_empty())
}

/// The files of a row so far.
struct Files<'l> {
    below_base: bool,
    /// The row's first URL or path.
    first: &'l str,
    all: Vec<RowFile>,
    /// URLs so far.
    count: usize,
    /// Those that the last column of URLs named: what follows belongs to them.
    latest: std::ops::Range<usize>,
}

impl<'l> Files<'l> {
    /// Takes one URL, or several with `;` or `,` between.
    fn take_urls(&mut self, word: &str, at: usize) -> Result<(), Misfit> {
        let from = self.all.len();
        let mut mirror_of = None;
        for (url, offset) in joined(word) {
            let at = at + offset;
            self.count += 1;
            if self.count > URLS {
                return misfit(at, format!("more than {URLS} URLs in one row"));
            }
            let named = if self.all.is_empty() { OnceCell::new() } else { OnceCell::from(name_at_end(&url)) };
            let name = named.get().and_then(Option::as_deref);
            let is_same = |file: &RowFile| name.is_some() && name == file.named();
            let same = self.all.iter().position(is_same);
            if let Some(file) = same.and_then(|index| self.all.get_mut(index)) {
                file.add_mirror(url, at)?;
                mirror_of = same;
            } else {
                let file = RowFile { urls: vec![(url, at)], named, ..RowFile::default() };
                self.all.push(file);
            }
        }
        self.latest = match mirror_of {
            Some(index) if self.all.len() == from => index..index + 1,
            _ => from..self.all.len(),
        };
        Ok(())
    }

    /// Takes what stands between two gaps. `is_close`: there is but one blank between it and the URL.
    fn take_field(&mut self, field: &'l str, line: &'l str, is_close: bool) -> Result<(), Misfit> {
        let start = offset_in(line, field);
        let items = items(field, line)?;
        let is =
            |wanted: fn(&Column) -> bool| items.iter().filter(|item| !item.is_named && wanted(&item.column)).count();
        let (names, sizes) = (is(|c| *c == Column::Name), is(|c| matches!(c, Column::Size(_))));
        let (sums, urls) = (is(|c| matches!(c, Column::Checksum(_))), is(|c| *c == Column::Url));
        let absent = is(|c| *c == Column::Absent);
        let is_whole = ending(self.first).is_some() || names_folder(self.first);
        if names == 0 {
            if is_close && sizes + absent == items.len() && !is_whole {
                return misfit(start, self.blank_or(if sizes > 0 { "a size" } else { "an empty column" }));
            }
            return items.into_iter().try_for_each(|item| self.take(item));
        }
        if let Some(RowWord { refusal: Some(message), at, .. }) = items.first() {
            return misfit(*at, message.as_str());
        }
        if items.len() == 1 || (names == 1 && sums > 0 && urls == 0) {
            if is_close {
                if !self.is_close_name(items.iter().find(|item| item.column == Column::Name)) {
                    return misfit(start, self.blank_or("a destination"));
                }
                self.doubt_blank();
            }
            return items.into_iter().try_for_each(|item| self.take(item));
        }
        let is_text = names + sizes == items.len();
        if is_close && is_text {
            return misfit(start, self.blank_or("a destination"));
        }
        if !is_text {
            return misfit(start, "several things with one blank between: put tabs between the columns of a row");
        }
        if ending(field).is_none() || ending(field) != ending(self.first) {
            let message = "words that are neither checksum nor size, and no destination by their looks; a comment begins with \
                           a `#`, and a destination with blanks in it ends as the file's name does: give another one in a \
                           list in JSON Lines or CSV";
            return misfit(start, message);
        }
        if let Some(RowWord { column: Column::Size(_), word, .. }) = items.first()
            && let Some(name) = field.get(word.len()..).map(str::trim_start)
            && self.all.first().and_then(RowFile::named) == Some(name)
        {
            let message = "a size and the file's name, or a destination that begins with a number? put a tab behind the size, \
                           or give the destination in a list in JSON Lines or CSV";
            return misfit(start, message);
        }
        self.take(RowWord { column: Column::Name, word: field, at: start, is_named: false, refusal: None })
    }

    /// What is said of a single blank behind a URL.
    fn blank_or(&self, what: &str) -> String {
        let url = if scheme_of(self.first).is_some() { "URL" } else { "path" };
        format!(
            "is the blank a part of the {url}, or does {what} follow? write a blank in a {url} as %20, or put a tab behind the \
             {url}"
        )
    }

    /// Whether what is one blank away is a name all the same: it ends as the first one does, or is a folder's for a
    /// folder.
    fn is_close_name(&self, item: Option<&RowWord<'_>>) -> bool {
        let wanted = ending(self.first).filter(|_| !names_folder(self.first));
        (wanted.is_some() || names_folder(self.first)) && item.is_some_and(|item| ending(item.word) == wanted)
    }

    /// Notes that a single blank was taken for a gap; behind a folder's URL it is no blank of a file's name.
    fn doubt_blank(&mut self) {
        if let Some(first) = self.all.first_mut().filter(|_| !self.first.ends_with('/')) {
            first.doubt.get_or_insert(Doubt::OneBlank);
        }
    }

    /// Gives a column to the files it belongs to.
    fn take(&mut self, item: RowWord<'_>) -> Result<(), Misfit> {
        let RowWord { column, word, at, is_named, .. } = item;
        if column == Column::Url {
            return self.take_urls(word, at);
        }
        let parts: Vec<(String, usize)> = match column {
            Column::Absent => return Ok(()),
            Column::Name => vec![(word.to_owned(), 0)],
            Column::Checksum(_) | Column::Size(_) | Column::Url => {
                pieces(word).map(|(piece, offset)| (piece.to_owned(), offset)).collect()
            }
        };
        let latest = self.latest.clone();
        if parts.len() != latest.len() {
            let (files, values) = (latest.len(), parts.len());
            let plural = |count: usize| if count == 1 { "" } else { "s" };
            let message = format!(
                "{values} value{} for {files} file{}: it is unclear which belongs to which",
                plural(values),
                plural(files)
            );
            return misfit(at, message);
        }
        let below_base = self.below_base;
        for (file, (part, offset)) in self.all.get_mut(latest).unwrap_or_default().iter_mut().zip(parts) {
            let at = at + offset;
            match if column == Column::Name { Ok(Column::Name) } else { Column::of(&part) } {
                Ok(Column::Checksum(sum)) => file.take_checksum(sum, at)?,
                Ok(Column::Size(size)) => file.take_size(size, at)?,
                Ok(_) => file.take_name(part, at, below_base && !is_named)?,
                Err(message) => return misfit(at, message),
            }
        }
        Ok(())
    }

    /// The files, where each has what the others have: otherwise what belongs to which was not told.
    fn finish(self) -> Result<Vec<RowFile>, Misfit> {
        let mut all = self.all;
        let has = |file: &RowFile| [file.checksum.is_some(), file.size.is_some(), file.name.is_some()];
        if let Some(first) = all.first()
            && let Some(other) = all.iter().find(|file| has(file) != has(first))
        {
            let at = other.urls.first().map_or(0, |(_, at)| *at);
            let message = format!(
                "{} files in one row, and what stands beside them belongs to one or to all: write each URL on a line of its own, \
                 or its columns behind each",
                all.len()
            );
            return misfit(at, message);
        }
        let hosts: BTreeSet<&str> =
            all.iter().filter_map(|file| file.urls.first()).map(|(url, _)| host_in(url)).collect();
        if hosts.len() > 1
            && let Some(second) = all.get_mut(1)
        {
            second.doubt = second.doubt.or(Some(Doubt::OtherNames));
        }
        Ok(all)
    }
}

impl RowFile {
    /// The name that its first URL ends with.
    fn named(&self) -> Option<&str> {
        self.named.get_or_init(|| self.urls.first().and_then(|(url, _)| name_at_end(url))).as_deref()
    }

    fn add_mirror(&mut self, url: String, at: usize) -> Result<(), Misfit> {
        let own = self.urls.first().filter(|_| self.urls.len() == 1).and_then(|(url, _)| server_and_path(url));
        self.servers.extend(own);
        if let Some((server, path)) = server_and_path(&url)
            && let known = self.servers.entry(server).or_insert_with(|| path.clone())
            && *known != path
        {
            let message = "another file of the same server, with the same name; write each URL on a line of its own, with \
                           a destination behind it";
            return misfit(at, message);
        }
        self.urls.push((url, at));
        Ok(())
    }

    /// Of several checksums the strongest says it all.
    fn take_checksum(&mut self, sum: Checksum, at: usize) -> Result<(), Misfit> {
        match &self.checksum {
            Some((known, _)) if known.algorithm() == sum.algorithm() && *known != sum => {
                misfit(at, format!("a second {} of the same file, and another one", sum.algorithm().name()))
            }
            Some((known, _)) if known.algorithm() >= sum.algorithm() => Ok(()),
            _ => {
                self.checksum = Some((sum, at));
                Ok(())
            }
        }
    }

    fn take_size(&mut self, size: u64, at: usize) -> Result<(), Misfit> {
        match self.size {
            Some((known, _)) if known != size => {
                misfit(at, "a second number: which of them is the size is not told; leave the other out")
            }
            _ => {
                self.size = Some((size, at));
                Ok(())
            }
        }
    }

    /// Takes a destination that can be one. Where both stand below a base, either may be a file's path.
    fn take_name(&mut self, name: String, at: usize, is_below_base: bool) -> Result<(), Misfit> {
        let url = self.urls.first().map(|(url, _)| url.as_str()).unwrap_or_default();
        let is_folder = names_folder(url);
        let own = self.named().unwrap_or_else(|| last_part(url));
        if self.name.is_some() {
            return misfit(at, "a second column that is neither checksum nor size: a row has one destination at most");
        }
        if !is_folder && are_partners(own, last_part(&name)) {
            let message = "a second file that belongs to the first, or a destination? write each file's URL on a line of its own, \
                           or give destinations in a list in JSON Lines or CSV";
            return misfit(at, message);
        }
        if !is_folder && name != own && !name.contains(char::is_alphabetic) {
            return misfit(at, "neither checksum, size nor destination: a file's name has a letter; is this a date?");
        }
        let is_bare = |text: &str| !text.contains(['.', '/', '*']);
        if is_below_base && is_bare(url) && is_bare(&name) {
            return misfit(at, "words, and no path with its destination: a path or a name here has a dot or a slash");
        }
        self.name = Some((name, at));
        Ok(())
    }
}

/// The words of a text, and what each is.
fn items<'l>(field: &'l str, line: &'l str) -> Result<Vec<RowWord<'l>>, Misfit> {
    let mut items = Vec::new();
    let mut words = field.split(' ');
    while let Some(word) = words.next() {
        let at = offset_in(line, word);
        if items.len() == WORDS {
            return misfit(at, format!("more than {WORDS} words in one row"));
        }
        let given = word.split_once('=').filter(|(option, _)| option.starts_with("--") && NAMING.contains(option));
        let (is_named, word) = match given {
            Some((_, name)) => (true, name),
            None if NAMING.contains(&word) => match words.next() {
                Some(name) => (true, name),
                None => return misfit(at, format!("`{word}` without a name behind it; put one blank between")),
            },
            None => (false, word),
        };
        if is_named {
            let quoted = |mark: char| word.strip_prefix(mark).and_then(|word| word.strip_suffix(mark));
            let word = quoted('"').or_else(|| quoted('\'')).unwrap_or(word);
            if word.is_empty() || word.starts_with('-') || word.contains(['"', '\'']) {
                return misfit(at, "no name that can be read; write the destination behind a tab instead");
            }
            items.push(RowWord { column: Column::Name, word, at: offset_in(line, word), is_named, refusal: None });
            continue;
        }
        let (column, refusal) = match column_of(word) {
            // With others it may be a part of a name.
            Err(message) if !is_digest(word) && field.len() > word.len() => (Column::Name, Some(message)),
            Ok(Column::Absent) if field.len() > word.len() => (Column::Name, None),
            Ok(column) => (column, None),
            Err(message) => return misfit(at, message),
        };
        items.push(RowWord { column, word, at, is_named, refusal });
    }
    Ok(items)
}

/// What a word is, or each of several with `;` or `,` between: checksums, or sizes.
fn column_of(word: &str) -> Result<Column, String> {
    if scheme_of(word).is_none() && word.contains([';', ',']) {
        let columns: Vec<Column> = pieces(word).filter_map(|(piece, _)| Column::of(piece).ok()).collect();
        let is_all = |wanted: fn(&Column) -> bool| columns.len() == pieces(word).count() && columns.iter().all(wanted);
        if is_all(|c| matches!(c, Column::Checksum(_))) || is_all(|c| matches!(c, Column::Size(_))) {
            return Ok(columns.into_iter().next().unwrap_or(Column::Absent));
        }
    }
    Column::of(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str, below_base: bool) -> String {
        let shown = |file: RowFile| {
            let urls: Vec<String> = file.urls.into_iter().map(|(url, _)| url).collect();
            let mut out = urls.join(" = ");
            let mut add = |text: String| out.push_str(&text);
            file.checksum.iter().for_each(|(sum, _)| add(format!(" {}", sum.algorithm().name())));
            file.size.iter().for_each(|(size, _)| add(format!(" {size}")));
            file.name.iter().for_each(|(name, _)| add(format!(" as {name}")));
            file.doubt.iter().for_each(|doubt| add(format!(" {doubt:?}")));
            out
        };
        match files(line, 0, below_base) {
            Ok(files) => files.into_iter().map(shown).collect::<Vec<_>>().join(" | "),
            Err(misfit) => format!("{}: {}", misfit.at, misfit.message),
        }
    }

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn columns_stand_in_any_order() {
        let sha = "0a".repeat(32);
        for line in [
            format!("ftp://h/a.gz\t{MD5}\t12\tb.gz"),
            format!("ftp://h/a.gz\tb.gz\t12\t{MD5}"),
            format!("ftp://h/a.gz 12 {MD5}  b.gz"),
            format!("ftp://h/a.gz {MD5} 12 -O b.gz"),
            format!("ftp://h/a.gz\t-\tmd5={MD5} \t \t12   b.gz   # why"),
            format!("ftp://h/a.gz {MD5} --out=\"b.gz\" 12"),
        ] {
            assert_eq!(told(&line, false), "ftp://h/a.gz md5 12 as b.gz", "{line}");
        }
        assert_eq!(told(&format!("ftp://h/a.gz {MD5} {sha}"), false), "ftp://h/a.gz sha-256");
        assert_eq!(told(&format!("ftp://h/a.gz {sha} {MD5} {MD5}"), false), "ftp://h/a.gz sha-256");
    }

    #[test]
    fn urls_of_one_name_are_mirrors_and_others_are_files_of_their_own() {
        for (line, found) in [
            ("ftp://h/x/a.gz\tftp://i/a.gz", "ftp://h/x/a.gz = ftp://i/a.gz"),
            ("ftp://h/a.gz\thttps://i/a.gz 12", "ftp://h/a.gz = https://i/a.gz 12"),
            ("ftp://h/a%2Egz\tftp://i/a.gz;type=i", "ftp://h/a%2Egz = ftp://i/a.gz;type=i"),
            ("ftp://h/A/a.gz\thttps://h/B/a.gz", "ftp://h/A/a.gz = https://h/B/a.gz"),
            ("ftp://h/a.gz\tftp://u@H:21/a%2Egz", "ftp://h/a.gz = ftp://u@H:21/a%2Egz"),
            ("ftp://h/a_1.gz\tftp://h/a_2.gz", "ftp://h/a_1.gz | ftp://h/a_2.gz"),
            ("ftp://h/a_1.gz ftp://h/a_2.gz", "ftp://h/a_1.gz | ftp://h/a_2.gz"),
            ("ftp://h/a.cram\t1\tftp://h/a.cram.crai\t2", "ftp://h/a.cram 1 | ftp://h/a.cram.crai 2"),
            ("ftp://h/a.iso\tftp://i/b.iso", "ftp://h/a.iso | ftp://i/b.iso OtherNames"),
            (
                "ftp://h/a_1\tftp://i/a_1\tftp://h/a_2\tftp://i/a_2",
                "ftp://h/a_1 = ftp://i/a_1 | ftp://h/a_2 = ftp://i/a_2",
            ),
            ("ftp://h/d/\tftp://h/e/", "ftp://h/d/ | ftp://h/e/"),
        ] {
            assert_eq!(told(line, false), found, "{line}");
        }
    }

    #[test]
    fn urls_pasted_together_are_taken_apart_and_other_names_left_whole() {
        for (line, found) in [
            ("ftp://h/a;ftp://h/b", "ftp://h/a | ftp://h/b"),
            ("ftp://h/a,ftp://h/b,", "ftp://h/a | ftp://h/b"),
            ("ftp://u:p@h:2121/a;h:2121/b", "ftp://u:p@h:2121/a | ftp://u:p@h:2121/b"),
            ("ftp://h/a;ftp.example.org/b", "ftp://h/a | ftp://ftp.example.org/b OtherNames"),
            ("ftp://h/a;ftp://h/b\t1;2", "ftp://h/a 1 | ftp://h/b 2"),
            ("ftp://h/a;1.dat", "ftp://h/a;1.dat"),
            ("ftp://h/a,v", "ftp://h/a,v"),
            ("ftp://h/a;", "ftp://h/a;"),
            ("ftp://h/a.txt;type=a", "ftp://h/a.txt;type=a"),
            ("ftp://h/x,y;ftp://h/b,c", "ftp://h/x,y | ftp://h/b,c"),
        ] {
            assert_eq!(told(line, false), found, "{line}");
        }
        assert!(told("ftp://h/a;ftp://h/b\t1;2;3", false).contains("3 values for 2 files"));
    }

    #[test]
    fn a_single_blank_is_taken_for_a_gap_only_where_it_can_be_no_other() {
        for (line, found) in [
            ("ftp://h/b.fa.gz run7/c.FA.gz", "ftp://h/b.fa.gz as run7/c.FA.gz OneBlank"),
            ("ftp://h/d/ sub", "ftp://h/d/ as sub"),
            ("ftp://h/*.nc sub", "ftp://h/*.nc as sub OneBlank"),
            ("ftp://h/data  file.csv", "ftp://h/data as file.csv"),
            ("ftp://h/data\tfile.csv", "ftp://h/data as file.csv"),
            ("ftp://h/a.mp3\tA - B.mp3", "ftp://h/a.mp3 as A - B.mp3"),
            ("ftp://h/a.mkv\tA 1.5G b.mkv", "ftp://h/a.mkv as A 1.5G b.mkv"),
        ] {
            assert_eq!(told(line, false), found, "{line}");
        }
        for line in [
            "ftp://h/data file.csv",
            "ftp://h/a.gz b",
            "ftp://h/My Songs/a.mp3",
            "ftp://h/Report 2020",
            "ftp://h/Report -",
            "ftp://h/[Album] song.mp3",
            "ftp://h/{a} b.gz",
            "ftp://h/what? b.gz",
            "ftp://h/*x b.gz",
        ] {
            assert!(told(line, false).contains("write a blank in a URL as %20"), "{line}: {}", told(line, false));
        }
        assert!(told("data file.csv", true).contains("write a blank in a path as %20"));
    }

    #[test]
    fn one_server_is_no_mirror_of_itself() {
        for (line, at) in [
            ("ftp://h/A/a.gz\tftp://h/B/a.gz", 15),
            ("ftp://h/A/a.gz;ftp://u@H:21/B/a%2Egz", 15),
            ("ftp://h/A/a.gz\tftp://i/A/a.gz\tftp://i/B/a.gz", 30),
            ("ftp://h/A/a.gz\tftps://h/B/a.gz", 15),
        ] {
            let said = told(line, false);
            assert!(said.starts_with(&format!("{at}: another file of the same server")), "{line}: {said}");
        }
    }

    #[test]
    fn brackets_and_braces_are_parts_of_a_name() {
        for line in ["ftp://h/a[1].bam\ta[1].bam.bai", "ftp://h/{x}_1.gz\t{x}_2.gz"] {
            assert!(
                told(line, false).contains("a second file that belongs to the first"),
                "{line}: {}",
                told(line, false)
            );
        }
        assert_eq!(told("ftp://h/a[1].gz\tb.gz", false), "ftp://h/a[1].gz as b.gz");
    }

    #[test]
    fn several_words_are_a_destination_only_where_they_end_as_the_file_does() {
        for line in [
            "ftp://h/a.gz\treads and/or contigs",
            "ftp://h/a.tar.gz\tsee notes.txt",
            "ftp://h/a.gz\tb.gz 1.5G",
            "ftp://h/README\tthe file to read first",
            "ftp://h/d/\tall of them",
        ] {
            assert!(told(line, false).contains("words that are neither"), "{line}: {}", told(line, false));
        }
        assert!(told("ftp://h/b.gz\t12 b.gz", false).contains("a size and the file's name, or a destination"));
        assert_eq!(told("ftp://h/b.gz\t12 c.gz", false), "ftp://h/b.gz as 12 c.gz");
        for empty in ["-", ".", "NA", "n/a", "N/A"] {
            assert_eq!(told(&format!("ftp://h/a.gz\t{empty}\t12"), false), "ftp://h/a.gz 12", "{empty}");
        }
    }

    #[test]
    fn a_comment_begins_behind_white_space() {
        for line in [
            "ftp://h/a.gz  # reads 1",
            "ftp://h/a.gz # reads 1",
            "ftp://h/a.gz #reads",
            "ftp://h/a.gz\t#reads",
            "ftp://h/a.gz ## ftp://h/b",
            "ftp://h/a.gz #",
        ] {
            assert_eq!(told(line, false), "ftp://h/a.gz", "{line}");
        }
        assert_eq!(told("ftp://h/a.gz b.gz # why", false), "ftp://h/a.gz as b.gz OneBlank");
        assert_eq!(told("ftp://h/a.gz\tb#1.gz", false), "ftp://h/a.gz as b#1.gz");
        for line in ["ftp://h/Song #1.mp3", "ftp://h/a.mp3\tSong #1.mp3"] {
            assert!(told(line, false).contains("may begin a comment or belong to a name"), "{line}");
        }
    }

    #[test]
    fn below_a_base_a_path_has_the_form_of_one() {
        for (line, found) in [
            ("README", "README".to_owned()),
            ("a/b c/d", "4: is the blank a part of the path, or does a destination follow? write a blank in a path as %20, or put a tab behind the path".to_owned()),
            ("a/b\tc/d", "a/b as c/d".to_owned()),
            ("*", "*".to_owned()),
            ("ftp://h/a", "ftp://h/a".to_owned()),
            (&format!("data/a.bam\t{MD5}"), "data/a.bam md5".to_owned()),
            ("a;1", "a;1".to_owned()),
        ] {
            assert_eq!(told(line, true), found, "{line}");
        }
        assert!(told("a.fq.gz;b.fq.gz", true).contains("several paths with `;` or `,` between"));
    }
}
