//! What `sync --delete` deletes, keeps and says beyond what listings do: names that a file system takes for one, and backup
//! folders.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits};
use std::fs;

/// A server with a folder of four files, mirrored here.
fn mirrored() -> (Scripted, Ftpq) {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for name in ["a", "b", "c", "F"] {
        server.put(&format!("d/{name}"), name);
    }
    let ftpq = Ftpq::new();
    sync(&server, &ftpq, &[]).expect_code(0);
    (server, ftpq)
}

fn sync(server: &Scripted, ftpq: &Ftpq, more: &[&str]) -> Ended {
    let (url, into) = (server.url("d/"), ftpq.downloads());
    ftpq.run(&[&["sync", &url, into.to_str().unwrap(), "--retries", "0"], more].concat())
}

/// On a file system that takes `F` and `f` for one (here two names of one file stand for it), the file that the server calls
/// `f` now is not deleted because it has none of the name `F` any more.
#[test]
fn a_file_that_is_listed_under_the_other_case_is_not_deleted() {
    let (server, ftpq) = mirrored();
    let into = ftpq.downloads();
    server.core().remove("d/F");
    server.put("d/f", "F");
    fs::hard_link(into.join("F"), into.join("f")).unwrap();
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(into.join("F").exists(), "the only copy is deleted\n{ended}");
    assert!(ended.err.contains("F: here it is one file with one that is not gone"), "{ended}");
    // It is told once, and the file goes with the name that the server has for it.
    server.core().remove("d/f");
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(!into.join("f").exists(), "{ended}");
    assert!(!ended.err.contains("one file with"), "{ended}");
}
