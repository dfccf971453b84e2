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

#[test]
fn get_fetches_again_what_is_gone_or_changed_and_names_what_stands() {
    let trial = trial();
    let ended = trial.run(&format!("get {URLS}"));
    let there = format!("ftpq: already there: {}/f1\n", trial.folder.path().display());
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Done, there.as_str()));
    let retried = |trial: &Trial| -> Vec<IdSet> {
        let state = trial.house.state();
        let done = state.changes.iter().filter(|(s, c)| s.state == Some(JobState::Done) && *c == Change::Retry);
        done.map(|(s, _)| s.ids.clone().unwrap()).collect()
    };
    assert_eq!(retried(&trial), [set([2, 3])]);
    assert_eq!(trial.house.state().orders[0].only, Some(set(1..=3)));
    for line in ["-q", "--json"] {
        assert_eq!(trial.run(&format!("get {URLS} {line}")).err, "");
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
fn what_stands_is_named_up_to_a_bound() {
    let trial = trial();
    let one = trial.house.state().jobs[0].clone();
    trial.house.state().jobs = (1..=1200).map(|id| Job { id: JobId(id), ..one.clone() }).collect();
    trial.house.state().known = set(1..=1200);
    let err = trial.run("get ftp://h/f1").err;
    assert_eq!((err.lines().count(), err.ends_with("ftpq: and 1180 more\n")), (21, true), "{err}");
}

#[test]
fn add_says_which_files_of_done_jobs_are_gone() {
    let trial = trial();
    let ended = trial.run(&format!("add {URLS}"));
    assert_eq!(
        ended.out,
        "queued 0 jobs (3 were there already; 2 of them are done but their files are gone or changed: \
         `ftpq retry 2-3` or `ftpq get` fetches them again)\n"
    );
    assert!(trial.house.state().changes.is_empty(), "add changes nothing");
    let json = trial.run(&format!("add {URLS} --json")).out;
    assert_eq!(json, "{\"new\":[],\"known\":[[1,3]],\"gone\":[[2,3]]}\n");
}
