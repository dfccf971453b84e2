//! The program's clock on the wall, set by libfaketime, which `tests/kit` fetches.

use super::Ftpq;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// What the program under test takes for the time of day.
pub(crate) struct Clock(PathBuf);

impl Clock {
    /// A clock of the program's own, right until it is set; `None` where the kit lacks the library.
    pub(crate) fn of(ftpq: &mut Ftpq) -> Option<Self> {
        let library = library()?;
        let clock = Self(ftpq.folder().join("clock"));
        clock.set(0);
        ftpq.set("LD_PRELOAD", library.to_str().unwrap());
        ftpq.set("FAKETIME_TIMESTAMP_FILE", clock.0.to_str().unwrap());
        // Only the time of day is set, as by a person or by NTP; what measures time goes on as it did.
        for name in ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"] {
            ftpq.set(name, "1");
        }
        Some(clock)
    }

    /// Sets it so many seconds beside the right time.
    pub(crate) fn set(&self, seconds: i64) {
        let next = self.0.with_extension("next");
        fs::write(&next, format!("{seconds:+}")).unwrap();
        fs::rename(next, &self.0).unwrap();
    }
}

fn library() -> Option<PathBuf> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".test-kit");
    let kit = env::var_os("FTPQ_TEST_KIT").map_or_else(own, PathBuf::from);
    let place = format!("faketime/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", env::consts::ARCH);
    Some(kit.join(place)).filter(|path| path.exists())
}
