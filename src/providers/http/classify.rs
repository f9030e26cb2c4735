//! From what came back, or did not, to a [`Failure`].
//!
//! Bodies are never shown: a provider may repeat in them what it was sent. All that is taken from one is the error
//! code of OAuth, if it looks like one.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;

use super::{Answer, Call, Effect, client::Broken};
use crate::providers::{Failure, FailureKind, RetryAfter};

const ERROR_CODE_MAX: usize = 40;

/// A failure that is not about waiting.
pub(in crate::providers) fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure { kind, retry_after: None, message: message.into() }
}

/// What it means that there is no answer.
pub(super) fn unanswered(call: &Call, broken: Broken) -> Failure {
    let kind = match call.effect {
        Effect::Create if broken.sent => FailureKind::Ambiguous,
        _ => FailureKind::Unavailable,
    };
    failure(kind, format!("{} failed: {}", call.what, broken.message))
}

/// What an answer means that is not a success.
pub(super) fn refused(call: &Call, answer: &Answer) -> Failure {
    let Answer { status, place, retry_after, .. } = answer;
    let code = error_code(&answer.body).map(|code| format!(" with error {code}")).unwrap_or_default();
    let hint = if status.is_redirection() { "; redirects are not followed: check the URL" } else { "" };
    Failure {
        kind: kind(call.effect, *status),
        retry_after: *retry_after,
        message: format!("{place} answered {} to {}{code}{hint}", status.as_u16(), call.what),
    }
}

/// After a create, only a refusal that is documented as one proves that nothing was made.
fn kind(effect: Effect, status: StatusCode) -> FailureKind {
    match (status.as_u16(), effect) {
        (401, _) => FailureKind::LoginRefused,
        (403, _) => FailureKind::Forbidden,
        // Elsewhere it is a path that does not exist, which says nothing of any credential.
        (404 | 410, Effect::Repeatable) => FailureKind::NotFound,
        (409, _) => FailureKind::Conflict,
        (429, _) => FailureKind::RateLimited,
        (400..=407 | 409..=499, _) => FailureKind::Rejected,
        (_, Effect::Create) => FailureKind::Ambiguous,
        _ => FailureKind::Unavailable,
    }
}

/// The `error` of an OAuth answer (RFC 6749, section 5.2), if it has the form of the registered codes: words joined by
/// underscores. Some servers put sentences there, which may repeat what they were sent, and a single word may be a
/// password. What Cloud Director calls it has capitals, too.
pub(in crate::providers) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        error: Option<String>,
        minor_error_code: Option<String>,
    }
    let Body { error, minor_error_code } = serde_json::from_slice(body).ok()?;
    let is_code = |code: &str, is_letter: fn(&u8) -> bool| {
        (1..=ERROR_CODE_MAX).contains(&code.len())
            && code.contains('_')
            && code.bytes().all(|byte| is_letter(&byte) || byte == b'_')
    };
    let minor = || minor_error_code.filter(|code| is_code(code, u8::is_ascii_alphabetic));
    error.filter(|code| is_code(code, u8::is_ascii_lowercase)).or_else(minor)
}

/// `Retry-After`: whole seconds or an HTTP date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    static DATE: DateTimeParser = DateTimeParser::new();
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse().unwrap_or(i64::MAX);
        return Some(RetryAfter::Delay(SignedDuration::from_secs(seconds)));
    }
    let instant: Timestamp = DATE.parse_timestamp(value).ok()?;
    Some(RetryAfter::At(instant))
}

#[cfg(test)]
mod tests;
