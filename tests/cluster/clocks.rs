//! Clocks that are wrong, and pauses that are long: nothing is revoked early, nothing is renewed
//! late, nothing is minted twice.

use jiff::SignedDuration;
use serde_json::json;

use crate::{
    stage::hours,
    support::{Power, Scene},
};

const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// An object in the middle of its overlap.
async fn in_overlap(scene: &Scene) -> (String, String) {
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let first = scene.pair("orders").await.unwrap();
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "one" } } })).await;
    scene.publishes("orders", 2).await;
    scene.rest(&operator).await;
    operator.stop().await;
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_whose_clock_is_years_off_mints_and_revokes_nothing_and_keeps_the_secret() {
    let scene = Scene::new("years-off").await;
    let old = in_overlap(&scene).await;
    let pair = scene.pair("orders").await.unwrap();
    for off_by in [3 * YEAR, -(3 * YEAR), SignedDuration::from_mins(2)] {
        let operator = scene.operator_with(Power::on(), scene.clock.wrong_by(off_by)).await;
        let message = scene.says("orders", ("Ready", "True", "ClockSkew")).await;
        assert!(message.contains("that of the API server"), "{message}");
        scene.apply("later", json!({})).await;
        scene.says("later", ("Ready", "False", "ClockSkew")).await;
        scene.delete_secret("orders").await;
        scene
            .wait("orders", "the Secret is recreated", async || {
                scene.pair("orders").await.as_ref() == Some(&pair)
            })
            .await;
        scene.jump(&operator, hours(1)).await;
        assert!(scene.token_is_granted(&old).await && scene.token_is_granted(&pair).await);
    }
    assert_eq!(scene.made().len(), 2);

    // With a right clock everything goes on as if nothing had been.
    let operator = scene.operator().await;
    scene.says("later", ("Ready", "True", "Issued")).await;
    scene.run_until_only(&operator, "orders", 2).await;
    assert!(!scene.token_is_granted(&old).await);
    assert_eq!(scene.made().len(), 3);
}

/// Only a person can tell which of the two clocks was wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_the_ledger_is_not_believed_until_a_person_says_that_it_is_right() {
    let scene = Scene::new("behind").await;
    let operator = scene.operator_with(Power::on(), scene.clock.secretly_wrong_by(YEAR)).await;
    scene.issue("orders", json!({})).await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "one" } } })).await;
    scene.publishes("orders", 2).await;
    scene.rest(&operator).await;
    operator.stop().await;

    let operator = scene.operator().await;
    let message = scene.says("orders", ("Ready", "True", "ClockSkew")).await;
    scene.jump(&operator, hours(30)).await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (2, 2));
    let (_, said) = message.split_once("--overwrite ").unwrap();
    let (annotation, value) = said.split_once('=').unwrap();
    scene.merge("orders", json!({ "metadata": { "annotations": { annotation: value } } })).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.merge("orders", json!({ "spec": { "rotation": { "request": "two", "overlap": "1h" } } })).await;
    scene.publishes("orders", 3).await;
    scene.pass_time(&[&operator], hours(2)).await;
    scene.rest(&operator).await;
    // The overlap of the first one ends in a year, by what was written down: never too early.
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (3, 2));
}

/// The machine sleeps for forty days: what was due meanwhile is done once, and what has expired is
/// said to have.
#[tokio::test(flavor = "multi_thread")]
async fn f30_after_a_pause_of_forty_days_everything_is_renewed_once() {
    let (scene, operator) = Scene::running("forty-days").await;
    for (name, lifetime) in [("orders", "2160h"), ("billing", "1200h"), ("stock", "720h")] {
        scene.issue(name, json!({ "lifetime": lifetime })).await;
    }
    let pairs = [scene.pair("orders").await.unwrap(), scene.pair("billing").await.unwrap()];
    scene.jump(&operator, hours(40 * 24)).await;
    for (name, revision) in [("orders", 1), ("billing", 2), ("stock", 2)] {
        scene.publishes(name, revision).await;
    }
    assert_eq!(scene.made().len(), 5, "each of those that were due once");
    assert_eq!(scene.pair("orders").await.as_ref(), Some(&pairs[0]));
    assert!(scene.token_is_granted(&pairs[1]).await, "its overlap begins now");
    scene.run_until_only(&operator, "billing", 2).await;
    assert_eq!(scene.made().len(), 5);
}

/// A person asked for the deletion, and waiting for a right clock would keep them waiting for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_deleted_while_the_clock_is_wrong_is_revoked_and_removed() {
    let (scene, operator) = Scene::running("deleted-by-a-wrong-clock").await;
    scene.issue("orders", json!({})).await;
    operator.stop().await;
    let wrong = scene.clock.wrong_by(SignedDuration::from_mins(2));
    let _operator = scene.operator_with(Power::on(), wrong).await;
    scene.says("orders", ("Ready", "True", "ClockSkew")).await;
    scene.remove("orders").await;
    assert!(scene.provider.record().live().is_empty());
}
