//! Credentials that are handed over to AbandonedCredentials, and the times of their next attempts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::AbandonedKind,
    lifecycle::{
        decide::removal,
        model::{capability::Capabilities, ledger::Account, time::Moved},
    },
};

use super::backoff;

/// The first and the longest wait between attempts to revoke an abandoned credential.
const RETRIES: (SignedDuration, SignedDuration) =
    (SignedDuration::from_mins(1), SignedDuration::from_hours(1));

/// One credential that is to be put on record elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Abandonment {
    /// The record's name: the same each time, so that a repetition finds its own.
    pub record: String,
    /// The revision.
    pub revision: u32,
    /// The kind: it could not be revoked, or it is not known whether it exists.
    pub kind: AbandonedKind,
    /// Its name at the provider.
    pub name: String,
    /// The public half of the pair.
    pub client_id: Option<String>,
    /// Provider-side ids.
    pub ids: BTreeMap<String, String>,
    /// The account that it was made at.
    pub account: Account,
    /// The time at which the provider ends it.
    pub expires_at: Option<Timestamp>,
    /// The cause, as a sentence without any secret.
    pub why: String,
    /// The steps for a person, if Credwright can never do it.
    pub action: Option<String>,
}

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
    let place = removal::place(capabilities);
    match kind {
        AbandonedKind::Unconfirmed if !capabilities.list => {
            Some(format!("look for it at {place}, and remove it if it is there"))
        }
        _ if !capabilities.revoke => Some(format!("remove it at {place}")),
        _ => None,
    }
}
