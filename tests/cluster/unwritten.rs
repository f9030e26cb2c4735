//! Answers that the API server does not take into their ledger: a refusal ends, and waiting costs
//! nobody else anything.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use credwright::lifecycle::ledger::State;
use credwright_simulator::Operation;
use http::{Method, Request};
use kube::client::Body;
use serde_json::json;

use crate::stage::minutes;
use crate::support::{Running, Scene, power::Line};

fn writes_ledger_of_orders(request: &Request<Body>) -> bool {
    *request.method() == Method::PUT && request.uri().path().ends_with("/orders.credwright")
}

/// An operator that works on one object at a time.
async fn one_at_a_time(scene: &Scene) -> Running {
    scene.operator_as(|_, options| options.concurrency = 1).await
}

fn unwritten(operator: &Running) -> bool {
    operator.operator.metrics().text().contains("credwright_answers_unwritten 1\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_its_ledger_cannot_store_is_revoked_and_others_continue() {
    let scene = Scene::new("refused-answer").await;
    let _operator = one_at_a_time(&scene).await;
    let gate = scene.provider.faults().gate_after(Operation::Create);
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    gate.wait_arrived().await;
    scene.merge_secret("orders.credwright", json!({ "immutable": true })).await;
    gate.release();
    scene
        .wait("orders", "what no ledger took is revoked", async || {
            scene.made().len() == 1 && scene.provider.record().live().is_empty()
        })
        .await;
    scene.issue("bills", json!({ "lifetime": "720h" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_waits_for_the_api_server_leaves_its_slot_and_is_stored_in_the_end() {
    let scene = Scene::new("late-answer").await;
    let operator = one_at_a_time(&scene).await;
    operator
        .power
        .set_fault(|request| writes_ledger_of_orders(request).then(|| Line::Behind(Box::pin(pending()))));
    // The ledger is made with the intent, by a POST; each attempt to write the answer is lost.
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.wait("orders", "a metric shows it", async || unwritten(&operator)).await;
    scene.issue("bills", json!({ "lifetime": "720h" })).await;
    operator.power.mend();
    scene.publishes("orders", 1).await;
    assert!(!unwritten(&operator));
    assert_eq!(scene.made().len(), 2, "the secret was never lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_between_response_and_ledger_leaves_nothing_behind() {
    let (scene, operator) = Scene::running("panic-before-record").await;
    let struck = Arc::new(AtomicBool::new(false));
    let strikes = struck.clone();
    operator.power.set_fault(move |request| {
        assert!(!writes_ledger_of_orders(request) || strikes.swap(true, Ordering::SeqCst), "struck");
        None
    });
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.wait("orders", "the panic", async || struck.load(Ordering::SeqCst)).await;
    operator.kill().await;
    assert_eq!(scene.provider.record().live().len(), 1);
    assert_eq!(scene.document("orders").await.unwrap().revisions[0].state, State::Intended);
    let operator = scene.operator().await;
    scene.pass_time(&[&operator], minutes(10)).await;
    scene.run_until_only(&operator, "orders", 2).await;
    assert_eq!(scene.provider.record().live().len(), 1, "what was made is found and revoked");
    scene.assert_all_accounted_for().await;
}

/// Each revocation begins with a write of the ledger, and this one refuses every write.
#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_ledger_does_not_keep_a_deletion_from_ending() {
    let (scene, operator) = Scene::with_orders("immutable-ledger").await;
    scene.rest(&operator).await;
    scene.merge_secret("orders.credwright", json!({ "immutable": true })).await;
    scene.delete("orders").await;
    scene.says("orders", ("Stalled", "True", "ApiServerRefused")).await;
    assert_eq!(scene.abandoned().await.len(), 0);
    scene
        .run_until(&operator, "orders", "the object is gone and its credential revoked", async || {
            scene.is_gone("orders").await && scene.provider.record().live().is_empty()
        })
        .await;
    let is_over =
        async || scene.abandoned().await.is_empty() && scene.secret("orders.credwright").await.is_none();
    scene.run_until(&operator, "orders", "nothing is left of it", is_over).await;
}
