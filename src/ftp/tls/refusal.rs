//! Why there is no TLS with a server, and what to do about it.

use super::distinguished;
use crate::model::{Cause, Failure, Pin, Stage, printable, rfc3339};
use ring::digest::{SHA256, digest};
use rustls::{AlertDescription as Alert, CertificateError, Error, OtherError, PeerIncompatible};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::fmt;

/// Names of a certificate that are told.
const NAMES: usize = 5;
/// Longest name that is told, in characters.
const NAME: usize = 100;

/// A certificate that is refused. It travels through the library inside its own error.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) problem: Problem,
    /// The name that the user gave.
    pub(super) host: String,
    /// What the server showed; `None` where it can't be read.
    pub(super) shown: Option<Shown>,
}

/// What is wrong with a certificate.
#[derive(Debug)]
pub(super) enum Problem {
    /// One of the usual checks.
    Certificate(CertificateError),
    /// The key is none of those pinned.
    Pin,
    /// The library is at its end.
    Other(Error),
}

impl Problem {
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::Certificate(error),
            error => Self::Other(error),
        }
    }
}

/// What a server's certificate says, for the user's eyes.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) pin: Pin,
    names: Vec<String>,
    issuer: Option<String>,
    is_self_signed: bool,
}

impl Shown {
    /// What is in the certificate; `None` where it can't be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let key = digest(&SHA256, &parsed.subject_public_key_info());
        Some(Self {
            pin: Pin::new(key.as_ref().try_into().ok()?),
            names: parsed.valid_dns_names().map(str::to_owned).collect(),
            issuer: distinguished::name(parsed.issuer()),
            is_self_signed: parsed.issuer() == parsed.subject(),
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().0)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// What is wrong, behind "the server's certificate", and what to do.
    fn words(&self) -> (String, String) {
        let ask = || format!("ask the server's operator{}", self.way_past());
        match &self.problem {
            Problem::Pin => {
                let pin = self.shown.as_ref().map(|shown| shown.pin.to_string()).unwrap_or_default();
                let advice = "if the server's operator confirms that it has a new key, put that into --pin";
                (format!("has the key {pin}, which is not the one that --pin asks for"), advice.to_owned())
            }
            Problem::Other(error) => (format!("can't be checked: {}", printable(&error.to_string(), 200)), ask()),
            Problem::Certificate(error) => self.of_certificate(error, ask),
        }
    }

    fn of_certificate(&self, error: &CertificateError, ask: impl Fn() -> String) -> (String, String) {
        use CertificateError as E;
        match error {
            E::ExpiredContext { time, not_after } => {
                let text = format!("expired on {}; this machine's clock says {}", date(*not_after), date(*time));
                (text, format!("if that is right, {}", ask()))
            }
            E::NotValidYetContext { time, not_before } => {
                let text =
                    format!("is not valid before {}; this machine's clock says {}", date(*not_before), date(*time));
                (text, format!("set the clock if it is wrong; else {}", ask()))
            }
            E::NotValidForNameContext { presented, .. } => self.of_name(presented),
            E::UnknownIssuer => self.of_issuer(),
            E::Other(OtherError(other)) => match other.downcast_ref() {
                Some(webpki::Error::CaUsedAsEndEntity) => self.of_issuer(),
                Some(webpki::Error::EndEntityUsedAsCa) => {
                    ("was signed by means of a certificate that may not sign others".to_owned(), ask())
                }
                Some(webpki::Error::NameConstraintViolation) => {
                    ("is for a name that its issuer may not vouch for".to_owned(), ask())
                }
                Some(error) => (format!("is not as it should be: {error}"), ask()),
                None => ("is not as it should be".to_owned(), ask()),
            },
            E::Revoked => ("was revoked by its issuer".to_owned(), ask()),
            E::BadSignature => ("bears a signature that is not its issuer's".to_owned(), ask()),
            E::InvalidPurposeContext { .. } | E::InvalidPurpose => {
                ("is for another purpose than being a server".to_owned(), ask())
            }
            E::UnsupportedSignatureAlgorithmContext { .. }
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                ("is signed in a way that is not safe any more, or not known".to_owned(), ask())
            }
            E::BadEncoding => ("is damaged".to_owned(), ask()),
            other => (format!("is not as it should be: {}", printable(&format!("{other:?}"), 200)), ask()),
        }
    }

    fn of_name(&self, presented: &[String]) -> (String, String) {
        let names: Vec<&str> = match &self.shown {
            // As the library writes them: `DnsName("a")`, `IpAddress(127.0.0.1)`.
            Some(shown) if shown.names.is_empty() => presented.iter().map(String::as_str).collect(),
            Some(shown) => shown.names.iter().map(String::as_str).collect(),
            None => Vec::new(),
        };
        let host = printable(&self.host, NAME);
        if names.is_empty() {
            return (
                format!("names no host, so it is not for {host}"),
                format!("ask the server's operator for one with a subject alternative name{}", self.way_past()),
            );
        }
        (
            format!("is for {}, not for {host}", listed(&names)),
            format!(
                "write the name in the URL that the certificate is for, if it is that server{}",
                self.way_past().replacen("; or", "; else", 1)
            ),
        )
    }

    fn of_issuer(&self) -> (String, String) {
        let advice = format!(
            "if it should be trusted, get the certificate of its issuer, or its own, from the server's operator and \
             name the file with --ca-file{}",
            self.way_past()
        );
        let text = match &self.shown {
            Some(shown) if shown.is_self_signed => "is self-signed, and not among those trusted".to_owned(),
            Some(Shown { issuer: Some(issuer), .. }) => {
                format!("was issued by {:?}, which is not trusted here", printable(issuer, NAME))
            }
            _ => "was issued by somebody who is not trusted here".to_owned(),
        };
        (text, advice)
    }

    /// How to take the server by its key, whatever its certificate says.
    fn way_past(&self) -> String {
        match &self.shown {
            Some(shown) => {
                format!("; or, once the operator has confirmed the key, use --insecure with --pin {}", shown.pin)
            }
            None => String::new(),
        }
    }
}

/// Names, as many as a person reads.
fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMES).map(|name| printable(name, NAME)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        text = format!("{text} and {} more", names.len() - NAMES);
    }
    text
}

fn date(time: UnixTime) -> String {
    rfc3339(time.as_secs())
}

/// The failure of a TLS handshake, on the control connection ([`Stage::Secure`]) or on a data connection
/// ([`Stage::Data`]).
pub(in crate::ftp) fn handshake_failure(stage: Stage, error: &Error) -> Failure {
    let on = if stage == Stage::Data { " on the data connection" } else { "" };
    let (cause, message, advice) = match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(other))) if other.is::<Refused>() => {
            let (text, advice) = other.downcast_ref().map(Refused::words).unwrap_or_default();
            (Cause::Certificate, format!("the server's certificate{on} {text}"), advice)
        }
        // The signature by which the server shows that the key is its own.
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            let text = format!("the server{on} does not have the key of the certificate that it shows");
            (Cause::Certificate, text, "somebody may sit between; ask the server's operator".to_owned())
        }
        Error::InvalidCertificate(error) => {
            let text = format!("the server's certificate{on} can't be used: {}", printable(&format!("{error:?}"), 200));
            (Cause::Certificate, text, "ask the server's operator".to_owned())
        }
        Error::NoCertificatesPresented => {
            let text = format!("the server shows no certificate{on}");
            (Cause::Certificate, text, "ask the server's operator".to_owned())
        }
        Error::PeerIncompatible(what) => (Cause::TlsRefused, incompatible(what, on), OLD.to_owned()),
        Error::AlertReceived(alert) => {
            let (text, advice) = alerted(*alert);
            (Cause::TlsRefused, format!("the server broke off the TLS handshake{on}: {text}"), advice.to_owned())
        }
        Error::InvalidMessage(_) | Error::PeerSentOversizedRecord => {
            let text = format!("what the server sends{on} is no TLS");
            (Cause::TlsRefused, text, "check scheme and port: ftpes:// is for port 21, ftps:// for 990".to_owned())
        }
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::DecryptError => {
            let message = format!("the server's TLS{on} is not right: {error}");
            return Failure::transient(stage, Cause::Protocol, message)
                .with_advice("it is tried again; if it stays, somebody may sit between");
        }
        error => {
            let text = format!("the TLS handshake{on} failed: {}", printable(&error.to_string(), 200));
            (Cause::TlsRefused, text, "check the settings of TLS for this host".to_owned())
        }
    };
    Failure::permanent(stage, cause, message).with_advice(advice)
}

const OLD: &str =
    "the server has to be brought up to date; ftpq speaks TLS 1.2 and 1.3 with forward secrecy (ECDHE) and AEAD";

fn incompatible(what: &PeerIncompatible, on: &str) -> String {
    use PeerIncompatible as P;
    match what {
        P::ServerDoesNotSupportTls12Or13 | P::Tls12NotOffered | P::Tls12NotOfferedOrEnabled => {
            format!("the server{on} offers only TLS 1.1 or older, which is not safe any more")
        }
        P::ServerTlsVersionIsDisabledByOurConfig => {
            format!("the server{on} speaks a version of TLS that --tls-min does not allow")
        }
        P::NoCipherSuitesInCommon | P::NoKxGroupsInCommon | P::NoEcPointFormatsInCommon => format!(
            "the server{on} offers only ciphers that ftpq does not speak, such as RSA key exchange, finite-field \
             Diffie-Hellman or CBC"
        ),
        P::NoSignatureSchemesInCommon | P::NoCertificateRequestSignatureSchemesInCommon => {
            format!("the server{on} signs only in ways that ftpq does not take, such as SHA-1")
        }
        other => format!("the server{on} lacks something of TLS that ftpq needs: {other:?}"),
    }
}

/// The failure that an alert over the client's certificate is. With TLS 1.3 it comes when the client takes the handshake
/// for done, and ends the login (RFC 8446, section 4.4.2.4).
pub(super) fn client_refused(error: &Error) -> Option<Failure> {
    match error {
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => Some(handshake_failure(Stage::Secure, error)),
        _ => None,
    }
}

/// What an alert says (RFC 8446, section 6.2), and what to do.
fn alerted(alert: Alert) -> (String, &'static str) {
    const ASK: &str = "ask the server's operator; its log says more";
    const CLIENT: &str =
        "name the certificate that the server's operator gave you with --client-cert, and its key with --client-key";
    let (text, advice) = match alert {
        Alert::ProtocolVersion => ("it speaks no version of TLS that is allowed here", OLD),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => (
            "it and ftpq have no version, cipher or signature in common, or it demands a client certificate",
            "if it demands one, give --client-cert; else the server has to be brought up to date (TLS 1.2 with ECDHE and \
             AEAD, or 1.3)",
        ),
        Alert::CertificateRequired | Alert::NoCertificate => ("it demands a client certificate", CLIENT),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => ("it does not take the client certificate, or the want of one", CLIENT),
        Alert::UnrecognisedName => ("it knows no host of that name", "check the host's name in the URL"),
        _ => return (format!("it sent the alert {alert:?}"), ASK),
    };
    (text.to_owned(), advice)
}
