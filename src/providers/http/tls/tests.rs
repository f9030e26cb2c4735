use credwright_harness::tls::{Authority, Leaf, Server};
use reqwest::Method;

use super::*;
use crate::{
    api::{CaBundleRef, ClientCertificateRef, ProviderSettings, Tls},
    providers::http::{EgressRanges, Operation, TlsMaterial, body::Bound, broken::Broken, client::Clients},
};

async fn called(tls: Tls, material: TlsMaterial, server: &Server) -> Result<(), String> {
    exchanged(tls, material, server).await.map_err(|broken| broken.message)
}

async fn exchanged(tls: Tls, material: TlsMaterial, server: &Server) -> Result<(), Broken> {
    let ranges = EgressRanges { allow: vec!["127.0.0.0/8".parse().unwrap()], ..EgressRanges::default() };
    let policy = EgressPolicy { ranges: ranges.into(), tls: material, ..EgressPolicy::default() };
    let settings = ProviderSettings { tls: Some(tls), ..ProviderSettings::default() };
    let unbuilt = |error: SetupError| Broken { message: error.message(), ..Broken::default() };
    let clients = Clients::new(&policy, &settings).map_err(unbuilt)?;
    let request = clients.request(Method::GET, &server.url().parse().unwrap());
    let answer = clients.exchange(request, &Bound::of(Operation::Verify)).await;
    answer.map(drop)
}

/// Calls a server with these certificates in a ConfigMap.
async fn trusting(pem: Option<String>, server: &Server) -> Result<(), String> {
    let reference = CaBundleRef { name: "company-ca".to_owned(), ..CaBundleRef::default() };
    let tls = Tls { ca_bundle_ref: Some(reference), ..Tls::default() };
    let material = TlsMaterial { ca_bundle: pem.map(String::into_bytes), client_certificate: None };
    called(tls, material, server).await
}

#[tokio::test]
async fn only_the_certificates_that_a_provider_refers_to_are_trusted() {
    let (company, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = Server::start(&company, None, None).await.unwrap();
    assert_eq!(trusting(Some(company.pem()), &server).await, Ok(()));
    assert_eq!(trusting(Some(other.pem() + &company.pem()), &server).await, Ok(()));
    let said = trusting(Some(other.pem()), &server).await.unwrap_err();
    assert!(said.ends_with("in tls.caBundleRef are trusted here, and none of them issued this certificate"));
    for (pem, why) in [
        (None, "it was not read"),
        (Some("no PEM"), "it holds no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\n"), "it is not PEM"),
    ] {
        let said = trusting(pem.map(str::to_owned), &server).await.unwrap_err();
        assert!(
            said.starts_with(&format!("the key ca.crt of tls.caBundleRef cannot be used: {why};")),
            "{said}"
        );
    }
    let inline = Tls { ca_bundle: Some(BASE64_STANDARD.encode(company.pem())), ..Tls::default() };
    assert_eq!(called(inline, TlsMaterial::default(), &server).await, Ok(()));
}

/// Calls a server of `authority` with a client certificate, if there is one.
async fn showing(client: Option<Leaf>, authority: &Authority, server: &Server) -> Result<(), Broken> {
    let reference = ClientCertificateRef { name: "client".to_owned(), namespace: None };
    let tls = Tls {
        ca_bundle: Some(BASE64_STANDARD.encode(authority.pem())),
        client_certificate_ref: client.is_some().then_some(reference),
        ..Tls::default()
    };
    let client_certificate = client.map(|Leaf { certificate, key }| ClientCertificate {
        certificate: certificate.into(),
        key: key.into(),
    });
    exchanged(tls, TlsMaterial { ca_bundle: None, client_certificate }, server).await
}

#[tokio::test]
async fn a_server_that_requires_a_client_certificate_gets_it() {
    let (company, clients, other) =
        (Authority::new().unwrap(), Authority::new().unwrap(), Authority::named("another").unwrap());
    let server = Server::start(&company, Some(&clients), None).await.unwrap();
    let ours = clients.client("credwright").unwrap();
    assert!(showing(Some(ours.clone()), &company, &server).await.is_ok());
    assert_eq!(server.accepted(), 1);
    for (wrong, alert) in
        [(None, "CertificateRequired"), (Some(other.client("credwright").unwrap()), "UnknownCA")]
    {
        let broken = showing(wrong, &company, &server).await.unwrap_err();
        let advice =
            format!("{alert}; the server does not accept the client certificate, or the lack of one");
        assert!(broken.message.contains(&advice), "{}", broken.message);
        assert!(!broken.sent, "the server has read no request");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_client_certificate_that_is_no_use_is_named_and_its_key_is_not_shown() {
    let company = Authority::new().unwrap();
    let server = Server::start(&company, Some(&company), None).await.unwrap();
    let (ours, other) = (company.client("credwright").unwrap(), company.client("credwright").unwrap());
    let leaf = |certificate: &str, key: &str| Leaf { certificate: certificate.into(), key: key.into() };
    for (leaf, why) in [
        (leaf("", &ours.key), "tls.crt holds no certificate as PEM"),
        (leaf(&ours.certificate, &ours.certificate), "tls.key holds no key as PEM"),
        (leaf(&ours.certificate, &other.key), "tls.key is not the key of tls.crt"),
    ] {
        let said = showing(Some(leaf), &company, &server).await.unwrap_err().message;
        assert_eq!(said, format!("the client certificate of tls.clientCertificateRef cannot be used: {why}"));
    }
    let absent = Tls { client_certificate_ref: Some(ClientCertificateRef::default()), ..Tls::default() };
    let said = called(absent, TlsMaterial::default(), &server).await.unwrap_err();
    assert!(said.ends_with("cannot be used: it was not read"), "{said}");
}
