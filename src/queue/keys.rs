//! The keys of the one tree.

/// Packed jobs: `j` and the pack's first number.
pub(super) const JOBS: u8 = b'j';
/// States of a pack's jobs: `s` and the pack's first number.
pub(super) const STATES: u8 = b's';
/// Hashes of a pack's destinations: `d` and the pack's first number.
pub(super) const HASHES: u8 = b'd';
/// Classes of a pack's lengths: `z` and the pack's first number.
pub(super) const CLASSES: u8 = b'z';
/// What happened to one job: `r` and its number.
pub(super) const RECORD: u8 = b'r';
/// What was learned of a host: `h` and `host:port`.
pub(super) const FACTS: u8 = b'h';
/// Numbers of the whole queue: `m` alone.
pub(super) const META: u8 = b'm';

/// The key of a number under a prefix; big endian, so that the order of keys is that of numbers.
pub(super) fn numbered(prefix: u8, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(prefix);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// All keys of a pack.
pub(super) fn of_pack(first: u64) -> [Vec<u8>; 4] {
    [JOBS, STATES, HASHES, CLASSES].map(|prefix| numbered(prefix, first))
}

/// The number in a key.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    let (_, rest) = key.split_first()?;
    Some(u64::from_be_bytes(rest.try_into().ok()?))
}

/// The key of a host's facts.
pub(super) fn facts(host: &str) -> Vec<u8> {
    let mut key = vec![FACTS];
    key.extend_from_slice(host.as_bytes());
    key
}

/// The key of the queue's numbers.
pub(super) fn meta() -> Vec<u8> {
    vec![META]
}
