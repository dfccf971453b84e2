//! The library's configuration for a policy.

use super::policy::TlsPolicy;
use crate::model::{Cause, Failure, Stage};
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

type Made = HashMap<TlsPolicy, Result<Arc<ClientConfig>, Failure>>;

/// What was made already: files are read once a run, and a run is a process.
static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);

/// The configuration for a policy; the same one whenever the policy is equal. A session resumes only what it began
/// itself where it makes a copy with a session store of its own.
///
/// # Errors
/// When a file of the policy can't be used, or nobody is trusted by this system.
pub(in crate::ftp) fn client_config(policy: &TlsPolicy) -> Result<Arc<ClientConfig>, Failure> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.get(policy) {
        return known.clone();
    }
    let new = make(policy).map(Arc::new);
    made.insert(policy.clone(), new.clone());
    new
}

fn make(_policy: &TlsPolicy) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::local(Stage::Secure, Cause::LocalIo, e.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
