//! The API server rejects what Credwright needs, or others write the same objects. The obstacle is
//! reported, retries have pauses, and work continues once the obstacle is gone.

use credwright::{api::CredentialProvider, engine::seal::random_id};
use jiff::SignedDuration;
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{ResourceQuota, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    stage::seconds,
    support::{Power, Running, Scene, eventually},
};

fn of<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

/// A quota that allows no more Secrets. No controller counts here, so the test says what is in use.
async fn allow_no_more_secrets(scene: &Scene) {
    let quotas: Api<ResourceQuota> = scene.api();
    let quota = json!({ "metadata": { "name": "full" }, "spec": { "hard": { "secrets": "1" } } });
    quotas.create(&PostParams::default(), &of(quota)).await.unwrap();
    let counted = json!({ "status": { "hard": { "secrets": "1" }, "used": { "secrets": "1" } } });
    quotas.patch_status("full", &PatchParams::default(), &Patch::Merge(counted)).await.unwrap();
    eventually("the quota is full", async || {
        let secret = json!({ "metadata": { "generateName": "one-more-" } });
        scene.api::<Secret>().create(&PostParams::default(), &of(secret)).await.is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_a_credential_because_of_a_quota_reports_it_and_gets_one_once_there_is_room() {
    let (scene, operator) = Scene::running("quota").await;
    scene.rest(&operator).await;
    allow_no_more_secrets(&scene).await;
    scene.apply("orders", json!({})).await;
    let message = scene.says("orders", ("Ready", "False", "ApiServerRefused")).await;
    assert!(message.contains("creating the ledger") && message.contains("exceeded quota"), "{message}");
    scene.says("orders", ("Stalled", "True", "ApiServerRefused")).await;
    assert_eq!(scene.status("orders").await.observed_generation, Some(1));
    assert!(scene.made().is_empty(), "nothing is made that could not be written down");
    scene.pass_time(&[&operator], SignedDuration::from_mins(10)).await;
    let writes = operator.power.writes();
    let tries = writes.iter().filter(|it| it.starts_with("POST") && it.ends_with("/secrets")).count();
    assert!(tries < 30, "{tries} attempts in ten minutes");
    scene.api::<ResourceQuota>().delete("full", &DeleteParams::default()).await.unwrap();
    scene.comes_to(&operator, "orders", ("Ready", "True", "Issued")).await;
    assert!(scene.condition("orders", "Stalled").await.is_none());
}

/// Has the API server refuse each write of a provider's status here.
async fn refuse_provider_status(scene: &Scene) {
    let (name, namespace) = (scene.namespace.clone(), &scene.namespace);
    let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": namespace } });
    let policy = json!({
        "metadata": { "name": name },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": here,
                "resourceRules": [{
                    "apiGroups": ["credwright.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
                    "resources": ["credentialproviders/status"],
                }],
            },
            "validations": [{ "expression": "false", "message": "shared objects are frozen" }],
        },
    });
    let binding = json!({
        "metadata": { "name": name }, "spec": { "policyName": name, "validationActions": ["Deny"] },
    });
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(scene.client.clone());
    policies.create(&PostParams::default(), &of(policy)).await.unwrap();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(scene.client.clone());
    bindings.create(&PostParams::default(), &of(binding)).await.unwrap();
    eventually("the policy is in force", async || {
        let status = json!({ "status": { "driver": random_id() } });
        let providers: Api<CredentialProvider> = scene.api();
        providers.patch_status("spreetail", &PatchParams::default(), &Patch::Merge(status)).await.is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_whose_status_cannot_be_written_is_used_all_the_same() {
    let scene = Scene::new("frozen").await;
    refuse_provider_status(&scene).await;
    let _operator = scene.operator().await;
    scene.apply("orders", json!({})).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    scene.remove("orders").await;
    assert!(scene.provider.record().live().is_empty());
}

fn status_writes(operator: &Running) -> usize {
    let told = |it: &&String| it.ends_with("/apicredentials/orders/status");
    operator.power.writes().iter().filter(told).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_with_different_times_do_not_overwrite_status_in_a_loop() {
    let scene = Scene::new("in-turn").await;
    scene.provider.stop().await;
    let one = scene.operator().await;
    let other = scene.operator_with(Power::on(), scene.clock.secretly_wrong_by(seconds(3))).await;
    scene.apply("orders", json!({})).await;
    scene.says("orders", ("Ready", "False", "ProviderUnavailable")).await;
    for operator in [&one, &other, &one] {
        scene.rest(operator).await;
    }
    let written = status_writes(&one) + status_writes(&other);
    assert!((2..=10).contains(&written), "{written} writes while the clock stands still");
    scene.pass_time(&[&one, &other], SignedDuration::from_mins(10)).await;
    let written = status_writes(&one) + status_writes(&other);
    assert!(written < 60, "{written} writes within ten minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_a_foreign_finalizer_is_released_once_and_recreated_when_it_is_gone() {
    let (scene, operator) = Scene::running("held-ledger").await;
    scene.issue("orders", json!({})).await;
    scene.rest(&operator).await;
    let ledger = scene.secret("orders.credwright").await.unwrap();
    let mut finalizers = ledger.metadata.finalizers.clone().unwrap();
    finalizers.push("example.com/theirs".to_owned());
    scene.merge_secret("orders.credwright", json!({ "metadata": { "finalizers": finalizers } })).await;
    scene.delete_secret("orders.credwright").await;
    let message = scene.says("orders", ("Ready", "True", "LedgerLost")).await;
    assert!(message.contains("kubectl get secret orders.credwright"), "{message}");
    scene.rest(&operator).await;
    let calls = operator.power.calls();
    scene.jump(&operator, seconds(30)).await;
    assert!(operator.power.calls() < calls + 10, "it is waited for, and not let go again and again");
    scene.merge_secret("orders.credwright", json!({ "metadata": { "finalizers": null } })).await;
    scene.says("orders", ("Ready", "True", "Issued")).await;
    let recreated = scene.secret("orders.credwright").await.unwrap();
    assert_ne!(recreated.metadata.uid, ledger.metadata.uid);
    assert_eq!(scene.made().len(), 1);
}
