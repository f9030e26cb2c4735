//! Lost credentials are detected and replaced.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::stage::{hours, minutes};
use crate::support::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_reported_and_a_corrected_one_ends_the_failure() {
    let scene = Scene::new("login").await;
    let right = scene.provider.login().client_secret.clone();
    scene.merge_secret("spreetail-admin", json!({ "stringData": { "client_secret": "wrong" } })).await;
    let _operator = scene.operator().await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    let message = scene.says("orders", ("Ready", "False", "ProviderLoginRefused")).await;
    assert!(message.contains("401") && !message.contains("wrong"), "{message}");
    assert_eq!(scene.made().len(), 0);
    scene.merge_secret("spreetail-admin", json!({ "stringData": { "client_secret": right } })).await;
    scene.has_only("orders", 1).await;
    assert_eq!(scene.provider_condition("spreetail").await.unwrap().1, "LoginAccepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_was_deleted_at_the_provider_is_found_dead_within_hours_and_replaced() {
    let (scene, operator) = Scene::with_orders("found-dead").await;
    let (id, _) = scene.pair("orders").await.unwrap();
    scene.delete_at_provider(&id).await;
    let deleted = scene.now();
    scene
        .run_until(&operator, "orders", "it is replaced", async || {
            scene.status("orders").await.revision == Some(2) && scene.secret_works("orders").await
        })
        .await;
    assert!(scene.now().duration_since(deleted) <= hours(2));
    scene.run_until_only(&operator, "orders", 2).await;
    assert_eq!(scene.made().len(), 2);
    scene.tells("FoundRevoked").await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_expired_while_the_provider_was_down_is_reported_and_replaced_afterwards() {
    let (scene, operator) = Scene::with_orders("expired").await;
    scene.provider.stop().await;
    scene.jump(&operator, hours(700)).await;
    assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True", "it works yet");
    scene.jump(&operator, hours(21)).await;
    let message = scene.says("orders", ("Ready", "False", "Expired")).await;
    assert!(message.contains("refuses connections"), "{message}");
    assert!(scene.secret("orders").await.is_some());
    scene.provider.start_again().await.unwrap();
    scene.comes_to(&operator, "orders", ("Ready", "True", "Issued")).await;
    assert!(scene.secret_works("orders").await);
    scene.run_until_only(&operator, "orders", 2).await;
    assert_eq!(scene.made().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_writes_nothing() {
    let (scene, operator) = Scene::with_orders("restart").await;
    scene.jump(&operator, minutes(1)).await;
    operator.stop().await;
    let version = async |name: &str| scene.api::<Secret>().get(name).await.unwrap().metadata.resource_version;
    let before = (version("orders").await, version("orders.credwright").await, scene.get("orders").await);
    let again = scene.operator().await;
    scene.wait("orders", "it has seen everything", async || again.operator.has_all_synced()).await;
    scene.rest(&again).await;
    assert_eq!(again.power.writes(), Vec::<String>::new());
    let after = (version("orders").await, version("orders.credwright").await, scene.get("orders").await);
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_to_a_login_that_is_withdrawn_is_noticed_at_once() {
    let (scene, _operator) = Scene::with_orders("consent").await;
    let label = |role: &str| json!({ "metadata": { "labels": { "credwright.dev/role": role } } });
    scene.merge_secret("spreetail-admin", label("nothing")).await;
    scene.says("orders", ("ProviderReachable", "False", "LoginMissing")).await;
    assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True");
    scene.merge_secret("spreetail-admin", label("login")).await;
    scene.says("orders", ("ProviderReachable", "True", "LoginAccepted")).await;
    assert_eq!(scene.made().len(), 1);
}
