use std::{net::Ipv4Addr, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Method, Url};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::providers::http::{EgressPolicy, EgressRanges, Operation, body::Bound, client::Clients};

/// Somebody who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Puts its certificate in the place of a file, as a kubelet does.
    fn renew(&self, file: &Path) {
        let next = file.with_extension("next");
        fs::write(&next, self.0.pem()).unwrap();
        fs::rename(&next, file).unwrap();
    }

    /// A server that this authority vouches for.
    #[expect(clippy::disallowed_methods, reason = "the server ends with the runtime of its test")]
    async fn server(&self) -> Url {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(algorithms());
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 1024]).await;
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        format!("https://localhost:{port}/").parse().unwrap()
    }
}

fn clients(more_roots: Option<MoreRoots>) -> Clients {
    let ranges = EgressRanges { allow: vec!["127.0.0.0/8".parse().unwrap()], ..EgressRanges::default() };
    Clients::new(&EgressPolicy { ranges: ranges.into(), private_allowed: false, more_roots }, None).unwrap()
}

/// Returns whether a server is believed; if it is not, the message has to say why.
async fn trusts(clients: &Clients, server: &Url) -> bool {
    let bound = Bound::of(Operation::Verify);
    match clients.exchange(clients.request(Method::GET, server), &bound).await {
        Ok(answer) => answer.status.is_success(),
        Err(broken) => {
            assert!(broken.message.contains("or into --ca-file for all providers"), "{}", broken.message);
            false
        }
    }
}

#[tokio::test]
async fn a_file_of_roots_counts_for_all_providers_and_a_change_of_it_at_once() {
    let (company, other) = (Authority::new(), Authority::new());
    let (here, there) = (company.server().await, other.server().await);
    assert!(!trusts(&clients(None), &here).await, "nobody vouches for it");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let roots = MoreRoots::new(file.clone());
    let (one, two) = (clients(Some(roots.clone())), clients(Some(roots)));
    assert!(!trusts(&one, &here).await, "there is no file yet");
    company.renew(&file);
    assert!(trusts(&one, &here).await && trusts(&two, &here).await);
    assert!(!trusts(&one, &there).await);

    other.renew(&file);
    assert!(trusts(&one, &there).await && trusts(&two, &there).await);
    fs::write(&file, "half of a certif").unwrap();
    assert!(trusts(&one, &there).await, "what was read last counts while the file cannot be used");
    fs::remove_file(&file).unwrap();
    assert!(trusts(&two, &there).await);
}
