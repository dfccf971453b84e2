//! Whether a server is the one it should be.

use super::policy::TlsPolicy;
use super::refusal::{Problem, Refused, Shown};
use crate::model::Pins;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// Who may vouch for a server.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// Nobody has to.
    Anybody,
    /// One of these, for the time and the name.
    These {
        /// Those who vouch for others.
        authorities: Arc<RootCertStore>,
        /// Servers' own certificates, each of which vouches for itself.
        servers: Arc<[CertificateDer<'static>]>,
    },
}

/// The checks of a policy: who vouches for the server, and which key it has. The signature of the handshake, by which
/// the server shows that the key is its own, is checked whatever the policy says.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    pins: Option<Pins>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(policy: &TlsPolicy, trust: Trust, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { trust, pins: policy.pins().cloned(), algorithms }
    }

    fn judge(
        &self,
        (server, between): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        name: &ServerName<'_>,
        shown: Option<&Shown>,
        now: UnixTime,
    ) -> Result<(), Problem> {
        if let Trust::These { authorities, servers } = &self.trust {
            let parsed = ParsedCertificate::try_from(server).map_err(Problem::of)?;
            let vouched =
                verify_server_cert_signed_by_trust_anchor(&parsed, authorities, between, now, self.algorithms.all);
            match vouched {
                // Time comes before the issuer, so it was checked.
                Err(error) if lacks_an_issuer(&error) && servers.iter().any(|known| known == server) => {}
                vouched => vouched.map_err(Problem::of)?,
            }
            verify_server_name(&parsed, name).map_err(Problem::of)?;
        }
        match (&self.pins, shown) {
            (None, _) => Ok(()),
            (Some(pins), Some(shown)) if pins.as_slice().contains(&shown.pin) => Ok(()),
            (Some(_), Some(_)) => Err(Problem::Pin),
            (Some(_), None) => Err(Problem::Certificate(CertificateError::BadEncoding)),
        }
    }
}

/// Whether all that is wrong with a certificate is that nobody but itself vouches for it. One that may sign others, as
/// `openssl req -x509` makes them, is refused as a server's before its issuer is looked for.
fn lacks_an_issuer(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Shown::of(server);
        match self.judge((server, between), name, shown.as_ref(), now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(problem) => {
                let refused = Refused { problem, host: name.to_str().into_owned(), shown };
                Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused)))))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
