//! Credentials that are handed over to AbandonedCredentials, and the times of their next attempts.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::AbandonedKind,
    lifecycle::model::{Capabilities, Moved},
};

use super::backoff;

/// The first and the longest wait between attempts to revoke an abandoned credential.
const RETRIES: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(1), SignedDuration::from_hours(1));

/// The name of the record of one revision: the tag tells the cluster and the object.
#[must_use]
pub fn record_name(tag: &str, revision: u32) -> String {
    format!("{tag}-{revision}")
}

/// Returns the time of the next attempt at an abandoned credential, after `attempts` that failed.
#[must_use]
pub fn next_attempt(attempts: u32, now: Timestamp) -> Timestamp {
    now.later(backoff::doubling(attempts.max(1), RETRIES.0, RETRIES.1))
}

/// Returns the steps for a person, where Credwright can never do it.
#[must_use]
pub fn to_do(kind: AbandonedKind, capabilities: &Capabilities) -> Option<String> {
    let place = &capabilities.place;
    match kind {
        AbandonedKind::Unconfirmed if !capabilities.can_list() => {
            Some(format!("look for it at {place}, and remove it if it is there"))
        }
        _ if !capabilities.can_revoke() => Some(format!("remove it at {place}")),
        _ => None,
    }
}
