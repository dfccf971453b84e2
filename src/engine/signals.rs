//! SIGINT, SIGTERM and SIGHUP, heard by a thread of their own: the others may be held up in a write to a terminal or a
//! pipe that nobody reads.

use crate::transfer::Stop;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Time from a signal to the end of a process that has nothing to put away: what holds it up then is most likely output
/// that nobody reads.
const OVERDUE: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 1_500 });
/// Exit code of a process that ends at once. What was acknowledged is durable at any moment.
const AT_ONCE: i32 = 3;

/// Whether the process was started with SIGHUP ignored.
static IGNORES_HANGUP: OnceLock<bool> = OnceLock::new();

/// The one listener of the process.
static LISTENER: Mutex<Option<Interrupt>> = Mutex::new(None);

/// Tells whether the process was asked to end: by SIGINT, SIGTERM or SIGHUP.
#[derive(Clone, Debug)]
pub struct Interrupt {
    stop: Stop,
    guards: Arc<watch::Sender<usize>>,
}

impl Interrupt {
    /// Listens from now on for as long as the process lives; the signals no longer end it by themselves. After the first
    /// one it ends within 1.5 s, unless a [`ShutdownGuard`] is held; at a second SIGINT or SIGTERM it ends at once, with
    /// code 3; a terminal that goes away may send SIGHUP several times. SIGHUP is left alone where the process was started
    /// with it ignored (nohup(1)).
    ///
    /// # Errors
    /// When the thread can't be started or the handlers can't be installed.
    pub fn listen() -> io::Result<Self> {
        let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = &*listener {
            return Ok(interrupt.clone());
        }
        let interrupt = start()?;
        *listener = Some(interrupt.clone());
        Ok(interrupt)
    }

    /// Returns once a signal has come.
    pub async fn recv(&mut self) {
        // Its sender ends with the process.
        let _ = self.stop.wait_for(|&stop| stop).await;
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn has_come(&self) -> bool {
        *self.stop.borrow()
    }

    /// Becomes `true` when a signal comes.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Keeps the first signal from ending the process while work is put away, which takes a bounded time.
    #[must_use]
    pub fn guard(&self) -> ShutdownGuard {
        self.guards.send_modify(|guards| *guards += 1);
        ShutdownGuard(Arc::clone(&self.guards))
    }
}

/// While it lives, a first signal alone does not end the process.
#[derive(Debug)]
pub struct ShutdownGuard(Arc<watch::Sender<usize>>);

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        self.0.send_modify(|guards| *guards = guards.saturating_sub(1));
    }
}

fn start() -> io::Result<Interrupt> {
    let (sender, stop) = watch::channel(false);
    let guards = Arc::new(watch::Sender::new(0));
    let guarded = guards.subscribe();
    let (ready, begun) = mpsc::sync_channel(1);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        // A runtime of its own: that of the work may have no thread free.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let installed = runtime.and_then(|runtime| {
            let inside = runtime.enter();
            let signals = Signals::new()?;
            drop(inside);
            Ok((runtime, signals))
        });
        let (runtime, signals) = match installed {
            Ok(installed) => installed,
            Err(error) => return drop(ready.send(Err(error))),
        };
        if ready.send(Ok(())).is_ok() {
            runtime.block_on(answer(signals, sender, guarded));
        }
    })?;
    begun.recv().map_err(io::Error::other)??;
    Ok(Interrupt { stop, guards })
}

async fn answer(mut signals: Signals, stop: watch::Sender<bool>, guards: watch::Receiver<usize>) {
    signals.any().await;
    stop.send_replace(true);
    tokio::select! {
        () = signals.wished() => {}
        () = overdue(guards) => {}
    }
    std::process::exit(AT_ONCE);
}

/// Returns once nothing has been put away for a while.
async fn overdue(mut guards: watch::Receiver<usize>) {
    // Their sender lives as long as the process.
    while guards.wait_for(|&guards| guards == 0).await.is_ok() {
        if tokio::time::timeout(OVERDUE, guards.wait_for(|&guards| guards > 0)).await.is_err() {
            return;
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let hangup = (!ignores_hangup()).then(SignalKind::hangup);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.map(signal).transpose()?,
        })
    }

    async fn any(&mut self) {
        let Self { interrupt, terminate, hangup } = self;
        let hangup = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup => {}
        }
    }

    /// Waits for a signal that somebody sent on purpose.
    async fn wished(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Whether the process was started with SIGHUP ignored (nohup(1)). To be asked before anything listens for it: the answer
/// is kept, and the system forgets it then.
#[must_use]
pub fn ignores_hangup() -> bool {
    *IGNORES_HANGUP.get_or_init(|| is_ignored(SignalKind::hangup()))
}

/// Whether a signal is ignored (proc(5), `SigIgn`).
fn is_ignored(kind: SignalKind) -> bool {
    // Where the system does not tell, it is as usual: not ignored.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_in_mask(&status, kind.as_raw_value())
}

fn is_in_mask(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(number - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|rest| rest & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_found_in_what_the_system_tells() {
        let status = "Name:\tftpq\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        let ignored: Vec<i32> = (0..=64).filter(|&number| is_in_mask(status, number)).collect();
        assert_eq!(ignored, [1, 13]);
        assert!(!is_in_mask("Name:\tftpq\n", 1) && !is_in_mask("SigIgn:\tnonsense\n", 1));
    }

    #[tokio::test]
    async fn a_process_is_overdue_only_where_nothing_is_put_away() {
        let guards = Arc::new(watch::Sender::new(0));
        let interrupt = Interrupt { stop: watch::channel(true).1, guards: Arc::clone(&guards) };
        let guard = interrupt.guard();
        let mut overdue = std::pin::pin!(overdue(guards.subscribe()));
        let held = tokio::time::timeout(OVERDUE * 3, overdue.as_mut()).await;
        assert!(held.is_err(), "it ended while work was put away");
        drop(guard);
        assert!(tokio::time::timeout(OVERDUE * 50, overdue).await.is_ok());
    }
}
