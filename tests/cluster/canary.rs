//! A secret is only in Secrets: what was planted is looked for everywhere else.

use credwright::api::{ApiCredential, CredentialProvider};
use credwright::engine::seal::{Place, Sealer};
use credwright_simulator::oidc::{OidcOptions, OidcServer};
use credwright_simulator::{Form, Operation, cloud_connexa, cloud_director, expereo, faults::Fault};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ListParams;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::stage::{hours, minutes};
use crate::support::{Running, Scene, logs};

const INITIAL_ACCESS_TOKEN: &str = "initial-access-token-that-nobody-may-see";

const MISTYPED: &str = "what-a-person-mistyped-is-often-another-password";

/// A provider with its login Secret.
async fn log_in(scene: &Scene, name: &str, block: Value, login: Value) {
    let metadata = json!({ "name": name, "labels": { "credwright.dev/role": "login" } });
    scene.put_secret(json!({ "metadata": metadata, "stringData": login })).await;
    let mut spec = json!({ "login": { "secretRef": { "name": name } } });
    spec.as_object_mut().unwrap().extend(block.as_object().unwrap().clone());
    scene.create_provider(name, spec).await;
}

/// Credentials of the other drivers with an API, and what is secret of them: a login by password, a token that is a secret itself.
async fn other_drivers(scene: &Scene, operator: &Running) -> Vec<(String, String)> {
    let director =
        cloud_director::start(cloud_director::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let expereo = expereo::start(expereo::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let block = json!({ "cloudDirector": { "baseUrl": director.base_url(), "org": "acme" } });
    let login = director.login();
    let keys = json!({ "username": login.client_id, "password": login.client_secret });
    log_in(scene, "director", block, keys).await;
    let (base, token_url) = (expereo.base_url(), format!("{}{}", expereo.base_url(), expereo::TOKEN_PATH));
    let block = json!({ "expereo": { "baseUrl": base, "tokenUrl": token_url } });
    let login = expereo.login();
    let keys = json!({
        "client_id": login.client_id, "client_secret": login.client_secret, "scope": "customerapi/basic.read",
    });
    log_in(scene, "expereo", block, keys).await;
    director.faults().next(Operation::Exchange, Fault::CutBody);
    expereo.faults().next(Operation::Create, Fault::Malformed);
    scene.apply("servers", json!({ "providerRef": { "name": "director" } })).await;
    scene.apply("tickets", json!({ "providerRef": { "name": "expereo" }, "scopes": ["BasicRead"] })).await;
    for name in ["servers", "tickets"] {
        scene.comes_to(operator, name, ("Ready", "True", "Issued")).await;
    }
    let mut planted = vec![
        ("a password".to_owned(), director.login().client_secret.clone()),
        ("a login".to_owned(), expereo.login().client_secret.clone()),
    ];
    for simulator in [&director, &expereo] {
        let made = simulator.record().all().into_iter();
        planted.extend(made.map(|it| (format!("secret of {}", it.client_id), it.secret().to_owned())));
    }
    // What was registered and never shown has none.
    planted.retain(|(_, secret)| !secret.is_empty());
    planted
}

/// A pair that a person has made, and mistyped at first.
async fn made_by_hand(scene: &Scene, operator: &Running) -> Vec<(String, String)> {
    let connexa =
        cloud_connexa::start(cloud_connexa::Options::new(scene.clock.of_a_provider())).await.unwrap();
    scene.create_provider("connexa", json!({ "cloudConnexa": { "baseUrl": connexa.base_url() } })).await;
    let wanted = json!({
        "providerRef": { "name": "connexa" }, "scopes": ["users:read"], "intake": { "secretName": "vpn-intake" },
    });
    scene.apply("vpn", wanted).await;
    scene.says("vpn", ("ActionRequired", "True", "IntakeAwaited")).await;
    let form = Form { name: "vpn".to_owned(), term: Some("one year".to_owned()), ..Form::default() };
    let pair = connexa.portal().unwrap().create(&form).unwrap();
    let intake = |secret: &str| {
        json!({
            "metadata": { "name": "vpn-intake", "labels": { "credwright.dev/role": "intake" } },
            "stringData": { "client_id": pair.client_id, "client_secret": secret },
        })
    };
    scene.put_secret(intake(MISTYPED)).await;
    scene.comes_to(operator, "vpn", ("ActionRequired", "True", "IntakeRefused")).await;
    scene.merge_secret("vpn-intake", intake(&pair.client_secret)).await;
    scene.comes_to(operator, "vpn", ("Ready", "True", "Issued")).await;
    vec![
        ("what was mistyped".to_owned(), MISTYPED.to_owned()),
        ("what a person made".to_owned(), pair.client_secret.clone()),
    ]
}

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
    let operator = scene.operator().await;
    let mut others = other_drivers(&scene, &operator).await;
    others.extend(made_by_hand(&scene, &operator).await);
    operator.stop().await;
    live_through_trouble(&scene, &server).await;

    let mut planted: Vec<(String, String)> = scene
        .made()
        .iter()
        .map(|it| (format!("secret of {}", it.client_id), it.secret().to_owned()))
        .collect();
    assert!(planted.len() >= 5, "{planted:#?}");
    planted.extend(others);
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
