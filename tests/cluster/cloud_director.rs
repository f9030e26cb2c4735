//! Cloud Director: the secret has a key of its own, and only the right kind of login works.

use credwright::api::CredentialProvider;
use credwright_simulator::{
    Operation, Outcome, Simulator,
    cloud_director::{self, Options},
};
use serde_json::json;

use crate::support::Scene;

/// A Cloud Director on the scene's clock, with a provider object that logs in by `login`.
async fn a_director(
    scene: &Scene,
    change: impl FnOnce(&mut Options),
    login: impl FnOnce(&Simulator) -> serde_json::Value,
) -> Simulator {
    let mut options = Options::new(scene.clock.of_a_provider());
    change(&mut options);
    let director = cloud_director::start(options).await.unwrap();
    let secret = json!({
        "metadata": { "name": "director-admin", "labels": { "credwright.dev/role": "login" } },
        "stringData": login(&director),
    });
    scene.put_secret(secret).await;
    let spec = json!({
        "cloudDirector": { "baseUrl": director.base_url(), "org": "acme" },
        "login": { "secretRef": { "name": "director-admin" } },
        "limits": { "requestsPerSecond": 1000 },
    });
    scene.create_provider("director", spec).await;
    director
}

fn password(director: &Simulator) -> serde_json::Value {
    let login = director.login();
    json!({ "username": login.client_id, "password": login.client_secret })
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_read_an_api_token_by_the_name_that_its_clients_know() {
    let scene = Scene::new("director").await;
    let director = a_director(&scene, |_| {}, password).await;
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "providerRef": { "name": "director" }, "lifetime": "720h" })).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    let data = scene.secret("orders").await.unwrap().data.unwrap();
    let text = |key: &str| String::from_utf8(data[key].0.clone()).unwrap();
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    let expected = [
        "api_version",
        "client_id",
        "client_secret",
        "expires_at",
        "host",
        "org",
        "refresh_token",
        "token_url",
    ];
    assert_eq!(keys, expected);
    assert_eq!(text("refresh_token"), text("client_secret"));
    assert_eq!(text("org"), "acme");
    assert!(director.record().accepts(&text("client_id"), &text("refresh_token")));

    scene.delete("orders").await;
    let is_gone = async || director.record().live().is_empty();
    scene.wait("orders", "the token is deleted", is_gone).await;
    operator.stop().await;
}

/// Sites limit how many sessions a user may have.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_provider_and_with_the_process() {
    let scene = Scene::new("director-sessions").await;
    let director = a_director(&scene, |_| {}, password).await;
    let operator = scene.operator().await;
    let opened = || director.record().arrived(Operation::Token);
    let ended = || {
        let ended = (Operation::Other, Outcome::Answered(204));
        director.record().endings().get(&ended).copied().unwrap_or_default()
    };
    scene.wait("director", "it has logged in", async || opened() == 1).await;
    scene.delete_provider("director").await;
    scene.wait("director", "the session of the provider has ended", async || ended() == 1).await;
    let spec = json!({
        "cloudDirector": { "baseUrl": director.base_url(), "org": "acme" },
        "login": { "secretRef": { "name": "director-admin" } },
    });
    scene.create_provider("director", spec).await;
    scene.wait("director", "it has logged in again", async || opened() == 2).await;
    operator.stop().await;
    assert_eq!((opened(), ended()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_missing_right_of_a_user_is_named() {
    let scene = Scene::new("director").await;
    let director = a_director(&scene, |options| options.may_manage_tokens = false, password).await;
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "providerRef": { "name": "director" } })).await;
    scene
        .wait("orders", "the right is named", async || {
            let ready = scene.condition("orders", "Ready").await;
            ready.is_some_and(|(_, _, message)| message.contains("Manage user's own API token"))
        })
        .await;
    assert_eq!(director.record().created_count(), 0);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_cannot_be_the_login() {
    let scene = Scene::new("director").await;
    let director = a_director(&scene, |_| {}, |_| json!({ "refresh_token": "Canary-Api-Token" })).await;
    let operator = scene.operator().await;
    scene.apply("orders", json!({ "providerRef": { "name": "director" } })).await;
    scene
        .wait("orders", "the provider says why", async || {
            let provider: CredentialProvider = scene.api().get("director").await.unwrap();
            let conditions = provider.status.unwrap_or_default().conditions;
            conditions.iter().any(|it| it.message.contains("may not make API tokens"))
        })
        .await;
    assert_eq!(director.record().requests().len(), 0);
    operator.stop().await;
}
