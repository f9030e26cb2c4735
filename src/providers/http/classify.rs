//! From an answer, or its absence, to a [`Failure`].
//!
//! Bodies are not shown: a provider may repeat in them what it was sent. Only the error code of
//! OAuth is taken from one, if it looks like one, and the safe part of the sentence beside it.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{
    StatusCode,
    header::{DATE, HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Answer, Call, Effect, Operation,
    broken::{Broken, Excess},
    described::sentence,
};
use crate::{
    api::instant,
    providers::{Failure, FailureKind, RetryAfter},
};

const ERROR_CODE_MAX: usize = 40;

/// Members of a JSON answer that hold an error code: OAuth (RFC 6749 and 7591), problem details
/// (RFC 9457), Cloud Director, and the usual names of other APIs.
const CODES: [&str; 7] = ["error", "errors", "code", "errorCode", "error_code", "minorErrorCode", "type"];
/// OAuth error codes that speak of a token, or of the server, rather than of the request.
const NOT_OF_THE_REQUEST: [&str; 5] =
    ["invalid_grant", "invalid_token", "server_error", "slow_down", "temporarily_unavailable"];

/// Returns the failure for a missing answer.
pub(super) fn unanswered(call: &Call, broken: Broken) -> Failure {
    let kind = match call.effect {
        // A list that is too long stays so: the search in it has to be given up in the end.
        Effect::Read if call.operation == Operation::List && broken.excess != Excess::None => {
            FailureKind::Malformed
        }
        Effect::Create if broken.excess == Excess::Announced => FailureKind::Malformed,
        Effect::Create if broken.sent => FailureKind::Ambiguous,
        _ => FailureKind::Unavailable,
    };
    Failure::new(kind, format!("{} failed: {}", call.what, broken.message))
}

/// Returns the failure for an answer that is not a success.
pub(super) fn refused(call: &Call, answer: &Answer) -> Failure {
    let Answer { status, place, retry_after, described, .. } = answer;
    let code = error_code(&answer.body).map(|code| format!(" with error {code}")).unwrap_or_default();
    let words = described.as_ref().map(|words| format!(" (in its words: {words})")).unwrap_or_default();
    let hint = if status.is_redirection() {
        "; redirects are not followed: check the URL"
    } else if is_about_a_quota(call.effect, answer) {
        "; a quota of the account seems to be used up: remove unused credentials there, or have it raised"
    } else {
        ""
    };
    Failure {
        kind: kind(call.effect, answer),
        retry_after: *retry_after,
        message: format!("{place} answered {} to {}{code}{words}{hint}", status.as_u16(), call.what),
    }
}

/// The meaning of a refusal. A 4xx says that the request was not carried out (RFC 9110, section
/// 15.5), so a create that got one made nothing. The exceptions are about time and connections: a
/// proxy sends them while the provider may still be at work.
fn kind(effect: Effect, answer: &Answer) -> FailureKind {
    match (answer.said(), effect) {
        // No name is taken, and no right lacks. There may be room in an hour.
        _ if is_about_a_quota(effect, answer) => FailureKind::Rejected,
        (401, _) => FailureKind::LoginRefused,
        (403, _) => FailureKind::Forbidden,
        // Elsewhere it is a path that does not exist, which says nothing of any credential.
        (404 | 410, Effect::Repeatable) => FailureKind::NotFound,
        (409, _) => FailureKind::Conflict,
        (429, _) => FailureKind::RateLimited,
        (408 | 460 | 499, Effect::Create) => FailureKind::Ambiguous,
        (408 | 460 | 499, _) => FailureKind::Unavailable,
        (400 | 422, _) if is_explained(answer) => FailureKind::Rejected,
        (400..=499, _) => FailureKind::Unexplained,
        (_, Effect::Create) => FailureKind::Ambiguous,
        _ => FailureKind::Unavailable,
    }
}

/// Returns whether a create was refused because there are too many already. Providers say so with
/// various statuses.
pub(super) fn is_about_a_quota(effect: Effect, answer: &Answer) -> bool {
    if effect != Effect::Create || !matches!(answer.said(), 400 | 402 | 403 | 409 | 422) {
        return false;
    }
    let Some(body) = super::members(&answer.body) else { return false };
    let texts = CODES.iter().filter_map(|name| body.get(*name)?.as_str()).chain(sentence(&body));
    texts.map(str::to_ascii_lowercase).any(|text| {
        let has = |part: &str| text.contains(part);
        has("quota") || has("too many") || has("limit") && (has("exceed") || has("reach"))
    })
}

/// Returns whether a refusal has an error code about the request. A proxy in front of the provider
/// answers 4xx as well, but with a page, or with a code that only repeats the status.
fn is_explained(answer: &Answer) -> bool {
    let Some(body) = super::members(&answer.body) else { return false };
    let status = u64::from(answer.status.as_u16());
    CODES.iter().filter_map(|code| body.get(*code)).any(|code| match code {
        Value::String(code) => {
            !["", "about:blank"].contains(&code.as_str()) && !NOT_OF_THE_REQUEST.contains(&code.as_str())
        }
        Value::Number(code) => code.as_u64() != Some(status),
        Value::Array(errors) => !errors.is_empty(),
        Value::Object(error) => !error.is_empty(),
        Value::Null | Value::Bool(_) => false,
    })
}

/// Returns the status that an answer means. Some servers report an error with a status of success:
/// an `error` in the body decides, and means 400.
pub(super) fn said(status: StatusCode, body: &[u8]) -> u16 {
    let status = if status.is_success() && reports_error(body) { StatusCode::BAD_REQUEST } else { status };
    status.as_u16()
}

/// Returns whether a body is an object with an `error`.
fn reports_error(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Body {
        error: Option<Value>,
    }
    let body = super::without_mark(body);
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return false;
    }
    let error = serde_json::from_slice(body).ok().and_then(|Body { error }| error);
    error.is_some_and(|error| match error {
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    })
}

/// The `error` of an OAuth answer (RFC 6749, section 5.2), if it has the form of the registered
/// codes: words joined by underscores. Some servers put sentences there, which may repeat parts of
/// the request, and a single word may be a password. The codes of Cloud Director have capitals,
/// too.
pub(in crate::providers) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        error: Option<String>,
        minor_error_code: Option<String>,
    }
    let Body { error, minor_error_code } = serde_json::from_slice(super::without_mark(body)).ok()?;
    let is_code = |code: &str, is_letter: fn(&u8) -> bool| {
        (1..=ERROR_CODE_MAX).contains(&code.len())
            && code.contains('_')
            && code.bytes().all(|byte| is_letter(&byte) || byte == b'_')
    };
    let minor = || minor_error_code.filter(|code| is_code(code, u8::is_ascii_alphabetic));
    error.filter(|code| is_code(code, u8::is_ascii_lowercase)).or_else(minor)
}

/// `Retry-After`: whole seconds or an HTTP date (RFC 9110, section 10.2.3). A date is read by the
/// clock of who wrote it: the answer's own `Date`, if there is one.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse().unwrap_or(i64::MAX);
        return Some(RetryAfter::Delay(SignedDuration::from_secs(seconds)));
    }
    let at = http_date(value)?;
    let written = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
    Some(written.map_or(RetryAfter::At(at), |written| RetryAfter::Delay(at.duration_since(written))))
}

fn http_date(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text).ok().and_then(instant::told)
}

#[cfg(test)]
mod tests;
