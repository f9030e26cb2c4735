//! Common mistakes. Each leads to a condition that says what to do, costs no credential, and clears
//! once the mistake is corrected.

use credwright_simulator::{Login, Simulator};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::stage::minutes;
use crate::support::{Running, Scene};

/// Asserts that a new object fails for `reason`, with `parts` in its message, and that nothing was
/// minted or written.
async fn refused(scene: &Scene, spec: Value, reason: &'static str, parts: &[&str]) -> String {
    scene.apply("orders", spec).await;
    scene
        .wait("orders", &format!("{reason} with {parts:?}"), async || {
            let ready = scene.condition("orders", "Ready").await;
            ready.is_some_and(|(status, why, message)| {
                status == "False" && why == reason && parts.iter().all(|part| message.contains(part))
            })
        })
        .await;
    let message = scene.condition("orders", "Ready").await.unwrap().2;
    println!("{reason}: {message}");
    assert_eq!(scene.made().len(), 0);
    assert!(scene.secret("orders").await.is_none());
    message
}

/// Points the object to the account that works.
async fn heals_elsewhere(scene: &Scene, operator: &Running) {
    scene.apply("orders", json!({})).await;
    scene.run_until_only(operator, "orders", 1).await;
    assert!(scene.secret_works("orders").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_exist() {
    let (scene, _operator) = Scene::running("no-provider").await;
    let spec = json!({ "providerRef": { "name": "spreetial" } });
    refused(
        &scene,
        spec,
        "ProviderMissing",
        &["CredentialProvider named spreetial", "correct spec.providerRef"],
    )
    .await;
    scene.create_provider("spreetial", scene.spreetail(&scene.provider.base_url(), "spreetail-admin")).await;
    scene.has_only("orders", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_in_a_login_secret_is_named_and_clears_once_it_is_corrected() {
    let scene = Scene::new("bad-login").await;
    scene.create_provider("other", scene.spreetail(&scene.provider.base_url(), "other-login")).await;
    let Login { client_id, client_secret } = scene.provider.login().clone();
    let unlabelled =
        json!({ "metadata": { "name": "other-login" }, "stringData": { "client_id": client_id } });
    scene.put_secret(unlabelled).await;
    let _operator = scene.operator().await;
    let is_said = async |reason, parts: &[&str]| {
        refused(&scene, json!({ "providerRef": { "name": "other" } }), reason, parts).await;
    };
    is_said("LoginMissing", &["has to give it the label credwright.dev/role: login"]).await;
    let label = json!({ "metadata": { "labels": { "credwright.dev/role": "login" } } });
    scene.merge_secret("other-login", label).await;
    is_said("LoginMissing", &["lacks the key client_secret"]).await;
    let broken = json!({ "stringData": { "client_secret": format!("{client_secret}\n") } });
    scene.merge_secret("other-login", broken).await;
    is_said("ProviderInvalid", &["ends in a line break"]).await;
    scene.delete_secret("other-login").await;
    let missing = format!("{}/other-login does not exist", scene.namespace);
    is_said("LoginMissing", &[&missing, "credwright.dev/role: login"]).await;
    scene.says("orders", ("Stalled", "True", "LoginMissing")).await;
    scene.put_login("other-login").await;
    scene.has_only("orders", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_needs_to_be_allowed() {
    let scene = Scene::new("egress").await;
    let strict = scene.operator_as(|settings, _| settings.egress = Default::default()).await;
    let parts = ["a loopback address", "--allow-egress 127.0.0.0/8"];
    refused(&scene, json!({}), "ProviderUnavailable", &parts).await;
    scene.create_provider("plain", scene.spreetail("http://203.0.113.1", "spreetail-admin")).await;
    let spec = json!({ "providerRef": { "name": "plain" } });
    refused(&scene, spec, "ProviderUnavailable", &["use https", "--allow-egress 203.0.113.1/32"]).await;
    assert_eq!(scene.provider.record().requests().len(), 0);
    strict.stop().await;
    let operator = scene.operator().await;
    heals_elsewhere(&scene, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_address_where_nobody_speaks_tls() {
    let scene = Scene::new("no-tls").await;
    let url = scene.provider.base_url().replace("http://", "https://");
    scene.create_provider("other", scene.spreetail(&url, "spreetail-admin")).await;
    let operator = scene.operator().await;
    let spec = json!({ "providerRef": { "name": "other" } });
    refused(&scene, spec, "ProviderUnavailable", &["no TLS connection to 127.0.0.1:", "check the URL"]).await;
    heals_elsewhere(&scene, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_connections_and_never_answers() {
    let scene = Scene::new("silent").await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    scene.create_provider("other", scene.spreetail(&url, "spreetail-admin")).await;
    let operator = scene.operator().await;
    scene.apply("silent", json!({ "providerRef": { "name": "other" } })).await;
    // One that works is not held up by it.
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    assert_eq!(scene.status("silent").await.client_id, None);
    operator.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_provider_is_used_again() {
    let (scene, operator) = Scene::with_orders("provider-again").await;
    scene.delete_provider_at_once("spreetail").await;
    let message = scene.says("orders", ("ProviderReachable", "False", "ProviderMissing")).await;
    assert!(message.contains("create it"), "{message}");
    assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True", "it works all the same");
    scene.jump(&operator, minutes(30) + SignedDuration::from_secs(1)).await;
    scene
        .create_provider(
            "spreetail",
            scene.spreetail(&Simulator::base_url(&scene.provider), "spreetail-admin"),
        )
        .await;
    scene.says("orders", ("ProviderReachable", "True", "LoginAccepted")).await;
    scene.rest(&operator).await;
    assert_eq!(scene.made().len(), 1);
    assert!(scene.secret_works("orders").await);
}
