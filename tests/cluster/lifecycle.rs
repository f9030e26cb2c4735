//! A credential's life: issued, replaced in time, revoked when its overlap is over.

use serde_json::json;

use crate::stage::{hours, minutes};
use crate::support::Scene;
use credwright_simulator::Operation;
use jiff::SignedDuration;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_replaced_in_time_and_the_old_one_works_until_its_overlap_is_over() {
    let (scene, operator) = Scene::with_orders("rotate").await;
    let old = scene.pair("orders").await.unwrap();
    assert!(scene.token_is_granted(&old).await);
    let (status, made) = (scene.status("orders").await, scene.made());
    assert_eq!((status.client_id.as_ref(), &*status.binding.unwrap().name), (Some(&old.0), "orders"));
    assert!(made[0].name.as_ref().unwrap().starts_with(&format!("{}-orders-kw", scene.namespace)));
    assert_eq!(made[0].expires.map(|at| at.as_second()), status.expires_at.map(|at| at.as_second()));
    let (issued, renewal) = (made[0].created, status.renewal_time.unwrap());
    assert!(
        renewal > issued + hours(720 - 240 - 24) - SECOND && renewal <= issued + hours(720 - 240) + SECOND
    );

    scene.jump_to(&operator, renewal - minutes(1)).await;
    assert_eq!(scene.made().len(), 1);
    scene.jump_to(&operator, renewal + SECOND).await;
    scene.publishes("orders", 2).await;
    assert!(scene.token_is_granted(&old).await);
    let retiring = scene.revision("orders", 1).await;
    assert_eq!(retiring.state, "Retiring");
    let revoke_at = retiring.revoke_at.unwrap();
    let retired_at = scene.document("orders").await.unwrap().revision(1).unwrap().retired_at.unwrap();
    assert_eq!(revoke_at.as_second(), (retired_at + hours(24)).as_second());

    scene.jump_to(&operator, revoke_at - SECOND).await;
    assert!(scene.token_is_granted(&old).await);
    scene.jump_to(&operator, revoke_at + SECOND).await;
    scene.has_only("orders", 2).await;
    assert!(!scene.token_is_granted(&old).await);
    assert!(scene.secret_works("orders").await);
    assert_eq!(scene.made().len(), 2);
    let rotation = scene.status("orders").await.last_rotation.unwrap();
    assert_eq!(rotation.reason.as_str(), "RenewalDue");
    scene.assert_all_accounted_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_suspended_nothing_is_called_and_nothing_but_status_is_written() {
    let (scene, operator) = Scene::with_orders("suspend").await;
    scene.rest(&operator).await;
    let (writes, calls) = (operator.power.writes().len(), scene.calls().len());

    scene.apply("orders", json!({ "lifetime": "720h", "suspend": true })).await;
    let message = scene.says("orders", ("Ready", "True", "Suspended")).await;
    assert!(message.contains("spec.suspend"), "{message}");
    scene.jump(&operator, hours(600)).await;
    scene.delete_secret("orders").await;
    scene.says("orders", ("Ready", "False", "Suspended")).await;
    scene.rest(&operator).await;
    assert_eq!(scene.calls().len(), calls);
    let written: Vec<String> = operator.power.writes().split_off(writes);
    assert!(written.iter().all(|it| it.ends_with("/status")), "{written:#?}");
    assert!(scene.secret("orders").await.is_none());

    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.publishes("orders", 2).await;
    assert_eq!(scene.made().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_without_a_lifetime_is_rotated_on_request_only() {
    let (scene, operator) = Scene::running("forever").await;
    scene.issue("orders", json!({})).await;
    let status = scene.status("orders").await;
    assert_eq!((status.expires_at, status.renewal_time), (None, None));
    let message = scene.condition("orders", "Ready").await.unwrap().2;
    assert!(message.contains("never expires"), "{message}");
    scene.jump(&operator, hours(24 * 400)).await;
    assert_eq!(scene.made().len(), 1);
    assert!(scene.secret_works("orders").await);
    scene.apply("orders", json!({ "rotation": { "request": "once" } })).await;
    scene.publishes("orders", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_pair_is_published_beside_the_new_one_for_the_overlap() {
    let (scene, operator) = Scene::running("previous").await;
    let spec = |request: &str| json!({ "lifetime": "720h", "rotation": { "request": request }, "secret": { "includePrevious": true } });
    scene.issue("orders", spec("one")).await;
    let old = scene.pair("orders").await.unwrap();
    assert_eq!(scene.value("orders", "previous_client_id").await, None);
    scene.apply("orders", spec("two")).await;
    scene.publishes("orders", 2).await;
    scene.rest(&operator).await;
    let previous_id = scene.value("orders", "previous_client_id").await.unwrap();
    let previous_secret = scene.value("orders", "previous_client_secret").await.unwrap();
    assert_eq!((previous_id, previous_secret), old);
    assert!(scene.token_is_granted(&old).await);
    scene.jump(&operator, hours(24)).await;
    scene.has_only("orders", 2).await;
    assert_eq!(scene.value("orders", "previous_client_id").await, None);
    assert!(scene.secret_works("orders").await);
    assert_eq!(scene.provider.record().arrived(Operation::Create), 2);
}
