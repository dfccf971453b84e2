//! Handshakes in memory with servers of every wrong kind: what is refused, in which words, and what gets in.

use crate::ftp::tls::{TlsPolicy, client_config, handshake_failure};
use crate::model::{Cause, Failure, FailureKind, Pin, Pins, Scheme, Settings, Stage, TlsVersion};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An authority, and a folder for files.
struct House {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificates and key.
struct Server {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

fn params(names: &[&str]) -> CertificateParams {
    let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = common_name("a server");
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = common_name(name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl House {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), authority: authority("Test Authority") }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The settings that trust the authority alone.
    fn settings(&self) -> Settings {
        Settings { ca_file: Some(self.file("ca.pem", &self.authority.pem())), ..Settings::default() }
    }

    fn server(&self, params: &CertificateParams) -> Server {
        issued(params, &self.authority)
    }
}

fn issued(params: &CertificateParams, by: &CertifiedIssuer<'static, KeyPair>) -> Server {
    let key = KeyPair::generate().unwrap();
    let made = params.signed_by(&key, by).unwrap();
    Server { chain: vec![made.der().clone()], key, pem: made.pem() }
}

fn self_signed(params: &CertificateParams) -> Server {
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    Server { chain: vec![made.der().clone()], key, pem: made.pem() }
}

impl Server {
    fn config(&self) -> ServerConfig {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        builder().with_no_client_auth().with_single_cert(self.chain.clone(), key).unwrap()
    }

    /// The pin as the other way of getting it says, of the key itself.
    fn pin(&self) -> Pin {
        let key =
            ring::digest::digest(&ring::digest::SHA256, &rcgen::PublicKeyData::subject_public_key_info(&self.key));
        Pin::new(key.as_ref().try_into().unwrap())
    }
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    builder_of(rustls::DEFAULT_VERSIONS)
}

fn builder_of(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap()
}

fn policy(settings: &Settings) -> TlsPolicy {
    TlsPolicy::new(settings, Scheme::Ftps).unwrap()
}

/// A handshake with a server under that name.
fn meet(settings: &Settings, server: ServerConfig, name: &str) -> Result<(), Failure> {
    meet_under(&policy(settings), server, name)
}

fn meet_under(policy: &TlsPolicy, server: ServerConfig, name: &str) -> Result<(), Failure> {
    let config = client_config(policy)?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut from = wire.as_slice();
        while !from.is_empty() && server.read_tls(&mut from).unwrap() > 0 {}
        // What the server has against it, it says by an alert.
        let _ = server.process_new_packets();
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        let mut from = wire.as_slice();
        while !from.is_empty() && client.read_tls(&mut from).unwrap() > 0 {}
        client.process_new_packets().map_err(|error| handshake_failure(Stage::Secure, &error))?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

/// The failure is permanent, over the certificate, and says so in these words.
#[track_caller]
fn refused(ended: Result<(), Failure>, words: &[&str]) {
    let failure = ended.unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Permanent, Cause::Certificate), "{failure}");
    for word in words {
        assert!(failure.to_string().contains(word), "{word:?} is missing in: {failure}");
    }
}

fn pinned(settings: Settings, pin: Pin) -> Settings {
    Settings { pin: Pins::new(vec![pin]).unwrap(), ..settings }
}

#[test]
fn names_are_matched_by_the_rules() {
    let house = House::new();
    let settings = house.settings();
    for (names, name, fits) in [
        (&["ftp.example.org"][..], "ftp.example.org", true),
        (&["ftp.example.org"], "FTP.example.org", true),
        (&["ftp.example.org"], "ftp.example.org.", true),
        (&["a.example.org", "ftp.example.org"], "ftp.example.org", true),
        (&["*.example.org"], "ftp.example.org", true),
        (&["xn--grn-ioa.example"], "xn--grn-ioa.example", true),
        (&["127.0.0.1"], "127.0.0.1", true),
        (&["::1"], "::1", true),
        (&["ftp.example.org"], "example.org", false),
        (&["example.org"], "ftp.example.org", false),
        (&["ftp.example.org"], "ftp.example.org.evil", false),
        (&["*.example.org"], "example.org", false),
        (&["*.example.org"], "a.b.example.org", false),
        (&["f*.example.org"], "ftp.example.org", false),
        (&["*"], "localhost", false),
        (&["*.org"], "127.0.0.1", false),
        (&["127.0.0.1"], "127.0.0.2", false),
        (&["ftp.example.org"], "127.0.0.1", false),
        (&["127.0.0.1"], "localhost", false),
        (&["::1"], "127.0.0.1", false),
        (&["::ffff:127.0.0.1"], "127.0.0.1", false),
    ] {
        let ended = meet(&settings, house.server(&params(names)).config(), name);
        if fits {
            assert_eq!(ended, Ok(()), "{names:?} {name}");
        } else {
            refused(ended, &[&format!("not for {name}"), "--insecure with --pin sha256//"]);
        }
    }
}

/// CVE-2014-0139, CVE-2014-2522: an address, or a pattern for one, in a DNS name is not an address.
#[test]
fn an_address_in_a_dns_name_does_not_count() {
    let house = House::new();
    for name in ["127.0.0.1", "*.0.0.1"] {
        let mut params = params(&[]);
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        refused(meet(&house.settings(), house.server(&params).config(), "127.0.0.1"), &["not for 127.0.0.1"]);
    }
}

#[test]
fn a_refused_name_is_told_beside_the_names_there_are() {
    let house = House::new();
    let many = ["a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test"];
    let cases: [(&[&str], &str); 4] = [
        (&["ftp.other.test"], "is for ftp.other.test, not for ftp.example.org"),
        (&["127.0.0.1"], "127.0.0.1"),
        (&many, "is for a.test, b.test, c.test, d.test, e.test and 2 more, not for"),
        (&[], "names no host, so it is not for ftp.example.org"),
    ];
    for (names, words) in cases {
        refused(meet(&house.settings(), house.server(&params(names)).config(), "ftp.example.org"), &[words]);
    }
    // The common name alone counts for nothing (RFC 6125, section 6.4.4).
    let mut params = params(&[]);
    params.distinguished_name = common_name("ftp.example.org");
    refused(meet(&house.settings(), house.server(&params).config(), "ftp.example.org"), &["names no host"]);
}

#[test]
fn time_is_checked_and_both_dates_are_told() {
    let house = House::new();
    let mut old = params(&["h.test"]);
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 3, 4));
    let words = ["expired on 2002-03-04T00:00:00Z", "clock says 20", "operator"];
    refused(meet(&house.settings(), house.server(&old).config(), "h.test"), &words);
    let mut early = params(&["h.test"]);
    (early.not_before, early.not_after) = (date_time_ymd(2998, 1, 1), date_time_ymd(2999, 1, 1));
    let words = ["is not valid before 2998-01-01T00:00:00Z", "set the clock"];
    refused(meet(&house.settings(), house.server(&early).config(), "h.test"), &words);
}

#[test]
fn somebody_trusted_has_to_vouch_for_the_server() {
    let house = House::new();
    let settings = house.settings();
    refused(
        meet(&settings, self_signed(&params(&["h.test"])).config(), "h.test"),
        &["self-signed", "--ca-file", "--insecure with --pin sha256//"],
    );
    let mut as_openssl_does = params(&["h.test"]);
    as_openssl_does.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    refused(meet(&settings, self_signed(&as_openssl_does).config(), "h.test"), &["self-signed", "--ca-file"]);
    let stranger = authority("Stranger's \u{1b}[2J Authority");
    refused(
        meet(&settings, issued(&params(&["h.test"]), &stranger).config(), "h.test"),
        &["was issued by \"Stranger's ", " Authority\", which is not trusted here", "--ca-file"],
    );
    // The same name, but another key.
    refused(
        meet(&settings, issued(&params(&["h.test"]), &authority("Test Authority")).config(), "h.test"),
        &["certificate"],
    );
    // This system's own roots know none of them.
    refused(meet(&Settings::default(), house.server(&params(&["h.test"])).config(), "h.test"), &["not trusted here"]);
}

#[test]
fn an_authority_between_is_followed_and_a_server_is_none() {
    let house = House::new();
    let mut between = CertificateParams::default();
    between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    between.distinguished_name = common_name("Between");
    let between = CertifiedIssuer::signed_by(between, KeyPair::generate().unwrap(), &house.authority).unwrap();
    let mut server = issued(&params(&["h.test"]), &between);
    refused(meet(&house.settings(), server.config(), "h.test"), &["was issued by \"Between\""]);
    server.chain.push(between.der().clone());
    assert_eq!(meet(&house.settings(), server.config(), "h.test"), Ok(()));
    // A server that issues certificates.
    let mallory =
        CertifiedIssuer::signed_by(params(&["m.test"]), KeyPair::generate().unwrap(), &house.authority).unwrap();
    let mut server = issued(&params(&["h.test"]), &mallory);
    server.chain.push(mallory.der().clone());
    refused(meet(&house.settings(), server.config(), "h.test"), &["may not sign others"]);
}

#[test]
fn a_certificate_for_another_purpose_is_refused() {
    let house = House::new();
    for (purpose, fits) in [
        (ExtendedKeyUsagePurpose::ServerAuth, true),
        (ExtendedKeyUsagePurpose::ClientAuth, false),
        (ExtendedKeyUsagePurpose::CodeSigning, false),
    ] {
        let mut params = params(&["h.test"]);
        params.extended_key_usages = vec![purpose];
        let ended = meet(&house.settings(), house.server(&params).config(), "h.test");
        if fits {
            assert_eq!(ended, Ok(()));
        } else {
            refused(ended, &["another purpose"]);
        }
    }
}

/// A server's own certificate in the file of authorities is taken, as it is; whether it may sign others or not.
#[test]
fn a_server_listed_itself_is_trusted_for_its_time_and_name() {
    let house = House::new();
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut good = params(&["h.test", "127.0.0.1"]);
        good.is_ca = is_ca.clone();
        let server = self_signed(&good);
        let file = house.folder.path().join(format!("{}.pem", server.pin().to_string().replace('/', "_")));
        fs::write(&file, &server.pem).unwrap();
        let settings = Settings { ca_file: Some(file), ..Settings::default() };
        assert_eq!(meet(&settings, server.config(), "h.test"), Ok(()), "{is_ca:?}");
        assert_eq!(meet(&settings, server.config(), "127.0.0.1"), Ok(()), "{is_ca:?}");
        refused(meet(&settings, server.config(), "i.test"), &["is for h.test, not for i.test"]);
        // Another one that looks the same.
        refused(meet(&settings, self_signed(&good).config(), "h.test"), &["certificate"]);
    }
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut old = params(&["h.test"]);
        old.is_ca = is_ca.clone();
        (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 3, 4));
        let server = self_signed(&old);
        let settings = Settings {
            ca_file: Some(house.file(if is_ca == IsCa::NoCa { "old.pem" } else { "old-ca.pem" }, &server.pem)),
            ..Settings::default()
        };
        refused(meet(&settings, server.config(), "h.test"), &["expired"]);
    }
}

/// One whose issuer is not in the file.
#[test]
fn a_server_listed_without_its_issuer_is_trusted() {
    let house = House::new();
    let server = issued(&params(&["h.test"]), &authority("Away"));
    let settings = Settings { ca_file: Some(house.file("server.pem", &server.pem)), ..Settings::default() };
    assert_eq!(meet(&settings, server.config(), "h.test"), Ok(()));
    refused(meet(&settings, house.server(&params(&["h.test"])).config(), "h.test"), &["not trusted here"]);
}

/// Whoever has the key of one server that a user trusts must not be able to be any other.
#[test]
fn a_server_listed_itself_vouches_for_nobody_else() {
    let house = House::new();
    for (file, is_ca, years) in [
        ("no-ca.pem", IsCa::NoCa, (2001, 2999)),
        ("explicit.pem", IsCa::ExplicitNoCa, (2001, 2999)),
        ("expired.pem", IsCa::NoCa, (2001, 2002)),
    ] {
        let mut listed = params(&["m.test"]);
        listed.distinguished_name = common_name("mallory");
        listed.is_ca = is_ca;
        (listed.not_before, listed.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let mallory = CertifiedIssuer::self_signed(listed, KeyPair::generate().unwrap()).unwrap();
        let settings = Settings { ca_file: Some(house.file(file, &mallory.pem())), ..Settings::default() };
        let mut server = issued(&params(&["h.test"]), &mallory);
        refused(meet(&settings, server.config(), "h.test"), &["not trusted here"]);
        server.chain.push(mallory.der().clone());
        let words = if years.1 == 2002 { "expired" } else { "may not sign others" };
        refused(meet(&settings, server.config(), "h.test"), &[words]);
    }
}

#[test]
fn a_pin_has_to_fit_besides_all_else() {
    let house = House::new();
    let (good, other) = (house.server(&params(&["h.test"])), house.server(&params(&["h.test"])));
    let settings = pinned(house.settings(), good.pin());
    assert_eq!(meet(&settings, good.config(), "h.test"), Ok(()));
    let shown = format!("has the key {}, which is not the one that --pin asks for", other.pin());
    refused(meet(&settings, other.config(), "h.test"), &[&shown, "new key"]);
    refused(meet(&settings, good.config(), "i.test"), &["not for i.test"]);
    refused(meet(&pinned(Settings::default(), good.pin()), good.config(), "h.test"), &["not trusted here"]);
    let both = Settings { pin: Pins::new(vec![other.pin(), good.pin()]).unwrap(), ..house.settings() };
    assert_eq!(meet(&both, good.config(), "h.test"), Ok(()));
    assert_eq!(meet(&both, other.config(), "h.test"), Ok(()));
    // The authority's key is not the server's.
    let key = rcgen::PublicKeyData::subject_public_key_info(house.authority.key());
    let key = ring::digest::digest(&ring::digest::SHA256, &key);
    let settings = pinned(house.settings(), Pin::new(key.as_ref().try_into().unwrap()));
    refused(meet(&settings, good.config(), "h.test"), &["--pin"]);
}

#[test]
fn insecure_takes_any_certificate_but_no_other_key_than_the_pinned() {
    let house = House::new();
    let insecure = Settings { insecure: Some(true), ..Settings::default() };
    let mut old = params(&["other.test"]);
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 3, 4));
    let server = self_signed(&old);
    assert_eq!(meet(&insecure, server.config(), "h.test"), Ok(()));
    let settings = pinned(insecure.clone(), server.pin());
    assert_eq!(meet(&settings, server.config(), "h.test"), Ok(()));
    refused(meet(&settings, house.server(&params(&["h.test"])).config(), "h.test"), &["has the key sha256//"]);
    // A certificate that is damaged has no key that could be compared.
    let key =
        rustls::crypto::ring::sign::any_supported_type(&PrivateKeyDer::try_from(server.key.serialize_der()).unwrap());
    let broken = rustls::sign::CertifiedKey::new(vec![CertificateDer::from(vec![0x30, 0])], key.unwrap());
    let broken = || builder().with_no_client_auth().with_cert_resolver(Arc::new(Only(Arc::new(broken.clone()))));
    refused(meet(&settings, broken(), "h.test"), &["damaged"]);
    assert!(meet(&insecure, broken(), "h.test").is_err());
}

/// Shows whatever it is told to, with whatever key.
#[derive(Debug)]
struct Only(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Only {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Anybody can show a certificate; the handshake's signature shows who has its key. Not even `--insecure` does without,
/// or a pin would be worth nothing.
#[test]
fn the_key_has_to_be_the_servers_own_whatever_the_policy() {
    let house = House::new();
    let real = house.server(&params(&["h.test"]));
    let thief = KeyPair::generate().unwrap();
    let key = PrivateKeyDer::try_from(thief.serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let shown = Arc::new(rustls::sign::CertifiedKey::new(real.chain.clone(), key));
    let insecure = Settings { insecure: Some(true), ..Settings::default() };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config =
            || builder_of(&[version]).with_no_client_auth().with_cert_resolver(Arc::new(Only(Arc::clone(&shown))));
        for settings in [house.settings(), insecure.clone(), pinned(insecure.clone(), real.pin())] {
            refused(meet(&settings, config(), "h.test"), &["does not have the key of the certificate"]);
        }
    }
}

#[test]
fn the_oldest_version_is_kept_to() {
    let house = House::new();
    let server = house.server(&params(&["h.test"]));
    let key = || PrivateKeyDer::try_from(server.key.serialize_der()).unwrap();
    let only = |version| builder_of(&[version]).with_no_client_auth().with_single_cert(server.chain.clone(), key());
    let (old, new) = (&rustls::version::TLS12, &rustls::version::TLS13);
    let settings = house.settings();
    let strict = Settings { tls_min: Some(TlsVersion::V13), ..settings.clone() };
    assert_eq!(meet(&settings, only(old).unwrap(), "h.test"), Ok(()));
    assert_eq!(meet(&settings, only(new).unwrap(), "h.test"), Ok(()));
    assert_eq!(meet(&strict, only(new).unwrap(), "h.test"), Ok(()));
    let failure = meet(&strict, only(old).unwrap(), "h.test").unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Permanent, Cause::TlsRefused), "{failure}");
    assert!(failure.message.contains("version of TLS"), "{failure}");
    let lowered = policy(&settings).tls12().unwrap();
    assert_eq!(meet_under(&lowered, only(old).unwrap(), "h.test"), Ok(()));
    assert!(meet_under(&lowered, only(new).unwrap(), "h.test").is_err());
    assert_eq!(policy(&strict).tls12(), None);
}

fn demanding(house: &House, server: &Server) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(house.authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let key = PrivateKeyDer::try_from(server.key.serialize_der()).unwrap();
    builder().with_client_cert_verifier(verifier).with_single_cert(server.chain.clone(), key).unwrap()
}

#[test]
fn a_server_that_demands_a_client_certificate_is_shown_it() {
    let house = House::new();
    let server = house.server(&params(&["h.test"]));
    let config = || demanding(&house, &server);
    let failure = meet(&house.settings(), config(), "h.test").unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Permanent, Cause::TlsRefused), "{failure}");
    assert!(failure.message.contains("it demands a client certificate"), "{failure}");
    assert!(failure.advice.unwrap().contains("--client-cert"));

    let me = house.server(&params(&["me"]));
    let cert = house.file("me.pem", &me.pem);
    let key = house.file("me.key", &me.key.serialize_pem());
    let both = house.file("both.pem", &format!("{}{}", me.key.serialize_pem(), me.pem));
    let apart = Settings { client_cert: Some(cert.clone()), client_key: Some(key), ..house.settings() };
    assert_eq!(meet(&apart, config(), "h.test"), Ok(()));
    let together = Settings { client_cert: Some(both), ..house.settings() };
    assert_eq!(meet(&together, config(), "h.test"), Ok(()));

    let stranger = issued(&params(&["me"]), &authority("Stranger"));
    let theirs = house.file("their.pem", &format!("{}{}", stranger.key.serialize_pem(), stranger.pem));
    let failure = meet(&Settings { client_cert: Some(theirs), ..house.settings() }, config(), "h.test").unwrap_err();
    assert!(failure.message.contains("client certificate"), "{failure}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let house = House::new();
    let me = house.server(&params(&["me"]));
    let cert = house.file("me.pem", &me.pem);
    let other = house.file("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let open = house.file("open.key", &me.key.serialize_pem());
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    let ed448 = house.file("odd.key", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n");
    let client = |cert: &Path, key: &Path| Settings {
        client_cert: Some(cert.to_owned()),
        client_key: Some(key.to_owned()),
        ..house.settings()
    };
    let ca = |text: &str, name: &str| Settings { ca_file: Some(house.file(name, text)), ..Settings::default() };
    for (settings, words) in [
        (client(&cert, &other), ["other.key is not that of the first certificate in", "me.pem"]),
        (client(&cert, &open), ["open.key", "chmod 600"]),
        (client(&cert, &ed448), ["odd.key", "kind"]),
        (client(&cert, &cert), ["me.pem", "holds no private key"]),
        (client(&other, &other), ["other.key", "holds no certificate"]),
        (Settings { client_cert: Some(cert.clone()), ..house.settings() }, ["holds no private key", "`client-cert`"]),
        (
            Settings { ca_file: Some("/nonexistent/ca.pem".into()), ..Settings::default() },
            ["/nonexistent", "`ca-file`"],
        ),
        (ca("", "empty.pem"), ["empty.pem", "holds no certificate"]),
        (
            ca("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "bad.pem"),
            ["bad.pem: certificate 1 can't be used", "`ca-file`"],
        ),
    ] {
        let failure = client_config(&policy(&settings)).unwrap_err();
        assert_eq!((failure.kind, failure.stage), (FailureKind::Local, Stage::Secure), "{failure}");
        for word in words {
            assert!(failure.to_string().contains(word), "{word:?} is missing in: {failure}");
        }
        // It is not looked at again in this run.
        assert_eq!(client_config(&policy(&settings)).unwrap_err(), failure);
    }
}

#[test]
fn one_policy_has_one_configuration() {
    let house = House::new();
    let settings = house.settings();
    let first = client_config(&policy(&settings)).unwrap();
    assert!(Arc::ptr_eq(&first, &client_config(&policy(&settings)).unwrap()));
    let other = Settings { insecure: Some(true), ..settings.clone() };
    assert!(!Arc::ptr_eq(&first, &client_config(&policy(&other)).unwrap()));
    let lowered = policy(&settings).tls12().unwrap();
    assert!(!Arc::ptr_eq(&first, &client_config(&lowered).unwrap()));
    // The file is not read again.
    fs::write(settings.ca_file.as_ref().unwrap(), "").unwrap();
    assert!(Arc::ptr_eq(&first, &client_config(&policy(&settings)).unwrap()));
}

#[test]
fn failures_on_the_data_connection_say_so() {
    let house = House::new();
    let config = client_config(&policy(&house.settings())).unwrap();
    let server = self_signed(&params(&["h.test"]));
    let mut client = ClientConnection::new(config, ServerName::try_from("h.test").unwrap()).unwrap();
    let mut peer = ServerConnection::new(Arc::new(server.config())).unwrap();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    peer.read_tls(&mut wire.as_slice()).unwrap();
    peer.process_new_packets().unwrap();
    let mut wire = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut wire).unwrap();
    }
    client.read_tls(&mut wire.as_slice()).unwrap();
    let error = client.process_new_packets().unwrap_err();
    let failure = handshake_failure(Stage::Data, &error);
    assert_eq!((failure.stage, failure.cause), (Stage::Data, Cause::Certificate));
    assert!(failure.message.starts_with("the server's certificate on the data connection is self-signed"), "{failure}");
}

#[test]
fn the_servers_words_are_told_with_a_way_out() {
    use Cause::{Protocol, TlsRefused};
    use FailureKind::{Permanent, Transient};
    use rustls::{AlertDescription as Alert, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};
    for (error, kind, cause, words) in [
        (Error::AlertReceived(Alert::ProtocolVersion), Permanent, TlsRefused, "no version of TLS"),
        (Error::AlertReceived(Alert::HandshakeFailure), Permanent, TlsRefused, "in common"),
        (Error::AlertReceived(Alert::UnknownCA), Permanent, TlsRefused, "--client-cert"),
        (Error::AlertReceived(Alert::CertificateRequired), Permanent, TlsRefused, "--client-cert"),
        (Error::AlertReceived(Alert::UnrecognisedName), Permanent, TlsRefused, "host"),
        (Error::AlertReceived(Alert::InternalError), Permanent, TlsRefused, "InternalError"),
        (PeerIncompatible::ServerDoesNotSupportTls12Or13.into(), Permanent, TlsRefused, "TLS 1.1"),
        (PeerIncompatible::NoCipherSuitesInCommon.into(), Permanent, TlsRefused, "RSA key exchange"),
        (Error::InvalidMessage(InvalidMessage::InvalidContentType), Permanent, TlsRefused, "ftpes://"),
        (Error::DecryptError, Transient, Protocol, "again"),
        (PeerMisbehaved::SelectedUnofferedCipherSuite.into(), Transient, Protocol, "again"),
        (Error::NoCertificatesPresented, Permanent, Cause::Certificate, "no certificate"),
    ] {
        let failure = handshake_failure(Stage::Secure, &error);
        assert_eq!((failure.kind, failure.cause), (kind, cause), "{failure}");
        assert!(failure.to_string().contains(words) && failure.advice.is_some(), "{failure}");
    }
}

/// What a server writes into its certificate goes to a terminal.
#[test]
fn names_of_a_certificate_cannot_drive_a_terminal() {
    let house = House::new();
    let stranger = authority("\u{1b}]0;x\u{7}\u{202e}evil\nline");
    let failure = meet(&house.settings(), issued(&params(&["h.test"]), &stranger).config(), "h.test").unwrap_err();
    assert!(!failure.to_string().chars().any(|c| c.is_control() || c == '\u{202e}'), "{failure:?}");
}

#[test]
fn pem_is_what_the_files_hold() {
    // The chain of a test server is what its file says: the tests above stand on it.
    let server = self_signed(&params(&["h.test"]));
    assert_eq!(CertificateDer::from_pem_slice(server.pem.as_bytes()).unwrap(), server.chain[0]);
}
