//! Both ends of the socket, with a desk that remembers.

use super::*;
use crate::engine::{AccountStanding, Added, Changed, Credential, Desk, DeskError, Intake, KeptStanding, Reply};
use crate::model::{
    Change, Clash, Counts, Destination, IdSet, Job, JobId, JobRecord, JobSpec, JobState, RelPath, Secret, Selection,
    Settings, Snapshot, StatusReport,
};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

#[derive(Default)]
struct Book {
    jobs: Vec<Job>,
    words: Vec<(String, String)>,
    void: u32,
    pushes: u32,
}

#[derive(Clone, Default)]
struct Fake {
    book: Arc<Mutex<Book>>,
    slow: bool,
}

struct FakeIntake {
    book: Arc<Mutex<Book>>,
    jobs: Vec<JobSpec>,
    words: Vec<(String, String)>,
    done: bool,
}

impl Drop for FakeIntake {
    fn drop(&mut self) {
        if !self.done {
            self.book.lock().unwrap().void += 1;
        }
    }
}

impl Intake for FakeIntake {
    fn push(&mut self, jobs: Vec<JobSpec>) -> Reply<'_, ()> {
        Box::pin(async move {
            self.book.lock().unwrap().pushes += 1;
            if let Some(job) = jobs.iter().find(|job| job.destination.path().as_str() == "taken") {
                return Err(DeskError::DestinationTaken(Box::new(Clash {
                    destination: job.destination.clone(),
                    job: JobId(7),
                    known: "ftp://h/other".parse().unwrap(),
                    refused: job.source.clone(),
                })));
            }
            self.jobs.extend(jobs);
            Ok(())
        })
    }

    fn credential(&mut self, given: Credential) -> Reply<'_, ()> {
        Box::pin(async move {
            self.words.push((given.account.credential(), written(&given)));
            Ok(())
        })
    }

    fn accept(mut self: Box<Self>) -> Reply<'static, Added> {
        Box::pin(async move {
            self.done = true;
            let mut book = self.book.lock().unwrap();
            let mut added = Added::default();
            for spec in self.jobs.drain(..) {
                let id = JobId(book.jobs.len() as u64 + 1);
                added.new.insert(id);
                book.jobs.push(Job { id, state: JobState::Queued, spec, record: JobRecord::default() });
            }
            book.words.append(&mut self.words);
            Ok(added)
        })
    }
}

/// A password and all that is said of it.
fn written(given: &Credential) -> String {
    format!("{} {} {}", given.secret.reveal(), given.tls, given.stored)
}

impl Desk for Fake {
    fn intake(&self) -> Reply<'_, Box<dyn Intake>> {
        let book = Arc::clone(&self.book);
        let intake = FakeIntake { book, jobs: Vec::new(), words: Vec::new(), done: false };
        Box::pin(async move { Ok(Box::new(intake) as Box<dyn Intake>) })
    }

    fn status(&self) -> Reply<'_, StatusReport> {
        Box::pin(async move {
            if self.slow {
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            let run = Snapshot { rate: f64::NAN, files_done: 3, ..Snapshot::default() };
            let jobs = Counts { queued: 5, ..Counts::default() };
            Ok(StatusReport { queue: "/q".to_owned(), jobs, hosts: Vec::new(), run: Some(run), pid: Some(1) })
        })
    }

    fn counts(&self, selection: Selection) -> Reply<'_, Counts> {
        Box::pin(async move {
            match selection.host {
                Some(_) => Err(DeskError::StorageFull("no space".to_owned())),
                None => Ok(Counts { done: 9, ..Counts::default() }),
            }
        })
    }

    fn list(&self, _: Selection, after: Option<JobId>, limit: usize) -> Reply<'_, Vec<Job>> {
        Box::pin(async move {
            let book = self.book.lock().unwrap();
            Ok(book.jobs.iter().filter(|job| Some(job.id) > after).take(limit).cloned().collect())
        })
    }

    fn show(&self, id: JobId) -> Reply<'_, Option<Job>> {
        Box::pin(async move { Ok(self.book.lock().unwrap().jobs.iter().find(|job| job.id == id).cloned()) })
    }

    fn accounts(&self, ids: Option<IdSet>) -> Reply<'_, Vec<AccountStanding>> {
        Box::pin(async move {
            let kept = Some(KeptStanding { known: true, tls: true, refused_at: Some(7) });
            let account = Some(spec("a").source.account().clone());
            let jobs = ids.map_or(0, |ids| ids.len());
            Ok(vec![AccountStanding { login: "bob@h:21".to_owned(), account, jobs, left: 1, kept }])
        })
    }

    fn keep(&self, given: Credential) -> Reply<'_, bool> {
        Box::pin(async move {
            self.book.lock().unwrap().words.push((given.account.credential(), written(&given)));
            Ok(true)
        })
    }

    fn forget(&self, logins: Vec<String>, unused: bool) -> Reply<'_, Vec<String>> {
        Box::pin(async move { Ok(if unused { logins } else { Vec::new() }) })
    }

    fn change(&self, selection: Selection, _: Change) -> Reply<'_, Changed> {
        Box::pin(async move {
            let changed = selection.ids.map_or(0, |ids| ids.len());
            Ok(Changed { changed, refused: vec![(JobId(3), "it is done".to_owned())] })
        })
    }
}

fn spec(path: &str) -> JobSpec {
    let source = format!("ftp://bob@h/{path}").parse().unwrap();
    let destination = Destination::new("/d", RelPath::new(path).unwrap()).unwrap();
    JobSpec { settings: Settings { retries: Some(3), ..Settings::default() }, ..JobSpec::new(source, destination) }
}

/// Tests run in parallel on slow machines; nobody is impatient here.
async fn client(dir: &Path) -> Client {
    Client::connect_within(dir, Duration::from_secs(60)).await.unwrap()
}

#[tokio::test]
async fn every_request_arrives_and_is_answered() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::default();
    let _server = serve(Arc::new(fake.clone()), dir.path()).unwrap();
    let client = client(dir.path()).await;

    let mut intake = client.intake().await.unwrap();
    intake.push(vec![spec("a"), spec("b")]).await.unwrap();
    intake.push(Vec::new()).await.unwrap();
    let account = spec("a").source.account().clone();
    let given = Credential { account, secret: Secret::new("p\"w\n"), tls: false, stored: true };
    intake.credential(given.clone()).await.unwrap();
    let added = intake.accept().await.unwrap();
    assert_eq!(added.new.len(), 2);
    assert!(client.keep(Credential { tls: true, stored: false, ..given }).await.unwrap());
    let words = |text: &str| ("bob@h:21".to_owned(), text.to_owned());
    assert_eq!(fake.book.lock().unwrap().words, [words("p\"w\n false true"), words("p\"w\n true false")]);
    let login = || vec!["bob@h:21".to_owned()];
    assert_eq!(client.forget(login(), true).await.unwrap(), login());
    assert!(client.forget(login(), false).await.unwrap().is_empty());
    let standings = client.accounts(Some([JobId(1)].into_iter().collect())).await.unwrap();
    assert_eq!((standings[0].jobs, standings[0].kept.unwrap().refused_at), (1, Some(7)));

    let all = Selection::default();
    let jobs = client.list(all.clone(), None, 10).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.spec.clone()).collect::<Vec<_>>(), [spec("a"), spec("b")]);
    assert_eq!(client.show(JobId(2)).await.unwrap().unwrap().spec, spec("b"));
    assert_eq!(client.show(JobId(9)).await.unwrap(), None);
    assert_eq!(client.counts(all).await.unwrap().done, 9);
    let change = Selection { ids: Some([JobId(1), JobId(3)].into_iter().collect()), ..Selection::default() };
    let changed = client.change(change, Change::Retry).await.unwrap();
    assert_eq!(changed, Changed { changed: 2, refused: vec![(JobId(3), "it is done".to_owned())] });
    let status = client.status().await.unwrap();
    assert_eq!((status.jobs.queued, status.run.unwrap().rate), (5, 0.0));
}

#[tokio::test]
async fn errors_keep_their_kind() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::default();
    let _server = serve(Arc::new(fake.clone()), dir.path()).unwrap();
    let client = client(dir.path()).await;
    let full = client.counts(Selection { host: Some("h".to_owned()), ..Selection::default() }).await.unwrap_err();
    assert!(matches!(&full, DeskError::StorageFull(text) if text == "no space"), "{full:?}");
    let mut intake = client.intake().await.unwrap();
    let taken = intake.push(vec![spec("taken")]).await.unwrap_err();
    assert!(matches!(&taken, DeskError::DestinationTaken(clash) if clash.job == JobId(7)), "{taken:?}");
    assert!(intake.accept().await.is_err(), "an intake that refused a job is void");
    assert!(fake.book.lock().unwrap().jobs.is_empty());
}

#[tokio::test]
async fn many_jobs_are_sent_and_listed_in_parts() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::default();
    let _server = serve(Arc::new(fake.clone()), dir.path()).unwrap();
    let client = client(dir.path()).await;
    let mut intake = client.intake().await.unwrap();
    let long = "x".repeat(200);
    intake.push((0..5000).map(|i| spec(&format!("{long}/{long}/{i}"))).collect()).await.unwrap();
    assert_eq!(intake.accept().await.unwrap().new.len(), 5000);
    assert!(fake.book.lock().unwrap().pushes > 1, "5,000 jobs of 1 kB don't fit in one line");
    assert_eq!(client.list(Selection::default(), None, 4321).await.unwrap().len(), 4321);
    assert_eq!(client.list(Selection::default(), Some(JobId(10)), usize::MAX).await.unwrap().len(), 4990);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_intake_along() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::default();
    let _server = serve(Arc::new(fake.clone()), dir.path()).unwrap();
    let mut intake = client(dir.path()).await.intake().await.unwrap();
    intake.push(vec![spec("a")]).await.unwrap();
    drop(intake);
    for _ in 0..1000 {
        if fake.book.lock().unwrap().void == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let book = fake.book.lock().unwrap();
    assert_eq!((book.void, book.jobs.len()), (1, 0));
}

#[tokio::test]
async fn the_socket_is_the_owners_alone_and_goes_with_the_server() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("control.sock");
    // What a killed owner leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let server = serve(Arc::new(Fake::default()), dir.path()).unwrap();
    let meta = fs::metadata(&socket).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let client = client(dir.path()).await;
    drop(server);
    assert!(!socket.exists());
    assert!(matches!(client.status().await, Err(DeskError::OwnerEnded(_))));
    fs::write(&socket, b"precious").unwrap();
    assert!(serve(Arc::new(Fake::default()), dir.path()).is_err());
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
}

#[tokio::test]
async fn a_deep_folder_has_a_socket_too() {
    let dir = TempDir::new().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    let server = serve(Arc::new(Fake::default()), &deep).unwrap();
    assert_eq!(client(&deep).await.status().await.unwrap().jobs.queued, 5);
    drop(server);
    assert!(!deep.join("control.sock").exists());
}

#[tokio::test]
async fn nobody_there_is_told_after_a_while() {
    let dir = TempDir::new().unwrap();
    let error = Client::connect_within(dir.path(), Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(&error, DeskError::OwnerEnded(text) if text.contains("has just ended")), "{error}");
    // An owner that hangs: it listens, and says nothing.
    let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("control.sock")).unwrap();
    let error = Client::connect_within(dir.path(), Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(&error, DeskError::NoAnswer(text) if text.contains("said nothing")), "{error}");
}

#[tokio::test]
async fn a_long_work_is_no_silence() {
    let dir = TempDir::new().unwrap();
    let _server = serve(Arc::new(Fake { slow: true, ..Fake::default() }), dir.path()).unwrap();
    let client = Client::connect_within(dir.path(), Duration::from_millis(2500)).await.unwrap();
    assert_eq!(client.status().await.unwrap().jobs.queued, 5);
}

#[tokio::test]
async fn nonsense_is_refused_without_being_repeated() {
    let dir = TempDir::new().unwrap();
    let _server = serve(Arc::new(Fake::default()), dir.path()).unwrap();
    for text in [
        "{\"credential\":{\"account\":7,\"secret\":\"hunter2\"}}\n".to_owned(),
        "{\"credential\":{\"account\":\"ftp://h\",\"secret\":[\"hunter2\"]}}\n".to_owned(),
        "hunter2\n".to_owned(),
        "\"accept\"\n".to_owned(),
        "x".repeat((1 << 20) + 100_000),
    ] {
        let mut stream = UnixStream::connect(dir.path().join("control.sock")).await.unwrap();
        // The server may hang up before it has read it all.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("{\"ftpq\":2}\n"), "{answer}");
        assert!(!answer.contains("hunter2") && !answer.contains("\"ok\""), "{answer}");
    }
}

#[tokio::test]
async fn a_crowd_is_served_one_after_the_other() {
    let dir = TempDir::new().unwrap();
    let _server = serve(Arc::new(Fake::default()), dir.path()).unwrap();
    let client = client(dir.path()).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let client = client.clone();
        calls.spawn(async move { client.status().await.unwrap().jobs.queued });
    }
    assert_eq!(calls.join_all().await, vec![5; 200]);
}

#[tokio::test]
async fn what_was_taken_is_answered_before_the_server_is_closed() {
    let dir = TempDir::new().unwrap();
    let server = serve(Arc::new(Fake { slow: true, ..Fake::default() }), dir.path()).unwrap();
    let client = client(dir.path()).await;
    let asked = tokio::spawn(async move { client.status().await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.close().await;
    assert_eq!(asked.await.unwrap().unwrap().jobs.queued, 5);
    assert!(!dir.path().join("control.sock").exists());
}

#[tokio::test]
async fn a_client_that_stalls_does_not_keep_the_server_from_closing() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::default();
    let server = serve(Arc::new(fake.clone()), dir.path()).unwrap();
    let mut intake = client(dir.path()).await.intake().await.unwrap();
    intake.push((0..1000).map(|i| spec(&i.to_string())).collect()).await.unwrap();
    intake.accept().await.unwrap();
    // One says nothing, one holds an intake open, one stops in the middle of a request, one never reads.
    let connect = || UnixStream::connect(dir.path().join("control.sock"));
    let _silent = connect().await.unwrap();
    let mut held = client(dir.path()).await.intake().await.unwrap();
    let mut half = connect().await.unwrap();
    half.write_all(b"{\"li").await.unwrap();
    let mut deaf = connect().await.unwrap();
    let list =
        serde_json::to_vec(&message::Request::List { selection: Selection::default(), after: None, limit: usize::MAX });
    let asks = [list.unwrap(), b"\n".to_vec()].concat().repeat(50);
    deaf.write_all(&asks).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = std::time::Instant::now();
    server.close().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let error = held.push(vec![spec("late")]).await.unwrap_err();
    assert!(matches!(error, DeskError::NoAnswer(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("nothing was queued") && text.contains("the whole list") && !text.contains("stop"), "{text}");
    assert_eq!(fake.book.lock().unwrap().void, 1);
}

#[tokio::test]
async fn a_request_that_an_owner_did_not_take_is_put_to_the_next() {
    let dir = TempDir::new().unwrap();
    let server = serve(Arc::new(Fake::default()), dir.path()).unwrap();
    let first = client(dir.path()).await;
    server.close().await;
    let path = dir.path().to_owned();
    let owners = Arc::new(Mutex::new(Vec::new()));
    let find: FindOwner = Box::new(move || {
        let (path, owners) = (path.clone(), Arc::clone(&owners));
        Box::pin(async move {
            // One more ends at once; then it is this process.
            let had = owners.lock().unwrap().len();
            if had > 0 {
                return Ok(Box::new(Fake::default()) as Box<dyn Desk>);
            }
            let server = serve(Arc::new(Fake::default()), &path)?;
            let client = Client::connect(&path).await?;
            owners.lock().unwrap().push(());
            server.close().await;
            Ok(Box::new(client) as Box<dyn Desk>)
        })
    });
    let desk = Succession::new(Box::new(first), find);
    assert_eq!(desk.status().await.unwrap().jobs.queued, 5);
    assert!(matches!(
        desk.counts(Selection { host: Some("h".into()), ..Selection::default() }).await,
        Err(DeskError::StorageFull(_))
    ));
    assert!(desk.intake().await.is_ok());
}

/// An owner that is killed once it has wholly taken a request with one of these words; it agrees to all before.
fn killed_at(dir: &Path, words: &'static [&'static str]) -> tokio::task::JoinHandle<()> {
    let listener = tokio::net::UnixListener::bind(dir.join("control.sock")).unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (from, mut to) = stream.into_split();
                let mut from = BufReader::new(from);
                to.write_all(b"{\"ftpq\":2}\n").await.unwrap();
                loop {
                    let mut request = String::new();
                    let read = from.read_line(&mut request).await.unwrap();
                    if read == 0 || words.iter().any(|word| request.contains(word)) {
                        break;
                    }
                    to.write_all(b"{\"ok\":null}\n").await.unwrap();
                }
            });
        }
    })
}

/// It may have done it: put to the next owner, `remove` would find no such job, and `logout` no password.
#[tokio::test]
async fn what_a_killed_owner_may_have_done_is_not_done_again() {
    let dir = TempDir::new().unwrap();
    let _killed = killed_at(dir.path(), &["change", "keep", "forget", "accept", "status"]);
    let first = client(dir.path()).await;
    let desk = Succession::new(Box::new(first), Box::new(|| Box::pin(async { Ok(Box::new(Fake::default()) as _) })));
    let account = spec("a").source.account().clone();
    let given = Credential { account, secret: Secret::new("p"), tls: false, stored: true };
    let mut intake = desk.intake().await.unwrap();
    intake.push(vec![spec("a")]).await.unwrap();
    for (error, advice) in [
        (desk.change(Selection::default(), Change::Remove).await.map(drop), "`ftpq list`"),
        (desk.forget(vec!["bob@h:21".to_owned()], false).await.map(drop), "`ftpq logins`"),
        (desk.keep(given).await.map(drop), "give the command again"),
        (intake.accept().await.map(drop), "give the command again"),
    ] {
        let error = error.unwrap_err();
        assert!(matches!(error, DeskError::NoAnswer(_)), "{error}");
        assert!(error.to_string().contains("or not") && error.to_string().contains(advice), "{error}");
    }
    // What only asks is asked again.
    assert_eq!(desk.status().await.unwrap().jobs.queued, 5);
}

#[tokio::test]
async fn of_a_list_that_a_killed_owner_took_a_part_of_nothing_is_queued() {
    let dir = TempDir::new().unwrap();
    let _killed = killed_at(dir.path(), &["push"]);
    let mut intake = client(dir.path()).await.intake().await.unwrap();
    let error = intake.push(vec![spec("a")]).await.unwrap_err();
    assert!(matches!(error, DeskError::NoAnswer(_)), "{error}");
    assert!(error.to_string().contains("nothing was queued"), "{error}");
}

#[tokio::test]
async fn a_list_that_does_not_go_on_is_told_of_by_a_run_that_does() {
    let dir = TempDir::new().unwrap();
    let idle = Duration::from_millis(300);
    let _server = server::serve_within(Arc::new(Fake::default()), dir.path(), idle).unwrap();
    let mut intake = client(dir.path()).await.intake().await.unwrap();
    tokio::time::sleep(idle * 5).await;
    let error = intake.push(vec![spec("a")]).await.unwrap_err();
    assert!(matches!(error, DeskError::NoAnswer(_)), "{error}");
    assert!(error.to_string().contains("nothing was queued") && !error.to_string().contains("ended"), "{error}");
}
