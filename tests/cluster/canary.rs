//! A secret is only in Secrets: what was planted is looked for everywhere else.

use credwright::api::{ApiCredential, CredentialProvider};
use credwright::engine::seal::{Place, Sealer};
use credwright_simulator::Operation;
use credwright_simulator::faults::Fault;
use credwright_simulator::oidc::{OidcOptions, OidcServer};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ListParams;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::stage::{hours, minutes};
use crate::support::{Scene, logs};

const INITIAL_ACCESS_TOKEN: &str = "initial-access-token-that-nobody-may-see";

/// Lives through what usually goes wrong, so that there is something to be indiscreet about.
async fn live_through_trouble(scene: &Scene, server: &OidcServer) {
    scene
        .put_secret(json!({
            "metadata": { "name": "server-login", "labels": { "credwright.dev/role": "login" } },
            "stringData": { "initial_access_token": INITIAL_ACCESS_TOKEN },
        }))
        .await;
    scene.create_provider("server", json!({
        "oauthRegistration": {
            "registrationEndpoint": server.registration_endpoint, "tokenEndpoint": server.token_endpoint,
            "metadata": { "redirect_uris": [], "response_types": [] },
        },
        "login": { "secretRef": { "name": "server-login" } },
    }))
    .await;
    let operator = scene.operator().await;
    scene.issue("client", json!({ "providerRef": { "name": "server" }, "scopes": ["read"] })).await;
    scene.issue("orders", json!({ "lifetime": "720h", "secret": { "includePrevious": true } })).await;
    let faults = scene.provider.faults();
    for fault in [Fault::LostAnswer, Fault::CutBody, Fault::Malformed, Fault::WrongContent, Fault::TornBefore]
    {
        faults.next(Operation::Create, fault);
    }
    scene.apply("orders", json!({ "lifetime": "720h", "rotation": { "request": "two" } })).await;
    scene
        .run_until(&operator, "orders", "it rotates all the same", async || {
            scene.status("orders").await.revision > Some(1) && scene.provider.faults().outstanding() == 0
        })
        .await;
    scene
        .apply(
            "orders",
            json!({ "lifetime": "720h", "secret": { "template": { "file": "{{ client_secret.x }}" } } }),
        )
        .await;
    scene.says("orders", ("Published", "False", "TemplateInvalid")).await;
    scene
        .apply(
            "orders",
            json!({ "lifetime": "720h", "secret": { "template": { "file": "{{ client_secret }}" } } }),
        )
        .await;
    scene.says("orders", ("Published", "True", "Issued")).await;
    scene.apply("client", json!({ "providerRef": { "name": "server" }, "scopes": ["read", "write"] })).await;
    scene.wait("client", "it rotates", async || scene.status("client").await.revision == Some(2)).await;
    scene.rest(&operator).await;
    scene.jump(&operator, hours(25)).await;
    scene.has_only("client", 2).await;
    scene.provider.stop().await;
    scene.jump(&operator, minutes(10)).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_anywhere_but_in_the_secrets_that_it_is_for() {
    let scene = Scene::new("canary").await;
    let options =
        OidcOptions { initial_access_token: Some(INITIAL_ACCESS_TOKEN.to_owned()), ..OidcOptions::default() };
    let server = OidcServer::start(options).await.unwrap();
    live_through_trouble(&scene, &server).await;

    let mut planted: Vec<(String, String)> = scene
        .made()
        .iter()
        .map(|it| (format!("secret of {}", it.client_id), it.secret().to_owned()))
        .collect();
    assert!(planted.len() >= 5, "{planted:#?}");
    planted.push(("the login".to_owned(), scene.provider.login().client_secret.clone()));
    planted.push(("the initial access token".to_owned(), INITIAL_ACCESS_TOKEN.to_owned()));
    planted.push(("the server's client".to_owned(), scene.value("client", "client_secret").await.unwrap()));

    let handle = registration_access_token(&scene, "client", 2).await;
    assert!(handle.len() > 20, "that is none: {handle}");
    planted.push(("a registration access token".to_owned(), handle));

    let mut places = vec![("the log".to_owned(), logs::text())];
    assert!(places[0].1.contains("TRACE"), "the log is kept at trace level");
    assert!(places[0].1.contains(&scene.made()[0].client_id), "and tells of this scene");
    println!("{} MB of log", places[0].1.len() >> 20);
    let everything = ListParams::default();
    for object in scene.api::<ApiCredential>().list(&everything).await.unwrap() {
        places.push((object.name_any(), serde_json::to_string(&object).unwrap()));
    }
    for object in scene.api::<CredentialProvider>().list(&everything).await.unwrap() {
        places.push((object.name_any(), serde_json::to_string(&object).unwrap()));
    }
    for event in scene.events().await {
        places.push(("an Event".to_owned(), serde_json::to_string(&event).unwrap()));
    }
    for secret in scene.api::<Secret>().list(&everything).await.unwrap() {
        places.push((
            format!("metadata of {}", secret.name_any()),
            serde_json::to_string(&secret.metadata).unwrap(),
        ));
        if secret.name_any().ends_with(".credwright") {
            for (key, value) in secret.data.unwrap() {
                places.push((format!("{key} of a ledger"), String::from_utf8_lossy(&value.0).into_owned()));
            }
        }
    }
    assert!(places.len() > 10);
    for (what, secret) in &planted {
        for spelling in spellings(secret) {
            for (place, text) in &places {
                assert!(!text.contains(&spelling), "{what} is in {place}");
            }
        }
    }
}

/// The registration access token that only the ledger keeps, sealed.
async fn registration_access_token(scene: &Scene, name: &str, revision: u32) -> String {
    let key = scene.secret("credwright-seal").await.unwrap().data.unwrap().remove("key").unwrap();
    let ledger = scene.secret(&format!("{name}.credwright")).await.unwrap();
    let (ledger_name, data) = (ledger.name_any(), ledger.data.unwrap());
    let place = Place { namespace: &scene.namespace, name: &ledger_name, document: &data["document"].0 };
    let material = Sealer::new(&key.0).unwrap().open(&data["sealed"].0, place).unwrap();
    let handle = material.get(revision).unwrap().handle.clone().unwrap();
    let handle: Value = serde_json::from_str(handle.expose_secret()).unwrap();
    handle
        .as_object()
        .unwrap()
        .values()
        .find_map(|it| it.as_str().filter(|it| !it.contains("://")))
        .unwrap()
        .to_owned()
}

/// As it is, and as it would look in base64 or in a form.
fn spellings(secret: &str) -> Vec<String> {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let escaped = secret.escape_debug().to_string();
    vec![secret.to_owned(), BASE64_STANDARD.encode(secret), encoded, escaped]
}
