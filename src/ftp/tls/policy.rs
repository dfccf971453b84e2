//! What TLS has to be for a session.

use super::config::client_config;
use crate::model::{Cause, Failure, Pins, Scheme, Settings, Stage, Tls, TlsVersion};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whether there is TLS, and when it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// None.
    #[default]
    Off,
    /// From AUTH TLS on, or no session.
    Explicit,
    /// From the first byte on, or no session.
    Implicit,
    /// From AUTH TLS on where the server takes it, else none.
    Prefer,
}

/// What TLS has to be: a session is for those jobs alone whose policy is equal to the one it was opened with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    mode: TlsMode,
    only_tls12: bool,
    terms: Arc<Terms>,
}

/// Whom to trust, and whom to be. All at its default where there is no TLS.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Terms {
    ca_file: Option<PathBuf>,
    pins: Option<Pins>,
    client: Option<ClientFiles>,
    min: TlsVersion,
    insecure: bool,
}

/// Where the client's own certificate is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientFiles {
    /// The certificate, and those between it and its root.
    pub(super) cert: PathBuf,
    /// The private key; may be the same file.
    pub(super) key: PathBuf,
}

impl TlsPolicy {
    /// The policy that settings make for URLs of a scheme. `ftpes` and `ftps` always mean TLS of their own kind; `tls`
    /// speaks for `ftp`.
    ///
    /// # Errors
    /// When settings and scheme contradict each other. Nothing is sent then.
    pub fn new(settings: &Settings, scheme: Scheme) -> Result<Self, Failure> {
        let mode = mode(settings.tls.unwrap_or_default(), scheme)?;
        if mode == TlsMode::Off {
            return match &settings.pin {
                Some(_) => Err(contradiction("a pin is given, but an ftp:// URL without `tls` uses no TLS")
                    .with_advice("write the URL with ftpes://, or add --tls explicit; or leave the pin out")),
                None => Ok(Self::default()),
            };
        }
        if mode == TlsMode::Prefer && settings.pin.is_some() {
            return Err(contradiction("a pin demands TLS, and `tls = \"prefer\"` does without where there is none")
                .with_advice("set `tls` to explicit for this host"));
        }
        let client = match (&settings.client_cert, &settings.client_key) {
            (None, Some(_)) => {
                return Err(contradiction("`client-key` is given, but no `client-cert`")
                    .with_advice("name the file with the certificate, which may be the same"));
            }
            (None, None) => None,
            (Some(cert), key) => Some(ClientFiles { cert: cert.clone(), key: key.as_ref().unwrap_or(cert).clone() }),
        };
        let terms = Terms {
            ca_file: settings.ca_file.clone(),
            pins: settings.pin.clone(),
            client,
            min: settings.tls_min.unwrap_or_default(),
            insecure: settings.insecure.unwrap_or_default(),
        };
        Ok(Self { mode, only_tls12: false, terms: Arc::new(terms) })
    }

    /// Reads the files that the policy names, once a run.
    ///
    /// # Errors
    /// When one can't be used, or this system trusts nobody: a session would fail by it.
    pub fn prepare(&self) -> Result<(), Failure> {
        if self.mode == TlsMode::Off { Ok(()) } else { client_config(self).map(drop) }
    }

    /// Whether there is TLS, and when it begins.
    #[must_use]
    pub fn mode(&self) -> TlsMode {
        self.mode
    }

    /// Whether any certificate will do.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.terms.insecure
    }

    /// The same policy, but with TLS 1.2 alone, for servers that do not resume sessions of 1.3. `None` where the user
    /// wants 1.3 at least.
    #[must_use]
    pub fn tls12(&self) -> Option<Self> {
        (self.terms.min == TlsVersion::V12).then(|| Self { only_tls12: true, ..self.clone() })
    }

    pub(super) fn has_only_tls12(&self) -> bool {
        self.only_tls12
    }

    pub(super) fn min(&self) -> TlsVersion {
        self.terms.min
    }

    pub(super) fn ca_file(&self) -> Option<&Path> {
        self.terms.ca_file.as_deref()
    }

    pub(super) fn pins(&self) -> Option<&Pins> {
        self.terms.pins.as_ref()
    }

    pub(super) fn client(&self) -> Option<&ClientFiles> {
        self.terms.client.as_ref()
    }
}

fn mode(tls: Tls, scheme: Scheme) -> Result<TlsMode, Failure> {
    Ok(match (scheme, tls) {
        (Scheme::Ftp, Tls::Auto | Tls::Off) => TlsMode::Off,
        (Scheme::Ftp, Tls::Prefer) => TlsMode::Prefer,
        (Scheme::Ftpes | Scheme::Ftps, Tls::Off) => {
            let message = format!("the URL's {}:// demands TLS, and `tls` is set to off", scheme.name());
            return Err(contradiction(&message).with_advice("write the URL with ftp://, or take the setting back"));
        }
        (Scheme::Ftp, Tls::Explicit) | (Scheme::Ftpes, _) => TlsMode::Explicit,
        (Scheme::Ftp, Tls::Implicit) | (Scheme::Ftps, _) => TlsMode::Implicit,
    })
}

fn contradiction(message: &str) -> Failure {
    Failure::permanent(Stage::Secure, Cause::Unsupported, message)
}
