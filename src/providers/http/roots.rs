//! More roots for all providers: a company's own authorities, in a file that another process
//! renews.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

/// A file of certificates (PEM) that count as roots beside those of the system. It is read again
/// when it has changed, by the next connection that is made.
#[derive(Clone, Debug)]
pub struct MoreRoots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    known: Mutex<Known>,
    /// The TLS configuration of all accounts.
    config: OnceLock<ClientConfig>,
}

/// The last result.
#[derive(Debug, Default)]
struct Known {
    /// The file that was read last; none inside if it could not be found.
    seen: Option<Option<Version>>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

/// The properties of a file that change with it: its inode, its length and its time.
type Version = (u64, u64, i64, i64);

fn version(metadata: &Metadata) -> Version {
    (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}

impl MoreRoots {
    /// The roots in the file at `path`. An unusable file is logged, and read again later.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let roots = Self(Arc::new(Inner { path, known: Mutex::default(), config: OnceLock::new() }));
        roots.verifier();
        roots
    }

    /// The configuration that all accounts share; `made` makes it once.
    pub(super) fn shared<E>(
        &self,
        made: impl FnOnce() -> Result<ClientConfig, E>,
    ) -> Result<ClientConfig, E> {
        match self.0.config.get() {
            Some(config) => Ok(config.clone()),
            None => made().map(|config| self.0.config.get_or_init(|| config).clone()),
        }
    }

    /// Returns the verifier with the roots of the current file. While it cannot be used, the last
    /// ones continue to count: a file that is being replaced may be missing for a moment.
    fn verifier(&self) -> Option<Arc<WebPkiServerVerifier>> {
        let path = &self.0.path;
        let mut known = self.0.known.lock();
        let found = fs::metadata(path).map(|metadata| version(&metadata));
        let now = found.as_ref().ok().copied();
        if known.seen != Some(now) {
            known.seen = Some(now);
            match found.map_err(|error| error.to_string()).and_then(|_| read(path)) {
                Ok(verifier) => known.verifier = Some(verifier),
                Err(error) => tracing::warn!(path = %path.display(), error, "CA file not usable"),
            }
        }
        known.verifier.clone()
    }
}

fn read(path: &Path) -> Result<Arc<WebPkiServerVerifier>, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let (verifier, added) = trusted(&text)?;
    tracing::info!(path = %path.display(), added, "CA file read");
    Ok(verifier)
}

/// The verifier that trusts nobody but these certificates (PEM), and their number.
pub(super) fn trusted(pem: &[u8]) -> Result<(Arc<WebPkiServerVerifier>, usize), &'static str> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates.map_err(|_| "it is not PEM")?);
    if added == 0 {
        return Err("it holds no certificate");
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), algorithms()).build();
    Ok((verifier.map_err(|_| "its certificates cannot be used")?, added))
}

/// Trusts whom the system trusts, and then whom the file names.
#[derive(Debug)]
pub(super) struct Either<V> {
    pub(super) system: V,
    pub(super) more: MoreRoots,
}

impl<V: ServerCertVerifier> ServerCertVerifier for Either<V> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = |verifier: &dyn ServerCertVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        // An authority that the system trusts needs no read of the file.
        judged(&self.system).or_else(|refused| match self.more.verifier() {
            Some(more) => judged(more.as_ref()),
            None => Err(refused),
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

/// The algorithms that all connections use.
pub(super) fn algorithms() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
