//! `CredentialProvider` and `ClusterCredentialProvider`: an account at a provider, and who may use it.
//!
//! Both kinds share [`ProviderSettings`]. Fields that identify the account are immutable, because a ledger entry
//! names the account it was made at: pointing an existing provider somewhere else would make Credwright look for
//! credentials, and revoke them, at the wrong place.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    allow::Allow,
    drivers::{CloudConnexa, CloudDirector, Expereo, OauthRegistration, Spreetail, VonageContactCenter},
    names::{is_name, no_ledger, texts},
};

/// Which account at which provider this is, and how Credwright uses it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "credwright.dev",
    version = "v1alpha1",
    kind = "CredentialProvider",
    namespaced,
    status = "ProviderStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "credprov",
    category = "credwright",
    doc = "An account at a provider of API credentials, for the ApiCredentials of its own namespace.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "DRIVER", type_ = "string", json_path = ".status.driver"),
    printcolumn(name = "ACTIVE", type_ = "integer", json_path = ".status.credentials.active"),
    printcolumn(name = "RETIRING", type_ = "integer", json_path = ".status.credentials.retiring"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[cfg_attr(test, kube(cel))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_driver(), validation = the_same_driver())]
pub struct CredentialProviderSpec {
    /// Which provider this is, and how to speak to it.
    #[serde(flatten)]
    pub settings: ProviderSettings,

    /// How Credwright logs in at the provider. Some providers need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// Which account at which provider this is, how Credwright uses it, and who may.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "credwright.dev",
    version = "v1alpha1",
    kind = "ClusterCredentialProvider",
    status = "ProviderStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "clustercredprov",
    category = "credwright",
    doc = "An account at a provider of API credentials, for the ApiCredentials of the namespaces that it allows.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "DRIVER", type_ = "string", json_path = ".status.driver"),
    printcolumn(name = "ACTIVE", type_ = "integer", json_path = ".status.credentials.active"),
    printcolumn(name = "RETIRING", type_ = "integer", json_path = ".status.credentials.retiring"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[cfg_attr(test, kube(cel))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = exactly_one_driver(), validation = the_same_driver())]
pub struct ClusterCredentialProviderSpec {
    /// Which provider this is, and how to speak to it.
    #[serde(flatten)]
    pub settings: ProviderSettings,

    /// How Credwright logs in at the provider. Some providers need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<ClusterLogin>,

    /// Who may use this provider. Without it, nobody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
}

/// The driver blocks, of which a provider has one.
const DRIVERS: [&str; 6] =
    ["expereo", "spreetail", "cloudDirector", "cloudConnexa", "vonageContactCenter", "oauthRegistration"];

fn exactly_one_driver() -> Rule {
    let given = DRIVERS.map(|driver| format!("has(self.{driver})")).join(", ");
    let (last, others) = DRIVERS.split_last().unwrap_or((&"", &[]));
    Rule::new(format!("[{given}].filter(x, x).size() == 1"))
        .message(format!("name exactly one driver: {} or {last}", others.join(", ")).as_str())
}

fn the_same_driver() -> Rule {
    let same = DRIVERS.map(|driver| format!("has(self.{driver}) == has(oldSelf.{driver})")).join(" && ");
    Rule::new(same).message(
        "the driver of a provider cannot be changed: create another provider and point providerRef at it",
    )
}

/// What both kinds of provider have in common: the driver with its settings, TLS and limits.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSettings {
    /// expereoOne, by its API V2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expereo: Option<Expereo>,

    /// Spreetail, by its client-credentials API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spreetail: Option<Spreetail>,

    /// VMware Cloud Director, by the API tokens of one user: Expedient's Enterprise Cloud and others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_director: Option<CloudDirector>,

    /// OpenVPN CloudConnexa, where a person makes the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_connexa: Option<CloudConnexa>,

    /// Vonage Contact Center, where a person makes the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vonage_contact_center: Option<VonageContactCenter>,

    /// Any server with OAuth 2.0 Dynamic Client Registration (RFC 7591) and its management (RFC 7592).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_registration: Option<OauthRegistration>,

    /// How the provider's certificate is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// How much Credwright may ask of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// How Credwright logs in.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The Secret with the login. It must carry the label `credwright.dev/role: login`: that is its owner's consent.
    pub secret_ref: SecretRef,
}

/// A Secret in the same namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = no_ledger("secretRef.name"), validation = is_name("secretRef.name"))]
    pub name: String,
}

/// How Credwright logs in, for a cluster-scoped provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterLogin {
    /// The Secret with the login. It must carry the label `credwright.dev/role: login`: that is its owner's consent.
    pub secret_ref: NamespacedSecretRef,
}

/// A Secret in any namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NamespacedSecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = no_ledger("secretRef.name"), validation = is_name("secretRef.name"))]
    pub name: String,
    /// The Secret's namespace.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = is_name("secretRef.namespace"))]
    pub namespace: String,
}

/// TLS settings.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// PEM certificates, base64: trusted in place of the built-in roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub ca_bundle: Option<String>,
}

/// How much Credwright may ask of an account. All its credentials share these.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests per second; default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: Option<u32>,
    /// Requests at the same time; default 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrent: Option<u32>,
    /// New credentials within an hour; default 100, or twice what the schedules need if that is
    /// more. What is in the last third of its life is renewed nevertheless. Of a shared provider, a
    /// namespace gets no more than is left for all the others; its renewals wait, too, if its
    /// schedules need more than half of the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub mints_per_hour: Option<u32>,
}

impl Limits {
    /// Requests per second where nothing is said.
    pub const REQUESTS_PER_SECOND: u32 = 5;
    /// Requests at the same time where nothing is said.
    pub const CONCURRENT: u32 = 4;

    /// Returns how many steps may be under way at once: one for each request, and no more than the
    /// rate lets begin within a second, so that none of them only waits.
    #[must_use]
    pub fn at_once(limits: Option<&Self>) -> usize {
        let concurrent = limits.and_then(|it| it.concurrent).unwrap_or(Self::CONCURRENT);
        let rate = limits.and_then(|it| it.requests_per_second).unwrap_or(Self::REQUESTS_PER_SECOND);
        concurrent.min(rate).max(1) as usize
    }
}

/// What Credwright sees of a provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// The generation that this status speaks of; -1 before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the login works. `LimitsSuffice`: `limits` allow what the schedules of its credentials need.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The driver's name, as in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// What the provider can do, in words: one sentence for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "capability_words")]
    pub capabilities: BTreeMap<String, String>,
    /// How many credentials the ledgers list at this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialCounts>,
    /// The requests a minute that Credwright sends at the most, while the provider lets fewer pass
    /// than `limits` allow: it answers the others with 429. Absent otherwise. The number grows
    /// again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
}

/// Credentials at a provider, by state.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialCounts {
    /// Issued, and not retiring.
    pub active: u32,
    /// Replaced, and still working for the overlap.
    pub retiring: u32,
    /// Asked for without an answer, and not yet settled.
    pub unconfirmed: u32,
}

fn capability_words(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    texts(32, 256)
}
