//! Somebody changes an object between our look at it and our write of its status, and no watch
//! tells of it: the API server refuses the write, and the change is read and acted on.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
};

use credwright::api::{ApiCredential, CredentialProvider};
use http::Method;
use jiff::SignedDuration;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    stage::seconds,
    support::{Power, Running, Scene, eventually, power::Line},
};

/// Has `change` happen right before the next write of the status at `path`, of which the watches
/// tell nothing, now or later.
fn before_status(operator: &Running, path: &'static str, change: impl Future<Output = ()> + Send + 'static) {
    let (power, change) = (operator.power.clone(), std::sync::Mutex::new(Some(Box::pin(change))));
    let done = AtomicBool::new(false);
    operator.power.set_fault(move |request| {
        let is_it = request.method() == Method::PUT && request.uri().path().ends_with(path);
        if !is_it || done.swap(true, Ordering::SeqCst) {
            return None;
        }
        power.stall_watches(true);
        Some(Line::Behind(Box::pin(change.lock().unwrap().take().unwrap())))
    });
}

fn merge(api: &Api<ApiCredential>, name: &'static str, patch: Value) -> impl Future<Output = ()> + use<> {
    let api = api.clone();
    async move {
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
}

/// An operator whose watches tell nothing, with an object whose renewal is due: that is what wakes
/// it.
async fn renewing_unseen(scene: &Scene, change: impl Future<Output = ()> + Send + 'static) -> Running {
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.rest(&operator).await;
    operator.power.stall_watches(true);
    before_status(&operator, "/apicredentials/orders/status", change);
    scene.clock.move_to(scene.status("orders").await.renewal_time.unwrap() + seconds(1));
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_changed_while_its_status_is_written_takes_effect() {
    let scene = Scene::new("echo-spec").await;
    let again = json!({ "spec": { "rotation": { "request": "again" } } });
    let _operator = renewing_unseen(&scene, merge(&scene.api(), "orders", again)).await;
    scene.publishes("orders", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_deleted_while_its_status_is_written_is_removed() {
    let scene = Scene::new("echo-deletion").await;
    let api: Api<ApiCredential> = scene.api();
    let _operator = renewing_unseen(&scene, async move {
        api.delete("orders", &DeleteParams::default()).await.unwrap();
    })
    .await;
    scene.goes("orders").await;
    assert!(scene.provider.record().live().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotation_set_while_its_status_is_written_is_read() {
    let scene = Scene::new("echo-annotation").await;
    let year = SignedDuration::from_hours(365 * 24);
    let ahead = scene.operator_with(Power::on(), scene.clock.secretly_wrong_by(year)).await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.rest(&ahead).await;
    ahead.stop().await;
    let written = scene.document("orders").await.unwrap().written_at;
    let written = jiff::Timestamp::from_second(written.as_second()).unwrap().to_string();
    let operator = scene.operator().await;
    let right = json!({ "metadata": { "annotations": { "credwright.dev/clock-is-right": written } } });
    before_status(&operator, "/apicredentials/orders/status", merge(&scene.api(), "orders", right));
    let told = |it: &&String| it.ends_with("/apicredentials/orders/status");
    eventually("the status is written", async || operator.power.writes().iter().any(|it| told(&it))).await;
    scene.clock.move_to(scene.status("orders").await.renewal_time.unwrap() + seconds(1));
    scene.publishes("orders", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_corrected_while_its_status_is_written_is_used() {
    let scene = Scene::new("echo-provider").await;
    let elsewhere = json!({ "spec": { "login": { "secretRef": { "name": "mistyped" } } } });
    let right = json!({ "spec": { "login": { "secretRef": { "name": "spreetail-admin" } } } });
    let api: Api<CredentialProvider> = scene.api();
    api.patch("spreetail", &PatchParams::default(), &Patch::Merge(elsewhere)).await.unwrap();
    scene.apply("orders", json!({})).await;
    let operator = scene.operator().await;
    before_status(&operator, "/credentialproviders/spreetail/status", async move {
        api.patch("spreetail", &PatchParams::default(), &Patch::Merge(right)).await.unwrap();
    });
    scene
        .wait("orders", "the provider is used", async || {
            scene.provider_condition("spreetail").await.is_some_and(|(status, _, _)| status == "True")
        })
        .await;
    scene.publishes("orders", 1).await;
}
