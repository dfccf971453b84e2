//! What the queue needs of a store, and the store in memory.

use super::QueueError;
use std::collections::BTreeMap;

/// Values to put, and keys to delete where there is none. The last word on a key counts.
pub(super) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Takes one key and its value.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), QueueError>;

/// A synchronous store of ordered keys. All logic stands above it: a backend only keeps what it is given.
pub(super) trait Backend: Send {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, QueueError>;

    /// Shows every key that starts with the prefix, ascending.
    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), QueueError>;

    /// Applies the batch whole or not at all.
    fn apply(&mut self, batch: &Batch) -> Result<(), QueueError>;

    /// Returns once everything applied would survive a power cut.
    fn sync(&mut self) -> Result<(), QueueError>;

    /// Space the store takes on disk in bytes; 0 for one without.
    fn size(&self) -> u64;
}

/// A store that lasts as long as the process.
#[derive(Default)]
pub(super) struct Memory {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Backend for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, QueueError> {
        Ok(self.values.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<(), QueueError> {
        for (key, value) in self.values.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)) {
            visit(key, value)?;
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), QueueError> {
        for (key, value) in batch {
            match value {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), QueueError> {
        Ok(())
    }

    fn size(&self) -> u64 {
        0
    }
}
