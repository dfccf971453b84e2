//! Certificates and private keys in PEM files (RFC 7468).

use super::ConfigError;
use super::secret_file::read_private;
use crate::model::{Settings, printable, without_userinfo};
use rustls_pki_types::pem::{Error, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file, in bytes: a whole system's roots are a quarter of a MiB.
const LIMIT: u64 = 16 << 20;
/// Largest file with a private key, in bytes.
const KEY_LIMIT: u64 = 1 << 20;

/// The certificates in a file, one at least.
///
/// # Errors
/// When the file can't be read, or holds no certificate, or a damaged one.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|e| ConfigError::read(path, e))?;
    if bytes.len() as u64 > LIMIT {
        return Err(ConfigError::file(path, format!("larger than {LIMIT} bytes; a file of certificates never is")));
    }
    let mut found = Vec::new();
    for (at, certificate) in CertificateDer::pem_slice_iter(&bytes).enumerate() {
        let damaged = |e| ConfigError::file(path, format!("certificate {} is damaged: {}", at + 1, why(&e)));
        found.push(certificate.map_err(damaged)?);
    }
    match bytes.first() {
        _ if !found.is_empty() => Ok(found),
        // A SEQUENCE, with which every certificate starts.
        Some(0x30) => {
            let name = shown(path);
            let advice = format!("`openssl x509 -inform der -in {name} -out {name}.pem` makes a PEM file of it");
            Err(ConfigError::file(path, format!("this is no PEM file; {advice}")))
        }
        _ => Err(ConfigError::file(path, "holds no certificate; one begins with -----BEGIN CERTIFICATE-----")),
    }
}

/// The first private key in a file that belongs to this user and is closed to all others: PKCS #8, PKCS #1 or SEC 1,
/// not encrypted.
///
/// # Errors
/// When the file can't be read, is open to others, or holds no such key. No error holds any of the key.
pub fn read_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let text = read_private(path, KEY_LIMIT)?;
    // PKCS #8 says it in the first line (RFC 7468, section 11), the older forms in a header (RFC 1421, section 4.6.1.1).
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        let name = shown(path);
        return Err(ConfigError::file(
            path,
            format!(
                "the private key is encrypted, and ftpq asks for no password of keys; `(umask 077; openssl pkey -in \
                 {name} -out {name}.open)` writes it without one"
            ),
        ));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
        let message = match error {
            Error::NoItemsFound => "holds no private key; one begins with -----BEGIN PRIVATE KEY-----".to_owned(),
            error => format!("the private key is damaged: {}", why(&error)),
        };
        ConfigError::file(path, message)
    })
}

/// Checks the files that settings name for TLS, so that a run needn't find out half way.
///
/// # Errors
/// When one can't be read, is open to others where it must not, or holds nothing of what it should.
pub fn check_tls_files(settings: &Settings) -> Result<(), ConfigError> {
    for path in settings.ca_file.iter().chain(&settings.client_cert) {
        read_certificates(path)?;
    }
    // A certificate without a key of its own has it in its own file, or else at a wider level of settings.
    settings.client_key.as_deref().map(read_private_key).transpose().map(drop)
}

/// What is wrong with a file, without any of its contents.
fn why(error: &Error) -> &'static str {
    match error {
        Error::MissingSectionEnd { .. } => "its -----END line is missing",
        Error::IllegalSectionStart { .. } => "its -----BEGIN line is not whole",
        Error::Base64Decode(_) => "between its -----BEGIN and -----END lines stands something other than base64",
        _ => "it can't be read",
    }
}

fn shown(path: &Path) -> String {
    printable(&without_userinfo(&path.to_string_lossy()), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn key_file(folder: &Path, text: &str, mode: u32) -> std::path::PathBuf {
        let path = folder.join("key.pem");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn certificates_are_read_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let (one, two) = (certificate("one"), certificate("two"));
        // Between them may stand what `openssl x509 -text` writes, and keys.
        fs::write(&path, format!("Certificate:\n    Data:\n{}\nfriendlyName: x\n{}", one.0, two.0)).unwrap();
        assert_eq!(read_certificates(&path).unwrap(), [one.1.clone(), two.1]);
        fs::write(&path, one.1.as_ref()).unwrap();
        for (text, words) in [
            (None, "-inform der"),
            (Some(String::new()), "holds no certificate"),
            (Some("ca".to_owned()), "holds no certificate"),
            (Some(one.0.replace("-----END CERTIFICATE-----", "")), "certificate 1 is damaged: its -----END line"),
            (Some(format!("{}{}", one.0, one.0.replace("MII", "M!I"))), "certificate 2 is damaged"),
        ] {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let error = read_certificates(&path).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("ca.pem"), "{error}");
        }
        let error = read_certificates(&folder.path().join("none")).unwrap_err().to_string();
        assert!(error.starts_with("can't read"), "{error}");
    }

    fn certificate(name: &str) -> (String, CertificateDer<'static>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (made.pem(), made.der().clone())
    }

    #[test]
    fn a_key_is_taken_in_each_form_that_is_not_encrypted() {
        let folder = tempfile::tempdir().unwrap();
        let pkcs8 = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let body = pkcs8.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n");
        let form = |name: &str| format!("-----BEGIN {name}-----\n{body}\n-----END {name}-----\n");
        assert!(matches!(read_private_key(&key_file(folder.path(), &pkcs8, 0o600)).unwrap(), PrivateKeyDer::Pkcs8(_)));
        let path = key_file(folder.path(), &form("RSA PRIVATE KEY"), 0o400);
        assert!(matches!(read_private_key(&path).unwrap(), PrivateKeyDer::Pkcs1(_)));
        fs::remove_file(path).unwrap();
        let both = format!("{}{}", certificate("x").0, form("EC PRIVATE KEY"));
        let path = key_file(folder.path(), &both, 0o600);
        assert!(matches!(read_private_key(&path).unwrap(), PrivateKeyDer::Sec1(_)));
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nc2VjcmV0\n";
        for (text, words) in [
            (form("ENCRYPTED PRIVATE KEY"), "encrypted"),
            (old.to_owned(), "encrypted"),
            (certificate("x").0, "holds no private key"),
            (pkcs8.replace("MIG", "M!G"), "damaged"),
            (String::new(), "holds no private key"),
        ] {
            let error = read_private_key(&key_file(folder.path(), &text, 0o600)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains(body.get(4..12).unwrap()), "{error}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for mode in [0o640, 0o604, 0o660] {
            let path = key_file(folder.path(), &key, mode);
            let error = read_private_key(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }
}
