//! The TLS settings of an account: whom it trusts, and the certificate that it shows.

use std::sync::{Arc, OnceLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_platform_verifier::Verifier;
use secrecy::ExposeSecret;

use super::{
    guard::EgressPolicy,
    material::ClientCertificate,
    roots::{Either, MoreRoots, algorithms, trusted},
};
use crate::{api, providers::setup::SetupError};

/// Returns the settings for the connections of one account.
pub(super) fn config(tls: Option<&api::Tls>, policy: &EgressPolicy) -> Result<ClientConfig, SetupError> {
    let mut config = match bundle(tls, policy)? {
        Some(verifier) => configured(verifier)?,
        None => trusting(policy.more_roots.as_ref())?,
    };
    if tls.is_some_and(|tls| tls.client_certificate_ref.is_some()) {
        let certificate = policy.tls.client_certificate.as_ref();
        let certificate = certificate.ok_or(SetupError::ClientCertificate("it was not read"))?;
        // Other accounts share the store of sessions, but rustls resumes none of another client.
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified(certificate)?));
    }
    Ok(config)
}

/// The certificate that is shown to servers. The errors of the library are not shown: they may
/// quote what they read.
fn certified(client: &ClientCertificate) -> Result<CertifiedKey, SetupError> {
    let unusable = SetupError::ClientCertificate;
    let pem = client.certificate.expose_secret().as_bytes();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or(unusable("tls.crt holds no certificate as PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(client.key.expose_secret().as_bytes());
    let key = key.map_err(|_| unusable("tls.key holds no key as PEM"))?;
    CertifiedKey::from_der(chain, key, &algorithms()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => unusable("tls.key is not the key of tls.crt"),
        _ => unusable("the certificate or its key is of no supported kind"),
    })
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
