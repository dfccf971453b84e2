//! Entries that a listing leaves in doubt: what links lead to, and what it does not tell the kind of. The server is asked.

use super::expand::{Halt, Run};
use super::link::Link;
use super::rules::{Fate, Rules, listed};
use crate::ftp::LinkKind;
use crate::model::{Identity, Listed, RemotePath};
use crate::wire::listing::{Entry, Kind};

impl Run<'_> {
    /// Asks for each: links to files are fetched, those to folders are entered where that is wished, and so is what turns
    /// out to be a file or a folder itself.
    pub(super) async fn ask(&mut self, rules: &Rules<'_>, link: &mut Link) -> Result<(), Halt> {
        // Known once a link to a folder has to be told from a way back.
        let mut here: Option<Option<Vec<u8>>> = None;
        for entry in std::mem::take(&mut self.unsure) {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let Some((entry, found)) = self.find(entry, link).await? else {
                self.hiding += 1;
                let why = "the listing does not tell what it is, and the server has no file or folder of this name";
                self.refuse(&name, why);
                continue;
            };
            match found {
                LinkKind::Dangling => {
                    self.tally.left_out += 1;
                    self.note_listed(rules, &entry);
                }
                LinkKind::File => {
                    let listed = self.told_of(&entry, link).await?;
                    let fate = rules.file(&entry, listed);
                    self.sort(fate, entry);
                }
                LinkKind::Folder { real } => {
                    let may_enter = entry.kind == Kind::Unknown || self.task.rules.follow_links;
                    if here.is_none() && may_enter {
                        here = Some(self.real_path(link).await?);
                    }
                    let here = here.as_ref().and_then(Option::as_deref);
                    self.enter(rules, entry, real.as_deref().zip(here));
                }
            }
            self.hand_over_in_time().await?;
        }
        Ok(())
    }

    /// What stands behind an entry's name on the server. Nothing for one that may be anything, and is not there; blanks in
    /// front of its name may be the listing's own.
    async fn find(&self, entry: Entry, link: &mut Link) -> Result<Option<(Entry, LinkKind)>, Halt> {
        let bare = entry.name.trim_ascii_start().to_vec();
        let mut names = vec![entry.name.clone()];
        if entry.kind == Kind::Unknown && bare != entry.name {
            names.push(bare);
        }
        for name in names {
            // A name that makes no path here is refused by the rules in their own words.
            let Ok(path) = self.task.job.spec.source.path().join(&name, false) else {
                return Ok(Some((entry, LinkKind::File)));
            };
            let found = link.session().await?.kind_of_link(&path).await?;
            if found != LinkKind::Dangling || entry.kind != Kind::Unknown {
                return Ok(Some((Entry { name, ..entry }, found)));
            }
        }
        Ok(None)
    }

    /// What is known of the file: of one behind a link, the listing tells of the link alone.
    async fn told_of(&self, entry: &Entry, link: &mut Link) -> Result<Option<Listed>, Halt> {
        if entry.kind == Kind::Unknown {
            return Ok(Some(listed(entry)));
        }
        let Ok(path) = self.task.job.spec.source.path().join(&entry.name, false) else { return Ok(None) };
        if !self.task.rules.sync {
            return Ok(None);
        }
        Ok(Some(seen(link.session().await?.inspect_behind_link(&path).await?)))
    }

    /// Enters a folder that a link leads to, or that an entry of no known kind is. `paths` are those of it and of this
    /// folder from the server's root, without links, where the server tells them.
    fn enter(&mut self, rules: &Rules<'_>, entry: Entry, paths: Option<(&[u8], &[u8])>) {
        let below = |here: &[u8]| [here.strip_suffix(b"/").unwrap_or(here), b"/", &entry.name].concat();
        let is_plain = entry.kind == Kind::Unknown && paths.is_none_or(|(real, here)| real == below(here));
        let fate = rules.folder(&entry, !is_plain);
        let follows = self.task.rules.follow_links || is_plain;
        let leads_back = paths.is_some_and(|(real, here)| is_above(real, here)) || climbs(&entry);
        match fate {
            Fate::Folder(spec) if !follows || leads_back => {
                self.tally.links += 1;
                self.note_folder(spec.source.path());
            }
            fate => self.sort(fate, entry),
        }
    }

    /// The path of this folder without links, where the server tells it.
    async fn real_path(&self, link: &mut Link) -> Result<Option<Vec<u8>>, Halt> {
        let bytes = self.task.job.spec.source.path().as_bytes();
        let bare = bytes.strip_suffix(b"/").filter(|bare| !bare.is_empty()).unwrap_or(b".");
        let Ok(path) = RemotePath::new(bare.to_vec()) else { return Ok(None) };
        Ok(match link.session().await?.kind_of_link(&path).await? {
            LinkKind::Folder { real } => real,
            LinkKind::File | LinkKind::Dangling => None,
        })
    }
}

/// What SIZE and MDTM say of the file behind a link: the listing tells of the link alone.
fn seen(identity: Identity) -> Listed {
    Listed { size: identity.size, modified: identity.modified, unique: identity.unique }
}

/// Whether a path is that of a folder or of one above it.
fn is_above(path: &[u8], folder: &[u8]) -> bool {
    let parts = |path: &'_ [u8]| -> Vec<Vec<u8>> {
        path.split(|&b| b == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
    };
    parts(folder).starts_with(&parts(path))
}

/// Whether a link's target, as it is written, is this folder or one above it.
fn climbs(entry: &Entry) -> bool {
    let Kind::Link(Some(target)) = &entry.kind else { return false };
    target.split(|&b| b == b'/').all(|part| matches!(part, b"" | b"." | b".."))
}
