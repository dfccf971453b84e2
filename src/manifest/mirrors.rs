//! Several URLs of one file: which comes first, and which can't be of use.

use super::Position;
use super::entry::{BadField, MIRRORS, SECOND, Wanted, is_ftp, measure, read_relative, scheme_of};
use super::warning::Reading;
use crate::model::{Account, Mirror, Secret, Source, printable};
use std::collections::BTreeSet;

/// Mirrors of one file that are kept: more would only cost memory wherever the job is.
pub(super) const MOST: usize = 32;

/// One of the URLs of a file, as a list gives it.
pub(super) struct MirrorPlace {
    pub(super) url: String,
    /// 1 is the best.
    pub(super) priority: u32,
    pub(super) at: Position,
}

/// Makes the best of several URLs the job's own, and mirrors of the others; says where the job's own stands. URLs of
/// other schemes are left out as long as one of FTP remains.
///
/// # Errors
/// When none remains; what is wrong is a sentence.
pub(super) fn choose(places: Vec<MirrorPlace>, wanted: &mut Wanted, reading: &mut Reading) -> Result<Position, String> {
    let first = places.first().map_or(Position { line: 1, column: 1 }, |place| place.at);
    let (mut usable, foreign): (Vec<MirrorPlace>, Vec<MirrorPlace>) =
        places.into_iter().partition(|place| foreign_scheme(&place.url).is_none());
    let schemes = || schemes(foreign.iter().map(|place| place.url.as_str()));
    // A stable sort: of one priority the first stays first.
    usable.sort_by_key(|place| place.priority);
    let mut usable = usable.into_iter();
    let Some(best) = usable.next() else {
        return Err(match foreign.len() {
            0 => "no URL; every file needs one of FTP".to_owned(),
            _ => format!(
                "no URL of FTP among {} ({}); ftpq downloads over ftp://, ftpes:// and ftps:// alone: look for the \
                 archive's FTP address, or leave the file out with --skip-bad",
                foreign.len(),
                schemes()
            ),
        });
    };
    if !foreign.is_empty() {
        let message = format!("{} of its URLs left out ({}): ftpq downloads over FTP alone", foreign.len(), schemes());
        reading.warnings.say(foreign.first().map_or(first, |place| place.at), &message);
    }
    wanted.line.url = best.url;
    for place in usable {
        // The job's own source stands for 1, whatever number the list gave it.
        wanted.priorities.push((place.priority - best.priority).saturating_add(1));
        wanted.line.mirrors.push(place.url);
    }
    Ok(best.at)
}

/// The scheme of a URL, where it is none of FTP.
fn foreign_scheme(url: &str) -> Option<&str> {
    let scheme = scheme_of(url).or_else(|| url.trim_start().starts_with("magnet:").then_some("magnet"))?;
    (!is_ftp(scheme)).then_some(scheme)
}

/// The different schemes of some URLs, for people.
fn schemes<'a>(urls: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<String> = urls.filter_map(foreign_scheme).map(|scheme| printable(scheme, 20)).collect();
    names.into_iter().take(5).collect::<Vec<_>>().join(", ")
}

/// The mirrors of a file, each with the password that stood in its URL. `beside` is the user that stands beside the URLs,
/// and whether a password does.
pub(super) fn mirrors(
    urls: &[String],
    priorities: &[u32],
    own: &Source,
    beside: &(Option<String>, bool),
    at: Position,
    reading: &mut Reading,
) -> Result<Vec<(Mirror, Option<Secret>)>, BadField> {
    let foreign: Vec<&str> = urls.iter().map(String::as_str).filter(|url| foreign_scheme(url).is_some()).collect();
    if !foreign.is_empty() {
        let schemes = schemes(foreign.iter().copied());
        let message = format!("{} of its mirrors left out ({schemes}): ftpq downloads over FTP alone", foreign.len());
        reading.warnings.say(at, &message);
    }
    let mut found: Vec<(Mirror, Option<Secret>)> = Vec::new();
    let mut surplus = 0u64;
    for (index, url) in urls.iter().enumerate().filter(|(_, url)| foreign_scheme(url).is_none()) {
        if found.len() == MOST {
            surplus += 1;
            continue;
        }
        let bad = |message: String| BadField::new(MIRRORS, format!("`{MIRRORS}`, number {}: {message}", index + 1));
        let (source, secret) = read_relative(url, &reading.options).map_err(bad)?;
        let source = sign_in(&source, secret.is_some(), own, beside).map_err(bad)?;
        measure(&source).map_err(bad)?;
        if source == *own || found.iter().any(|(known, _)| known.source == source) {
            continue;
        }
        let priority = priorities.get(index).copied().unwrap_or(SECOND);
        found.push((Mirror { source, priority }, secret));
    }
    if surplus > 0 {
        reading.warnings.say(at, &format!("{surplus} of its mirrors left out: {MOST} are kept"));
    }
    Ok(found)
}

/// The mirror with the user that stands beside the URLs, where its own names none. A password beside them is for the
/// job's own server; it goes to no other, whoever wrote the list.
fn sign_in(mirror: &Source, has_secret: bool, own: &Source, beside: &(Option<String>, bool)) -> Result<Source, String> {
    let (user, has_password) = beside;
    let user = user.as_deref().filter(|user| !user.is_empty());
    let account = mirror.account();
    if has_secret || account.user != Account::ANONYMOUS || (user.is_none() && !has_password) {
        return Ok(mirror.clone());
    }
    let user = user.map_or_else(|| own.account().user.clone(), str::to_owned);
    let account = Account { user, ..account.clone() };
    if *has_password && account.credential() != own.account().credential() {
        return Err(format!(
            "the password beside the URLs could be meant for {} or for {}; write user and password into the URLs they are \
             for",
            own.account().host_key(),
            account.host_key()
        ));
    }
    Ok(Source::new(account, mirror.path().clone(), mirror.transfer_type()))
}
