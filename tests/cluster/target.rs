//! The Secret that workloads read is derived from the ledger. If it is changed or deleted, it is
//! rendered again, and nothing is minted.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::stage::{hours, minutes, seconds};
use crate::support::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_is_restored_without_a_mint_whether_the_provider_answers_or_not() {
    let (scene, operator) = Scene::with_orders("restore").await;
    let pair = scene.pair("orders").await;
    let is_back = async || scene.pair("orders").await == pair;

    scene.delete_secret("orders").await;
    scene.wait("orders", "the Secret is restored", is_back).await;
    scene.provider.stop().await;
    scene.jump(&operator, minutes(10)).await;
    scene.delete_secret("orders").await;
    scene.wait("orders", "the Secret is restored while the provider is down", is_back).await;
    scene.rest(&operator).await;
    assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True");
    let reachable = scene.condition("orders", "ProviderReachable").await.unwrap();
    assert_eq!((reachable.0.as_str(), reachable.1.as_str()), ("False", "ProviderUnavailable"));
    assert_eq!(scene.made().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_secret_is_restored_and_metadata_of_others_stays() {
    let (scene, _operator) = Scene::running("edited").await;
    let output = json!({ "labels": { "app": "orders" }, "annotations": { "example.com/team": "shop" } });
    scene.issue("orders", json!({ "lifetime": "720h", "secret": output })).await;
    scene
        .merge_secret(
            "orders",
            json!({ "metadata": {
        "labels": { "example.com/other": "theirs" }, "annotations": { "example.com/other": "theirs" } } }),
        )
        .await;
    let right = |secret: &Secret| {
        let annotation = |key: &str| secret.annotations().get(key).cloned();
        let label = |key: &str| secret.labels().get(key).cloned();
        let metadata = [
            label("app"),
            label("credwright.dev/role"),
            label("example.com/other"),
            annotation("example.com/team"),
            annotation("example.com/other"),
            annotation("credwright.dev/revision"),
            annotation("credwright.dev/digest"),
            annotation("credwright.dev/rendered-from"),
        ];
        (secret.data.clone(), metadata)
    };
    let before = right(&scene.secret("orders").await.unwrap());
    assert!(before.1.iter().all(Option::is_some), "{before:?}");

    let edits: [(&str, Value); 9] = [
        ("a value is edited", json!({ "stringData": { "client_secret": "hand-made" } })),
        ("a key is removed", json!({ "data": { "client_id": null } })),
        ("a key is added", json!({ "stringData": { "password": "hand-made" } })),
        ("our label is removed", json!({ "metadata": { "labels": { "credwright.dev/role": null } } })),
        ("our label is edited", json!({ "metadata": { "labels": { "credwright.dev/role": "nothing" } } })),
        ("a label of the spec is removed", json!({ "metadata": { "labels": { "app": null } } })),
        ("an annotation is edited", json!({ "metadata": { "annotations": { "example.com/team": "x" } } })),
        ("the digest goes", json!({ "metadata": { "annotations": { "credwright.dev/digest": null } } })),
        ("another revision", json!({ "metadata": { "annotations": { "credwright.dev/revision": "7" } } })),
    ];
    for (what, edit) in edits {
        scene.merge_secret("orders", edit).await;
        scene
            .wait("orders", &format!("{what}, and is put right"), async || {
                scene.secret("orders").await.is_some_and(|it| right(&it) == before)
            })
            .await;
    }
    assert_eq!(scene.made().len(), 1);
    assert_eq!(scene.calls().len(), 2, "one create and one verification: {:#?}", scene.calls());
}

/// Credwright restores the Secret after each foreign write, with growing pauses.
#[tokio::test(flavor = "multi_thread")]
async fn f21_a_secret_that_another_writer_keeps_changing_is_restored_with_growing_pauses() {
    let (scene, operator) = Scene::with_orders("contested").await;
    let pair = scene.pair("orders").await;
    let edit = async || {
        scene.merge_secret("orders", json!({ "stringData": { "client_secret": "another's" } })).await;
    };
    let is_right = async || scene.pair("orders").await == pair;
    for repair in 1..=21 {
        edit().await;
        scene.wait("orders", &format!("it is put right {repair} times"), is_right).await;
    }
    edit().await;
    let message = scene.says("orders", ("Published", "False", "Publishing")).await;
    assert!(message.contains("another writer keeps changing the Secret"), "{message}");
    scene.rest(&operator).await;
    assert!(!is_right().await, "it is not put right at once any more");
    scene.jump(&operator, seconds(2)).await;
    scene.wait("orders", "it is put right after a pause", is_right).await;
    scene.says("orders", ("Published", "True", "Issued")).await;
    assert_eq!(scene.made().len(), 1);
}

/// As a revert in Git does it. By then, pods mount the Secret of the second name.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_renamed_and_renamed_back_keeps_the_second_name_for_the_overlap() {
    let (scene, operator) = Scene::running("rename-back").await;
    let named = |name: &str| json!({ "lifetime": "720h", "secret": { "name": name } });
    scene.issue("orders", named("first")).await;
    scene.jump(&operator, hours(48)).await;
    scene.apply("orders", named("second")).await;
    scene.wait("orders", "it is there", async || scene.secret("second").await.is_some()).await;
    scene.rest(&operator).await;
    scene.jump(&operator, hours(1)).await;
    scene.apply("orders", named("first")).await;
    scene.rest(&operator).await;
    scene.jump(&operator, hours(22)).await;
    assert!(scene.secret("second").await.is_some() && scene.secret("first").await.is_some());
    scene.jump(&operator, hours(2) + minutes(1)).await;
    scene.wait("orders", "it is gone", async || scene.secret("second").await.is_none()).await;
    assert!(scene.secret("first").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_templates_labels_and_annotations_are_rendered_again_without_a_mint() {
    let (scene, operator) = Scene::with_orders("rendered").await;
    let (id, secret) = scene.pair("orders").await.unwrap();
    let calls = scene.calls().len();
    let render = async |output: Value| {
        scene.apply("orders", json!({ "lifetime": "720h", "secret": output })).await;
        scene.rest(&operator).await;
        scene.says("orders", ("Published", "True", "Issued")).await;
        scene.secret("orders").await.unwrap()
    };
    let text = |secret: &Secret, key: &str| {
        let value = secret.data.as_ref().and_then(|data| data.get(key))?;
        Some(String::from_utf8_lossy(&value.0).into_owned())
    };

    let renamed = render(json!({ "keys": { "client_id": "ID", "expires_at": "" } })).await;
    assert_eq!(text(&renamed, "ID").as_ref(), Some(&id));
    assert_eq!((text(&renamed, "client_id"), text(&renamed, "expires_at")), (None, None));
    let templated =
        render(json!({ "template": { ".env": "ID={{ client_id }}\nSECRET={{ client_secret }}\n" } })).await;
    assert_eq!(text(&templated, ".env"), Some(format!("ID={id}\nSECRET={secret}\n")));
    assert_eq!(text(&templated, "client_id").as_ref(), Some(&id));
    let dressed =
        render(json!({ "labels": { "app": "orders" }, "annotations": { "example.com/team": "shop" } })).await;
    assert_eq!(text(&dressed, ".env"), None);
    assert_eq!(dressed.labels().get("app").map(String::as_str), Some("orders"));
    assert_eq!(dressed.annotations().get("example.com/team").map(String::as_str), Some("shop"));
    let undressed = render(json!({})).await;
    assert_eq!(undressed.labels().get("app"), None, "a label that the spec drops goes");
    assert_eq!(undressed.annotations().get("example.com/team"), None, "so does an annotation");
    assert_eq!(scene.pair("orders").await, Some((id, secret)));
    assert_eq!(scene.made().len(), 1);
    assert_eq!(scene.calls().len(), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_template_is_reported_and_leaves_the_secret_unchanged() {
    let (scene, _operator) = Scene::running("template").await;
    let spec =
        |template: &str| json!({ "lifetime": "720h", "secret": { "template": { "config.ini": template } } });
    scene.apply("orders", spec("id={{ client_idd }}")).await;
    let message = scene.says("orders", ("Ready", "False", "TemplateInvalid")).await;
    assert!(message.contains(r#"spec.secret.template["config.ini"]"#), "{message}");
    assert!(message.contains("no value client_idd in line 1"), "{message}");
    scene.says("orders", ("Stalled", "True", "TemplateInvalid")).await;
    assert!(scene.secret("orders").await.is_none());
    scene.apply("orders", spec("id={{ client_id }}")).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    let file = scene.value("orders", "config.ini").await;

    scene.apply("orders", spec("id={{ client_id ")).await;
    scene.says("orders", ("Published", "False", "TemplateInvalid")).await;
    assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True");
    assert_eq!(scene.value("orders", "config.ini").await, file);
    assert!(scene.secret_works("orders").await);
    scene.apply("orders", spec("client={{ client_id }}")).await;
    scene.says("orders", ("Published", "True", "Issued")).await;
    assert!(scene.value("orders", "config.ini").await.unwrap().starts_with("client="));
    assert_eq!(scene.made().len(), 1);
}
