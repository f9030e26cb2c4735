//! Two tenants and one operator: the second tries every field and annotation that can name an
//! object of the first, without success.

mod attempts;

use std::sync::{Arc, Mutex};

use credwright::api::{ApiCredential, ClusterCredentialProvider, CredentialProvider};
use credwright_simulator::Simulator;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{Running, Scene, with};
use attempts::{
    Attempt,
    Comes::{Refused, To},
    attempts,
};

/// The first tenant, who has everything, and the second, who wants it.
struct Tenants {
    victim: Scene,
    thief: Scene,
    operator: Running,
    portal: Simulator,
}

impl Tenants {
    async fn new() -> Self {
        let (victim, thief) = (Scene::new("victim").await, Scene::new("thief").await);
        let both = vec![victim.namespace.clone(), thief.namespace.clone()];
        let operator = victim
            .operator_as(|_, options| {
                options.namespaces = both;
                options.cluster_providers = true;
            })
            .await;
        let portal = victim.cloud_connexa().await;
        thief.at_cloud_connexa(&portal).await;
        let data = json!({ "client_id": "victims-client", "client_secret": "victims-secret" });
        for (scene, name) in [(&victim, "keys"), (&thief, "own-keys")] {
            let metadata = json!({ "name": name, "labels": { "credwright.dev/role": "intake" } });
            scene.put_secret(json!({ "metadata": metadata, "stringData": data })).await;
        }
        victim.issue("orders", json!({ "lifetime": "720h" })).await;
        thief.issue("mine", json!({ "lifetime": "720h" })).await;
        let tenants = Self { victim, thief, operator, portal };
        tenants.share().await;
        tenants
    }

    /// A provider that only the first tenant may use.
    async fn share(&self) {
        let name = &self.victim.namespace;
        self.cluster_provider(name, json!({ "name": "spreetail-admin", "namespace": name })).await;
    }

    async fn cluster_provider(&self, name: &str, login: Value) {
        let object = json!({
            "apiVersion": "credwright.dev/v1alpha1", "kind": "ClusterCredentialProvider",
            "metadata": { "name": name },
            "spec": {
                "spreetail": { "baseUrl": self.victim.provider.base_url() },
                "login": { "secretRef": login },
                "allow": { "namespaces": { "names": [self.victim.namespace] } },
            },
        });
        let api: Api<ClusterCredentialProvider> = Api::all(self.victim.client.clone());
        api.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(object)).await.unwrap();
    }

    async fn end(self) {
        self.operator.stop().await;
        let api: Api<ClusterCredentialProvider> = Api::all(self.victim.client.clone());
        let ours = |it: &ClusterCredentialProvider| it.name_any().starts_with(&self.victim.namespace);
        for provider in api.list(&ListParams::default()).await.unwrap().items.into_iter().filter(ours) {
            api.delete(&provider.name_any(), &DeleteParams::default()).await.unwrap();
        }
    }

    /// Tries to write an ApiCredential of the second tenant; an error is what the API server says.
    async fn write(&self, name: &str, object: &Value) -> Result<(), String> {
        let whole = json!({ "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential" });
        let mut whole = with(whole, object.clone());
        whole["metadata"]["name"] = json!(name);
        let params = PatchParams::apply("tests").force();
        let written = self.thief.api::<ApiCredential>().patch(name, &params, &Patch::Apply(whole)).await;
        written.map(drop).map_err(|error| error.to_string())
    }

    async fn attempt(&self, number: usize, attempt: &Attempt) {
        let Attempt { names, what, object, comes } = attempt;
        let name = object["metadata"]["name"].as_str().map_or(format!("try-{number}"), str::to_owned);
        let written = self.write(&name, object).await;
        match comes {
            Refused(why) => {
                let said = written.expect_err(what);
                assert!(said.contains(why), "{names}, {what}: {said}");
            }
            To(type_, status, reason, part) => {
                assert!(written.is_ok(), "{names}, {what}: {written:?}");
                let said = self.thief.says(&name, (type_, status, reason)).await;
                assert!(said.contains(part), "{names}, {what}: {said}");
            }
        }
    }

    /// A Secret of the first tenant, as the second would write it down in its own namespace.
    async fn copied(&self, from: &str, to: &str, change: impl FnOnce(&mut Secret)) {
        let mut secret = self.victim.secret(from).await.unwrap();
        secret.metadata.namespace = None;
        secret.metadata.name = Some(to.to_owned());
        secret.metadata.resource_version = None;
        secret.metadata.uid = None;
        secret.metadata.managed_fields = None;
        secret.metadata.finalizers = None;
        secret.metadata.owner_references = None;
        change(&mut secret);
        self.thief.put_secret(serde_json::to_value(secret).unwrap()).await;
    }
}

/// Every Secret, with its version: what nobody touched is the same.
async fn secrets(scene: &Scene) -> Vec<(String, Option<String>)> {
    let all = scene.api::<Secret>().list(&ListParams::default()).await.unwrap().items;
    all.into_iter().map(|it| (it.name_any(), it.resource_version())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f37_no_object_of_a_tenant_reaches_an_object_of_another_tenant() {
    let tenants = Tenants::new().await;
    let (victim, thief) = (&tenants.victim, &tenants.thief);
    victim
        .create_provider("only-theirs", victim.spreetail(&victim.provider.base_url(), "spreetail-admin"))
        .await;
    victim.rest(&tenants.operator).await;
    let (before, made) = (secrets(victim).await, victim.made().len());
    let pair = victim.pair("orders").await.unwrap();

    let full_name = victim.document("orders").await.unwrap().revisions[0].name.clone();
    for (number, attempt) in attempts(&tenants, &full_name).iter().enumerate() {
        tenants.attempt(number, attempt).await;
    }
    forged_secrets(&tenants).await;
    forged_owners(&tenants, &victim.get("orders").await).await;
    logins(&tenants).await;

    // The second tenant has got nothing. Deleting its namespace removes nothing of the first.
    for object in thief.api::<ApiCredential>().list(&ListParams::default()).await.unwrap() {
        thief.delete(&object.name_any()).await;
    }
    victim.rest(&tenants.operator).await;
    assert_eq!(secrets(victim).await, before, "the first tenant's Secrets were written");
    assert_eq!(victim.made().len(), made, "something was minted at the first tenant's account");
    assert!(victim.is_only("orders", 1).await);
    assert_eq!(victim.pair("orders").await, Some(pair.clone()));
    assert!(victim.secret_works("orders").await);
    for secret in thief.api::<Secret>().list(&ListParams::default()).await.unwrap() {
        let holds = |value: &str| secret.data.iter().flatten().any(|(_, bytes)| bytes.0 == value.as_bytes());
        let copied_by_hand = secret.name_any().starts_with("copy-");
        assert!(copied_by_hand || !holds(&pair.1), "{} holds the secret", secret.name_any());
    }
    let presented = tenants.portal.record().requests();
    assert!(
        !presented.iter().any(|it| it.client.as_deref() == Some("victims-client")),
        "the first tenant's pair was presented for the second"
    );
    tenants.end().await;
}

/// Labels, owner references, annotations and whole Secrets that the second tenant forges in its own
/// namespace.
async fn forged_secrets(tenants: &Tenants) {
    let (victim, thief) = (&tenants.victim, &tenants.thief);
    let plain = json!({ "spec": { "providerRef": { "name": "spreetail" }, "lifetime": "720h" } });

    // A ledger of another namespace cannot be opened here; nor does one of another object.
    tenants.copied("orders.credwright", "stolen.credwright", |_| ()).await;
    tenants.copied("orders.credwright", "orders.credwright", |_| ()).await;
    for name in ["stolen", "orders"] {
        tenants.write(name, &plain).await.unwrap();
        let said = thief.says(name, ("Ready", "False", "LedgerUnreadable")).await;
        assert!(said.contains("cannot be opened"), "{said}");
    }

    // A target of another namespace, with its digest, given to an object here: it is written over
    // before it is used.
    thief.put_secret(json!({ "metadata": { "name": "copy-holds-the-name" } })).await;
    tenants
        .write("copy", &json!({ "spec": { "providerRef": { "name": "spreetail" }, "lifetime": "720h", "secret": { "name": "copy-holds-the-name" } } }))
        .await
        .unwrap();
    thief.says("copy", ("Ready", "False", "TargetForeign")).await;
    thief.delete_secret("copy-holds-the-name").await;
    let mine = thief.get("copy").await;
    tenants
        .copied("orders", "copy-holds-the-name", |secret| {
            secret.metadata.owner_references = controller(&mine)
        })
        .await;
    thief
        .wait("copy", "its own credential is published", async || {
            thief.secret_works_at("copy-holds-the-name").await
        })
        .await;
    let published = thief.pair("copy-holds-the-name").await;
    assert_ne!(published, victim.pair("orders").await);
}

fn controller(object: &ApiCredential) -> Option<Vec<OwnerReference>> {
    kube::Resource::controller_owner_ref(object, &()).map(|reference| vec![reference])
}

/// Secrets that say they belong to the first tenant's object, or are its ledger: they are in the
/// wrong namespace.
async fn forged_owners(tenants: &Tenants, owner: &ApiCredential) {
    let (victim, thief) = (&tenants.victim, &tenants.thief);
    for (name, role) in
        [("copy-a", "target"), ("copy-b", "ledger"), ("copy-c.credwright", "ledger"), ("copy-d", "intake")]
    {
        tenants
            .copied("orders", name, |secret| {
                secret.metadata.owner_references = controller(owner);
                secret.labels_mut().insert("credwright.dev/role".to_owned(), role.to_owned());
            })
            .await;
    }

    // The client ID of somebody else is public. At another account it means nothing: the pair is
    // tried there, and never where the other one is.
    let guess = json!({ "metadata": { "name": "guess", "labels": { "credwright.dev/role": "intake" } },
        "stringData": { "client_id": victim.pair("orders").await.unwrap().0, "client_secret": "guessed" } });
    thief.put_secret(guess).await;
    let spec = json!({ "spec": {
        "providerRef": { "name": "cloud-connexa" }, "lifetime": "700h", "scopes": ["networks:read"],
        "subnets": ["203.0.113.0/24"], "intake": { "secretName": "guess" }, "secret": { "name": "guess-api" },
    }});
    tenants.write("guess", &spec).await.unwrap();
    thief.says("guess", ("Ready", "False", "Verifying")).await;
}

/// The Secrets that a provider of either kind may name as its login.
#[expect(clippy::too_many_lines, reason = "one attempt after another")]
async fn logins(tenants: &Tenants) {
    let (victim, thief) = (&tenants.victim, &tenants.thief);
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    tenants.operator.power.set_fault({
        let asked = asked.clone();
        move |request| {
            let whole = !request
                .headers()
                .get("accept")
                .is_some_and(|it| it.to_str().unwrap().contains("PartialObjectMetadata"));
            if request.method() == http::Method::GET && whole {
                asked.lock().unwrap().push(request.uri().path().to_owned());
            }
            None
        }
    });
    let url = victim.provider.base_url();
    let rows = [
        ("theirs", "only-there", "does not exist"),
        ("an-intake", "own-keys", "has to give it the label credwright.dev/role: login"),
        ("a-target", "mine", "it is one that Credwright writes"),
        ("unlabelled", "plain", "has to give it the label credwright.dev/role: login"),
    ];
    victim.put_login("only-there").await;
    victim.delete_secret("only-there").await;
    for scene in [victim, thief] {
        scene.put_secret(json!({ "metadata": { "name": "plain" }, "stringData": { "client_id": "a", "client_secret": "b" } })).await;
    }
    let lacks = async |api: &Api<CredentialProvider>, name: &str, part: &str| {
        let status = api.get(name).await.unwrap().status.unwrap_or_default();
        status.conditions.iter().any(|it| it.reason == "LoginMissing" && it.message.contains(part))
    };
    for (name, login, part) in rows {
        thief.create_provider(name, thief.spreetail(&url, login)).await;
        let api = thief.api();
        crate::support::eventually(name, async || lacks(&api, name, part).await).await;
    }
    // What is no name would be another path.
    for login in ["", "../"].map(|up| format!("{up}{}/spreetail-admin", victim.namespace)) {
        let object = json!({ "metadata": { "name": "a-path" }, "spec": thief.spreetail(&url, &login) });
        let object = serde_json::from_value::<CredentialProvider>(object).unwrap();
        let refused = thief
            .api::<CredentialProvider>()
            .create(&PostParams::default(), &object)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("secretRef.name must be a DNS subdomain"), "{refused}");
    }
    // A namespace that is not the provider's own is no field of this kind, and counts for nothing.
    let mut spec = thief.spreetail(&url, "only-theirs");
    spec["login"]["secretRef"]["namespace"] = json!(victim.namespace);
    thief.create_provider("with-a-namespace", spec).await;
    let api = thief.api();
    crate::support::eventually("no namespace", async || {
        lacks(&api, "with-a-namespace", "does not exist").await
    })
    .await;

    // The owner of a shared provider may name any namespace, and still needs its consent.
    let theirs = victim.namespace.clone();
    for (login, part) in [
        ("plain", "has to give it the label credwright.dev/role: login"),
        ("keys", "has to give it the label credwright.dev/role: login"),
        ("orders", "it is one that Credwright writes"),
        ("credwright-seal", "has to give it the label credwright.dev/role: login"),
    ] {
        let name = format!("{theirs}-{login}");
        tenants.cluster_provider(&name, json!({ "name": login, "namespace": theirs })).await;
        let api: Api<ClusterCredentialProvider> = Api::all(victim.client.clone());
        crate::support::eventually(&name, async || {
            let status = api.get(&name).await.unwrap().status.unwrap_or_default();
            status.conditions.iter().any(|it| it.reason == "LoginMissing" && it.message.contains(part))
        })
        .await;
    }
    tenants.operator.power.mend();
    let asked = asked.lock().unwrap().clone();
    for secret in ["plain", "own-keys", "keys", "mine", "orders", "credwright-seal"] {
        let path = format!("/secrets/{secret}");
        assert!(!asked.iter().any(|it| it.ends_with(&path)), "{secret} was read as a login: {asked:?}");
    }
    victim.delete_secret("plain").await;
}
