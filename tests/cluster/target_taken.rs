//! A Secret that cannot be written is not overwritten, nothing is minted for it, and it heals when
//! it is out of the way.

use serde_json::{Value, json};

use crate::support::Scene;

async fn put_foreign(scene: &Scene, name: &str) {
    scene.put_secret(json!({ "metadata": { "name": name }, "stringData": { "precious": "theirs" } })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_owner_is_never_overwritten_and_nothing_is_minted_before_it_is_gone() {
    let scene = Scene::new("foreign").await;
    put_foreign(&scene, "orders").await;
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    let message = scene.says("orders", ("Ready", "False", "TargetForeign")).await;
    assert!(message.contains("delete or rename it, or choose another spec.secret.name"), "{message}");
    scene.says("orders", ("Stalled", "True", "TargetForeign")).await;
    assert_eq!(scene.made().len(), 0);
    assert_eq!(scene.value("orders", "precious").await.as_deref(), Some("theirs"));
    scene.delete_secret("orders").await;
    scene.run_until_only(&operator, "orders", 1).await;
    assert_eq!(scene.condition("orders", "Stalled").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn renaming_to_a_secret_of_another_owner_keeps_the_old_one_until_that_is_gone() {
    let scene = Scene::new("foreign-rename").await;
    put_foreign(&scene, "taken").await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    let pair = scene.pair("orders").await;
    scene.apply("orders", json!({ "lifetime": "720h", "secret": { "name": "taken" } })).await;
    let message = scene.says("orders", ("Published", "False", "TargetForeign")).await;
    assert!(message.contains("the Secret taken exists"), "{message}");
    assert_eq!(scene.pair("orders").await, pair);
    assert_eq!(scene.value("taken", "precious").await.as_deref(), Some("theirs"));
    scene.delete_secret("taken").await;
    scene.comes_to(&operator, "orders", ("Published", "True", "Issued")).await;
    assert_eq!(scene.pair("taken").await, pair);
    assert_eq!(scene.made().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_given_to_someone_else_is_noticed_and_left_alone() {
    let (scene, operator) = Scene::with_orders("given-away").await;
    scene.merge_secret("orders", json!({ "metadata": { "ownerReferences": null } })).await;
    scene.says("orders", ("Ready", "False", "TargetForeign")).await;
    let secret = scene.secret("orders").await.unwrap();
    assert_eq!(secret.metadata.owner_references, None);
    scene.delete_secret("orders").await;
    scene.comes_to(&operator, "orders", ("Ready", "True", "Issued")).await;
    assert_eq!(scene.made().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_secret_is_left_alone_until_it_is_deleted() {
    let (scene, operator) = Scene::running("immutable").await;
    let spec = |file: &str, request: &str| -> Value {
        json!({ "lifetime": "720h", "rotation": { "request": request }, "secret": { "template": { "file": file } } })
    };
    scene.issue("orders", spec("one", "a")).await;
    scene.merge_secret("orders", json!({ "immutable": true })).await;
    scene.apply("orders", spec("two", "a")).await;
    let message = scene.says("orders", ("Published", "False", "TargetRefused")).await;
    assert!(message.contains("immutable: delete it"), "{message}");
    scene.apply("orders", spec("two", "b")).await;
    scene.rest(&operator).await;
    assert_eq!(scene.made().len(), 1, "what could not be published is not minted");
    assert!(scene.secret_works("orders").await);
    scene.delete_secret("orders").await;
    scene.publishes("orders", 2).await;
    assert_eq!(scene.value("orders", "file").await.as_deref(), Some("two"));
}
