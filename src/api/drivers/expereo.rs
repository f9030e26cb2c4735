//! The driver block of expereoOne.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Switch, endpoint, fixed, longest_key, texts, without_query};

/// The expereoOne API V2
/// (<https://expereo.helpjuice.com/en_US/expereoone-api-document-hub/onboarding-guide-api-v2>). The
/// login Secret has `client_id`, `client_secret` and `scope`, or `bearer_token`: a token of a
/// person who may use the Developer Portal (API).
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expereo {
    /// The URL of the API. The guide does not name the host of V2; the default is that of V1.
    #[serde(default = "expereo_base_url")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = fixed("baseUrl"), validation = without_query("baseUrl"))]
    pub base_url: String,

    /// The token endpoint's URL. The guide does not name it for V2; the default is that of V1.
    #[serde(default = "expereo_token_url")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = endpoint("tokenUrl"))]
    pub token_url: String,

    /// The path of the API clients below `baseUrl`.
    #[serde(default = "expereo_clients_path")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new("self.matches('^(/[A-Za-z0-9._~-]+)+$')")
        .message("clientsPath must be an absolute path without a query, such as /v2/api-clients"))]
    pub clients_path: String,

    /// A map from a scope's spelling at creation to that at the token endpoint. It extends or
    /// overrides the entries for BasicRead, SupportRead, SupportReadWrite and BillingRead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64), schema_with = "texts::<64, 256>")]
    #[x_kube(validation = longest_key("scopeSpelling", 256))]
    pub scope_spelling: BTreeMap<String, String>,

    /// `Enabled` if clients can be listed. If not, the client of a lost response is only recorded.
    #[serde(default = "Switch::enabled")]
    pub list: Switch,

    /// `Enabled` if clients can be deleted, which is undocumented. If not, a person removes them.
    #[serde(default = "Switch::disabled")]
    pub delete: Switch,

    /// The names of the members of a response, which are undocumented.
    #[serde(default)]
    pub answer: ExpereoAnswer,

    /// The query parameters for a page of a list, which are undocumented.
    #[serde(default)]
    pub paging: ExpereoPaging,
}

impl Default for Expereo {
    fn default() -> Self {
        Self {
            base_url: expereo_base_url(),
            token_url: expereo_token_url(),
            clients_path: expereo_clients_path(),
            scope_spelling: BTreeMap::new(),
            list: Switch::Enabled,
            delete: Switch::Disabled,
            answer: ExpereoAnswer::default(),
            paging: ExpereoPaging::default(),
        }
    }
}

/// The members of expereoOne's responses. A leading slash makes one a JSON pointer (RFC 6901).
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExpereoAnswer {
    /// The client ID. Default: clientId.
    #[schemars(length(min = 1, max = 128))]
    pub client_id: String,
    /// The member that identifies a client in a deletion. Default, when empty: the client ID.
    #[schemars(length(max = 128))]
    pub id: String,
    /// The client secret. Default: clientSecret.
    #[schemars(length(min = 1, max = 128))]
    pub client_secret: String,
    /// The client's name. Default: apiClientName.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// The member with the clients of a list. Default, when empty: the response itself, or one of
    /// items, data, values and results.
    #[schemars(length(max = 128))]
    pub items: String,
}

impl Default for ExpereoAnswer {
    fn default() -> Self {
        let [client_id, client_secret, name] =
            ["clientId", "clientSecret", "apiClientName"].map(str::to_owned);
        Self { client_id, id: String::new(), client_secret, name, items: String::new() }
    }
}

/// The query parameters of expereoOne's lists. An empty one is not sent.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExpereoPaging {
    /// The parameter for the page number. Default: page. When empty, the first response is the
    /// whole list.
    #[schemars(length(max = 64))]
    pub page: String,
    /// The parameter for the number of clients on a page. Default: pageSize.
    #[schemars(length(max = 64))]
    pub page_size: String,
}

impl Default for ExpereoPaging {
    fn default() -> Self {
        let [page, page_size] = ["page", "pageSize"].map(str::to_owned);
        Self { page, page_size }
    }
}

fn expereo_base_url() -> String {
    "https://api.expereo.one".to_owned()
}

fn expereo_token_url() -> String {
    "https://auth.expereo.one/oauth2/token".to_owned()
}

fn expereo_clients_path() -> String {
    "/v2/api-clients".to_owned()
}
