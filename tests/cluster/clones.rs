//! Two control planes on one history of etcd: both have the same identity.

use credwright::engine::startup;
use credwright_harness::controlplane::ControlPlane;
use kube::ResourceExt;
use serde_json::json;

use crate::{
    stage::{hours, minutes, seconds},
    support::Scene,
};

/// Both renew at the same instant, since a schedule is a function of the object. From the next look
/// at what the account holds on, each sees what the other has made.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_and_its_clone_each_renew_once_and_then_neither_mint_nor_revoke() {
    let (mut original, here) = Scene::apart("cloned").await;
    let cluster_id = startup::cluster_id(&here.client).await.unwrap();
    let operator = here.operator_as(|settings, _| settings.cluster_id.clone_from(&cluster_id)).await;
    here.issue("orders", json!({ "lifetime": "720h" })).await;
    here.rest(&operator).await;

    let clone = ControlPlane::clone_of(&mut original).await.unwrap();
    let there = here.seen_from(clone.cluster()).await;
    assert_eq!(startup::cluster_id(&there.client).await.unwrap(), cluster_id);
    assert_eq!(there.get("orders").await.uid(), here.get("orders").await.uid());
    let twin = there.operator_as(|settings, _| settings.cluster_id.clone_from(&cluster_id)).await;
    there.rest(&twin).await;
    here.pass_time(&[&operator, &twin], hours(3)).await;
    assert_eq!(
        (here.made().len(), here.provider.record().live().len()),
        (1, 1),
        "a clone alone is no reason"
    );

    let renewal = here.status("orders").await.renewal_time.unwrap();
    here.jump_to(&operator, renewal + seconds(1)).await;
    there.rest(&twin).await;
    here.publishes("orders", 2).await;
    there.publishes("orders", 2).await;
    assert_ne!(here.pair("orders").await, there.pair("orders").await);
    here.pass_time(&[&operator, &twin], minutes(90)).await;
    for (scene, running) in [(&here, &operator), (&there, &twin)] {
        scene.rest(running).await;
        let message = scene.says("orders", ("Ready", "True", "IdentityClash")).await;
        assert!(message.contains("a clone of it uses the same account"), "{message}");
        assert!(scene.secret_works("orders").await);
    }
    // Past the end of the overlap, and past the next renewal.
    for _ in 0..4 {
        here.jump(&operator, hours(150)).await;
        there.rest(&twin).await;
    }
    for scene in [&here, &there] {
        let message = scene.says("orders", ("ActionRequired", "True", "IdentityClash")).await;
        assert!(message.contains("credwright.dev/claim"), "{message}");
    }
    assert_eq!(here.made().len(), 3, "each has renewed once");
    assert!(here.made().iter().all(|it| it.revoked_at.is_none()), "nobody knows whose they are");
}
