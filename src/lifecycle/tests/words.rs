//! Words of a newer version, in each place where this one reads back what was written.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    api::{ApiCredentialStatus, DeletionPolicy, ProviderStatus, Reason},
    lifecycle::ledger::{Document, Inheritance, State},
};

const NEW: &str = "FromTheFuture";

fn document() -> Value {
    json!({
        "schema": 1, "clusterId": "c", "objectUid": "u", "deletionPolicy": "Revoke",
        "inherited": { "how": "Adopted", "through": 1, "tags": ["t"], "objects": ["o"] },
        "revisions": [{
            "revision": 1, "name": "shop.orders", "state": "Issued", "reason": "FirstIssue",
            "intent": { "writer": "w", "id": "i", "at": "2026-01-01T00:00:00Z", "callBy": "2026-01-01T00:01:00Z" },
            "account": { "kind": "CredentialProvider", "name": "acme", "fingerprint": "f" },
            "request": { "name": "shop.orders" },
            "clientId": "client", "new": { "kept": true },
        }],
        "failures": { "Mint": {
            "reason": "ProviderUnavailable", "message": "m", "kind": "Unavailable", "count": 1, "at": "2026-01-01T00:00:00Z",
            "about": "a",
        } },
        "writeId": "w", "writtenAt": "2026-01-01T00:00:00Z",
    })
}

fn status() -> Value {
    json!({
        "observedGeneration": 1,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Issued", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
        "clientId": "client", "revision": 1,
        "credentials": [{
            "revision": 1, "state": "Issued", "name": "n", "reason": "FirstIssue",
            "providerRef": { "kind": "CredentialProvider", "name": "acme" },
        }],
        "lastRotation": { "at": "2026-01-01T00:00:00Z", "reason": "RenewalDue" },
    })
}

/// `value` as it is when the word at each of `pointers` is one of a newer version.
fn with_new_words<'a>(value: &'a Value, pointers: &'a [&'a str]) -> impl Iterator<Item = (&'a str, Value)> {
    pointers.iter().map(move |pointer| {
        let mut value = value.clone();
        *value.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing is at {pointer}")) = json!(NEW);
        (*pointer, value)
    })
}

/// A new word at each of these places is read, and written back as it is.
fn are_kept<T: DeserializeOwned + Serialize>(quoted: &Value, places: &[&'static str]) {
    for (place, written) in with_new_words(quoted, places) {
        let read: T =
            serde_json::from_str(&written.to_string()).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(serde_json::to_value(read).unwrap(), written, "{place}");
    }
}

#[test]
fn a_ledger_with_a_word_of_a_newer_version_is_read_and_written_back_as_it_is() {
    let places = [
        "/deletionPolicy",
        "/inherited/how",
        "/revisions/0/reason",
        "/revisions/0/account/kind",
        "/failures/Mint/reason",
        "/failures/Mint/kind",
    ];
    are_kept::<Document>(&document(), &places);
    let mut written = document();
    written["failures"] = json!({ NEW: written["failures"]["Mint"] });
    let document: Document = serde_json::from_str(&written.to_string()).unwrap();
    assert_eq!(serde_json::to_value(document).unwrap(), written);
}

/// The next states of a revision follow from its state.
#[test]
fn only_an_unknown_state_makes_a_ledger_unusable() {
    let quoted = document();
    for (_, written) in with_new_words(&quoted, &["/revisions/0/state"]) {
        let error = serde_json::from_str::<Document>(&written.to_string()).unwrap_err();
        assert!(error.to_string().contains(NEW), "{error}");
    }
}

#[test]
fn nothing_is_undone_that_an_unknown_word_may_request() {
    let quoted = document();
    let read = |place: &'static str| -> Document {
        let (_, written) = with_new_words(&quoted, &[place]).next().unwrap();
        serde_json::from_value(written).unwrap()
    };
    let inherited = read("/inherited/how");
    assert_eq!(inherited.inheritance(1), Some(Inheritance::Borrowed), "another cluster may be using it");
    assert!(read("/deletionPolicy").deletion_policy.retains());
    assert!(!DeletionPolicy::Revoke.retains() && DeletionPolicy::Retain.retains());
    assert_eq!(read("/revisions/0/reason").revisions[0].reason.as_str(), NEW);
    assert_eq!(read("/revisions/0/reason").revisions[0].state, State::Issued);
}

#[test]
fn a_status_with_a_word_of_a_newer_version_is_read_and_written_back_as_it_is() {
    let places = [
        "/conditions/0/type",
        "/conditions/0/reason",
        "/credentials/0/state",
        "/credentials/0/reason",
        "/credentials/0/providerRef/kind",
        "/lastRotation/reason",
    ];
    let quoted = status();
    are_kept::<ApiCredentialStatus>(&quoted, &places);
    let written = json!({ "conditions": quoted["conditions"], "driver": NEW, "capabilities": { NEW: NEW } });
    let status: ProviderStatus = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(status).unwrap(), written);
}

#[test]
fn a_word_that_is_known_is_never_taken_for_another() {
    assert_eq!(serde_json::from_value::<Reason>(json!("Issued")).unwrap(), Reason::Issued);
    let new: Reason = serde_json::from_value(json!(NEW)).unwrap();
    assert!(matches!(new, Reason::Other(_)));
}
