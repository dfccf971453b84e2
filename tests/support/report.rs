//! What `tests/run` prints at the end: skipped tests and tables. A test runner hides the output of tests that pass.

use std::{env, fs::OpenOptions, io::Write, thread};

/// Says that the running test was skipped, and why.
pub(crate) fn skip(reason: &str) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    skip_named(&name, reason);
}

/// Says that a part of a test was skipped, and why.
pub(crate) fn skip_named(name: &str, reason: &str) {
    note("skipped", &format!("skipped: {name} ({reason})\n"));
}

/// Prints a table and keeps it for the end.
pub(crate) fn table(text: &str) {
    note("tables", text);
}

fn note(file: &str, text: &str) {
    print!("{text}");
    if let Some(folder) = env::var_os("FTPQ_TEST_REPORT") {
        let path = std::path::Path::new(&folder).join(file);
        let mut out = OpenOptions::new().create(true).append(true).open(path).unwrap();
        out.write_all(text.as_bytes()).unwrap();
    }
}
