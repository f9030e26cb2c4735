//! A credential's life: issued, replaced in time, revoked when its overlap is over.

use serde_json::json;

use crate::stage::{hours, minutes};
use crate::support::Scene;
use credwright_simulator::Operation;
use jiff::SignedDuration;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_issued_verified_and_published() {
    let scene = Scene::new("issue").await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let pair = scene.pair("orders").await.unwrap();
    assert!(scene.token_is_granted(&pair).await);
    let status = scene.status("orders").await;
    assert_eq!(status.client_id.as_ref(), Some(&pair.0));
    assert_eq!(status.binding.unwrap().name, "orders");
    let made = scene.made();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].expires.map(|at| at.as_second()), status.expires_at.map(|at| at.as_second()));
    assert!(made[0].name.as_ref().unwrap().starts_with(&format!("{}-orders-kw", scene.namespace)));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_replaced_in_time_and_the_old_one_works_until_its_overlap_is_over() {
    let scene = Scene::new("rotate").await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let old = scene.pair("orders").await.unwrap();
    let status = scene.status("orders").await;
    let (issued, renewal) = (scene.made()[0].created, status.renewal_time.unwrap());
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
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_rotates_once_for_each_new_value() {
    let scene = Scene::new("request").await;
    let operator = scene.operator().await;
    let request = |value: &str| json!({ "lifetime": "720h", "rotation": { "request": value } });
    scene.issue("orders", request("2026-01-01")).await;
    scene.rest(&operator).await;
    assert_eq!(scene.made().len(), 1, "the value at first issue counts as handled");

    for round in 0..20 {
        scene.apply("orders", request("2026-02-02")).await;
        scene
            .merge(
                "orders",
                json!({ "metadata": { "annotations": { "example.com/applied": round.to_string() } } }),
            )
            .await;
    }
    scene.publishes("orders", 2).await;
    scene.jump(&operator, hours(25)).await;
    scene.has_only("orders", 2).await;
    let rotation = scene.status("orders").await.last_rotation.unwrap();
    assert_eq!(
        (rotation.reason.as_str(), rotation.request_handled.as_deref()),
        ("Requested", Some("2026-02-02"))
    );

    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.rest(&operator).await;
    scene.apply("orders", request("2026-02-02")).await;
    scene.rest(&operator).await;
    assert_eq!(scene.made().len(), 2, "taking the value away and giving it again is no new value");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_suspended_nothing_is_called_and_nothing_but_status_is_written() {
    let scene = Scene::new("suspend").await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
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
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_without_a_lifetime_is_rotated_on_request_only() {
    let scene = Scene::new("forever").await;
    let operator = scene.operator().await;
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
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_pair_is_published_beside_the_new_one_for_the_overlap() {
    let scene = Scene::new("previous").await;
    let operator = scene.operator().await;
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
    operator.stop().await;
}
