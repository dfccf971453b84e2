//! Gives whole files their names, in groups: files that are ready together are made durable side by side, and their
//! folder is synced once.

use super::failpoint::failpoint;
use crate::disk::{DiskError, Found, PartFile, Place};
use crate::model::Stage;
use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Most files of a group: each holds two descriptors.
const GROUP: usize = 128;

/// How long more files are waited for.
const MOMENT: Duration = Duration::from_millis(4);

/// The content of a whole file, on its way to its name.
pub(super) enum Content {
    /// A small file's bytes; the disk has none of them yet.
    Bytes(Vec<u8>),
    /// All bytes are in the part file.
    Part(PartFile),
}

impl From<PartFile> for Content {
    fn from(part: PartFile) -> Self {
        Self::Part(part)
    }
}

/// A whole, checked file that is to get its name. A part file has its time, and is as durable as it has to be.
pub(super) struct Order {
    pub(super) place: Place,
    pub(super) content: Content,
    /// Modification time of bytes that are still to be written, in seconds since 1970-01-01 UTC.
    pub(super) time: Option<i64>,
    /// Whether bytes and names have to be durable.
    pub(super) durable: bool,
    /// The regular file of that name that is replaced.
    pub(super) replaces: Option<Found>,
}

/// A file that has its name.
#[derive(Debug)]
pub(super) struct Named {
    /// What could not be cleared away.
    pub(super) leftover: Option<DiskError>,
    /// Its modification time as the file system keeps it, in seconds since 1970-01-01 UTC.
    pub(super) modified: Option<i64>,
}

/// What became of an order: the file has its name, or why not.
pub(super) type Finished = Result<Named, (Stage, DiskError)>;

/// The thread that gives names. It ends with its last handle.
#[derive(Clone, Debug)]
pub struct Finisher {
    orders: Sender<(Order, oneshot::Sender<Finished>)>,
}

impl Finisher {
    /// Starts the thread. Where the system gives none, every order is refused.
    #[must_use]
    pub fn start() -> Self {
        let (orders, inbox) = channel();
        // Without the thread the inbox is gone, and whoever orders is told.
        drop(std::thread::Builder::new().name("finisher".to_owned()).spawn(move || serve(&inbox)));
        Self { orders }
    }

    /// Gives the file its name; when this returns, it is as durable as was asked for.
    pub(super) async fn finish(&self, order: Order) -> Option<Finished> {
        let (answer, answered) = oneshot::channel();
        self.orders.send((order, answer)).ok()?;
        answered.await.ok()
    }
}

/// An order under way: one that failed is passed over by the further steps.
struct Item {
    order: Order,
    /// Whether the disk had nothing of it before.
    small: bool,
    part: Option<PartFile>,
    failed: Option<(Stage, DiskError)>,
    answer: oneshot::Sender<Finished>,
}

fn serve(inbox: &Receiver<(Order, oneshot::Sender<Finished>)>) {
    let mut crowded = false;
    while let Ok(first) = inbox.recv() {
        if crowded {
            // More are about to come, and what is synced together costs least.
            std::thread::sleep(MOMENT);
        }
        let more = std::iter::from_fn(|| inbox.try_recv().ok());
        let group = std::iter::once(first).chain(more.take(GROUP - 1));
        let mut items: Vec<Item> = group
            .map(|(order, answer)| {
                let small = matches!(order.content, Content::Bytes(_));
                Item { order, small, part: None, failed: None, answer }
            })
            .collect();
        crowded = items.len() > 1;
        finish(&mut items);
        for Item { order, part, failed, answer, .. } in items {
            // Its lock has to be free when the answer is there, and some file systems set a time once it is closed.
            drop(part);
            let finished = if let Some(failed) = failed {
                Err(failed)
            } else {
                let modified = order.place.final_file().ok().flatten().and_then(|found| found.modified);
                Ok(Named { leftover: order.place.drop_old().err(), modified })
            };
            // A worker that went away has no use for the answer.
            let _ = answer.send(finished);
        }
    }
}

/// The order of steps is the promise: bytes and time are durable before the name, and the name before the answer.
fn finish(items: &mut [Item]) {
    each(items, Stage::Store, write);
    failpoint("transfer-mtime");
    if items.len() > 1 {
        // Their bytes are on their way together, and one commit of the file system's journal serves them all.
        for part in items.iter().filter(|item| item.small && item.order.durable).filter_map(|item| item.part.as_ref()) {
            part.begin_writing_back();
        }
    }
    each(items, Stage::Commit, |item| match &item.part {
        Some(part) if item.small && item.order.durable => part.seal(),
        _ => Ok(()),
    });
    failpoint("transfer-synced");
    each(items, Stage::Commit, |item| match &item.part {
        Some(part) => part.rename_to_final(&item.order.place, item.order.replaces),
        None => Ok(()),
    });
    failpoint("transfer-renamed");
    let mut synced = HashSet::new();
    each(items, Stage::Commit, |item| {
        if let (false, Some(part)) = (item.small, &item.part) {
            part.clear_label();
        }
        let place = &item.order.place;
        if item.order.durable && !synced.contains(&place.folder_id()) {
            place.sync_dir()?;
            synced.insert(place.folder_id());
        }
        Ok(())
    });
    failpoint("transfer-dir-synced");
}

/// Takes one step with each item that has not failed.
fn each(items: &mut [Item], stage: Stage, mut step: impl FnMut(&mut Item) -> Result<(), DiskError>) {
    for item in items.iter_mut().filter(|item| item.failed.is_none()) {
        if let Err(error) = step(item) {
            if item.small && item.part.take().is_some() {
                // Its part file has no label: nobody would ever continue it.
                let _ = item.order.place.remove_part();
            }
            item.failed = Some((stage, error));
        }
    }
}

/// Puts a small file's bytes on the disk, with its time.
fn write(item: &mut Item) -> Result<(), DiskError> {
    match std::mem::replace(&mut item.order.content, Content::Bytes(Vec::new())) {
        Content::Part(part) => {
            item.part = Some(part);
            Ok(())
        }
        Content::Bytes(bytes) => {
            let part = item.part.insert(item.order.place.open_part()?);
            if !part.is_empty()? {
                part.truncate(0)?;
            }
            part.write_at(&bytes, 0)?;
            item.order.time.map_or(Ok(()), |time| part.set_modified(time))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, RelPath};
    use std::fs;
    use std::path::Path;

    fn item(dir: &Path, name: &str, content: &str) -> (Item, oneshot::Receiver<Finished>) {
        let place = Place::open(&Destination::new(dir, RelPath::new(name).unwrap()).unwrap()).unwrap();
        let content = Content::Bytes(content.as_bytes().to_vec());
        let order = Order { place, content, time: Some(1_700_000_000), durable: true, replaces: None };
        let (answer, answered) = oneshot::channel();
        (Item { order, small: true, part: None, failed: None, answer }, answered)
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn one_file_of_a_group_that_fails_takes_no_other_with_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b"), "somebody else's").unwrap();
        let mut items: Vec<Item> = ["a", "b", "sub/c"].map(|name| item(dir.path(), name, name).0).into();
        finish(&mut items);
        let failed: Vec<bool> = items.iter().map(|item| item.failed.is_some()).collect();
        assert_eq!(failed, [false, true, false]);
        assert_eq!(names(dir.path()), ["a", "b", "sub"], "nothing is left of the file that failed");
        assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"somebody else's");
        assert_eq!(fs::read(dir.path().join("sub/c")).unwrap(), b"sub/c");
        let time = fs::metadata(dir.path().join("a")).unwrap().modified().unwrap();
        assert_eq!(time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_700_000_000);
    }

    /// A part file of an earlier attempt may be longer than the small file.
    #[test]
    fn nothing_of_an_old_part_file_gets_into_the_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let (item, _) = item(dir.path(), "a", "new");
        let part = item.order.place.open_part().unwrap();
        part.write_at(b"older and longer", 0).unwrap();
        drop(part);
        finish(&mut [item]);
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"new");
    }

    #[tokio::test]
    async fn whoever_ordered_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let finisher = Finisher::start();
        let (good, _) = item(dir.path(), "good", "x");
        assert!(matches!(finisher.finish(good.order).await, Some(Ok(Named { leftover: None, .. }))));
        let (again, _) = item(dir.path(), "good", "y");
        let Some(Err((stage, error))) = finisher.finish(again.order).await else { panic!("replaced a file") };
        assert_eq!(stage, Stage::Commit);
        assert!(!error.is_full());
        assert_eq!(fs::read(dir.path().join("good")).unwrap(), b"x");
    }
}
