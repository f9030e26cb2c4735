//! `CredentialProvider` and `ClusterCredentialProvider`: an account at a provider, and the
//! namespaces that may use it.
//!
//! Both kinds share [`ProviderSettings`]. Fields that identify the account are immutable, because a
//! ledger entry names the account that its credential was made at. If an existing provider could
//! point to another account, Credwright would look for credentials, and revoke them, in the wrong
//! place.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    allow::Allow,
    drivers::{
        AppRole, CloudConnexa, CloudDirector, Expereo, OauthRegistration, Spreetail, VonageContactCenter,
    },
    names::{is_name, no_ledger, texts},
    network::{Proxy, Tls, no_namespaces, only_namespaces},
};

/// The account at the provider, and the settings with which Credwright uses it.
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
#[x_kube(validation = exactly_one_driver(), validation = the_same_driver(), validation = no_namespaces())]
pub struct CredentialProviderSpec {
    /// The driver and its settings.
    #[serde(flatten)]
    pub settings: ProviderSettings,

    /// The login at the provider. Some providers need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// The account at the provider, the settings with which Credwright uses it, and the namespaces that
/// may use it.
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
#[x_kube(validation = exactly_one_driver(), validation = the_same_driver(), validation = only_namespaces())]
pub struct ClusterCredentialProviderSpec {
    /// The driver and its settings.
    #[serde(flatten)]
    pub settings: ProviderSettings,

    /// The login at the provider. Some providers need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<ClusterLogin>,

    /// The rules for using this provider. Without this field, no namespace may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
}

/// Lists the driver blocks: the field of [`ProviderSettings`], its name in the spec, and its type.
macro_rules! drivers {
    ($($field:ident, $name:literal: $Block:ident;)+) => {
        /// The names of the driver blocks. A provider has exactly one of them.
        const DRIVERS: [&str; [$($name),+].len()] = [$($name),+];

        /// The driver block of a provider.
        #[derive(Clone, Copy, Debug)]
        pub enum Driver<'a> {
            $(
                #[doc = concat!("The block `", $name, "`.")]
                $Block(&'a $Block),
            )+
        }

        impl Driver<'_> {
            /// Returns its name, as in the spec.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Block(_) => $name,)+
                }
            }
        }

        impl ProviderSettings {
            /// Returns the driver block, if there is one that this version knows.
            #[must_use]
            pub fn driver(&self) -> Option<Driver<'_>> {
                let Self { $($field,)+ tls: _, proxy: _, limits: _ } = self;
                None$(.or_else(|| $field.as_ref().map(Driver::$Block)))+
            }
        }
    };
}

drivers! {
    expereo, "expereo": Expereo;
    spreetail, "spreetail": Spreetail;
    cloud_director, "cloudDirector": CloudDirector;
    cloud_connexa, "cloudConnexa": CloudConnexa;
    vonage_contact_center, "vonageContactCenter": VonageContactCenter;
    oauth_registration, "oauthRegistration": OauthRegistration;
    app_role, "appRole": AppRole;
}

fn exactly_one_driver() -> Rule {
    let given = DRIVERS.map(|driver| format!("has(self.{driver})")).join(", ");
    let (last, others) = DRIVERS.split_last().unwrap_or((&"", &[]));
    Rule::new(format!("[{given}].filter(x, x).size() == 1"))
        .message(format!("set exactly one driver: {} or {last}", others.join(", ")).as_str())
}

fn the_same_driver() -> Rule {
    let same = DRIVERS.map(|driver| format!("has(self.{driver}) == has(oldSelf.{driver})")).join(" && ");
    Rule::new(same).message(
        "the driver of a provider cannot be changed: create another provider and point providerRef at it",
    )
}

/// The settings that both kinds of provider share: the driver, TLS, the proxy and limits.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSettings {
    /// The expereoOne API V2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expereo: Option<Expereo>,

    /// Spreetail's client-credentials API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spreetail: Option<Spreetail>,

    /// VMware Cloud Director, for example Expedient's Enterprise Cloud. Credentials are API tokens
    /// of one user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_director: Option<CloudDirector>,

    /// OpenVPN CloudConnexa. A person creates the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_connexa: Option<CloudConnexa>,

    /// Vonage Contact Center. A person creates the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vonage_contact_center: Option<VonageContactCenter>,

    /// Any server with OAuth 2.0 Dynamic Client Registration (RFC 7591) and its management protocol
    /// (RFC 7592).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_registration: Option<OauthRegistration>,

    /// The AppRole method of OpenBao or HashiCorp Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<AppRole>,

    /// The settings for checking the provider's TLS certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// The proxy before the provider. Default: that of `--provider-proxy`, if it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,

    /// The limits on requests and new credentials for this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// The login at the provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The Secret with the login. It must have the label `credwright.dev/role: login`, with which
    /// its owner consents to this use.
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

/// The login of a cluster-scoped provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterLogin {
    /// The Secret with the login. It must have the label `credwright.dev/role: login`, with which
    /// its owner consents to this use.
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

/// The limits of an account. All its credentials share them.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests per second. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: Option<u32>,
    /// Concurrent requests. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrent: Option<u32>,
    /// New credentials per hour. Default: 100, or twice what the schedules need if that is more. A
    /// credential in the last third of its life is renewed regardless of this limit. On a shared
    /// provider, a namespace may use at most as much as it leaves for all the others. If the
    /// schedules of a namespace need more than half of the limit, its renewals wait, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub mints_per_hour: Option<u32>,
}

impl Limits {
    /// The default of `requestsPerSecond`.
    pub const REQUESTS_PER_SECOND: u32 = 5;
    /// The default of `concurrent`.
    pub const CONCURRENT: u32 = 4;

    /// Returns how many steps may run at once: one for each concurrent request, and no more than
    /// the rate limit starts within a second. A further step would only wait.
    #[must_use]
    pub fn at_once(limits: Option<&Self>) -> usize {
        let concurrent = limits.and_then(|it| it.concurrent).unwrap_or(Self::CONCURRENT);
        let rate = limits.and_then(|it| it.requests_per_second).unwrap_or(Self::REQUESTS_PER_SECOND);
        concurrent.min(rate).max(1) as usize
    }
}

/// The observed state of a provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ProviderStatus {
    /// The generation that this status describes; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the login works. `LimitsSuffice`: `limits` allow what the schedules of its
    /// credentials need.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The driver's name, as in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The capabilities of the provider, with a sentence for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts::<32, 256>")]
    pub capabilities: BTreeMap<String, String>,
    /// The number of credentials at this provider, according to the ledgers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialCounts>,
    /// The most requests per minute that Credwright sends. Present only while the provider accepts
    /// fewer requests than `limits` allow, and answers the others with 429. The number rises again
    /// by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
}

/// The credentials at a provider, by state.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialCounts {
    /// Issued and not retiring.
    pub active: u32,
    /// Replaced, and still working during the overlap.
    pub retiring: u32,
    /// Requested without a response, and not settled yet.
    pub unconfirmed: u32,
}
