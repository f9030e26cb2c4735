//! The network of a Pod: a DNS server, and providers behind TLS.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// The file with the address of the Pod's DNS server.
pub(crate) const RESOLV_CONF: &str = "\
search credwright-system.svc.cluster.local svc.cluster.local cluster.local
nameserver 127.0.0.1
options ndots:5
";

/// A DNS server that knows some names, all of this machine, and says of others that they do not
/// exist.
pub(crate) struct Names {
    asked: Arc<Mutex<BTreeSet<String>>>,
    _task: AbortOnDropHandle<()>,
}

impl Names {
    pub(crate) async fn serve(known: &'static [&'static str]) -> Self {
        let asked = Arc::<Mutex<BTreeSet<String>>>::default();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).await.unwrap();
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            loop {
                let (length, client) = socket.recv_from(&mut query).await.unwrap();
                if let Some((name, answer)) = answer(&query[..length], known) {
                    seen.lock().unwrap().insert(name);
                    let _ = socket.send_to(&answer, client).await;
                }
            }
        });
        Self { asked, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn asked_for(&self, name: &str) -> bool {
        self.asked.lock().unwrap().contains(name)
    }
}

/// Returns the name that a query asks for, and the response (RFC 1035, section 4).
fn answer(query: &[u8], known: &[&str]) -> Option<(String, Vec<u8>)> {
    const HEADER: usize = 12;
    const A: [u8; 2] = [0, 1];
    let (mut at, mut labels) = (HEADER, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let name = labels.join(".");
    let is_known = known.contains(&&*name);
    let has_address = is_known && *query.get(at..at + 2)? == A;
    let mut answer = query.get(..2)?.to_vec();
    // An authoritative answer, to one question; of an unknown name that there is none.
    answer.extend([0x85, if is_known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    answer.extend(query.get(HEADER..at + 4)?);
    if has_address {
        // The name of the question; an address; for a second; four bytes.
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some((name, answer))
}

/// Somebody who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// TLS under a name, with what is plain http behind it.
    pub(crate) async fn front(&self, name: &str, behind: SocketAddr) -> Front {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.0)
            .unwrap()
            .der()
            .clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("https://{name}:{}", listener.local_addr().unwrap().port());
        let trusted = Arc::<AtomicUsize>::default();
        let count = trusted.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(acceptor.clone(), stream, behind, count.clone()));
            }
        });
        Front { url, trusted, _task: AbortOnDropHandle::new(task) }
    }
}

pub(crate) struct Front {
    pub(crate) url: String,
    trusted: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Front {
    /// Returns the number of connections that sent something, as a client does only if it trusts
    /// the certificate.
    pub(crate) fn trusted(&self) -> usize {
        self.trusted.load(Ordering::Relaxed)
    }
}

async fn pass_on(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    behind: SocketAddr,
    count: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut outside = acceptor.accept(stream).await?;
    count.fetch_add(1, Ordering::Relaxed);
    let mut inside = TcpStream::connect(behind).await?;
    tokio::io::copy_bidirectional(&mut outside, &mut inside).await?;
    Ok(())
}
