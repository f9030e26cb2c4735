//! The wire format: RFC 7591 for registration, RFC 7592 for its management.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{api::TokenEndpointAuthMethod, providers::lenient};

/// The body that registers a client: our members, then the provider object's, of which a null takes
/// one of ours away. No body suits all servers: some demand `response_types: []`, others refuse it.
pub(super) fn registration(
    name: &str,
    scope: Option<&str>,
    method: TokenEndpointAuthMethod,
    metadata: &BTreeMap<String, Value>,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("client_name".to_owned(), json!(name));
    body.insert("grant_types".to_owned(), json!(["client_credentials"]));
    body.insert("response_types".to_owned(), json!([]));
    body.insert("redirect_uris".to_owned(), json!([]));
    body.insert("token_endpoint_auth_method".to_owned(), json!(method));
    if let Some(scope) = scope {
        body.insert("scope".to_owned(), json!(scope));
    }
    for (member, value) in metadata {
        if value.is_null() {
            body.remove(member);
        } else {
            body.insert(member.clone(), value.clone());
        }
    }
    body
}

/// A registered client (RFC 7591, section 3.2.1; RFC 7592, section 3). It has to be readable even
/// if it cannot be used: the client exists, and only this answer has the data that deletes it.
#[derive(Deserialize)]
pub(super) struct Registered {
    pub(super) client_id: String,
    pub(super) client_secret: Option<SecretString>,
    #[serde(default)]
    pub(super) client_id_issued_at: Value,
    /// Seconds since the epoch; 0: never.
    #[serde(default)]
    pub(super) client_secret_expires_at: Value,
    #[serde(default, deserialize_with = "lenient::words")]
    pub(super) scope: Option<String>,
    pub(super) registration_client_uri: Option<String>,
    pub(super) registration_access_token: Option<SecretString>,
}

/// The URL and the token that delete a client. They stay together: oidc-provider destroys a token
/// that is used at another client's URL.
#[derive(Deserialize)]
pub(super) struct Handle {
    pub(super) uri: String,
    pub(super) token: SecretString,
}

impl Handle {
    pub(super) fn sealed(&self) -> SecretString {
        json!({ "uri": self.uri, "token": self.token.expose_secret() }).to_string().into()
    }

    pub(super) fn opened(sealed: &SecretString) -> Option<Self> {
        serde_json::from_str(sealed.expose_secret()).ok()
    }
}
