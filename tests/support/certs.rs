//! Certificates of every right and wrong kind, made anew for each test: none is kept, so none can expire.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

/// Where the tests' servers are found; those of tests/chaos have names.
const HERE: [&str; 7] =
    ["localhost", "127.0.0.1", "::1", "scripted.test", "vsftpd.test", "proftpd.test", "pure-ftpd.test"];

/// A certificate authority of a test's own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its private key.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: Vec<u8>,
    key_pem: String,
    pin: String,
}

impl Authority {
    /// A new authority that nobody trusts yet.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params_for(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages.clear();
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// Its certificate in PEM, for `--ca-file`.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A certificate that is right for every server of the tests.
    pub(crate) fn good(&self) -> Identity {
        self.named(&HERE)
    }

    /// A certificate for these names and addresses and no others.
    pub(crate) fn named(&self, names: &[&str]) -> Identity {
        self.sign(&params_for(names))
    }

    /// A certificate with an address written as if it were a host name, which says nothing of the address.
    pub(crate) fn address_as_name(&self, address: &str) -> Identity {
        let mut params = params_for(&[]);
        params.subject_alt_names = vec![SanType::DnsName(address.try_into().unwrap())];
        self.sign(&params)
    }

    /// A certificate with the name as common name only, which nobody has had to believe since RFC 6125.
    pub(crate) fn common_name_only(&self, name: &str) -> Identity {
        let mut params = params_for(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    /// A certificate that was right until the end of 2001.
    pub(crate) fn expired(&self) -> Identity {
        let mut params = params_for(&HERE);
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2001, 12, 31));
        self.sign(&params)
    }

    /// A certificate that will be right from 2090 on.
    pub(crate) fn not_yet_valid(&self) -> Identity {
        let mut params = params_for(&HERE);
        (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
        self.sign(&params)
    }

    /// A certificate for a client.
    pub(crate) fn client(&self, name: &str) -> Identity {
        let mut params = params_for(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::new(certificate.der().clone(), certificate.pem(), &key)
    }
}

impl Identity {
    /// A certificate that nobody but itself vouches for, right in everything else.
    pub(crate) fn self_signed() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params_for(&HERE).self_signed(&key).unwrap();
        Self::new(certificate.der().clone(), certificate.pem(), &key)
    }

    fn new(certificate: CertificateDer<'static>, certificate_pem: String, key: &KeyPair) -> Self {
        let pin = base64(&Sha256::digest(key.subject_public_key_info()));
        let pin = format!("sha256//{pin}");
        Self { certificate, certificate_pem, key: key.serialize_der(), key_pem: key.serialize_pem(), pin }
    }

    /// What a server sends.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    /// The private key.
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    /// The certificate in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key in PEM.
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Its public key as curl and ftpq write pins: `sha256//` and base64.
    pub(crate) fn pin(&self) -> &str {
        &self.pin
    }
}

fn params_for(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Base 64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|three| {
        let word = three.iter().chain([&0; 3]).take(3).fold(0_usize, |word, &b| (word << 8) | usize::from(b));
        (0..4).map(move |n| if n > three.len() { '=' } else { char::from(DIGITS[(word >> (18 - 6 * n)) & 63]) })
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
