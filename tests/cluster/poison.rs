//! Objects that any tenant can write and a strict decoder refuses: they trouble nobody else.

mod matrix;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use credwright::ops::server::Show;
use credwright_harness::{
    controlplane::{ControlPlane, ControlPlaneOptions},
    poison, raw,
};
use http::{Method, Request};
use kube::Client;
use serde_json::json;

use crate::support::{Running, Scene, eventually, install_crds, logs};

fn secret(scene: &Scene, name: &str) -> String {
    ours(scene, "secrets", name)
}

fn ours(scene: &Scene, plural: &str, name: &str) -> String {
    raw::path(&scene.namespace, plural, name)
}

async fn is_published(scene: &Scene, name: &str, revision: u32) {
    eventually(&format!("revision {revision} of {name} is published"), async || {
        let status =
            raw::ask(&scene.client, Method::GET, &ours(scene, "apicredentials", name), None).await.unwrap();
        let target = raw::ask(&scene.client, Method::GET, &secret(scene, name), None).await.ok();
        let text = |key: &str| {
            let encoded = target.as_ref()?["data"][key].as_str()?;
            Some(String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap())
        };
        let accepted = text("client_id").zip(text("client_secret"));
        status["status"]["revision"] == json!(revision)
            && accepted.is_some_and(|(id, secret)| scene.provider.record().accepts(&id, &secret))
    })
    .await;
}

async fn is_ready(operator: &Running) {
    eventually("the operator is ready", async || operator.operator.readiness().missing.is_empty()).await;
}

/// Writes times and depths into an object that no decoder of ours can read.
async fn poisoned(client: &Client, path: &str) {
    poison::times(client, path).await.unwrap();
    poison::depth(client, path).await.unwrap();
}

/// Poisons one object of each kind that is watched, before an operator starts.
async fn poison_all(scene: &Scene) {
    let client = &scene.client;
    scene.apply("orders", json!({})).await;
    scene.apply("odd", json!({})).await;
    poisoned(client, &secret(scene, "spreetail-admin")).await;
    poisoned(client, &format!("/api/v1/namespaces/{}", scene.namespace)).await;
    poisoned(client, &ours(scene, "credentialproviders", "spreetail")).await;
    poisoned(client, &ours(scene, "apicredentials", "orders")).await;
    poison::status(client, &scene.namespace, "odd").await.unwrap();
}

async fn nobody_is_kept_waiting(scene: &Scene, streaming_lists: bool) {
    poison_all(scene).await;
    let operator = scene
        .operator_as(|_, options| {
            options.streaming_lists = streaming_lists;
            options.cluster_providers = true;
        })
        .await;
    is_ready(&operator).await;
    // What can be read of a status is believed: it lists a first revision, whose ledger is not
    // there.
    for (name, revision) in [("orders", 1), ("odd", 2)] {
        is_published(scene, name, revision).await;
    }
    // What Credwright writes itself may be poisoned, too, and is written and read all the same.
    for name in ["orders", "orders.credwright"] {
        poisoned(&scene.client, &secret(scene, name)).await;
    }
    scene.apply("well", json!({})).await;
    is_published(scene, "well", 1).await;
    let rotation = json!({ "spec": { "rotation": { "request": "now" } } });
    let path = ours(scene, "apicredentials", "orders");
    raw::ask(&scene.client, Method::PATCH, &path, Some(&rotation)).await.unwrap();
    is_published(scene, "orders", 2).await;
    is_ready(&operator).await;
    operator.stop().await;
    let lines = logs::text();
    for made in scene.provider.record().all() {
        for planted in [made.secret().to_owned(), BASE64_STANDARD.encode(made.secret())] {
            assert!(!lines.contains(&planted), "a client secret is in the log");
        }
    }
    let login = scene.provider.login().client_secret.clone();
    assert!(!lines.contains(&BASE64_STANDARD.encode(login)), "a login is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undecodable_object_delays_no_other_in_streamed_lists() {
    nobody_is_kept_waiting(&Scene::new("poison-streamed").await, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undecodable_object_delays_no_other_in_paged_lists() {
    nobody_is_kept_waiting(&Scene::new("poison-paged").await, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_in_pages_where_the_api_server_streams_none() {
    let options = ControlPlaneOptions { no_streamed_lists: true, ..ControlPlaneOptions::default() };
    let plane = ControlPlane::start(options).await.unwrap();
    install_crds(&plane.client().await.unwrap()).await;
    let scene = Scene::on(plane.cluster(), "paged").await;
    scene.apply("orders", json!({})).await;
    let operator = scene.operator_as(|_, options| options.streaming_lists = true).await;
    is_ready(&operator).await;
    is_published(&scene, "orders", 1).await;
}
