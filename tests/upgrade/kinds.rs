//! One credential of each kind: at each provider, and in each state that lasts.

use serde_json::{Value, json};

use crate::support::with;

/// An account, by the name of its provider object.
pub(crate) type AccountName = &'static str;

pub(crate) const SPREETAIL: AccountName = "spreetail";
pub(crate) const SHARED: AccountName = "shared";
pub(crate) const EXPEREO: AccountName = "expereo";
/// Expereo without a list and a delete, in a namespace of its own.
pub(crate) const EXPEREO_BY_HAND: AccountName = "expereo by hand";
pub(crate) const CLOUD_DIRECTOR: AccountName = "cloud-director";
pub(crate) const REGISTRATION: AccountName = "registration";
pub(crate) const CLOUD_CONNEXA: AccountName = "cloud-connexa";
pub(crate) const VONAGE: AccountName = "vonage";

/// The story of an object before the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Rests,
    /// The answer to its first create is lost, and what that made is on record elsewhere.
    Unanswered,
    /// It is rotated once it is issued. Its first credential is alive in the overlap, or waits for
    /// a person.
    Rotated,
    Suspended,
}

/// One kind of object.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) account: AccountName,
    pub(crate) then: Then,
    /// Its spec as it was last applied.
    pub(crate) spec: Value,
    /// The revision that is published once it is at rest.
    pub(crate) revision: u32,
}

impl Kind {
    /// Returns whether a request alone replaces its credential.
    pub(crate) fn rotates(&self) -> bool {
        self.then != Then::Suspended && !self.is_made_by_hand()
    }

    /// Returns whether a person makes its credentials.
    pub(crate) fn is_made_by_hand(&self) -> bool {
        matches!(self.account, CLOUD_CONNEXA | VONAGE)
    }

    /// Returns whether only a person can end its credentials.
    pub(crate) fn is_removed_by_a_person(&self) -> bool {
        self.is_made_by_hand() || self.account == EXPEREO_BY_HAND
    }

    /// Returns whether its credential and its Secret outlive it.
    pub(crate) fn is_retained(&self) -> bool {
        self.spec["deletionPolicy"] == "Retain"
    }

    /// The Secret that workloads read.
    pub(crate) fn secret(&self) -> &str {
        self.spec["secret"]["name"].as_str().unwrap_or(self.name)
    }

    /// The Secret that a person fills, if its credential is made by hand.
    pub(crate) fn intake(&self) -> Option<String> {
        self.is_made_by_hand().then(|| format!("{}-intake", self.name))
    }

    /// Asks for a rotation.
    pub(crate) fn request(&mut self, request: &str) {
        self.spec["rotation"]["request"] = request.into();
        self.revision += 1;
    }
}

/// All kinds.
pub(crate) fn all() -> Vec<Kind> {
    let rendered = json!({
        "name": "rendered-env", "type": "example.com/env", "includePrevious": true,
        "keys": { "client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET" },
        "template": { ".env": "ID={{ client_id }}\nSECRET={{ client_secret }}\n" },
        "labels": { "app": "shop" }, "annotations": { "example.com/team": "payments" },
    });
    vec![
        kind("plain", SPREETAIL, Then::Rests, json!({})),
        kind("limited", SPREETAIL, Then::Rests, json!({ "lifetime": "720h" })),
        kind("turning", SPREETAIL, Then::Rotated, json!({})),
        kind("kept", SPREETAIL, Then::Rests, json!({ "deletionPolicy": "Retain" })),
        kind("rendered", SPREETAIL, Then::Rotated, json!({ "secret": rendered })),
        kind("suspended", SPREETAIL, Then::Suspended, json!({})),
        kind("borrower", SHARED, Then::Rests, json!({})),
        kind("expereo", EXPEREO, Then::Rotated, json!({ "scopes": ["BasicRead"] })),
        kind(
            "removed-by-hand",
            EXPEREO_BY_HAND,
            Then::Rotated,
            json!({ "rotation": { "overlap": "0s" }, "scopes": ["BasicRead"] }),
        ),
        kind("director", CLOUD_DIRECTOR, Then::Rotated, json!({})),
        kind("registered", REGISTRATION, Then::Rotated, json!({})),
        kind("unanswered", REGISTRATION, Then::Unanswered, json!({})),
        kind("connexa", CLOUD_CONNEXA, Then::Rests, json!({ "lifetime": "336h" })),
        kind("vonage", VONAGE, Then::Rests, json!({ "scopes": ["users:read"] })),
    ]
}

fn kind(name: &'static str, account: AccountName, then: Then, more: Value) -> Kind {
    let mut spec = with(json!({ "rotation": { "overlap": "24h" } }), more);
    spec["providerRef"] = match account {
        SHARED => json!({ "kind": "ClusterCredentialProvider", "name": SHARED }),
        EXPEREO_BY_HAND => json!({ "name": EXPEREO }),
        name => json!({ "name": name }),
    };
    let mut kind = Kind { name, account, then, spec, revision: 1 };
    if let Some(intake) = kind.intake() {
        kind.spec["intake"] = json!({ "secretName": intake });
    }
    kind
}
