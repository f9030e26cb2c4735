//! Times from outside: written by people in an intake or an annotation, by providers in a response,
//! or in a status that was restored.
//!
//! A time outside of 1970 to 2200 is not accepted. It is a mistyped year, milliseconds that were
//! read as seconds, or an attempt to move the schedule to the end of time.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// The form of a time, for a message that begins with "it is no".
pub const FORM: &str = "time between 1970-01-01 and 2200-01-01, like 2026-11-22T12:00:00Z (RFC 3339)";

const EARLIEST: Timestamp = Timestamp::UNIX_EPOCH;
/// 2200-01-01T00:00:00Z.
const LATEST: Timestamp = Timestamp::constant(7_258_118_400, 0);

/// Returns the time if it is within the accepted range.
#[must_use]
pub fn told(at: Timestamp) -> Option<Timestamp> {
    (EARLIEST..=LATEST).contains(&at).then_some(at)
}

/// Parses a time in the form of RFC 3339.
#[must_use]
pub fn parsed(text: &str) -> Option<Timestamp> {
    text.parse().ok().and_then(told)
}

/// Reads a time given in seconds since 1970.
#[must_use]
pub fn of_second(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok().and_then(told)
}

/// Reads a time that may be absent. An invalid time counts as absent, so that one bad field does
/// not make the whole object unreadable.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<Cow<'de, str>> = Option::deserialize(from)?;
    Ok(text.as_deref().and_then(parsed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{AbandonedStatus, ApiCredentialStatus};

    #[test]
    fn an_instant_lies_between_1970_and_2200() {
        let rows = [
            ("1970-01-01T00:00:00Z", true),
            ("2026-11-22T12:00:00.123+01:00", true),
            ("2200-01-01T00:00:00Z", true),
            ("2200-01-01T00:00:00.001Z", false),
            ("1969-12-31T23:59:59Z", false),
            ("1970-01-01T00:30:00+01:00", false),
            ("9999-12-30T22:00:00Z", false),
            // RFC 3339 has it, and jiff does not.
            ("9999-12-31T23:59:59Z", false),
            ("0000-01-01T00:00:00Z", false),
            ("-009999-01-02T01:59:59Z", false),
            ("+012026-11-22T12:00:00Z", false),
            ("1795349520000", false),
            ("tomorrow", false),
            ("", false),
        ];
        for (text, is_one) in rows {
            assert_eq!(parsed(text).is_some(), is_one, "{text}");
        }
    }

    #[test]
    fn a_status_with_invalid_times_can_be_read() {
        let read = |at: &str| -> ApiCredentialStatus {
            let credential = json!({
                "revision": 1, "state": "Issued", "name": "orders", "reason": "FirstIssue",
                "issuedAt": at, "expiresAt": at, "revokeAt": at,
            });
            let status = json!({ "expiresAt": at, "renewalTime": at, "credentials": [credential] });
            serde_json::from_value(status).unwrap()
        };
        let times = |status: ApiCredentialStatus| {
            let it = status.credentials[0].clone();
            [status.expires_at, status.renewal_time, it.issued_at, it.expires_at, it.revoke_at]
        };
        assert_eq!(times(read("2026-11-22T12:00:00Z")), [parsed("2026-11-22T12:00:00Z"); 5]);
        for far in ["9999-12-31T23:59:59Z", "9999-12-30T22:00:00Z", "0001-01-01T00:00:00Z"] {
            assert_eq!(times(read(far)), [None; 5], "{far}");
        }
        let tried: AbandonedStatus =
            serde_json::from_value(json!({ "attempts": 3, "nextAttempt": "9999-12-31T23:59:59Z" })).unwrap();
        assert_eq!((tried.attempts, tried.next_attempt), (3, None));
        assert_eq!(serde_json::from_value::<AbandonedStatus>(json!({})).unwrap(), AbandonedStatus::default());
    }

    #[test]
    fn milliseconds_are_rejected_as_seconds() {
        let rows = [(0, true), (1_795_349_520, true), (1_795_349_520_000, false), (-1, false)];
        for (seconds, is_one) in rows.into_iter().chain([(i64::MAX, false), (i64::MIN, false)]) {
            assert_eq!(of_second(seconds).is_some(), is_one, "{seconds}");
        }
    }
}
