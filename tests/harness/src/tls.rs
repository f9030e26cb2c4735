//! Certificates, and a server on loopback that speaks TLS with them, before another server or
//! alone.
#![expect(clippy::disallowed_methods, reason = "its tasks end with it")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// An authority that signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new authority, which nobody trusts yet.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn new() -> Result<Self> {
        Self::named("an authority")
    }

    /// The same, with this name.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn named(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the server `localhost`.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn server(&self) -> Result<Leaf> {
        self.signed(CertificateParams::new(["localhost".to_owned()])?)
    }

    /// A certificate for a client of this name.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn client(&self, name: &str) -> Result<Leaf> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.signed(params)
    }

    fn signed(&self, params: CertificateParams) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?.pem();
        Ok(Leaf { certificate, key: key.serialize_pem() })
    }
}

/// A running server. Dropping it ends it.
pub struct Server {
    port: u16,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    accepted: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// Listens on loopback with a certificate of `authority`, and asks each client for one of
    /// `clients`. It passes what it gets on to `target`; without one it answers `{}` itself.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(
        authority: &Authority,
        clients: Option<&Authority>,
        target: Option<SocketAddr>,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let config = Arc::new(Mutex::new(config(authority, clients)?));
        let accepted = Arc::<AtomicUsize>::default();
        let task = tokio::spawn({
            let (config, accepted) = (Arc::clone(&config), Arc::clone(&accepted));
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let config = Arc::clone(&config.lock().unwrap_or_else(PoisonError::into_inner));
                    tokio::spawn(serve(client, config, target, Arc::clone(&accepted)));
                }
            }
        });
        Ok(Self { port, config, accepted, _task: AbortOnDropHandle::new(task) })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The number of connections with a complete handshake.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }

    /// Has other authorities from the next connection on.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn renew(&self, authority: &Authority, clients: Option<&Authority>) -> Result<()> {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config(authority, clients)?;
        Ok(())
    }
}

fn config(authority: &Authority, clients: Option<&Authority>) -> Result<Arc<ServerConfig>> {
    let leaf = authority.server()?;
    let algorithms = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&algorithms));
    let config = config.with_safe_default_protocol_versions()?;
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes())?)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), algorithms);
            config.with_client_cert_verifier(verifier.build()?)
        }
    };
    let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())?;
    Ok(Arc::new(config.with_single_cert(vec![certificate], key)?))
}

async fn serve(
    client: TcpStream,
    config: Arc<ServerConfig>,
    target: Option<SocketAddr>,
    accepted: Arc<AtomicUsize>,
) -> Result<()> {
    let mut client = match TlsAcceptor::from(config).accept(client).into_fallible().await {
        Ok(client) => client,
        Err((_, mut refused)) => {
            // It reads on until the client leaves: otherwise a reset could overtake the alert.
            copy(&mut refused, &mut sink()).await?;
            return Ok(());
        }
    };
    accepted.fetch_add(1, Ordering::AcqRel);
    match target {
        Some(target) => {
            let mut server = TcpStream::connect(target).await?;
            copy_bidirectional(&mut client, &mut server).await?;
            Ok(())
        }
        None => answer(&mut client).await,
    }
}

async fn answer(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<()> {
    let _ = client.read(&mut [0; 1024]).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await?;
    client.shutdown().await?;
    Ok(())
}
