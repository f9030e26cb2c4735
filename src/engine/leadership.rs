//! The check that this process still leads, at the API server, before anything is made or revoked
//! at a provider.
//!
//! The controller takes and renews the Lease, but its knowledge may be old: a process that was
//! paused, or cut off from the API server, would continue in good faith beside its successor. The
//! last answer is believed for two seconds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, call};

/// The time for which an answer about the Lease counts: much shorter than it lasts, and long enough
/// that a crowd of mints asks once.
pub const BELIEVED: Duration = Duration::from_secs(2);

/// The Lease that the one working operator of several holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The Lease's name, in Credwright's own namespace.
    pub lease: String,
    /// The identity of this process in it: no other process, living or dead, may have the same
    /// unless this one takes its place.
    pub identity: String,
}

/// The time at which the Lease was last seen to be ours.
#[derive(Default)]
pub(super) struct LastSeen(Mutex<Option<Instant>>);

impl Engine {
    /// Starts nothing at a provider any more once `shutdown` is cancelled. Requests already sent
    /// are waited for, and their answers are written down.
    pub fn end_with(&self, shutdown: &CancellationToken) {
        let _ = self.ending.set(shutdown.child_token());
    }

    /// Returns the token that is cancelled when this process ends: by a stop, or because the Lease
    /// is lost.
    pub fn ending(&self) -> &CancellationToken {
        self.ending.get_or_init(CancellationToken::new)
    }

    /// Checks that this process may change something at a provider. Without a Lease, it may until
    /// it stops.
    ///
    /// # Errors
    /// If this process ends, or the Lease is not ours any more, or cannot be read. Then nothing may
    /// be sent.
    pub(super) async fn ensure_leading(&self) -> Result<(), EngineError> {
        if self.ending().is_cancelled() {
            return Err(EngineError::Stopping);
        }
        let Some(holder) = &self.settings.lease else { return Ok(()) };
        let asked = Instant::now();
        if self.led.0.lock().is_some_and(|at| asked - at < BELIEVED) {
            return Ok(());
        }
        let leases: Api<Lease> = self.within(&self.settings.namespace);
        let lease = call("reading the Lease", leases.get_opt(&holder.lease)).await?;
        if !lease.is_some_and(|lease| is_held_by(&lease, &holder.identity, self.now())) {
            return Err(EngineError::NotLeading);
        }
        *self.led.0.lock() = Some(asked);
        Ok(())
    }
}

/// Returns whether a Lease has our name and lasts long enough: nobody else takes one before it has
/// run out. Both times are those of our own clock, by which we renewed it.
fn is_held_by(lease: &Lease, identity: &str, now: Timestamp) -> bool {
    let Some(LeaseSpec { holder_identity, renew_time: Some(renewed), lease_duration_seconds, .. }) =
        &lease.spec
    else {
        return false;
    };
    let lasts = SignedDuration::from_secs(lease_duration_seconds.unwrap_or_default().into());
    let ends = renewed.0.checked_add(lasts).unwrap_or(renewed.0);
    holder_identity.as_deref() == Some(identity) && now.checked_add(BELIEVED).is_ok_and(|at| at < ends)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lease_counts_while_it_is_ours_and_lasts() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let rows = [
            ("fresh", "me", "2026-11-20T11:59:59.000000Z", true),
            ("about to end", "me", "2026-11-20T11:59:47.000000Z", false),
            ("over", "me", "2026-11-20T11:00:00.000000Z", false),
            ("another's", "another", "2026-11-20T11:59:59.000000Z", false),
        ];
        for (what, holder, renewed, expected) in rows {
            let spec = json!({ "holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15 });
            let lease = serde_json::from_value(json!({ "spec": spec })).unwrap();
            assert_eq!(is_held_by(&lease, "me", now), expected, "{what}");
        }
        let free = serde_json::from_value(json!({ "spec": {} })).unwrap();
        assert!(!is_held_by(&free, "me", now));
    }
}
