//! stub
use super::policy::TlsPolicy;
use crate::model::Failure;
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::sync::{Arc, OnceLock};
pub(super) fn client_config(_: &TlsPolicy) -> Result<Arc<ClientConfig>, Failure> {
    static C: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    Ok(C.get_or_init(|| {
        let mut roots = rustls::RootCertStore::empty();
        let pem = std::env::var("FTPQ_TEST_CA").unwrap();
        for c in CertificateDer::pem_file_iter(pem).unwrap() {
            roots.add(c.unwrap()).unwrap();
        }
        Arc::new(
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    })
    .clone())
}
