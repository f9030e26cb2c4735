//! A secret is only in Secrets: what was planted is looked for everywhere else.

mod parrot;
mod search;

use credwright::engine::seal::{Place, Sealer};
use credwright_simulator::oidc::{OidcOptions, OidcServer};
use credwright_simulator::{Form, Operation, faults::Fault};
use kube::ResourceExt;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use self::{
    parrot::{Kind, Parrot},
    search::Named,
};
use crate::front;
use crate::stage::{hours, minutes};
use crate::support::{
    Running, Scene,
    app_role::{self, Mount},
    eventually, logs,
    power::Line,
    with,
};

const INITIAL_ACCESS_TOKEN: &str = "initial-access-token-that-nobody-may-see";

/// The message of the panic in the middle of a pass.
const DYING: &str = "a look panics while it holds what it was to write";

const CLIENT_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIAcanaryOfAClientKeyThatNobodyMaySee0";

const MISTYPED: &str = "what-a-person-mistyped-is-often-another-password";

/// Ends an operator, and keeps what its metrics say in the end.
async fn stop(operator: Running, metrics: &mut Vec<Named>) {
    metrics.push((format!("metrics of operator {}", metrics.len()), operator.operator.metrics().text()));
    operator.stop().await;
}

/// Credentials of the other drivers with an API, and what is secret of them: a login by password, a
/// token that is a secret itself.
async fn other_drivers(scene: &Scene, operator: &Running) -> Vec<(String, String)> {
    let (director, expereo) = (scene.cloud_director().await, scene.expereo(json!({}), |_| {}).await);
    director.faults().next(Operation::Exchange, Fault::CutBody);
    expereo.faults().next(Operation::Create, Fault::Malformed);
    scene.apply("servers", json!({ "providerRef": { "name": "cloud-director" } })).await;
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

/// Secret IDs of a role, and a login by another one: secrets in headers and in other members.
async fn secret_ids(scene: &Scene, operator: &Running) -> Vec<(String, String)> {
    let front = front::start(&app_role::server().await.origin()).await.unwrap();
    let mount = Mount::new(&scene.namespace).await;
    let (role_id, secret_id) = mount.login().await;
    let settings = json!({ "appRole": { "baseUrl": front.base_url(), "mount": scene.namespace } });
    scene.create_account("bao", settings, Some(json!({ "role_id": role_id, "secret_id": secret_id }))).await;
    for (operation, fault) in [
        (Operation::Token, Fault::CutBody),
        (Operation::Create, Fault::Malformed),
        (Operation::Create, Fault::CutBody),
        (Operation::Delete, Fault::LostAnswer),
    ] {
        front.faults().next(operation, fault);
    }
    scene
        .apply("vault", json!({ "providerRef": { "name": "bao" }, "parameters": { "role": "orders" } }))
        .await;
    scene.comes_to(operator, "vault", ("Ready", "True", "Issued")).await;
    let (_, issued) = scene.pair("vault").await.unwrap();
    vec![("a login by a secret ID".to_owned(), secret_id), ("a secret ID".to_owned(), issued)]
}

/// The key of a client certificate that is no use.
async fn client_key(scene: &Scene) -> (String, String) {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{CLIENT_KEY}\n-----END PRIVATE KEY-----\n");
    scene
        .put_secret(json!({
            "metadata": { "name": "mutual", "labels": { "credwright.dev/role": "login" } },
            "stringData": { "tls.crt": key, "tls.key": key },
        }))
        .await;
    let tls = json!({ "clientCertificateRef": { "name": "mutual" } });
    let spec = json!({ "oauthRegistration": { "issuer": "https://127.0.0.1:1" }, "tls": tls });
    scene.create_provider("mutual", spec).await;
    let is_refused =
        async || scene.provider_condition("mutual").await.is_some_and(|it| it.1 == "ProviderInvalid");
    scene.wait("mutual", "the certificate is refused", is_refused).await;
    ("the key of a client certificate".to_owned(), CLIENT_KEY.to_owned())
}

/// A pair that a person has made, and mistyped at first.
async fn made_by_hand(scene: &Scene, operator: &Running) -> Vec<(String, String)> {
    let connexa = scene.cloud_connexa().await;
    let wanted = json!({
        "providerRef": { "name": "cloud-connexa" }, "scopes": ["users:read"], "intake": { "secretName": "vpn-intake" },
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

/// Causes the usual failures, so that there are messages which could show a secret.
async fn live_through_trouble(scene: &Scene, server: &OidcServer, metrics: &mut Vec<Named>) {
    let login = json!({ "initial_access_token": INITIAL_ACCESS_TOKEN });
    scene.put_login_secret("server-login", login).await;
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
    stop(operator, metrics).await;
}

/// A server repeats what it was sent in everything that it answers, at every step of a credential's
/// life.
async fn repeated_by_a_parrot(scene: &Scene, metrics: &mut Vec<Named>) -> Vec<Named> {
    let parrot = Parrot::start().await;
    let server = json!({ "oauthRegistration": {
        "registrationEndpoint": format!("{}/register", parrot.base_url),
        "tokenEndpoint": format!("{}/token?key={}", parrot.base_url, parrot::IN_A_QUERY),
        "tokenEndpointAuthMethod": "client_secret_post",
    }});
    let login = json!({ "client_id": parrot::LOGIN, "client_secret": parrot::PASSWORD });
    scene.create_account("parrot", server, Some(with(login.clone(), json!({ "scope": "register" })))).await;
    // A server that does not speak TLS, and one that is not there.
    let elsewhere = parrot.base_url.replace("http:", "https:");
    for (name, url) in [("no-tls", elsewhere.as_str()), ("nobody", "http://127.0.0.1:1")] {
        let driver = json!({ "spreetail": { "baseUrl": url } });
        scene.create_account(name, driver, Some(login.clone())).await;
        scene.apply(&format!("at-{name}"), json!({ "providerRef": { "name": name } })).await;
    }
    parrot.mock(Kind::Login);
    let operator = scene.operator().await;
    scene.apply("bird", json!({ "providerRef": { "name": "parrot" } })).await;
    for kind in [Kind::Login, Kind::Register, Kind::Verify] {
        parrot.mock(kind);
        until_it_behaves(scene, &operator, &parrot).await;
    }
    for _ in 0..40 {
        if scene.condition("bird", "Ready").await.is_some_and(|(status, ..)| status == "True") {
            break;
        }
        scene.jump(&operator, hours(25)).await;
    }
    scene.says("bird", ("Ready", "True", "Issued")).await;
    parrot.mock(Kind::Delete);
    scene.delete("bird").await;
    until_it_behaves(scene, &operator, &parrot).await;
    stop(operator, metrics).await;
    let mut planted = vec![("a password that is repeated".to_owned(), parrot::PASSWORD.to_owned())];
    planted.extend(parrot.secrets().into_iter().map(|it| ("what the parrot gave".to_owned(), it)));
    planted
}

/// By jumps of more than a day: what is asked in between is no other question. What a server
/// refuses for good is asked again only after a change of the spec.
async fn until_it_behaves(scene: &Scene, operator: &Running, parrot: &Parrot) {
    for number in 0..60 {
        scene.rest(operator).await;
        if parrot.left().is_empty() {
            return;
        }
        if parrot.left().iter().any(|(kind, _)| *kind == Kind::Register) {
            scene.merge("bird", json!({ "spec": { "name": format!("bird-{number}") } })).await;
        }
        scene.jump(operator, hours(25)).await;
    }
    scene.fail("bird", &format!("it is asked until these are used up: {:?}", parrot.left())).await;
}

/// A look panics with a secret in its hands; and a ledger that a person has made unreadable is
/// looked at.
#[expect(clippy::panic, reason = "the panic is what is looked at")]
async fn seen_by_a_crash(scene: &Scene, metrics: &mut Vec<Named>) -> Vec<Named> {
    scene.provider.start_again().await.unwrap();
    let operator = scene.operator().await;
    operator.power.set_fault(|request| {
        // The answer is in its hands, and on its way into the ledger.
        let is_last =
            request.method() == http::Method::PUT && request.uri().path().ends_with("/last.credwright");
        // Not here, where the client's own task is: in the pass.
        is_last.then(|| Line::Behind(Box::pin(async { std::panic::panic_any(DYING.to_owned()) })))
    });
    scene.apply("last", json!({})).await;
    eventually("a look panics", async || logs::text().contains(DYING)).await;
    operator.power.mend();
    stop(operator, metrics).await;
    const IN_A_DOCUMENT: &str = "what-a-person-pasted-into-a-ledger";
    let garbage = format!("{{\"schema\":\"{IN_A_DOCUMENT}\"}}");
    scene.merge_secret("client.credwright", json!({ "stringData": { "document": garbage } })).await;
    let operator = scene.operator().await;
    scene.rest(&operator).await;
    scene.jump(&operator, minutes(10)).await;
    stop(operator, metrics).await;
    scene.delete_secret_at_once("client.credwright").await;
    vec![("what was pasted".to_owned(), IN_A_DOCUMENT.to_owned())]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_appears_outside_of_its_own_secrets() {
    let scene = Scene::new("canary").await;
    let options =
        OidcOptions { initial_access_token: Some(INITIAL_ACCESS_TOKEN.to_owned()), ..OidcOptions::default() };
    let server = OidcServer::start(options).await.unwrap();
    let operator = scene.operator().await;
    let mut others = other_drivers(&scene, &operator).await;
    others.extend(secret_ids(&scene, &operator).await);
    others.push(client_key(&scene).await);
    others.extend(made_by_hand(&scene, &operator).await);
    let mut metrics = Vec::new();
    stop(operator, &mut metrics).await;
    live_through_trouble(&scene, &server, &mut metrics).await;

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

    planted.extend(repeated_by_a_parrot(&scene, &mut metrics).await);
    planted.extend(seen_by_a_crash(&scene, &mut metrics).await);

    assert_eq!(metrics.len(), 5, "one for each operator");
    assert!(metrics.iter().all(|(_, text)| text.contains("provider=\"spreetail\"")), "{metrics:#?}");
    let places = search::places(&scene, metrics).await;
    let log = &places.last().unwrap().1;
    assert!(log.contains("TRACE"), "the log is kept at trace level");
    assert!(log.contains(&scene.made()[0].client_id), "and tells of this scene");
    assert!(log.contains(DYING), "and of panics");
    println!("{} MB of log, {} other places, {} secrets", log.len() >> 20, places.len() - 1, planted.len());
    for kind in ["ApiCredential", "CredentialProvider", "Event", "metrics"] {
        assert!(places.iter().any(|(place, _)| place.starts_with(kind)), "{kind}");
    }
    let found = search::found(&planted, &places);
    assert!(found.is_empty(), "{found:#?}");

    // A person has put this into the spec, so that it is in the object, in the Secret and in the
    // ledger: nowhere else.
    let is_shown = |place: &str| ["the log", "Event", "metrics"].iter().any(|it| place.starts_with(it));
    let shown = places.iter().filter(|(place, _)| is_shown(place));
    let shown: Vec<_> = shown.cloned().collect();
    let in_a_query = [("what is in a URL's query".to_owned(), parrot::IN_A_QUERY.to_owned())];
    assert_eq!(search::found(&in_a_query, &shown), [""; 0]);
    let status = serde_json::to_value(scene.provider_status("parrot").await).unwrap();
    assert!(!status.to_string().contains(parrot::IN_A_QUERY), "{status}");
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
