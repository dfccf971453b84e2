//! Lists of archives and of other tools, from the file to the checked download.

use crate::policies::digest;
use crate::support::{Ftpq, Scripted, pseudo_random};
use ring::digest::SHA256;

fn hex(data: &[u8]) -> String {
    ring::digest::digest(&SHA256, data).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server with two files, and its address as archives write it.
fn archive() -> (Scripted, [Vec<u8>; 2], String) {
    let server = Scripted::honest();
    let data = [pseudo_random(301, 40_000), pseudo_random(302, 100)];
    server.put("pub/a_1.gz", data[0].clone());
    server.put("pub/set #1/b.gz", data[1].clone());
    let host = server.address().to_string();
    (server, data, host)
}

/// A list's name and text, the options it needs, and the files that come of it by number.
type Case<'a> = (&'a str, String, Vec<&'a str>, Vec<(&'a str, usize)>);

#[test]
fn lists_of_every_kind_end_in_checked_files() {
    let (server, data, host) = archive();
    let sums = [hex(&data[0]), hex(&data[1])];
    let [size, small] = [data[0].len(), data[1].len()];
    let (url, base) = (server.url("pub/a_1.gz"), server.url("pub"));
    let piece: String = data[0].chunks(10_000).map(|piece| format!("<hash>{}</hash>", hex(piece))).collect();
    let cases: Vec<Case<'_>> = vec![
        (
            "SHA256SUMS",
            format!("{}  ./a_1.gz\n{} *set #1/b.gz\n", sums[0], sums[1]),
            vec!["--base", &base],
            vec![("a_1.gz", 0), ("set #1/b.gz", 1)],
        ),
        ("tagged", format!("SHA256 (set #1/b.gz) = {}\n", sums[1]), vec!["--base", &base], vec![("set #1/b.gz", 1)]),
        (
            "aria2.txt",
            format!("{url}\t{url}x\thttp://h/a\n  dir=sub\n  out=c\n  checksum=sha-256={}\n  split=3\n", sums[0]),
            vec![],
            vec![("sub/c", 0)],
        ),
        (
            "ena.tsv",
            format!(
                "run_accession\tfastq_ftp\tfastq_bytes\nR1\t{host}/pub/a_1.gz;{host}/pub/set #1/b.gz\t{size};{small}\n"
            ),
            vec![],
            vec![("a_1.gz", 0), ("b.gz", 1)],
        ),
        (
            "ena.json",
            format!(
                "[{{\"run_accession\":\"R1\",\"submitted_ftp\":\"{host}/pub/set #1/b.gz\",\"submitted_bytes\":\"{small}\"}}]"
            ),
            vec![],
            vec![("R1/b.gz", 1)],
        ),
        (
            "m.meta4",
            format!(
                "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"m/a.gz\"><size>{size}</size><hash type=\"sha-256\">{}</hash><pieces type=\"sha-256\" length=\"10000\">{piece}</pieces><url priority=\"1\">{url}</url><url priority=\"2\">http://h/a</url></file></metalink>",
                sums[0]
            ),
            vec![],
            vec![("m/a.gz", 0)],
        ),
        (
            "summary.txt",
            format!("#assembly_accession\tftp_path\nA\t{}\n", server.url("pub")),
            vec!["--suffix", "/../a_1.gz"],
            vec![],
        ),
        ("rclone.csv", format!("{url},\"r/a, b.gz\"\n"), vec![], vec![("r/a, b.gz", 0)]),
        (
            "sequence.index",
            "FASTQ_FILE\tMD5\tWITHDRAWN\na_1.gz\t-\t0\ngone\t-\t1\n".to_owned(),
            vec!["--base", &base],
            vec![("a_1.gz", 0)],
        ),
    ];
    for (name, text, options, files) in cases {
        let ftpq = Ftpq::new();
        let list = ftpq.write(name, &text);
        let args: Vec<&str> = ["get", "--manifest", &list].into_iter().chain(options).collect();
        let ended = ftpq.run(&args).expect_code(if files.is_empty() { 2 } else { 0 });
        assert_eq!(ftpq.json(&["list"]).len(), files.len(), "{name}\n{ended}");
        files.iter().for_each(|(file, which)| ftpq.assert_file(file, &data[*which], &format!("{name}\n{ended}")));
    }
}

#[test]
fn the_files_of_an_assembly_are_found_by_their_ending() {
    let server = Scripted::honest();
    let data = pseudo_random(303, 5000);
    server.put("all/GCF_1.1_A/GCF_1.1_A_genomic.fna.gz", data.clone());
    let ftpq = Ftpq::new();
    let list = ftpq.write("assembly_summary.txt", format!("#x\tftp_path\nA\t{}\nB\tna\n", server.url("all/GCF_1.1_A")));
    let refused = ftpq.run(&["get", "--manifest", &list, "--suffix", "_genomic.fna.gz"]).expect_code(2);
    assert!(refused.err.contains("assembly_summary.txt:3:3: ") && refused.err.contains("--skip-bad"), "{refused}");
    let ended = ftpq.run(&["get", "--manifest", &list, "--suffix", "_genomic.fna.gz", "--skip-bad"]).expect_code(0);
    ftpq.assert_file("GCF_1.1_A_genomic.fna.gz", &data, &ended);
}

#[test]
fn a_checksum_of_any_list_is_verified() {
    let (server, data, host) = archive();
    let wrong = hex(b"other");
    for (name, text) in [
        ("SHA256SUMS", format!("{wrong}  a_1.gz\n")),
        ("ena.tsv", format!("fastq_ftp\tfastq_md5\n{host}/pub/a_1.gz\t{}\n", &wrong[..32])),
        (
            "m.metalink",
            format!(
                "<metalink><file name=\"a\"><hash type=\"sha256\">{wrong}</hash><url>{}</url></file></metalink>",
                server.url("pub/a_1.gz")
            ),
        ),
        ("aria2.txt", format!("{}\n  checksum=sha-256={wrong}\n", server.url("pub/a_1.gz"))),
        ("jobs.jsonl", format!("{{\"url\":\"{}\",\"crc32\":\"00000000\"}}\n", server.url("pub/a_1.gz"))),
        ("CHECKSUMS", format!("1 40 {}\n", server.url("pub/a_1.gz"))),
    ] {
        let ftpq = Ftpq::new();
        let list = ftpq.write(name, text);
        let ended =
            ftpq.run(&["get", "--retries", "0", "--base", &server.url("pub"), "--manifest", &list]).expect_code(1);
        assert!(!ftpq.downloads().join("a_1.gz").exists() && !ftpq.downloads().join("a").exists(), "{name}\n{ended}");
        assert_eq!(ftpq.count("failed"), 1, "{name} {}\n{ended}", data[0].len());
    }
}

#[test]
fn warnings_are_told_and_never_keep_a_list_out() {
    let ftpq = Ftpq::new();
    let list = ftpq.write("list", "ftp://h/a\thttp://i/a\n  header=x\n  pause=true\n");
    let ended = ftpq.run(&["add", &list, "--columns", "sra"]).expect_code(0);
    for words in ["list:1:11: warning: ", "list:2:3: warning: ", "`header`", "list:3:3: warning: `pause`", "--columns"]
    {
        assert!(ended.err.contains(words), "{words}\n{ended}");
    }
    assert!(ended.out.contains("queued 1 job"), "{ended}");
}

fn md5(data: &[u8]) -> String {
    digest("md5sum", data)
}

/// What a list says behind a URL without a header: it is compared, and names no file.
#[test]
fn a_checksum_or_size_behind_a_url_is_compared_and_never_a_name() {
    let (server, data, _) = archive();
    let (url, size) = (server.url("pub/a_1.gz"), data[0].len());
    let (right, wrong) = (md5(&data[0]), md5(b"other"));
    for (beside, is_right) in [
        (format!("\t{right}"), true),
        (format!(" {right} {size}"), true),
        (format!("  {size}  # reads 1"), true),
        (format!("\tsha256:{}\t{right}", hex(&data[0])), true),
        (format!("\t{wrong}"), false),
        (format!(" {}", size + 1), false),
        (format!("\tsha-256={}\t{size}", hex(b"other")), false),
        (format!("\t{size}\tcksum=1:{size}"), false),
    ] {
        for (name, text) in [("list", format!("{url}{beside}\n")), ("list.gz", format!("# x\n\n  {url}{beside}\r\n"))] {
            let ftpq = Ftpq::new();
            let list = ftpq.write(name, text);
            let ended = ftpq.run(&["get", "--retries", "0", "--manifest", &list]).expect_code(i32::from(!is_right));
            let names: Vec<String> =
                ftpq.json(&["list"]).iter().map(|job| job["destination"]["path"].to_string()).collect();
            assert!(names.len() == 1 && names[0].contains("a_1.gz"), "{beside}: {names:?}\n{ended}");
            if is_right {
                ftpq.assert_file("a_1.gz", &data[0], &ended);
            } else {
                ftpq.assert_absent("a_1.gz", &ended);
            }
        }
    }
}

#[test]
fn two_files_in_a_row_are_both_fetched_and_neither_stands_in_for_the_other() {
    let server = Scripted::honest();
    let (one, two) = (pseudo_random(304, 30_000), pseudo_random(305, 30_000));
    server.put("r/S_1.fq.gz", one.clone());
    server.put("r/S_2.fq.gz", two.clone());
    server.put("r/x.bam", one.clone());
    server.put("r/x.bam.bai", two.clone());
    let (first, second) = (server.url("r/S_1.fq.gz"), server.url("r/S_2.fq.gz"));
    let bam = (server.url("r/x.bam"), server.url("r/x.bam.bai"));
    for (text, names) in [
        (format!("{first}\t{second}\n"), ["S_1.fq.gz", "S_2.fq.gz"]),
        (format!("{first} {second}\n"), ["S_1.fq.gz", "S_2.fq.gz"]),
        (format!("{first};{second}\n"), ["S_1.fq.gz", "S_2.fq.gz"]),
        (format!("{first},{second}\t{};{}\n", md5(&one), md5(&two)), ["S_1.fq.gz", "S_2.fq.gz"]),
        (format!("{}\t{}\t{}\t{}\n", bam.0, md5(&one), bam.1, md5(&two)), ["x.bam", "x.bam.bai"]),
        (format!("BAM\tBAM_MD5\tBAI\tBAI_MD5\n{}\t{}\t{}\t-\n", bam.0, md5(&one), bam.1), ["x.bam", "x.bam.bai"]),
    ] {
        let ftpq = Ftpq::new();
        let ended = ftpq.run(&["get", "--manifest", &ftpq.write("list", &text)]).expect_code(0);
        ftpq.assert_file(names[0], &one, &format!("{text}{ended}"));
        ftpq.assert_file(names[1], &two, &format!("{text}{ended}"));
    }
    server.core().remove("r/S_1.fq.gz");
    let ftpq = Ftpq::new();
    let list = ftpq.write("list", format!("{first}\t{second}\n"));
    let ended = ftpq.run(&["get", "--manifest", &list]).expect_code(1);
    ftpq.assert_absent("S_1.fq.gz", &ended);
    ftpq.assert_file("S_2.fq.gz", &two, &ended);
    // In aria2's own lists they are mirrors by definition, which is said where the names differ.
    let list = ftpq.write("aria2.txt", format!("{first}\t{second}\n  out=x.fq.gz\n"));
    let ended = ftpq.run(&["add", &list]).expect_code(0);
    assert!(ended.err.contains("aria2.txt:1:1: warning: URLs with different names are mirrors"), "{ended}");
}

/// What could be cut off a URL, or be something else than a destination, queues nothing; both readings are named.
#[test]
fn a_row_that_can_be_read_in_two_ways_is_refused() {
    let server = Scripted::honest();
    server.put("pub/data", b"wrong".to_vec());
    server.put("pub/data file.csv", b"right".to_vec());
    let url = server.url("pub/data");
    for (rest, words) in [
        (" file.csv", "write a blank in a URL as %20"),
        (" the last of them", "write a blank in a URL as %20"),
        (" 2020", "or does a size follow?"),
        (".gz\t2024-01-31", "is this a date?"),
        (".gz\t1.5G", "a rounded size"),
        (".gz\t12ab34cd", "CRC-32"),
        (".gz\tone two three", "words that are neither checksum nor size"),
        (".bam\tdata.bam.bai", "a second file that belongs to the first, or a destination?"),
        (".gz\tftp.example.org/pub/b.gz", "another address"),
    ] {
        let ftpq = Ftpq::new();
        let list = ftpq.write("list", format!("{url}{rest}\n"));
        let ended = ftpq.run(&["get", "--manifest", &list]).expect_code(2);
        assert!(ended.err.contains("list:1:") && ended.err.contains(words), "{words}\n{ended}");
        assert_eq!(ftpq.json(&["list"]).len(), 0, "{ended}");
    }
    let ftpq = Ftpq::new();
    let list = ftpq.write("list", format!("{url}%20file.csv\n"));
    let ended = ftpq.run(&["get", "--manifest", &list]).expect_code(0);
    ftpq.assert_file("data file.csv", b"right", &ended);
    for joined in [format!("{url};{url}"), format!("{url},ftp://h/b")] {
        let ended = ftpq.run(&["get", &joined]).expect_code(2);
        assert!(ended.err.contains("several URLs in one"), "{ended}");
    }
}

#[test]
fn words_around_a_list_of_checksums_become_no_jobs() {
    let (server, data, _) = archive();
    let base = server.url("pub");
    let sums = [hex(&data[0]), hex(&data[1])];
    let [size, small] = [data[0].len(), data[1].len()];
    let cksum = |data: &[u8]| digest("cksum", data);
    let intro = "These are the sums of the files in this folder.\nTest them as follows:\n\n  tail +9 SUMS | less\n\n";
    for (name, text) in [
        (
            "SUMS",
            format!("{intro}Sum      Filename\n{}  ./a_1.gz\n{}  set #1/b.gz\n\nThat is all.\n", sums[0], sums[1]),
        ),
        (
            "distinfo",
            format!(
                "TIMESTAMP = 1700000000\nSHA256 (a_1.gz) = {}\nSIZE (a_1.gz) = {size}\nSHA256 (set #1/b.gz) = {}\n\
                 SIZE (set #1/b.gz) = {small}\nWritten by hand\n",
                sums[0], sums[1]
            ),
        ),
        (
            "SHA256",
            format!(
                "untrusted comment: me\nRWQz/x=\nSHA256 (a_1.gz) = {}\nSHA256 (set #1/b.gz) = {}\n",
                sums[0], sums[1]
            ),
        ),
        (
            "sums.txt",
            format!(
                "{intro}CRC     Size   Filename\n{} {size} ./a_1.gz\n{} {small} ./set #1/b.gz\n",
                cksum(&data[0]),
                cksum(&data[1])
            ),
        ),
    ] {
        let ftpq = Ftpq::new();
        let list = ftpq.write(name, &text);
        let ended = ftpq.run(&["get", "--base", &base, "--manifest", &list]).expect_code(0);
        assert_eq!(ftpq.json(&["list"]).len(), 2, "{name}\n{ended}");
        ftpq.assert_file("a_1.gz", &data[0], &format!("{name}\n{ended}"));
        ftpq.assert_file("set #1/b.gz", &data[1], &format!("{name}\n{ended}"));
        assert_eq!(ended.err.matches("warning: ").count(), 1, "{name}\n{ended}");
        assert!(ended.err.contains("left out"), "{name}\n{ended}");
    }
    // The size and the checksum of each kind are compared.
    for (name, text) in [
        ("distinfo", format!("SHA256 (a_1.gz) = {}\nSIZE (a_1.gz) = {}\n", sums[0], size + 1)),
        ("sums.txt", format!("3000000001 {size} a_1.gz\n")),
    ] {
        let ftpq = Ftpq::new();
        let list = ftpq.write(name, &text);
        let ended = ftpq.run(&["get", "--base", &base, "--retries", "0", "--manifest", &list]).expect_code(1);
        ftpq.assert_absent("a_1.gz", &ended);
    }
    // Without a table there is nothing to take.
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["add", "--base", &base, &ftpq.write("SUMS", intro)]).expect_code(2);
    assert!(ended.err.contains("SUMS:1:7: "), "{ended}");
}
