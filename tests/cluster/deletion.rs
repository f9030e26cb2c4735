//! Deletion ends: what can be revoked is, and nothing hangs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use credwright::{api::ApiCredential, lifecycle::ledger::State};
use credwright_simulator::Operation;
use http::Method;
use kube::{ResourceExt, api::PostParams};
use serde_json::json;
use tokio::sync::Notify;

use crate::stage::{hours, minutes};
use crate::support::{Scene, power::Line};

#[tokio::test(flavor = "multi_thread")]
async fn deletion_revokes_the_credential_and_removes_the_secret() {
    let (scene, _operator) = Scene::with_orders("delete").await;
    let pair = scene.pair("orders").await.unwrap();
    scene.remove("orders").await;
    assert!(!scene.token_is_granted(&pair).await);
    assert_eq!(scene.provider.record().live().len(), 0);

    // An object of the same name waits for the Secret of the first one to go. The garbage collector
    // looks for new kinds of owner every half minute.
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    let began = Instant::now();
    while scene.secret("orders").await.is_some() && scene.pair("orders").await.as_ref() == Some(&pair) {
        assert!(began.elapsed() < Duration::from_secs(120), "the Secret outlives its owner");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    scene.has_only("orders", 1).await;
    assert!(scene.secret_works("orders").await);
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn retaining_leaves_a_secret_that_works_and_belongs_to_nobody() {
    let (scene, _operator) = Scene::running("retain").await;
    scene.issue("orders", json!({ "lifetime": "720h", "deletionPolicy": "Retain" })).await;
    let pair = scene.pair("orders").await.unwrap();
    scene.remove("orders").await;
    let secret = scene.secret("orders").await.unwrap();
    assert!(secret.owner_references().is_empty());
    assert_eq!(secret.labels().get("credwright.dev/role"), None);
    assert_eq!(scene.pair("orders").await.as_ref(), Some(&pair));
    assert!(scene.token_is_granted(&pair).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_while_the_provider_is_down_says_what_it_waits_for_and_ends_once_it_is_back() {
    let (scene, operator) = Scene::with_orders("delete-down").await;
    scene.provider.stop().await;
    scene.delete("orders").await;
    let message = scene.says("orders", ("Ready", "False", "Deleting")).await;
    assert!(message.contains("to be revoked") && message.contains("refuses connections"), "{message}");
    scene.jump(&operator, minutes(3)).await;
    assert!(!scene.is_gone("orders").await);
    scene.provider.start_again().await.unwrap();
    scene.run_until(&operator, "orders", "it is gone", async || scene.is_gone("orders").await).await;
    assert_eq!(scene.provider.record().live().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_a_credential_is_deleted_at_once() {
    let (scene, _operator) = Scene::running("delete-unissued").await;
    scene.apply("orders", json!({ "providerRef": { "name": "nowhere" } })).await;
    scene.says("orders", ("Ready", "False", "ProviderMissing")).await;
    scene.remove("orders").await;
    assert_eq!(scene.made().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_recreated_at_once_gets_its_own_credential() {
    let (scene, operator) = Scene::running("again").await;
    let spec = json!({ "lifetime": "720h", "secret": { "name": "orders-1" } });
    scene.issue("orders", spec).await;
    let first = scene.get("orders").await;
    scene.delete("orders").await;
    let again: ApiCredential = serde_json::from_value(json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential", "metadata": { "name": "orders" },
        "spec": { "providerRef": { "name": "spreetail" }, "lifetime": "720h", "secret": { "name": "orders-2" } },
    }))
    .unwrap();
    scene
        .wait("orders", "the name is free", async || {
            scene.api::<ApiCredential>().create(&PostParams::default(), &again).await.is_ok()
        })
        .await;
    let issued = scene.run_until_one(&operator, "orders").await;
    assert_ne!(scene.get("orders").await.uid(), first.uid());
    let pair = scene.pair("orders-2").await.unwrap();
    assert!(scene.token_is_granted(&pair).await);
    let live = scene.provider.record().live();
    assert_eq!((live.len(), scene.made().len()), (1, 2));
    scene.jump(&operator, hours(2)).await;
    assert!(scene.is_only("orders", issued.revision).await);
}

/// The API server's answer, and what the watch tells, come in any order.
#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_object_survives_a_late_delete_event_of_its_predecessor() {
    let (scene, operator) = Scene::with_orders("answer-late").await;
    let answer = Arc::new(Notify::new());
    operator.power.set_fault({
        let answer = answer.clone();
        move |request| {
            let releases =
                request.method() == Method::PATCH && request.uri().path().ends_with("/apicredentials/orders");
            releases.then(|| Line::Held(answer.clone()))
        }
    });
    scene.delete("orders").await;
    scene.wait("orders", "its name is free", async || scene.is_gone("orders").await).await;
    scene.apply("orders", json!({ "lifetime": "720h", "secret": { "name": "orders-2" } })).await;
    // What is published has been seen, and so has been all that was made before it.
    scene.issue("later", json!({ "lifetime": "720h" })).await;
    operator.power.mend();
    answer.notify_one();
    scene.run_until_one(&operator, "orders").await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_an_object_without_its_finalizer_are_revoked_by_its_ledger() {
    let (scene, operator) = Scene::with_orders("forced-off").await;
    operator.stop().await;
    scene.merge("orders", json!({ "metadata": { "finalizers": null } })).await;
    scene.delete("orders").await;
    assert!(scene.is_gone("orders").await && scene.secret("orders.credwright").await.is_some());
    let _operator = scene.operator().await;
    scene.goes("orders").await;
    assert_eq!((scene.made().len(), scene.provider.record().live().len()), (1, 0));
}

/// The lost answer is looked for under the name that it was asked for, not under that of the object
/// which has the name by now.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_response_of_an_earlier_object_with_the_same_name_is_found_and_revoked() {
    let (scene, operator) = Scene::running("earlier").await;
    // The operator dies while it waits for the answer. If it learned that the answer was lost, it
    // might find the credential before it dies.
    let answer = scene.provider.faults().gate_after(Operation::Create);
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    answer.wait_arrived().await;
    operator.kill().await;
    answer.release();
    let document = scene.document("orders").await.unwrap();
    assert_eq!((document.revisions.len(), document.revisions[0].state), (1, State::Intended));
    scene.merge("orders", json!({ "metadata": { "finalizers": null } })).await;
    scene.delete("orders").await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    let operator = scene.operator().await;
    let issued = scene.run_until_one(&operator, "orders").await;
    let (made, live) = (scene.made(), scene.provider.record().live());
    assert_eq!((made.len(), live.len()), (2, 1), "{made:#?}");
    assert_eq!(issued.client_id.as_ref(), Some(&live[0].client_id));
    assert_ne!(live[0].name.as_ref(), Some(&document.revisions[0].name), "the lost one is what lives");
}
