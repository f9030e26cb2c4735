//! The token endpoint: for our own login, and for trying the pairs that were issued.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::{discovery::Discovery, joined, wire};
use crate::{
    api::TokenEndpointAuthMethod,
    providers::{
        Failure, FailureKind, Pair, Verdict,
        http::{
            Answer, Call, Http, failure,
            token::{Grant, Granted},
        },
    },
};

/// Where tokens are asked for, and how.
#[derive(Clone)]
pub(super) struct TokenEndpoint {
    pub(super) http: Arc<Http>,
    pub(super) discovery: Arc<Discovery>,
    pub(super) method: TokenEndpointAuthMethod,
    pub(super) parameters: BTreeMap<String, String>,
}

impl TokenEndpoint {
    /// Tries a pair by asking for a token with its scopes, and reading back which of them it got: a server may drop
    /// some without a word.
    pub(super) async fn verify(&self, pair: &Pair) -> Result<Verdict, Failure> {
        let call = Call::read("the token request for the new pair");
        let scope = joined(&pair.scopes);
        let answer = self.ask(&call, &pair.client_id, &pair.client_secret, scope.as_deref()).await?;
        let is_refusal = match answer.status.as_u16() {
            // Whatever the code: Keycloak says unauthorized_client to a wrong secret, Spring says nothing.
            401 => true,
            400 => answer.error_code().as_deref() == Some("invalid_client"),
            _ => false,
        };
        if is_refusal {
            return Ok(Verdict::Refused);
        }
        let token = token(&answer.success(&call)?, &call)?;
        let got = token.scope.as_deref().map(|scope| scope.split_ascii_whitespace().collect::<BTreeSet<_>>());
        let lacks = |scope: &&String| got.as_ref().is_some_and(|got| !got.contains(scope.as_str()));
        match pair.scopes.iter().find(lacks) {
            Some(scope) => {
                let message =
                    format!("the server issues tokens to the new pair, but without the scope {scope}");
                Err(failure(FailureKind::Rejected, message))
            }
            None => Ok(Verdict::Accepted),
        }
    }

    async fn ask(
        &self,
        call: &Call,
        client_id: &str,
        client_secret: &SecretString,
        scope: Option<&str>,
    ) -> Result<Answer, Failure> {
        let url = &self.discovery.endpoints().await?.token;
        self.http.send(call, || self.request(url, client_id, client_secret, scope)).await
    }

    fn request(
        &self,
        url: &Url,
        client_id: &str,
        client_secret: &SecretString,
        scope: Option<&str>,
    ) -> RequestBuilder {
        let secret = client_secret.expose_secret();
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.map(|scope| ("scope", scope)));
        form.extend(self.parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let request = self.http.request(Method::POST, url);
        match self.method {
            TokenEndpointAuthMethod::ClientSecretBasic => {
                request.basic_auth(wire::basic_half(client_id), Some(wire::basic_half(secret))).form(&form)
            }
            TokenEndpointAuthMethod::ClientSecretPost => {
                form.extend([("client_id", client_id), ("client_secret", secret)]);
                request.form(&form)
            }
        }
    }
}

fn token(answer: &Answer, call: &Call) -> Result<wire::Token, Failure> {
    let token: wire::Token = answer.json(call)?;
    if token.access_token.expose_secret().is_empty() {
        return Err(failure(
            FailureKind::Malformed,
            "the server answered a token request with an empty token",
        ));
    }
    Ok(token)
}

/// A client that may register others.
pub(super) struct ClientLogin {
    pub(super) endpoint: TokenEndpoint,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) scope: Option<String>,
}

impl Grant for ClientLogin {
    async fn grant(&self) -> Result<Granted, Failure> {
        let call = Call::read("the token request of the login");
        let Self { endpoint, client_id, client_secret, scope } = self;
        let answer = endpoint.ask(&call, client_id, client_secret, scope.as_deref()).await?;
        if matches!(answer.status.as_u16(), 400 | 401 | 403) {
            return Err(Failure { kind: FailureKind::LoginRefused, ..answer.failure(&call) });
        }
        let token = token(&answer.success(&call)?, &call)?;
        let expires_in = token.expires_in.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Granted { token: token.access_token, expires_in })
    }
}
