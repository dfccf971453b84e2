//! netrc and the settings file.

use super::bytes::in_folder;
use super::{MARK, assert_secret, knows_mark};
use ftpq::config::{Config, Netrc};
use ftpq::model::{Account, HostKey};

/// A login is found for the very host and user that stand in the file, and no error shows a word of it.
pub fn netrc(data: &[u8]) {
    if knows_mark(data) {
        return;
    }
    let marked = [format!("machine h login u password {MARK} ").as_bytes(), data].concat();
    in_folder(|folder| {
        one_netrc(Netrc::read(&folder.write("netrc", data)), data);
        let read = Netrc::read(&folder.write("netrc", &marked));
        // What follows may say more of the same machine, and nothing of it is another's.
        if let Ok(netrc) = &read {
            for host in ["H2", "h.example", "xh"] {
                let found = netrc.login(host, None);
                assert!(found.is_none_or(|login| login.password.reveal() != MARK), "{host} gets the password of h");
            }
        }
        one_netrc(read, &marked);
    });
}

fn one_netrc(read: Result<Netrc, ftpq::config::ConfigError>, text: &[u8]) {
    let netrc = match read {
        Ok(netrc) => netrc,
        Err(error) => return place(&error),
    };
    assert_secret(&format!("{netrc:?}"));
    let holds = |word: &str| {
        let text = String::from_utf8_lossy(text).to_lowercase().replace(['\\', '"'], "");
        text.contains(&word.to_lowercase())
    };
    for host in ["h", "example.org", "no.such.host.in.it"] {
        for user in [None, Some("u"), Some("no-such-user-in-it")] {
            let Some(login) = netrc.login(host, user) else { continue };
            assert!(holds(host), "{host} is not in the file");
            assert!(user.is_none_or(|user| user == login.login), "another user's login");
            assert!(!login.login.contains(char::is_control));
            assert!(!login.password.reveal().contains(char::is_control));
        }
    }
}

/// An error that names its place, shows no password, and can't drive a terminal.
fn place(error: &ftpq::config::ConfigError) {
    let text = error.to_string();
    assert_secret(&format!("{text} {error:?}"));
    // Several lines may be said, but nothing that a terminal obeys.
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(!text.is_empty());
}

/// A settings file gives values within their bounds, or an error with its place.
pub fn settings(data: &[u8]) {
    in_folder(|folder| {
        let config = match Config::load(Some(&folder.write("config.toml", data))) {
            Ok(config) => config,
            Err(error) => return place(&error),
        };
        assert!(config.connections().is_none_or(|n| (1..=Config::MAX_CONNECTIONS).contains(&n)));
        for (host, port) in [("h", 21), ("example.org", 2121), ("[::1]", 21), ("xn--grn-ioa.example", 21)] {
            let host = HostKey { host: host.to_owned(), port };
            let settings = config.settings_for(&host).or(&Config::defaults());
            assert!(settings.timeout.is_some_and(|seconds| seconds > 0), "{settings:?}");
            let json = serde_json::to_value(&settings).unwrap();
            assert_eq!(serde_json::from_value::<ftpq::model::Settings>(json).unwrap(), settings);
            let _ = config.per_host(&host);
            assert!(config.user(&host).is_none_or(|user| !user.is_empty() && !user.contains(char::is_control)));
            let account = Account::try_from(format!("ftp://bob@{}:{port}", host.host)).unwrap();
            assert_eq!(account.host_key(), host);
        }
    });
}
