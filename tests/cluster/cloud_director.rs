//! Cloud Director: the secret has a key of its own, and sessions end.

use credwright_simulator::{Operation, Outcome};
use serde_json::json;

use crate::support::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn workloads_read_an_api_token_by_the_name_that_its_clients_know() {
    let scene = Scene::new("director").await;
    let director = scene.cloud_director().await;
    let _operator = scene.operator().await;
    scene.apply("orders", json!({ "providerRef": { "name": "cloud-director" }, "lifetime": "720h" })).await;
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
}

/// Sites limit how many sessions a user may have.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_provider_and_with_the_process() {
    let scene = Scene::new("director-sessions").await;
    let director = scene.cloud_director().await;
    let operator = scene.operator().await;
    let opened = || director.record().arrived(Operation::Token);
    let ended = || {
        let ended = (Operation::Other, Outcome::Answered(204));
        director.record().endings().get(&ended).copied().unwrap_or_default()
    };
    scene.wait("director", "it has logged in", async || opened() == 1).await;
    scene.delete_provider("cloud-director").await;
    scene.wait("director", "the session of the provider has ended", async || ended() == 1).await;
    let spec = json!({
        "cloudDirector": { "baseUrl": director.base_url(), "org": "acme" },
        "login": { "secretRef": { "name": "cloud-director-admin" } },
    });
    scene.create_provider("cloud-director", spec).await;
    scene.wait("director", "it has logged in again", async || opened() == 2).await;
    operator.stop().await;
    assert_eq!((opened(), ended()), (2, 2));
}
