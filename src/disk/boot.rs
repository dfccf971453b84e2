//! Which boot of the machine this is: tells whether the page cache that held unsynced bytes is still the same.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

static ID: OnceLock<String> = OnceLock::new();

/// An id that stays the same until the machine starts again, and in doubt differs: a wrong "same" would trust bytes
/// that never reached the disk, a wrong "another" only fetches some again.
///
/// With the feature `failpoints` the variable `FTPQ_BOOT_ID` overrides it, so that tests can play a power cut back.
#[must_use]
pub fn boot_id() -> String {
    #[cfg(feature = "failpoints")]
    if let Some(id) = std::env::var("FTPQ_BOOT_ID").ok().filter(|id| !id.is_empty()) {
        return id;
    }
    ID.get_or_init(|| kernel_id().or_else(boot_time).unwrap_or_else(process_id)).clone()
}

fn kernel_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The kernel's time of boot. It moves when the clock is set, which errs to the safe side.
fn boot_time() -> Option<String> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim();
    Some(format!("btime-{seconds}"))
}

/// Differs with every process: nothing unsynced is ever trusted where the system says nothing about its boot.
fn process_id() -> String {
    format!("process-{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_id_stays_the_same_within_a_boot() {
        assert_eq!(boot_id(), boot_id());
        assert!(!boot_id().is_empty());
    }

    #[test]
    fn without_any_word_from_the_system_no_two_processes_share_an_id() {
        assert_ne!(process_id(), process_id());
    }
}
