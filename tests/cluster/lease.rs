//! The Lease is lost, deleted, or given back in the middle of a step: what was sent is written
//! down, and nothing is begun.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use credwright::{
    engine::leadership::BELIEVED,
    lifecycle::ledger::{Revision, State},
};
use credwright_simulator::Operation;
use futures::FutureExt;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    api::{DeleteParams, Patch, PatchParams},
    client::Body,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    leadership::{LEASE, holder},
    support::{Power, Running, Scene, eventually, power::Line},
};

/// A Lease keeps microseconds.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

async fn leader(scene: &Scene) -> Running {
    let operator = scene.candidate(Power::on(), LEASE, "first").await;
    eventually("it leads", async || operator.operator.leads()).await;
    operator
}

/// Another process takes the Lease, and the operator sees it.
async fn usurp(scene: &Scene, operator: &Running) {
    let usurped = json!({ "spec": {
        "holderIdentity": "second", "renewTime": format!("{:.6}", Timestamp::now()), "leaseDurationSeconds": 15,
    } });
    scene.api::<Lease>().patch(LEASE, &PatchParams::default(), &Patch::Merge(usurped)).await.unwrap();
    eventually("it does not lead", async || !operator.operator.leads()).await;
}

/// The first revision of `orders`.
async fn first(scene: &Scene) -> Option<Revision> {
    scene.document("orders").await.and_then(|document| document.revisions.first().cloned())
}

fn creates_ledger(request: &Request<Body>) -> bool {
    *request.method() == Method::POST && request.uri().path().ends_with("/secrets")
}

fn reads_lease(request: &Request<Body>) -> bool {
    *request.method() == Method::GET && request.uri().path().ends_with(LEASE)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_to_a_request_from_before_the_loss_of_the_lease_is_stored() {
    let scene = Scene::new("lost-amid").await;
    let gate = scene.provider.faults().gate_after(Operation::Create);
    let operator = leader(&scene).await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    gate.wait_arrived().await;
    usurp(&scene, &operator).await;
    scene.apply("later", json!({ "lifetime": "720h" })).await;
    gate.release();
    let said = operator.dies().await;
    assert!(said.contains("LeaseLost"), "{said}");
    let revision = first(&scene).await.unwrap();
    assert_eq!((revision.state, revision.client_id.is_some()), (State::Issued, true));
    assert!(scene.document("later").await.is_none(), "nothing was begun");
    assert_eq!(scene.made().len(), 1);
}

/// Applies `orders`, and holds the operator up between its intent and the call, until what is
/// returned is notified.
async fn held_before_the_call(scene: &Scene, operator: &Running) -> Arc<Notify> {
    let release = Arc::new(Notify::new());
    let held = release.clone();
    operator.power.set_fault(move |request| creates_ledger(request).then(|| Line::Held(held.clone())));
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    eventually("the intent is written", async || first(scene).await.is_some()).await;
    release
}

async fn assert_not_sent(scene: &Scene) {
    assert!(scene.made().is_empty(), "{:#?}", scene.made());
    assert_eq!(first(scene).await.unwrap().state, State::Absent, "nobody has to look for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_loses_the_lease_before_the_call_records_that_nothing_was_sent() {
    let scene = Scene::new("lost-before").await;
    let operator = leader(&scene).await;
    let release = held_before_the_call(&scene, &operator).await;
    usurp(&scene, &operator).await;
    release.notify_one();
    let said = operator.dies().await;
    assert!(said.contains("LeaseLost"), "{said}");
    assert_not_sent(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mint_begins_after_a_stop_though_its_intent_is_written() {
    let (scene, operator) = Scene::running("stopped-before").await;
    let release = held_before_the_call(&scene, &operator).await;
    let mut stopping = Box::pin(operator.stop());
    assert!(futures::poll!(&mut stopping).is_pending());
    release.notify_one();
    stopping.await;
    assert_not_sent(&scene).await;

    // The next process mints at once.
    let _operator = scene.operator().await;
    scene.publishes("orders", 2).await;
    assert_eq!(scene.made().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_create_but_not_for_what_can_be_repeated() {
    let scene = Scene::new("stopped-amid").await;
    let operator = scene.operator_as(|_, options| options.wind_down = Duration::ZERO).await;
    scene.issue("old", json!({})).await;
    let revoking = scene.provider.faults().gate_before(Operation::Delete);
    scene.delete("old").await;
    revoking.wait_arrived().await;
    let creating = scene.provider.faults().gate_after(Operation::Create);
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    creating.wait_arrived().await;

    let looks = {
        let shown = operator.operator.clone();
        move || {
            let text = shown.metrics().text();
            let count = r#"credwright_reconcile_duration_seconds_count{item="credential"} "#;
            text.lines().find_map(|line| line.strip_prefix(count)).map(ToOwned::to_owned)
        }
    };
    let before = looks();
    let mut stopping = Box::pin(operator.stop());
    assert!(futures::poll!(&mut stopping).is_pending());
    eventually("revoking is given up", async || looks() != before).await;
    assert!(futures::poll!(&mut stopping).is_pending());
    creating.release();
    stopping.await;
    assert_eq!(first(&scene).await.unwrap().state, State::Issued, "the answer is written down");
    assert!(scene.secret("orders").await.is_none(), "and the next step is another process's");

    let _operator = scene.operator().await;
    scene.goes("old").await;
    assert_eq!(scene.provider.record().live().len(), 1, "the next process revokes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_read_of_the_lease_does_not_lead_to_a_late_call() {
    let scene = Scene::new("late-lease").await;
    let operator = leader(&scene).await;
    let release = held_before_the_call(&scene, &operator).await;
    // What was read of the Lease before the intent counts no more; and the Lease is as new as the
    // clock.
    tokio::time::sleep(BELIEVED).await;
    scene.clock.advance(SignedDuration::from_secs(15));
    let renewed = async || {
        let spec = scene.api::<Lease>().get(LEASE).await.unwrap().spec.unwrap();
        spec.renew_time.is_some_and(|at| at.0.duration_since(scene.clock.now()).abs() < SECOND)
    };
    eventually("the Lease is renewed", renewed).await;
    let (clock, begun) = (scene.clock.clone(), AtomicBool::new(false));
    operator.power.set_fault(move |request| {
        let clock = clock.clone();
        let takes_long = async move { clock.advance(SignedDuration::from_secs(6)) };
        let first = reads_lease(request) && !begun.swap(true, Ordering::SeqCst);
        first.then(|| Line::Behind(takes_long.boxed()))
    });
    release.notify_one();
    scene.publishes("orders", 2).await;
    assert_eq!(first(&scene).await.unwrap().state, State::Absent, "it was 21 seconds old, and not sent");
    assert_eq!(scene.made().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_replica_recreates_its_deleted_lease_and_continues() {
    let scene = Scene::new("lease-deleted").await;
    let operator = leader(&scene).await;
    let uid = async || scene.api::<Lease>().get_opt(LEASE).await.unwrap().and_then(|it| it.metadata.uid);
    let before = uid().await;
    scene.api::<Lease>().delete(LEASE, &DeleteParams::default()).await.unwrap();
    let recreated = async || {
        let now = uid().await;
        now.is_some() && now != before && holder(&scene).await.as_deref() == Some("first")
    };
    eventually("it is recreated", recreated).await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    assert!(operator.operator.leads());
    operator.stop().await;
    assert_eq!(holder(&scene).await, None, "it was given back");
}
