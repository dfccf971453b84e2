//! What a seed makes: the files, the blows and their times, the options of each run.

use crate::{
    deeds::{Deed, When},
    files::{FILES, Planned},
    support::bytes::Dice,
};
use std::fmt;

/// The servers: the scripted one, then the real ones.
pub(crate) const SERVERS: usize = 4;

/// Steps at which a run may be made to kill itself; feature `failpoints`.
const STEPS: [&str; 8] = [
    "transfer-mtime",
    "transfer-synced",
    "transfer-renamed",
    "transfer-dir-synced",
    "transfer-last-byte",
    "transfer-verified",
    "engine-before-settle",
    "engine-settled",
];

/// What a server does of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secure {
    /// Nothing.
    Plain,
    /// AUTH TLS; data connections have to resume the session where the server can demand it.
    Explicit,
    /// TLS before the greeting.
    Implicit,
}

impl Secure {
    fn draw(server: usize, dice: &mut Dice) -> Self {
        match dice.between(0, 6) {
            0..3 => Self::Plain,
            // pure-ftpd has no other.
            3 if server != 3 => Self::Implicit,
            _ => Self::Explicit,
        }
    }

    /// The scheme of its URLs.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "ftp",
            Self::Explicit => "ftpes",
            Self::Implicit => "ftps",
        }
    }
}

/// One invocation of `ftpq run`.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// Its options.
    pub(crate) options: Vec<String>,
    /// The step at which it kills itself.
    pub(crate) stop_at: Option<&'static str>,
}

/// What a seed makes.
pub(crate) struct Plan {
    /// The seed.
    pub(crate) seed: u64,
    /// Milliseconds of storm.
    pub(crate) span: u64,
    /// The files.
    pub(crate) files: Vec<Planned>,
    /// What is done when, in order of time; those that wait for bytes come last.
    pub(crate) deeds: Vec<(When, Deed)>,
    /// Options of the runs, one after the other, and again from the first.
    pub(crate) rounds: Vec<Round>,
    /// The small file system: ext4 or else tmpfs.
    pub(crate) ext4: bool,
    /// Whether the queue lies on it too.
    pub(crate) queue_there: bool,
    /// Whether, and how, each server does TLS.
    pub(crate) tls: [Secure; SERVERS],
    /// Whether packets to an address that is gone are lost, rather than answered by an error.
    pub(crate) silent: bool,
}

impl Plan {
    /// Draws the plan for so many seconds of storm.
    pub(crate) fn draw(seed: u64, seconds: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (span, dice) = (seconds * 1000, &mut dice);
        let large = usize::try_from(2 + seconds / 15).unwrap();
        let mut files: Vec<Planned> = (0..FILES).map(|n| Planned::draw(n, n % SERVERS, n < large, dice)).collect();
        let mut deeds = draw_deeds(span, &mut files, dice);
        deeds.sort_by_key(|(when, _)| match *when {
            When::After(ms) => (0, ms),
            When::Bytes(bytes) => (1, bytes),
        });
        let rounds = (0..12).map(|_| draw_round(dice)).collect();
        let [ext4, queue_there, silent] = [(); 3].map(|()| dice.between(0, 2) == 0);
        let tls = std::array::from_fn(|server| Secure::draw(server, dice));
        Self { seed, span, files, deeds, rounds, ext4, queue_there, tls, silent }
    }

    /// Bytes of all files as they are at first.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.versions[0].len as u64).sum()
    }
}

fn draw_deeds(span: u64, files: &mut [Planned], dice: &mut Dice) -> Vec<(When, Deed)> {
    let mut deeds = vec![(When::After(dice.between(span / 8, span / 3)), Deed::AddRest)];
    let total: u64 = files.iter().map(|file| file.versions[0].len as u64).sum();
    // About one blow every 0.7 s, besides those to single connections.
    for _ in 0..span / 700 {
        let when = match dice.between(0, 4) {
            0 => When::Bytes(dice.between(1, total * 9 / 10)),
            _ => When::After(dice.between(200, span * 9 / 10)),
        };
        let server = usize::try_from(dice.between(0, SERVERS as u64)).unwrap();
        let file = usize::try_from(dice.between(0, FILES as u64)).unwrap();
        let deed = match dice.between(0, 34) {
            0..4 => Deed::Kill,
            4 => Deed::Terminate,
            5 => Deed::Interrupt,
            6..8 => Deed::Freeze(dice.between(100, 6000)),
            8..11 => Deed::KillServer(server, dice.between(0, 4000)),
            11..13 => Deed::Reset(server),
            13 => Deed::Fin(server),
            14..16 => Deed::Hush(server, dice.between(300, 6000)),
            16 => Deed::Close(server, dice.between(300, 4000)),
            17..19 => Deed::Vanish(server, dice.between(300, 6000)),
            19..21 => Deed::Forget(server, dice.between(300, 4000)),
            21..23 => Deed::Fill(dice.between(300, 4000)),
            23..26 => Deed::Clock(jump(dice)),
            26..31 => {
                // Large ones are few, and the most worth to be changed under way.
                let file = if dice.between(0, 3) == 0 { file % 8 } else { file };
                files[file].add_version(dice);
                Deed::Replace(file)
            }
            _ => Deed::Remove(file, dice.between(500, 8000)),
        };
        deeds.push((when, deed));
    }
    deeds
}

/// Minutes, hours and days in both directions.
fn jump(dice: &mut Dice) -> i64 {
    let unit = [1, 60, 3600, 86_400][usize::try_from(dice.between(0, 4)).unwrap()];
    let far = i64::try_from(dice.between(1, 60)).unwrap() * unit;
    if dice.between(0, 2) == 0 { far } else { -far }
}

fn draw_round(dice: &mut Dice) -> Round {
    fn any<'a, const N: usize>(dice: &mut Dice, words: [&'a str; N]) -> &'a str {
        words[usize::try_from(dice.between(0, N as u64)).unwrap()]
    }
    let mut options = Vec::new();
    let mut say = |name: &str, word: &str| options.extend([format!("--{name}"), word.to_owned()]);
    say("per-host", any(dice, ["auto", "auto", "2", "3", "6"]));
    say("connections", any(dice, ["4", "8", "16", "24"]));
    say("durability", any(dice, ["full", "none"]));
    say("pipelining", any(dice, ["auto", "auto", "auto", "off", "burst", "deep"]));
    say("data-mode", any(dice, ["auto", "auto", "epsv", "pasv"]));
    say("timeout", any(dice, ["2", "3", "4"]));
    say("retries", any(dice, ["2", "3", "5"]));
    if dice.between(0, 6) == 0 {
        options.push("--no-split".to_owned());
    }
    let step = STEPS[usize::try_from(dice.between(0, STEPS.len() as u64)).unwrap()];
    let stop_at = (cfg!(feature = "failpoints") && dice.between(0, 5) == 0).then_some(step);
    Round { options, stop_at }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, span, ext4, queue_there, tls, silent, .. } = self;
        writeln!(f, "seed {seed}: {span} ms, {} files of {} KiB", self.files.len(), self.bytes() >> 10)?;
        writeln!(f, "ext4 {ext4}, queue on it {queue_there}, an address that is gone is silent {silent}, {tls:?}")?;
        for (when, deed) in &self.deeds {
            writeln!(f, "{when}: {deed:?}")?;
        }
        for (n, round) in self.rounds.iter().enumerate() {
            writeln!(f, "round {n}: {} stop at {:?}", round.options.join(" "), round.stop_at)?;
        }
        for file in &self.files {
            writeln!(f, "{file:?}")?;
        }
        Ok(())
    }
}
