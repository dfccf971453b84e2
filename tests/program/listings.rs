//! Folders as the real servers list them, held against the disk; and listings of a server that lies.

use crate::support::{
    Act, Delivery, End, Scripted, Tls, Traits,
    certs::Authority,
    real::{self, Kind, MODIFIED, Options, Server},
    report,
};
use ftpq::{
    ftp::{Dial, LinkKind, Login, PassivePorts, Session, SessionOptions, TlsPolicy},
    model::{Cause, DataMode, Failure, FailureKind, Quirks, RemotePath, Settings, Source, Stage, TransferType},
    wire::listing::{self, Entry, Form, Item, Resolution, Size},
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt::Write,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt, fs::PermissionsExt, fs::symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Names that servers, clients and shells stumble over, and no FTP server can't send.
const NAMES: [&[u8]; 25] = [
    b"plain",
    b"a b",
    b"two  blanks",
    b" lead",
    b"   3 lead",
    b"trail ",
    b"h#x",
    b"p%41",
    b"semi;colon",
    b"eq=ual; x",
    "grün".as_bytes(),
    "漢字".as_bytes(),
    b"lat\xfcn",
    b"-dash",
    b"-la",
    b"a -> b",
    b"~tilde",
    b"st*r",
    b"q?",
    b"br[1]",
    b"{c,d}",
    b"\"quo\"",
    b"b\\s",
    b"Jan 29 03:26 x",
    b"CON",
];
const LINKS: [(&str, &str); 7] = [
    ("l to file", "plain"),
    ("l to folder", "d dir"),
    ("l dangling", "nowhere"),
    ("l self", "."),
    ("l out", "/etc"),
    ("l circle 1", "l circle 2"),
    ("l circle 2", "l circle 1"),
];

/// A folder `odd` with all these as files and, with a `d ` before, as folders; and links.
fn plant(root: &Path) {
    let odd = root.join("odd");
    fs::create_dir(&odd).unwrap();
    let named = |prefix: &[u8], name: &[u8]| odd.join(OsStr::from_bytes(&[prefix, name].concat()));
    for (at, name) in NAMES.iter().enumerate() {
        let file = named(b"", name);
        fs::write(&file, vec![b'x'; at * 1000]).unwrap();
        // Half of them old: LIST tells their day alone.
        let time = if at % 2 == 0 { UNIX_EPOCH + Duration::from_secs(MODIFIED) } else { yesterday() };
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        let folder = if name[0] == b' ' || name[0] == b'-' { named(name, b" d") } else { named(b"d ", name) };
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(format!("only {at}")), b"x").unwrap();
    }
    fs::create_dir(odd.join("d dir")).unwrap();
    fs::create_dir(odd.join("empty")).unwrap();
    fs::create_dir(odd.join("closed")).unwrap();
    fs::set_permissions(odd.join("closed"), fs::Permissions::from_mode(0o711)).unwrap();
    for (name, target) in LINKS {
        symlink(target, odd.join(name)).unwrap();
    }
}

fn yesterday() -> SystemTime {
    SystemTime::now() - Duration::from_secs(86_400)
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

pub(crate) type Story = Arc<Mutex<String>>;

/// What a session is opened with for a URL, and where its dialogue is kept.
pub(crate) fn dial(url: &str, ca_file: Option<PathBuf>, data_mode: DataMode) -> (Dial, Story) {
    let (source, secret) = Source::parse_any(url).unwrap();
    let account = source.account().clone();
    let tls = TlsPolicy::new(&Settings { ca_file, ..Settings::default() }, account.scheme).unwrap();
    let timeout = Duration::from_secs(10);
    let options = SessionOptions { data_mode, tls, timeout, ..SessionOptions::default() };
    let story = Story::default();
    let book = Arc::clone(&story);
    let trace: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(move |line: &str| {
        writeln!(book.lock().unwrap(), "{line}").unwrap();
    });
    let login = Login::new(account.user.clone(), secret);
    let quirks = Quirks::default();
    (
        Dial {
            account,
            login,
            options,
            quirks,
            ticket: None,
            strikes: 0,
            only_tls12: false,
            ports: PassivePorts::default(),
            trace: Some(trace),
        },
        story,
    )
}

pub(crate) fn in_time<F: Future>(play: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), play).await.expect("it does not end") })
}

pub(crate) fn folder(path: impl AsRef<[u8]>) -> RemotePath {
    RemotePath::folder(path.as_ref().to_vec()).unwrap()
}

/// All items of a folder.
async fn items(session: &mut Session, path: &RemotePath) -> Result<(Vec<Item>, Form), Failure> {
    let mut listing = session.list(path, now()).await?;
    let mut items = Vec::new();
    while let Some(item) = listing.next().await? {
        items.push(item);
    }
    Ok((items, listing.form()))
}

async fn names(session: &mut Session, path: &RemotePath) -> Result<Vec<String>, Failure> {
    let shown = |item: &Item| match item {
        Item::Entry(entry) => String::from_utf8_lossy(&entry.name).into_owned(),
        Item::Refused(refused) => format!("! {}", refused.shown),
    };
    items(session, path).await.map(|(items, _)| items.iter().map(shown).collect())
}

/// Kind, size of a file, time.
type Told = (char, Option<u64>, Option<(i64, Resolution)>);

fn told(entry: &Entry) -> Told {
    let kind = match entry.kind {
        listing::Kind::File => 'f',
        listing::Kind::Folder => 'd',
        listing::Kind::Link(_) => 'l',
        listing::Kind::Other => 'o',
        listing::Kind::Unknown => '?',
    };
    let size = match entry.size {
        Some(Size::Exact(size)) if kind == 'f' => Some(size),
        _ => None,
    };
    (kind, size, entry.time.map(|time| (time.seconds, time.resolution)))
}

/// What stands in the folder on the disk.
fn on_disk(folder: &Path) -> BTreeMap<Vec<u8>, Told> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        let kind = if meta.is_symlink() {
            'l'
        } else if meta.is_dir() {
            'd'
        } else {
            'f'
        };
        let size = (kind == 'f').then_some(meta.len());
        (entry.file_name().as_bytes().to_vec(), (kind, size, Some((meta.mtime(), Resolution::Second))))
    });
    entries.collect()
}

/// Where two tellings of a folder differ, in words; times are compared as far as both tell.
fn differences(left: &BTreeMap<Vec<u8>, Told>, right: &BTreeMap<Vec<u8>, Told>) -> Vec<String> {
    let mut out = Vec::new();
    for name in left.keys().chain(right.keys().filter(|name| !left.contains_key(*name))) {
        let shown = String::from_utf8_lossy(name);
        let (Some(one), Some(other)) = (left.get(name), right.get(name)) else {
            out.push(format!("{shown:?} is only {}", if left.contains_key(name) { "here" } else { "there" }));
            continue;
        };
        let apart = |unit: i64, (one, other): (i64, i64)| one.div_euclid(unit) != other.div_euclid(unit);
        let times = match (one.2, other.2) {
            (Some((a, x)), Some((b, y))) => match x.max(y) {
                Resolution::Second => a != b,
                Resolution::Minute => apart(60, (a, b)),
                Resolution::Day => apart(86_400, (a, b)),
            },
            _ => true,
        };
        // Blanks in front of a name may be the listing's own: the server is asked what it is.
        if one.0 == '?' || other.0 == '?' {
            continue;
        }
        // A link's own length and time are told by some, its target's by others.
        if one.0 != other.0 || (one.0 != 'l' && (one.1 != other.1 || times)) {
            out.push(format!("{shown:?}: {one:?} and {other:?}"));
        }
    }
    out
}

async fn telling(session: &mut Session, path: &str) -> Result<(BTreeMap<Vec<u8>, Told>, Form), Failure> {
    let (items, form) = items(session, &folder(path)).await?;
    let mut all = BTreeMap::new();
    for item in items {
        match item {
            Item::Entry(entry) => assert!(all.insert(entry.name.clone(), told(&entry)).is_none(), "{entry:?}"),
            Item::Refused(refused) => panic!("{refused:?}"),
        }
    }
    Ok((all, form))
}

/// Names that a server leaves out of what it tells by MLSD or by LIST.
fn left_out(kind: Kind, form: Form) -> &'static [&'static str] {
    match (kind, form) {
        // Its MLSD tells of links by what they lead to, and nothing of those that lead nowhere; its LIST leaves out links
        // to the folder itself.
        (Kind::Proftpd, Form::Machine) => &["l dangling", "l out", "l circle 1", "l circle 2"],
        (Kind::Proftpd, Form::People) => &["l self"],
        _ => &[],
    }
}

struct Way {
    kind: Kind,
    options: Options,
    mode: DataMode,
}

/// Both forms of the same folder against the disk; what is wrong.
fn compare(server: &Server, way: &Way, table: &mut String) -> Vec<String> {
    let Way { kind, options, mode } = way;
    let ca = server.root().parent().unwrap().join("ca.pem");
    fs::write(&ca, server.authority()).unwrap();
    let mut wrong = Vec::new();
    let disk = on_disk(&server.root().join("odd"));
    for no_mlsd in [false, true] {
        let (mut dial, story) = dial(&server.url("", true), options.tls.map(|_| ca.clone()), *mode);
        dial.quirks.no_mlsd = no_mlsd;
        let found = in_time(async {
            let mut session = Session::open(&dial).await?;
            let found = telling(&mut session, "odd/").await?;
            // The session serves on: a file, and the folder once more.
            let plain = RemotePath::new(b"odd/a b".to_vec()).unwrap();
            let mut file = session.retrieve(&plain, TransferType::Image, 0).await?;
            while file.read(&mut [0; 4096]).await? > 0 {}
            file.finish().await;
            assert_eq!(telling(&mut session, "odd/").await?.0, found.0);
            session.quit().await;
            Ok::<_, Failure>(found)
        });
        let tls = options.tls.map_or("-", |tls| if tls.implicit { "implicit" } else { "explicit" });
        let family = if options.ipv6 { "IPv6" } else { "IPv4" };
        let line = |rest: &str| format!("{:<10}{family:<6}{:<9}{tls:<10}{rest}", kind.name(), format!("{mode:?}"));
        match found {
            Ok((found, form)) => {
                let mut expected = disk.clone();
                expected.retain(|name, _| !left_out(*kind, form).iter().any(|out| out.as_bytes() == name));
                let unlike = differences(&found, &expected);
                let verb = if form == Form::Machine { "MLSD" } else { "LIST" };
                writeln!(table, "{}", line(&format!("{verb:<6}{:<9}{}", found.len(), unlike.len()))).unwrap();
                wrong.extend(unlike.iter().map(|unlike| format!("{} {unlike}", line(verb))));
            }
            Err(failure) => wrong.push(format!("{} {failure}\n{}", line(""), story.lock().unwrap())),
        }
    }
    wrong
}

/// MLSD, LIST and the disk tell the same, over every way that data can take.
#[test]
fn real_servers_list_what_is_on_the_disk_in_every_mode() {
    if let Some(reason) = real::tls_unavailable() {
        return report::skip(&reason);
    }
    let mut ways = Vec::new();
    for kind in Kind::ALL {
        for mode in [DataMode::Epsv, DataMode::Pasv, DataMode::Eprt, DataMode::Port] {
            ways.push(Way { kind, options: Options::default(), mode });
        }
        for mode in [DataMode::Auto, DataMode::Active] {
            ways.push(Way { kind, options: Options { ipv6: true, ..Options::default() }, mode });
        }
    }
    for (kind, tls) in real::kinds_of_tls() {
        ways.push(Way { kind, options: Options { tls: Some(tls), ..Options::default() }, mode: DataMode::Auto });
    }
    let threads = Kind::ALL.map(|kind| {
        let (mine, rest): (Vec<Way>, Vec<Way>) =
            std::mem::take(&mut ways).into_iter().partition(|way| way.kind == kind);
        ways = rest;
        thread::spawn(move || {
            let (mut table, mut wrong, mut server) = (String::new(), Vec::new(), None::<(Server, bool)>);
            for way in &mine {
                let reused = server.take().filter(|(_, ipv6)| way.options.tls.is_none() && *ipv6 == way.options.ipv6);
                let (running, ipv6) = reused.unwrap_or_else(|| {
                    let running = Server::start(kind, way.options);
                    plant(&running.root());
                    (running, way.options.ipv6)
                });
                wrong.extend(compare(&running, way, &mut table));
                server = way.options.tls.is_none().then_some((running, ipv6));
            }
            (table, wrong)
        })
    });
    let mut table =
        format!("{:<10}{:<6}{:<9}{:<10}{:<6}{:<9}unlike the disk\n", "server", "", "mode", "TLS", "", "entries");
    let mut wrong = Vec::new();
    for thread in threads {
        let (lines, unlike) = thread.join().unwrap();
        table.push_str(&lines);
        wrong.extend(unlike);
    }
    report::table(&table);
    assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
}

/// Each of these folders holds one file, which tells it from all others.
#[test]
fn real_servers_go_to_folders_of_any_name_and_tell_what_links_lead_to() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    for kind in Kind::ALL {
        let server = Server::start(kind, Options::default());
        plant(&server.root());
        for no_mlsd in [false, true] {
            let (mut dial, story) = dial(&server.url("", false), None, DataMode::Auto);
            dial.quirks.no_mlsd = no_mlsd;
            in_time(async {
                let mut session = Session::open(&dial).await.unwrap();
                let told = |text: String| format!("{kind:?}: {text}\n{}", story.lock().unwrap());
                for (at, name) in NAMES.iter().enumerate() {
                    let path = if name[0] == b' ' || name[0] == b'-' {
                        [b"odd/", *name, b" d"].concat()
                    } else {
                        [b"odd/d ", *name].concat()
                    };
                    let found = names(&mut session, &folder(&path)).await;
                    // It lists such names, and refuses them in commands.
                    if kind == Kind::PureFtpd && name.contains(&b'\\') {
                        let failure = found.expect_err("a backslash");
                        assert_eq!((failure.kind, failure.stage), (FailureKind::Permanent, Stage::List), "{failure}");
                        continue;
                    }
                    let shown = String::from_utf8_lossy(&path).into_owned();
                    assert_eq!(found, Ok(vec![format!("only {at}")]), "{}", told(shown));
                }
                assert_eq!(names(&mut session, &folder("odd/empty")).await, Ok(Vec::new()), "{kind:?}");
                for (path, cause) in [
                    ("odd/nowhere", Cause::Missing),
                    ("odd/closed", Cause::Missing),
                    ("odd/l dangling", Cause::Missing),
                    ("odd/plain", if kind == Kind::Vsftpd { Cause::Missing } else { Cause::Unsupported }),
                ] {
                    let found = names(&mut session, &folder(path)).await;
                    // Its LIST of a folder that may not be read is empty, and confirmed by 226.
                    if (kind, path, no_mlsd) == (Kind::Proftpd, "odd/closed", true) {
                        assert_eq!(found, Ok(Vec::new()));
                        continue;
                    }
                    let failure = found.expect_err(path);
                    let expected = (FailureKind::Permanent, Stage::List, cause);
                    let got = (failure.kind, failure.stage, failure.cause);
                    assert_eq!(got, expected, "{}", told(format!("{path}: {failure}")));
                    assert!(session.is_usable(), "{}", told(path.to_owned()));
                }
                let real = |path: &str| LinkKind::Folder { real: Some(path.as_bytes().to_vec()) };
                for (name, leads) in [
                    ("l to file", LinkKind::File),
                    ("l to folder", real("/odd/d dir")),
                    ("l dangling", LinkKind::Dangling),
                    ("l self", real("/odd")),
                    ("l out", LinkKind::Dangling),
                    ("l circle 1", LinkKind::Dangling),
                    ("plain", LinkKind::File),
                ] {
                    let path = RemotePath::new(format!("odd/{name}").into_bytes()).unwrap();
                    let found = session.kind_of_link(&path).await;
                    assert_eq!(found, Ok(leads), "{}", told(name.to_owned()));
                }
                assert_eq!(names(&mut session, &folder("odd/empty")).await, Ok(Vec::new()), "{kind:?}");
            });
        }
    }
}

/// What a lying server does with a listing, and what has to come of it.
struct Lie {
    name: &'static str,
    deliver: fn(Delivery) -> Delivery,
    /// The stage and cause of the failure; none where all entries have to come.
    fails: Option<(Stage, Cause)>,
}

fn lies() -> Vec<Lie> {
    let lie = |name, fails, deliver: fn(Delivery) -> Delivery| Lie { name, deliver, fails };
    vec![
        lie("none", None, |honest| honest),
        lie("226 before the data", None, |honest| Delivery { verdict_first: true, ..honest }),
        lie("no 150", None, |honest| Delivery { opening: String::new(), ..honest }),
        lie("125 and 250", None, |honest| Delivery { opening: "125 go".into(), verdict: "250 done".into(), ..honest }),
        lie("cut in the middle, and 426", Some((Stage::Verdict, Cause::Disconnected)), |honest| Delivery {
            upto: honest.upto / 2,
            verdict: "426 broken".into(),
            ..honest
        }),
        lie("reset in the middle", Some((Stage::List, Cause::Disconnected)), |honest| Delivery {
            upto: honest.upto / 2,
            end: End::Reset,
            verdict: String::new(),
            ..honest
        }),
        lie("stalls", Some((Stage::List, Cause::Timeout)), |honest| Delivery { end: End::Stall, ..honest }),
        lie("226 missing", Some((Stage::Verdict, Cause::Timeout)), |honest| Delivery {
            verdict: String::new(),
            ..honest
        }),
        lie("226 missing, and gone", Some((Stage::Verdict, Cause::Disconnected)), |honest| Delivery {
            verdict: String::new(),
            hang_up: true,
            ..honest
        }),
        lie("550 behind the data", Some((Stage::Verdict, Cause::Missing)), |honest| Delivery {
            verdict: "550 /d: Input/output error".into(),
            ..honest
        }),
        lie("another reply behind the data", Some((Stage::Verdict, Cause::Protocol)), |honest| Delivery {
            verdict: "229 Entering Extended Passive Mode (|||5000|)".into(),
            ..honest
        }),
        lie("could not be read, says its 226", Some((Stage::List, Cause::Missing)), |honest| Delivery {
            upto: 0,
            verdict: "226 Transfer done (but failed to open directory).".into(),
            ..honest
        }),
        lie("a line without end", Some((Stage::List, Cause::Refused)), |honest| Delivery {
            data: Arc::new(vec![b'x'; 50_000]),
            upto: 50_000,
            ..honest
        }),
    ]
}

/// Files and folders of a scripted server, one of them with a name that leads out.
fn tree(server: &Scripted) {
    for at in 0..50 {
        server.put(&format!("d/file {at:02}"), vec![b'x'; at]);
    }
    server.put("d/sub/deep", b"x".to_vec());
    server.put_folder("d/empty");
}

#[test]
fn listings_of_a_lying_server_are_whole_or_failures_with_their_stage() {
    let mut table = format!("{:<36}{:<6}{:<5}outcome\n", "the server's ways", "", "TLS");
    let mut wrong = Vec::new();
    let authority = Authority::new("tests");
    let place = tempfile::tempdir().unwrap();
    let ca = place.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    for lie in lies() {
        for (mlst, tls) in [(false, false), (true, false), (true, true)] {
            let deliver = lie.deliver;
            let traits = Traits { mlst, tls: tls.then(|| Tls::new(authority.good())), ..Traits::default() };
            let server = Scripted::with(traits, move |turn| match turn.verb {
                "MLSD" | "LIST" if turn.before == 0 && turn.honest.is_some() => Act::Deliver(deliver(turn.delivery())),
                _ => Act::Usual,
            });
            tree(&server);
            let url = server.url_by(if tls { "ftpes" } else { "ftp" }, "");
            let (mut dial, story) = dial(&url, tls.then(|| ca.clone()), DataMode::Auto);
            dial.options.timeout = Duration::from_secs(1);
            let begun = Instant::now();
            let (found, goes_on) = in_time(async {
                let mut session = Session::open(&dial).await.unwrap();
                let found = names(&mut session, &folder("d")).await;
                // Whatever came of it: a session that counts as usable gives the right file then.
                let goes_on = session.is_usable();
                if goes_on {
                    let path = RemotePath::new(b"d/file 07".to_vec()).unwrap();
                    let mut file = session.retrieve(&path, TransferType::Image, 0).await.unwrap();
                    let mut buffer = [0; 64];
                    assert_eq!(file.read(&mut buffer).await, Ok(7), "{}", lie.name);
                    let _ = file.read(&mut buffer).await;
                    file.finish().await;
                }
                (found, goes_on)
            });
            let verb = if mlst { "MLSD" } else { "LIST" };
            let outcome = match &found {
                Ok(names) => format!("{} entries", names.len()),
                Err(failure) => format!("{failure}"),
            };
            let secure = if tls { "yes" } else { "" };
            writeln!(table, "{:<36}{verb:<6}{secure:<5}{outcome:.90}", lie.name).unwrap();
            let right = match (&found, lie.fails) {
                (Ok(names), None) => names.len() == 52 && names.contains(&"sub".to_owned()) && goes_on,
                // A word that comes with the last bytes may be heard before their end.
                (Err(failure), Some((stage, cause))) => {
                    let told = failure.reply.is_some() && failure.stage == Stage::List;
                    failure.cause == cause && (failure.stage == stage || told)
                }
                _ => false,
            };
            if !right || begun.elapsed() > Duration::from_secs(20) {
                wrong.push(format!(
                    "{} {verb} {secure}: {outcome}, usable {goes_on}\n{}",
                    lie.name,
                    story.lock().unwrap()
                ));
            }
        }
    }
    report::table(&table);
    assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
}

/// Anybody on the way could hide files by ending the data early, so that a listing counts by `close_notify` alone.
#[test]
fn a_listing_under_tls_that_ends_without_close_notify_is_none() {
    let authority = Authority::new("tests");
    let place = tempfile::tempdir().unwrap();
    let ca = place.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    let server = Scripted::with_tls(Tls::new(authority.good()), |turn| match turn.verb {
        "LIST" => Act::Deliver(Delivery { end: End::Cut, ..turn.delivery() }),
        _ => Act::Usual,
    });
    tree(&server);
    let (dial, story) = dial(&server.url_by("ftpes", ""), Some(ca), DataMode::Auto);
    in_time(async {
        let mut session = Session::open(&dial).await.unwrap();
        let failure = names(&mut session, &folder("d")).await.expect_err("cut");
        let story = story.lock().unwrap();
        assert_eq!((failure.kind, failure.stage), (FailureKind::Transient, Stage::Verdict), "{failure}\n{story}");
        assert!(failure.message.contains("close_notify"), "{failure}");
    });
}

#[test]
fn a_server_whose_restart_marker_lasts_is_told_to_forget_it_before_a_listing() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |turn| match turn.verb {
        "RETR" if turn.before == 0 => Act::say("450 busy"),
        _ => Act::Usual,
    });
    tree(&server);
    let (dial, _) = dial(&server.url(""), None, DataMode::Auto);
    in_time(async {
        let mut session = Session::open(&dial).await.unwrap();
        let path = RemotePath::new(b"d/file 09".to_vec()).unwrap();
        session.retrieve(&path, TransferType::Image, 5).await.map(drop).unwrap_err();
        assert_eq!(names(&mut session, &folder("d")).await.unwrap().len(), 52);
        let mut file = session.retrieve(&path, TransferType::Image, 0).await.unwrap();
        assert_eq!(file.read(&mut [0; 64]).await, Ok(9), "{}", server.core().dialogue());
    });
}
