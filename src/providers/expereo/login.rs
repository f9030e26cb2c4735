//! The login of Credwright, and the token endpoint.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::NAME;
use crate::{
    api::TokenEndpointAuthMethod::ClientSecretPost,
    providers::{
        Failure, FailureKind,
        http::{
            Answer, Call, Http, Operation,
            client_credentials::{Token, TokenRequest},
            token::{Grant, Granted, Tokens},
        },
        setup::{self, LoginData, SetupError},
    },
};

const NEEDS: &str = "client_id, client_secret and scope, or bearer_token";
/// The keys that are read of a login.
pub(in crate::providers) const KEYS: &[&str] = &["bearer_token", "client_id", "client_secret", "scope"];

/// The login of Credwright.
pub(super) enum Login {
    /// A client of its own.
    Client(Box<Tokens<Client>>, String),
    /// The token of a person who may use the Developer Portal (API).
    Bearer(SecretString),
}

impl Login {
    pub(super) fn new(data: Option<&LoginData>, endpoint: &TokenEndpoint) -> Result<Self, SetupError> {
        let data = data.ok_or(SetupError::NoLogin { driver: NAME, needs: NEEDS })?;
        let login = setup::Login::new((NAME, NEEDS), KEYS, data);
        if let Some(token) = login.get("bearer_token")? {
            for other in ["client_id", "client_secret"] {
                if login.get(other)?.is_some() {
                    return Err(SetupError::Contradiction { one: "bearer_token", other });
                }
            }
            return Ok(Self::Bearer(token));
        }
        let client_id = login.require("client_id")?.expose_secret().to_owned();
        let client = Client {
            endpoint: endpoint.clone(),
            client_id: client_id.clone(),
            client_secret: login.require("client_secret")?,
            scope: login.require("scope")?.expose_secret().to_owned(),
        };
        Ok(Self::Client(Box::new(Tokens::new(client)), client_id))
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        match self {
            Self::Client(_, client_id) => Some(client_id),
            Self::Bearer(_) => None,
        }
    }

    /// Makes an authorized call. If the login lacks a permission, the message says what to do.
    pub(super) async fn call(
        &self,
        http: &Http,
        call: &Call,
        request: impl Fn(&SecretString) -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        let answer = match self {
            Self::Client(tokens, _) => tokens.call(http, call, request).await?,
            Self::Bearer(token) => http.send(call, || request(token)).await?,
        };
        let Failure { kind, message, retry_after } = answer.failure(call);
        let message = match (answer.status.as_u16(), self) {
            (403, _) if kind != FailureKind::Forbidden => return Ok(answer),
            (403, Self::Client(..)) => format!(
                "this login may not manage API clients: {message}; store the bearer_token of a person with the permission \
                 Developer Portal (API) instead, or ask Expereo which scope the client needs"
            ),
            (403, Self::Bearer(_)) => format!(
                "this login may not manage API clients: {message}; the token's owner needs the permission Developer Portal (API)"
            ),
            (401, Self::Bearer(_)) => {
                format!("{message}: the bearer_token has expired or was never valid; store a fresh one")
            }
            _ => return Ok(answer),
        };
        Err(Failure { kind, message, retry_after })
    }
}

/// The token endpoint: for our tokens, and for those that prove that a pair works.
#[derive(Clone)]
pub(super) struct TokenEndpoint {
    pub(super) http: Arc<Http>,
    pub(super) url: Url,
}

impl TokenEndpoint {
    /// Asks for a token with `scope`, without which the endpoint gives none.
    pub(super) async fn ask(
        &self,
        call: &Call,
        client_id: &str,
        client_secret: &SecretString,
        scope: &str,
    ) -> Result<Answer, Failure> {
        let request = TokenRequest {
            method: ClientSecretPost,
            client_id,
            client_secret,
            scope: Some(scope),
            parameters: &BTreeMap::new(),
        };
        self.http.send(call, || request.begin(&self.http, &self.url)).await
    }
}

/// A client that may manage others.
pub(super) struct Client {
    endpoint: TokenEndpoint,
    client_id: String,
    client_secret: SecretString,
    scope: String,
}

impl Grant for Client {
    async fn grant(&self) -> Result<Granted, Failure> {
        let call = Call::read(Operation::Login, "the token request of the login");
        let Self { endpoint, client_id, client_secret, scope } = self;
        Token::of_login(
            endpoint.ask(&call, client_id, client_secret, scope).await?,
            &call,
            "expereo.tokenUrl",
        )
    }
}
