//! The rules for claiming a Lease, and the content to write into it: no calls here, and no clock.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use tokio::time::Instant;

use super::LASTS;

/// The claim that a process makes.
pub(super) enum Claim<'a> {
    /// Take the Lease, if it is free.
    Take(&'a mut Seen),
    /// Keep it. A Lease that is free now may have been another's in between, so it counts as lost;
    /// a deleted one is recreated.
    Renew,
}

/// Another's Lease as it was last seen to change, by our own clock.
#[derive(Default)]
pub(super) struct Seen(Option<(LeaseSpec, Instant)>);

impl Claim<'_> {
    /// Returns whether the Lease, as it is `now`, may be claimed for `identity`.
    pub(super) fn may(&mut self, there: Option<&Lease>, identity: &str, now: Instant) -> bool {
        let Some(lease) = there else { return true };
        match (holder(lease.spec.as_ref()), self) {
            (Some(holder), _) if holder == identity => true,
            (Some(_), Self::Take(seen)) => seen.has_run_out(lease.spec.as_ref(), now),
            (None, Self::Take(_)) => true,
            (_, Self::Renew) => false,
        }
    }
}

impl Seen {
    /// Returns whether the Lease has not changed for as long as it lasts.
    fn has_run_out(&mut self, spec: Option<&LeaseSpec>, now: Instant) -> bool {
        let spec = spec.cloned().unwrap_or_default();
        if self.0.as_ref().is_none_or(|(before, _)| *before != spec) {
            self.0 = Some((spec, now));
        }
        self.left(now).is_zero()
    }

    /// Returns how long it is still valid unless it changes.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let Some((spec, since)) = &self.0 else { return LASTS };
        let lasts = spec.lease_duration_seconds.and_then(|it| u64::try_from(it).ok());
        lasts.map_or(LASTS, Duration::from_secs).saturating_sub(now.saturating_duration_since(*since))
    }
}

/// Returns who holds a Lease.
pub(super) fn holder(spec: Option<&LeaseSpec>) -> Option<&str> {
    spec?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// The Lease in the name of `identity`, renewed `now`.
pub(super) fn with_our_name(before: LeaseSpec, identity: &str, lasts: Duration, now: Timestamp) -> LeaseSpec {
    let kept = holder(Some(&before)) == Some(identity);
    let transitions = before.lease_transitions.unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        acquire_time: if kept { before.acquire_time } else { Some(MicroTime(now)) },
        renew_time: Some(MicroTime(now)),
        lease_duration_seconds: i32::try_from(lasts.as_secs()).ok(),
        lease_transitions: Some(if kept { transitions } else { transitions.saturating_add(1) }),
        ..before
    }
}

/// A patch of the spec that releases a Lease.
pub(super) fn released() -> serde_json::Value {
    serde_json::json!({
        "holderIdentity": null, "acquireTime": null, "renewTime": null, "leaseDurationSeconds": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn lease(holder: &str, renewed: i64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            renew_time: Some(MicroTime(NOON + jiff::SignedDuration::from_secs(renewed))),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    #[test]
    fn the_lease_of_another_is_taken_only_after_it_was_unchanged_for_its_duration() {
        let (mut seen, began) = (Seen::default(), Instant::now());
        let mut may = |renewed, after: u64| {
            let at = began + Duration::from_secs(after);
            Claim::Take(&mut seen).may(Some(&lease("another", renewed)), "me", at)
        };
        // Its renewTime is by another's clock, so it does not matter.
        assert!(!may(-86_400, 0));
        assert!(!may(-86_400, 14));
        assert!(!may(86_400, 15), "it was renewed");
        assert!(!may(86_400, 29));
        assert!(may(86_400, 30));
    }

    #[test]
    fn a_free_lease_is_taken_and_a_released_one_is_not_renewed() {
        let now = Instant::now();
        let mut seen = Seen::default();
        for free in [None, Some(Lease::default()), Some(lease("", 0)), Some(lease("me", 0))] {
            assert!(Claim::Take(&mut seen).may(free.as_ref(), "me", now), "{free:?}");
        }
        assert!(Claim::Renew.may(Some(&lease("me", -3600)), "me", now), "nobody has taken it");
        assert!(Claim::Renew.may(None, "me", now), "it was deleted");
        assert!(!Claim::Renew.may(Some(&lease("another", 0)), "me", now));
        assert!(!Claim::Renew.may(Some(&lease("", 0)), "me", now), "somebody may have had it");
    }

    #[test]
    fn a_renewal_changes_only_the_time_and_a_transition_is_counted() {
        let LeaseSpec { acquire_time, lease_transitions, .. } =
            with_our_name(LeaseSpec::default(), "me", LASTS, NOON);
        assert_eq!((acquire_time, lease_transitions), (Some(MicroTime(NOON)), Some(1)));
        let mine = with_our_name(LeaseSpec::default(), "me", LASTS, NOON);
        let later = NOON + jiff::SignedDuration::from_secs(5);
        let renewed = with_our_name(mine.clone(), "me", LASTS, later);
        assert_eq!(renewed, LeaseSpec { renew_time: Some(MicroTime(later)), ..mine.clone() });
        assert_eq!(with_our_name(mine, "other", LASTS, later).lease_transitions, Some(2));
    }
}
