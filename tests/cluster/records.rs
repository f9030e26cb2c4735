//! The bounds of what is on record: a deletion never hangs on a record, and records do not become
//! more and more.

use credwright::api::AbandonedCredential;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{ResourceExt, api::PostParams};
use serde_json::{Value, json};

use crate::stage::{hours, minutes};
use crate::support::{Scene, eventually};

/// A record of a credential at a provider in this namespace.
fn record(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "AbandonedCredential",
        "metadata": { "name": name },
        "spec": {
            "kind": "NotRevoked",
            "provider": { "kind": "CredentialProvider", "namespace": namespace, "name": "acme", "account": "x" },
            "credential": { "namespace": namespace, "name": "orders", "revision": 1 },
            "name": format!("{namespace}-orders-{name}"),
            "clientId": "client",
            "since": "2026-01-01T00:00:00Z",
            "why": "the provider does not answer",
        },
    })
}

impl Scene {
    async fn put_record(&self, name: &str, namespace: &str) {
        let record: AbandonedCredential = serde_json::from_value(record(name, namespace)).unwrap();
        self.api().create(&PostParams::default(), &record).await.unwrap();
    }

    async fn has_record(&self, name: &str) -> bool {
        self.abandoned().await.iter().any(|it| it.name_any() == name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_full_of_other_keys_delays_no_deletion() {
    let scene = Scene::new("full-login").await;
    let secret = scene.secret("spreetail-admin").await.unwrap();
    let room = 1024 * 1024 - secret.data.unwrap().values().map(|it| it.0.len()).sum::<usize>() - 100;
    let junk = ByteString(vec![b'x'; room]);
    scene.merge_secret("spreetail-admin", json!({ "data": { "junk": junk } })).await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "720h" })).await;
    scene.provider.stop().await;
    scene.delete("orders").await;
    scene.jump(&operator, minutes(11)).await;
    scene.goes("orders").await;
    let records = scene.abandoned().await;
    assert_eq!(records.len(), 1);
    let beside: Secret = scene.secret(&records[0].name_any()).await.unwrap();
    let keys: Vec<String> = beside.data.unwrap().into_keys().collect();
    assert!(
        keys.contains(&"login.client_secret".to_owned()) && !keys.contains(&"login.junk".to_owned()),
        "{keys:?}"
    );
    scene.provider.start_again().await.unwrap();
    scene.run_until(&operator, "orders", "it is revoked", async || scene.abandoned().await.is_empty()).await;
    assert_eq!(scene.provider.record().live().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_ends_a_month_after_its_provider_and_its_namespace_were_deleted() {
    let scene = Scene::new("forgotten").await;
    scene.put_record("of-nobody", "a-namespace-that-is-gone").await;
    let namespace = scene.namespace.clone();
    scene.put_record("of-somebody", &namespace).await;
    let operator = scene.operator().await;
    scene.issue("orders", json!({ "lifetime": "7200h" })).await;
    scene.rest(&operator).await;
    scene.jump(&operator, hours(29 * 24)).await;
    scene.jump(&operator, hours(2)).await;
    assert!(scene.has_record("of-nobody").await, "not before a month is over");
    scene.jump(&operator, hours(24)).await;
    eventually("the record is gone", async || !scene.has_record("of-nobody").await).await;
    assert!(scene.has_record("of-somebody").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_has_a_limited_number_of_records_and_one_that_counts_the_rest() {
    let scene = Scene::new("many-records").await;
    let namespace = scene.namespace.clone();
    for number in 0..500 {
        scene.put_record(&format!("record-{number}"), &namespace).await;
    }
    let operator = scene.operator().await;
    for name in ["orders", "bills"] {
        scene.issue(name, json!({ "lifetime": "720h" })).await;
    }
    scene.provider.stop().await;
    for name in ["orders", "bills"] {
        scene.delete(name).await;
    }
    scene.jump(&operator, minutes(11)).await;
    for name in ["orders", "bills"] {
        scene.goes(name).await;
    }
    let records = scene.abandoned().await;
    assert_eq!(records.len(), 501);
    let more = records.iter().map(ResourceExt::name_any).find(|it| it.starts_with("more-")).unwrap();
    assert_eq!(scene.value(&more, "count").await.as_deref(), Some("2"));
    scene.jump(&operator, hours(2)).await;
    eventually("the record says so", async || {
        let all = scene.abandoned().await;
        let status = all.into_iter().find(|it| it.name_any() == more).unwrap().status.unwrap_or_default();
        status.message.is_some_and(|it| it.starts_with("2 more credentials"))
    })
    .await;
}
