//! The effect of an edit of each field of the spec. An edit mints only if it has to.

use std::collections::BTreeSet;

use credwright::api::ApiCredential;
use kube::CustomResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::stage::minutes;
use crate::support::Scene;

/// The effect of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// A new credential.
    Rotates,
    /// No new credential.
    Nothing,
    /// The API server does not take it.
    Refused,
    /// This provider cannot honour it, and says so.
    CannotBeHonoured,
}

fn base() -> Value {
    json!({
        "providerRef": { "name": "spreetail" }, "name": "base", "lifetime": "720h",
        "rotation": { "renewBefore": "240h", "overlap": "24h", "request": "first" },
        "secret": { "name": "NAME-1", "labels": { "app": "one" } },
    })
}

/// A JSON merge patch for every field of the spec.
fn edits() -> Vec<(&'static str, Value, Effect)> {
    use Effect::{CannotBeHonoured, Nothing, Refused, Rotates};
    vec![
        ("providerRef.name", json!({ "providerRef": { "name": "elsewhere" } }), Rotates),
        ("name", json!({ "name": "other" }), Rotates),
        ("lifetime", json!({ "lifetime": "800h" }), Rotates),
        ("rotation.request", json!({ "rotation": { "request": "second" } }), Rotates),
        ("scopes", json!({ "scopes": ["read"] }), CannotBeHonoured),
        ("subnets", json!({ "subnets": ["203.0.113.0/24"] }), CannotBeHonoured),
        ("rotation.renewBefore", json!({ "rotation": { "renewBefore": "100h" } }), Nothing),
        ("rotation.overlap", json!({ "rotation": { "overlap": "1h" } }), Nothing),
        ("suspend", json!({ "suspend": true }), Nothing),
        ("deletionPolicy", json!({ "deletionPolicy": "Retain" }), Nothing),
        ("secret.name", json!({ "secret": { "name": "NAME-2" } }), Nothing),
        ("secret.type", json!({ "secret": { "type": "example.com/other" } }), Refused),
        ("secret.keys", json!({ "secret": { "keys": { "client_id": "ID" } } }), Nothing),
        ("secret.template", json!({ "secret": { "template": { "file": "{{ client_id }}" } } }), Nothing),
        ("secret.includePrevious", json!({ "secret": { "includePrevious": true } }), Nothing),
        ("secret.labels", json!({ "secret": { "labels": { "app": "two" } } }), Nothing),
        ("intake.secretName", json!({ "intake": { "secretName": "NAME-intake" } }), Nothing),
        ("intake.verify", json!({ "intake": { "secretName": "NAME-intake", "verify": "Skip" } }), Nothing),
        ("secret.annotations", json!({ "secret": { "annotations": { "example.com/a": "b" } } }), Nothing),
    ]
}

/// Fields with a test of their own: another `kind` means another provider.
const ELSEWHERE: [&str; 1] = ["providerRef.kind"];

#[test]
fn the_table_has_every_field_of_the_spec() {
    let crd = serde_json::to_value(ApiCredential::crd()).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let mut fields = BTreeSet::new();
    for (name, schema) in spec.as_object().unwrap() {
        match schema["properties"].as_object() {
            Some(inner) => fields.extend(inner.keys().map(|it| format!("{name}.{it}"))),
            None => {
                fields.insert(name.clone());
            }
        }
    }
    let table: BTreeSet<String> =
        edits().iter().map(|(field, ..)| *field).chain(ELSEWHERE).map(str::to_owned).collect();
    assert_eq!(fields, table);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_mints_only_where_it_must() {
    let scene = Scene::new("edits").await;
    let operator = scene.operator().await;
    let other = scene.another_account("elsewhere").await;
    let object_of = |field: &str| field.to_lowercase().replace('.', "-");
    let named = |name: &str, value: Value| -> Value {
        serde_json::from_str(&value.to_string().replace("NAME", name)).unwrap()
    };
    for (field, ..) in edits() {
        let name = object_of(field);
        scene.apply(&name, named(&name, base())).await;
    }
    for (field, ..) in edits() {
        scene.says(&object_of(field), ("Ready", "True", "Issued")).await;
    }
    for (field, edit, effect) in edits() {
        let name = object_of(field);
        let patch = json!({ "spec": named(&name, edit) });
        let api = scene.api::<ApiCredential>();
        let patched = api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
        assert_eq!(patched.is_err(), effect == Effect::Refused, "{field}: {patched:?}");
    }
    for (field, _, effect) in edits() {
        let name = object_of(field);
        scene
            .wait(&name, "the edit is seen", async || {
                let object = scene.get(&name).await;
                object.status.is_some_and(|it| it.observed_generation == object.metadata.generation)
            })
            .await;
        match effect {
            Effect::Rotates => {
                scene.wait(&name, "it rotates", async || scene.status(&name).await.revision == Some(2)).await;
            }
            Effect::CannotBeHonoured => {
                let message = scene.says(&name, ("Ready", "True", "InvalidForProvider")).await;
                assert!(message.starts_with(&format!("spec.{field}: ")), "{message}");
                scene.says(&name, ("Stalled", "True", "InvalidForProvider")).await;
            }
            Effect::Nothing | Effect::Refused => {}
        }
    }
    scene.jump(&operator, minutes(30)).await;
    let rotated = edits().iter().filter(|(.., effect)| *effect == Effect::Rotates).count();
    assert_eq!(scene.made().len() + other.record().created_count(), edits().len() + rotated);
    assert_eq!(other.record().created_count(), 1);
    for (field, _, effect) in edits() {
        let name = object_of(field);
        let expected = if effect == Effect::Rotates { 2 } else { 1 };
        assert_eq!(scene.status(&name).await.revision, Some(expected), "{field}");
        assert_eq!(scene.document(&name).await.unwrap().revisions.len(), expected as usize, "{field}");
    }
    operator.stop().await;
}
