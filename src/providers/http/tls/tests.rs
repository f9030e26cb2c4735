use credwright_harness::tls::{Authority, Server};
use reqwest::Method;

use super::*;
use crate::{
    api::{CaBundleRef, ProviderSettings, Tls},
    providers::http::{EgressRanges, Operation, TlsMaterial, body::Bound, client::Clients},
};

async fn called(tls: Tls, material: TlsMaterial, server: &Server) -> Result<(), String> {
    let ranges = EgressRanges { allow: vec!["127.0.0.0/8".parse().unwrap()], ..EgressRanges::default() };
    let policy = EgressPolicy { ranges: ranges.into(), tls: material, ..EgressPolicy::default() };
    let settings = ProviderSettings { tls: Some(tls), ..ProviderSettings::default() };
    let clients = Clients::new(&policy, &settings).map_err(|error| error.message())?;
    let request = clients.request(Method::GET, &server.url().parse().unwrap());
    let answer = clients.exchange(request, &Bound::of(Operation::Verify)).await;
    answer.map(drop).map_err(|broken| broken.message)
}

/// Calls a server with these certificates in a ConfigMap.
async fn trusting(pem: Option<String>, server: &Server) -> Result<(), String> {
    let reference = CaBundleRef { name: "company-ca".to_owned(), ..CaBundleRef::default() };
    let tls = Tls { ca_bundle_ref: Some(reference), ..Tls::default() };
    called(tls, TlsMaterial { ca_bundle: pem.map(String::into_bytes) }, server).await
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
