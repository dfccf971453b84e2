//! Named steps at which a test can crash the process.

/// Kills this process the hard way when `FTPQ_STOP_AT` names this step, goes no further where `FTPQ_WAIT_AT` does, and sends it
/// SIGINT where `FTPQ_INTERRUPT_AT` does. Nothing without the feature `failpoints`.
#[cfg(feature = "failpoints")]
pub fn failpoint(step: &str) {
    if std::env::var("FTPQ_WAIT_AT").is_ok_and(|wanted| wanted == step) {
        loop {
            std::thread::park();
        }
    }
    if std::env::var("FTPQ_INTERRUPT_AT").is_ok_and(|wanted| wanted == step) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT);
        // Until it is heard.
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    if std::env::var("FTPQ_STOP_AT").is_ok_and(|wanted| wanted == step) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Kills this process the hard way when `FTPQ_STOP_AT` names this step. Nothing without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
pub fn failpoint(_step: &str) {}
