//! The library's configuration for a policy.

use super::policy::TlsPolicy;
use super::verifier::{Trust, Verifier};
use crate::config::{ConfigError, read_certificates, read_private_key};
use crate::model::{Cause, Failure, Stage, TlsVersion};
use rustls::client::WantsClientCert;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

type Made = HashMap<TlsPolicy, Result<Arc<ClientConfig>, Failure>>;

/// What was made already: files are read once a run, and a run is a process.
static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
/// Policies whose configurations are kept; a list in which every job has a pin of its own would go on without end.
const KEPT: usize = 256;

/// The configuration for a policy; the same one whenever the policy is equal. A session makes a copy with a session
/// store of its own.
///
/// # Errors
/// When a file of the policy can't be used, or this system trusts nobody.
pub(in crate::ftp) fn client_config(policy: &TlsPolicy) -> Result<Arc<ClientConfig>, Failure> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.get(policy) {
        return known.clone();
    }
    if made.len() >= KEPT {
        made.clear();
    }
    let new = make(policy).map(Arc::new);
    made.insert(policy.clone(), new.clone());
    new
}

fn make(policy: &TlsPolicy) -> Result<ClientConfig, Failure> {
    let provider = rustls::crypto::ring::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let trust = match policy.ca_file() {
        _ if policy.is_insecure() => Trust::Anybody,
        Some(path) => file(path, algorithms)?,
        None => Trust::These { authorities: system()?, servers: Arc::default() },
    };
    let verifier = Verifier::new(policy, trust, algorithms);
    let config = versions(policy, provider)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    with_client(policy, config)
}

fn versions(
    policy: &TlsPolicy,
    provider: CryptoProvider,
) -> Result<ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Failure> {
    let versions: &[_] = match policy.min() {
        _ if policy.has_only_tls12() => &[&TLS12],
        TlsVersion::V12 => &[&TLS13, &TLS12],
        TlsVersion::V13 => &[&TLS13],
    };
    ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions).map_err(|error| {
        Failure::local(Stage::Secure, Cause::Unsupported, format!("TLS can't be begun: {error}"))
            .with_advice("this is a fault of ftpq; please report it")
    })
}

/// Adds the certificate that is shown to the server, where there is one.
fn with_client(
    policy: &TlsPolicy,
    config: ConfigBuilder<ClientConfig, WantsClientCert>,
) -> Result<ClientConfig, Failure> {
    let Some(files) = policy.client() else { return Ok(config.with_no_client_auth()) };
    let chain = read_certificates(&files.cert).map_err(|e| unusable("client-cert", &e))?;
    let option = if files.key == files.cert { "client-cert" } else { "client-key" };
    let key = read_private_key(&files.key).map_err(|e| unusable(option, &e))?;
    config.with_client_auth_cert(chain, key).map_err(|error| {
        let (key, cert) = (shown(&files.key), shown(&files.cert));
        let message = match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("the private key in {key} is not that of the first certificate in {cert}")
            }
            _ => format!("the private key in {key} is of a kind that ftpq can't use: {error}"),
        };
        Failure::local(Stage::Secure, Cause::LocalIo, message)
            .with_advice("correct `client-cert` and `client-key`, then run ftpq again")
    })
}

/// The roots that this system trusts, or the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; read once.
fn system() -> Result<Arc<RootCertStore>, Failure> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, Failure>> = OnceLock::new();
    let load = || {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if !roots.is_empty() {
            return Ok(Arc::new(roots));
        }
        let why = found.errors.first().map(|e| format!(": {e}")).unwrap_or_default();
        let message = format!("this system has no certificates of authorities that are trusted{why}");
        Err(Failure::local(Stage::Secure, Cause::LocalIo, message).with_advice(
            "install them (on Debian, the package ca-certificates), set SSL_CERT_FILE, or name a file with --ca-file",
        ))
    };
    ROOTS.get_or_init(load).clone()
}

/// What a file says of whom to trust.
fn file(path: &Path, algorithms: WebPkiSupportedAlgorithms) -> Result<Trust, Failure> {
    let certificates = read_certificates(path).map_err(|e| unusable("ca-file", &e))?;
    let mut authorities = RootCertStore::empty();
    for (at, certificate) in certificates.iter().enumerate() {
        if !is_authority(certificate, algorithms) {
            continue;
        }
        authorities.add(certificate.clone()).map_err(|error| {
            let message = format!("{}: certificate {} can't be used: {error}", shown(path), at + 1);
            Failure::local(Stage::Secure, Cause::LocalIo, message).with_advice("correct the file, or `ca-file`")
        })?;
    }
    Ok(Trust::These { authorities: Arc::new(authorities), servers: certificates.into() })
}

/// Whether a certificate may vouch for others (RFC 5280, section 4.2.1.9). A server's own certificate that a user
/// trusts must not become an authority for every other name.
fn is_authority(certificate: &CertificateDer<'_>, algorithms: WebPkiSupportedAlgorithms) -> bool {
    // Old roots are of version 1, which doesn't say; a server's certificate is never taken in that version.
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else { return true };
    let mut time = UnixTime::now();
    for _ in 0..2 {
        // Asked whether it is a server's: that one may sign others is said before anything but its time.
        let usage = webpki::KeyUsage::server_auth();
        match parsed.verify_for_usage(algorithms.all, &[], &[], time, usage, None, None).err() {
            Some(webpki::Error::CaUsedAsEndEntity) => return true,
            Some(webpki::Error::CertExpired { not_after, .. }) => time = not_after,
            Some(webpki::Error::CertNotValidYet { not_before, .. }) => time = not_before,
            _ => return false,
        }
    }
    false
}

/// A file that a setting names can't be used.
fn unusable(setting: &str, error: &ConfigError) -> Failure {
    Failure::local(Stage::Secure, Cause::LocalIo, error.to_string())
        .with_advice(format!("correct the file, or `{setting}`, then run ftpq again"))
}

fn shown(path: &Path) -> String {
    crate::model::printable(&path.to_string_lossy(), 300)
}
