//! Jobs that are done, asked for once more.

use super::fake::Trial;
use crate::cli::Exit;
use crate::model::{Change, Counts, Destination, IdSet, Job, JobId, JobState, Receipt, RelPath};

/// A house that knows three done jobs: the file of the first stands, that of the second is cut short, the third's is
/// gone.
fn trial() -> Trial {
    let trial = Trial::new();
    let (out, known) = (trial.folder.path().to_owned(), 1..=3);
    let done = |id: u64| -> Job {
        let mut job = super::job(id, JobState::Done);
        job.spec.destination = Destination::new(&out, RelPath::new(format!("f{id}")).unwrap()).unwrap();
        job.record.receipt = Some(Receipt { size: 5, ..Receipt::default() });
        job
    };
    trial.house.state().jobs = known.clone().map(done).collect();
    trial.house.state().known = known.map(JobId).collect();
    trial.house.state().counts = Counts { done: 3, ..Counts::default() };
    trial.write("f1", "12345");
    trial.write("f2", "1234");
    trial
}

const URLS: &str = "ftp://h/f1 ftp://h/f2 ftp://h/f3";

fn set(ids: impl IntoIterator<Item = u64>) -> IdSet {
    ids.into_iter().map(JobId).collect()
}

/// Changes of done jobs, and which jobs.
fn changed(trial: &Trial, change: Change) -> Vec<IdSet> {
    let state = trial.house.state();
    let done = state.changes.iter().filter(|(s, c)| s.state == Some(JobState::Done) && *c == change);
    done.map(|(s, _)| s.ids.clone().unwrap()).collect()
}

#[test]
fn get_has_the_server_asked_about_all_that_is_done_whatever_stands_here() {
    let trial = trial();
    let ended = trial.run(&format!("get {URLS}"));
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Done, ""));
    assert_eq!(changed(&trial, Change::Recheck), [set(1..=3)]);
    assert_eq!(trial.house.state().orders[0].only, Some(set(1..=3)));
    for line in ["-q", "--json"] {
        assert_eq!(trial.run(&format!("get {URLS} {line}")).err, "");
    }
}

#[test]
fn add_asks_only_where_that_is_wished_and_overwrite_means_to_replace() {
    for (options, change) in [("--recheck", Change::Recheck), ("--recheck --existing overwrite", Change::Retry)] {
        let trial = trial();
        let ended = trial.run(&format!("add {options} {URLS}"));
        assert!(
            ended.out.contains("3 done since") && ended.out.contains("`ftpq run` asks the server"),
            "{}",
            ended.out
        );
        assert_eq!(changed(&trial, change), [set(1..=3)], "{options}");
    }
}

#[test]
fn a_folder_or_a_link_is_not_the_file() {
    let trial = trial();
    let folder = trial.folder.path();
    std::os::unix::fs::symlink("f1", folder.join("f3")).unwrap();
    std::fs::remove_file(folder.join("f2")).unwrap();
    std::fs::create_dir(folder.join("f2")).unwrap();
    assert!(trial.run(&format!("add {URLS}")).out.contains("`ftpq retry 2-3`"));
}

#[test]
fn add_says_which_files_of_done_jobs_are_gone() {
    let trial = trial();
    let ended = trial.run(&format!("add {URLS}"));
    assert_eq!(
        ended.out,
        "queued 0 jobs (3 were there already; 3 done since 1970-01-01T00:00:00Z, and --recheck asks the server whether \
         they are still the same; 2 of them are done but their files are gone or changed: \
         `ftpq retry 2-3` or `ftpq get` fetches them again)\n"
    );
    assert!(trial.house.state().changes.is_empty(), "add changes nothing");
    let json = trial.run(&format!("add {URLS} --json")).out;
    assert_eq!(json, "{\"new\":[],\"known\":[[1,3]],\"done\":3,\"oldest\":0,\"newest\":0,\"gone\":[[2,3]]}\n");
}
