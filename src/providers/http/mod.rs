//! HTTP manners, for all drivers: where requests may go, how long they may take, what is said when they fail.
//!
//! A driver makes a `Call` and gets an `Answer` or a `Failure`. What the bodies say is the driver's business.

mod classify;
mod client;
pub(super) mod client_credentials;
mod guard;
mod limit;
pub(super) mod token;

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder, StatusCode, Url, header::HeaderMap};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

pub(super) use self::classify::{error_code, failure};
pub use self::guard::EgressPolicy;
use self::{
    client::{Broken, Clients},
    limit::Gate,
};
use super::{Failure, FailureKind, RetryAfter, registry::SetupError};
pub(super) use crate::ops::metrics::Operation;
use crate::{
    api::ProviderSettings,
    ops::metrics::{Meter, RequestOutcome},
};

/// What may come before a create is sent: metadata, a token, waiting for a turn.
const PREPARATION: Duration = Duration::from_secs(15);

/// The longest that a create can take: [`PREPARATION`], then the request itself.
pub(super) const CREATE_TIMEOUT: SignedDuration = SignedDuration::from_secs(45);
const _: () =
    assert!(CREATE_TIMEOUT.as_secs() as u64 >= PREPARATION.as_secs() + client::TOTAL_TIMEOUT.as_secs());

/// HTTP to one account.
pub(super) struct Http {
    clients: Clients,
    gate: Gate,
    meter: Meter,
}

/// What a call does at the provider, which decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Nothing, or nothing but another access token: it may be sent again at once.
    Read,
    /// It may be repeated, but not here.
    Repeatable,
    /// It makes something whenever it is sent.
    Create,
}

/// One call, of which no more than its name is ever shown.
pub(super) struct Call {
    what: &'static str,
    operation: Operation,
    effect: Effect,
    begin_by: Option<Instant>,
}

impl Call {
    /// A call that changes nothing.
    pub(super) fn read(operation: Operation, what: &'static str) -> Self {
        Self { what, operation, effect: Effect::Read, begin_by: None }
    }

    /// A call that revokes, and does no more when it is made twice.
    pub(super) fn revoke(what: &'static str) -> Self {
        Self { what, operation: Operation::Revoke, effect: Effect::Repeatable, begin_by: None }
    }

    /// A call that makes something each time. It is not begun later than [`PREPARATION`] from now, since others rely
    /// on its being over after [`CREATE_TIMEOUT`].
    pub(super) fn create(what: &'static str) -> Self {
        let begin_by = Some(Instant::now() + PREPARATION);
        Self { what, operation: Operation::Create, effect: Effect::Create, begin_by }
    }

    /// Waits for what must be there before the call, but no longer than the call has. If that fails, the call was not
    /// made, and the failure is not one of those that speak of its effect.
    pub(super) async fn preparing<T>(
        &self,
        needed: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let done = match self.begin_by {
            Some(begin_by) => timeout_at(begin_by, needed).await.unwrap_or_else(|_| Err(self.not_begun())),
            None => needed.await,
        };
        done.map_err(|failure| match failure.kind {
            FailureKind::Ambiguous
            | FailureKind::Malformed
            | FailureKind::NotFound
            | FailureKind::Conflict => Failure { kind: FailureKind::Unavailable, ..failure },
            _ => failure,
        })
    }

    fn not_begun(&self) -> Failure {
        let message = format!(
            "{} was not sent: what comes before it took longer than {} s",
            self.what,
            PREPARATION.as_secs()
        );
        failure(FailureKind::Unavailable, message)
    }
}

/// A whole answer. Not `Debug`: its headers and its body may hold a secret.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    retry_after: Option<RetryAfter>,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    place: String,
}

impl Http {
    pub(super) fn new(
        settings: &ProviderSettings,
        egress: &EgressPolicy,
        meter: Meter,
    ) -> Result<Self, SetupError> {
        let ca_bundle = settings.tls.as_ref().and_then(|tls| tls.ca_bundle.as_deref());
        Ok(Self {
            clients: Clients::new(egress, ca_bundle)?,
            gate: Gate::new(settings.limits.as_ref()),
            meter,
        })
    }

    /// Begins a request.
    pub(super) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.clients.request(method, url)
    }

    /// Sends a request when it is its turn. Any status is an answer. Only what changes nothing is sent a second time,
    /// and only if the connection failed.
    pub(super) async fn send(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        let since = Instant::now();
        let turn = call.preparing(async { Ok(self.gate.enter().await) }).await;
        self.meter.waited(since.elapsed());
        let _turn = turn?;
        let answer = self.exchange(call, request()).await;
        let answer = match answer {
            Err(broken) if broken.transient && call.effect == Effect::Read => {
                self.exchange(call, request()).await
            }
            answer => answer,
        };
        answer.map_err(|broken| classify::unanswered(call, broken))
    }

    async fn exchange(&self, call: &Call, request: RequestBuilder) -> Result<Answer, Broken> {
        let since = Instant::now();
        let answer = self.clients.exchange(request).await;
        let outcome = match &answer {
            Ok(answer) => RequestOutcome::of_status(answer.status.as_u16()),
            Err(broken) if broken.sent => RequestOutcome::Unanswered,
            Err(_) => RequestOutcome::NotSent,
        };
        self.meter.requested(call.operation, outcome, since.elapsed());
        answer
    }
}

impl Answer {
    /// The failure that this answer means, unless it is a success.
    pub(super) fn success(self, call: &Call) -> Result<Self, Failure> {
        if self.status.is_success() { Ok(self) } else { Err(self.failure(call)) }
    }

    /// The failure that this answer means.
    pub(super) fn failure(&self, call: &Call) -> Failure {
        classify::refused(call, self)
    }

    /// A header, if there is one that is text. Of several of a name, the first.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The OAuth error code in the body, if there is one.
    pub(super) fn error_code(&self) -> Option<String> {
        error_code(&self.body)
    }

    /// Whether it says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// The decoded body. The decoder's own words are not shown: they may quote a value.
    pub(super) fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let message = format!(
                "{} answered {} with something undocumented: line {line}, column {column}",
                self.place, call.what
            );
            failure(FailureKind::Malformed, message)
        })
    }
}
