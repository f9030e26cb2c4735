//! The wire format (<https://openbao.org/api-docs/auth/approle/>). Every answer has its content in
//! `data`, a login in `auth`, and a refusal a list of sentences in `errors`.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::providers::{
    Failure, FailureKind,
    http::{Answer, Call},
    lenient,
};

/// The member of a secret ID's metadata that holds its name.
const NAME: &str = "name";

/// Asks for a secret ID.
#[derive(Serialize)]
pub(super) struct Request {
    /// A text that holds JSON. An object in its place is refused with 400.
    metadata: String,
    /// The life in seconds. Zero would be refused where the role has a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cidr_list: Vec<String>,
}

impl Request {
    pub(super) fn new(name: &str, ttl: Option<u64>, subnets: &[String]) -> Self {
        Self { metadata: json!({ NAME: name }).to_string(), ttl, cidr_list: subnets.to_vec() }
    }
}

#[derive(Deserialize)]
pub(super) struct RoleId {
    pub(super) role_id: String,
}

/// A secret ID as it is shown once.
#[derive(Deserialize)]
pub(super) struct Made {
    #[serde(default)]
    pub(super) secret_id: SecretString,
    #[serde(default)]
    pub(super) secret_id_accessor: String,
    /// Zero: it never ends.
    #[serde(default, deserialize_with = "lenient::seconds")]
    pub(super) secret_id_ttl: Option<u32>,
    /// The number of logins that it is good for. Zero: any number.
    #[serde(default, deserialize_with = "lenient::seconds")]
    pub(super) secret_id_num_uses: Option<u32>,
}

/// The accessors of a role's secret IDs.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) keys: Vec<String>,
}

/// The properties of a secret ID.
#[derive(Deserialize)]
pub(super) struct Properties {
    pub(super) secret_id_accessor: String,
    #[serde(default)]
    metadata: Value,
}

impl Properties {
    /// The name in its metadata, if there is one.
    pub(super) fn name(&self) -> Option<&str> {
        self.metadata.get(NAME)?.as_str()
    }
}

/// A token, as it looks itself up.
#[derive(Deserialize)]
pub(super) struct Oneself {
    #[serde(rename = "policies")]
    _policies: Vec<String>,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Option<Auth>,
}

/// A token that a login made.
#[derive(Deserialize)]
pub(super) struct Auth {
    #[serde(default)]
    pub(super) client_token: SecretString,
    #[serde(default, deserialize_with = "lenient::seconds")]
    pub(super) lease_duration: Option<u32>,
}

#[derive(Deserialize)]
struct Content<D> {
    data: D,
}

/// The content of an answer.
pub(super) fn content<D: for<'de> Deserialize<'de>>(answer: &Answer, call: &Call) -> Result<D, Failure> {
    answer.json(call).map(|Content { data }| data)
}

/// The token in the answer to a login.
pub(super) fn token(answer: &Answer, call: &Call) -> Result<Auth, Failure> {
    let LoggedIn { auth } = answer.json(call)?;
    auth.filter(|auth| !auth.client_token.expose_secret().is_empty()).ok_or_else(|| {
        Failure::new(FailureKind::Malformed, format!("{} without a token", answer.answered(call)))
    })
}

/// A refusal in the server's words. They decide what is meant, because one status has several
/// meanings. They are never shown: they repeat values of the request.
#[derive(Default, Deserialize)]
pub(super) struct Refusal {
    errors: Option<Vec<String>>,
    data: Option<Note>,
}

/// The error in the content of an answer, which only the look-up of an accessor has.
#[derive(Deserialize)]
struct Note {
    error: Option<String>,
}

impl Refusal {
    /// The refusal in an answer. One that is not the server's own, but a proxy's, says nothing.
    pub(super) fn of(answer: &Answer, call: &Call) -> Self {
        answer.json(call).unwrap_or_default()
    }

    /// Returns whether it says this.
    pub(super) fn says(&self, text: &str) -> bool {
        let note = self.data.as_ref().and_then(|note| note.error.as_ref());
        self.errors.iter().flatten().chain(note).any(|error| error.contains(text))
    }

    /// Returns whether it is the server's own and gives no reason: there is nothing.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.errors.as_ref().is_some_and(Vec::is_empty)
    }
}
