//! Providers behind TLS that needs more than the usual roots: authorities in a ConfigMap, which
//! are renewed while the operator runs.

use credwright::api::CredentialProvider;
use credwright_harness::tls::{Authority, Server};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{Scene, accounts::with, eventually};

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
