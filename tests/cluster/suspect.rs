//! A suspect account: nothing is minted, nothing is revoked, and workloads keep their credentials.

use credwright::api::CredentialProvider;
use credwright_simulator::Operation;
use credwright_simulator::faults::Fault;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::stage::{hours, minutes};
use crate::support::{Running, Scene};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

async fn annotate(scene: &Scene, annotation: &str, value: &str) {
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { annotation: value } } }));
    let api = scene.api::<CredentialProvider>();
    api.patch("spreetail", &PatchParams::default(), &patch).await.unwrap();
}

/// The value that a message tells people to give to an annotation.
fn told(message: &str, annotation: &str) -> String {
    let (_, value) = message.split_once(&format!("{annotation}=")).unwrap();
    value.to_owned()
}

async fn waits_for_the_provider(scene: &Scene, operator: &Running, reason: &str) -> String {
    let said = scene
        .reaches(&[operator], hours(3), async || {
            scene.provider_condition("spreetail").await.is_some_and(|(_, why, _)| why == reason)
        })
        .await;
    let (_, why, message) = scene.provider_condition("spreetail").await.unwrap();
    assert!(said, "{why}: {message}");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_recreated_for_another_account_gets_no_request_and_no_old_credential() {
    let (scene, operator) = Scene::running("another-account").await;
    scene.issue("orders", json!({ "lifetime": "720h", "rotation": { "overlap": "2h" } })).await;
    let other = scene.another_account("other").await;
    scene.delete_provider_at_once("spreetail").await;
    scene.create_provider("spreetail", scene.spreetail(&other.base_url(), "other-login")).await;
    let message = waits_for_the_provider(&scene, &operator, "ProviderSuspect").await;
    scene
        .apply("orders", json!({ "lifetime": "720h", "rotation": { "overlap": "2h", "request": "now" } }))
        .await;
    scene.apply("more", json!({})).await;
    scene.says("orders", ("Ready", "True", "ProviderSuspect")).await;
    scene.says("more", ("Ready", "False", "ProviderSuspect")).await;
    scene.pass_time(&[&operator], hours(5)).await;
    let strangers =
        |it: &credwright_simulator::SeenRequest| !(it.operation == Operation::Token && it.by_login);
    assert_eq!(other.record().requests().iter().filter(|it| strangers(it)).count(), 0);
    assert!(scene.secret_works("orders").await);

    // The provider is corrected: the object recovers by itself, although the provider object is
    // new.
    scene.delete_provider_at_once("spreetail").await;
    scene.create_provider("spreetail", scene.spreetail(&scene.provider.base_url(), "spreetail-admin")).await;
    scene.run_until_only(&operator, "orders", 2).await;
    scene.says("more", ("Ready", "True", "Issued")).await;
    assert_eq!(scene.made().len(), 3);

    // The same once more, and a person says that it is the same account.
    scene.delete_provider_at_once("spreetail").await;
    scene.create_provider("spreetail", scene.spreetail(&other.base_url(), "other-login")).await;
    let again = waits_for_the_provider(&scene, &operator, "ProviderSuspect").await;
    assert_ne!(again, message, "three credentials by now");
    annotate(&scene, "credwright.dev/account", &told(&again, "credwright.dev/account")).await;
    waits_for_the_provider(&scene, &operator, "LoginAccepted").await;
    scene
        .apply("orders", json!({ "lifetime": "720h", "rotation": { "overlap": "2h", "request": "again" } }))
        .await;
    scene
        .run_until(&operator, "orders", "it goes on there", async || other.record().created_count() == 1)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_refuses_everything_costs_no_mint_and_heals_when_it_accepts_again() {
    let (scene, operator) = Scene::running("all-refused").await;
    for name in NAMES {
        scene.issue(name, json!({ "lifetime": "720h" })).await;
    }
    scene.provider.faults().every(Operation::Token.by_others(), Fault::status(401));
    waits_for_the_provider(&scene, &operator, "ProviderSuspect").await;
    scene.pass_time(&[&operator], hours(2)).await;
    scene.apply("a", json!({ "lifetime": "720h", "rotation": { "request": "now" } })).await;
    scene.says("a", ("Ready", "False", "ProviderSuspect")).await;
    scene.says("b", ("Stalled", "True", "ProviderSuspect")).await;
    scene.pass_time(&[&operator], hours(5)).await;
    let record = scene.provider.record();
    assert_eq!((scene.made().len(), record.live().len()), (5, 5), "none is made, none revoked");
    println!("{} tries of a pair in eight hours of refusals", record.arrived(Operation::Token));

    scene.provider.faults().clear();
    waits_for_the_provider(&scene, &operator, "LoginAccepted").await;
    scene.run_until(&operator, "a", "it goes on", async || scene.status("a").await.revision == Some(2)).await;
    for name in NAMES {
        scene.comes_to(&operator, name, ("Ready", "True", "Issued")).await;
        assert!(scene.secret_works(name).await);
    }
    assert_eq!(scene.made().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_were_all_removed_are_replaced_when_a_person_says_that_they_are_gone() {
    let (scene, operator) = Scene::running("all-removed").await;
    // More than the sample of credentials that is tried at an account in trouble.
    let names: Vec<_> = (0..14).map(|number| format!("orders-{number}")).collect();
    for name in &names {
        scene.issue(name, json!({ "lifetime": "720h" })).await;
        let (id, _) = scene.pair(name).await.unwrap();
        scene.delete_at_provider(&id).await;
    }
    let message = waits_for_the_provider(&scene, &operator, "ProviderSuspect").await;
    scene.pass_time(&[&operator], minutes(30)).await;
    assert_eq!(scene.made().len(), names.len());
    let message = scene.provider_condition("spreetail").await.map_or(message, |(_, _, message)| message);
    annotate(&scene, "credwright.dev/refused", &told(&message, "credwright.dev/refused")).await;
    let began = scene.now();
    for name in &names {
        scene.run_until_only(&operator, name, 2).await;
        assert!(scene.secret_works(name).await);
    }
    assert!(scene.now().duration_since(began) < minutes(3), "all are looked at at once");
    assert_eq!(scene.made().len(), 2 * names.len());
    assert_eq!(scene.provider_condition("spreetail").await.unwrap().1, "LoginAccepted");
}
