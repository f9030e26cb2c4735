//! `ApiCredential`: a credential that a team requests, and its state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    duration::{Duration, FORM, between},
    instant,
    names::{is_name, longest_key, no_ledger, texts},
    word::{Word, words},
};

/// The desired credential: its provider, its properties, its rotation, and the Secret with it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "credwright.dev",
    version = "v1alpha1",
    kind = "ApiCredential",
    namespaced,
    status = "ApiCredentialStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "apicred",
    category = "credwright",
    doc = "A credential at a provider, published in a Secret, rotated before it expires and revoked when it is no longer used.",
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "PROVIDER", type_ = "string", json_path = ".spec.providerRef.name"),
    printcolumn(name = "REVISION", type_ = "integer", json_path = ".status.revision"),
    printcolumn(name = "EXPIRES", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(name = "RENEWS", type_ = "string", json_path = ".status.renewalTime"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "CLIENT ID", type_ = "string", json_path = ".status.clientId", priority = 1),
    selectable = ".spec.providerRef.name",
    validation = Rule::new("size(self.metadata.name) <= 240")
        .message("metadata.name must have at most 240 characters: the name of its ledger is longer, and a Secret's name has at most 253"),
    validation = Rule::new("!self.metadata.name.endsWith('.credwright') && !self.metadata.name.endsWith('.credwright-copy')")
        .message("metadata.name must not end in .credwright or .credwright-copy: these names are reserved for ledgers"),
    validation = Rule::new(
        "!has(self.spec.intake) || self.spec.intake.secretName != (has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name)"
    )
    .message("intake.secretName and secret.name must be two Secrets: Credwright reads the first and writes the second (default: metadata.name)"),
)]
#[cfg_attr(test, kube(cel))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = where_given(&["rotation.renewBefore"], "duration(self.rotation.renewBefore) < duration(self.lifetime)")
        .message("rotation.renewBefore must be shorter than lifetime"),
    validation = where_given(&["rotation.overlap"], "duration(self.rotation.overlap) <= duration(self.lifetime)")
        .message("rotation.overlap must not be longer than lifetime"),
    validation = where_given(
        &["rotation.overlap", "rotation.renewBefore"],
        "duration(self.rotation.overlap) <= duration(self.lifetime) - duration(self.rotation.renewBefore)"
    )
    .message("rotation.overlap must be at most lifetime minus rotation.renewBefore, which is when the next rotation begins"),
    validation = Rule::new(
        "(has(self.secret) && has(self.secret.type) ? self.secret.type : 'Opaque') == (has(oldSelf.secret) && has(oldSelf.secret.type) ? oldSelf.secret.type : 'Opaque')"
    )
    .message("secret.type cannot be changed, because a Secret's type is immutable: create another ApiCredential with another secret.name")
)]
pub struct ApiCredentialSpec {
    /// The provider that issues the credential.
    pub provider_ref: ProviderRef,

    /// The credential's name at the provider. Credwright appends a tag that makes it unique.
    /// Default: namespace and name of this object. A change issues a new credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 120))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?$')")
        .message("name must consist of letters, digits, spaces, dots, underscores and dashes, and must begin and end with a letter or digit"))]
    pub name: Option<String>,

    /// Scopes, in the spelling that the provider uses for creation. A change issues a new
    /// credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new("self.all(it, it.matches('^[!-~]([ -~]*[!-~])?$'))")
        .message("each scope must consist of printable ASCII characters, and must not begin or end with a space"))]
    pub scopes: Vec<String>,

    /// The longest life of one credential. Default: as long as the provider allows. A change issues
    /// a new credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("lifetime", "10s", "87600h"))]
    pub lifetime: Option<Duration>,

    /// The subnets from which the credential may be used. A change issues a new credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new("self.all(s, isCIDR(s))").message("subnets must be CIDRs, such as 203.0.113.0/24 or 2001:db8::/48"))]
    pub subnets: Vec<String>,

    /// Verification of a credential at the provider, before it is published and from time to time.
    /// Set `Skip` for one that works only from where Credwright is not. Where a person makes the
    /// credentials, set `intake.verify` instead.
    #[serde(default, skip_serializing_if = "is_always")]
    pub verify: Verify,

    /// The project, the role or whatever else the provider needs to know, by name. The provider's
    /// `status.capabilities` shows the parameters that it has. A change issues a new credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts::<16, 128>")]
    #[x_kube(validation = longest_key("parameters", 63))]
    #[x_kube(validation = Rule::new("self.all(k, self[k].matches('^[!-~]([ -~]*[!-~])?$'))")
        .message("each value of parameters must consist of printable ASCII characters, and must not begin or end with a space"))]
    pub parameters: BTreeMap<String, String>,

    /// The time and manner of replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,

    /// If true, Credwright calls no provider and writes nothing; status shows this. A credential of
    /// a shared provider that limits lifetimes, or that no longer allows this namespace, is still
    /// revoked at the end of its life.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,

    /// The effect on the credential at the provider when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// The Secret that workloads read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretOutput>,

    /// The Secret into which a person puts the pair that they created. It is only for providers
    /// without an API for their credentials, and is required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intake: Option<Intake>,
}

/// The Secret that a person fills. Credwright reads it and never writes to it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intake {
    /// The Secret's name. The Secret has `client_id`, `client_secret` and, if they are known,
    /// `issued_at` and `expires_at` (RFC 3339). It must have the label `credwright.dev/role:
    /// intake`, with which its owner consents to this use.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = no_ledger("intake.secretName"), validation = is_name("intake.secretName"))]
    pub secret_name: String,

    /// Verification of a pair at the provider before it is published.
    #[serde(default)]
    pub verify: Verify,
}

words! {
    /// Verification of a credential before it is published, and from time to time.
    #[derive(Default)]
    pub enum Verify {
        /// The pair is verified, and published only if the provider accepts it.
        #[default]
        Always,
        /// The pair is published without verification. Use this for a pair that works only from
        /// subnets that Credwright is not in.
        Skip,
    }
}

fn is_always(verify: &Verify) -> bool {
    *verify == Verify::Always
}

/// Returns a rule about `lifetime` and parts of `rotation`. It applies only if all of them are
/// valid durations: another rule rejects an invalid one.
fn where_given(parts: &[&str], holds: &str) -> Rule {
    let given = |path: &&str| format!("has(self.{path}) && self.{path}.matches('{FORM}')");
    let given: Vec<_> = ["lifetime"].iter().chain(parts).map(given).collect();
    Rule::new(format!("!(has(self.rotation) && {}) || {holds}", given.join(" && ")))
}

/// The provider to use.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProviderRef {
    /// `CredentialProvider` (same namespace) or `ClusterCredentialProvider`.
    #[serde(default)]
    pub kind: ProviderKind,
    /// The provider's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = is_name("providerRef.name"))]
    pub name: String,
}

words! {
    /// The kinds of provider.
    #[derive(Default, Hash, PartialOrd, Ord)]
    pub enum ProviderKind {
        /// A provider in the same namespace.
        #[default]
        CredentialProvider,
        /// A provider that namespaces share.
        ClusterCredentialProvider,
    }
}

/// The time and manner of a credential's replacement.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// The time before the end of its life at which a credential is replaced. Default: a third of
    /// its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("renewBefore", "1s", "87600h"))]
    pub renew_before: Option<Duration>,

    /// The time for which the old credential still works after the new one is published. Default:
    /// 24h, but no longer than the rest of the old one's life or the time to the next renewal. With
    /// less than two minutes, workloads that read mounted files may use the old credential after it
    /// is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("overlap", "0s", "87600h"))]
    pub overlap: Option<Duration>,

    /// Any text. Each new value rotates the credential once. It can be kept in Git. The value at
    /// the first issue counts as handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub request: Option<String>,
}

words! {
    /// The effect of deleting an ApiCredential outside of Kubernetes.
    #[derive(Default)]
    pub enum DeletionPolicy {
        /// The credentials are revoked, and the Secret is deleted.
        #[default]
        Revoke,
        /// The credential keeps working, and the Secret stays. The owner of a shared provider has
        /// to allow it (`allow.retain`).
        Retain,
    }
}

impl DeletionPolicy {
    /// Returns whether credentials and Secret outlive their object. A policy that this version does
    /// not know may ask for that, and a revocation cannot be undone.
    #[must_use]
    pub fn retains(self) -> bool {
        self != Self::Revoke
    }
}

/// The Secret that workloads read. A change of these fields renders the Secret again and issues no
/// credential.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretOutput {
    /// The Secret's name. Default: the name of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = no_ledger("secret.name"),
        validation = is_name("secret.name")
    )]
    pub name: Option<String>,

    /// The Secret's type. Default: Opaque.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(
        "!(self in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token']) && !self.startsWith('credwright.dev/')"
    ).message("secret.type must not be a service account token, a bootstrap token or one of Credwright's own types"))]
    pub type_: Option<String>,

    /// New names for the default keys (client_id, client_secret, token_url, scope, expires_at and
    /// the driver's own). An empty name leaves the key out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32), schema_with = "texts::<32, 253>")]
    #[x_kube(validation = longest_key("keys", 253))]
    #[x_kube(validation = Rule::new("self.all(k, self[k] == '' || self[k].matches('^[-._a-zA-Z0-9]+$'))")
        .message("each value of keys must consist of letters, digits, dashes, underscores and dots, or be empty to leave the key out"))]
    pub keys: BTreeMap<String, String>,

    /// Whole files, by key: MiniJinja templates over the default keys, for example `CLIENT_ID={{
    /// client_id }}`. The filters `b64encode` and `urlencode` make headers and pull secrets: `{{
    /// (client_id ~ ':' ~ client_secret) | b64encode }}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16), schema_with = "texts::<16, TEMPLATE_MAX>")]
    #[x_kube(validation = longest_key("template", 253))]
    #[x_kube(validation = Rule::new("self.map(k, size(self[k])).sum() <= 65536")
        .message("all templates together must have at most 65536 characters"))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^[-._a-zA-Z0-9]+$'))")
        .message("keys of template must consist of letters, digits, dashes, underscores and dots"))]
    pub template: BTreeMap<String, String>,

    /// During an overlap, also publish previous_client_id and previous_client_secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_previous: bool,

    /// Labels for the Secret. Those of this object are not copied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32), schema_with = "texts::<32, 63>")]
    #[x_kube(validation = longest_key("labels", 317))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('credwright.dev/'))").message("labels under credwright.dev/ are reserved for Credwright: use another prefix"))]
    pub labels: BTreeMap<String, String>,

    /// Annotations for the Secret. Those of this object are not copied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32), schema_with = "texts::<32, 1024>")]
    #[x_kube(validation = longest_key("annotations", 317))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('credwright.dev/'))").message("annotations under credwright.dev/ are reserved for Credwright: use another prefix"))]
    pub annotations: BTreeMap<String, String>,
}

/// The longest template, in characters.
pub const TEMPLATE_MAX: usize = 16384;

/// The observed state of an ApiCredential. It contains no secret, and can be rebuilt from the
/// ledger.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ApiCredentialStatus {
    /// The generation that this status describes; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Published` and `ProviderReachable`; and, if they apply, `ActionRequired` (a person
    /// has to follow the steps in its message) and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The published client ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The published revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The time at which the published credential expires, at the provider or by `lifetime`.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expires_at: Option<Timestamp>,
    /// The time at which the published credential is replaced.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub renewal_time: Option<Timestamp>,
    /// The live credentials and the last two that ended, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["revision"]))]
    pub credentials: Vec<CredentialStatus>,
    /// The last rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rotation: Option<LastRotation>,
    /// The Secret to mount, as servicebinding.io's Provisioned Service names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

pub(super) fn date_time(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}

/// One credential at the provider.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// The number of the credential, counted for this object.
    pub revision: u32,
    /// The credential's state.
    pub state: String,
    /// The credential's name at the provider.
    pub name: String,
    /// The provider that issued the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<ProviderRef>,
    /// The credential's client ID, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The provider's ID of the credential, where its client has several secrets at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The parameters with which the credential was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts::<16, 128>")]
    pub parameters: BTreeMap<String, String>,
    /// The time at which the credential was issued.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub issued_at: Option<Timestamp>,
    /// The time at which the credential expires.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub expires_at: Option<Timestamp>,
    /// The time at which the credential is revoked.
    #[serde(default, deserialize_with = "instant::deserialize", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "date_time")]
    pub revoke_at: Option<Timestamp>,
    /// The reason why the credential was issued.
    #[schemars(with = "String")]
    pub reason: crate::api::Reason,
}

/// The last rotation.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRotation {
    /// The time at which the new credential was issued.
    #[schemars(schema_with = "date_time")]
    pub at: Timestamp,
    /// The reason for the rotation.
    #[schemars(with = "String")]
    pub reason: crate::api::Reason,
    /// The value of `rotation.request` that has been handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_handled: Option<String>,
}

/// A reference to the Secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The Secret's name.
    pub name: String,
}

impl ApiCredentialSpec {
    /// Returns the name of the Secret that workloads read.
    #[must_use]
    pub fn target_name<'a>(&'a self, object_name: &'a str) -> &'a str {
        self.secret.as_ref().and_then(|secret| secret.name.as_deref()).unwrap_or(object_name)
    }
}
