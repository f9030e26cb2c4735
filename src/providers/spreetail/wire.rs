//! The wire format, as on the vendor's pages.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::providers::lenient;

/// The token endpoint's answer: camelCase, unlike RFC 6749
/// (<https://developer.spreetail.com/reference/postapiv0oauthtoken>).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    pub(super) access_token: Option<SecretString>,
    #[serde(default, deserialize_with = "lenient::seconds")]
    pub(super) expires_in: Option<u32>,
}

/// Asks for a credential (<https://developer.spreetail.com/reference/postapiv0clientcredentials>).
#[derive(Serialize)]
pub(super) struct New<'a> {
    pub(super) name: &'a str,
    /// Null: it never expires.
    pub(super) expires: Option<String>,
}

/// A credential as it is shown once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    pub(super) credential_id: Option<String>,
    #[serde(default)]
    pub(super) client_id: String,
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient::instant")]
    pub(super) expires: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::instant")]
    pub(super) created: Option<Timestamp>,
    /// The vendor's prose calls it `clientSecret`, its JSON `secret`.
    #[serde(alias = "clientSecret", default)]
    pub(super) secret: SecretString,
}

/// A credential as it is listed
/// (<https://developer.spreetail.com/reference/getapiv0clientcredentials>).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) credential_id: Option<String>,
    pub(super) client_id: String,
    pub(super) name: Option<String>,
}
