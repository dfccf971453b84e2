//! Lists of every format at the door: options, warnings, passwords of mirrors, chunks.

use super::fake::Trial;
use crate::cli::Exit;

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

#[test]
fn warnings_are_shown_up_to_twenty_and_end_nothing() {
    let trial = Trial::new();
    let list = (0..25).map(|n| format!("ftp://h/{n}\thttps://i/{n}\n")).collect::<Vec<_>>().concat();
    trial.write("list", &list);
    let ended = trial.run("add list");
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, "queued 25 jobs\n"), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 21, "{}", ended.err);
    assert!(ended.err.starts_with("ftpq: list:1:11: warning: 1 of its URLs left out (https)"), "{}", ended.err);
    assert!(ended.err.ends_with("ftpq: and 5 more warnings\n"), "{}", ended.err);
}

#[test]
fn get_reads_lists_as_add_does() {
    let trial = Trial::new();
    trial.write("SUMS", &format!("{MD5}  a/b\n{MD5}\n"));
    for command in ["add SUMS", "get --manifest SUMS"] {
        let ended = trial.run(command);
        assert_eq!(ended.exit, Exit::Usage, "{command}: {}", ended.err);
        assert!(ended.err.contains("--base ftp://HOST/FOLDER"), "{command}: {}", ended.err);
        let ended = trial.run(&format!("{command} --base ftp://h/d"));
        assert_eq!(ended.exit, Exit::Usage, "{command}: {}", ended.err);
        assert!(ended.err.contains("SUMS:2:1: "), "{command}: {}", ended.err);
        let ended = trial.run(&format!("{command} --base ftp://h/d --skip-bad --format checksums"));
        assert_eq!(ended.exit, Exit::Done, "{command}: {}", ended.err);
        let spec = trial.house.state().accepted.pop().unwrap();
        assert_eq!(spec.source.to_string(), "ftp://h/d/a/b");
        assert!(spec.destination.to_string().ends_with("/a/b"), "{}", spec.destination);
        assert_eq!(spec.expect.checksum.unwrap().text(), MD5);
    }
    let ended = trial.run("get --manifest SUMS --base ftp://u:hunter2@h/d --skip-bad");
    assert!(ended.err.contains("a password in a URL on the command line"), "{}", ended.err);
    assert!(!ended.err.contains("hunter2"), "{}", ended.err);
}

#[test]
fn suffixes_and_columns_choose_files() {
    let trial = Trial::new();
    trial.write("summary", "#ftp_path\nhttps://ftp.ncbi.nlm.nih.gov/genomes/GCF_1.1_A\n");
    let ended = trial.run("add summary --suffix _genomic.fna.gz --suffix _genomic.gff.gz");
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    let mut specs = std::mem::take(&mut trial.house.state().accepted);
    trial.write("report", "fastq_ftp\tsra_ftp\nh/a\th/b\n");
    assert_eq!(trial.run("get --manifest report --columns sra,fastq").exit, Exit::Done);
    specs.append(&mut trial.house.state().accepted);
    let urls: Vec<String> = specs.iter().map(|spec| spec.source.to_string()).collect();
    let folder = "ftp://ftp.ncbi.nlm.nih.gov/genomes/GCF_1.1_A/GCF_1.1_A_genomic";
    assert_eq!(urls, [format!("{folder}.fna.gz"), format!("{folder}.gff.gz"), "ftp://h/a".into(), "ftp://h/b".into()]);
}

/// Each to its own account, however many lines name it; a user of the command line is the job's own server's.
#[test]
fn passwords_of_mirrors_are_kept_for_their_accounts() {
    let trial = Trial::new();
    let line = |n| {
        format!(
            "{{\"url\":\"ftp://h/{n}\",\"mirrors\":[\"ftp://bob:hunter2@m/{n}\",\"ftp://k/{n}\",\"ftp://h/x/{n}\"]}}\n"
        )
    };
    trial.write("list", &(0..3).map(line).collect::<Vec<_>>().concat());
    trial.write("config.toml", "[host.k]\nuser = \"kim\"\n");
    let ended = trial.run("add list --user zoe");
    assert_eq!(ended.exit, Exit::Done, "{}", ended.err);
    let state = trial.house.state();
    assert_eq!(state.secrets, [("bob@m:21".to_owned(), "hunter2".to_owned())]);
    let spec = &state.accepted[2];
    assert_eq!(spec.source.to_string(), "ftp://zoe@h/2");
    let mirrors: Vec<String> = spec.mirrors.iter().map(|mirror| mirror.source.to_string()).collect();
    assert_eq!(mirrors, ["ftp://bob@m/2", "ftp://kim@k/2", "ftp://zoe@h/x/2"]);
    assert!(!format!("{:?}", state.accepted).contains("hunter2"));
}

#[test]
fn a_mirror_that_contradicts_the_settings_is_refused() {
    let trial = Trial::new();
    trial.write("list", "ftp://h/a\tftps://i/a\n");
    let ended = trial.run("add list --tls off");
    assert_eq!(ended.exit, Exit::Usage, "{}", ended.err);
    assert!(ended.err.contains("ftps://i/a"), "{}", ended.err);
    assert!(trial.house.state().accepted.is_empty());
}

/// Memory: entries with many digests go to the queue few at a time.
#[test]
fn heavy_entries_are_handed_over_in_small_chunks() {
    let trial = Trial::new();
    let hashes = format!("<hash>{}</hash>", "0".repeat(64)).repeat(10_000);
    let file = |n| {
        format!(
            "<file name=\"{n}\"><url>ftp://h/{n}</url><pieces length=\"9\" type=\"sha-256\">{hashes}</pieces></file>"
        )
    };
    let files = (0..20).map(file).collect::<Vec<_>>().concat();
    trial.write("list", &format!("<metalink>{files}</metalink>"));
    let ended = trial.run("add list");
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, "queued 20 jobs\n"), "{}", ended.err);
    assert!(trial.house.state().pushed.iter().all(|&count| count <= 5), "{:?}", trial.house.state().pushed);
}
