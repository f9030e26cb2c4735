//! Uninstalling Credwright keeps credentials and Secrets. Also each way in which Kubernetes
//! deletes.

use std::{path::Path, process::Output};

use credwright::{
    api::{ApiCredential, CredentialProvider, crds},
    engine,
};
use credwright_harness::controlplane;
use k8s_openapi::{
    api::core::v1::Secret, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    stage::hours,
    support::{Power, Scene, eventually, rights::ROLE_BINDING},
};

async fn detach(kubeconfig: &Path, namespace: &str) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_credwright"));
    command.args(["detach", "--namespace", namespace]).env("KUBECONFIG", kubeconfig);
    command.output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn detached_objects_stay_and_are_resumed_without_a_mint() {
    let scene = Scene::new("detached").await;
    let kubeconfig = controlplane::shared().await.unwrap().kubeconfig();
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.rest(&operator).await;
    let pair = scene.pair("orders").await.unwrap();
    operator.stop().await;

    let output = detach(kubeconfig, &scene.namespace).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("detached 3 Secrets, 1 ApiCredentials, 1 providers and 1 RoleBindings"), "{said}");
    for secret in scene.api::<Secret>().list(&ListParams::default()).await.unwrap().items {
        let held = !secret.finalizers().is_empty() || !secret.owner_references().is_empty();
        assert!(!held, "{} is held", secret.name_any());
    }
    // No finalizer is left, so the objects are deleted at once.
    scene.delete("orders").await;
    scene.delete_provider("spreetail").await;
    assert!(scene.is_gone("orders").await);
    let provider = scene.api::<CredentialProvider>().get_opt("spreetail").await.unwrap();
    assert!(provider.is_none());
    assert!(scene.token_is_granted(&pair).await);

    // Installed again, it leaves alone what has no object, and takes it up when that is applied
    // again.
    let operator = scene.operator().await;
    scene.rest(&operator).await;
    scene.jump(&operator, hours(2)).await;
    assert!(scene.token_is_granted(&pair).await && scene.secret("orders.credwright").await.is_some());
    let spec = scene.spreetail(&scene.provider.base_url(), "spreetail-admin");
    scene.create_provider("spreetail", spec).await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene
        .wait("orders", "the Secrets have their owner again", async || {
            scene.is_owned("orders").await && scene.is_owned("orders.credwright").await
        })
        .await;
    assert!(scene.token_is_granted(&pair).await);
    assert_eq!((scene.pair("orders").await.unwrap(), scene.made().len()), (pair, 1));
    scene.remove("orders").await;
    assert_eq!(scene.provider.record().live().len(), 0);
}

/// The object is deleted as soon as its finalizer is removed, and Kubernetes deletes what it owns.
#[tokio::test(flavor = "multi_thread")]
async fn detaching_an_object_that_is_being_deleted_keeps_its_secrets() {
    let (scene, operator) = Scene::with_orders("detached-in-deletion").await;
    scene.rest(&operator).await;
    operator.stop().await;
    scene.delete("orders").await;
    let power = Power::on();
    let client = scene.client_with(&power).await;
    let done = engine::detach::detach(&client, std::slice::from_ref(&scene.namespace), ROLE_BINDING).await;
    assert_eq!(done.map(|it| (it.secrets, it.credentials)).unwrap(), (3, 1));
    assert!(scene.is_gone("orders").await);
    let writes = power.writes();
    let last_secret = writes.iter().rposition(|it| it.contains("/secrets/")).unwrap();
    let object = writes.iter().position(|it| it.ends_with("/apicredentials/orders")).unwrap();
    assert!(last_secret < object, "a Secret was still owned: {writes:#?}");
    assert!(scene.secret_works("orders").await && scene.document("orders").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn detaching_beside_a_running_operator_is_reported() {
    let (scene, operator) = Scene::with_orders("detached-beside").await;
    let kubeconfig = controlplane::shared().await.unwrap().kubeconfig();
    let output = detach(kubeconfig, &scene.namespace).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("an operator is still running"), "{said}");
    scene.rest(&operator).await;
    assert!(scene.is_only("orders", 1).await && scene.secret_works("orders").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreground_deletion_revokes_and_orphaning_retains() {
    let (scene, _operator) = Scene::running("cascades").await;
    for name in ["foreground", "orphaned"] {
        scene.issue(name, json!({ "lifetime": "720h" })).await;
    }
    let (first, second) = (scene.pair("foreground").await.unwrap(), scene.pair("orphaned").await.unwrap());
    let objects = scene.api::<ApiCredential>();
    objects.delete("foreground", &DeleteParams::foreground()).await.unwrap();
    objects.delete("orphaned", &DeleteParams::orphan()).await.unwrap();
    for name in ["foreground", "orphaned"] {
        scene.goes(name).await;
    }
    scene.wait("foreground", "its Secret is gone", async || scene.secret("foreground").await.is_none()).await;
    assert!(!scene.token_is_granted(&first).await);
    assert!(scene.token_is_granted(&second).await);
    let kept = scene.secret("orphaned").await.unwrap();
    assert!(kept.owner_references().is_empty());
    assert_eq!(scene.pair("orphaned").await.unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_of_the_crds_retains_every_credential_and_does_not_hang() {
    let (_control_plane, scene) = Scene::apart("defined").await;
    let operator = scene.operator().await;
    for name in ["orders", "billing"] {
        scene.issue(name, json!({ "lifetime": "720h" })).await;
    }
    let pairs = [scene.pair("orders").await.unwrap(), scene.pair("billing").await.unwrap()];
    let definitions: Api<CustomResourceDefinition> = Api::all(scene.client.clone());
    for definition in crds::all() {
        definitions.delete(&definition.name_any(), &DeleteParams::default()).await.unwrap();
    }
    eventually("the CRDs are deleted", async || {
        definitions.list(&ListParams::default()).await.unwrap().items.is_empty()
    })
    .await;
    for (name, pair) in ["orders", "billing"].iter().zip(&pairs) {
        assert!(scene.token_is_granted(pair).await, "{name}");
        assert_eq!(scene.pair(name).await.as_ref(), Some(pair));
    }
    assert!(scene.made().iter().all(|it| it.revoked_at.is_none()));
    // The Secrets belong to nobody, so nobody collects them.
    let secrets = scene.api::<Secret>().list(&ListParams::default()).await.unwrap().items;
    let held = secrets.iter().filter(|it| !it.finalizers().is_empty() || !it.owner_references().is_empty());
    assert_eq!(held.map(ResourceExt::name_any).collect::<Vec<_>>(), Vec::<String>::new());
    operator.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_older_crds_it_does_not_start_and_says_what_to_apply() {
    let (_control_plane, scene) = Scene::apart("older-crds").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(scene.client.clone());
    let version = async |version: Option<&str>| {
        let annotations = json!({ crds::SCHEMA_VERSION_ANNOTATION: version });
        let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
        definitions.patch("apicredentials.credwright.dev", &PatchParams::default(), &patch).await.unwrap();
    };
    version(None).await;
    let why = scene.fails_to_start().await;
    assert!(why.contains("have schema 1, and this Credwright needs 2"), "{why}");
    assert!(why.contains("--filename crds/credwright.dev.yaml"), "{why}");
    version(Some("3")).await;
    let _newer = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
}
