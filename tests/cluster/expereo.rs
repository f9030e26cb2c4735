//! expereoOne: scopes have two spellings, and only a person can remove a retired client.

use credwright::api::AbandonedKind;
use credwright_simulator::{
    Operation, Simulator,
    expereo::{self, Options},
    faults::Fault,
};
use http::StatusCode;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{stage::hours, support::Scene};

/// An expereoOne on the scene's clock, as documented: what is not, is switched off, and `block`
/// says so.
pub(crate) async fn expereo(scene: &Scene, block: Value, change: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options::new(scene.clock.of_a_provider());
    change(&mut options);
    let simulator = expereo::start(options).await.unwrap();
    let login = simulator.login();
    scene
        .put_secret(json!({
            "metadata": { "name": "expereo-admin", "labels": { "credwright.dev/role": "login" } },
            "stringData": {
                "client_id": login.client_id, "client_secret": login.client_secret, "scope": "customerapi/basic.read",
            },
        }))
        .await;
    let base = simulator.base_url();
    let mut spec = json!({ "baseUrl": base, "tokenUrl": format!("{base}{}", expereo::TOKEN_PATH) });
    spec.as_object_mut().unwrap().extend(block.as_object().unwrap().clone());
    let login = json!({ "secretRef": { "name": "expereo-admin" } });
    let provider = json!({ "expereo": spec, "login": login, "limits": { "requestsPerSecond": 1000 } });
    scene.create_provider("expereo", provider).await;
    simulator
}

pub(crate) fn wanted(more: Value) -> Value {
    let mut spec = json!({
        "providerRef": { "name": "expereo" }, "scopes": ["BasicRead"], "lifetime": "720h",
        "rotation": { "overlap": "1h" },
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_deleted_is_shown_until_a_person_has_removed_it() {
    let scene = Scene::new("no-delete").await;
    let no_delete = |options: &mut Options| options.no_delete = Some(StatusCode::METHOD_NOT_ALLOWED);
    let provider = expereo(&scene, json!({}), no_delete).await;
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
    let provider =
        expereo(&scene, block, |options| options.no_list = Some(StatusCode::METHOD_NOT_ALLOWED)).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_not_manage_clients_is_reported_with_the_steps() {
    let scene = Scene::new("forbidden").await;
    let _provider = expereo(&scene, json!({}), |options| options.manage_by_client_credentials = false).await;
    let _operator = scene.operator().await;
    scene.apply("orders", wanted(json!({}))).await;
    let said = scene.says("orders", ("Ready", "False", "ProviderForbidden")).await;
    assert!(said.contains("this login may not manage API clients"), "{said}");
    assert_eq!(scene.condition("orders", "Stalled").await.unwrap().0, "True");
    scene.apply("typo", wanted(json!({ "scopes": ["BasicWrite"] }))).await;
    let said = scene.says("typo", ("Ready", "False", "InvalidForProvider")).await;
    assert_eq!(
        said,
        "spec.scopes: expereoOne does not know BasicWrite; it knows BasicRead, BillingRead, SupportRead or SupportReadWrite"
    );
}
