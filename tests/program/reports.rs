//! `report`: the counts agree with the disk, and the lists of checksums with the tools that read them.

use crate::support::{Ended, Ftpq, Scripted, pseudo_random, schema::assert_valid};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, path::Path, process::Command};

pub(crate) fn sha256(data: &[u8]) -> String {
    Sha256::digest(data).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// Bytes of a URL's path that mean something else are escaped.
fn escaped(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
        out
    })
}

/// Queues files by a list in JSON Lines; those of which a digest is given are to be proved by it.
pub(crate) fn queue(ftpq: &Ftpq, server: &Scripted, files: &[(&str, Option<String>)]) {
    let mut list = String::new();
    for (path, sum) in files {
        let mut line = json!({"url": server.url(&escaped(path)), "path": path});
        if let Some(sum) = sum {
            line["sha256"] = sum.as_str().into();
        }
        writeln!(list, "{line}").unwrap();
    }
    let into = ftpq.downloads();
    ftpq.run(&["add", &ftpq.write("list.jsonl", list), "--into", into.to_str().unwrap()]).expect_code(0);
}

/// `sha256sum -c` and its like, from a folder.
fn check(tool: &str, list: &Path, from: &Path) -> (bool, String) {
    let out = Command::new(tool).args(["-c", "--strict"]).arg(list).current_dir(from).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.success(), text)
}

fn lines<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|line| line["report"] == kind).collect()
}

/// A thousand files, nine hundred of them with a checksum in the list; three fail.
fn run_of_a_thousand() -> (Ftpq, Scripted, Vec<(String, Vec<u8>)>, Ended) {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let odd = ["-lead", " blank ", "a b#c", "100%", "semi;colon", "ünï", "*star", "deep/-/x", "-"];
    let names: Vec<String> = (0..1000)
        .map(|n| odd.get(n).map_or_else(|| format!("d{}/f{n}.bin", n % 7), |name| format!("odd{n}/{name}")))
        .collect();
    let files: Vec<(String, Vec<u8>)> = names
        .into_iter()
        .zip(0u64..)
        .zip(0usize..)
        .map(|((name, n), size)| (name, pseudo_random(n, 200 + size * 3)))
        .collect();
    let mut list: Vec<(&str, Option<String>)> = Vec::new();
    for (n, (name, data)) in files.iter().enumerate() {
        let sum = (n % 10 != 9).then(|| sha256(data));
        match n {
            // One is not there, one has another content than the list says, and one may not be read.
            500 => {}
            600 => server.put(name, b"another content".to_vec()),
            _ => server.put(name, data.clone()),
        }
        list.push((name, sum));
    }
    queue(&ftpq, &server, &list);
    server.core().remove(&files[709].0);
    let ended = ftpq.run(&["run"]).expect_code(1);
    (ftpq, server, files, ended)
}

/// Show 7.
#[test]
fn the_counts_agree_with_the_disk_and_the_list_with_sha256sum() {
    let (ftpq, _server, files, ended) = run_of_a_thousand();
    let into = ftpq.downloads();
    let there = files.iter().filter(|(name, data)| fs::read(into.join(name)).is_ok_and(|got| got == *data)).count();
    assert_eq!(there, 997, "{ended}");
    assert!(ended.err.contains("done 997 (898 by the list's checksum, 99 by length), failed 3"), "{ended}");

    let text = ftpq.run(&["report"]).expect_code(1);
    let first = "997 of 1,000 files are here and proved: 898 by the list's checksum, 99 by length; 3 are missing";
    assert_eq!(text.out.lines().next(), Some(first), "{text}");
    assert_eq!(text.out.matches("missing: ").count(), 3, "{text}");
    for number in [500, 600, 709] {
        assert!(text.out.contains(&files[number].0), "{} is not named\n{text}", files[number].0);
    }
    assert_eq!(text.out.matches("what to do: ").count(), 3, "{text}");

    let all = ftpq.run(&["report", "--json"]).expect_code(1).lines();
    all.iter().for_each(|line| assert_valid("report", line));
    let (rows, summary) = (lines(&all, "file"), lines(&all, "summary"));
    assert_eq!((rows.len(), summary.len()), (1000, 1));
    assert_eq!(rows.iter().filter(|row| row["here"] == true).count(), 997);
    let bytes: u64 =
        files.iter().enumerate().filter(|(n, _)| ![500, 600, 709].contains(n)).map(|(_, f)| f.1.len() as u64).sum();
    assert_eq!((summary[0]["proved"].as_u64(), summary[0]["bytes"].as_u64()), (Some(997), Some(bytes)));
    let wrong = rows.iter().find(|row| row["job"] == 601).unwrap();
    assert_eq!(wrong["failure"]["cause"], "wrong_checksum", "{wrong:#}");

    let rows = ftpq.run(&["report", "--format", "csv"]).expect_code(1);
    assert_eq!(rows.out.lines().count(), 1001, "{rows}");

    let list = into.join("SHA256SUMS");
    let made = ftpq.run(&["report", "--format", "sha256sums", "-o", list.to_str().unwrap()]).expect_code(1);
    let sums = fs::read_to_string(&list).unwrap();
    assert_eq!(sums.lines().filter(|line| !line.starts_with('#')).count(), 997, "{made}\n{sums}");
    assert!(sums.contains("898 digests by the receipts, 99 computed now"), "{made}\n{}", sums.lines().last().unwrap());
    let (accepted, told) = check("sha256sum", &list, &into);
    assert!(accepted && told.matches(": OK").count() == 997, "{told}");
    // An earlier list of the same kind may go; by another tool all is computed anew, and from another folder.
    ftpq.run(&["report", "--format", "sha256sums", "-o", list.to_str().unwrap()]).expect_code(1);
    let base = ftpq.folder();
    let md5 = base.join("MD5SUMS");
    ftpq.run(&["report", "--format", "md5sums", "-o", md5.to_str().unwrap(), "--base", base.to_str().unwrap()])
        .expect_code(1);
    let (accepted, told) = check("md5sum", &md5, base);
    assert!(accepted && told.matches(": OK").count() == 997, "{told}");
}

#[test]
fn what_is_not_as_its_receipt_has_it_is_not_exported_but_named() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let data = pseudo_random(3, 5000);
    let names = ["good", "flipped", "cut", "gone", "link", "touched", "untouched"];
    let with_sum = |name: &str| !["touched", "untouched"].contains(&name);
    names.iter().for_each(|name| server.put(name, data.clone()));
    let list: Vec<(&str, Option<String>)> =
        names.iter().map(|&name| (name, with_sum(name).then(|| sha256(&data)))).collect();
    queue(&ftpq, &server, &list);
    ftpq.run(&["run"]).expect_code(0);
    let first = ftpq.run(&["report"]).expect_code(0);
    assert!(
        first.out.starts_with("7 of 7 files are here and proved: 5 by the list's checksum, 2 by length\n"),
        "{first}"
    );
    let path = |name: &str| ftpq.downloads().join(name);
    let mut flipped = data.clone();
    flipped[4321] ^= 1;
    fs::write(path("flipped"), flipped).unwrap();
    fs::write(path("cut"), &data[..4000]).unwrap();
    fs::remove_file(path("gone")).unwrap();
    fs::remove_file(path("link")).unwrap();
    std::os::unix::fs::symlink("good", path("link")).unwrap();
    // Written anew with the same bytes: nothing is known by which to tell.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    fs::write(path("touched"), &data).unwrap();
    let list = path("SHA256SUMS");
    let made = ftpq.run(&["report", "--format", "sha256sums", "-o", list.to_str().unwrap()]).expect_code(1);
    let sums = fs::read_to_string(&list).unwrap();
    for name in names {
        let is_listed = sums.lines().any(|line| line.ends_with(&format!("  {name}")));
        assert_eq!(is_listed, ["good", "untouched"].contains(&name), "{name}\n{sums}\n{made}");
        let is_named = made.err.lines().any(|line| line.contains(path(name).to_str().unwrap()));
        assert_eq!(is_named, !is_listed, "{name}\n{made}");
    }
    assert!(check("sha256sum", &list, &ftpq.downloads()).0, "{sums}");
    let text = ftpq.run(&["report"]).expect_code(1);
    assert!(text.out.contains("3 are missing"), "the one that is cut, the one that is gone, and the link\n{text}");
}

#[test]
fn a_foreign_file_is_not_replaced_by_a_report() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    server.put("a", b"abc".to_vec());
    queue(&ftpq, &server, &[("a", None)]);
    ftpq.run(&["run"]).expect_code(0);
    let file = ftpq.write("mine", "my own words");
    for format in ["sha256sums", "json", "csv", "text"] {
        let ended = ftpq.run(&["report", "--format", format, "-o", &file]).expect_code(2);
        assert!(ended.err.contains("--force"), "{ended}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "my own words", "{ended}");
    }
    ftpq.run(&["report", "--format", "csv", "-o", &file, "--force"]).expect_code(0);
    ftpq.run(&["report", "--format", "csv", "-o", &file]).expect_code(0);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
    let link = ftpq.folder().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let ended = ftpq.run(&["report", "-o", link.to_str().unwrap(), "--force"]).expect_code(2);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{ended}");
    let left: Vec<_> = fs::read_dir(ftpq.folder()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("ftpq-new")), "{left:?}");
}

#[test]
fn a_report_of_some_jobs_tells_of_those_alone_and_what_all_attempts_cost() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let data = pseudo_random(7, 30_000);
    ["a", "b", "c"].iter().for_each(|name| server.put(name, data.clone()));
    queue(&ftpq, &server, &[("a", Some(sha256(&data))), ("b", None), ("c", None)]);
    ftpq.run(&["run", "1-2"]).expect_code(0);
    let some = ftpq.run(&["report", "1-2"]).expect_code(0);
    assert!(some.out.starts_with("2 of 2 files are here"), "{some}");
    let one = ftpq.run(&["report", "1"]).expect_code(0);
    assert!(one.out.starts_with("1 of 1 checked: 1 by the list's checksum"), "{one}");
    let open = ftpq.run(&["report", "3"]).expect_code(1);
    assert!(open.out.contains("not begun yet") && open.out.contains("ftpq run"), "{open}");
    ftpq.run(&["report", "77"]).expect_code(2);
    ftpq.run(&["report", "--host", "elsewhere"]).expect_code(2);
    // Done once more, it is told what both downloads cost.
    fs::remove_file(ftpq.downloads().join("a")).unwrap();
    ftpq.run(&["retry", "1"]).expect_code(0);
    ftpq.run(&["run", "1"]).expect_code(0);
    let job = ftpq.json_one(&["show", "1"]);
    assert_valid("job", &job);
    let receipt = &job["receipt"];
    assert_eq!((receipt["attempts"].as_u64(), receipt["fetched_in_all"].as_u64()), (Some(2), Some(60_000)), "{job:#}");
    let shown = ftpq.run(&["show", "1"]).expect_code(0);
    for words in [
        "proved by    the list's checksum",
        "2 attempts since it was queued",
        "(60000 bytes) fetched",
        "verified     sha-256=",
    ] {
        assert!(shown.out.contains(words), "{words}\n{shown}");
    }
}
