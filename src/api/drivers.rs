//! The driver blocks of a provider: the account, and how to call its API. Each fact that a vendor's
//! public documentation leaves out is a setting, with the likeliest value as its default.

mod app_role;
mod expereo;

use std::collections::BTreeMap;

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use super::{
    duration::{Duration, between},
    names::{longest_key, texts},
};

pub use app_role::AppRole;
pub use expereo::{Expereo, ExpereoAnswer, ExpereoPaging};

/// Rejects user, query and fragment: a login in a URL would end up in places other than Secrets.
fn without_query(field: &str) -> Rule {
    Rule::new("isURL(self) && self.matches('^https?://[^/?#@]+(/[^?#]*)?$')").message(
        format!(
            "{field} must be an absolute http(s) URL without user, query or fragment, such as https://api.example.com"
        )
        .as_str(),
    )
}

/// Like [`without_query`], but accepts a query, which RFC 6749 allows for endpoints.
fn endpoint(field: &str) -> Rule {
    Rule::new("isURL(self) && self.matches('^https?://[^/?#@]+([/?][^#]*)?$')").message(
        format!(
            "{field} must be an absolute http(s) URL without user or fragment, such as https://api.example.com/token"
        )
        .as_str(),
    )
}

/// Makes the account's address immutable, because ledgers store it.
fn fixed(field: &str) -> Rule {
    let message = format!(
        "{field} identifies the account and cannot be changed: create another provider and point providerRef at it"
    );
    Rule::new("self == oldSelf").message(message.as_str())
}

/// An optional feature of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Switch {
    /// The API has the feature.
    Enabled,
    /// The API does not have the feature.
    Disabled,
}

impl Switch {
    /// Returns whether the feature is enabled.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }

    fn enabled() -> Self {
        Self::Enabled
    }

    fn disabled() -> Self {
        Self::Disabled
    }
}

/// Spreetail (<https://developer.spreetail.com>). The login Secret has `client_id` and
/// `client_secret`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spreetail {
    /// The URL of the API.
    #[serde(default = "spreetail_base_url")]
    #[schemars(length(max = 512))]
    #[x_kube(
        validation = fixed("baseUrl"),
        validation = without_query("baseUrl")
    )]
    pub base_url: String,
}

fn spreetail_base_url() -> String {
    "https://api.spreetail.com".to_owned()
}

/// VMware Cloud Director: API tokens of the user who logs in. The login Secret has `username` and
/// `password`, or `id_token` of the organization's identity provider. A session that was opened
/// with an API token cannot create further tokens.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudDirector {
    /// The URL of Cloud Director, such as `https://vcd.example.com`.
    #[schemars(length(max = 512))]
    #[x_kube(validation = fixed("baseUrl"), validation = without_query("baseUrl"))]
    pub base_url: String,

    /// The organization's name. `System` is the provider's own organization.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = fixed("org"), validation = Rule::new("self.matches('^[A-Za-z0-9._ -]+$')")
        .message("org must be the organization's name as in the portal's URL: letters, digits, spaces, dots, underscores and dashes"))]
    pub org: String,

    /// The organization's UUID, for a system administrator who works inside it (tenant context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$')")
        .message("orgId must be a UUID without the prefix urn:vcloud:org:"))]
    #[schemars(length(max = 64))]
    pub org_id: Option<String>,

    /// The API version, such as 37.0. Default: a version that both the server and Credwright
    /// support. API tokens need 36.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+[.][0-9]+$')").message("apiVersion must be two numbers with a dot between them, such as 37.0"))]
    #[schemars(length(max = 16))]
    pub api_version: Option<String>,
}

/// OpenVPN CloudConnexa. It has no API for its credentials: a person creates them in the
/// administration portal. No login is needed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.cloudId) != has(self.baseUrl)").message("set exactly one of cloudId and baseUrl"),
    validation = Rule::new(
        "(has(self.cloudId) ? self.cloudId : '') == (has(oldSelf.cloudId) ? oldSelf.cloudId : '') && (has(self.baseUrl) ? self.baseUrl : '') == (has(oldSelf.baseUrl) ? oldSelf.baseUrl : '')"
    )
    .message("cloudId and baseUrl identify the account and cannot be changed: create another provider and point providerRef at it")
)]
pub struct CloudConnexa {
    /// The account's Cloud ID. The URL of the API is `https://CLOUD-ID.api.openvpn.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$')")
        .message("cloudId must consist of letters, digits and dashes: it is the first part of CLOUD-ID.api.openvpn.com"))]
    pub cloud_id: Option<String>,

    /// The URL of the API, instead of `cloudId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = without_query("baseUrl"))]
    pub base_url: Option<String>,

    /// The token endpoint's status while the account's Enable API switch is off (undocumented).
    /// Default: 403.
    #[serde(default = "forbidden")]
    #[schemars(range(min = 400, max = 599), extend("format" = "int32"))]
    pub api_disabled_status: u16,
}

fn forbidden() -> u16 {
    403
}

impl Default for CloudConnexa {
    fn default() -> Self {
        Self { cloud_id: None, base_url: None, api_disabled_status: forbidden() }
    }
}

/// Vonage Contact Center. It has no API for its credentials: a person creates them in the portal.
/// No login is needed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.region) != has(self.baseUrl)").message("set exactly one of region and baseUrl"),
    validation = Rule::new(
        "(has(self.region) ? self.region : '') == (has(oldSelf.region) ? oldSelf.region : '') && (has(self.baseUrl) ? self.baseUrl : '') == (has(oldSelf.baseUrl) ? oldSelf.baseUrl : '')"
    )
    .message("region and baseUrl identify the account and cannot be changed: create another provider and point providerRef at it")
)]
pub struct VonageContactCenter {
    /// The account's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<VonageRegion>,

    /// The URL of the authentication API, instead of `region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = without_query("baseUrl"))]
    pub base_url: Option<String>,

    /// The family of hosts that serves the region.
    #[serde(default)]
    pub hosts: VonageHosts,
}

/// A region of Vonage Contact Center.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VonageRegion {
    /// Europe, the Middle East and Africa.
    Emea,
    /// North America.
    Nam,
    /// Asia and the Pacific.
    Apac,
}

/// The hosts of Vonage Contact Center.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VonageHosts {
    /// `https://REGION.cc.vonage.com`
    #[default]
    Vonage,
    /// `https://REGION.newvoicemedia.com`, the hosts from before the product was renamed.
    NewVoiceMedia,
}

/// A server with RFC 7591 registration. For open registration there is no login Secret. Otherwise
/// it has `initial_access_token`, or `client_id`, `client_secret` and `scope` of a client that may
/// register others.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.issuer) != (has(self.registrationEndpoint) && has(self.tokenEndpoint))")
        .message("set either issuer, whose metadata (RFC 8414) Credwright reads, or both registrationEndpoint and tokenEndpoint"),
    validation = Rule::new("has(self.registrationEndpoint) == has(self.tokenEndpoint)")
        .message("set registrationEndpoint and tokenEndpoint together, or neither of them"),
    validation = Rule::new(
        "(has(self.issuer) ? self.issuer : '') == (has(oldSelf.issuer) ? oldSelf.issuer : '') && (has(self.registrationEndpoint) ? self.registrationEndpoint : '') == (has(oldSelf.registrationEndpoint) ? oldSelf.registrationEndpoint : '')"
    )
    .message("issuer and registrationEndpoint identify the account and cannot be changed: create another provider and point providerRef at it")
)]
pub struct OauthRegistration {
    /// The issuer. Its metadata (RFC 8414, or OpenID Connect discovery) name the endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = without_query("issuer"))]
    pub issuer: Option<String>,

    /// The URL of the registration endpoint, instead of `issuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = endpoint("registrationEndpoint"))]
    pub registration_endpoint: Option<String>,

    /// The URL of the token endpoint, instead of `issuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = endpoint("tokenEndpoint"))]
    pub token_endpoint: Option<String>,

    /// The authentication method at the token endpoint. Credwright registers it with the client,
    /// because servers refuse the other method.
    #[serde(default)]
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,

    /// Parameters added to every token request, such as `audience` or `resource` (RFC 8707).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16), schema_with = "texts::<16, 1024>")]
    #[x_kube(validation = longest_key("tokenParameters", 128))]
    pub token_parameters: BTreeMap<String, String>,

    /// Members that are added to the registration request, or that replace Credwright's own.
    /// Servers differ in what they require and reject, for example `response_types: []`. At most 8
    /// KiB of JSON with 256 values, nested at most 8 deep.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "bounded")]
    #[schemars(schema_with = "any_object")]
    pub metadata: BTreeMap<String, Value>,

    /// Members that are left out of the registration request, such as Credwright's own
    /// `response_types` and `redirect_uris` where a server rejects them. A null in `metadata` does
    /// the same, but `kubectl apply` drops it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub metadata_without: Vec<String>,

    /// The time in which the server has to accept a client that it has registered. Default: 60s. A
    /// client that is still refused after that is revoked, and another one is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("propagation", "1s", "1h"))]
    pub propagation: Option<Duration>,
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "maxProperties": 64, "x-kubernetes-preserve-unknown-fields": true })
}

/// The limits of an object of any form that a schema cannot express: bytes, values and depth.
const OBJECT_MAX: (usize, usize, usize) = (8 * 1024, 256, 8);

fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    let object = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let bytes = serde_json::to_string(&object).map_or(usize::MAX, |text| text.len());
    let (values, depth) = extent(object.values().collect());
    if bytes > OBJECT_MAX.0 || values > OBJECT_MAX.1 || depth > OBJECT_MAX.2 {
        return Err(D::Error::custom(
            "oauthRegistration.metadata must have at most 8 KiB of JSON and 256 values, nested at most 8 levels deep",
        ));
    }
    Ok(object)
}

/// Returns the number of these values and of those in them, and how deep they are nested.
fn extent(values: Vec<&Value>) -> (usize, usize) {
    let inner = values.into_iter().map(|value| match value {
        Value::Array(items) => extent(items.iter().collect()),
        Value::Object(members) => extent(members.values().collect()),
        _ => (0, 0),
    });
    inner.fold((0, 0), |(all, deepest), (values, depth)| (all + values + 1, deepest.max(depth + 1)))
}

/// RFC 7591 `token_endpoint_auth_method`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenEndpointAuthMethod {
    /// HTTP Basic, with id and secret form-encoded first (RFC 6749, section 2.3.1).
    #[default]
    ClientSecretBasic,
    /// Client ID and secret in the form body.
    ClientSecretPost,
}
