//! The login of Credwright, and the token endpoint.

use std::sync::Arc;

use reqwest::{RequestBuilder, Url};

use super::{Expereo, NAME};
use crate::providers::{
    Failure, FailureKind,
    http::{Access, Answer, Call, Client, Endpoint, Granted, Http, Token, TokenRequest},
    setup::{self, LoginData, SetupError},
};

const NEEDS: &str = "client_id, client_secret and scope, or bearer_token";
/// The keys that are read of a login.
pub(in crate::providers) const KEYS: &[&str] = &["bearer_token", "client_id", "client_secret", "scope"];

/// The login of Credwright: a client of its own, or the token of a person who may use the Developer
/// Portal (API).
pub(super) type Login = Access<Client<TokenEndpoint>>;

/// Reads the login.
pub(super) fn login(data: Option<&LoginData>, endpoint: &TokenEndpoint) -> Result<Login, SetupError> {
    let login = setup::Login::new((NAME, NEEDS), KEYS, data)?;
    if let Some(token) = login.get("bearer_token")? {
        login.excludes("bearer_token", ["client_id", "client_secret"])?;
        return Ok(Login::Token(token));
    }
    let client = Client::new(&login, endpoint.clone())?;
    login.require("scope")?;
    Ok(Login::granted_to(client))
}

impl Expereo {
    /// Makes an authorized call. If the login lacks a permission, the message says what to do.
    pub(super) async fn call(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        let answer = self.login.call(&self.http, call, request).await?;
        let Failure { kind, message, retry_after } = answer.failure(call);
        let message = match (answer.status.as_u16(), &self.login) {
            (403, _) if kind != FailureKind::Forbidden => return Ok(answer),
            (403, Login::Token(_)) => format!(
                "this login may not manage API clients: {message}; the token's owner needs the permission Developer Portal (API)"
            ),
            (403, _) => format!(
                "this login may not manage API clients: {message}; store the bearer_token of a person with the permission \
                 Developer Portal (API) instead, or ask Expereo which scope the client needs"
            ),
            (401, Login::Token(_)) => {
                format!("{message}: the bearer_token has expired or was never valid; store a fresh one")
            }
            _ => return Ok(answer),
        };
        Err(Failure { kind, message, retry_after })
    }
}

/// The token endpoint: for our tokens, and for those that prove that a pair works. It gives none
/// without a scope.
#[derive(Clone)]
pub(super) struct TokenEndpoint {
    pub(super) http: Arc<Http>,
    pub(super) url: Url,
}

impl Endpoint for TokenEndpoint {
    async fn ask(&self, call: &Call, request: TokenRequest<'_>) -> Result<Answer, Failure> {
        self.http.send(call, || request.begin(&self.http, &self.url)).await
    }

    fn granted(&self, answer: Answer, call: &Call) -> Result<Granted, Failure> {
        Token::of_login(answer, call, "expereo.tokenUrl")
    }
}
