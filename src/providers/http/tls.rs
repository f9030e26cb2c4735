//! The TLS settings of an account: whom it trusts.

use std::sync::{Arc, OnceLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{ClientConfig, client::danger::ServerCertVerifier};
use rustls_platform_verifier::Verifier;

use super::{
    guard::EgressPolicy,
    roots::{Either, MoreRoots, algorithms, trusted},
};
use crate::{api, providers::setup::SetupError};

/// Returns the settings for the connections of one account.
pub(super) fn config(tls: Option<&api::Tls>, policy: &EgressPolicy) -> Result<ClientConfig, SetupError> {
    match bundle(tls, policy)? {
        Some(verifier) => configured(verifier),
        None => trusting(policy.more_roots.as_ref()),
    }
}

/// The verifier of a provider that has certificates of its own to trust.
fn bundle(
    tls: Option<&api::Tls>,
    policy: &EgressPolicy,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, SetupError> {
    let Some(tls) = tls else { return Ok(None) };
    let verifier = if let Some(bundle) = &tls.ca_bundle {
        let base64: String = bundle.split_whitespace().collect();
        let pem = BASE64_STANDARD.decode(base64).map_err(|_| SetupError::CaBundle("it is not base64"))?;
        trusted(&pem).map_err(SetupError::CaBundle)?
    } else if let Some(bundle) = &tls.ca_bundle_ref {
        let unusable = |why| SetupError::CaBundleRef { key: bundle.key().to_owned(), why };
        // Without it, the built-in roots would count.
        let pem = policy.tls.ca_bundle.as_deref().ok_or_else(|| unusable("it was not read"))?;
        trusted(pem).map_err(unusable)?
    } else {
        return Ok(None);
    };
    Ok(Some(verifier.0))
}

/// TLS that trusts whom the system trusts, and whom a file names beside it. All accounts share it,
/// because the roots are many: they are read once, when the first account needs them.
fn trusting(more: Option<&MoreRoots>) -> Result<ClientConfig, SetupError> {
    static SHARED: OnceLock<ClientConfig> = OnceLock::new();
    match (more, SHARED.get()) {
        (Some(more), _) => more.shared(|| {
            let system = system()?;
            configured(Arc::new(Either { system, more: more.clone() }))
        }),
        (None, Some(shared)) => Ok(shared.clone()),
        (None, None) => {
            let config = configured(Arc::new(system()?))?;
            Ok(SHARED.get_or_init(|| config).clone())
        }
    }
}

fn system() -> Result<Verifier, SetupError> {
    Verifier::new(algorithms()).map_err(|error| failed(&error))
}

fn configured(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, SetupError> {
    let versions = ClientConfig::builder_with_provider(algorithms()).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| failed(&error))?;
    let mut config = versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn failed(error: &rustls::Error) -> SetupError {
    SetupError::Client(format!("TLS cannot be set up: {error}"))
}

#[cfg(test)]
mod tests;
