//! The first version's format is read as it is by every later one. From the first release on, the
//! text quoted here does not change: it is in clusters.

use serde_json::json;

use super::{builders::*, table::*};
use crate::lifecycle::{decide, ledger::Document, world::Rendered};

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
