//! The storm itself: runs of ftpq one after the other, as by cron, while the plan is carried out.

use crate::{
    deeds::{Deed, Tally, When},
    house::House,
    namespace,
    plan::{Plan, Round},
    support::{Ended, ftpq::Running, watch::Watcher},
    town::Town,
    verdict,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Time for a run to come to its end by itself once the storm is over: a job's retries wait 31 s in all at most here.
const PATIENCE: Duration = Duration::from_secs(75);
/// Time for a run to stop when it is told to: two seconds, and what a busy machine adds.
const STOPS_WITHIN: Duration = Duration::from_secs(6);
/// Time between two runs.
const PAUSE: Duration = Duration::from_millis(250);

/// What takes a deed back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    Thaw,
    Start(usize),
    Speak(usize),
    Open(usize),
    Return(usize),
    Remember(usize),
    Drain,
    PutBack(usize),
}

/// One file as it is at the moment.
pub(crate) struct Standing {
    /// Its version on the server.
    pub(crate) version: usize,
    /// Whether it is there.
    pub(crate) present: bool,
    /// Whether it was ever gone.
    pub(crate) was_gone: bool,
    /// The bytes of all versions.
    pub(crate) contents: Vec<Arc<Vec<u8>>>,
}

/// A storm under way.
pub(crate) struct Storm<'a> {
    /// What it goes by.
    pub(crate) plan: &'a Plan,
    /// The servers.
    pub(crate) town: Town,
    /// The program.
    pub(crate) house: House,
    /// The files.
    pub(crate) files: Vec<Standing>,
    /// What was done to the program, the disk and the clock.
    pub(crate) tally: Tally,
    /// Jobs that ftpq said are done.
    pub(crate) said_done: BTreeSet<u64>,
    /// What is not as it has to be.
    pub(crate) problems: Vec<String>,
    /// Most memory that ftpq held, in KiB, by round.
    pub(crate) memory: Vec<u64>,
    /// What happened, in order.
    pub(crate) story: String,
    deeds: Vec<(When, Deed)>,
    undo: Vec<(Instant, Undo)>,
    begun: Instant,
    /// When the run under way was told to stop, or was let go on after that.
    told_to_stop: Option<Instant>,
    is_over: bool,
    seconds_behind: i64,
}

/// Weathers the plan's storm; panics, with all that was wrong, at its end.
pub(crate) fn weather(plan: &Plan) {
    let out = namespace::out();
    fs::write(out.join("plan"), plan.to_string()).unwrap();
    let mut storm = Storm::begin(plan);
    let watcher = Watcher::of_versions(storm.names(), Duration::from_millis(4));
    storm.rage();
    let mut row = verdict::after_the_storm(&mut storm);
    storm.clear_up();
    row += &verdict::after_the_calm(&mut storm);
    let (breaches, looks) = watcher.finish();
    storm.problems.extend(breaches.into_iter().map(|b| format!("a final name was incomplete: {b}")));
    writeln!(row, "    {} looks at all final names; {:.0?} in all", looks, storm.begun.elapsed()).unwrap();
    if !storm.problems.is_empty() {
        writeln!(row, "    {} THINGS ARE NOT AS THEY HAVE TO BE", storm.problems.len()).unwrap();
    }
    fs::write(out.join("row"), &row).unwrap();
    println!("{}\n{row}", storm.story);
    fs::write(out.join("problems"), storm.problems.join("\n")).unwrap();
    assert!(storm.problems.is_empty(), "{}:\n{}", storm.problems.len(), storm.problems.join("\n"));
}

impl<'a> Storm<'a> {
    fn begin(plan: &'a Plan) -> Self {
        let files: Vec<Standing> = plan
            .files
            .iter()
            .map(|file| Standing { version: 0, present: true, was_gone: false, contents: file.contents() })
            .collect();
        let most = files.iter().map(|f| f.contents.iter().map(|c| c.len() as u64).max().unwrap_or(0)).sum();
        let mut town = Town::found(plan);
        for (file, standing) in plan.files.iter().zip(&files) {
            town.sites[file.server].put(&file.path, &standing.contents[0], file.versions[0].modified);
        }
        let this = Self {
            plan,
            town,
            house: House::new(plan, most),
            files,
            tally: Tally::default(),
            said_done: BTreeSet::new(),
            problems: Vec::new(),
            memory: Vec::new(),
            story: String::new(),
            deeds: plan.deeds.clone(),
            undo: Vec::new(),
            begun: Instant::now(),
            told_to_stop: None,
            is_over: false,
            seconds_behind: 0,
        };
        let authorities: String = this.town.sites.iter().map(|site| site.authority.as_str()).collect();
        this.house.ftpq.write("authorities.pem", authorities);
        this.add(0);
        Self { begun: Instant::now(), ..this }
    }

    /// Where each file is to stand, and what it may hold.
    fn names(&self) -> BTreeMap<PathBuf, Vec<Arc<Vec<u8>>>> {
        let into = self.house.ftpq.downloads();
        self.plan.files.iter().zip(&self.files).map(|(p, s)| (into.join(&p.path), s.contents.clone())).collect()
    }

    /// Writes the first or the second half of the list.
    fn list(&self, half: usize) -> String {
        let middle = self.plan.files.len() / 2;
        let range = if half == 0 { 0..middle } else { middle..self.plan.files.len() };
        let line = |n: usize| {
            let (file, site) = (&self.plan.files[n], &self.town.sites[self.plan.files[n].server]);
            let place = format!("{}:{}", site.host, site.port);
            file.line(self.plan.tls[file.server].scheme(), &place, &self.files[n].contents[0])
        };
        self.house.ftpq.write(&format!("list{half}.jsonl"), range.map(line).collect::<String>())
    }

    fn add(&self, half: usize) -> bool {
        let (list, into) = (self.list(half), self.house.ftpq.downloads());
        self.house.ftpq.run(&["add", &list, "--into", into.to_str().unwrap()]).code == Some(0)
    }

    /// Runs until the storm and the run at its end are over.
    fn rage(&mut self) {
        for number in 0.. {
            let round = &self.plan.rounds[number % self.plan.rounds.len()];
            let ended = self.round(number, round);
            if self.is_over && (ended.signal.is_none() || number > 1000) {
                return;
            }
            let next = Instant::now() + PAUSE;
            while Instant::now() < next {
                self.tick(None);
                thread::sleep(Duration::from_millis(3));
            }
        }
    }

    fn round(&mut self, number: usize, round: &Round) -> Ended {
        let options: Vec<&str> = round.options.iter().map(String::as_str).collect();
        match round.stop_at.filter(|_| !self.is_over) {
            Some(step) => self.house.ftpq.set("FTPQ_STOP_AT", step),
            None => self.house.ftpq.unset("FTPQ_STOP_AT"),
        };
        let authorities = self.house.ftpq.folder().join("authorities.pem");
        let always = ["--json", "run", "--ca-file", authorities.to_str().unwrap()];
        let mut run = self.house.ftpq.spawn(&[&always, &options[..]].concat());
        self.house.ftpq.unset("FTPQ_STOP_AT");
        let (mut memory, mut sampled, mut calm_since) = (0, Instant::now(), None);
        while !run.ended() {
            self.tick(Some(&mut run));
            if sampled.elapsed() > Duration::from_millis(100) {
                (memory, sampled) = (run.peak_memory().max(memory), Instant::now());
            }
            if self.is_over && calm_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                self.problems.push(format!("a run was still under way {PATIENCE:?} after the storm"));
                run.signal(Signal::TERM);
                calm_since = None;
            }
            thread::sleep(Duration::from_millis(3));
        }
        self.undo.retain(|(_, undo)| *undo != Undo::Thaw);
        if let Some(took) = self.told_to_stop.take().map(|at| at.elapsed()).filter(|took| *took > STOPS_WITHIN) {
            self.problems.push(format!("round {number} was told to stop, and took {took:.1?}"));
        }
        let ended = run.wait(Duration::from_secs(5));
        self.memory.push(memory);
        self.hear(number, &ended, &options);
        ended
    }

    /// Takes note of how a run ended and what it said.
    fn hear(&mut self, number: usize, ended: &Ended, options: &[&str]) {
        let events: Vec<Value> = ended.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let of = |kind: &'static str| events.iter().filter(move |e| e["event"] == kind);
        self.said_done.extend(of("done").filter_map(|e| e["job"].as_u64()));
        let counts: Vec<String> = ["done", "retrying", "failed", "held", "disk_full", "budget"]
            .map(|kind| format!("{kind} {}", of(kind).count()))
            .into_iter()
            .collect();
        let (code, signal, took) = (ended.code, ended.signal, ended.took);
        let at = self.begun.elapsed();
        self.tell(&format!(
            "{at:.1?}: round {number} ({}) ended: {code:?} {signal:?} after {took:.1?}: {}",
            options.join(" "),
            counts.join(", ")
        ));
        if ended.err.contains("panicked at") || ended.everything().contains("broke down") {
            self.problems.push(format!("round {number} panicked:\n{ended}"));
        }
        if ended.everything().contains("was damaged") {
            self.problems.push(format!("round {number} found the queue damaged:\n{ended}"));
        }
        let storage = self.tally.of(&["disk full"]) > 0;
        let stopped = self.tally.of(&["SIGTERM", "SIGINT"]) > 0;
        let fine = match (code, signal) {
            (Some(0 | 1 | 3), None) | (None, Some(9)) => true,
            (Some(5), None) => storage,
            (None, Some(2 | 15)) => stopped,
            _ => false,
        };
        if !fine {
            self.problems.push(format!("round {number} ended in a way that nothing done explains:\n{ended}"));
        }
        let place = namespace::out().join(format!("round{number}"));
        fs::write(place, format!("{ended}\n{}", ended.everything())).unwrap();
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.story, "{line}").unwrap();
    }

    /// Does what is due.
    fn tick(&mut self, mut run: Option<&mut Running>) {
        let now = Instant::now();
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        if !self.is_over && passed >= self.plan.span {
            return self.end(run);
        }
        let due: Vec<Undo> = self.undo.iter().filter(|(at, _)| *at <= now).map(|(_, undo)| *undo).collect();
        self.undo.retain(|(at, _)| *at > now);
        for undo in due {
            self.take_back(undo, run.as_deref_mut());
        }
        let bytes: u64 = self.town.sites.iter().map(|site| site.relay.bytes()).sum();
        let is_due = |when: When| match when {
            When::After(ms) => ms <= passed,
            When::Bytes(count) => count <= bytes,
        };
        while let Some(at) = self.deeds.iter().position(|(when, _)| is_due(*when)) {
            let (when, deed) = self.deeds.remove(at);
            self.act(when, deed, run.as_deref_mut());
        }
    }

    /// The end of the storm: all is well again, but for what became of the files.
    fn end(&mut self, mut run: Option<&mut Running>) {
        self.is_over = true;
        self.town.sites.iter().for_each(|site| site.relay.end_faults());
        for (_, undo) in std::mem::take(&mut self.undo) {
            self.take_back(undo, run.as_deref_mut());
        }
        if self.deeds.iter().any(|(_, deed)| *deed == Deed::AddRest) {
            self.add(1);
        }
        self.deeds.clear();
        self.tell("the storm is over");
    }

    fn act(&mut self, when: When, deed: Deed, run: Option<&mut Running>) {
        let at = self.begun.elapsed();
        let later = |ms: u64| Instant::now() + Duration::from_millis(ms);
        let mut undo = None;
        match deed {
            Deed::Kill | Deed::Terminate | Deed::Interrupt | Deed::Freeze(_) => {
                let Some(run) = run else { return self.tell(&format!("{at:.1?}: {deed:?} found no run")) };
                match deed {
                    Deed::Kill => run.signal(Signal::KILL),
                    Deed::Terminate => run.signal(Signal::TERM),
                    Deed::Interrupt => run.signal(Signal::INT),
                    _ => run.signal(Signal::STOP),
                }
                if matches!(deed, Deed::Terminate | Deed::Interrupt) {
                    self.told_to_stop.get_or_insert_with(Instant::now);
                }
                if let Deed::Freeze(ms) = deed {
                    undo = Some((later(ms), Undo::Thaw));
                }
            }
            Deed::KillServer(n, ms) => {
                self.town.sites[n].kill();
                undo = Some((later(ms), Undo::Start(n)));
            }
            Deed::Reset(n) => self.town.sites[n].relay.cut(true),
            Deed::Fin(n) => self.town.sites[n].relay.cut(false),
            Deed::Hush(n, ms) => {
                self.town.sites[n].relay.hush(true);
                undo = Some((later(ms), Undo::Speak(n)));
            }
            Deed::Close(n, ms) => {
                self.town.sites[n].relay.close();
                undo = Some((later(ms), Undo::Open(n)));
            }
            Deed::Vanish(n, ms) => {
                Town::set_address(n, false);
                undo = Some((later(ms), Undo::Return(n)));
            }
            Deed::Forget(n, ms) => {
                self.town.set_name(n, false);
                undo = Some((later(ms), Undo::Remember(n)));
            }
            Deed::Fill(ms) => {
                self.house.fill();
                undo = Some((later(ms), Undo::Drain));
            }
            Deed::Clock(seconds) => {
                // From where it stands: it jumps back and forth.
                self.seconds_behind += seconds;
                if !self.house.set_clock(self.seconds_behind) {
                    return self.tell("the clock can't be set here: no libfaketime in the kit");
                }
            }
            Deed::Replace(n) => {
                self.files[n].version += 1;
                if self.files[n].present {
                    self.put(n);
                }
            }
            Deed::Remove(n, ms) => {
                let file = &self.plan.files[n];
                self.town.sites[file.server].remove(&file.path);
                (self.files[n].present, self.files[n].was_gone) = (false, true);
                undo = Some((later(ms), Undo::PutBack(n)));
            }
            Deed::AddRest => {
                if !self.add(1) {
                    // Full or not yet there: a person tries again.
                    self.deeds.push((When::After(u64::try_from(at.as_millis()).unwrap() + 1000), Deed::AddRest));
                    return;
                }
            }
        }
        self.undo.extend(undo);
        let tally = deed.server().map_or(&self.tally, |n| &self.town.sites[n].tally);
        tally.count(deed.kind());
        self.tell(&format!("{at:.1?}: {deed:?} ({when})"));
    }

    fn put(&mut self, n: usize) {
        let (file, standing) = (&self.plan.files[n], &self.files[n]);
        let version = standing.version;
        let site = &mut self.town.sites[file.server];
        site.put(&file.path, &standing.contents[version], file.versions[version].modified);
    }

    fn take_back(&mut self, undo: Undo, run: Option<&mut Running>) {
        match undo {
            Undo::Thaw => {
                self.told_to_stop = self.told_to_stop.map(|_| Instant::now());
                run.into_iter().for_each(|run| run.signal(Signal::CONT));
            }
            Undo::Start(n) => self.town.sites[n].start_again(),
            Undo::Speak(n) => self.town.sites[n].relay.hush(false),
            Undo::Open(n) => self.town.sites[n].relay.open(),
            Undo::Return(n) => Town::set_address(n, true),
            Undo::Remember(n) => self.town.set_name(n, true),
            Undo::Drain => self.house.drain(),
            Undo::PutBack(n) => {
                self.files[n].present = true;
                self.put(n);
            }
        }
    }

    /// What a person does the day after: tries again what failed, and lets it run to its end.
    fn clear_up(&mut self) {
        self.house.ftpq.run(&["retry", "--state", "failed"]);
        for number in 9000..9003 {
            let options = ["--timeout", "10", "--retries", "4"].map(str::to_owned).to_vec();
            let ended = self.round(number, &Round { options, stop_at: None });
            if matches!(ended.code, Some(0 | 1)) {
                return;
            }
        }
    }
}
