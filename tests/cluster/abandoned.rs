//! Credentials that cannot be revoked in time are recorded, and revoked later if that is possible.

use credwright::api::{AbandonedCredential, AbandonedKind};
use credwright_simulator::Operation;
use kube::{ResourceExt, api::DeleteParams};
use serde_json::json;

use crate::stage::{hours, minutes, seconds};
use crate::support::{Running, Scene};

/// Issues a credential, stops the provider and deletes the object, which ends at the deadline.
async fn abandon(scene: &Scene, operator: &Running) -> AbandonedCredential {
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.provider.stop().await;
    scene.delete("orders").await;
    scene.jump(operator, minutes(9)).await;
    assert!(!scene.is_gone("orders").await, "the deadline is not over");
    assert_eq!(scene.abandoned().await.len(), 0);
    scene.jump(operator, minutes(2)).await;
    scene.goes("orders").await;
    let mut all = scene.abandoned().await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_at_an_unreachable_provider_are_recorded_and_revoked_once_it_is_back() {
    let (scene, operator) = Scene::running("abandoned").await;
    let record = abandon(&scene, &operator).await;
    let live = scene.provider.record().live();
    assert_eq!(
        (record.spec.kind, record.spec.client_id.as_ref()),
        (AbandonedKind::NotRevoked, Some(&live[0].client_id))
    );
    assert_eq!(Some(&record.spec.name), live[0].name.as_ref());
    assert!(record.spec.why.contains("refuses connections"), "{}", record.spec.why);
    assert_eq!(
        (&*record.spec.credential.namespace, &*record.spec.credential.name),
        (&*scene.namespace, "orders")
    );
    let beside = scene.secret(&record.name_any()).await.unwrap();
    assert_eq!(beside.owner_references()[0].uid, record.uid().unwrap());

    // The pauses between the attempts grow, and the last attempt is stored.
    scene.jump(&operator, hours(12)).await;
    scene.pass_time(&[&operator], hours(12)).await;
    let status = scene.abandoned().await[0].status.clone().unwrap();
    assert!((10..=30).contains(&status.attempts), "{status:?}");
    operator.stop().await;
    scene.provider.start_again().await.unwrap();
    let operator = scene.operator().await;
    scene.rest(&operator).await;
    assert_eq!(scene.provider.record().arrived(Operation::Delete), 0, "a restart is no reason to try");
    scene.run_until(&operator, "orders", "it is revoked", async || scene.abandoned().await.is_empty()).await;
    assert_eq!(scene.provider.record().live().len(), 0);
    scene
        .wait("orders", "the login does not stay", async || scene.secret(&record.name_any()).await.is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_for_a_revocation_outlives_provider_and_login() {
    let (scene, operator) = Scene::running("copied").await;
    abandon(&scene, &operator).await;
    scene.delete_provider("spreetail").await;
    scene.delete_secret("spreetail-admin").await;
    scene.rest(&operator).await;
    scene.provider.start_again().await.unwrap();
    scene.run_until(&operator, "orders", "it is revoked", async || scene.abandoned().await.is_empty()).await;
    assert_eq!(scene.provider.record().live().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_record_confirms_that_a_person_has_handled_it() {
    let (scene, operator) = Scene::running("looked").await;
    let record = abandon(&scene, &operator).await;
    scene.api::<AbandonedCredential>().delete(&record.name_any(), &DeleteParams::default()).await.unwrap();
    scene
        .wait("orders", "what was copied goes with it", async || {
            scene.secret(&record.name_any()).await.is_none()
        })
        .await;
    scene.provider.start_again().await.unwrap();
    scene.pass_time(&[&operator], hours(3)).await;
    assert_eq!(scene.provider.record().arrived(Operation::Delete), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_a_restored_object_uses_again_is_not_revoked_by_its_record() {
    let (scene, operator) = Scene::with_orders("used-again").await;
    let (object, ledger) = (scene.get("orders").await, scene.secret("orders.credwright").await.unwrap());
    scene.provider.stop().await;
    scene.delete("orders").await;
    scene.jump(&operator, minutes(11)).await;
    scene.goes("orders").await;
    scene.put_back(&object, ledger).await;
    scene.provider.start_again().await.unwrap();
    scene.pass_time(&[&operator], hours(3)).await;
    let status = scene.abandoned().await[0].status.clone().unwrap();
    assert!(status.message.clone().unwrap().contains("is used by someone; it is not revoked"), "{status:?}");
    assert_eq!(scene.provider.record().live().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_an_unreadable_ledger_is_deleted_and_the_credentials_in_its_status_are_revoked() {
    let (scene, operator) = Scene::with_orders("unreadable").await;
    scene.merge_secret("orders.credwright", json!({ "data": { "sealed": "AAAA" } })).await;
    scene.says("orders", ("Ready", "False", "LedgerUnreadable")).await;
    scene.delete("orders").await;
    scene.jump(&operator, minutes(9)).await;
    assert!(!scene.is_gone("orders").await);
    scene.jump(&operator, minutes(2)).await;
    scene.wait("orders", "it is gone", async || scene.is_gone("orders").await).await;
    assert_eq!(scene.abandoned().await.len(), 1);
    scene.run_until(&operator, "orders", "it is revoked", async || scene.abandoned().await.is_empty()).await;
    assert_eq!(scene.provider.record().live().len(), 0);
    scene.jump(&operator, seconds(1)).await;
}
