//! The search for the useful number of connections, against simulated hosts in virtual time.

use super::*;
use fastrand::Rng;

/// A host and the line to it. Times in seconds, rates in bytes a second.
struct Host {
    /// Round trips of a file.
    latency: f64,
    /// What one connection carries.
    connection: f64,
    /// What the line carries.
    line: f64,
    /// How much longer everything takes with so many connections.
    slower: fn(u32) -> f64,
    /// Connections that the server takes.
    takes: u32,
    /// Whether it says so when it refuses one, or is silent.
    says: bool,
    size: fn(&mut Rng) -> f64,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            latency: 0.15,
            connection: 2e6,
            line: 125e6,
            slower: |_| 1.0,
            takes: u32::MAX,
            says: true,
            size: |_| 4096.0,
        }
    }
}

/// About 650 KiB on average, half of them under 100 KiB.
fn mixed(rng: &mut Rng) -> f64 {
    let normal = (-2.0 * rng.f64().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
    (100_000.0 * (1.95 * normal).exp()).min(3e7)
}

enum Doing {
    Dialling(f64),
    Waiting(f64, f64),
    Receiving(f64),
}

const STEP: f64 = 0.005;
const DIAL: f64 = 0.35;

struct Trial {
    host: Host,
    rng: Rng,
    tuning: Tuning,
    connections: Vec<Doing>,
    cap: u32,
    bytes: f64,
    files: u64,
    /// Every target, and when it was set.
    targets: Vec<(f64, u32)>,
    now: f64,
}

impl Trial {
    fn new(host: Host, tuning: Tuning, seed: u64) -> Self {
        let targets = vec![(0.0, tuning.target())];
        let rng = Rng::with_seed(seed);
        Self { host, rng, tuning, connections: Vec::new(), cap: 64, bytes: 0.0, files: 0, targets, now: 0.0 }
    }

    fn run(mut self, seconds: f64) -> Self {
        let (end, mut next_sample) = (self.now + seconds, self.now);
        while self.now < end {
            self.step();
            if self.now >= next_sample {
                next_sample += 0.25;
                self.sample();
            }
            self.now += STEP;
        }
        self
    }

    fn step(&mut self) {
        let wanted = self.tuning.target().min(self.cap) as usize;
        while self.connections.len() < wanted {
            if self.connections.len() >= self.host.takes as usize {
                if self.host.says {
                    self.cap = self.host.takes;
                }
                break;
            }
            self.connections.push(Doing::Dialling(DIAL));
        }
        let slower = (self.host.slower)(u32::try_from(self.connections.len()).unwrap());
        let receiving = self.connections.iter().filter(|c| matches!(c, Doing::Receiving(_))).count();
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let speed = self.host.connection.min(self.host.line / receiving.max(1) as f64) / slower;
        let mut kept = Vec::new();
        for doing in std::mem::take(&mut self.connections) {
            let over = kept.len() >= wanted;
            let fresh = |rng: &mut Rng| Doing::Waiting(self.host.latency * slower, (self.host.size)(rng));
            kept.push(match doing {
                Doing::Dialling(left) if left > 0.0 => Doing::Dialling(left - STEP),
                Doing::Dialling(_) => fresh(&mut self.rng),
                Doing::Waiting(left, size) if left > 0.0 => Doing::Waiting(left - STEP, size),
                Doing::Waiting(_, size) => Doing::Receiving(size),
                Doing::Receiving(left) => {
                    let part = left.min(speed * STEP);
                    self.bytes += part;
                    if left > part {
                        Doing::Receiving(left - part)
                    } else {
                        self.files += 1;
                        if over {
                            continue;
                        }
                        fresh(&mut self.rng)
                    }
                }
            });
        }
        self.connections = kept;
    }

    fn sample(&mut self) {
        let working = self.connections.iter().filter(|c| !matches!(c, Doing::Dialling(_))).count();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let sample = Sample {
            at: Duration::from_secs_f64(self.now),
            bytes: self.bytes as u64,
            files: self.files,
            working: u32::try_from(working).unwrap(),
            waiting: true,
        };
        if self.tuning.sample(&sample, self.cap) {
            self.targets.push((self.now, self.tuning.target()));
        }
    }

    fn end(&self) -> u32 {
        self.tuning.target().min(self.cap)
    }
}

fn fresh(host: Host, seed: u64) -> Trial {
    Trial::new(host, Tuning::search(None, Duration::ZERO), seed)
}

#[test]
fn a_host_bound_by_round_trips_gets_all_connections_within_eight_seconds() {
    for (latency, size) in [(0.15, 4096.0), (0.03, 4096.0), (0.6, 4096.0), (0.15, 1e9)] {
        let host = Host { latency, size: if size > 1e6 { |_| 1e9 } else { |_| 4096.0 }, ..Host::default() };
        let trial = fresh(host, 1).run(8.0);
        assert_eq!(trial.end(), 16, "{latency} s, {size} bytes: {:?}", trial.targets);
    }
}

#[test]
fn a_full_line_keeps_few_connections() {
    for size in [(|_| 4096.0) as fn(&mut Rng) -> f64, |_| 5e7] {
        // Five connections fill it, by round trips or by bytes.
        let host = Host {
            connection: 1e6,
            line: 5e6,
            slower: |n| if n > 5 { f64::from(n) / 5.0 } else { 1.0 },
            size,
            ..Host::default()
        };
        let trial = fresh(host, 1).run(60.0);
        assert!((4..=7).contains(&trial.end()), "{:?}", trial.targets);
        assert!(trial.tuning.learned().is_some_and(|l| l.is_most), "{:?}", trial.targets);
    }
}

#[test]
fn a_line_that_is_full_at_four_keeps_four() {
    let host = Host { slower: |n| f64::from(n) / 3.0, ..Host::default() };
    let trial = fresh(host, 1).run(600.0);
    assert_eq!(trial.end(), 4, "{:?}", trial.targets);
    assert!(trial.targets.len() <= 1 + 2 * 4, "{:?}", trial.targets);
}

#[test]
fn a_server_that_slows_down_under_many_connections_gets_fewer_again() {
    let host = Host { slower: |n| if n > 6 { f64::from(n * n) / 36.0 } else { 1.0 }, ..Host::default() };
    let trial = fresh(host, 1).run(60.0);
    assert_eq!(trial.end(), 6, "{:?}", trial.targets);
}

#[test]
fn a_server_that_refuses_the_sixth_gets_five() {
    let trial = fresh(Host { takes: 5, ..Host::default() }, 1).run(120.0);
    assert_eq!(trial.end(), 5, "{:?}", trial.targets);
}

#[test]
fn connections_that_silently_fail_to_get_in_are_given_up() {
    let trial = fresh(Host { takes: 5, says: false, ..Host::default() }, 1).run(60.0);
    assert_eq!(trial.end(), 5, "{:?}", trial.targets);
}

/// An hour of files of all sizes: what is found is near the best, and seldom changed.
#[test]
fn noise_neither_starves_a_host_nor_makes_the_number_swing() {
    let (mut few, mut many) = (0, 0);
    for seed in 0..40 {
        let open = fresh(Host { size: mixed, ..Host::default() }, seed).run(60.0);
        few += u32::from(open.end() < 9);
        let full = Host { size: mixed, slower: |n| (f64::from(n) / 5.0).max(1.0), ..Host::default() };
        let full = fresh(full, seed).run(60.0);
        many += u32::from(full.end() > 9);
        for trial in [open, full] {
            assert!(trial.targets.len() <= 9, "{seed}: {:?}", trial.targets);
        }
    }
    assert!(few <= 4 && many <= 4, "{few} of 40 too few, {many} of 40 too many");
}

#[test]
fn an_hour_on_a_noisy_line_changes_the_number_a_few_times() {
    for seed in 0..3 {
        let host = Host { size: mixed, slower: |n| (f64::from(n) / 5.0).max(1.0), ..Host::default() };
        let trial = fresh(host, seed).run(3600.0);
        assert!(trial.targets.len() <= 16, "{seed}: {:?}", trial.targets);
    }
}

#[test]
fn time_without_work_for_all_says_nothing() {
    let mut tuning = Tuning::search(None, Duration::ZERO);
    for second in 0..100 {
        let sample = Sample {
            at: Duration::from_secs(second),
            bytes: second * 1_000_000,
            files: second * 10,
            working: 3,
            waiting: false,
        };
        assert!(!tuning.sample(&sample, 16));
        // One that works less than is allowed says nothing either.
        assert!(!tuning.sample(&Sample { waiting: true, ..sample }, 16));
    }
    assert_eq!((tuning.target(), tuning.learned()), (4, None));
}

#[test]
fn what_was_learned_is_where_the_next_search_begins() {
    let done = Learned { connections: 9, is_most: true };
    let trial = Trial::new(Host::default(), Tuning::search(Some(done), Duration::ZERO), 1).run(60.0);
    assert_eq!(trial.targets, [(0.0, 9)]);
    let trial = trial.run(120.0);
    assert_eq!(trial.end(), 16, "more are tried after minutes: {:?}", trial.targets);
    let half_way = Learned { connections: 9, is_most: false };
    let trial = Trial::new(Host::default(), Tuning::search(Some(half_way), Duration::ZERO), 1).run(6.0);
    assert_eq!(trial.end(), 16, "{:?}", trial.targets);
}

#[test]
fn what_the_user_set_stays_and_a_lower_bound_of_others_is_kept() {
    let trial = Trial::new(Host::default(), Tuning::fixed(3), 1).run(20.0);
    assert_eq!((trial.targets.as_slice(), trial.tuning.learned()), (&[(0.0, 3)][..], None));
    let mut trial = fresh(Host::default(), 1);
    trial.cap = 6;
    let trial = trial.run(20.0);
    assert_eq!((trial.end(), trial.tuning.learned()), (6, Some(Learned { connections: 6, is_most: false })));
}
