//! Providers behind TLS that needs more than the usual roots: authorities in a ConfigMap and a
//! client certificate in a Secret. Both are renewed while the operator runs.

use base64::{Engine, prelude::BASE64_STANDARD};
use credwright::api::{CredentialProvider, LOGIN_FINALIZER};
use credwright_harness::tls::{Authority, Leaf, Server};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    stage::hours,
    support::{Scene, accounts::with, eventually},
};

/// A provider whose server has a certificate of `authority`, with these TLS settings.
async fn behind_tls(scene: &Scene, server: &Server, tls: Value) {
    let spec = scene.spreetail(&server.url(), "spreetail-admin");
    scene.create_provider("other", with(spec, json!({ "tls": tls }))).await;
}

/// The server of the scene's own provider, behind TLS.
async fn server(scene: &Scene, authority: &Authority, clients: Option<&Authority>) -> Server {
    let target = scene.provider.base_url().trim_start_matches("http://").parse().unwrap();
    Server::start(authority, clients, Some(target)).await.unwrap()
}

/// Waits until the provider reports this.
async fn reports(scene: &Scene, reason: &str, part: &str) {
    let providers: Api<CredentialProvider> = scene.api();
    eventually(&format!("the provider reports {reason}: {part}"), async || {
        let status = providers.get("other").await.unwrap().status.unwrap_or_default();
        let ready = status.conditions.into_iter().find(|it| it.type_ == "Ready");
        ready.is_some_and(|it| it.reason == reason && it.message.contains(part))
    })
    .await;
}

/// The ConfigMap `company-ca`, with the label that lets Credwright see it.
pub(crate) async fn put_config_map(scene: &Scene, data: Value) {
    let maps: Api<ConfigMap> = scene.api();
    let metadata = json!({ "name": "company-ca", "labels": { "credwright.dev/role": "ca-bundle" } });
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data });
    maps.patch("company-ca", &PatchParams::apply("a-person"), &Patch::Apply(map)).await.unwrap();
}

fn data(leaf: &Leaf) -> Value {
    json!({ "tls.crt": leaf.certificate, "tls.key": leaf.key })
}

/// The Secret `client`, with its owner's consent.
async fn put_certificate(scene: &Scene, leaf: &Leaf) {
    let metadata = json!({ "name": "client", "labels": { "credwright.dev/role": "login" } });
    let secret = json!({ "metadata": metadata, "type": "kubernetes.io/tls", "stringData": data(leaf) });
    scene.put_secret(secret).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorities_in_a_config_map_are_renewed_while_the_operator_runs() {
    let scene = Scene::new("ca-bundle").await;
    let (company, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = server(&scene, &company, None).await;
    behind_tls(&scene, &server, json!({ "caBundleRef": { "name": "company-ca" } })).await;
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "providerRef": { "name": "other" } })).await;

    let absent = "/company-ca of tls.caBundleRef does not exist: create it with the label credwright.dev/role: ca-bundle";
    reports(&scene, "ProviderInvalid", absent).await;
    put_config_map(&scene, json!({ "root.pem": company.pem() })).await;
    reports(&scene, "ProviderInvalid", "company-ca of tls.caBundleRef lacks the key ca.crt").await;
    put_config_map(&scene, json!({ "ca.crt": "no PEM" })).await;
    reports(&scene, "ProviderInvalid", "the key ca.crt of tls.caBundleRef cannot be used: it holds no").await;
    put_config_map(&scene, json!({ "ca.crt": company.pem() })).await;
    scene.has_only("orders", 1).await;

    put_config_map(&scene, json!({ "ca.crt": other.pem() })).await;
    reports(&scene, "ProviderUnavailable", "only the authorities in tls.caBundleRef are trusted here").await;
    server.renew(&other, None).unwrap();
    put_config_map(&scene, json!({ "ca.crt": company.pem() + &other.pem() })).await;
    reports(&scene, "LoginAccepted", "").await;

    let maps: Api<ConfigMap> = scene.api();
    let unlabelled = json!({ "metadata": { "labels": { "credwright.dev/role": null } } });
    maps.patch("company-ca", &PatchParams::default(), &Patch::Merge(unlabelled)).await.unwrap();
    let label = "may not be used: its owner has to give it the label credwright.dev/role: ca-bundle";
    reports(&scene, "ProviderInvalid", label).await;
    put_config_map(&scene, json!({ "ca.crt": other.pem() })).await;
    reports(&scene, "LoginAccepted", "").await;
    assert_eq!(scene.made().len(), 1, "none of it costs a credential");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_renewed_while_the_operator_runs() {
    let scene = Scene::new("client-certificate").await;
    let (company, first, second) =
        (Authority::new().unwrap(), Authority::named("first").unwrap(), Authority::named("second").unwrap());
    let server = server(&scene, &company, Some(&first)).await;
    let bundle = BASE64_STANDARD.encode(company.pem());
    let tls = json!({ "caBundle": bundle, "clientCertificateRef": { "name": "client" } });
    behind_tls(&scene, &server, tls).await;
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "providerRef": { "name": "other" }, "lifetime": "720h" })).await;

    let absent = "/client of tls.clientCertificateRef does not exist: create it with the label credwright.dev/role: login";
    reports(&scene, "LoginMissing", absent).await;
    let (ours, mut mixed) = (first.client("credwright").unwrap(), first.client("credwright").unwrap());
    mixed.key = ours.key.clone();
    put_certificate(&scene, &mixed).await;
    reports(&scene, "ProviderInvalid", "cannot be used: tls.key is not the key of tls.crt").await;
    scene.merge_secret("client", json!({ "stringData": data(&ours) })).await;
    scene.has_only("orders", 1).await;
    let finalizers = scene.secret("client").await.unwrap().metadata.finalizers;
    assert_eq!(finalizers, Some(vec![LOGIN_FINALIZER.to_owned()]), "it is needed to revoke");

    server.renew(&company, Some(&second)).unwrap();
    let accepted = server.accepted();
    scene.merge_secret("client", json!({ "stringData": data(&second.client("credwright").unwrap()) })).await;
    eventually("the new certificate is shown", async || server.accepted() > accepted).await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    scene.run_until_only(&operator, "orders", 2).await;
    assert_eq!(scene.made().len(), 2, "it is the same account");

    let unlabelled = json!({ "metadata": { "labels": { "credwright.dev/role": null } } });
    scene.merge_secret("client", unlabelled).await;
    let label = "may not be used: its owner has to give it the label credwright.dev/role: login";
    reports(&scene, "LoginMissing", label).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_revoked_with_the_certificates_of_a_provider_that_is_gone() {
    let scene = Scene::new("certificates-gone").await;
    let (company, clients) = (Authority::new().unwrap(), Authority::named("clients").unwrap());
    let server = server(&scene, &company, Some(&clients)).await;
    put_config_map(&scene, json!({ "ca.crt": company.pem() })).await;
    put_certificate(&scene, &clients.client("credwright").unwrap()).await;
    let tls =
        json!({ "caBundleRef": { "name": "company-ca" }, "clientCertificateRef": { "name": "client" } });
    behind_tls(&scene, &server, tls).await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "providerRef": { "name": "other" }, "lifetime": "720h" })).await;

    scene.provider.stop().await;
    scene.delete("orders").await;
    assert!(scene.reaches(&[&operator], hours(1), async || scene.is_gone("orders").await).await);
    assert_eq!(scene.abandoned().await.len(), 1);
    scene.delete_provider("other").await;
    let (providers, maps) = (scene.api::<CredentialProvider>(), scene.api::<ConfigMap>());
    eventually("the provider goes", async || providers.get_opt("other").await.unwrap().is_none()).await;
    scene.delete_secret("client").await;
    eventually("the certificate goes", async || scene.secret("client").await.is_none()).await;
    maps.delete("company-ca", &DeleteParams::default()).await.unwrap();
    scene.provider.start_again().await.unwrap();
    assert!(scene.reaches(&[&operator], hours(24), async || scene.abandoned().await.is_empty()).await);
    operator.stop().await;
}
