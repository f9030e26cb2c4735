//! `AbandonedCredential`: a credential that may still exist at a provider, and that no
//! ApiCredential manages any more.

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

/// A credential that could not be revoked in time, or that may or may not exist. Credwright creates
/// this record in its own namespace. It retries the revocation until the credential is gone, and
/// then deletes the record. Deleting the record by hand means that a person has checked the
/// credential.
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
    doc = "A credential that may still exist at a provider, and that no ApiCredential manages any more. Deleting this record means that a person has checked the credential.",
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
    /// `NotRevoked`: the credential exists and could not be revoked. `Unconfirmed`: it may exist.
    pub kind: AbandonedKind,
    /// The provider object that the credential was made at.
    pub provider: AbandonedProvider,
    /// The ApiCredential that the credential was made for.
    pub credential: AbandonedOwner,
    /// The credential's name at the provider.
    pub name: String,
    /// The client ID, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The provider's ID of the secret, where its client has several at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The parameters with which the credential was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The provider's own IDs of the credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// The time at which the credential expires at the provider.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expires_at: Option<Timestamp>,
    /// The time at which the credential was abandoned.
    #[schemars(schema_with = "date_time")]
    pub since: Timestamp,
    /// The reason why the credential could not be revoked or confirmed.
    pub why: String,
}

/// The reason why a credential is abandoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AbandonedKind {
    /// The credential could not be revoked.
    #[default]
    NotRevoked,
    /// The credential was requested, the response was lost, and Credwright cannot search for it.
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
    /// Hash of the account: the provider's identifying fields and the identity of the login.
    pub account: String,
}

/// The ApiCredential that the credential belonged to.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AbandonedOwner {
    /// The ApiCredential's namespace.
    pub namespace: String,
    /// The ApiCredential's name.
    pub name: String,
    /// The revision of the ApiCredential.
    pub revision: u32,
}

/// The observed state of an abandoned credential.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct AbandonedStatus {
    /// The generation that this status describes; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` is False as long as the record exists. `ActionRequired` is present if a person has
    /// to act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The number of failed attempts to revoke the credential.
    #[serde(default)]
    pub attempts: u32,
    /// The time of the last attempt.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub last_attempt: Option<Timestamp>,
    /// The time of the next attempt. Absent if a person has to act.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub next_attempt: Option<Timestamp>,
    /// A message that says what happened and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
