//! Lists of archives and of other tools, from the file to the checked download.

use crate::support::{Ftpq, Scripted, pseudo_random};
use ring::digest::{SHA256, digest};

fn hex(data: &[u8]) -> String {
    digest(&SHA256, data).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
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
