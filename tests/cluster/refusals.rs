//! Refusals: those that pass cost no renewal, and what a message advises helps at once. The clock
//! stands still after each correction, so no wait can end by itself.

use credwright::api::{ApiCredential, CredentialProvider};
use credwright_simulator::{
    Operation,
    expereo::Options,
    faults::Fault,
    oidc::{OidcOptions, OidcServer},
};
use http::StatusCode;
use jiff::SignedDuration;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{awkward, expereo::wanted, stage::seconds, support::Scene};

impl Scene {
    /// Merges into the spec of a provider, as `kubectl patch --type=merge` does.
    async fn correct_provider(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api::<CredentialProvider>().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn is_issued_at_once(&self, name: &str) {
        self.says(name, ("Ready", "True", "Issued")).await;
        assert_eq!(self.condition(name, "Stalled").await, None);
    }

    async fn waits(&self, name: &str, reason: &'static str, parts: &[&str]) {
        let said = self.says(name, ("Ready", "False", reason)).await;
        for part in parts.iter().chain(&["; the next attempt is at "]) {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

/// One 404 of a router at the renewal once ended all renewals, and the credential expired.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_costs_no_renewal() {
    let (scene, operator) = Scene::running("passing").await;
    for code in [400, 404, 405, 406, 413, 415, 421, 422, 431, 451] {
        let name = format!("orders-{code}");
        let rotation = json!({ "renewBefore": "40s", "overlap": "5s" });
        scene.issue(&name, json!({ "lifetime": "90s", "rotation": rotation })).await;
        let status = scene.status(&name).await;
        let (renewal, end) = (status.renewal_time.unwrap(), status.expires_at.unwrap());
        scene.jump_to(&operator, renewal - seconds(3)).await;
        let body = "default backend - 404".to_owned();
        scene.provider.faults().every(Operation::Create, Fault::Status { code, headers: vec![], body });
        let before = scene.provider.record().arrived(Operation::Create);
        let stalled = async || scene.condition(&name, "Stalled").await;
        for _ in 0..14 {
            scene.jump(&operator, seconds(1)).await;
            assert_eq!(stalled().await, None, "{code}");
        }
        let attempts = scene.provider.record().arrived(Operation::Create) - before;
        assert!((2..=3).contains(&attempts), "{code}: {attempts} creates in 11 seconds");
        scene.provider.faults().clear();
        let renewed = async || scene.status(&name).await.revision > Some(1);
        let in_time = scene.reaches(&[&operator], SignedDuration::from_secs(30), renewed).await;
        if !in_time || scene.now() >= end {
            scene.fail(&name, &format!("{code}: it is renewed before {end}")).await;
        }
        assert_eq!(stalled().await, None, "{code}");
        scene.delete(&name).await;
        scene.goes(&name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_registration_metadata_are_tried_at_once() {
    let scene = Scene::new("metadata").await;
    let server = OidcServer::start(OidcOptions::default()).await.unwrap();
    let block = json!({
        "registrationEndpoint": server.registration_endpoint, "tokenEndpoint": server.token_endpoint,
        "metadata": { "response_types": ["nonsense"] },
    });
    scene.create_provider("server", json!({ "oauthRegistration": block })).await;
    let _operator = scene.operator().await;
    scene.apply("orders", json!({ "providerRef": { "name": "server" }, "scopes": ["read"] })).await;
    let advice = ["correct oauthRegistration.metadata of the provider"];
    scene.waits("orders", "InvalidForProvider", &advice).await;
    scene.says("orders", ("Stalled", "True", "InvalidForProvider")).await;
    let metadata = json!({ "response_types": [] });
    scene.correct_provider("server", json!({ "oauthRegistration": { "metadata": metadata } })).await;
    scene.is_issued_at_once("orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn published_settings_follow_the_provider_without_a_new_credential() {
    let scene = Scene::new("follows").await;
    let server = OidcServer::start(OidcOptions::default()).await.unwrap();
    let block = json!({
        "registrationEndpoint": server.registration_endpoint, "tokenEndpoint": server.token_endpoint,
        "tokenParameters": { "audience": "orders" },
    });
    scene.create_provider("server", json!({ "oauthRegistration": block })).await;
    let _operator = scene.operator().await;
    scene.issue("orders", json!({ "providerRef": { "name": "server" }, "scopes": ["read"] })).await;
    let before = scene.pair("orders").await;
    let told = async |key: &str| scene.value("orders", key).await;
    assert_eq!(told("audience").await.as_deref(), Some("orders"));
    for (audience, wanted) in [(json!("billing"), Some("billing")), (Value::Null, None)] {
        let block = json!({ "tokenParameters": { "audience": audience } });
        scene.correct_provider("server", json!({ "oauthRegistration": block })).await;
        scene.wait("orders", "it follows", async || told("audience").await.as_deref() == wanted).await;
    }
    assert_eq!(scene.pair("orders").await, before);
    assert_eq!(told("scope").await.as_deref(), Some("read"), "which the pair was issued for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_token_endpoint_is_published_after_the_next_probe() {
    let scene = Scene::new("moves").await;
    let (server, _serving) = awkward::start().await.unwrap();
    let issuer = awkward::locked(&server).origin.clone();
    let block = json!({ "issuer": issuer, "tokenEndpointAuthMethod": "client_secret_post" });
    scene.create_provider("server", json!({ "oauthRegistration": block })).await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "providerRef": { "name": "server" } })).await;
    let at = async |place: &str| {
        scene.value("orders", "token_url").await.is_some_and(|url| url.ends_with(&format!("/{place}/token")))
    };
    assert!(at("old").await);
    awkward::locked(&server).place = "new";
    scene.jump(&operator, seconds(301)).await;
    scene.wait("orders", "it follows", async || at("new").await).await;
    assert_eq!(awkward::locked(&server).clients.len(), 1, "nothing is made for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_path_is_tried_at_once() {
    let scene = Scene::new("path").await;
    let _expereo = scene.expereo(json!({ "clientsPath": "/wrong" }), |_| {}).await;
    let _operator = scene.operator().await;
    scene.apply("orders", wanted(json!({}))).await;
    scene.waits("orders", "ProviderRefused", &["check expereo.baseUrl and expereo.clientsPath"]).await;
    assert_eq!(scene.condition("orders", "Stalled").await, None, "it may be a proxy's answer");
    scene.correct_provider("expereo", json!({ "expereo": { "clientsPath": null } })).await;
    scene.is_issued_at_once("orders").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_spelling_is_tried_at_once() {
    let scene = Scene::new("spelling").await;
    let wrong = json!({ "scopeSpelling": { "BasicRead": "customerapi/basic" } });
    let provider = scene.expereo(wrong, |_| {}).await;
    let operator = scene.operator().await;
    scene.apply("orders", wanted(json!({}))).await;
    scene.waits("orders", "InvalidForProvider", &["correct expereo.scopeSpelling"]).await;
    scene.correct_provider("expereo", json!({ "expereo": { "scopeSpelling": null } })).await;
    scene.rest(&operator).await;
    scene.jump(&operator, seconds(1)).await;
    scene.is_issued_at_once("orders").await;
    assert_eq!(provider.record().created_count(), 1, "the same client is tried again");
}

/// The second client once was not tried for ten minutes, because of what the first had come to.
#[tokio::test(flavor = "multi_thread")]
async fn corrected_scopes_are_tried_at_once() {
    let scene = Scene::new("scopes").await;
    let wrong = json!({ "scopeSpelling": { "SupportRead": "customerapi/support" } });
    let provider = scene.expereo(wrong, |_| {}).await;
    let _operator = scene.operator().await;
    scene.apply("orders", wanted(json!({ "scopes": ["SupportRead"] }))).await;
    scene.waits("orders", "InvalidForProvider", &["correct expereo.scopeSpelling"]).await;
    scene.merge("orders", json!({ "spec": { "scopes": ["BasicRead"] } })).await;
    scene.is_issued_at_once("orders").await;
    assert_eq!(provider.record().created_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_given_the_right_is_tried_at_once() {
    let scene = Scene::new("rights").await;
    let change = |options: &mut Options| {
        options.manage_by_client_credentials = false;
        options.bearer_token = Some("Canary-Of-A-Person".to_owned());
    };
    let provider = scene.expereo(json!({}), change).await;
    let _operator = scene.operator().await;
    scene.apply("orders", wanted(json!({}))).await;
    scene.waits("orders", "ProviderForbidden", &["store the bearer_token of a person"]).await;
    scene.says("orders", ("Stalled", "True", "ProviderForbidden")).await;
    let data = json!({ "client_id": null, "client_secret": null, "scope": null });
    scene
        .merge_secret(
            "expereo-admin",
            json!({ "data": data, "stringData": { "bearer_token": "Canary-Of-A-Person" } }),
        )
        .await;
    scene.is_issued_at_once("orders").await;
    assert_eq!(provider.record().created_count(), 1);
}

/// A refusal by the provider may be a quota, which has room again without any edit.
#[tokio::test(flavor = "multi_thread")]
async fn a_final_refusal_is_tried_again_within_the_hour() {
    let (scene, operator) = Scene::running("quota").await;
    let body = r#"{"code":"QUOTA"}"#.to_owned();
    let full = Fault::Status { code: StatusCode::BAD_REQUEST.as_u16(), headers: vec![], body };
    scene.provider.faults().every(Operation::Create, full);
    scene.apply("orders", json!({ "lifetime": "720h" })).await;
    scene.waits("orders", "InvalidForProvider", &[]).await;
    scene.pass_time(&[&operator], SignedDuration::from_mins(59)).await;
    assert_eq!(scene.provider.record().arrived(Operation::Create), 1, "it is not hurried");
    scene.provider.faults().clear();
    scene.pass_time(&[&operator], SignedDuration::from_mins(2)).await;
    scene.is_issued_at_once("orders").await;
    let object: ApiCredential = scene.get("orders").await;
    assert_eq!(object.metadata.generation, Some(1), "nobody edited it");
}
