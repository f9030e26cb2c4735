//! The wire format. Pages of the vendor document the `/cloudapi` part
//! (<https://developer.broadcom.com/xapis/vmware-cloud-director-openapi/latest/>); for the OAuth
//! part its Go client, go-vcloud-director, is the reference.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Asks for an API token. It looks like RFC 7591, but no secret comes back.
#[derive(Serialize)]
pub(super) struct Registration<'a> {
    pub(super) client_name: &'a str,
}

/// An API token that has no secret yet.
#[derive(Deserialize)]
pub(super) struct Registered {
    /// The token's UUID.
    pub(super) client_id: String,
    pub(super) client_name: Option<String>,
}

/// The answer to both grants: the secret's first and only showing, and an access token for the
/// secret.
#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) access_token: Option<SecretString>,
    pub(super) refresh_token: Option<SecretString>,
}

/// A session, of which the access token is in a header.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) user: Option<Reference>,
    pub(super) session_idle_timeout_minutes: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct Reference {
    pub(super) name: Option<String>,
}

/// `/api/versions`, as `application/*+json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Versions {
    pub(super) version_info: Vec<Version>,
}

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
    #[serde(default)]
    pub(super) deprecated: bool,
}

/// A page of tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) result_total: Option<usize>,
    pub(super) page_count: Option<usize>,
    pub(super) values: Vec<Listed>,
}

/// An API token as it is listed.
#[derive(Deserialize)]
pub(super) struct Listed {
    /// `urn:vcloud:token:` and the UUID.
    pub(super) id: String,
    pub(super) name: Option<String>,
}

/// The state of an asynchronous operation of the server.
#[derive(Deserialize)]
pub(super) struct Task {
    pub(super) status: String,
}
