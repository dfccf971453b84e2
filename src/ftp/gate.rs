//! Who may sign in while an account has not shown that it gets in.

use std::sync::Arc;
use tokio::sync::watch;

/// Lets one session of an account sign in ahead of the others, which connect meanwhile and then wait: a wrong password
/// is sent once. Each session has a [`Ticket`].
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first to come goes ahead.
    Free,
    /// One is signing in.
    Taken,
    /// It got in: all may.
    Open,
    /// It did not: nobody may.
    Shut,
}

/// A session's right to come to a gate.
#[derive(Clone, Debug)]
pub struct Ticket {
    gate: Gate,
    fate: Arc<watch::Sender<Fate>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Not come to it yet.
    Away,
    /// Goes ahead of the others.
    Leads,
    /// Came in behind another.
    Follows,
    /// Sent nothing, since another did not get in.
    TurnedAway,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::Free)))
    }
}

impl Gate {
    /// A session's right to come here.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket { gate: self.clone(), fate: Arc::new(watch::Sender::new(Fate::Away)) }
    }

    /// Whether one got in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.borrow() == State::Open
    }

    /// Whether one did not get in, so that nobody may try.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        *self.0.borrow() == State::Shut
    }

    /// Takes the lead, if nobody has it. Returns whether it was free.
    fn take(&self) -> bool {
        let free = |state: &mut State| {
            let free = *state == State::Free;
            if free {
                *state = State::Taken;
            }
            free
        };
        self.0.send_if_modified(free)
    }
}

impl Ticket {
    /// Whether the session went ahead of the others.
    #[must_use]
    pub fn leads(&self) -> bool {
        *self.fate.borrow() == Fate::Leads
    }

    /// Whether the session ended at the gate, and sent neither name nor password.
    #[must_use]
    pub fn is_turned_away(&self) -> bool {
        *self.fate.borrow() == Fate::TurnedAway
    }

    /// Waits for leave to sign in. The one that goes ahead has to show by [`Passage::succeed`] that it got in; what ends
    /// in any other way shuts the gate. `None` where another did not get in.
    pub(super) async fn pass(&self) -> Option<Passage<'_>> {
        let mut state = self.gate.0.subscribe();
        if self.gate.take() {
            self.fate.send_replace(Fate::Leads);
            return Some(Passage { leader: Some(&self.gate) });
        }
        // The gate lives as long as this ticket, so there is always an answer.
        let open = state.wait_for(|state| matches!(state, State::Open | State::Shut)).await;
        let open = open.is_ok_and(|state| *state == State::Open);
        self.fate.send_replace(if open { Fate::Follows } else { Fate::TurnedAway });
        open.then_some(Passage { leader: None })
    }
}

/// A login under way.
pub(super) struct Passage<'a> {
    leader: Option<&'a Gate>,
}

impl Passage<'_> {
    /// It got in: the others may follow.
    pub(super) fn succeed(&mut self) {
        if let Some(gate) = self.leader.take() {
            gate.0.send_replace(State::Open);
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.leader {
            gate.0.send_replace(State::Shut);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn is_ready<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_goes_ahead_and_the_others_follow_once_it_got_in() {
        let gate = Gate::default();
        let (first, second, third) = (gate.ticket(), gate.ticket(), gate.ticket());
        let mut leader = is_ready(pin!(first.pass())).unwrap().unwrap();
        let mut follower = pin!(second.pass());
        assert!(is_ready(follower.as_mut()).is_none());
        leader.succeed();
        drop(leader);
        drop(is_ready(follower.as_mut()).unwrap().unwrap());
        assert!(is_ready(pin!(third.pass())).unwrap().is_some());
        assert!(gate.is_open() && first.leads() && !second.leads() && !second.is_turned_away());
    }

    /// Refused, timed out, stopped or broken down: whatever befell the first, the others send nothing.
    #[test]
    fn nobody_passes_when_the_first_did_not_get_in() {
        let gate = Gate::default();
        let (first, second, third) = (gate.ticket(), gate.ticket(), gate.ticket());
        let leader = is_ready(pin!(first.pass())).unwrap().unwrap();
        let mut follower = pin!(second.pass());
        assert!(is_ready(follower.as_mut()).is_none());
        drop(leader);
        assert!(is_ready(follower.as_mut()).unwrap().is_none());
        assert!(is_ready(pin!(third.pass())).unwrap().is_none());
        assert!(gate.is_shut() && second.is_turned_away() && third.is_turned_away() && !first.is_turned_away());
    }
}
