//! Spreetail (<https://developer.spreetail.com>): whole credentials, several at once, any expiry,
//! no scopes.
//!
//! Pitfalls: the token request is multipart with PascalCase names, deletion goes by `clientId`
//! although there is a `credentialId`, and the list shows our own login among the rest.

mod wire;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url, multipart::Form};
use secrecy::ExposeSecret;

use self::wire::{Created, Listed, New};
use super::{
    contract::*,
    http::{Answer, Call, Client, Endpoint, Granted, Http, Operation, TokenRequest, Tokens, refused_login},
    setup::{self, LoginData, SetupError, below, value_below},
    usual,
};
use crate::{api, lifecycle::Expiry};

/// The driver's name, as in the spec.
pub(super) const NAME: &str = "spreetail";
const NEEDS: &str = "client_id and client_secret";
/// The keys that are read of a login.
pub(super) const KEYS: &[&str] = &["client_id", "client_secret"];

const CREDENTIAL_ID: &str = "credentialId";

/// The advice for a path that does not exist. The base names the account, so it cannot be edited.
const WRONG_BASE: &str = "spreetail.baseUrl may be wrong; create another provider with the right one";

/// The largest accepted difference between the expiry in an answer and the requested one, which is
/// sent in milliseconds.
const EXPIRY_TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// The immutable fields of a block.
pub(super) fn account(block: &api::Spreetail) -> Vec<String> {
    vec![block.base_url.clone()]
}

/// The driver for an account.
pub(super) fn driver(
    block: &api::Spreetail,
    login: Option<&LoginData>,
    http: Arc<Http>,
) -> Result<Spreetail, SetupError> {
    let base = setup::base_url("spreetail.baseUrl", &block.base_url)?;
    let login = setup::Login::new((NAME, NEEDS), KEYS, login)?;
    let endpoint =
        TokenEndpoint { http: Arc::clone(&http), url: below(&base, &["api", "v0", "oauth", "token"]) };
    Ok(Spreetail {
        http,
        credentials: below(&base, &["api", "v0", "client-credentials"]),
        tokens: Tokens::new(Client::new(&login, endpoint.clone())?),
        endpoint,
        capabilities: Capabilities { expiry: Expiry::Instant, ..usual::by_api("Spreetail") },
    })
}

/// An account.
pub(super) struct Spreetail {
    http: Arc<Http>,
    /// The address at which credentials are created and listed.
    credentials: Url,
    endpoint: TokenEndpoint,
    tokens: Tokens<Client<TokenEndpoint>>,
    capabilities: Capabilities,
}

#[async_trait]
impl Driver for Spreetail {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn identity(&self) -> Option<&str> {
        self.tokens.identity()
    }

    fn fields(&self, _scopes: &[String]) -> BTreeMap<String, String> {
        BTreeMap::from([("token_url".to_owned(), self.endpoint.url.to_string())])
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.tokens.renew().await
    }

    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        let call = Call::read(Operation::Verify, "the token request for the new pair");
        let asked = TokenRequest::post(&request.client_id, &request.client_secret, None);
        let answer = self.endpoint.ask(&call, asked).await?;
        match answer.said() {
            400 | 401 | 403 => Ok(Verdict::Refused),
            _ => token(&answer.success(&call)?, &call).map(|_| Verdict::Accepted),
        }
    }

    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        let call = Call::create("the create request");
        let body = New { name: &request.name, expires: request.expires_at.map(instant) };
        let post = || self.http.request(Method::POST, &self.credentials).json(&body);
        let answer = self.tokens.call(&self.http, &call, post).await?;
        let answer = match (answer.said(), &body.expires) {
            (400 | 422, Some(expires)) => {
                let advice = format!("it may refuse the requested expiry, {expires}: check spec.lifetime");
                return Err(answer.failure_with(&call, &advice).into());
            }
            (404 | 405 | 410, _) => {
                return Err(answer.failure_with(&call, WRONG_BASE).into());
            }
            _ => answer.success(&call)?,
        };
        let created: Created = answer.json(&call)?;
        let untrue = check(&created, request, self.identity());
        let is_ours = is_client_id(&created.client_id)
            && self.identity() != Some(&created.client_id)
            && created.name.as_ref().is_some_and(|name| is_named_alike(name, &request.name));
        let issued = Issued {
            ids: ids(created.credential_id),
            client_id: created.client_id,
            client_secret: created.secret,
            expires_at: created.expires,
            fields: self.fields(&request.scopes),
            ..Issued::default()
        };
        NotIssued::unless(untrue, issued, is_ours)
    }

    async fn find(&self, FindRequest { tag, .. }: &FindRequest) -> Result<Vec<Found>, Failure> {
        let wanted = {
            let tag = tag.to_owned();
            move |it: Listed| it.name.is_some_and(|name| name.contains(&tag))
        };
        let call =
            Call::list("the list request", move |entry| serde_json::from_slice(entry).map_or(true, &wanted));
        let get = || self.http.request(Method::GET, &self.credentials);
        let answer = self.tokens.call(&self.http, &call, get).await?.success(&call)?;
        let listed: Vec<Listed> = answer.json(&call)?;
        let found = listed.into_iter().filter_map(|Listed { credential_id, client_id, name }| {
            let name = name.filter(|name| name.contains(tag))?;
            Some(Found { name, ids: ids(credential_id), client_id, ..Found::default() })
        });
        Ok(found.collect())
    }

    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure> {
        let client_id = Some(&request.client_id).filter(|id| is_client_id(id));
        let Some(url) = client_id.and_then(|id| value_below(&self.credentials, id)) else {
            return Err(Failure::new(
                FailureKind::Rejected,
                "the client ID to revoke is not one of Spreetail's",
            ));
        };
        let call = Call::revoke("the delete request");
        let delete = || self.http.request(Method::DELETE, &url);
        let answer = self.tokens.call(&self.http, &call, delete).await?;
        if answer.is_not_found() {
            return Ok(Revocation::NotFound);
        }
        answer.success(&call).map(|_| Revocation::Revoked)
    }
}

fn ids(credential_id: Option<String>) -> BTreeMap<String, String> {
    credential_id.into_iter().map(|id| (CREDENTIAL_ID.to_owned(), id)).collect()
}

/// `2028-06-21T00:00:00.000Z`, as the pages spell instants.
fn instant(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

/// Documented are 32 hex characters. More is taken, but nothing that would change a path's meaning.
fn is_client_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Returns an error if an answer to a create cannot be true. Its expiry is believed. Whether that
/// has passed is checked by the callers, which have a clock.
fn check(created: &Created, asked: &CreateRequest, own: Option<&str>) -> Result<(), String> {
    let as_asked = match (asked.expires_at, created.expires) {
        (Some(asked), Some(expires)) => expires.duration_since(asked).abs() <= EXPIRY_TOLERANCE,
        (Some(_), None) => false,
        (None, _) => true,
    };
    let born_dead = created.expires.zip(created.created).is_some_and(|(expires, created)| expires <= created);
    let wrong = [
        (!is_half(created.secret.expose_secret()), "without a secret"),
        (!is_client_id(&created.client_id), "without a client ID"),
        (own == Some(&created.client_id), "with our own client ID"),
        (created.name.as_ref() != Some(&asked.name), "with another name than requested"),
        (!as_asked, "with another expiry than requested"),
        (born_dead, "with an expiry that has passed"),
    ];
    believed("Spreetail answered the create request", wrong)
}

/// The token endpoint: for our tokens, and for those that prove that a pair works.
#[derive(Clone)]
struct TokenEndpoint {
    http: Arc<Http>,
    url: Url,
}

impl Endpoint for TokenEndpoint {
    async fn ask(&self, call: &Call, request: TokenRequest<'_>) -> Result<Answer, Failure> {
        let post = || {
            let form = Form::new()
                .text("GrantType", "client_credentials")
                .text("ClientId", request.client_id.to_owned())
                .text("ClientSecret", request.client_secret.expose_secret().to_owned());
            self.http.request(Method::POST, &self.url).multipart(form)
        };
        self.http.send(call, post).await
    }

    fn granted(&self, answer: Answer, call: &Call) -> Result<Granted, Failure> {
        match refused_login(&answer, call, WRONG_BASE) {
            Some(refusal) => Err(refusal),
            None => token(&answer.success(call)?, call),
        }
    }
}

fn token(answer: &Answer, call: &Call) -> Result<Granted, Failure> {
    let wire::Token { access_token, expires_in } = answer.json(call)?;
    let token = access_token.filter(|token| !token.expose_secret().is_empty()).ok_or_else(|| {
        Failure::new(FailureKind::Malformed, format!("{} without an accessToken", answer.answered(call)))
    })?;
    Ok(Granted { token, expires_in: expires_in.map(|seconds| Duration::from_secs(seconds.into())) })
}

#[cfg(test)]
mod tests;
