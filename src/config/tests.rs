//! Settings files as a whole.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn read(&self, text: &str) -> Result<Config, ConfigError> {
        file::read(&self.write("config.toml", text, 0o644), Some(self.0.path()))
    }
}

fn host(name: &str, port: u16) -> HostKey {
    HostKey { host: name.to_owned(), port }
}

fn account(url: &str) -> Account {
    Account::try_from(url.to_owned()).unwrap()
}

#[test]
fn the_narrower_table_wins_key_by_key() {
    let config = Folder::new()
        .read(
            "timeout = 10\nretries = 1\nconnections = 20\nper-host = 3\nlimit-rate = \"2M\"\n\
             [host.\"H.example\"]\nretries = 2\nper-host = 5\ntls = \"off\"\n\
             [host.\"h.example:2121\"]\nretries = 3\nresume = false\ntype = \"ascii\"\n",
        )
        .unwrap();
    let plain = config.settings_for(&host("h.example", 21));
    assert_eq!((plain.timeout, plain.retries, plain.resume), (Some(10), Some(2), None));
    let narrow = config.settings_for(&host("h.example", 2121));
    assert_eq!((narrow.timeout, narrow.retries, narrow.resume), (Some(10), Some(3), Some(false)));
    assert_eq!((narrow.tls, narrow.transfer_type), (Some(Tls::Off), Some(TransferType::Ascii)));
    assert_eq!(config.settings_for(&host("x", 21)).retries, Some(1));
    assert_eq!(config.settings_for(&host("x", 21)).limit_rate, Some(2 << 20));
    assert_eq!(config.connections(), Some(20));
    assert_eq!(config.per_host(&host("h.example", 2121)), Some(PerHost::Most(5)));
    assert_eq!(config.per_host(&host("x", 21)), Some(PerHost::Most(3)));
}

#[test]
fn every_error_names_its_line_and_column() {
    for (text, line, column, words) in [
        ("timeout = 5\ntimeoot = 5\n", 2, 1, "`timeoot` is unknown"),
        ("[host.h]\nper-hots = 5\n", 2, 1, "`per-hots` is unknown"),
        ("timeoot = 5\n", 1, 1, "`timeoot` is unknown"),
        ("[hosts.h]\n", 1, 2, "`hosts` is unknown"),
        ("timeout = 0\n", 1, 11, "86400"),
        ("retries = -1\n", 1, 11, "range"),
        ("retries = 1.5\n", 1, 11, "whole number"),
        ("data-mode = \"pasiv\"\n", 1, 13, "pasiv"),
        ("tls = \"always\"\n", 1, 7, "always"),
        ("[host.h]\npin = \"sha256//x\"\n", 2, 7, "base64"),
        ("pin = [\"sha256//x\"]\n", 1, 7, "base64"),
        ("pin = []\n", 1, 7, "base64"),
        ("pin = [5]\n", 1, 8, "in quotes"),
        ("ca-file = \"\"\n", 1, 11, "path"),
        ("tls-min = \"1.1\"\n", 1, 11, "1.2"),
        ("insecure = \"yes\"\n", 1, 12, "insecure"),
        ("connections = 257\n", 1, 15, "256"),
        ("per-host = 0\n", 1, 12, "64"),
        ("per-host = \"many\"\n", 1, 12, "auto"),
        ("netrc = 3\n", 1, 9, "path"),
        ("host = 3\n", 1, 8, "tables"),
        ("[host]\nh = 3\n", 2, 1, "table"),
        ("[host.\"a/b\"]\n", 1, 7, "host name"),
        ("[host.H]\n[host.h]\n", 2, 7, "two tables"),
        ("[host.h]\nuser = \"a\\nb\"\n", 2, 8, "control"),
        ("[host.h]\npassword = \"hunter2\"\n", 2, 1, "file of its own"),
        ("a = = b\n", 1, 5, ""),
        ("timeout = 1\ntimeout = 2\n", 2, 1, ""),
    ] {
        let error = Folder::new().read(text).unwrap_err();
        let ConfigError::Place { line: l, column: c, message, .. } = &error else { panic!("{text:?}: {error}") };
        assert_eq!((*l, *c), (line, column), "{text:?}: {error}");
        assert!(message.contains(words) && !message.contains("hunter2"), "{text:?}: {error}");
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    assert!(matches!(Config::load(Some(Path::new("/nonexistent/ftpq.toml"))), Err(ConfigError::Read { .. })));
}

#[test]
fn defaults_leave_open_only_what_has_no_default() {
    let text = serde_json::to_value(Config::defaults()).unwrap();
    let open: Vec<_> = Settings::KEYS.into_iter().filter(|key| text.get(key).is_none()).collect();
    assert_eq!(
        open,
        ["active-address", "active-ports", "bind", "ca-file", "pin", "client-cert", "client-key", "limit-rate"]
    );
    assert!(Config::defaults().check().is_ok());
}

#[test]
fn netrc_must_be_private_and_is_found_where_the_file_says() {
    let folder = Folder::new();
    let text = "machine h login u password hunter2\n";
    folder.write("mine", text, 0o600);
    let config = folder.read("netrc = \"mine\"\n").unwrap();
    assert_eq!(config.netrc.as_ref().unwrap().login("h", None).unwrap().password.reveal(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    // The usual place need not exist; a named one must.
    assert!(folder.read("netrc = true\n").unwrap().netrc.is_some());
    assert!(folder.read("netrc = false\n").unwrap().netrc.is_none());
    assert!(folder.read("netrc = \"none\"\n").is_err());
    folder.write(".netrc", text, 0o640);
    let error = folder.read("netrc = true\n").unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    folder.write(".netrc", "machine h login u password x hunter2\n", 0o600);
    let error = folder.read("netrc = true\n").unwrap_err().to_string();
    assert!(error.contains(".netrc:1:30:") && !error.contains("hunter2"), "{error}");
    folder.write(".netrc", &"#\n".repeat(600_000), 0o600);
    assert!(folder.read("netrc = true\n").unwrap_err().to_string().contains("larger"));
}

#[test]
fn a_hosts_password_is_for_its_user() {
    let folder = Folder::new();
    folder.write("pw", "hunter2\r\nsecond line\n", 0o600);
    let config = folder
        .read("[host.h]\nuser = \"bob\"\npassword-file = \"~/pw\"\n[host.\"g:2121\"]\npassword-file = \"pw\"\n")
        .unwrap();
    let password = |url: &str| config.password(&account(url)).unwrap().map(|s| s.reveal().to_owned());
    assert_eq!(password("ftp://bob@h"), Some("hunter2".into()));
    assert_eq!(password("ftp://eve@h"), None);
    assert_eq!(password("ftp://eve@g:2121"), Some("hunter2".into()));
    assert_eq!(password("ftp://g:2121"), None);
    assert_eq!(password("ftp://eve@g"), None);
    assert_eq!(config.user(&host("h", 2121)), Some("bob"));
    assert_eq!(config.user(&host("g", 2121)), None);
    assert!(config.check_password_files().is_ok());
    folder.write("pw", "hunter2\n", 0o644);
    assert!(config.check_password_files().unwrap_err().to_string().contains("chmod 600"));
    assert!(config.password(&account("ftp://bob@h")).is_err());
}

#[test]
fn password_files_are_checked() {
    let folder = Folder::new();
    let read = |text: &str, mode| read_password_file(&folder.write("pw", text, mode));
    assert_eq!(read("hunter2\n", 0o600).unwrap().reveal(), "hunter2");
    for mode in [0o644, 0o640, 0o602] {
        let error = read("hunter2", mode).unwrap_err().to_string();
        assert!(error.contains("chmod 600 /") && error.contains("/pw`") && !error.contains("hunter2"), "{error}");
    }
    for text in ["", "\nhunter2", "hunter2\u{0}\n", "hunter2\ta\n", &"hunter2".repeat(1000)] {
        let error = read(text, 0o600).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn tls_of_a_host_is_read_with_its_files_beside_the_settings() {
    let folder = Folder::new();
    let pins = [
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256//ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
    ];
    let text = format!(
        "tls = \"prefer\"\ntls-min = \"1.3\"\npin = \"{0};{1}\"\n\
         [host.h]\ntls = \"implicit\"\nca-file = \"ca.pem\"\nclient-cert = \"/etc/me.pem\"\nclient-key = \"keys/me\"\n\
         pin = [\"{1}\", \"{0}\"]\ninsecure = true\n",
        pins[0], pins[1]
    );
    let config = Config::load(Some(&folder.write("config.toml", &text, 0o644))).unwrap();
    let wide = config.settings_for(&host("other", 21));
    assert_eq!((wide.tls, wide.tls_min, wide.insecure), (Some(Tls::Prefer), Some(TlsVersion::V13), None));
    let narrow = config.settings_for(&host("h", 990));
    assert_eq!((narrow.tls, narrow.tls_min, narrow.insecure), (Some(Tls::Implicit), Some(TlsVersion::V13), Some(true)));
    assert_eq!((narrow.pin.as_ref(), narrow.pin.clone().unwrap().as_slice().len()), (wide.pin.as_ref(), 2));
    let beside = |name: &str| Some(folder.0.path().join(name));
    assert_eq!((narrow.ca_file.clone(), narrow.client_key.clone()), (beside("ca.pem"), beside("keys/me")));
    assert_eq!(narrow.client_cert, Some("/etc/me.pem".into()));
    // They are needed by a run, and looked into before it.
    assert!(config.check_tls_files().unwrap_err().to_string().contains("ca.pem"));
}
