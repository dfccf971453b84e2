//! A server that does TLS as told, an authority to trust, and a program that does.

use crate::support::{Act, Ended, Ftpq, Scripted, Tls, Traits, Turn, certs::Authority};
use serde_json::Value;

/// The password of `user`, as it would stand on the wire.
const PASSWORD: &[u8] = b"password";

/// A scripted server and a program that trusts its authority.
pub(crate) struct Case {
    /// The program.
    pub(crate) ftpq: Ftpq,
    /// The server.
    pub(crate) server: Scripted,
    /// The file with the authority's certificate.
    pub(crate) authority: String,
}

impl Case {
    /// `tls` of a server whose authority the program is to trust.
    pub(crate) fn new(authority: &Authority, tls: Tls, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        Self::with(authority, Traits { tls: Some(tls), ..Traits::default() }, hook)
    }

    /// The same with further ways of the server.
    pub(crate) fn with(
        authority: &Authority,
        traits: Traits,
        hook: impl Fn(&Turn) -> Act + Send + Sync + 'static,
    ) -> Self {
        let ftpq = Ftpq::new();
        let authority = ftpq.write("ca.pem", authority.pem());
        Self { ftpq, server: Scripted::with(traits, hook), authority }
    }

    /// A server with a good certificate, and no demands but TLS.
    pub(crate) fn new_good(hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        let authority = Authority::new("tests");
        Self::new(&authority, Tls::new(authority.good()), hook)
    }

    /// An honest server with a good certificate.
    pub(crate) fn honest(change: impl FnOnce(Tls) -> Tls) -> Self {
        let authority = Authority::new("tests");
        let tls = change(Tls::new(authority.good()));
        Self::new(&authority, tls, |_| Act::Usual)
    }

    /// Puts files there and queues them by a scheme.
    pub(crate) fn queue(&self, scheme: &str, files: &[(String, Vec<u8>)]) {
        files.iter().for_each(|(name, data)| self.server.put(name, data.clone()));
        let jobs: Vec<(String, &str)> =
            files.iter().map(|(name, _)| (self.server.url_by(scheme, name), name.as_str())).collect();
        self.ftpq.add(&jobs);
    }

    /// Puts one file there, `a.bin`, and queues it.
    pub(crate) fn queue_one(&self, scheme: &str, data: &[u8]) {
        self.queue(scheme, &[("a.bin".to_owned(), data.to_vec())]);
    }

    /// Runs, impatiently, with the authority trusted and the dialogue told.
    pub(crate) fn run(&self, more: &[&str]) -> (Ended, String) {
        self.run_as(&[&["--ca-file", &self.authority], more].concat())
    }

    /// The same with no authority but the system's.
    pub(crate) fn run_as(&self, more: &[&str]) -> (Ended, String) {
        let retries: &[&str] = if more.contains(&"--retries") { &[] } else { &["--retries", "1"] };
        let ended = self.ftpq.run(&[&["-v", "--json", "run", "--timeout", "2"], retries, more].concat());
        let story = format!("{ended}{}", self.server.core().dialogue());
        (ended, story)
    }

    /// Panics unless nothing but AUTH and QUIT came in clear text, and nothing went out in it but replies.
    pub(crate) fn assert_nothing_in_clear(&self, story: &str) {
        let core = self.server.core();
        let heard = core.heard_in_clear();
        let harmless = heard.lines().all(|line| matches!(line, "AUTH TLS" | "AUTH SSL" | "QUIT"));
        assert!(harmless, "in clear text: {heard:?}\n{story}");
        for secret in [PASSWORD, b"PASS ", b"USER "] {
            assert!(!core.arrived(secret), "{:?} was on the wire\n{story}", String::from_utf8_lossy(secret));
        }
        assert_eq!(core.sent_in_clear(), 0, "{story}");
    }

    /// Panics unless one of these failed for good with this cause, or as many as were under way, none stands under a
    /// final name, and the rest is left as it was, with the reason told; the failures.
    pub(crate) fn assert_refused(&self, ended: &Ended, names: &[&str], cause: &str, story: &str) -> Vec<Value> {
        assert_eq!(ended.code, Some(1), "{story}");
        let failures =
            |event| -> Vec<Value> { ended.events(event).into_iter().map(|e| e["failure"].clone()).collect() };
        let failed = failures("failed");
        assert!((1..=names.len().min(4)).contains(&failed.len()), "{story}");
        let summary = ended.events("summary").remove(0);
        assert_eq!((&summary["done"], &summary["left"]), (&0.into(), &(names.len() - failed.len()).into()), "{story}");
        assert!(ended.events("retrying").is_empty(), "{story}");
        for failure in failed.iter().chain(&failures("held")) {
            assert_eq!(
                (&failure["cause"], &failure["kind"]),
                (&cause.into(), &"permanent".into()),
                "{failure}\n{story}"
            );
            for field in ["message", "advice"] {
                let said = failure[field].as_str().is_some_and(|text| text.len() > 10);
                assert!(said, "no {field}: {failure}\n{story}");
            }
        }
        names.iter().for_each(|name| self.ftpq.assert_absent(name, &story));
        failed
    }
}
