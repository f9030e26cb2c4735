//! expereoOne: scopes have two spellings, and only a person can remove a retired client.

use credwright::api::AbandonedKind;
use credwright_simulator::{
    Operation,
    expereo::{self, Options},
    faults::Fault,
};
use http::StatusCode;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{
    stage::hours,
    support::{Scene, with},
};

pub(crate) fn wanted(more: Value) -> Value {
    let spec = json!({
        "providerRef": { "name": "expereo" }, "scopes": ["BasicRead"], "lifetime": "720h",
        "rotation": { "overlap": "1h" },
    });
    with(spec, more)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_deleted_is_shown_until_a_person_has_removed_it() {
    let scene = Scene::new("no-delete").await;
    let no_delete = |options: &mut Options| options.no_delete = Some(StatusCode::METHOD_NOT_ALLOWED);
    let provider = scene.expereo(json!({}), no_delete).await;
    let operator = scene.operator().await;
    scene.issue("orders", wanted(json!({}))).await;
    assert_eq!(scene.value("orders", "scope").await.unwrap(), "customerapi/basic.read");

    // Scopes cannot be changed there, so a change of them makes a new client.
    scene.apply("orders", wanted(json!({ "scopes": ["BasicRead", "SupportRead"] }))).await;
    scene
        .wait("orders", "the new one is published", async || scene.status("orders").await.revision == Some(2))
        .await;
    assert_eq!(
        scene.value("orders", "scope").await.unwrap(),
        "customerapi/basic.read customerapi/support.read"
    );
    scene.jump(&operator, hours(1)).await;
    let asked = scene.says("orders", ("ActionRequired", "True", "RemovalAwaited")).await;
    let old = scene.revision("orders", 1).await.client_id.unwrap();
    assert!(asked.contains(&old) && asked.contains("Developer Portal (API)"), "{asked}");
    assert_eq!(scene.condition("orders", "Ready").await.unwrap().0, "True");
    scene.jump(&operator, hours(30)).await;
    assert_eq!(scene.revision("orders", 1).await.state, "Revoking", "it is not forgotten");
    assert_eq!(provider.record().arrived(Operation::Delete), 0);

    expereo::portal_delete(&provider, &old);
    scene.jump(&operator, hours(2)).await;
    scene.has_only("orders", 2).await;
    assert_eq!(scene.condition("orders", "ActionRequired").await, None);

    // Or a person says so.
    scene.apply("orders", wanted(json!({}))).await;
    scene
        .wait("orders", "the third is published", async || scene.status("orders").await.revision == Some(3))
        .await;
    scene.jump(&operator, hours(1)).await;
    scene.says("orders", ("ActionRequired", "True", "RemovalAwaited")).await;
    let old = scene.revision("orders", 2).await.client_id.unwrap();
    scene.merge("orders", json!({ "metadata": { "annotations": { "credwright.dev/removed": old } } })).await;
    scene.has_only("orders", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_a_person_has_to_find_the_client_of_a_lost_response() {
    let scene = Scene::new("no-list").await;
    let block = json!({ "list": "Disabled", "delete": "Enabled" });
    let no_list = |options: &mut Options| options.no_list = Some(StatusCode::METHOD_NOT_ALLOWED);
    let provider = scene.expereo(block, no_list).await;
    let operator = scene.operator().await;
    provider.faults().next(Operation::Create, Fault::LostAnswer);
    scene.apply("orders", wanted(json!({}))).await;
    scene.wait("orders", "it is on record", async || scene.abandoned().await.len() == 1).await;
    scene
        .wait("orders", "status says so", async || {
            scene.status("orders").await.credentials.iter().any(|it| it.state == "Abandoned")
        })
        .await;
    let lost = scene.revision("orders", 1).await;
    let record = &scene.abandoned().await[0];
    assert_eq!((record.spec.kind, &record.spec.name), (AbandonedKind::Unconfirmed, &lost.name));
    scene
        .wait("orders", "the record says what to do", async || {
            let said =
                scene.abandoned().await[0].status.clone().and_then(|it| it.message).unwrap_or_default();
            said.contains("look for it at") && said.contains("kubectl delete abandonedcredential")
        })
        .await;
    assert_eq!(scene.secret(&record.name_any()).await, None, "nothing that cannot be used is copied");
    scene
        .run_until(&operator, "orders", "another is made", async || {
            scene.status("orders").await.revision == Some(2)
        })
        .await;
    assert_eq!(scene.abandoned().await.len(), 1, "it waits for a person");
}
