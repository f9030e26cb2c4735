//! Anybody who may write Secrets can label them as ours. What that costs is bounded.

use std::path::Path;

use credwright_harness::{operator::Operator, process::Usage};
use futures::{StreamExt, stream};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::PostParams;
use serde_json::json;

use crate::support::Scene;

const SECRETS: usize = 500;
/// The largest data of one Secret.
const LARGEST: usize = 1024 * 1024 - 16;
/// The largest growth of the operator's peak memory.
const GROWTH_KIB: u64 = 20 * 1024;

/// The real binary, at work.
async fn start(scene: &Scene, kubeconfig: &Path, log: &Path) -> Operator {
    let binary = Path::new(env!("CARGO_BIN_EXE_credwright"));
    let arguments = ["--operator-namespace", &scene.namespace, "--allow-egress", "127.0.0.0/8"];
    Operator::start(binary, &arguments, Some(kubeconfig), log).await.unwrap()
}

fn peak(operator: &Operator) -> u64 {
    Usage::of(operator.pid()).unwrap().peak_kib
}

/// A Secret that claims to be the ledger of the ApiCredential `name`.
fn pretended(name: &str) -> Secret {
    let mut secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": format!("{name}.credwright"), "labels": { "credwright.dev/role": "ledger" } },
    }))
    .unwrap();
    secret.data = Some([("document".to_owned(), ByteString(vec![b'x'; LARGEST]))].into());
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn f27_five_hundred_large_secrets_that_pretend_to_be_ledgers_do_not_fill_the_memory() {
    let (control_plane, scene) = Scene::apart("attack").await;
    let kubeconfig = control_plane.cluster().kubeconfig();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("operator.log");
    let mut operator = start(&scene, kubeconfig, &log).await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let before = peak(&operator);

    let secrets = scene.api::<Secret>();
    let names: Vec<String> = (0..SECRETS).map(|number| format!("pretended-{number}")).collect();
    stream::iter(&names)
        .for_each_concurrent(4, async |name| {
            secrets.create(&PostParams::default(), &pretended(name)).await.unwrap();
        })
        .await;
    // Once the last one is known for what it is, all have been seen.
    let last = "pretended-last";
    secrets.create(&PostParams::default(), &pretended(last)).await.unwrap();
    scene.apply(last, json!({})).await;
    scene.says(last, ("Ready", "False", "LedgerUnreadable")).await;
    operator.ensure_running().unwrap();
    let meanwhile = peak(&operator);
    operator.stop().await.unwrap();

    let mut operator = start(&scene, kubeconfig, &log).await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two" } } })).await;
    scene.publishes("orders", 2).await;
    operator.ensure_running().unwrap();
    let afterwards = peak(&operator);
    operator.stop().await.unwrap();
    println!(
        "peak {before} KiB, {meanwhile} KiB while they came, {afterwards} KiB after a restart among them"
    );
    assert!(meanwhile < before + GROWTH_KIB, "{before} KiB, then {meanwhile} KiB");
    assert!(afterwards < before + GROWTH_KIB, "{before} KiB, then {afterwards} KiB");
}
