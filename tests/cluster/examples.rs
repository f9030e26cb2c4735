//! The manifests in `examples/` do what they say, once what a user fills in is filled in.

use std::io::Write;

use credwright::api::CredentialProvider;
use credwright_harness::controlplane;
use credwright_simulator::{
    Simulator, cloud_connexa, cloud_director, expereo,
    oidc::{OidcOptions, OidcServer},
    spreetail, vonage,
};

use serde_json::json;

use crate::support::{
    Scene,
    app_role::{self, Mount},
};

/// Fills in an example and applies it, as strictly as the API server can check it.
async fn apply(scene: &Scene, file: &str, filled_in: &[(&str, &str)]) {
    let path = format!("{}/examples/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
    let mut text = std::fs::read_to_string(path).unwrap();
    for (placeholder, value) in filled_in {
        assert!(text.contains(placeholder), "{file} has no {placeholder}");
        text = text.replace(placeholder, value);
    }
    apply_text(scene, file, &text).await;
}

async fn apply_text(scene: &Scene, file: &str, text: &str) {
    let mut kubectl = controlplane::shared().await.unwrap().kubectl();
    kubectl.args(["apply", "--namespace", &scene.namespace, "--validate=strict", "--filename=-"]);
    kubectl.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut running = kubectl.spawn().unwrap();
    running.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("Warning"), "{file}: {said}");
}

/// Returns the capabilities in a provider's status.
async fn capabilities(scene: &Scene, provider: &str) -> String {
    let object: CredentialProvider = scene.api().get(provider).await.unwrap();
    let words = object.status.unwrap_or_default().capabilities;
    words.into_iter().map(|(what, words)| format!("{what}: {words}\n")).collect()
}

fn login(simulator: &Simulator) -> (&str, &str) {
    (&simulator.login().client_id, &simulator.login().client_secret)
}

/// The five that have an API, each filled in and applied.
async fn apply_those_with_an_api(scene: &Scene) -> (Vec<Simulator>, OidcServer) {
    let spreetail = spreetail::start(spreetail::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let expereo = expereo::start(expereo::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let director =
        cloud_director::start(cloud_director::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let options = OidcOptions { initial_access_token: Some("initial".to_owned()), ..OidcOptions::default() };
    let server = OidcServer::start(options).await.unwrap();
    let (id, secret) = login(&spreetail);
    let filled_in = [
        ("https://api.spreetail.com\n", &*format!("{}\n", spreetail.base_url())),
        ("REPLACE-WITH-YOUR-CLIENT-ID", id),
        ("REPLACE-WITH-YOUR-CLIENT-SECRET", secret),
    ];
    apply(scene, "spreetail", &filled_in).await;
    let (id, secret) = login(&expereo);
    let filled_in = [
        ("https://api.expereo.one\n", &*format!("{}\n", expereo.base_url())),
        (
            "https://auth.expereo.one/oauth2/token\n",
            &*format!("{}{}\n", expereo.base_url(), expereo::TOKEN_PATH),
        ),
        ("REPLACE-WITH-YOUR-CLIENT-ID", id),
        ("REPLACE-WITH-YOUR-CLIENT-SECRET", secret),
    ];
    apply(scene, "expereo", &filled_in).await;
    let (name, password) = login(&director);
    let filled_in = [
        ("https://vcd.example.com", &*director.base_url()),
        ("REPLACE-WITH-THE-USER-NAME", name),
        ("REPLACE-WITH-THE-PASSWORD", password),
    ];
    apply(scene, "cloud-director", &filled_in).await;
    let filled_in = [
        ("https://login.example.com", &*server.issuer),
        ("REPLACE-WITH-YOUR-INITIAL-ACCESS-TOKEN", "initial"),
    ];
    apply(scene, "oauth-registration", &filled_in).await;
    let (role_id, secret_id) = Mount::new(&scene.namespace).await.login().await;
    let filled_in = [
        ("https://openbao.example.com:8200", &*app_role::server().await.origin()),
        ("mount: approle\n", &*format!("mount: {}\n", scene.namespace)),
        ("REPLACE-WITH-THE-ROLE-ID", &*role_id),
        ("REPLACE-WITH-THE-SECRET-ID", &*secret_id),
    ];
    apply(scene, "app-role", &filled_in).await;
    (vec![spreetail, expereo, director], server)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_with_an_api_gives_a_credential() {
    let scene = Scene::new("examples").await;
    scene.delete_provider("spreetail").await;
    scene.delete_secret("spreetail-admin").await;
    let _operator = scene.operator().await;
    let _providers = apply_those_with_an_api(&scene).await;
    let made = [
        ("orders", "orders-api"),
        ("orders-expereo", "orders-expereo"),
        ("orders-cloud", "orders-cloud"),
        ("reports", "reports-oauth"),
    ];
    for (object, secret) in made {
        scene.says(object, ("Ready", "True", "Issued")).await;
        assert!(scene.pair(secret).await.is_some(), "{secret}");
    }
    scene.says("orders-approle", ("Ready", "True", "Issued")).await;
    for key in ["role_id", "secret_id", "mount"] {
        assert!(scene.value("orders-approle", key).await.is_some(), "{key}");
    }
    for (provider, words) in [
        ("openbao", "parameters: role: the name of a role, in lower case"),
        ("spreetail", "expiry: any instant, enforced by the provider"),
        ("expereo", "scopes: BasicRead, BillingRead, SupportRead, SupportReadWrite; at least one is needed"),
        ("expereo", "revoke: no: a person removes retired credentials: "),
        ("cloud-director", "creation: by its API"),
        ("login-server", "list: no: a lost response may leave a credential behind, which is recorded"),
    ] {
        let said = capabilities(&scene, provider).await;
        assert!(said.contains(words), "{provider}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_by_hand_says_what_to_do() {
    let scene = Scene::new("examples-by-hand").await;
    let _operator = scene.operator().await;
    let connexa =
        cloud_connexa::start(cloud_connexa::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let vonage = vonage::start(vonage::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let here = |simulator: &Simulator| format!("baseUrl: {}\n", simulator.base_url());
    apply(&scene, "cloud-connexa", &[("cloudId: acme\n", &here(&connexa))]).await;
    apply(&scene, "vonage-contact-center", &[("region: emea\n", &here(&vonage))]).await;
    for (object, words) in [
        ("network-sync", "choose the term six months"),
        ("network-sync", "allow it from these subnets only: 203.0.113.0/24"),
        ("recordings", "choose exactly these scopes: interaction-content:read, users:read"),
        ("recordings", "The credential belongs to the user who makes it"),
    ] {
        let asked = scene.says(object, ("ActionRequired", "True", "IntakeAwaited")).await;
        assert!(asked.contains(words), "{asked}");
    }
    let said = capabilities(&scene, "cloud-connexa").await;
    assert!(said.contains("expiry: two weeks, one month, six months or one year"), "{said}");
    assert!(said.contains("creation: by a person: "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_shared_provider_serves_an_allowed_namespace() {
    let scene = Scene::new("examples-shared").await;
    let _operator = scene.operator_as(|_, options| options.cluster_providers = true).await;
    let simulator = expereo::start(expereo::Options::new(scene.clock.of_a_provider())).await.unwrap();
    let (id, secret) = login(&simulator);
    let own = &scene.namespace;
    let filled_in = [
        ("https://api.expereo.one\n", &*format!("{}\n", simulator.base_url())),
        (
            "https://auth.expereo.one/oauth2/token\n",
            &*format!("{}{}\n", simulator.base_url(), expereo::TOKEN_PATH),
        ),
        ("REPLACE-WITH-YOUR-CLIENT-ID", id),
        ("REPLACE-WITH-YOUR-CLIENT-SECRET", secret),
        ("namespace: platform\n", &*format!("namespace: {own}\n")),
        ("namespace: billing\n", &*format!("namespace: {own}\n")),
        ("names: [billing]\n", &*format!("names: [{own}]\n")),
        // It has no namespace: others on this control plane may have one, too.
        ("name: expereo\n", &*format!("name: {own}\n")),
    ];
    apply(&scene, "shared-provider", &filled_in).await;
    scene.says("invoices", ("Ready", "True", "Issued")).await;
    assert!(scene.pair("invoices-api").await.is_some());
    let more = json!({
        "providerRef": { "kind": "ClusterCredentialProvider", "name": own }, "scopes": ["SupportRead"],
    });
    scene.apply("more", more).await;
    let said = scene.says("more", ("Ready", "False", "NotAllowed")).await;
    assert!(said.contains("SupportRead"), "{said}");
}

/// `kubectl apply` drops a null without a warning, so a manifest with one would work only in a
/// test.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_registration_server_survives_a_client_side_apply() {
    let scene = Scene::new("examples-page").await;
    let page = include_str!("../../docs/providers/oauth-registration.md");
    let block = page.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    for changed in ["", "  limits: { concurrent: 2 }\n"] {
        let head =
            "apiVersion: credwright.dev/v1alpha1\nkind: CredentialProvider\nmetadata: { name: page }\n";
        apply_text(&scene, "the page", &format!("{head}{block}{changed}")).await;
        let provider: CredentialProvider = scene.api().get("page").await.unwrap();
        let block = provider.spec.settings.oauth_registration.unwrap();
        assert_eq!(block.metadata_without, ["response_types"]);
        assert_eq!(block.metadata["software_id"], "credwright");
    }
}
