use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;

use crate::{engine::seal::Sealer, lifecycle::world::Rendered};

use super::{Key, Store, Stores, ledger_entry, target_digest, target_entry};

fn sealer() -> Sealer {
    Sealer::new(&[7; 32]).unwrap()
}

#[test]
fn only_what_is_newer_is_kept() {
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
fn a_restore_that_takes_the_owner_away_leaves_a_target_intact() {
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
    let key = Key { namespace: "shop".to_owned(), name: "orders".to_owned() };
    stores.put_target(key.clone(), target_entry(&target(), &sealer()));
    assert_eq!(stores.targets_of("shop", "owner").len(), 1);
    assert!(stores.targets_of("shop", "other").is_empty());
    let mut forged = target();
    forged.metadata.namespace = Some("elsewhere".to_owned());
    stores.put_target(Key::of(&forged), target_entry(&forged, &sealer()));
    assert_eq!(stores.targets_of("shop", "owner").len(), 1, "another namespace's Secret is none of its");
    let mut adopted = target();
    adopted.metadata.owner_references.as_mut().unwrap()[0].uid = "other".to_owned();
    adopted.metadata.resource_version = Some("13".to_owned());
    stores.put_target(key, target_entry(&adopted, &sealer()));
    assert!(stores.targets_of("shop", "owner").is_empty());
    assert_eq!(stores.targets_of("shop", "other").len(), 1);
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
    assert!(why(json!({ "document": "e30=", "sealed": "e30=" })).contains("does not open"));
}
