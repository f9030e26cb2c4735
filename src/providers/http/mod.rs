//! HTTP rules for all drivers: where requests may go, how long they may take, and the messages when
//! they fail.
//!
//! A driver makes a `Call` and gets an `Answer` or a `Failure`. The meaning of the bodies is the
//! driver's business.

mod behind;
mod body;
mod broken;
mod classify;
mod client;
mod client_credentials;
mod described;
mod guard;
mod limit;
mod material;
mod proxy;
mod roots;
mod throttle;
mod tls;
mod token;

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder, StatusCode, Url, header::HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

pub(super) use self::body::{ENTRY_MIN, KEPT_MAX, LIST_MAX};
pub(super) use self::classify::error_code;
pub(super) use self::client_credentials::{
    Client, Endpoint, Token, TokenRequest, answers, refused_login, verdict,
};
pub(super) use self::token::{Access, Grant, Granted, Tokens};
use self::{body::Bound, broken::Broken, client::Clients, limit::Gate};
pub use self::{
    guard::{EgressPolicy, EgressRanges},
    material::{ClientCertificate, TlsMaterial},
    proxy::ProviderProxy,
    roots::MoreRoots,
};
use super::{
    Failure, FailureKind, RetryAfter,
    setup::{LoginData, SetupError},
};
pub(super) use crate::ops::metrics::Operation;
use crate::{
    api::ProviderSettings,
    ops::metrics::{Meter, RequestOutcome},
};

/// The time for the preparation of a create: metadata, a token, waiting for a turn.
const PREPARATION: Duration = Duration::from_secs(15);

/// The longest wait for a turn among our own requests.
const TURN: Duration = Duration::from_secs(10);

/// The longest pause, asked for by a provider, after which a request is sent again in its turn.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// The effect of a call at the provider, which decides what a lost response means.
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
    bound: Bound,
    /// True if a 429 is about one credential, and says nothing of the account.
    of_one_credential: bool,
}

impl Call {
    /// A call that changes nothing.
    pub(super) fn read(operation: Operation, what: &'static str) -> Self {
        let bound = Bound::of(operation);
        Self { what, operation, effect: Effect::Read, begin_by: None, bound, of_one_credential: false }
    }

    /// The same, where the provider counts requests by credential.
    pub(super) fn of_one_credential(self) -> Self {
        Self { of_one_credential: true, ..self }
    }

    /// A call that lists all entries in one array, of which only the `wanted` ones are kept. An
    /// unreadable entry has to be wanted.
    pub(super) fn list(what: &'static str, wanted: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { bound: Bound::entries(wanted), ..Self::read(Operation::List, what) }
    }

    /// A call that revokes, and can be repeated.
    pub(super) fn revoke(what: &'static str) -> Self {
        Self { effect: Effect::Repeatable, ..Self::read(Operation::Revoke, what) }
    }

    /// A call that makes something each time. It is not begun later than [`PREPARATION`] from now,
    /// since others rely on its being over after [`CREATE_TIMEOUT`].
    pub(super) fn create(what: &'static str) -> Self {
        let begin_by = Some(Instant::now() + PREPARATION);
        Self { effect: Effect::Create, begin_by, ..Self::read(Operation::Create, what) }
    }

    /// Runs a prerequisite of the call (token, metadata, rate limit) within the call's deadline. A
    /// failure here means that the call was not sent, so kinds that imply an effect are mapped to
    /// `Unavailable`.
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
            | FailureKind::Conflict
            | FailureKind::Forbidden
            | FailureKind::Rejected
            | FailureKind::Unexplained => Failure { kind: FailureKind::Unavailable, ..failure },
            _ => failure,
        })
    }

    fn not_its_turn(&self) -> Failure {
        let message = format!(
            "{} was not sent: other requests of Credwright to this provider used up its limits for {} s; \
             raise its limits.requestsPerSecond or limits.concurrent if the provider can take more",
            self.what,
            TURN.as_secs()
        );
        Failure::new(FailureKind::Busy, message)
    }

    fn not_begun(&self) -> Failure {
        let message = format!(
            "{} was not sent: its preparation took longer than {} s",
            self.what,
            PREPARATION.as_secs()
        );
        Failure::new(FailureKind::Unavailable, message)
    }
}

/// A whole answer. Not `Debug`: its headers and its body may hold a secret.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    retry_after: Option<RetryAfter>,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    place: String,
    /// The status that it means: see [`Answer::said`].
    said: u16,
    /// The provider's description of its error, as far as it can be shown.
    described: Option<String>,
}

impl Http {
    pub(super) fn new(
        settings: &ProviderSettings,
        egress: &EgressPolicy,
        meter: Meter,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            clients: Clients::new(egress, settings)?,
            gate: Gate::new(settings.limits.as_ref()),
            meter,
        })
    }

    /// Never shows any of these, whoever repeats them.
    pub(super) fn keeping(mut self, login: Option<&LoginData>) -> Self {
        let secrets = login.into_iter().flatten().filter(|(key, _)| described::is_secret(key));
        self.clients.keep(secrets.map(|(_, value)| value.clone()).collect());
        self
    }

    /// Begins a request.
    pub(super) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.clients.request(method, url)
    }

    /// Sends a request when it is its turn. Any status is an answer. A request that changes nothing
    /// is sent a second time if the connection failed. A request that met a 429, which says that
    /// nothing was done, is sent again in its next turn while others are answered.
    pub(super) async fn send(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        let last = Instant::now() + TURN;
        let Some(_slot) = self.waited(last, self.gate.slot()).await else {
            return Err(call.not_its_turn());
        };
        let (mut limited, mut answers) = (None, None);
        loop {
            if self.waited(last, self.gate.turn()).await.is_none() {
                return limited.ok_or_else(|| call.not_its_turn());
            }
            if call.begin_by.is_some_and(|begin_by| Instant::now() >= begin_by) {
                return limited.ok_or_else(|| call.not_begun());
            }
            let answer = match self.exchange(call, request()).await {
                Err(broken) if broken.transient && call.effect == Effect::Read => {
                    self.exchange(call, request()).await
                }
                answer => answer,
            };
            let answer = answer.map_err(|broken| classify::unanswered(call, broken))?;
            if answer.status != StatusCode::TOO_MANY_REQUESTS || call.of_one_credential {
                // A login that works says nothing about the rate of the calls that it is for.
                if call.operation != Operation::Login {
                    self.gate.answered();
                }
                return Ok(answer);
            }
            // A longer pause is the account's, and is waited out elsewhere.
            let asked = answer.pause();
            let (short, long) = (asked.filter(|it| *it <= PATIENCE), asked.is_some_and(|it| it > PATIENCE));
            answers = self.gate.limited(short, answers);
            if answers.is_none() || long {
                return Ok(answer);
            }
            limited = Some(answer);
        }
    }

    /// Waits until `last` at the latest, and counts how long. Returns `None` if that was too short.
    async fn waited<T>(&self, last: Instant, turn: impl Future<Output = T>) -> Option<T> {
        let since = Instant::now();
        let came = timeout_at(last, turn).await.ok();
        self.meter.waited(since.elapsed());
        came
    }

    /// Returns how many requests a minute the account is asked at the most, while that is less than
    /// its limits allow.
    pub(super) fn per_minute(&self) -> Option<u32> {
        self.gate.per_minute()
    }

    async fn exchange(&self, call: &Call, request: RequestBuilder) -> Result<Answer, Broken> {
        let since = Instant::now();
        let answer = self.clients.exchange(request, &call.bound).await;
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
        if self.is_success() { Ok(self) } else { Err(self.failure(call)) }
    }

    /// Returns whether the call was carried out, by status and body.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.said())
    }

    /// The status that the answer means. Some servers report an error with a status of success: an
    /// `error` in the body decides, and means 400.
    pub(super) fn said(&self) -> u16 {
        self.said
    }

    /// The failure that this answer means.
    pub(super) fn failure(&self, call: &Call) -> Failure {
        classify::refused(call, self)
    }

    /// The same, with advice.
    pub(super) fn failure_with(&self, call: &Call, advice: &str) -> Failure {
        let failure = self.failure(call);
        if classify::is_about_a_quota(call.effect, self) {
            return failure;
        }
        Failure { message: format!("{}: {advice}", failure.message), ..failure }
    }

    /// The pause that the answer asks for, if it can be read without a clock.
    fn pause(&self) -> Option<Duration> {
        match self.retry_after? {
            RetryAfter::Delay(delay) => delay.try_into().ok(),
            RetryAfter::At(_) => None,
        }
    }

    /// The length of the body.
    pub(super) fn length(&self) -> usize {
        self.body.len()
    }

    /// A header, if there is one that is text. Of several of a name, the first.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The OAuth error code in the body, if there is one.
    pub(super) fn error_code(&self) -> Option<String> {
        error_code(&self.body)
    }

    /// Returns whether the server is down, or asks to wait.
    pub(super) fn is_down(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Returns whether it says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// The decoded body. The decoder's own words are not shown: they may quote a value.
    pub(super) fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        serde_json::from_slice(without_mark(&self.body)).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let message = format!(
                "{} with an undocumented response: line {line}, column {column}",
                self.answered(call)
            );
            Failure::new(FailureKind::Malformed, message)
        })
    }

    /// The beginning of a sentence about its content.
    pub(super) fn answered(&self, call: &Call) -> String {
        format!("{} answered {}", self.place, call.what)
    }
}

/// The members of a body that is a JSON object.
fn members(body: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(without_mark(body)) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// A body without the byte order mark that some servers begin JSON with, against RFC 8259, section
/// 8.1.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}
