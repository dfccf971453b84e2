//! Manifests: every format, every door, whole or not at all, and no job twice.

use crate::support::{Ended, Ftpq, Scripted, pseudo_random, schema};
use serde_json::Value;
use std::{fs, io::Write, process::Command, thread, time::Duration};

fn into(ftpq: &Ftpq) -> String {
    ftpq.downloads().to_str().unwrap().to_owned()
}

fn jobs(ftpq: &Ftpq) -> Vec<Value> {
    ftpq.json(&["list"])
}

/// Three files, and the list of them that a test writes in its own format.
fn three() -> (Scripted, Vec<Vec<u8>>) {
    let server = Scripted::honest();
    let data: Vec<Vec<u8>> = (0..3).map(|n| pseudo_random(120 + n, 5000)).collect();
    for (n, data) in data.iter().enumerate() {
        server.put(&format!("dir/f{n}.bin"), data.clone());
    }
    (server, data)
}

fn assert_three(ftpq: &Ftpq, names: [&str; 3], data: &[Vec<u8>], added: &Ended) {
    let ended = ftpq.run(&["run"]).expect_code(0);
    for (name, data) in names.into_iter().zip(data) {
        ftpq.assert_file(name, data, &format!("{added}{ended}"));
    }
}

#[test]
fn a_plain_list_with_comments_and_destinations_is_taken() {
    let (server, data) = three();
    let url = |n: usize| server.url(&format!("dir/f{n}.bin"));
    let list = format!("# comment\n\n{}\n  {}\tsub/one.bin\r\n{} two.bin\n", url(0), url(1), url(2));
    let ftpq = Ftpq::new();
    let added = ftpq.run(&["add", &ftpq.write("list.txt", list), "--into", &into(&ftpq)]).expect_code(0);
    assert_three(&ftpq, ["f0.bin", "sub/one.bin", "two.bin"], &data, &added);
}

#[test]
fn standard_input_and_gzip_are_taken() {
    let (server, data) = three();
    let list: String = (0..3).map(|n| format!("{}\n", server.url(&format!("dir/f{n}.bin")))).collect();
    let ftpq = Ftpq::new();
    let added = ftpq.run_with_input(&["add", "-", "--into", &into(&ftpq)], list.as_bytes()).expect_code(0);
    assert_three(&ftpq, ["f0.bin", "f1.bin", "f2.bin"], &data, &added);
    let ftpq = Ftpq::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(list.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let added = ftpq.run(&["add", &ftpq.write("list.txt.gz", &packed), "--into", &into(&ftpq)]).expect_code(0);
    assert_three(&ftpq, ["f0.bin", "f1.bin", "f2.bin"], &data, &added);
    let ftpq = Ftpq::new();
    let added = ftpq.run_with_input(&["add", "-", "--into", &into(&ftpq)], &packed).expect_code(0);
    assert_three(&ftpq, ["f0.bin", "f1.bin", "f2.bin"], &data, &added);
}

#[test]
fn json_lines_csv_and_tsv_are_taken() {
    let (server, data) = three();
    let url = |n: usize| server.url(&format!("dir/f{n}.bin"));
    let json: String =
        (0..3).map(|n| format!("{{\"url\":\"{}\",\"path\":\"j{n}\",\"size\":5000}}\n", url(n))).collect();
    let csv = format!("url,path,size\n{},\"j0\",5000\n\"{}\",j1,\n{},j2,5000\n", url(0), url(1), url(2));
    let tsv = format!("path\turl\nj0\t{}\nj1\t{}\nj2\t{}\n", url(0), url(1), url(2));
    for (name, text) in [("m.jsonl", json), ("m.csv", csv), ("m.tsv", tsv)] {
        let ftpq = Ftpq::new();
        let added = ftpq.run(&["add", &ftpq.write(name, text), "--into", &into(&ftpq)]).expect_code(0);
        assert_three(&ftpq, ["j0", "j1", "j2"], &data, &added);
    }
}

#[test]
fn a_relative_url_is_appended_to_base() {
    let (server, data) = three();
    let ftpq = Ftpq::new();
    let list = ftpq.write("list", "f0.bin\nf1.bin\nf2.bin\n");
    let added = ftpq.run(&["add", &list, "--base", &server.url("dir/"), "--into", &into(&ftpq)]).expect_code(0);
    assert_three(&ftpq, ["f0.bin", "f1.bin", "f2.bin"], &data, &added);
}

#[test]
fn a_bad_line_names_file_line_and_column_and_queues_nothing() {
    for (name, text, line) in [
        ("m.txt", "ftp://h/a\nftp://h/b\nnonsense://h/c\n", 3),
        ("m.jsonl", "{\"url\":\"ftp://h/a\"}\n{\"url\":}\n", 2),
        ("m.jsonl", "{\"url\":\"ftp://h/a\",\"path\":\"../up\"}\n", 1),
        ("m.jsonl", "{\"url\":\"ftp://h/a\",\"paht\":\"b\"}\n", 1),
        ("m.csv", "url,path\nftp://h/a,x\n,y\n", 3),
        ("m.tsv", "url\tsize\nftp://h/a\tmany\n", 2),
        ("m.jsonl", "{\"url\":\"ftp://h/a\",\"checksum\":\"md5=12\"}\n", 1),
    ] {
        let ftpq = Ftpq::new();
        let manifest = ftpq.write(name, text);
        let ended = ftpq.run(&["add", &manifest, "--into", &into(&ftpq)]).expect_code(2);
        let place = format!("{name}:{line}:");
        let after = ended.err.split(&place).nth(1).unwrap_or_else(|| panic!("{place} is not named\n{ended}"));
        let column: String = after.chars().take_while(char::is_ascii_digit).collect();
        assert!(!column.is_empty(), "no column after {place}\n{ended}");
        assert_eq!(jobs(&ftpq).len(), 0, "{text:?}: some of it was queued\n{ended}");
    }
}

/// Words, a page, a script: one line says that there is no URL in it, however long it is.
#[test]
fn a_text_without_a_url_is_refused_in_one_line() {
    let prose = "Dear all,\nthe files are on the server as ever.\n\nYours\n".repeat(200);
    let page = "<!doctype html><html><body>See <a href=\"x\">here</a></body></html>\n";
    for (name, text, words) in [
        ("letter.txt", prose.as_str(), "letter.txt:1:1: no URL in this list: write one a line"),
        ("page.html", page, "page.html:1:1: an HTML page, and no list"),
        (
            "get.sh",
            "#!/bin/sh\nset -e\nwget https://h/a\ncurl -O https://h/b\n",
            "get.sh:2:1: no URL of FTP in this list",
        ),
        ("list", "https://h/a\nhttp://h/b\n", "list:1:1: no URL of FTP in this list"),
    ] {
        let ftpq = Ftpq::new();
        let ended = ftpq.run(&["add", &ftpq.write(name, text), "--into", &into(&ftpq)]).expect_code(2);
        assert!(ended.err.contains(words), "{words}\n{ended}");
        // The reason, and that nothing was queued.
        assert_eq!(ended.err.lines().count(), 2, "{ended}");
        assert_eq!(jobs(&ftpq).len(), 0, "{ended}");
    }
}

#[test]
fn skip_bad_takes_the_good_lines_and_names_the_bad_ones() {
    let ftpq = Ftpq::new();
    let manifest = ftpq.write("m.txt", "ftp://h/a\nnonsense\nftp://h/b\n");
    let ended = ftpq.run(&["add", "--skip-bad", &manifest, "--into", &into(&ftpq)]).expect_code(0);
    assert!(ended.err.contains("m.txt:2:"), "the bad line is not named\n{ended}");
    assert_eq!(jobs(&ftpq).len(), 2, "{ended}");
}

#[test]
fn the_same_manifest_twice_makes_no_job_twice() {
    let ftpq = Ftpq::new();
    let list: String = (0..500).map(|n| format!("ftp://h/{n}\n")).collect();
    let manifest = ftpq.write("m.txt", list);
    let add = ["add", &manifest, "--into", &into(&ftpq)];
    ftpq.run(&add).expect_code(0);
    let again = ftpq.run(&add).expect_code(0);
    assert_eq!(ftpq.count("queued"), 500, "{again}");
    assert_eq!(jobs(&ftpq).len(), 500, "{again}");
}

#[test]
fn another_source_for_the_same_destination_is_refused_and_both_are_named() {
    let ftpq = Ftpq::new();
    ftpq.add(&[("ftp://h/first".to_owned(), "same.bin")]);
    for list in ["ftp://h/second\tsame.bin\n", "ftp://h/third  new.bin\nftp://h/second  same.bin\n"] {
        let ended = ftpq.run_with_input(&["add", "-", "--into", &into(&ftpq)], list.as_bytes()).expect_code(2);
        for name in ["ftp://h/first", "ftp://h/second", "same.bin"] {
            assert!(ended.err.contains(name), "{name} is not named\n{ended}");
        }
        assert_eq!(jobs(&ftpq).len(), 1, "{ended}");
    }
    let inside = "ftp://h/x\ttwice.bin\nftp://h/y\ttwice.bin\n";
    let ended = ftpq.run_with_input(&["add", "-", "--into", &into(&ftpq)], inside.as_bytes()).expect_code(2);
    assert_eq!(jobs(&ftpq).len(), 1, "{ended}");
}

/// Gives the command again, and each time what it names with this beginning, until it names nothing. Returns how often.
fn paste_until_none_is_named(ftpq: &Ftpq, args: &[&str], beginning: &str) -> usize {
    for round in 0..10 {
        let ended = ftpq.run(args).expect_code(0);
        let told = ended.everything();
        let Some(command) = told.split('`').find(|text| text.starts_with(beginning)) else { return round };
        ftpq.run(&command.split(' ').skip(1).collect::<Vec<_>>()).expect_code(0);
    }
    panic!("`{beginning}` is named for ever")
}

/// Advice for jobs apart from each other names the first of them where they are many, and the next time the others.
#[test]
fn advice_for_many_jobs_apart_works_when_pasted() {
    let (server, ftpq) = (Scripted::honest(), Ftpq::new());
    let list = |name: &str, numbers: &[usize], more: &str| {
        let line = |n: &usize| format!("{{\"url\":\"{}\"{more}}}\n", server.url(&n.to_string()));
        ftpq.write(name, numbers.iter().map(line).collect::<String>())
    };
    let numbers = |rest: usize| (0..60).filter(|n| n % 3 == rest).collect::<Vec<_>>();
    (0..60).for_each(|n| server.put(&n.to_string(), "x"));
    let folder = into(&ftpq);
    let all = list("all", &(0..60).collect::<Vec<_>>(), "");
    ftpq.run(&["add", &all, "--into", &folder]).expect_code(0);
    let ids: Vec<String> = numbers(0).iter().map(|n| (n + 1).to_string()).collect();
    ftpq.run(&[&["run"], ids.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat()).expect_code(0);
    for n in numbers(0) {
        fs::remove_file(ftpq.downloads().join(n.to_string())).unwrap();
    }
    assert_eq!(paste_until_none_is_named(&ftpq, &["add", &all, "--into", &folder], "ftpq retry"), 3);
    let mirrored = list("mirrored", &numbers(1), ",\"mirrors\":[\"ftp://mirror/m\"]");
    assert_eq!(paste_until_none_is_named(&ftpq, &["add", &mirrored, "--into", &folder], "ftpq remove"), 3);
    let settings = ["add", &list("some", &numbers(2), ""), "--into", &folder, "--timeout", "7"];
    let ended = ftpq.run(&settings).expect_code(0);
    assert!(ended.err.contains("`ftpq run`"), "{ended}");
    assert_eq!(paste_until_none_is_named(&ftpq, &settings, "ftpq remove"), 3);
}

/// kill -9 at many moments of an `add`: afterwards all of the manifest is there or nothing, and once more makes it whole.
#[test]
fn an_add_that_is_killed_makes_no_job_twice_and_loses_none() {
    let list: String = (0..20_000).map(|n| format!("ftp://host{}/some/folder/file-{n}\n", n % 3)).collect();
    for delay in [0, 20, 60, 120, 250, 500, 900] {
        let ftpq = Ftpq::new();
        let manifest = ftpq.write("m.txt", &list);
        let folder = into(&ftpq);
        let add = ["add", &manifest, "--into", &folder];
        let run = ftpq.spawn(&add);
        thread::sleep(Duration::from_millis(delay));
        let killed = run.kill();
        let queued = ftpq.count("queued");
        assert!([0, 20_000].contains(&queued), "killed after {delay} ms: {queued} of 20000 jobs\n{killed}");
        let again = ftpq.run(&add).expect_code(0);
        assert_eq!(ftpq.count("queued"), 20_000, "killed after {delay} ms\n{killed}{again}");
    }
}

#[test]
fn status_list_show_and_events_are_valid_by_the_schemas() {
    let server = Scripted::honest();
    server.put("good.bin", pseudo_random(130, 10_000));
    let ftpq = Ftpq::new();
    let url = |path: &str| server.url(path);
    ftpq.add(&[(url("good.bin"), "good.bin"), (url("missing.bin"), "d/missing.bin"), (url("x"), "x")]);
    ftpq.run(&["pause", "3"]).expect_code(0);
    let check = || {
        schema::assert_valid("status", &ftpq.json_one(&["status"]));
        let jobs = jobs(&ftpq);
        assert_eq!(jobs.len(), 3);
        jobs.iter().for_each(|job| schema::assert_valid("job", job));
        for id in ["1", "2", "3"] {
            schema::assert_valid("job", &ftpq.json_one(&["show", id]));
        }
    };
    check();
    let ended = ftpq.run(&["--json", "run", "--retries", "0"]).expect_code(1);
    ended.lines().iter().for_each(|line| schema::assert_valid("event", line));
    for kind in ["started", "done", "failed", "summary"] {
        assert!(!ended.events(kind).is_empty(), "no event {kind}\n{ended}");
    }
    check();
    assert_eq!(ftpq.json(&["list", "--state", "failed"]).len(), 1);
    assert_eq!(ftpq.json(&["list", "--state", "done"]).len(), 1);
    assert_eq!(ftpq.json(&["list", "--host", "nowhere"]).len(), 0);
}

#[test]
fn get_adds_and_runs_just_those() {
    let (server, data) = three();
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("dir/f0.bin"), "f0.bin")]);
    let ended = ftpq.run(&["get", &server.url("dir/f1.bin"), "-o", "one"]).expect_code(0);
    ftpq.assert_file("one", &data[1], &ended);
    ftpq.assert_absent("f0.bin", &ended);
    assert_eq!(ftpq.count("queued"), 1, "{ended}");
    let (a, b) = (server.url("dir/f1.bin"), server.url("dir/f2.bin"));
    let ended = ftpq.run(&["get", &a, &b, "--into", &into(&ftpq)]).expect_code(0);
    ftpq.assert_file("f1.bin", &data[1], &ended);
    ftpq.assert_file("f2.bin", &data[2], &ended);
}

#[test]
fn the_queue_folder_is_found_by_option_variable_and_state_home() {
    let mut ftpq = Ftpq::new();
    ftpq.add(&[("ftp://h/a".to_owned(), "a")]);
    let status = |ftpq: &Ftpq, variable: (&str, String)| {
        let output = Command::new(env!("CARGO_BIN_EXE_ftpq"))
            .env_clear()
            .env("HOME", ftpq.home())
            .env(variable.0, variable.1)
            .args(["--json", "status"])
            .output()
            .unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        value["jobs"]["queued"].as_u64()
    };
    assert_eq!(status(&ftpq, ("FTPQ_QUEUE", ftpq.queue().display().to_string())), Some(1));
    ftpq.set("UNUSED", "1");
    let state = ftpq.folder().join("state");
    fs::create_dir(&state).unwrap();
    fs::rename(ftpq.queue(), state.join("ftpq")).unwrap();
    assert_eq!(status(&ftpq, ("XDG_STATE_HOME", state.display().to_string())), Some(1));
}
