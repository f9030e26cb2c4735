//! The operator's own access token: asked for once, kept for nine tenths of its life, thrown away
//! when it is refused.

use std::{sync::Arc, time::Duration, time::Instant};

use moka::{Expiry, future::Cache};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::{Answer, Call, Http};
use crate::providers::Failure;

/// The time for which a token is kept if its answer does not say how long it lives. RFC 6749 only
/// recommends that.
const LIFE_UNKNOWN: Duration = Duration::from_mins(1);

/// An access token, as it was granted.
pub(in crate::providers) struct Granted {
    pub(in crate::providers) token: SecretString,
    pub(in crate::providers) expires_in: Option<Duration>,
}

/// A driver's way to get its token.
pub(in crate::providers) trait Grant: Send + Sync {
    /// Returns the public part of the login, if it has one.
    fn identity(&self) -> Option<&str>;

    /// Makes the token request.
    fn grant(&self) -> impl Future<Output = Result<Granted, Failure>> + Send;
}

/// The token of one login. Even if many calls need it at once, it is requested once.
pub(in crate::providers) struct Tokens<G> {
    grant: G,
    cache: Cache<(), Arc<Granted>>,
}

impl<G: Grant> Tokens<G> {
    pub(in crate::providers) fn new(grant: G) -> Self {
        Self { grant, cache: Cache::builder().max_capacity(1).expire_after(MostOfItsLife).build() }
    }

    /// Returns the public part of the login, if it has one.
    pub(in crate::providers) fn identity(&self) -> Option<&str> {
        self.grant.identity()
    }

    /// The way to get a token.
    pub(in crate::providers) fn grant(&self) -> &G {
        &self.grant
    }

    /// Makes a call that the token authorizes. A refusal of the token proves that the call had no
    /// effect, so it is made once more with a fresh token.
    pub(in crate::providers) async fn call(
        &self,
        http: &Http,
        call: &Call,
        request: impl Fn() -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        let request = |token: &SecretString| request().bearer_auth(token.expose_secret());
        self.call_as(refuses_token, http, call, request).await
    }

    /// The same for a call that hands the token over as a grant (RFC 7523, section 2.1): if it has
    /// ended, the answer is 400 `invalid_grant`.
    pub(in crate::providers) async fn call_with_grant(
        &self,
        http: &Http,
        call: &Call,
        request: impl Fn(&SecretString) -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        let refused = |answer: &Answer| {
            refuses_token(answer) || answer.error_code().as_deref() == Some("invalid_grant")
        };
        self.call_as(refused, http, call, request).await
    }

    /// The same for a call that hands the token over in a way of its own. `refused` says how this
    /// provider refuses a token.
    pub(in crate::providers) async fn call_as(
        &self,
        refused: impl Fn(&Answer) -> bool + Send,
        http: &Http,
        call: &Call,
        request: impl Fn(&SecretString) -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        let granted = call.preparing(self.get()).await?;
        let answer = http.send(call, || request(&granted.token)).await?;
        if !((400..500).contains(&answer.said()) && refused(&answer)) {
            return Ok(answer);
        }
        self.discard(&granted).await;
        let granted = call.preparing(self.get()).await?;
        http.send(call, || request(&granted.token)).await
    }

    /// Requests a token even if there is one, to see whether the login still works.
    pub(in crate::providers) async fn renew(&self) -> Result<(), Failure> {
        let granted = self.grant.grant().await?;
        self.cache.insert((), Arc::new(granted)).await;
        Ok(())
    }

    async fn get(&self) -> Result<Arc<Granted>, Failure> {
        let granted = self.cache.try_get_with((), async { self.grant.grant().await.map(Arc::new) }).await;
        granted.map_err(Arc::unwrap_or_clone)
    }

    /// Drops a token, unless a concurrent call has replaced it already.
    async fn discard(&self, refused: &Arc<Granted>) {
        if self.cache.get(&()).await.is_some_and(|kept| Arc::ptr_eq(&kept, refused)) {
            self.cache.invalidate(&()).await;
        }
    }
}

/// The ways in which the calls of a driver are authorized.
pub(in crate::providers) enum Access<G> {
    /// By nothing.
    Open,
    /// By a token in the login Secret.
    Token(SecretString),
    /// By tokens that the login is granted.
    Login(Box<Tokens<G>>),
}

impl<G: Grant> Access<G> {
    /// The tokens of a login.
    pub(in crate::providers) fn granted_to(login: G) -> Self {
        Self::Login(Box::new(Tokens::new(login)))
    }

    /// Returns the public part of the login, if it has one.
    pub(in crate::providers) fn identity(&self) -> Option<&str> {
        match self {
            Self::Login(tokens) => tokens.identity(),
            Self::Open | Self::Token(_) => None,
        }
    }

    /// Makes an authorized call.
    pub(in crate::providers) async fn call(
        &self,
        http: &Http,
        call: &Call,
        request: impl Fn() -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Open => http.send(call, request).await,
            Self::Token(token) => http.send(call, || request().bearer_auth(token.expose_secret())).await,
            Self::Login(tokens) => tokens.call(http, call, request).await,
        }
    }
}

/// Returns whether the token was refused. The status should be 401 (RFC 6750, section 3.1), but
/// some servers send the error code with another one.
fn refuses_token(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED || answer.error_code().as_deref() == Some("invalid_token")
}

struct MostOfItsLife;

impl MostOfItsLife {
    fn of(granted: &Granted) -> Option<Duration> {
        Some(granted.expires_in.unwrap_or(LIFE_UNKNOWN) / 10 * 9)
    }
}

impl Expiry<(), Arc<Granted>> for MostOfItsLife {
    fn expire_after_create(&self, (): &(), granted: &Arc<Granted>, _: Instant) -> Option<Duration> {
        Self::of(granted)
    }

    fn expire_after_update(
        &self,
        (): &(),
        granted: &Arc<Granted>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Self::of(granted)
    }
}

#[cfg(test)]
mod tests;
