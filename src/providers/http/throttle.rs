//! The rate of requests to an account that has answered 429 (RFC 6585, section 4).
//!
//! Providers rarely document their rate, so it is found by multiplicative decrease and additive
//! increase. The number of answers of the account within the last second is a good guess at its
//! rate.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
/// The rate stays for so long after a decrease: one that grows at once meets the next 429 at once.
const STEADY: Duration = Duration::from_secs(10);
/// The rate grows from nothing to the ceiling within so many seconds.
const GROWTH: f64 = 100.0;
/// The slowest rate, in requests a second: the lowest that limits can name. An account that lets
/// fewer pass is paused as a whole.
const SLOWEST: f64 = 1.0;

/// The rate of requests to an account.
pub(super) struct Throttle {
    /// The rate that the limits allow, in requests a second.
    ceiling: f64,
    slowed: Option<Slowed>,
    /// The times at which requests of the last second were answered with anything but 429.
    answered: VecDeque<Instant>,
    /// The number of requests that ever were.
    answers: u64,
}

/// A rate below the ceiling.
struct Slowed {
    /// Requests a second.
    rate: f64,
    /// The next free turn.
    next: Instant,
    /// The end of the pause that the provider asked for.
    closed_until: Instant,
    /// The time at which the rate was last lowered.
    lowered: Instant,
}

impl Slowed {
    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }
}

impl Throttle {
    /// An open throttle; it never passes more than `ceiling` requests a second.
    pub(super) fn new(ceiling: u32) -> Self {
        Self { ceiling: ceiling.into(), slowed: None, answered: VecDeque::new(), answers: 0 }
    }

    /// Returns the rate in requests a minute while it is below the ceiling.
    pub(super) fn per_minute(&self) -> Option<u32> {
        self.slowed
            .as_ref()
            .map(|it| u32::try_from(Duration::from_secs_f64(it.rate * 60.0).as_secs()).unwrap_or(u32::MAX))
    }

    /// Takes the next turn, and returns when it is.
    pub(super) fn turn(&mut self, now: Instant) -> Instant {
        let Some(slowed) = &mut self.slowed else { return now };
        let turn = slowed.next.max(slowed.closed_until).max(now);
        slowed.next = turn + slowed.interval();
        turn
    }

    /// Returns whether the provider has asked for a pause that is not over. Turns taken before it
    /// do not count.
    pub(super) fn is_closed(&self, now: Instant) -> bool {
        self.slowed.as_ref().is_some_and(|it| it.closed_until > now)
    }

    fn answers_since(&self, before: Option<u64>) -> Option<u64> {
        let some = before.map_or(!self.answered.is_empty(), |before| self.answers > before);
        some.then_some(self.answers)
    }

    /// Takes note of an answer that is no 429.
    pub(super) fn answered(&mut self, now: Instant) {
        self.forget(now);
        self.answered.push_back(now);
        self.answers += 1;
        let Some(slowed) = &mut self.slowed else { return };
        if now.duration_since(slowed.lowered) < STEADY {
            return;
        }
        // As much for each answer as makes the same for each second, but never more than double.
        slowed.rate += (self.ceiling / GROWTH / slowed.rate).min(slowed.rate);
        if slowed.rate >= self.ceiling {
            self.slowed = None;
        }
    }

    /// Takes note of a 429 that `asked` for a pause. The rate is too high only if other requests
    /// are answered: within the last second, or since so many were as `before` says. Returns how
    /// many were by now, or `None` if the account answers nothing, and slowing down cannot help.
    pub(super) fn limited(
        &mut self,
        (asked, before): (Option<Duration>, Option<u64>),
        now: Instant,
    ) -> Option<u64> {
        self.forget(now);
        let answers = self.answers_since(before)?;
        let guess = 0.95 * f64::from(u32::try_from(self.answered.len()).unwrap_or(u32::MAX));
        let (ceiling, lowered) =
            (self.ceiling, |rate: f64| (rate / 2.0).max(guess.min(rate * 0.9)).max(SLOWEST));
        let slowed = self.slowed.get_or_insert(Slowed {
            rate: lowered(ceiling),
            next: now,
            closed_until: now,
            lowered: now,
        });
        // Requests that were already sent when the rate was lowered get the same answer.
        if now.duration_since(slowed.lowered) >= SECOND {
            (slowed.rate, slowed.lowered) = (lowered(slowed.rate), now);
        }
        // Most providers count by the second.
        slowed.closed_until = slowed.closed_until.max(now + asked.unwrap_or(slowed.interval().max(SECOND)));
        Some(answers)
    }

    fn forget(&mut self, now: Instant) {
        while self.answered.front().is_some_and(|at| now.duration_since(*at) > SECOND) {
            self.answered.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A provider that lets `rate` requests pass in each second of its own clock.
    struct Provider {
        rate: usize,
        passed: VecDeque<Instant>,
    }

    impl Provider {
        fn lets_pass(&mut self, now: Instant) -> bool {
            self.passed.retain(|at| now.duration_since(*at) < SECOND);
            let passes = self.passed.len() < self.rate;
            if passes {
                self.passed.push_back(now);
            }
            passes
        }
    }

    /// Sends `count` requests as fast as the throttle allows, and each again that meets a 429.
    /// Returns how many met one, and how long it took.
    fn send(
        count: usize,
        throttle: &mut Throttle,
        provider: &mut Provider,
        asked: Option<Duration>,
    ) -> (usize, Duration) {
        let began = Instant::now();
        let (mut now, mut limited, mut passed) = (began, 0, 0);
        // No more than the limits allow.
        let mut earliest = began;
        while passed < count {
            now = throttle.turn(now).max(earliest);
            if throttle.is_closed(now) {
                continue;
            }
            earliest = now + Duration::from_millis(if passed < 5 { 0 } else { 200 });
            if provider.lets_pass(now) {
                passed += 1;
                throttle.answered(now);
            } else {
                limited += 1;
                throttle.limited((asked, None), now);
            }
        }
        (limited, now - began)
    }

    #[test]
    fn the_rate_that_a_provider_accepts_is_found() {
        for asked in [None, Some(SECOND)] {
            let mut throttle = Throttle::new(5);
            let mut provider = Provider { rate: 3, passed: VecDeque::new() };
            let (limited, took) = send(31, &mut throttle, &mut provider, asked);
            assert!(limited <= 3 && took <= Duration::from_secs(12), "{asked:?}: {limited} in {took:?}");
            let per_minute = throttle.per_minute().unwrap();
            assert!((150..=180).contains(&per_minute), "{per_minute}");
            provider.rate = 100;
            let (limited, _) = send(300, &mut throttle, &mut provider, asked);
            assert_eq!((limited, throttle.per_minute()), (0, None), "it lets everything pass again");
        }
    }

    #[test]
    fn a_burst_of_refusals_lowers_the_rate_once() {
        let (mut throttle, now) = (Throttle::new(16), Instant::now());
        throttle.answered(now);
        for _ in 0..4 {
            throttle.limited((None, None), now);
        }
        assert_eq!(throttle.per_minute(), Some(480), "half of it");
        throttle.limited((None, None), now + SECOND);
        assert_eq!(throttle.per_minute(), Some(240));
        for seconds in 2..100 {
            throttle.answered(now + seconds * SECOND);
            throttle.limited((None, None), now + seconds * SECOND);
        }
        assert_eq!(throttle.per_minute(), Some(60), "never to nothing");
    }

    #[test]
    fn an_account_that_answers_nothing_is_not_slowed_down_but_left_to_its_pause() {
        let (mut throttle, now) = (Throttle::new(5), Instant::now());
        assert_eq!(throttle.limited((None, None), now), None);
        assert_eq!((throttle.per_minute(), throttle.turn(now)), (None, now));
        throttle.answered(now);
        let answers = throttle.limited((None, None), now);
        assert_eq!(answers, Some(1), "worth another turn");
        assert_eq!(throttle.limited((None, answers), now + SECOND), None, "nothing was answered since");
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_by_those_that_had_a_turn_before() {
        let (mut throttle, now) = (Throttle::new(10), Instant::now());
        throttle.answered(now);
        throttle.limited((None, None), now);
        let turn = throttle.turn(now);
        throttle.limited((Some(5 * SECOND), None), now);
        assert!(throttle.is_closed(turn), "whoever had it has to take another");
        assert_eq!(throttle.turn(turn), now + 5 * SECOND);
        assert!(!throttle.is_closed(now + 5 * SECOND));
    }
}
