use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::json;

use crate::{
    api::{LOGIN_FINALIZER, PROVIDER_FINALIZER},
    engine::{
        seal::{Material, Place, Sealer},
        wire::Secret,
    },
    lifecycle::world::Rendered,
};

use super::{
    Key, ProviderObject, Store, Stores, copy_entry, ledger_entry, login_entry, target_digest, target_entry,
};

fn sealer() -> Sealer {
    Sealer::new(&[7; 32]).unwrap()
}

#[test]
fn only_a_newer_version_is_kept() {
    let store = Store::default();
    assert!(store.put("orders", 5, 'a'));
    assert!(!store.put("orders", 5, 'b'), "the echo of a write is no news");
    assert!(!store.put("orders", 4, 'c'), "what a stale watch says is no news");
    assert_eq!(store.get(&"orders"), Some('a'));
    assert!(store.put("orders", 6, 'd'));
    assert!(!store.remove(&"orders", 5), "the deletion of an earlier one is no news");
    assert!(store.remove(&"orders", 6));
    assert_eq!(store.get(&"orders"), None);
}

fn target() -> Secret {
    let mut secret: Secret = serde_json::from_value(json!({
        "metadata": {
            "namespace": "shop", "name": "orders", "resourceVersion": "12", "uid": "target",
            "annotations": { "credwright.dev/revision": "4", "credwright.dev/rendered-from": "source" },
            "ownerReferences": [{
                "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential", "name": "orders", "uid": "owner", "controller": true,
            }],
        },
    }))
    .unwrap();
    secret.data = Some(BTreeMap::from([("client_id".to_owned(), ByteString(b"id".to_vec()))]));
    let rendered = Rendered { revision: 4, from: "source".to_owned() };
    let digest = target_digest(&secret, &rendered, &sealer());
    secret.metadata.annotations.as_mut().unwrap().insert("credwright.dev/digest".to_owned(), digest);
    secret
}

#[test]
fn a_target_is_known_by_its_digest() {
    let entry = target_entry(&target(), &sealer());
    assert_eq!(entry.intact, Some(Rendered { revision: 4, from: "source".to_owned() }));
    assert_eq!(entry.owner.as_deref(), Some("owner"));
}

#[test]
fn a_target_that_anyone_has_touched_is_not_intact() {
    type Touch = fn(&mut Secret);
    let touches: [(&str, Touch); 7] = [
        ("a value", |it| {
            _ = it.data.as_mut().unwrap().insert("client_id".to_owned(), ByteString(b"other".to_vec()))
        }),
        ("another key", |it| _ = it.data.as_mut().unwrap().insert("more".to_owned(), ByteString(Vec::new()))),
        ("a key less", |it| it.data.as_mut().unwrap().clear()),
        ("the revision", |it| {
            _ = it
                .metadata
                .annotations
                .as_mut()
                .unwrap()
                .insert("credwright.dev/revision".to_owned(), "5".to_owned())
        }),
        ("the digest", |it| _ = it.metadata.annotations.as_mut().unwrap().remove("credwright.dev/digest")),
        ("a copy under another name", |it| it.metadata.name = Some("copy".to_owned())),
        ("a copy in another namespace", |it| _ = it.metadata.namespace.replace("elsewhere".to_owned())),
    ];
    for (what, touch) in touches {
        let mut secret = target();
        touch(&mut secret);
        assert_eq!(target_entry(&secret, &sealer()).intact, None, "{what}");
    }
}

#[test]
fn a_restore_without_the_owner_leaves_a_target_intact() {
    let mut secret = target();
    secret.metadata.owner_references = None;
    secret.metadata.uid = Some("another".to_owned());
    let entry = target_entry(&secret, &sealer());
    assert!(entry.owner.is_none() && entry.intact.is_some());
}

#[test]
fn an_owner_is_one_by_kind_and_group_and_as_controller() {
    type Fake = fn(&mut k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference);
    let fakes: [(&str, Fake); 3] = [
        ("another group", |it| it.api_version = "example.com/v1alpha1".to_owned()),
        ("another kind", |it| it.kind = "Deployment".to_owned()),
        ("no controller", |it| it.controller = None),
    ];
    for (what, fake) in fakes {
        let mut secret = target();
        fake(&mut secret.metadata.owner_references.as_mut().unwrap()[0]);
        assert_eq!(target_entry(&secret, &sealer()).owner, None, "{what}");
    }
}

#[test]
fn targets_are_found_by_their_owner_while_they_are_its() {
    let stores = Stores::default();
    let key = Key::new("shop", "orders");
    stores.put_target(&key, target_entry(&target(), &sealer()));
    assert_eq!(stores.targets_of("shop", "owner").len(), 1);
    assert!(stores.targets_of("shop", "other").is_empty());
    let mut forged = target();
    forged.metadata.namespace = Some("elsewhere".to_owned());
    stores.put_target(&Key::of(&forged), target_entry(&forged, &sealer()));
    assert_eq!(stores.targets_of("shop", "owner").len(), 1, "another namespace's Secret is none of its");
    let mut adopted = target();
    adopted.metadata.owner_references.as_mut().unwrap()[0].uid = "other".to_owned();
    adopted.metadata.resource_version = Some("13".to_owned());
    stores.put_target(&key, target_entry(&adopted, &sealer()));
    assert!(stores.targets_of("shop", "owner").is_empty());
    assert_eq!(stores.targets_of("shop", "other").len(), 1);
}

#[test]
fn a_target_with_the_largest_metadata_takes_no_more_than_any_other() {
    let mut secret = target();
    let annotations = secret.metadata.annotations.as_mut().unwrap();
    annotations.insert("kubectl.kubernetes.io/last-applied-configuration".to_owned(), "x".repeat(256 * 1024));
    let mut plain = target_entry(&target(), &sealer());
    assert_eq!(target_entry(&secret, &sealer()), plain);
    let owner = &mut secret.metadata.owner_references.as_mut().unwrap()[0];
    (owner.uid, owner.name) = ("u".repeat(100_000), "n".repeat(100_000));
    secret.metadata.finalizers = Some(vec!["example.com/held".to_owned(); 10_000]);
    let entry = target_entry(&secret, &sealer());
    (plain.owner, plain.controller) = (None, Some("n".repeat(253)));
    assert_eq!(entry, plain);
}

#[test]
fn requested_labels_and_annotations_of_a_target_are_compared_and_no_others() {
    let output = |labels: serde_json::Value| -> crate::api::SecretOutput {
        serde_json::from_value(json!({ "labels": labels, "annotations": { "note": "n" } })).unwrap()
    };
    let (asked_for, other) = (output(json!({ "app": "shop" })), output(json!({ "app": "web" })));
    let mut secret = target();
    assert_eq!(target_entry(&secret, &sealer()).applied, super::asked(None));
    secret.metadata.labels =
        Some([("app".to_owned(), "shop".to_owned()), ("theirs".to_owned(), "1".to_owned())].into());
    let annotations = secret.metadata.annotations.as_mut().unwrap();
    annotations.insert("note".to_owned(), "n".to_owned());
    annotations
        .insert(crate::api::APPLIED_METADATA_ANNOTATION.to_owned(), "label:app annotation:note".to_owned());
    let entry = target_entry(&secret, &sealer());
    assert_eq!(entry.applied, super::asked(Some(&asked_for)));
    assert_ne!(entry.applied, super::asked(Some(&other)));
    secret.metadata.labels.as_mut().unwrap().insert("app".to_owned(), "changed".to_owned());
    assert_ne!(target_entry(&secret, &sealer()).applied, super::asked(Some(&asked_for)));
}

fn credential(name: &str, uid: &str) -> std::sync::Arc<crate::api::ApiCredential> {
    let metadata = json!({ "namespace": "shop", "name": name, "uid": uid, "resourceVersion": "1" });
    let spec = json!({ "providerRef": { "name": "acme" } });
    let object = json!({ "apiVersion": "v", "kind": "ApiCredential", "metadata": metadata, "spec": spec });
    std::sync::Arc::new(serde_json::from_value(object).unwrap())
}

/// A target may be seen before its object is, so the last ones are kept for it.
#[test]
fn the_number_of_targets_without_an_object_is_limited() {
    let stores = Stores::default();
    let see = |name: &str, owner: &str, version: usize| {
        let mut secret = target();
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.resource_version = Some(version.to_string());
        let reference = &mut secret.metadata.owner_references.as_mut().unwrap()[0];
        (reference.name, reference.uid) = (name.to_owned(), owner.to_owned());
        stores.put_target(&Key::of(&secret), target_entry(&secret, &sealer()))
    };
    let at = |name: &str| Key::new("shop", name);
    see("early", "early-uid", 1);
    stores.credentials.put(at("orders"), 1, credential("orders", "owner"));
    see("orders", "owner", 2);
    stores.settle();
    stores.credentials.put(at("early"), 1, credential("early", "early-uid"));
    for number in 0..3 * super::targets::UNCLAIMED_MAX {
        see(&format!("made-up-{number}"), &format!("uid-{number}"), 10 + number);
    }
    let most = super::targets::UNCLAIMED_MAX + 2;
    assert_eq!(stores.targets.count(), (most, most), "and what is known of their owners goes with them");
    for (name, owner) in [("orders", "owner"), ("early", "early-uid")] {
        assert_eq!(stores.targets_of("shop", owner).len(), 1, "{name}");
    }
    stores.remove_credential(&at("orders"), 1);
    for number in 0..super::targets::UNCLAIMED_MAX {
        see(&format!("more-{number}"), &format!("uid-more-{number}"), 10_000 + number);
    }
    assert!(stores.targets_of("shop", "owner").is_empty(), "its object is gone");
    stores.targets.remove(&at("early"), 1);
    assert!(stores.targets_of("shop", "early-uid").is_empty());
}

#[test]
fn a_ledger_that_cannot_be_used_says_why() {
    let secret = |data: serde_json::Value| -> Secret {
        serde_json::from_value(
            json!({ "metadata": { "namespace": "shop", "name": "orders.credwright" }, "data": data }),
        )
        .unwrap()
    };
    let why = |data| ledger_entry(&secret(data), &sealer()).document.unwrap_err();
    assert!(why(json!({})).contains("has no key document"));
    assert!(why(json!({ "document": "e30=" })).contains("has no key sealed"));
    assert!(why(json!({ "document": "e30=", "sealed": "e30=" })).contains("cannot be opened"));
}

#[test]
fn a_ledger_with_words_of_a_newer_schema_asks_for_an_upgrade() {
    let why = |document: &str| {
        let place = Place { namespace: "shop", name: "orders.credwright", document: document.as_bytes() };
        let sealed = sealer().seal(&Material::default(), place).unwrap();
        let mut secret: Secret = serde_json::from_value(
            json!({ "metadata": { "namespace": "shop", "name": "orders.credwright" } }),
        )
        .unwrap();
        let text = ByteString(document.as_bytes().to_vec());
        secret.data =
            Some(BTreeMap::from([("document".to_owned(), text), ("sealed".to_owned(), ByteString(sealed))]));
        ledger_entry(&secret, &sealer()).document.unwrap_err()
    };
    let newer =
        why(r#"{ "schema": 3, "revisions": [{ "state": "Paused" }], "deletionPolicy": { "keep": "1h" } }"#);
    assert!(newer.contains("schema 3, written by a newer Credwright; upgrade this one"), "{newer}");
    let broken = why(r#"{ "schema": 1, "revisions": [{ "state": "Paused" }] }"#);
    assert!(broken.contains("cannot be decoded"), "{broken}");
}

#[test]
fn a_target_is_written_only_while_it_is_this_objects() {
    let object: crate::api::ApiCredential = serde_json::from_value(json!({
        "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential",
        "metadata": { "namespace": "shop", "name": "orders", "uid": "owner" },
        "spec": { "providerRef": { "name": "acme" } },
    }))
    .unwrap();
    let key = Key::new("shop", "orders");
    let is_ours = |secret: &Secret| {
        crate::engine::observe::is_ours(&key, &target_entry(secret, &sealer()), &object, None)
    };
    assert!(is_ours(&target()));
    let mut edited = target();
    edited.data = None;
    assert!(is_ours(&edited), "its own is put right, whatever it holds");
    let mut taken = target();
    taken.metadata.owner_references.as_mut().unwrap()[0].uid = "another".to_owned();
    assert!(!is_ours(&taken), "it became another's since it was looked at");
    let mut plain = target();
    (plain.metadata.owner_references, plain.data) = (None, None);
    assert!(!is_ours(&plain), "nobody's, and not as Credwright wrote it");
}

/// Without the rights in a namespace, what stands there could not be ended.
#[test]
fn each_kind_of_object_that_is_still_to_be_ended_keeps_the_rights_in_its_namespace() {
    let key = || Key::new("shop", "orders");
    let login = |finalizers: &[&str]| {
        let metadata = json!({ "namespace": "shop", "name": "orders", "finalizers": finalizers });
        login_entry(&serde_json::from_value(json!({ "metadata": metadata })).unwrap(), &sealer())
    };
    let provider = |finalizers: &[&str]| {
        let metadata = json!({ "namespace": "shop", "name": "acme", "finalizers": finalizers });
        let spec = json!({ "spreetail": {}, "login": { "secretRef": { "name": "admin" } } });
        let object = json!({ "apiVersion": "v", "kind": "k", "metadata": metadata, "spec": spec });
        ProviderObject::Namespaced(serde_json::from_value(object).unwrap())
    };
    let copy = || copy_entry(&target(), "orders", &sealer());
    let (held, in_use) = ([LOGIN_FINALIZER], [PROVIDER_FINALIZER]);
    type Add<'a> = &'a dyn Fn(&Stores) -> bool;
    let kinds: [(&str, bool, Add<'_>); 7] = [
        ("an object", true, &|it| it.credentials.put(key(), 1, credential("orders", "owner"))),
        ("a ledger", true, &|it| it.ledgers.put(key(), ledger_entry(&target(), &sealer()))),
        ("a copy of a ledger", true, &|it| it.copies.put(key(), 1, copy())),
        ("a login that is held", true, &|it| it.logins.put(key(), 1, login(&held))),
        ("a login that is not", false, &|it| it.logins.put(key(), 1, login(&[]))),
        ("a provider that is held", true, &|it| it.providers.put(provider(&[]).key(), 1, provider(&in_use))),
        ("a provider that is not", false, &|it| it.providers.put(provider(&[]).key(), 1, provider(&[]))),
    ];
    for (what, keeps, add) in kinds {
        let stores = Stores::default();
        assert!(add(&stores), "{what}");
        assert_eq!(stores.has_anything_in("shop"), keeps, "{what}");
        assert!(!stores.has_anything_in("web"), "{what}");
    }
}
