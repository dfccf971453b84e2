//! Where claims come from: each account's jobs, and apart from them those that can be had from other accounts too.

use super::hosts::Hosts;
use crate::model::{Account, Claim, RemotePath};
use std::collections::VecDeque;

/// Most files about which a server is asked together with another: the questions fit in one segment or a few.
const TOGETHER: usize = 15;

/// Whether claims of a track are on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fetch {
    /// None are.
    #[default]
    Not,
    /// They were asked for.
    Asked,
    /// They were, and since then the queue was asked whether there are more.
    Overtaken,
}

/// The jobs of an account, without mirrors or with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Track {
    /// The account of the jobs' own sources.
    pub(super) account: Account,
    /// Whether the jobs have mirrors.
    pub(super) mirrored: bool,
}

/// What is to be done of a track.
#[derive(Default)]
pub(super) struct Work {
    /// Claims taken beforehand.
    pub(super) claims: VecDeque<Claim>,
    /// Whether the queue may have more that can be done now.
    pub(super) more: bool,
    pub(super) fetch: Fetch,
    /// Whether it stands among the turns.
    pub(super) has_turn: bool,
}

impl Work {
    /// Whether something could be begun.
    pub(super) fn is_there(&self) -> bool {
        self.more || self.fetch != Fetch::Not || !self.claims.is_empty()
    }
}

/// The jobs with mirrors of an account.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) work: Work,
    /// The accounts they can be had from, their own first.
    pub(super) accounts: Vec<Account>,
}

impl Track {
    /// The track of jobs without mirrors.
    pub(super) fn plain(account: &Account) -> Self {
        Self { account: account.clone(), mirrored: false }
    }

    /// The track of jobs with mirrors.
    pub(super) fn mirrored(account: &Account) -> Self {
        Self { account: account.clone(), mirrored: true }
    }

    /// The track that a claim came from.
    pub(super) fn of(claim: &Claim) -> Self {
        let spec = &claim.job().spec;
        Self { account: spec.source.account().clone(), mirrored: spec.is_mirrored() }
    }
}

impl Hosts {
    /// What is to be done of a track.
    pub(super) fn work(&mut self, track: &Track) -> &mut Work {
        if track.mirrored {
            &mut self.lanes.entry(track.account.clone()).or_default().work
        } else {
            &mut self.books(&track.account).work
        }
    }

    /// Files that come behind a claim and were finished before, as it was: the questions about them may go with its own.
    pub(super) fn questions_behind(&mut self, claim: &Claim) -> Vec<RemotePath> {
        let is_question = |claim: &Claim| {
            let job = claim.job();
            job.record.receipt.is_some() && job.spec.folder.is_none() && !job.spec.is_mirrored()
        };
        if !is_question(claim) {
            return Vec::new();
        }
        let behind = self.work(&Track::of(claim)).claims.iter().filter(|&claim| is_question(claim));
        behind.take(TOGETHER).map(|claim| claim.job().spec.source.path().clone()).collect()
    }

    /// All work there is.
    pub(super) fn all_work(&mut self) -> impl Iterator<Item = &mut Work> {
        let lanes = self.lanes.values_mut().map(|lane| &mut lane.work);
        lanes.chain(self.accounts.values_mut().map(|books| &mut books.work))
    }

    /// Takes note of the accounts that an account's jobs with mirrors can be had from.
    pub(super) fn note_mirrors(&mut self, account: &Account, mirrors: Vec<Account>) {
        let others = mirrors.into_iter().filter(|other| other != account);
        let accounts: Vec<Account> = std::iter::once(account.clone()).chain(others).collect();
        let lane = self.lanes.entry(account.clone()).or_default();
        if lane.accounts == accounts {
            return;
        }
        lane.accounts.clone_from(&accounts);
        for other in &accounts {
            let serves = &mut self.books(other).serves;
            if !serves.contains(account) {
                serves.push(account.clone());
            }
        }
    }

    /// Whether claims are on their way.
    pub(super) fn is_fetching(&self) -> bool {
        let lanes = self.lanes.values().map(|lane| &lane.work);
        lanes.chain(self.accounts.values().map(|books| &books.work)).any(|work| work.fetch != Fetch::Not)
    }

    /// Whether nothing of a track is to be done in this run any more.
    pub(super) fn is_track_held(&self, track: &Track) -> bool {
        match self.lanes.get(&track.account).filter(|_| track.mirrored) {
            Some(lane) => lane.accounts.iter().all(|account| self.is_held(account)),
            None => self.is_held(&track.account),
        }
    }

    /// Whether a track has work that is not held.
    pub(super) fn has_open_work(&self) -> bool {
        let plain =
            |(account, books): (&Account, &super::hosts::Books)| books.work.is_there() && !self.is_held(account);
        let lane = |lane: &Lane| lane.work.is_there() && lane.accounts.iter().any(|account| !self.is_held(account));
        self.accounts.iter().any(plain) || self.lanes.values().any(lane)
    }

    /// Whether an account has jobs to be begun: its own, or such with mirrors that it is the first to serve.
    pub(super) fn has_work(&self, account: &Account) -> bool {
        let Some(books) = self.accounts.get(account) else { return false };
        let is_first = |lane: &Lane| {
            lane.work.is_there() && lane.accounts.iter().find(|other| !self.is_held(other)) == Some(account)
        };
        books.work.is_there() || books.serves.iter().filter_map(|own| self.lanes.get(own)).any(is_first)
    }

    /// Whether there are jobs, with or without mirrors, that could be had from an account.
    pub(super) fn could_serve(&self, account: &Account) -> bool {
        let Some(books) = self.accounts.get(account) else { return false };
        let mut lanes = books.serves.iter().filter_map(|own| self.lanes.get(own));
        books.work.is_there() || lanes.any(|lane| lane.work.is_there())
    }

    /// When the track may be tried, in ticks: at once, where that is in the past; never, where it is held.
    pub(super) fn track_wakes(&self, track: &Track) -> Option<u64> {
        let own = std::slice::from_ref(&track.account);
        let lane = self.lanes.get(&track.account).filter(|_| track.mirrored);
        let accounts = lane.map_or(own, |lane| lane.accounts.as_slice());
        let open = accounts.iter().filter(|account| !self.is_held(account));
        open.filter_map(|account| self.known.get(&account.host_key())).map(|host| host.wait_until).min()
    }

    /// The lines that have work, and when each may be tried.
    fn waiting(&self) -> impl Iterator<Item = (Track, u64)> {
        let plain = self.accounts.iter().filter(|(_, books)| books.work.is_there()).map(|(it, _)| Track::plain(it));
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.work.is_there()).map(|(it, _)| Track::mirrored(it));
        plain.chain(lanes).filter_map(|track| self.track_wakes(&track).map(|at| (track, at)))
    }

    /// When the first track that is waited for may be tried again, in ticks.
    pub(super) fn next_wake(&self) -> Option<u64> {
        self.waiting().map(|(_, at)| at).min()
    }

    /// Gives lines whose hosts were waited for their turns again. Returns whether any has work that could not be begun.
    pub(super) fn wake(&mut self, now: u64) -> bool {
        let waiting: Vec<(Track, u64)> = self.waiting().collect();
        for (track, at) in &waiting {
            if *at <= now && !std::mem::replace(&mut self.work(track).has_turn, true) {
                self.turns.push_back(track.clone());
            }
        }
        !waiting.is_empty()
    }

    /// Puts a track at the end of the turns, if it has work and its host is not to be waited for.
    /// Returns whether it was put there.
    pub(super) fn next_turn(&mut self, track: Track, now: u64) -> bool {
        let awake = self.track_wakes(&track).is_some_and(|at| at <= now);
        let work = self.work(&track);
        work.has_turn = work.is_there() && awake;
        let stays = work.has_turn;
        if stays {
            self.turns.push_back(track);
        }
        stays
    }

    /// Takes note of whether the queue has more of a track, and gives it its turn.
    pub(super) fn note_work(&mut self, track: &Track, more: bool) {
        let work = self.work(track);
        work.more = more;
        if work.fetch == Fetch::Asked {
            work.fetch = Fetch::Overtaken;
        }
        if work.is_there() && !std::mem::replace(&mut work.has_turn, true) {
            self.turns.push_back(track.clone());
        }
    }
}
