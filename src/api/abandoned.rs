//! `AbandonedCredential`: a credential that may live at a provider, and that no ApiCredential accounts for any more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api_credential::{ProviderKind, date_time},
    instant,
};

/// A credential that could not be revoked in time, or of which it is not known whether it exists. Credwright makes this record, in
/// its own namespace, tries again until the credential is gone, and then removes the record. Deleting it means that a person
/// has looked.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "credwright.dev",
    version = "v1alpha1",
    kind = "AbandonedCredential",
    namespaced,
    status = "AbandonedStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "abandonedcred",
    category = "credwright",
    doc = "A credential that may live at a provider, and that no ApiCredential accounts for any more. Deleting this record means that a person has looked.",
    printcolumn(name = "KIND", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "PROVIDER", type_ = "string", json_path = ".spec.provider.name"),
    printcolumn(name = "NAME THERE", type_ = "string", json_path = ".spec.name"),
    printcolumn(name = "CLIENT ID", type_ = "string", json_path = ".spec.clientId"),
    printcolumn(name = "NEXT ATTEMPT", type_ = "string", json_path = ".status.nextAttempt"),
    printcolumn(name = "SINCE", type_ = "date", json_path = ".spec.since"),
    printcolumn(
        name = "NAMESPACE",
        type_ = "string",
        json_path = ".spec.credential.namespace",
        priority = 1
    ),
    printcolumn(name = "MESSAGE", type_ = "string", json_path = ".status.message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct AbandonedCredentialSpec {
    /// `NotRevoked`: it exists, and could not be revoked. `Unconfirmed`: it may exist.
    pub kind: AbandonedKind,
    /// The provider object that it was made at.
    pub provider: AbandonedProvider,
    /// The ApiCredential that it was made for.
    pub credential: AbandonedOwner,
    /// Its name at the provider.
    pub name: String,
    /// The public half of the pair, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The provider's own ids for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// When the provider ends it by itself.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expires_at: Option<Timestamp>,
    /// Since when it is abandoned.
    #[schemars(schema_with = "date_time")]
    pub since: Timestamp,
    /// What was in the way.
    pub why: String,
}

/// Why a credential is abandoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AbandonedKind {
    /// It could not be revoked.
    #[default]
    NotRevoked,
    /// It was asked for without an answer, and cannot be looked for.
    Unconfirmed,
}

/// The provider of an abandoned credential.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AbandonedProvider {
    /// The provider object's kind.
    pub kind: ProviderKind,
    /// The namespace of a `CredentialProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The provider object's name.
    pub name: String,
    /// Hash of the account: the provider's identifying fields and who logs in there.
    pub account: String,
}

/// Whose credential it was.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AbandonedOwner {
    /// The ApiCredential's namespace.
    pub namespace: String,
    /// The ApiCredential's name.
    pub name: String,
    /// Which of its credentials.
    pub revision: u32,
}

/// What has become of an abandoned credential.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbandonedStatus {
    /// The generation that this status speaks of; -1 before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, which is False as long as there is a record, and `ActionRequired` where only a
    /// person can help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How often it was tried in vain to revoke it.
    #[serde(default)]
    pub attempts: u32,
    /// When it was last tried.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub last_attempt: Option<Timestamp>,
    /// When it is tried next; absent where only a person can help.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub next_attempt: Option<Timestamp>,
    /// What is so, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
