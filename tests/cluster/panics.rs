//! A panic ends the one task that it is in, wherever it is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use credwright::{controller::boundary::Task, engine::leadership::LeaseHolder};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Scene, eventually, power::Line};

/// A panic in one task, while all others go on; afterwards it is as if nothing had been.
#[expect(clippy::panic, reason = "the panic is what is looked at")]
async fn one_panics(task: Task, path: &'static str, watch: bool) {
    let scene = Scene::new("panics").await;
    let operator = scene
        .operator_as(|settings, _| {
            let identity = "one".to_owned();
            settings.lease = Some(LeaseHolder { lease: "credwright".to_owned(), identity });
        })
        .await;
    scene.issue("before", json!({})).await;
    let panics = Arc::<AtomicUsize>::default();
    let counted = panics.clone();
    operator.power.set_fault(move |request| {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let planted = is_watch == watch && request.uri().path().contains(path);
        let counted = counted.clone();
        planted.then(|| {
            Line::Behind(Box::pin(async move {
                counted.fetch_add(1, Ordering::SeqCst);
                std::panic::panic_any("planted")
            }))
        })
    });
    if task == Task::Item {
        scene.apply("poisoned", json!({})).await;
    }
    operator.power.end_watches();
    eventually("it panics", async || {
        scene.clock.advance(SignedDuration::from_millis(100));
        panics.load(Ordering::SeqCst) > 0
    })
    .await;
    if task == Task::Item {
        // The other object is issued while the first one panics at each look.
        scene.issue("orders", json!({})).await;
        assert!(scene.status("poisoned").await.conditions.is_empty(), "its status was written");
    }
    operator.power.mend();
    if task != Task::Item {
        // A Lease that nobody renews any more has run out by then.
        scene.clock.advance(SignedDuration::from_mins(1));
        scene.apply("poisoned", json!({})).await;
    }
    // A watch and the election start again after a second of real time.
    let began = scene.now();
    eventually(&format!("{task:?}: it is issued"), async || {
        scene.clock.advance(SignedDuration::from_millis(100));
        scene.pair("poisoned").await.is_some() && scene.secret_works("poisoned").await
    })
    .await;
    assert!(scene.now().duration_since(began) < SignedDuration::from_mins(5), "{task:?}");
    operator.stop().await;
    scene.assert_all_accounted_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_one_task_ends_that_task_alone() {
    for task in Task::ALL {
        match task {
            Task::Item => one_panics(task, "/apicredentials/poisoned", false).await,
            Task::Watch => one_panics(task, "/apicredentials", true).await,
            Task::Lease => one_panics(task, "/leases", false).await,
            // `controller::boundary` shows this one: a scrape makes no call.
            Task::Scrape => {}
        }
    }
}
