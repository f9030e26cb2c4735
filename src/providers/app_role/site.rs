//! The addresses of a mount, and the two calls there that need no login.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, RequestBuilder, Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    api,
    providers::{
        Failure,
        http::{Answer, Call, Http, Operation},
        setup::{self, SetupError, below, path_below},
    },
};

const TOKEN: &str = "x-vault-token";
const NAMESPACE: &str = "x-vault-namespace";

/// The longest time for ending a token.
const CLOSING: Duration = Duration::from_secs(5);

/// The advice for a path that does not exist.
pub(super) const WRONG_PLACE: &str =
    "appRole.baseUrl, mount or namespace may be wrong; create another provider with the right ones";
/// The advice for a login that is refused although its pair may be right
/// (<https://openbao.org/docs/concepts/user-lockout/>).
pub(super) const LOCKED: &str = "after five logins with a wrong secret ID, the server refuses all logins of a role \
                                 for a quarter of an hour";

/// A mount of the AppRole method.
pub(super) struct Site {
    pub(super) http: Arc<Http>,
    /// The address of the roles.
    pub(super) roles: Url,
    /// The address at which a token looks itself up.
    pub(super) oneself: Url,
    login: Url,
    revoke_oneself: Url,
    namespace: Option<String>,
}

impl Site {
    pub(super) fn new(block: &api::AppRole, http: Arc<Http>) -> Result<Self, SetupError> {
        let base = setup::base_url("appRole.baseUrl", &block.base_url)?;
        let auth = below(&base, &["v1", "auth"]);
        let mount = path_below(&auth, "appRole.mount", &block.mount)?;
        Ok(Self {
            http,
            roles: below(&mount, &["role"]),
            oneself: below(&auth, &["token", "lookup-self"]),
            login: below(&mount, &["login"]),
            revoke_oneself: below(&auth, &["token", "revoke-self"]),
            namespace: block.namespace.clone(),
        })
    }

    /// A request in the namespace.
    pub(super) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.namespace {
            Some(namespace) => request.header(NAMESPACE, namespace),
            None => request,
        }
    }

    /// Logs in with a pair. A login that succeeds makes a token, and spends a use of a secret ID
    /// that has a limited number of them.
    pub(super) async fn log_in(
        &self,
        call: &Call,
        role_id: &str,
        secret_id: &SecretString,
    ) -> Result<Answer, Failure> {
        let body = json!({ "role_id": role_id, "secret_id": secret_id.expose_secret() });
        self.http.send(call, || self.request(Method::POST, &self.login).json(&body)).await
    }

    /// Ends a token. One that cannot end itself lives on for its time: a batch token, and one whose
    /// policies do not let it.
    pub(super) async fn end(&self, token: &SecretString) {
        let call = Call::read(Operation::Login, "the request that ends a token");
        let post = || authorized(self.request(Method::POST, &self.revoke_oneself), token);
        let ended = self.http.send(&call, post);
        let _ = tokio::time::timeout(CLOSING, ended).await;
    }
}

/// A request that a token authorizes.
pub(super) fn authorized(request: RequestBuilder, token: &SecretString) -> RequestBuilder {
    match HeaderValue::from_str(token.expose_secret()) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.header(TOKEN, value)
        }
        // The request cannot be built then, and says so.
        Err(_) => request.header(TOKEN, token.expose_secret()),
    }
}
