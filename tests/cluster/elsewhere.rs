//! Failures of other systems, as far as no other test shows that Credwright does not have them.
//! docs/failures.md lists all of them.

use credwright::{api::ApiCredential, engine::startup};
use credwright_harness::controlplane::{ControlPlane, ControlPlaneOptions};
use credwright_simulator::{Fault, Operation};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    stage::{hours, minutes, seconds},
    support::{Running, Scene, install_crds},
};

/// An operator with the cluster's own id, as it is started outside of tests.
async fn of_its_cluster(scene: &Scene) -> (Running, String) {
    let id = startup::cluster_id(&scene.client).await.unwrap();
    (scene.operator_as(|settings, _| settings.cluster_id.clone_from(&id)).await, id)
}

/// Returns the same namespace and provider on another cluster, as if one repository were applied to
/// both.
async fn twin_of(scene: &Scene, cluster: &ControlPlane) -> Scene {
    let twin = scene.seen_from(cluster.cluster()).await;
    let namespaces: Api<Namespace> = Api::all(twin.client.clone());
    let namespace = json!({ "metadata": { "name": twin.namespace } });
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
    twin.put_login("spreetail-admin").await;
    twin.create_provider("spreetail", twin.spreetail(&twin.provider.base_url(), "spreetail-admin")).await;
    twin
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_two_clusters_with_the_same_names_at_one_account_leave_each_others_credentials_alone() {
    let (_first, here) = Scene::apart("twins").await;
    let second = ControlPlane::start(ControlPlaneOptions::default()).await.unwrap();
    install_crds(&second.client().await.unwrap()).await;
    let there = twin_of(&here, &second).await;
    let (operator, id) = of_its_cluster(&here).await;
    let (other, other_id) = of_its_cluster(&there).await;
    assert_ne!(id, other_id);
    for scene in [&here, &there] {
        scene.issue("orders", json!({ "lifetime": "720h" })).await;
    }
    let theirs = there.pair("orders").await.unwrap();
    assert_ne!(here.pair("orders").await.unwrap(), theirs);

    // One rotates, and what it makes at first is lost and looked for by its name, among what the
    // other has.
    here.provider.faults().next(Operation::Create, Fault::LostAnswer);
    here.merge("orders", json!({ "spec": { "rotation": { "request": "two", "overlap": "1h" } } })).await;
    let replaced = async || {
        let published = here.status("orders").await.revision > Some(1);
        published && here.provider.record().live().len() == 2 && here.secret_works("orders").await
    };
    assert!(here.reaches(&[&operator, &other], hours(30), replaced).await);
    // Whatever the hourly list shows is no clash, and no stray.
    here.pass_time(&[&operator, &other], hours(3)).await;
    for scene in [&here, &there] {
        scene.says("orders", ("Ready", "True", "Issued")).await;
    }
    assert_eq!(there.pair("orders").await.unwrap(), theirs);
    assert!(there.token_is_granted(&theirs).await);

    here.remove("orders").await;
    let live = here.provider.record().live();
    assert_eq!(live.iter().map(|it| &it.client_id).collect::<Vec<_>>(), [&theirs.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_at_rest_nothing_is_written_when_others_change_the_metadata_of_the_secret() {
    let (scene, operator) = Scene::with_orders("idle").await;
    scene.pass_time(&[&operator], minutes(10)).await;
    let pair = scene.pair("orders").await;
    let (writes, mutations) = (operator.power.writes().len(), scene.provider.record().mutations());
    for round in 0..60 {
        let touched = json!({ "example.com/seen": round.to_string() });
        scene
            .merge_secret("orders", json!({ "metadata": { "annotations": touched, "labels": touched } }))
            .await;
        scene.jump(&operator, seconds(10)).await;
    }
    scene.pass_time(&[&operator], hours(3)).await;
    assert_eq!(operator.power.writes().split_off(writes), Vec::<String>::new());
    assert_eq!(scene.provider.record().mutations(), mutations);
    assert_eq!(scene.pair("orders").await, pair);
}

/// Applies an object as a GitOps tool does, with the labels of the tool.
async fn sync(scene: &Scene, request: Option<&str>) -> ApiCredential {
    let object = json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential",
        "metadata": {
            "name": "orders",
            "labels": { "app.kubernetes.io/instance": "shop", "kustomize.toolkit.fluxcd.io/name": "shop" },
            "annotations": { "argocd.argoproj.io/tracking-id": "shop:credwright.dev/ApiCredential:shop/orders" },
        },
        "spec": {
            "providerRef": { "name": "spreetail" }, "lifetime": "720h",
            "rotation": request.map_or(Value::Null, |it| json!({ "request": it })),
        },
    });
    let params = PatchParams::apply("argocd-controller").force();
    scene.api::<ApiCredential>().patch("orders", &params, &Patch::Apply(object)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_a_request_in_git_rotates_once_and_the_labels_of_the_tool_are_not_copied_to_the_secrets() {
    let (scene, operator) = Scene::running("gitops").await;
    sync(&scene, None).await;
    scene.publishes("orders", 1).await;
    let applied = sync(&scene, Some("the laptop was stolen")).await;
    scene.publishes("orders", 2).await;
    // For an hour, by a tool that puts back whatever differs.
    for _ in 0..120 {
        let object = sync(&scene, Some("the laptop was stolen")).await;
        assert_eq!(object.metadata.generation, applied.metadata.generation, "something had changed the spec");
        scene.jump(&operator, seconds(30)).await;
    }
    assert_eq!((scene.made().len(), scene.status("orders").await.revision), (2, Some(2)));

    for name in ["orders", "orders.credwright"] {
        let secret = scene.secret(name).await.unwrap();
        let keys = secret.labels().keys().chain(secret.annotations().keys());
        let foreign: Vec<&String> = keys.filter(|it| !it.starts_with("credwright.dev/")).collect();
        assert_eq!(foreign, Vec::<&String>::new(), "{name} looks like the tool's own, which prunes it");
        assert!(scene.is_owned(name).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f25_a_refused_login_is_reported_within_minutes_and_costs_one_probe_for_all_objects() {
    const WAITING: usize = 40;
    let (scene, operator) = Scene::with_orders("one-probe").await;
    scene.rest(&operator).await;
    // Nothing changes in the cluster: it is the provider that takes the login no more.
    scene.provider.faults().every(Operation::Token.by_login(), Fault::status(401));
    let told = async || {
        scene.provider_condition("spreetail").await.is_some_and(|(_, why, _)| why == "ProviderLoginRefused")
    };
    assert!(scene.reaches(&[&operator], minutes(6), told).await);
    assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True", "what is published works");

    let names: Vec<String> = (0..WAITING).map(|number| format!("waiting-{number}")).collect();
    for name in &names {
        scene.apply(name, json!({ "lifetime": "720h" })).await;
    }
    for name in &names {
        scene.says(name, ("Ready", "False", "ProviderLoginRefused")).await;
    }
    let asked = scene.provider.record().requests().len();
    scene.pass_time(&[&operator], hours(1)).await;
    let asked = scene.provider.record().requests().len() - asked;
    println!("{asked} requests in an hour in which {WAITING} objects waited for a login that is refused");
    assert!((10..=20).contains(&asked), "{asked} requests in an hour");
    assert_eq!(scene.made().len(), 1);

    scene.provider.faults().clear();
    let all = async || scene.provider.record().live().len() == 1 + WAITING;
    assert!(scene.reaches(&[&operator], minutes(6), all).await);
    for name in &names {
        scene.comes_to(&operator, name, ("Ready", "True", "Issued")).await;
    }
    assert_eq!(scene.made().len(), 1 + WAITING);
}
