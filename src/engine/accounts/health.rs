//! The health of an account: the results of its probes and its steps.
//!
//! A failed step proves little: it may be one credential's. It makes the account *suspected*: it is
//! probed at once, and nothing else calls it until that probe is over. Only a probe that fails
//! pauses the account. If the probe succeeds and steps for several objects fail all the same, the
//! account is *half down*: one step at a time, with growing pauses, until one succeeds.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::Reason,
    engine::Key,
    lifecycle::{Failure, FailureKind, Moved, Pause, backoff, reason, to_second},
};

/// The pause between two probes of a healthy account.
const PROBE_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The first and the longest pause.
const PAUSES: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(5), SignedDuration::from_mins(5));
/// The time after a recovery within which new trouble counts as the old.
const RELAPSE: SignedDuration = SignedDuration::from_mins(10);
/// So many objects whose steps fail within [`TOGETHER`], and none that succeeds, mean half down.
const OBJECTS: usize = 3;
/// Failures this close together have one cause.
const TOGETHER: SignedDuration = SignedDuration::from_mins(1);

/// The health of one account.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Health {
    trouble: Option<Trouble>,
    /// The time of its last recovery, and the number of failures until then.
    recovered: Option<(Timestamp, u32)>,
    /// The failed step that the next probe has to judge: whose it was, and its message.
    suspected: Option<(Key, String)>,
    /// The object whose failures are its own: a probe said so.
    acquitted: Option<Key>,
    /// The objects whose steps failed lately, and when.
    failed: Vec<(Key, Timestamp)>,
    half_down: Option<HalfDown>,
    /// True if a step has succeeded since the last trouble.
    succeeded: bool,
    probe_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
struct Trouble {
    pause: Pause,
    count: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct HalfDown {
    message: String,
    count: u32,
    /// The time at which the next step may be tried.
    next: Timestamp,
    /// True if the waiting objects have been woken.
    open: bool,
}

impl Health {
    /// The health of an account that is to be probed at `now`.
    pub(super) fn unknown(now: Timestamp) -> Self {
        Self {
            trouble: None,
            recovered: None,
            suspected: None,
            acquitted: None,
            failed: Vec::new(),
            half_down: None,
            succeeded: false,
            probe_at: now,
        }
    }

    /// Returns when the account's next pass is due.
    pub(super) fn next(&self) -> Timestamp {
        let opens = self.half_down.as_ref().filter(|it| !it.open).map(|it| it.next);
        opens.map_or(self.probe_at, |opens| opens.min(self.probe_at))
    }

    /// Returns whether a probe is due.
    pub(super) fn is_probe_due(&self, now: Timestamp) -> bool {
        self.probe_at <= now
    }

    /// Returns whether the account has no known trouble.
    pub(super) fn is_well(&self) -> bool {
        self.trouble.is_none() && self.suspected.is_none() && self.half_down.is_none()
    }

    /// Returns why the account is left alone, if it is.
    pub(super) fn pause(&self) -> Option<Pause> {
        let half = self.half_down.as_ref().filter(|it| !it.open);
        let half = half.map(|it| Pause { reason: Reason::ProviderUnavailable, message: it.message.clone() });
        self.trouble.as_ref().map(|it| it.pause.clone()).or(half)
    }

    /// Returns why the account is not called until its probe is over, if that is so.
    pub(super) fn busy(&self) -> Option<Pause> {
        let (_, why) = self.suspected.as_ref()?;
        let message = format!("{why}; Credwright is checking whether the provider is down");
        Some(Pause { reason: Reason::ProviderBusy, message })
    }

    /// Returns how many steps may be under way at once, of the `usual` number.
    pub(super) fn at_once(&self, usual: usize) -> usize {
        if self.half_down.is_some() { 1 } else { usual }
    }

    /// Takes note of a probe.
    pub(super) fn probed(&mut self, result: Result<(), &Failure>, now: Timestamp) {
        let suspected = self.suspected.take();
        match result {
            // It was not asked.
            Err(failure) if failure.kind == FailureKind::Busy => self.probe_at = now.later(PAUSES.0),
            Err(failure) => {
                self.acquitted = None;
                self.troubled(failure, now);
            }
            Ok(()) => {
                self.acquitted = suspected.map(|(key, _)| key).or(self.acquitted.take());
                if let Some(trouble) = self.trouble.take() {
                    self.recovered = Some((now, trouble.count));
                }
                self.probe_at = now.later(PROBE_EVERY);
            }
        }
    }

    /// Takes note of a failed step for the object at `key`, if it may be the account's.
    pub(super) fn step_failed(&mut self, key: &Key, failure: &Failure, now: Timestamp) {
        if failure.kind != FailureKind::Unavailable {
            return self.troubled(failure, now);
        }
        if self.trouble.is_none() && self.acquitted.as_ref() != Some(key) {
            self.suspected = Some((key.clone(), failure.message.clone()));
            self.probe_at = now;
        }
        self.failed.retain(|(other, at)| other != key && now.duration_since(*at) < TOGETHER);
        self.failed.push((key.clone(), now));
        if self.half_down.is_some() || self.failed.len() >= OBJECTS {
            self.failed.truncate(OBJECTS);
            let count = self.half_down.as_ref().map_or(1, |it| it.count.saturating_add(1));
            let next = now.later(backoff::doubling(count, PAUSES.0, PAUSES.1));
            let message = format!(
                "{}; calls for several objects failed this way although the login works, so a single one \
                 is tried at {}",
                failure.message,
                to_second(next)
            );
            self.half_down = Some(HalfDown { message, count, next, open: false });
        }
    }

    /// Takes note of a step that the account answered.
    pub(super) fn step_succeeded(&mut self) {
        self.failed.clear();
        self.half_down = None;
        self.succeeded = true;
    }

    /// Lets one step through, if it is time. The change wakes the waiting objects.
    pub(super) fn open(&mut self, now: Timestamp) {
        if let Some(half) = self.half_down.as_mut().filter(|it| it.next <= now) {
            half.open = true;
        }
    }

    /// Pauses the account. A login that works while nothing else does must not make it look well
    /// each time: trouble soon after a recovery is a relapse, and counts on. An account that only
    /// asks to slow down, and answers in between, has none.
    fn troubled(&mut self, failure: &Failure, now: Timestamp) {
        let only_too_fast = failure.kind == FailureKind::RateLimited && self.succeeded;
        let relapse = self.recovered.filter(|(at, _)| now.duration_since(*at) < RELAPSE && !only_too_fast);
        let before = self.trouble.as_ref().map(|trouble| trouble.count).or(relapse.map(|(_, count)| count));
        let count = before.unwrap_or_default().saturating_add(1);
        let by_backoff = now.later(backoff::doubling(count, PAUSES.0, PAUSES.1));
        let asked = failure.retry_after.map(|asked| asked.instant(now));
        self.probe_at = match asked {
            Some(asked) if only_too_fast => asked,
            // The provider's own pause only ever makes it longer.
            asked => asked.map_or(by_backoff, |asked| asked.max(by_backoff)),
        };
        self.succeeded = false;
        let message = format!("{}; Credwright retries at {}", failure.message, to_second(self.probe_at));
        self.trouble = Some(Trouble { pause: Pause { reason: reason(failure.kind), message }, count });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::RetryAfter;

    fn key(name: &str) -> Key {
        Key::new("shop", name)
    }

    fn down() -> Failure {
        let message = "acme answered 500".to_owned();
        Failure::new(FailureKind::Unavailable, message)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn well() -> Health {
        let mut health = Health::unknown(at(0));
        health.probed(Ok(()), at(0));
        health
    }

    #[test]
    fn one_bad_credential_does_not_pause_its_account() {
        let mut health = well();
        for round in 1..100 {
            let now = at(300 * round);
            health.step_failed(&key("bad"), &down(), now);
            let asks = health.busy().is_some();
            assert_eq!(asks, round == 1, "the account is asked once, not at each attempt");
            assert!(health.pause().is_none() && (!asks || health.is_probe_due(now)));
            health.probed(Ok(()), now);
            assert!(health.is_well() && health.next() > now, "the failure is the step's own");
            assert_eq!(health.at_once(4), 4);
        }
    }

    #[test]
    fn a_blip_is_one_failure_however_many_steps_met_it() {
        let mut health = well();
        for object in 0..32 {
            health.step_failed(&key(&object.to_string()), &down(), at(10));
        }
        health.probed(Err(&down()), at(10));
        assert!(health.pause().is_some());
        assert_eq!(health.next(), at(15), "the first pause, not the last");
    }

    #[test]
    fn an_account_whose_login_works_and_nothing_else_is_tried_one_step_at_a_time() {
        let mut health = well();
        for object in ["a", "b", "c"] {
            health.step_failed(&key(object), &down(), at(10));
            health.probed(Ok(()), at(10));
        }
        assert!(health.pause().is_some());
        assert_eq!((health.next(), health.at_once(4)), (at(15), 1));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = health.next();
            health.open(now);
            assert!(health.pause().is_none());
            health.step_failed(&key("a"), &down(), now);
            health.probed(Ok(()), now);
            waits.push(health.next().duration_since(now).as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
        health.open(health.next());
        health.step_succeeded();
        assert!(health.is_well());
        assert_eq!(health.at_once(4), 4);
    }

    #[test]
    fn failures_far_apart_have_no_common_cause() {
        let mut health = well();
        for (object, seconds) in [("a", 0), ("b", 50), ("c", 70), ("a", 75)] {
            health.step_failed(&key(object), &down(), at(seconds));
            health.probed(Ok(()), at(seconds));
            assert!(health.is_well() || object == "a" && seconds == 75, "{object}");
        }
        assert!(!health.is_well(), "three within a minute");
    }

    #[test]
    fn an_account_that_only_asks_to_slow_down_is_paused_for_as_long_as_it_asks() {
        let slow_down = |seconds: Option<i64>| Failure {
            kind: FailureKind::RateLimited,
            retry_after: seconds.map(|it| RetryAfter::Delay(SignedDuration::from_secs(it))),
            message: "acme answered 429".to_owned(),
        };
        let mut health = well();
        for round in 1..20 {
            let now = at(10 * round);
            health.step_succeeded();
            let asked = (round % 2 == 0).then_some(1);
            health.step_failed(&key("a"), &slow_down(asked), now);
            assert_eq!(health.next().duration_since(now).as_secs(), asked.unwrap_or(5), "round {round}");
            health.probed(Ok(()), health.next());
        }
        let mut waits = Vec::new();
        for _ in 0..4 {
            let now = health.next();
            health.step_failed(&key("a"), &slow_down(Some(1)), now);
            waits.push(health.next().duration_since(now).as_secs());
            health.probed(Ok(()), health.next());
        }
        assert_eq!(waits, [10, 20, 40, 80], "nothing but the login works");
    }
}
