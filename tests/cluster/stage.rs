//! The operations of these tests on a scene, besides those of all tests.
//!
//! Time moves in jumps here: a wake every few minutes for thirty days would take long, and a
//! machine that slept for a month must do the right thing too.

use std::time::{Duration, Instant};

use credwright::api::{
    ApiCredential, ApiCredentialStatus, ClusterCredentialProvider, CredentialProvider, CredentialStatus,
    ProviderStatus,
};
use credwright_simulator::{Credential, Login, Operation, SeenRequest, Simulator, spreetail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{Running, Scene};

/// The time limit for a condition, in real time.
const DEADLINE: Duration = Duration::from_secs(120);
/// The number of looks without activity, each at least 5 ms after the one before, after which an
/// operator is at rest: watch events may be under way. On a busy machine they take longer, and so
/// do the looks.
const CALM: u32 = 20;

pub(crate) fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

pub(crate) fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub(crate) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// A condition that has to come true.
pub(crate) type Said = (&'static str, &'static str, &'static str);

impl Scene {
    /// A scene with an operator that has issued `orders`.
    pub(crate) async fn with_orders(name: &str) -> (Self, Running) {
        let (scene, operator) = Self::running(name).await;
        scene.issue("orders", json!({ "lifetime": "720h" })).await;
        (scene, operator)
    }

    /// Waits while the clock stands still.
    pub(crate) async fn wait(&self, name: &str, what: &str, condition: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !condition().await {
            if began.elapsed() > DEADLINE {
                self.fail(name, what).await;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// Waits, while the clock stands still, until a condition has this status and reason. Returns
    /// its message.
    pub(crate) async fn says(&self, name: &str, said: Said) -> String {
        let (type_, status, reason) = said;
        self.wait(name, &format!("{type_}={status}, reason {reason}"), async || {
            let there = self.condition(name, type_).await;
            there.is_some_and(|(is, why, _)| is == status && why == reason)
        })
        .await;
        self.condition(name, type_).await.unwrap().2
    }

    /// Waits, while the clock stands still, until only `revision` is alive and published.
    pub(crate) async fn has_only(&self, name: &str, revision: u32) {
        self.wait(name, &format!("only revision {revision} is alive"), async || {
            self.is_only(name, revision).await
        })
        .await;
    }

    /// Runs until `name` has one credential of its own that may be alive, and it is published and
    /// works. Returns it. Its revision need not be the first: the clock may move while an operator
    /// writes an intent, which then comes too late.
    pub(crate) async fn run_until_one(&self, operator: &Running, name: &str) -> CredentialStatus {
        self.run_until(operator, name, "one credential is alive, and published", async || {
            let Some(revision) = self.status(name).await.revision else { return false };
            let (object, document) = (self.get(name).await, self.document(name).await);
            document.is_some_and(|it| Some(it.object_uid) == object.uid())
                && self.is_only(name, revision).await
                && self.secret_works_at(object.spec.target_name(name)).await
        })
        .await;
        let status = self.status(name).await;
        status.credentials.into_iter().find(|it| Some(it.revision) == status.revision).unwrap()
    }

    /// Waits, while the clock stands still, until `revision` is published and works.
    pub(crate) async fn publishes(&self, name: &str, revision: u32) {
        self.wait(name, &format!("revision {revision} is published"), async || {
            self.status(name).await.revision == Some(revision) && self.secret_works(name).await
        })
        .await;
    }

    /// Applies an object and waits until its first credential is published.
    pub(crate) async fn issue(&self, name: &str, spec: Value) {
        self.apply(name, spec).await;
        self.says(name, ("Ready", "True", "Issued")).await;
        assert!(self.is_only(name, 1).await);
    }

    /// Waits, while the clock stands still, until the operator has nothing to do.
    pub(crate) async fn rest(&self, operator: &Running) {
        let began = Instant::now();
        let mut calm = 0;
        while calm < CALM {
            assert!(began.elapsed() < DEADLINE, "it never rests");
            calm = if operator.operator.is_idle() { calm + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Moves the clock at once, then lets the operator do what is due.
    pub(crate) async fn jump(&self, operator: &Running, by: SignedDuration) {
        self.jump_to(operator, self.now() + by).await;
    }

    pub(crate) async fn jump_to(&self, operator: &Running, at: Timestamp) {
        self.clock.move_to(at);
        self.rest(operator).await;
    }

    /// Waits until a condition has this status and reason, moving the clock from wake to wake.
    pub(crate) async fn comes_to(&self, operator: &Running, name: &str, said: Said) {
        let (type_, status, reason) = said;
        self.run_until(operator, name, &format!("{type_}={status}, reason {reason}"), async || {
            let there = self.condition(name, type_).await;
            there.is_some_and(|(is, why, _)| is == status && why == reason)
        })
        .await;
    }

    pub(crate) async fn status(&self, name: &str) -> ApiCredentialStatus {
        self.get(name).await.status.unwrap_or_default()
    }

    pub(crate) async fn revision(&self, name: &str, revision: u32) -> CredentialStatus {
        let listed = self.status(name).await.credentials;
        listed.into_iter().find(|it| it.revision == revision).unwrap()
    }

    /// Merges into an ApiCredential.
    pub(crate) async fn merge(&self, name: &str, patch: Value) {
        let params = PatchParams::default();
        self.api::<ApiCredential>().patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// Merges into a Secret.
    pub(crate) async fn merge_secret(&self, name: &str, patch: Value) {
        self.api::<Secret>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete_secret(&self, name: &str) {
        self.api::<Secret>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Puts an object and its ledger back as a backup would: with new UIDs, and without owners.
    pub(crate) async fn put_back(&self, object: &ApiCredential, mut ledger: Secret) {
        ledger.metadata.owner_references = None;
        ledger.metadata.uid = None;
        ledger.metadata.resource_version = None;
        self.api::<Secret>().create(&PostParams::default(), &ledger).await.unwrap();
        let again = ApiCredential::new(&object.name_any(), object.spec.clone());
        self.api::<ApiCredential>().create(&PostParams::default(), &again).await.unwrap();
    }

    /// Deletes a Secret whatever its finalizers say.
    pub(crate) async fn delete_secret_at_once(&self, name: &str) {
        self.merge_secret(name, json!({ "metadata": { "finalizers": null } })).await;
        self.delete_secret(name).await;
    }

    pub(crate) async fn is_gone(&self, name: &str) -> bool {
        self.api::<ApiCredential>().get_opt(name).await.unwrap().is_none()
    }

    /// Waits, while the clock stands still, until object and ledger are gone.
    pub(crate) async fn goes(&self, name: &str) {
        self.wait(name, "the object and its ledger are gone", async || {
            self.is_gone(name).await && self.secret(&format!("{name}.credwright")).await.is_none()
        })
        .await;
    }

    /// Deletes an object, and waits until it and its ledger are gone.
    pub(crate) async fn remove(&self, name: &str) {
        self.delete(name).await;
        self.goes(name).await;
    }

    /// A value of a Secret.
    pub(crate) async fn value(&self, secret: &str, key: &str) -> Option<String> {
        let data = self.secret(secret).await?.data?;
        Some(String::from_utf8(data.get(key)?.0.clone()).unwrap())
    }

    /// Another Spreetail account, as the provider `name`.
    pub(crate) async fn another_account(&self, name: &str) -> Simulator {
        let other = spreetail::start(spreetail::Options::new(self.clock.of_a_provider())).await.unwrap();
        let Login { client_id, client_secret } = other.login();
        let login = json!({ "client_id": client_id, "client_secret": client_secret });
        self.put_login_secret(&format!("{name}-login"), login).await;
        self.create_provider(name, self.spreetail(&other.base_url(), &format!("{name}-login"))).await;
        other
    }

    /// The Spreetail account as a provider that namespaces share.
    pub(crate) async fn share(&self, name: &str, limits: Value, allow: Value) {
        let object = json!({
            "apiVersion": "credwright.dev/v1alpha1", "kind": "ClusterCredentialProvider",
            "metadata": { "name": name },
            "spec": {
                "spreetail": { "baseUrl": self.provider.base_url() },
                "login": { "secretRef": { "name": "spreetail-admin", "namespace": self.namespace } },
                "limits": limits,
                "allow": allow,
            },
        });
        let api: Api<ClusterCredentialProvider> = Api::all(self.client.clone());
        api.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(object)).await.unwrap();
    }

    pub(crate) async fn delete_shared_provider(&self, name: &str) {
        let api: Api<ClusterCredentialProvider> = Api::all(self.client.clone());
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// One tenant: a provider of its own, its login, and a credential.
    pub(crate) async fn moves_in(&self) {
        self.put_login("spreetail-admin").await;
        self.create_provider("spreetail", self.spreetail(&self.provider.base_url(), "spreetail-admin")).await;
        self.apply("orders", json!({ "lifetime": "2160h" })).await;
    }

    pub(crate) async fn delete_provider(&self, name: &str) {
        self.api::<CredentialProvider>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Deletes a provider whatever its finalizers say.
    pub(crate) async fn delete_provider_at_once(&self, name: &str) {
        self.delete_provider(name).await;
        let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        // Where nothing held it, it is gone already.
        let _ = self.api::<CredentialProvider>().patch(name, &PatchParams::default(), &free).await;
    }

    pub(crate) async fn provider_status(&self, name: &str) -> Option<ProviderStatus> {
        self.api::<CredentialProvider>().get(name).await.unwrap().status
    }

    pub(crate) async fn provider_condition(&self, name: &str) -> Option<(String, String, String)> {
        let status = self.provider_status(name).await?;
        let it = status.conditions.into_iter().find(|it| it.type_ == "Ready")?;
        Some((it.status, it.reason, it.message))
    }

    /// Every credential that was ever made.
    pub(crate) fn made(&self) -> Vec<Credential> {
        self.provider.record().all()
    }

    /// Returns the calls at the provider, without those that only test the login.
    pub(crate) fn calls(&self) -> Vec<SeenRequest> {
        let probe = |it: &SeenRequest| it.operation == Operation::Token && it.by_login;
        self.provider.record().requests().into_iter().filter(|it| !probe(it)).collect()
    }

    /// Asks the token endpoint as a workload would.
    pub(crate) async fn token_is_granted(&self, pair: &(String, String)) -> bool {
        let form = reqwest::multipart::Form::new()
            .text("GrantType", "client_credentials")
            .text("ClientId", pair.0.clone())
            .text("ClientSecret", pair.1.clone());
        let url = format!("{}/api/v0/oauth/token", self.provider.base_url());
        let answer = http().post(url).multipart(form).send().await.unwrap();
        answer.status().is_success()
    }

    /// Deletes a credential in the provider's portal, behind everybody's back.
    pub(crate) async fn delete_at_provider(&self, client_id: &str) {
        let login = self.provider.login();
        let form = reqwest::multipart::Form::new()
            .text("GrantType", "client_credentials")
            .text("ClientId", login.client_id.clone())
            .text("ClientSecret", login.client_secret.clone());
        let base = self.provider.base_url();
        let answer = http().post(format!("{base}/api/v0/oauth/token")).multipart(form).send().await.unwrap();
        let token: Value = answer.json().await.unwrap();
        let url = format!("{base}/api/v0/client-credentials/{client_id}");
        let deleted =
            http().delete(url).bearer_auth(token["accessToken"].as_str().unwrap()).send().await.unwrap();
        assert!(deleted.status().is_success());
    }
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
