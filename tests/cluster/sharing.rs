//! A provider that namespaces share: its owner says who may have what, and leaving a restriction
//! out is no way round it.

use credwright::api::ClusterCredentialProvider;
use credwright_simulator::Operation;
use jiff::Unit;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::stage::hours;
use crate::support::{Scene, with};

async fn share(scene: &Scene, allow: Value) {
    scene.share(&scene.namespace, json!({ "requestsPerSecond": 1000 }), allow).await;
}

async fn label(scene: &Scene, plan: Option<&str>) {
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "plan": plan } } }));
    namespaces.patch(&scene.namespace, &PatchParams::default(), &patch).await.unwrap();
}

fn shared(scene: &Scene, more: Value) -> Value {
    with(json!({ "providerRef": { "kind": "ClusterCredentialProvider", "name": scene.namespace } }), more)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_allowed_by_its_labels_and_its_credentials_outlive_them() {
    let scene = Scene::new("labelled").await;
    let operator = scene.operator_as(|_, options| options.cluster_providers = true).await;
    share(&scene, json!({ "namespaces": { "selector": { "matchLabels": { "plan": "paid" } } } })).await;
    scene.apply("orders", shared(&scene, json!({ "lifetime": "720h" }))).await;
    let message = scene.says("orders", ("Ready", "False", "NotAllowed")).await;
    assert!(message.contains("the labels of its selector"), "{message}");
    assert_eq!(scene.made().len(), 0);

    // Whoever gains the label is served at once: the clock stands still.
    label(&scene, Some("paid")).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    assert!(scene.is_only("orders", 1).await);

    // Whoever loses it keeps what is published, and gets no other.
    label(&scene, Some("free")).await;
    scene.rest(&operator).await;
    scene
        .apply("orders", shared(&scene, json!({ "lifetime": "720h", "rotation": { "request": "now" } })))
        .await;
    scene.says("orders", ("Ready", "True", "NotAllowed")).await;
    assert!(scene.secret_works("orders").await);
    scene.apply("late", shared(&scene, json!({ "lifetime": "720h" }))).await;
    scene.says("late", ("Ready", "False", "NotAllowed")).await;
    scene.rest(&operator).await;
    assert_eq!(scene.made().len(), 1, "nothing was minted without the label");

    label(&scene, Some("paid")).await;
    scene.publishes("orders", 2).await;
    scene.publishes("late", 1).await;

    // Revoking needs nobody's leave.
    label(&scene, None).await;
    scene.says("late", ("Ready", "True", "Issued")).await;
    scene.delete("orders").await;
    scene.delete("late").await;
    scene.goes("orders").await;
    scene.goes("late").await;
    assert_eq!(scene.provider.record().live().len(), 0);
    assert_eq!(scene.made().len(), 3);
    operator.stop().await;
    scene.delete_shared_provider(&scene.namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_provider_gives_a_namespace_what_its_owner_allows_and_nothing_else() {
    let scene = Scene::new("shared").await;
    let operator = scene.operator_as(|_, options| options.cluster_providers = true).await;
    let api: Api<ClusterCredentialProvider> = Api::all(scene.client.clone());
    let own = json!({ "names": [scene.namespace] });
    let spec = |more: Value| shared(&scene, more);
    let refused = async |part: &str| {
        scene
            .wait("orders", part, async || {
                let ready = scene.condition("orders", "Ready").await;
                ready.is_some_and(|(_, reason, message)| reason == "NotAllowed" && message.contains(part))
            })
            .await;
        assert_eq!(scene.made().len(), 0);
    };

    share(&scene, json!({ "namespaces": { "names": ["elsewhere"] } })).await;
    scene.apply("orders", spec(json!({ "lifetime": "720h" }))).await;
    refused("its owner has to add it to spec.allow.namespaces.names").await;
    scene.says("orders", ("Stalled", "True", "NotAllowed")).await;
    share(&scene, json!({ "namespaces": own, "maxLifetime": "24h" })).await;
    refused("the provider allows at most 24h").await;
    share(&scene, json!({ "namespaces": own, "subnets": ["203.0.113.0/24"] })).await;
    refused("spec.subnets: at least one is required").await;
    share(&scene, json!({ "namespaces": own, "scopes": ["read"] })).await;
    refused("spec.scopes: at least one is required").await;

    share(&scene, json!({ "namespaces": own, "maxLifetime": "48h" })).await;
    scene.apply("orders", spec(json!({}))).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    assert!(scene.secret_works("orders").await);
    let made = &scene.made()[0];
    let life = made.expires.unwrap().duration_since(made.created);
    assert_eq!(life.round(Unit::Second).unwrap(), hours(48), "the longest that is allowed");

    // What is no longer allowed is not renewed, and may still be revoked.
    share(&scene, json!({ "namespaces": { "names": ["elsewhere"] } })).await;
    scene
        .wait("orders", "the provider is seen as it is now", async || {
            let provider = api.get(&scene.namespace).await.unwrap();
            provider.status.is_some_and(|it| it.observed_generation == provider.metadata.generation)
        })
        .await;
    scene.rest(&operator).await;
    scene.apply("orders", spec(json!({ "rotation": { "request": "now" } }))).await;
    scene.says("orders", ("Ready", "True", "NotAllowed")).await;
    assert_eq!(scene.made().len(), 1);
    scene.remove("orders").await;
    assert_eq!(scene.provider.record().live().len(), 0);
    operator.stop().await;
    scene.delete_shared_provider(&scene.namespace).await;
}

/// Some providers end nothing by themselves. Spreetail would, so the call is counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_its_owner_suspends_is_revoked_at_the_end_of_its_life() {
    let scene = Scene::new("suspended").await;
    let operator = scene.operator_as(|_, options| options.cluster_providers = true).await;
    share(&scene, json!({ "namespaces": { "names": [scene.namespace] }, "maxLifetime": "48h" })).await;
    scene.issue("orders", shared(&scene, json!({}))).await;
    scene.apply("orders", shared(&scene, json!({ "suspend": true }))).await;
    let message = scene.says("orders", ("Ready", "True", "Suspended")).await;
    assert!(message.contains("is revoked at the end of its life"), "{message}");
    scene.jump(&operator, hours(47)).await;
    assert_eq!(scene.provider.record().arrived(Operation::Delete), 0, "its life is not over");
    scene.jump(&operator, hours(2)).await;
    scene
        .wait("orders", "it is revoked", async || scene.provider.record().arrived(Operation::Delete) == 1)
        .await;
    assert_eq!(scene.made().len(), 1, "nothing is renewed while it is suspended");
    scene.apply("orders", shared(&scene, json!({}))).await;
    scene.publishes("orders", 2).await;
    assert!(scene.secret_works("orders").await);
    scene.remove("orders").await;
    operator.stop().await;
    scene.delete_shared_provider(&scene.namespace).await;
}
