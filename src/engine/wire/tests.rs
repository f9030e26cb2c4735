//! Poison that the API server takes, in objects of every kind, in lists and in watches.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Resource, ResourceExt,
    api::{ObjectList, WatchEvent},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::api::{AbandonedCredential, ApiCredential, ClusterCredentialProvider, CredentialProvider};

/// A canary: a value that no message may quote.
const CANARY: &str = "Y2FuYXJ5";

fn metadata(name: &str) -> Value {
    json!({
        "name": name, "namespace": "shop", "uid": "1", "resourceVersion": "7", "generation": 2,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{
            "manager": "m", "operation": "Update", "apiVersion": "v1", "time": "9999-12-31T23:59:59Z",
            "fieldsType": "FieldsV1", "fieldsV1": { "f:data": {} },
        }],
    })
}

fn object<K: Resource<DynamicType = ()>>(name: &str, mut rest: Value) -> Value {
    rest["apiVersion"] = json!(K::api_version(&()));
    rest["kind"] = json!(K::kind(&()));
    rest["metadata"] = metadata(name);
    rest
}

/// Text with a value so deep that no parser with a usual limit takes it.
fn deep(object: &Value, marker: &str) -> String {
    let nested = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    object.to_string().replace(&format!("\"{marker}\""), &nested)
}

/// Decodes `text` as the one page of a list and as an event of a watch, between two objects that
/// are well.
fn beside_others<K>(text: &str, well: &Value) -> [K; 2]
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    let list = format!(
        r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"9"}},"items":[{well},{text},{well}]}}"#
    );
    let list: ObjectList<K> = serde_json::from_str(&list).unwrap();
    let names: Vec<_> = list.items.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["well", "poisoned", "well"]);
    let listed = list.items[1].clone();
    let event = format!(r#"{{"type":"MODIFIED","object":{text}}}"#);
    let WatchEvent::Modified(seen) = serde_json::from_str::<WatchEvent<K>>(&event).unwrap() else {
        panic!("another event");
    };
    for object in [&listed, &seen] {
        assert_eq!(
            (object.name_any(), object.resource_version()),
            ("poisoned".to_owned(), Some("7".to_owned()))
        );
        assert!(object.meta().managed_fields.is_none());
    }
    [listed, seen]
}

fn credential_spec() -> Value {
    json!({ "providerRef": { "name": "acme" } })
}

fn provider_spec() -> Value {
    json!({ "spreetail": {}, "login": { "secretRef": { "name": "acme", "namespace": "shop" } } })
}

#[test]
fn an_invalid_time_hides_no_object_of_any_kind() {
    let secret = json!({ "data": { "client_secret": CANARY }, "type": "Opaque" });
    let poisoned = object::<Secret>("poisoned", secret.clone()).to_string();
    for secret in beside_others::<Secret>(&poisoned, &object::<Secret>("well", secret)) {
        assert_eq!(secret.data.unwrap()["client_secret"].0, b"canary");
    }
    let poisoned = object::<Namespace>("poisoned", json!({})).to_string();
    beside_others::<Partial<Namespace>>(&poisoned, &object::<Namespace>("well", json!({})));
    let spec = json!({ "spec": credential_spec() });
    let poisoned = object::<ApiCredential>("poisoned", spec.clone()).to_string();
    for it in beside_others::<Decoded<ApiCredential>>(&poisoned, &object::<ApiCredential>("well", spec)) {
        assert_eq!((it.unreadable.as_deref(), it.spec.provider_ref.name.as_str()), (None, "acme"));
    }
    let spec = json!({ "spec": provider_spec() });
    let poisoned = object::<ClusterCredentialProvider>("poisoned", spec.clone()).to_string();
    let well = object::<ClusterCredentialProvider>("well", spec);
    for it in beside_others::<Decoded<ClusterCredentialProvider>>(&poisoned, &well) {
        assert_eq!(it.unreadable, None);
    }
    let well = object::<AbandonedCredential>("well", json!({}));
    let poisoned =
        object::<AbandonedCredential>("poisoned", json!({ "spec": { "since": "9999-12-31T23:59:59Z" } }));
    for it in beside_others::<Decoded<AbandonedCredential>>(&poisoned.to_string(), &well) {
        assert!(it.unreadable.is_some());
    }
}

#[test]
fn a_value_that_is_too_deep_or_too_large_affects_only_its_object() {
    let mut spec = provider_spec();
    spec["oauthRegistration"] = json!({ "issuer": "https://id.example.com", "metadata": { "m": "POISON" } });
    let object_of = |spec: &Value| object::<CredentialProvider>("poisoned", json!({ "spec": spec }));
    let well = object::<CredentialProvider>("well", json!({ "spec": provider_spec() }));
    let deep = deep(&object_of(&spec), "POISON");
    let huge = object_of(&spec).to_string().replace("\"POISON\"", "1e999");
    spec["oauthRegistration"]["metadata"]["m"] = json!("x".repeat(200_000));
    for poisoned in [deep, huge, object_of(&spec).to_string()] {
        for it in beside_others::<Decoded<CredentialProvider>>(&poisoned, &well) {
            let why = it.unreadable.clone().unwrap();
            assert!(why.len() <= 200, "{why}");
            assert!(serde_json::to_string(&it).unwrap().len() < 8000, "what is left alone takes no room");
            assert_eq!(it.spec.login.as_ref().unwrap().secret_ref.name, "acme", "its login stays held");
        }
    }
}

#[test]
fn a_free_form_object_is_limited_in_size_count_and_depth() {
    let why = |metadata: Value| {
        let spec =
            json!({ "oauthRegistration": { "issuer": "https://id.example.com", "metadata": metadata } });
        let text = object::<CredentialProvider>("poisoned", json!({ "spec": spec })).to_string();
        serde_json::from_str::<Decoded<CredentialProvider>>(&text).unwrap().unreadable
    };
    let nested = (0..8).fold(json!(1), |inner, _| json!({ "a": inner }));
    for fine in [json!({}), json!({ "response_types": [], "a": null }), nested.clone()] {
        assert_eq!(why(fine), None);
    }
    for (what, metadata) in [
        ("too long", json!({ "a": "x".repeat(9000) })),
        ("too many", json!({ "a": vec![1; 300] })),
        ("too deep", json!({ "a": nested })),
    ] {
        let why = why(metadata).unwrap_or_else(|| panic!("{what} was read"));
        assert!(why.starts_with("oauthRegistration.metadata must have at most"), "{why}");
    }
}

#[test]
fn only_our_own_metadata_of_our_objects_is_kept() {
    let mut whole = object::<ApiCredential>("orders", json!({ "spec": credential_spec() }));
    let large = "x".repeat(250_000);
    whole["metadata"]["annotations"] = json!({ "theirs": large, "credwright.dev/claim": "c" });
    whole["metadata"]["labels"] = json!({ "theirs": "x" });
    whole["metadata"]["finalizers"] = json!(["credwright.dev/revoke", "theirs"]);
    let it: Decoded<ApiCredential> = serde_json::from_str(&whole.to_string()).unwrap();
    assert_eq!(it.unreadable, None);
    let kept = it.metadata.annotations.clone().unwrap();
    assert_eq!(kept, [("credwright.dev/claim".to_owned(), "c".to_owned())].into());
    assert_eq!(
        (it.finalizers().len(), it.metadata.labels.as_ref()),
        (2, None),
        "finalizers are written back whole"
    );
    for too_much in [
        json!({ "annotations": { "credwright.dev/removed": large } }),
        json!({ "finalizers": vec!["example.com/held"; 10_000] }),
    ] {
        for (key, value) in too_much.as_object().unwrap() {
            whole["metadata"][key] = value.clone();
        }
        let it: Decoded<ApiCredential> = serde_json::from_str(&whole.to_string()).unwrap();
        assert!(it.unreadable.is_some());
        assert!(serde_json::to_string(&it.object).unwrap().len() < 1000);
    }
}

#[test]
fn unreadable_parts_of_a_status_are_skipped() {
    let status = json!({
        "clientId": "client", "revision": 5_000_000_000_u64, "expiresAt": "9999-12-31T23:59:59Z",
        "renewalTime": "2026-02-01T00:00:00Z",
    });
    let rest = json!({ "spec": credential_spec(), "status": status });
    let text = object::<ApiCredential>("poisoned", rest).to_string();
    let it: Decoded<ApiCredential> = serde_json::from_str(&text).unwrap();
    let status = it.object.status.unwrap();
    assert_eq!(
        (status.client_id.as_deref(), status.revision, status.expires_at),
        (Some("client"), None, None)
    );
    assert!(status.renewal_time.is_some());
}

#[test]
fn a_terminating_object_is_recognised_whatever_its_time() {
    let mut secret = object::<Secret>("poisoned", json!({}));
    for (text, second) in [("9999-12-31T23:59:59Z", 0), ("2026-01-01T00:00:00Z", 1_767_225_600)] {
        secret["metadata"]["deletionTimestamp"] = json!(text);
        let secret: Secret = serde_json::from_value(secret.clone()).unwrap();
        assert_eq!(secret.metadata.deletion_timestamp.unwrap().0.as_second(), second);
    }
}

/// The object is written back as it was, but for `managedFields`, which the API server then keeps
/// as they are.
#[test]
fn a_secret_is_written_as_it_was_read() {
    let mut secret =
        object::<Secret>("orders", json!({ "type": "Opaque", "data": { "key": CANARY }, "immutable": true }));
    secret["metadata"]["finalizers"] = json!(["credwright.dev/ledger"]);
    secret["metadata"]["annotations"] = json!({ "theirs": "stays" });
    let read: Secret = serde_json::from_value(secret.clone()).unwrap();
    assert!(!format!("{read:?}").contains("canary"));
    secret["metadata"].as_object_mut().unwrap().remove("managedFields");
    assert_eq!(serde_json::to_value(read).unwrap(), secret);
}
