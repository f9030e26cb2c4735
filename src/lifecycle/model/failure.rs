//! The failures of a call to a provider, in the terms that policy needs.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::api::Word;

use super::time::Moved;

/// The kind of a failure. Policy (which reason is shown, when to try again) follows from it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// No connection, a 5xx or a timeout of a call that changes nothing.
    Unavailable,
    /// 429.
    RateLimited,
    /// Our own login was refused.
    LoginRefused,
    /// The login works but may not do this.
    Forbidden,
    /// The provider refuses the request as it stands, and says so in an error code.
    Rejected,
    /// A 4xx without such a code: it may be a proxy's, or of a path that is missing for a moment. A
    /// create that got it was not carried out.
    Unexplained,
    /// The object that the call names does not exist.
    NotFound,
    /// The name is taken.
    Conflict,
    /// A create was sent and its effect is unknown.
    Ambiguous,
    /// The answer cannot be decoded, or cannot be true.
    Malformed,
    /// Nothing was sent, because our own requests to the account took all its turns. This is no
    /// failure: it is not recorded, and retried in its turn.
    Busy,
    /// A word of a newer version.
    #[serde(untagged)]
    Other(Word),
}

impl FailureKind {
    /// Returns whether the provider said this about the credential in question, not about the
    /// account or the connection.
    #[must_use]
    pub fn is_of_one_credential(self) -> bool {
        !matches!(
            self,
            Self::Unavailable | Self::RateLimited | Self::LoginRefused | Self::Busy | Self::Other(_)
        )
    }
}

/// A failed call: what kind, how long the provider asks us to wait, and a sentence that is safe to
/// show.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The pause that the provider asks for (`Retry-After`).
    pub retry_after: Option<RetryAfter>,
    /// A sentence without any secret, URL query or body.
    pub message: String,
}

impl Failure {
    /// A failure that is not about waiting.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, retry_after: None, message: message.into() }
    }
}

/// `Retry-After` in both its forms (RFC 9110, section 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long from now.
    Delay(SignedDuration),
    /// Not before this instant.
    At(Timestamp),
}

impl RetryAfter {
    /// The longest that a provider can make Credwright wait.
    pub const LONGEST: SignedDuration = SignedDuration::from_hours(1);

    /// The instant to wait for: never in the past, never more than [`Self::LONGEST`] away.
    #[must_use]
    pub fn instant(self, now: Timestamp) -> Timestamp {
        let asked = match self {
            Self::Delay(delay) => delay,
            Self::At(instant) => instant.duration_since(now),
        };
        now.later(asked.clamp(SignedDuration::ZERO, Self::LONGEST))
    }
}
