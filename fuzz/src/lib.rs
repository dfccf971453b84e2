//! What has to hold of every parser and state machine of ftpq, whatever bytes come.
//!
//! Each function takes bytes and panics where a property fails. They are used twice: by the targets of `cargo fuzz` in
//! `fuzz_targets/`, and by `tests/fuzz_corpus.rs`, which replays the seeds in every run of the tests.

mod bytes;
mod configs;
mod decisions;
mod dialogues;
mod exchange;
mod lists;
mod records;
mod replies;

pub use configs::{netrc, settings};
pub use decisions::decisions;
pub use dialogues::dialogues;
pub use exchange::exchange;
pub use lists::{list, manifests, mlsd, urls};
pub use records::records;
pub use replies::{addresses, answers, replies};

/// A body.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 13] = [
    ("replies", replies),
    ("addresses", addresses),
    ("answers", answers),
    ("mlsd", mlsd),
    ("list", list),
    ("urls", urls),
    ("manifests", manifests),
    ("netrc", netrc),
    ("settings", settings),
    ("records", records),
    ("exchange", exchange),
    ("dialogues", dialogues),
    ("decisions", decisions),
];

/// A password that no input holds by chance: where it is seen, it got out.
pub(crate) const MARK: &str = "hUnTeR2mArK";

/// Whether the fuzzer has learned the password from the comparisons that look for it, and puts it where it likes.
pub(crate) fn knows_mark(data: &[u8]) -> bool {
    data.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

/// Panics where a text could drive a terminal.
pub(crate) fn assert_shown(text: &str) {
    assert!(!text.contains(char::is_control), "a control character gets out: {text:?}");
}

/// Panics where a text holds the password.
pub(crate) fn assert_secret(text: &str) {
    assert!(!text.contains(MARK), "the password gets out: {text:?}");
}
