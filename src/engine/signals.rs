//! SIGINT and SIGTERM.

use crate::transfer::Stop;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes `true` at the first SIGINT or SIGTERM. A second one ends the process at once with code 3: what was
/// acknowledged is durable at any moment.
///
/// # Errors
/// When the handlers can't be installed.
pub fn stop_on_signals() -> std::io::Result<Stop> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, stop) = watch::channel(false);
    tokio::spawn(async move {
        for count in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if count > 0 {
                std::process::exit(3);
            }
            sender.send_replace(true);
        }
    });
    Ok(stop)
}
