//! The first version's format is read as it is by every later one. From the first release on, the
//! text quoted here does not change: it is in clusters.

use serde_json::{Value, json};

use super::{builders::*, table::*};
use crate::lifecycle::{
    decide,
    ledger::{CredentialKind, Document, Edit},
    plan::Step,
    world::Rendered,
};

/// The fingerprint in the Secret of what it was rendered from.
const RENDERED_FROM: &str = "gzgfuhdnfq82p23rpz4z";
const TAG: &str = "kwusfcyph9ufuqei";

/// In the middle of an overlap.
fn written_by_the_first_version() -> Document {
    serde_json::from_value(json!({
        "schema": 1, "clusterId": "cluster-1", "objectUid": "uid-1", "ledgerUid": "ledger-uid-1",
        "deletionPolicy": "Revoke",
        "revisions": [{
            "revision": 1, "name": "prod-orders-kwtag-1abcd", "state": "Retiring", "reason": "FirstIssue",
            "intent": {
                "writer": "writer-0", "id": "intent-1",
                "at": "2026-11-10T12:00:00Z", "callBy": "2026-11-10T12:00:20Z",
            },
            "account": { "kind": "CredentialProvider", "name": "acme", "fingerprint": "fingerprint of acme" },
            "request": { "name": "prod-orders", "scopes": ["read"], "lifetime": "7776000s" },
            "clientId": "client-1",
            "issuedAt": "2026-11-10T12:00:00Z", "retiredAt": "2026-11-21T11:00:00Z",
        }, {
            "revision": 2, "name": "prod-orders-kwtag-2abcd", "state": "Issued", "reason": "Requested",
            "intent": {
                "writer": "writer-0", "id": "intent-2",
                "at": "2026-11-21T11:00:00Z", "callBy": "2026-11-21T11:00:20Z",
            },
            "account": { "kind": "CredentialProvider", "name": "acme", "fingerprint": "fingerprint of acme" },
            "request": {
                "name": "prod-orders", "scopes": ["read"], "lifetime": "7776000s", "rotationRequest": "now",
            },
            "clientId": "client-2", "fields": { "token_url": "https://acme.example/token" },
            "issuedAt": "2026-11-21T11:00:00Z", "expiresAt": "2027-02-19T11:00:00Z",
        }],
        "mints": ["2026-11-21T11:00:00Z"],
        "writeId": "write-1", "writtenAt": "2026-11-21T11:00:00Z",
    }))
    .unwrap()
}

#[test]
fn f8_a_ledger_of_the_first_version_causes_no_mint_no_revocation_and_no_render() {
    let spec = json!({
        "providerRef": { "name": "acme" }, "scopes": ["read"], "lifetime": "2160h",
        "rotation": { "overlap": "24h", "request": "now" },
        "secret": { "name": "orders-api", "labels": { "app": "orders" }, "template": { ".env": "ID={{ client_id }}" } },
    });
    let scene = a_credential().issued(days(11)).and(|it| {
        it.object.spec = serde_json::from_value(spec).unwrap();
        it.document = written_by_the_first_version();
    });
    let held = Rendered { revision: 2, from: RENDERED_FROM.to_owned() };
    let scene = scene.with_target(|it| it.intact = Some(held));
    let plan = decide(&scene.world(), noon());
    assert_eq!(in_words(&plan), "rest: Issued", "{plan:?}");
    assert_eq!(own_tag(), TAG, "what was made under another tag is never found");
}

/// The parts of a revision that the answers of each driver have given since the first version.
fn of_each_driver() -> [(&'static str, Value); 6] {
    let token_url = "https://acme.example/token";
    [
        ("spreetail", json!({ "ids": { "credentialId": "7" }, "fields": { "token_url": token_url } })),
        ("expereo", json!({ "fields": { "base_url": "https://acme.example", "token_url": token_url } })),
        (
            "cloudDirector",
            json!({
                "ids": { "id": "urn:vcloud:token:client-1" },
                "fields": { "org": "acme", "token_url": token_url },
                "secretAliases": ["refresh_token"],
            }),
        ),
        ("oauthRegistration", json!({ "fields": { "scope": "read", "token_url": token_url } })),
        ("cloudConnexa", json!({ "pair": "hash of the pair", "fields": { "token_url": token_url } })),
        ("vonageContactCenter", json!({ "pair": "hash of the pair", "fields": { "region": "emea" } })),
    ]
}

/// The published credential of a driver, in a ledger of the first version.
fn written_for(answer: &Value) -> Value {
    let mut revision = json!({
        "revision": 1, "name": "prod-orders-kwtag-1abcd", "state": "Issued", "reason": "FirstIssue",
        "intent": {
            "writer": "writer-0", "id": "intent-1",
            "at": "2026-11-10T12:00:00Z", "callBy": "2026-11-10T12:00:20Z",
        },
        "account": { "kind": "CredentialProvider", "name": "acme", "fingerprint": "fingerprint of acme" },
        "request": { "name": "prod-orders", "scopes": ["read"], "lifetime": "7776000s" },
        "clientId": "client-1", "issuedAt": "2026-11-10T12:00:00Z",
    });
    revision.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    json!({
        "schema": 1, "clusterId": "cluster-1", "objectUid": "uid-1", "ledgerUid": "ledger-uid-1",
        "deletionPolicy": "Revoke", "revisions": [revision],
        "writeId": "write-1", "writtenAt": "2026-11-10T12:00:00Z",
    })
}

#[test]
fn a_ledger_of_the_first_version_stays_one_and_its_credential_is_still_a_client() {
    for (driver, answer) in of_each_driver() {
        let text = written_for(&answer);
        let mut document: Document = serde_json::from_value(text.clone()).unwrap();
        let scene = || a_credential().issued(days(11)).published().and(|it| it.document = document.clone());
        let in_words = |scene: Scene| in_words(&decide(&scene.world(), noon()));
        assert_eq!(in_words(scene()), "rest: Issued", "{driver}");
        let asked = scene().with_rotation(|it| it.request = Some("now".to_owned()));
        assert_eq!(in_words(asked), "mint 2: Requested", "{driver}");
        assert_eq!(in_words(scene().deleting()), "record StartRevoking [1]", "{driver}");
        assert_eq!(in_words(scene().retained().deleting()), "ReleaseTarget { name: \"orders\" }", "{driver}");
        let identity = document.revisions[0].identity().unwrap();
        assert_eq!((identity.client_id, identity.secret_id), ("client-1", None), "{driver}");
        document.apply(&Edit::Identify, noon()).unwrap();
        assert_eq!(serde_json::to_value(&document).unwrap(), text, "{driver}: another version reads it, too");
    }
}

#[test]
fn a_status_of_the_first_version_rebuilds_clients() {
    let status = json!({
        "observedGeneration": 1, "clientId": "client-1", "revision": 1,
        "credentials": [{
            "revision": 1, "state": "Active", "name": format!("prod-orders-{TAG}-1abcd"),
            "clientId": "client-1", "issuedAt": "2026-11-10T12:00:00Z", "reason": "FirstIssue",
        }],
    });
    let lost = a_credential().and(|it| it.object.status = serde_json::from_value(status).unwrap());
    let plan = decide(&lost.world(), noon());
    let Some(Step::Recover(recovery)) = plan.step() else { panic!("{plan:?}") };
    let it = &recovery.revisions[0];
    assert_eq!((it.kind, it.id()), (CredentialKind::Client, Some("client-1")));
    assert!(it.parameters.is_empty() && capabilities().revokes(it));
}
