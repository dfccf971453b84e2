//! How many connections to a host are worth having.

use std::time::Duration;

/// What the connections to a host have done so far, and how they stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Time since any fixed moment.
    pub at: Duration,
    /// Bytes that came, since any fixed moment.
    pub bytes: u64,
    /// Files that were ended, since any fixed moment.
    pub files: u64,
    /// Connections at work.
    pub working: u32,
    /// Whether one more connection would have something to do.
    pub waiting: bool,
}

/// Finds the number of connections beyond which a host gives no more: adds some while the rate grows, and gives the
/// last ones back when it does not.
#[derive(Clone, Debug)]
pub struct Tuning {
    target: u32,
    phase: Phase,
    window: Option<Window>,
    /// What was measured since the target was set.
    level: Flow,
    /// When the next try comes, after one in vain.
    patience: Duration,
    learned: Option<Learned>,
}

/// What was found out about a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Connections that are worth having.
    pub connections: u32,
    /// More were tried and brought nothing, or are never opened; otherwise the search is not at its end.
    pub is_most: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The user set the number.
    Fixed,
    /// The rate of what there is gets measured.
    Measuring,
    /// More than `best` are tried, which had the rate `base`.
    Trying { best: u32, base: f64, since: Duration },
    /// As it is, until that time.
    Settled { until: Duration },
}

/// A stretch of time in which all connections were at work.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: Sample,
    /// The connections are up to speed; before that nothing is counted.
    is_warm: bool,
}

/// Work done in the windows of a level.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    windows: u32,
    work: f64,
    seconds: f64,
}

impl Tuning {
    /// Connections a search begins with; so many are kept whether or not they bring anything.
    pub const FIRST: u32 = 4;
    /// Connections that are never exceeded.
    pub const MOST: u32 = 16;
    /// Seconds for which what was learned stands. Lines and servers are as busy as the time of day makes them, and a
    /// search costs seconds.
    pub const STANDS: u64 = 86_400;
    /// What the round trips of a file count for, in bytes: thousands of small files are bound by them.
    const FILE: f64 = 524_288.0;
    /// Time for new connections to come up to speed.
    const WARM: Duration = Duration::from_millis(200);
    /// Longest wait for connections to get in, before they are given up.
    const STARVED: Duration = Duration::from_secs(10);
    /// First and longest wait for another try.
    const PATIENCE: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(3600));
    /// Share of the proportional gain that makes a step worth it at once, and in the long run.
    const GAIN: (f64, f64) = (0.5, 0.25);

    /// A number that stays.
    #[must_use]
    pub fn fixed(connections: u32) -> Self {
        Self::starting(connections.max(1), Phase::Fixed)
    }

    /// A search that begins where an earlier one ended, or at its beginning.
    #[must_use]
    pub fn search(remembered: Option<Learned>, now: Duration) -> Self {
        let Some(learned) = remembered else { return Self::starting(Self::FIRST, Phase::Measuring) };
        let phase = if learned.is_most { Phase::Settled { until: now + Self::PATIENCE.0 } } else { Phase::Measuring };
        Self::starting(learned.connections.clamp(Self::FIRST, Self::MOST), phase)
    }

    fn starting(target: u32, phase: Phase) -> Self {
        Self { target, phase, window: None, level: Flow::default(), patience: Self::PATIENCE.0, learned: None }
    }

    /// Connections that are wanted now.
    #[must_use]
    pub fn target(&self) -> u32 {
        self.target
    }

    /// What this search found out.
    #[must_use]
    pub fn learned(&self) -> Option<Learned> {
        self.learned
    }

    /// Takes a sample, several a second. No more than `cap` connections can be had. Returns whether the target changed.
    pub fn sample(&mut self, sample: &Sample, cap: u32) -> bool {
        let before = self.target;
        match self.phase {
            Phase::Fixed => return false,
            Phase::Settled { until } if sample.at < until => return false,
            Phase::Settled { .. } => self.set(self.target, Phase::Measuring),
            Phase::Trying { best, .. } if self.target > cap => self.retreat(cap.max(best), best, sample.at),
            Phase::Trying { .. } | Phase::Measuring => {}
        }
        let cap = cap.min(Self::MOST);
        if !sample.waiting || sample.working < self.target.min(cap) {
            self.window = None;
            self.give_up_if_starved(sample);
        } else if self.target >= cap && matches!(self.phase, Phase::Measuring) {
            // Nothing can be added, so nothing is to be compared.
            self.window = None;
        } else if let Some(rate) = self.measure(sample) {
            self.judge(rate, sample.at, cap);
        }
        self.target != before
    }

    /// The server takes fewer than are being tried: what it takes is tried instead.
    fn retreat(&mut self, cap: u32, best: u32, at: Duration) {
        if cap > best {
            let phase = self.phase;
            self.set(cap, phase);
        } else {
            self.settle(best, at);
        }
    }

    fn give_up_if_starved(&mut self, sample: &Sample) {
        if let Phase::Trying { best, since, .. } = self.phase
            && sample.waiting
            && sample.at.saturating_sub(since) >= Self::STARVED
        {
            self.settle(best.max(sample.working.min(self.target)), sample.at);
        }
    }

    /// The rate of the window that ends with this sample, if one does.
    fn measure(&mut self, sample: &Sample) -> Option<f64> {
        let Some(Window { begin, is_warm }) = self.window else {
            self.window = Some(Window { begin: *sample, is_warm: self.level.windows > 0 });
            return None;
        };
        let passed = sample.at.saturating_sub(begin.at);
        if !is_warm && passed >= Self::WARM {
            self.window = Some(Window { begin: *sample, is_warm: true });
        }
        if !is_warm {
            return None;
        }
        let files = sample.files.saturating_sub(begin.files);
        if !is_telling(passed, files, u64::from(sample.working)) {
            return None;
        }
        self.window = Some(Window { begin: *sample, is_warm: true });
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
        let work = sample.bytes.saturating_sub(begin.bytes) as f64 + files as f64 * Self::FILE;
        let seconds = passed.as_secs_f64();
        self.level.windows += 1;
        self.level.work += work;
        self.level.seconds += seconds;
        Some(work / seconds)
    }

    fn judge(&mut self, rate: f64, at: Duration, cap: u32) {
        let Phase::Trying { best, base, .. } = self.phase else { return self.step(rate, at, cap) };
        let average = self.level.work / self.level.seconds;
        let gain = |rate: f64| (rate / base - 1.0) / (f64::from(self.target) / f64::from(best) - 1.0);
        if gain(rate) >= Self::GAIN.0 || (self.level.windows > 1 && gain(average) >= Self::GAIN.1) {
            self.step(if gain(rate) >= Self::GAIN.0 { rate } else { average }, at, cap);
        } else if self.level.windows > 1 {
            self.settle(best, at);
        }
    }

    /// The target is worth having: tries more, where more can be had.
    fn step(&mut self, base: f64, at: Duration, cap: u32) {
        let best = self.target;
        if best >= Self::MOST {
            return self.settle(best, at);
        }
        if matches!(self.phase, Phase::Trying { .. }) {
            self.learned = Some(Learned { connections: best, is_most: false });
        }
        if best >= cap {
            self.set(best, Phase::Measuring);
        } else {
            self.set((best + best / 2).min(cap), Phase::Trying { best, base, since: at });
        }
    }

    /// So many are worth having, and more are not.
    fn settle(&mut self, connections: u32, at: Duration) {
        self.learned = Some(Learned { connections, is_most: true });
        self.set(connections, Phase::Settled { until: at + self.patience });
        self.patience = (self.patience * 2).min(Self::PATIENCE.1);
    }

    fn set(&mut self, target: u32, phase: Phase) {
        self.target = target;
        self.phase = phase;
        self.window = None;
        self.level = Flow::default();
    }
}

/// Whether a window says something: a second, and as many files as connections; less where there are many files, and
/// not much more where each takes long.
fn is_telling(passed: Duration, files: u64, working: u64) -> bool {
    match passed.as_millis() {
        0..500 => false,
        500..1000 => files >= 3 * working,
        1000..2000 => files == 0 || files >= working,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
