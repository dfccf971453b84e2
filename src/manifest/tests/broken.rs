//! Twenty broken variants of each format: every one gives file, line, column and a reason.

use super::*;
use std::fmt::Write as _;

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// A format and its broken texts.
type Table = (Format, Option<&'static str>, Vec<Vec<u8>>);

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Each text, behind what a good list begins with.
fn behind(head: &str, tails: &[&str]) -> Vec<Vec<u8>> {
    tails.iter().map(|tail| format!("{head}{tail}").into_bytes()).collect()
}

fn with(mut table: Vec<Vec<u8>>, raw: &[u8]) -> Vec<Vec<u8>> {
    table.push(raw.to_vec());
    table
}

const BASE: Option<&str> = Some("ftp://h/pub");

fn tables() -> Vec<Table> {
    let long = "x".repeat(300);
    vec![
        (Format::List, None, with(behind("ftp://h/good\n", &list(&long)), b"ftp://h/\xFF\n")),
        (Format::List, BASE, with(behind("good\n", &paths()), b"\xFF\n")),
        (Format::Jsonl, None, with(behind("{\"url\":\"ftp://h/good\"}\n", &jsonl()), b"{\"url\":\"\xFF\"}")),
        (Format::Csv, None, with(texts(&csv()), b"url\nftp://h/\xFF\n")),
        (
            Format::Tsv,
            None,
            with(texts(&csv().map(|t| t.replace(',', "\t")).each_ref().map(String::as_str)), b"url\n\xFF\n"),
        ),
        (Format::Aria2, None, with(behind("ftp://h/good\n  out=x\n", &aria2()), b"ftp://h/a\n out=\xFF\n")),
        (Format::Ena, None, with(texts(&ena()), b"fastq_ftp\nh/\xFF\n")),
        (Format::EnaJson, None, with(texts(&ena_json()), b"[{\"fastq_ftp\":\"h/\xFF\"}]")),
        (Format::Metalink, None, with(metalink(), b"<metalink><file name='\xC3'></file></metalink>")),
        (Format::Sums, BASE, with(sums(), b"d41d8cd98f00b204e9800998ecf8427e  \xE4\n")),
        (Format::BsdSums, BASE, with(texts(&bsd_sums()), b"1 2 \xE4\n")),
        (Format::Cksum, BASE, with(behind("3000000000 5 good\n", &cksum()), b"1 2 \xE4\n")),
        (Format::Assembly, None, with(assembly(), b"#ftp_path\nftp://h/\xE4\n")),
        (Format::Rclone, None, with(texts(&rclone(&long)), b"ftp://h/\xE4,b\n")),
        (Format::SequenceIndex, BASE, with(texts(&sequence_index()), b"FASTQ_FILE\tMD5\n\xE4\t-\n")),
    ]
}

fn list(long: &str) -> [&str; 45] {
    [
        "nonsense",
        "  http://h/a",
        "ftp://h/a ./b",
        "ftp://h:0x/a",
        "ftp://h/a  ../b",
        "ftp://h/a /b",
        "ftp://h/a b\\c",
        "ftp://h/a\0b",
        "ftp://h/a?b",
        "ftp://h/a#b",
        "ftp://h:99999/a",
        "ftp:///a",
        "ftp://h/a;type=d",
        "ftp://h/a/../b",
        "ftp://h/a%0Ab",
        "ftp://h/a b//c",
        "ftp://u:pa/ss@h/a",
        "  out=a",
        long,
        "ftp://h/data file.csv",
        "ftp://h/data the last of them",
        "ftp://h/a.gz a.csv",
        "ftp://h/Report 2020",
        "ftp://h/a.gz\t12ab34cd",
        "ftp://h/a.gz\t1.5G",
        "ftp://h/a.gz\t2024-01-31",
        "ftp://h/a.gz\t12:30",
        "ftp://h/a.gz\tsha384=d41d8cd98f00b204",
        "ftp://h/a.gz d41d8cd98f00b204e9800998ecf8427",
        "ftp://h/a.gz\t99999999999999999999",
        "ftp://h/a.gz\t12\t13",
        "ftp://h/a.gz\tb.gz\tc.gz",
        "ftp://h/a.gz\twords of a remark",
        "ftp://h/a.gz\t-c",
        "ftp://h/a.gz -O",
        "ftp://h/a.gz\tftp.sra.ebi.ac.uk/vol1/b.gz",
        "ftp://h/a_1.gz\ta_2.gz",
        "ftp://h/a.bam\ta.bam.bai",
        "ftp://h/a.gz\tftp://h/b.gz\td41d8cd98f00b204e9800998ecf8427e",
        "ftp://h/a.gz;ftp://h/b.gz\td41d8cd98f00b204e9800998ecf8427e",
        "ftp://h/a.gz 12 x b.gz",
        "ftp://h/Song #1.mp3",
        "ftp://h/a.gz  d41d8cd98f00b204e9800998ecf8427e 00000000000000000000000000000000",
        "ftp://h/a.gz see ftp://h/b.gz",
        "ftp://h/a.gz\thttps://h/get?id=1",
    ]
}

/// Lines that are no paths, where a path may stand for a URL.
fn paths() -> [&'static str; 19] {
    [
        "These are the digests.",
        "MD5 message digest                Filename",
        "CRC        Size     Filename",
        "Name    Size",
        "TIMESTAMP = 1700000000",
        "SIZE (prog-1.0.tar.xz) = 2427",
        "-----------------",
        "-rw-r--r--   1 u g 5 Mar 11 2007 name",
        "drwxr-xr-x  2 u g 4096 Mar 11 2007 name",
        "./folder:",
        "d41d8cd98f00b204e9800998ecf8427e  a.tgz",
        "a file.txt",
        "a.bam\ta.bam.bai",
        "ftp.sra.ebi.ac.uk/vol1/a_1.gz;ftp.sra.ebi.ac.uk/vol1/a_2.gz",
        "/pub/gnu, or at any mirror",
        "<p>See the files",
        "wget -c ftp://h/a.gz",
        "a.gz;http://h/b.gz",
        "  out=a",
    ]
}

fn jsonl() -> [&'static str; 19] {
    [
        "{\"url\":\"ftp://h/a\",}",
        "{\"url\":\"ftp://h/a\"} x",
        "{\"url\":\"ftp://h/a\",\"url\":\"ftp://h/b\"}",
        "{\"path\":\"a\"}",
        "{\"url\":\"x\"}",
        "{\"url\":5}",
        "{\"url\":\"ftp://h/a\",\"size\":-1}",
        "{\"url\":\"ftp://h/a\",\"size\":\"1\"}",
        "{\"url\":\"ftp://h/a\",\"md5\":\"12\"}",
        "{\"url\":\"ftp://h/a\",\"crc32\":\"12\"}",
        "{\"url\":\"ftp://h/a\",\"bsd-sum\":\"1\"}",
        "{\"url\":\"ftp://h/a\",\"bsd-sum\":\"70000:1\"}",
        "{\"url\":\"ftp://h/a\",\"mirrors\":\"ftp://i/a\"}",
        "{\"url\":\"ftp://h/a\",\"mirrors\":[\"ftp://i/a\",\"j/a\"]}",
        "{\"url\":\"ftp://h/a\",\"mirrors\":[5]}",
        "{\"url\":\"ftp://h/a\",\"sise\":5}",
        "{\"url\":\"ftp://h/a\",\"insecure\":true}",
        "[{\"url\":\"ftp://h/a\"}]",
        "{\"url\":\"ftp://h/a\",\"ftp-passwd\":\"p\",\"mirrors\":[\"ftp://i/a\"]}",
    ]
}

fn csv() -> [&'static str; 19] {
    [
        "url,pth\nftp://h/a,b",
        "url,path,url\n",
        "path,size\na,1\n",
        "url,path\nftp://h/a\n",
        "url,path\nftp://h/a,b,c\n",
        "url,size\nftp://h/a,many\n",
        "url,path\nftp://h/a,../b\n",
        "url,path\nftp://h/a,/b\n",
        "url,md5\nftp://h/a,12\n",
        "url,crc32\nftp://h/a,zz\n",
        "url,bsd-sum\nftp://h/a,5\n",
        "url,mirrors\nftp://h/a,ftp://i/a|x\n",
        "url,insecure\nftp://h/a,true\n",
        "url,timeout\nftp://h/a,0\n",
        "url,tls\nftp://h/a,off\n",
        "url\nhttp://h/a\n",
        "url\nftp://h:0x/a\n",
        "url,checksum\nftp://h/a,crc64=1\n",
        "url,path\nftp://h/a,\"b\nc\"\n",
    ]
}

fn aria2() -> [&'static str; 19] {
    [
        "http://h/a\thttps://i/a\n",
        "magnet:?xt=urn:btih:1\n",
        "ftp://h/a\n  dir=/elsewhere\n",
        "ftp://h/a\n  dir=../b\n",
        "ftp://h/a\n  out=../b\n",
        "ftp://h/a\n  out=/b\n",
        "ftp://h/a\n  checksum=sha-256=12\n",
        "ftp://h/a\n  checksum=adler32=12345678\n",
        "ftp://h/a\n  ftp-pasv=maybe\n",
        "ftp://h/a\n  ftp-type=ebcdic\n",
        "ftp://h/a\n  split=0\n",
        "ftp://h/a\n  max-connection-per-server=x\n",
        "ftp://h/a\n  max-download-limit=5X\n",
        "ftp://h/a\n  max-tries=-1\n",
        "ftp://h/a\n  continue=1\n",
        "ftp://h/a\n  nonsense\n",
        "ftp://h/a\tj/a\n",
        "ftp://h/a\tftp://i/a\n  ftp-user=u\n  ftp-passwd=p\n",
        "ftp://h/a\n  OUT=b\n",
    ]
}

fn ena() -> [&'static str; 19] {
    [
        "run_accession\tfastq_md5\nR\tx\n",
        "fastq_ftp\tfastq_ftp\nh/a\th/a\n",
        "run_accession\tfastq_ftp\nSRR1\t\n",
        "fastq_ftp\tfastq_md5\nh/a;h/b\tx\n",
        "fastq_ftp\tfastq_bytes\nh/a\t1;2\n",
        "fastq_ftp\tfastq_bytes\nh/a\tmany\n",
        "fastq_ftp\tfastq_md5\nh/a\t12\n",
        "fastq_ftp\tfastq_md5\nh/a\n",
        "fastq_ftp\nh/a\textra\n",
        "fastq_ftp\nh/a;;h/b\n",
        "fastq_ftp\nhttps://h/a\n",
        "fastq_ftp\nh\n",
        "fastq_ftp\nh/\n",
        "fastq_ftp\nh/a/../b\n",
        "fastq_ftp\n/a/b\n",
        "fastq_ftp\tfastq_bytes\nh/a;h/b\t1;-2\n",
        "fastq_ftp\nh/a\\b\n",
        "fastq_ftp\nh:99999/b\n",
        "sra_ftp\tsra_md5\nh/a\t1;2;3\n",
    ]
}

fn ena_json() -> [&'static str; 19] {
    [
        "[{\"fastq_ftp\":\"h/a\"}",
        "[{\"fastq_ftp\":\"h/a\"",
        "[{\"fastq_ftp\":\"h/a\"},]",
        "[{\"fastq_ftp\":\"h/a\"} {\"fastq_ftp\":\"h/b\"}]",
        "[{\"fastq_ftp\":\"h/a\"}] x",
        "[5]",
        "{\"fastq_ftp\":\"h/a\",}",
        "[\n{\"fastq_ftp\":\"\"}]",
        "[{\"run_accession\":\"R\"}]",
        "[{\"fastq_ftp\":\"h/a\",\"fastq_ftp\":\"h/b\"}]",
        "[{\"fastq_ftp\":\"h/a;h/b\",\"fastq_md5\":\"x\"}]",
        "[{\"fastq_ftp\":[\"h/a\"]}]",
        "[{\"fastq_ftp\":\"h/a\",\"fastq_bytes\":-1}]",
        "[\n {\n  \"fastq_ftp\": \"h/a\",\n  \"fastq_md5\": \"12\"\n }\n]",
        "[{\"fastq_ftp\":\"http://h/a\"}]",
        "[{\"fastq_ftp\":\"h/a\" \"x\":1}]",
        "[{\"fastq_ftp\":\"h\"}]",
        "[[{\"fastq_ftp\":\"h/a\"}]]",
        "null",
    ]
}

fn metalink() -> Vec<Vec<u8>> {
    let file = |inner: &str| format!("<metalink>\n<file name=\"a\">\n {inner}\n</file>\n</metalink>\n");
    let url = "<url>ftp://h/a</url>";
    [
        "<html><body/></html>".to_owned(),
        "<metalink>\n<file name=\"a\"><url>ftp://h/a</url></file>\n".to_owned(),
        "<metalink><file name=\"../a\"><url>ftp://h/a</url></file></metalink>".to_owned(),
        "<metalink><file name=\"/etc/a\"><url>ftp://h/a</url></file></metalink>".to_owned(),
        "<metalink><file><url>ftp://h/a</url></file></metalink>".to_owned(),
        "<!DOCTYPE m [<!ENTITY a \"b\">]>\n<metalink/>".to_owned(),
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><metalink/>".to_owned(),
        file("<url>https://h/a</url><url>http://i/a</url>"),
        file(""),
        file("<url>ftp://h/</url>"),
        file(&format!("<size>many</size>{url}")),
        file(&format!("<hash type=\"sha-256\">12</hash>{url}")),
        file(&format!("<pieces length=\"0\" type=\"md5\"><hash>{MD5}</hash></pieces>{url}")),
        file(&format!("<pieces length=\"9\" type=\"md5\"><hash>12</hash></pieces>{url}")),
        file(&format!("<size>100</size><pieces length=\"9\" type=\"md5\"><hash>{MD5}</hash></pieces>{url}")),
        file(&format!("<pieces length=\"9\" type=\"md5\"><hash piece=\"1\">{MD5}</hash></pieces>{url}")),
        file("<url priority=\"0\">ftp://h/a</url>"),
        file("<url>ftp://h/a&nbsp;b</url>"),
        file("<url>ftp://h/a</uri>"),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn sums() -> Vec<Vec<u8>> {
    let line = |text: &str| text.replace("MD5", MD5);
    [
        "SIZE (a) = many",
        "MD5",
        "MD5  ",
        "MD5  /abs",
        "MD5  ../up",
        "MD5  a/../b",
        "MD5  ./../b",
        "MD5  a//b",
        "MD5a  ab",
        "d41d8c",
        "MD5  a\\b",
        "\\MD5  a\\nb",
        "\\MD5  a\\\\b",
        "md5 (a) = 12",
        "whirlpool (a) = MD5",
        "md5 (a) MD5",
        "md5 () = MD5",
        "MD5  https://h/a",
        "MD5  a/",
    ]
    .map(|text| format!("{MD5}  good\n{}\n", line(text)).into_bytes())
    .to_vec()
}

fn bsd_sums() -> [&'static str; 19] {
    [
        "nonsense",
        "1",
        "1 2",
        "1 2 ",
        "1 x a",
        "70000 2 a",
        "3000000000 5 a",
        "65536 2 a",
        "1 -2 a",
        "1 2 /a",
        "1 2 ../a",
        "1 2 a/",
        "1 2 a/./b",
        "1 2 a//b",
        "1 2 a\\b",
        "1 2 http://h/a",
        "1 99999999999999999999 a",
        "words, and no number\nat all\n",
        "1\n2 3\n",
    ]
}

fn cksum() -> [&'static str; 19] {
    [
        "1",
        "1 2",
        "1 2 ",
        "1 x a",
        "4294967296 2 a",
        "99999999999999999999 2 a",
        "1 -2 a",
        "1 2 /a",
        "1 2 ../a",
        "1 2 a/",
        "1 2 a/./b",
        "1 2 a//b",
        "1 2 a\\b",
        "1 2 http://h/a",
        "1 99999999999999999999 a",
        "12 files in this folder",
        "1\n2 3\n",
        "1\ta",
        "1 2 .",
    ]
}

fn assembly() -> Vec<Vec<u8>> {
    let head = "#assembly_accession\tasm_name\tftp_path\n";
    let folder = "ftp://ftp.ncbi.nlm.nih.gov/genomes/all/GCF_1.1_A";
    [
        format!("{head}GCF_1.1\tA\n"),
        format!("{head}GCF_1.1\tA\tna\n"),
        format!("{head}GCF_1.1\tA\t\n"),
        format!("{head}GCF_1.1\tA\thttps://example.org/genomes/GCF_1.1_A\n"),
        format!("{head}GCF_1.1\tA\trsync://ftp.ncbi.nlm.nih.gov/genomes/GCF_1.1_A\n"),
        format!("{head}GCF_1.1\tA\tgenomes/GCF_1.1_A\n"),
        format!("{head}GCF_1.1\tA\tftp://ftp.ncbi.nlm.nih.gov\n"),
        format!("{head}GCF_1.1\tA\thttps://ftp.ncbi.nlm.nih.gov/\n"),
        format!("{head}GCF_1.1\tA\tftp://h/a/../b\n"),
        format!("{head}GCF_1.1\tA\tftp://h:0x/a/b\n"),
        format!("{head}GCF_1.1\tA\tftp://h/a?b\n"),
        format!("{head}GCF_1.1\tA\tftp://h/a#b\n"),
        format!("{head}GCF_1.1\tA\tftp://h/..\n"),
        format!("{head}GCF_1.1\tA\tftp:///a/b\n"),
        format!("{head}GCF_1.1\tA\tftp://h/a%0Ab\n"),
        format!("{head}GCF_1.1\tA\tftp://h/a%00b\n"),
        format!("{head}GCF_1.1\tA\tftp://h/a\\b\n"),
        format!("GCF_1.1\tA\t{folder}\n"),
        format!("{head}\nGCF_1.1 A {folder}\n"),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn rclone(long: &str) -> [&str; 19] {
    [
        "nonsense,a",
        "http://h/a,b",
        "ftp://h:0x/,a",
        "ftp://h/a,b,c",
        "ftp://h/a,../b",
        "ftp://h/a,/b",
        "ftp://h/a,b\\c",
        "ftp://h/a,\"b\"/../c",
        ",a",
        "ftp://h/a?b,c",
        "ftp://h/a/../b,c",
        "ftp://h:99999/a,b",
        "ftp:///a,b",
        "ftp://h/a%0Ab,c",
        "ftp://h/a,b//c",
        "ftp://h/a,.",
        "ftp://h/a#b,c",
        "ftp://h/a;type=d,b",
        long,
    ]
}

fn sequence_index() -> [&'static str; 19] {
    [
        "FILE\tMD5\na\tb\n",
        "FASTQ_FILE\tMD5\na\n",
        "FASTQ_FILE\tMD5\na\t12\n",
        "FASTQ_FILE\tMD5\n\t-\n",
        "FASTQ_FILE\tMD5\n-\t-\n",
        "FASTQ_FILE\tMD5\n/a\t-\n",
        "FASTQ_FILE\tMD5\n../a\t-\n",
        "FASTQ_FILE\tMD5\na/../b\t-\n",
        "FASTQ_FILE\tMD5\na/\t-\n",
        "FASTQ_FILE\tMD5\nhttp://h/a\t-\n",
        "FASTQ_FILE\tMD5\na\\b\t-\n",
        "FASTQ_FILE\tMD5\na//b\t-\n",
        "FASTQ_FILE\tMD5\na\tzz\n",
        "FASTQ_FILE\tMD5\nftp://h/\t-\n",
        "FASTQ_FILE\tMD5\nftp://h:x/a\t-\n",
        "FASTQ_FILE\nftp://h/a?b\n",
        "##x\nfastq\n",
        "FASTQ_FILE\tMD5\n.\t-\n",
        "MD5\tFASTQ_FILE\n-\n",
    ]
}

/// `UPDATE_SAMPLES=1` writes the table anew, to be looked at.
#[test]
fn twenty_broken_variants_of_each_format_give_file_line_column_and_reason() {
    let (mut golden, mut missed) = (String::new(), Vec::new());
    let tables = tables();
    assert!(Format::ALL.iter().all(|format| tables.iter().any(|(known, ..)| known == format)));
    for (format, base, texts) in tables {
        assert!(texts.len() >= 20, "{format:?}: {}", texts.len());
        writeln!(golden, "== {}", format.name()).unwrap();
        for text in texts {
            let errors: Vec<LineError> =
                read_named("m", &text, options(Some(format), base)).into_iter().filter_map(Result::err).collect();
            let shown = format!("{format:?} {}", text.escape_ascii().to_string().chars().take(200).collect::<String>());
            if errors.is_empty() {
                missed.push(shown.clone());
            }
            writeln!(golden, "{}", shown.split_once(' ').unwrap().1).unwrap();
            for error in errors {
                let lossy = String::from_utf8_lossy(&text);
                let lines: Vec<&str> = lossy.split('\n').collect();
                let line = usize::try_from(error.line).unwrap().checked_sub(1).and_then(|line| lines.get(line));
                let in_line = line.is_some_and(|line| (1..=line.chars().count() as u64 + 1).contains(&error.column));
                if !in_line || error.file != "m" || error.message.len() < 10 {
                    missed.push(format!("{shown}: {error}"));
                }
                writeln!(golden, "    {error}").unwrap();
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manifest/samples/broken.golden");
    if std::env::var_os("UPDATE_SAMPLES").is_some() {
        std::fs::write(path, &golden).unwrap();
    }
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(std::fs::read_to_string(path).unwrap_or_default() == golden, "{golden}");
}
