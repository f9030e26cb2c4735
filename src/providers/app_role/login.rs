//! The login: a token, or a role ID and a secret ID that open a session.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};

use super::{
    site::{LOCKED, Site, WRONG_PLACE, authorized},
    wire::{self, Refusal},
};
use crate::providers::{
    Failure, FailureKind,
    http::{Answer, Call, Grant, Granted, Operation, Tokens},
    setup::{self, SetupError},
};

/// The time for which a session is kept if its answer does not say when it ends. Should it end
/// earlier, a 403 says so.
const LIFE: Duration = Duration::from_mins(30);

/// The server's words for a token that is wrong or has ended, and for one whose policies lack the
/// call: it makes no difference between them.
const DENIED: &str = "permission denied";

/// The advice for a login whose pair is refused.
const WRONG_PAIR: &str =
    "check role_id and secret_id of the login, and that they may be used from Credwright's address";

/// The way in which calls are authorized.
pub(super) enum Login {
    /// By a token in the login Secret.
    Token(SecretString, Arc<Site>),
    /// By the token of a session.
    Session(Box<Tokens<Pair>>, Arc<Site>),
}

impl Login {
    pub(super) fn new(login: &setup::Login<'_>, site: &Arc<Site>) -> Result<Self, SetupError> {
        if let Some(token) = login.get("token")? {
            login.excludes("token", ["role_id", "secret_id"])?;
            return Ok(Self::Token(token, Arc::clone(site)));
        }
        let (role_id, secret_id) = (login.require("role_id")?, login.require("secret_id")?);
        let role_id = role_id.expose_secret().to_owned();
        let pair = Pair { site: Arc::clone(site), role_id, secret_id, session: Mutex::default() };
        Ok(Self::Session(Box::new(Tokens::new(pair)), Arc::clone(site)))
    }

    /// Returns the role ID that it logs in with. A token has no public part.
    pub(super) fn identity(&self) -> Option<&str> {
        match self {
            Self::Token(..) => None,
            Self::Session(tokens, _) => tokens.identity(),
        }
    }

    /// Makes an authorized call. If that is denied, a session is opened again, once, and a token of
    /// the login Secret is looked up: the answer does not say whether it has ended.
    pub(super) async fn call(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        let answer = self.send(call, request).await?;
        if matches!(self, Self::Token(..)) && denies(&answer, call) {
            self.probe().await.or_else(|failure| match failure.kind {
                FailureKind::LoginRefused => Err(failure),
                _ => Ok(()),
            })?;
        }
        Ok(answer)
    }

    async fn send(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder + Sync,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Token(token, site) => site.http.send(call, || authorized(request(), token)).await,
            Self::Session(tokens, site) => {
                let refused = |answer: &Answer| denies(answer, call);
                tokens.call_as(refused, &site.http, call, |token| authorized(request(), token)).await
            }
        }
    }

    /// Looks the token up. That needs a right of its own, which the policy `default` has.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        let (Self::Token(_, site) | Self::Session(_, site)) = self;
        let call = Call::read(Operation::Login, "the look-up of the login's token");
        let answer = self.send(&call, || site.request(Method::GET, &site.oneself)).await?;
        match answer.said() {
            401 | 403 => {
                let advice = "the token may have ended, or its policies lack read on auth/token/lookup-self";
                Err(Failure { kind: FailureKind::LoginRefused, ..answer.failure_with(&call, advice) })
            }
            404 | 405 | 410 => Err(answer.failure_with(&call, WRONG_PLACE)),
            _ => {
                let answer = answer.success(&call)?;
                wire::content::<wire::Oneself>(&answer, &call).map(drop)
            }
        }
    }

    /// Ends the session, if there is one.
    pub(super) async fn close(&self) {
        if let Self::Session(tokens, site) = self {
            let session = tokens.grant().session.lock().take();
            if let Some(token) = session {
                site.end(&token).await;
            }
        }
    }
}

fn denies(answer: &Answer, call: &Call) -> bool {
    answer.said() == 403 && Refusal::of(answer, call).says(DENIED)
}

/// A pair that opens sessions.
pub(super) struct Pair {
    site: Arc<Site>,
    role_id: String,
    secret_id: SecretString,
    /// The token of the last session.
    session: Mutex<Option<SecretString>>,
}

impl Grant for Pair {
    fn identity(&self) -> Option<&str> {
        Some(&self.role_id)
    }

    async fn grant(&self) -> Result<Granted, Failure> {
        let call = Call::read(Operation::Login, "the login");
        let answer = self.site.log_in(&call, &self.role_id, &self.secret_id).await?;
        let refused =
            |advice| Failure { kind: FailureKind::LoginRefused, ..answer.failure_with(&call, advice) };
        match answer.said() {
            400 | 401 => return Err(refused(WRONG_PAIR)),
            403 => return Err(refused(LOCKED)),
            404 | 405 | 410 => return Err(answer.failure_with(&call, WRONG_PLACE)),
            _ => {}
        }
        let answer = answer.success(&call)?;
        let wire::Auth { client_token: token, lease_duration } = wire::token(&answer, &call)?;
        let life = lease_duration.filter(|seconds| *seconds > 0);
        let expires_in = life.map_or(LIFE, |seconds| Duration::from_secs(seconds.into()));
        let earlier = self.session.lock().replace(token.clone());
        if let Some(earlier) = earlier {
            self.site.end(&earlier).await;
        }
        Ok(Granted { token, expires_in: Some(expires_in) })
    }
}
