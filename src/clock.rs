//! The only reader of the clock. Everything else is told the time, so that tests can move it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

/// The longest sleep between two readings of the clock: a machine may have slept, or its clock may
/// have been set.
const NAP: Duration = Duration::from_secs(30);

/// The time, and waiting for it.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Resolves once it is `at` or later.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;

    /// Returns by how much it is ahead of the API server's clock, as far as is known; negative if
    /// it is behind.
    fn skew(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// Compares this clock with the API server's, which showed `served`, or a part of a second
    /// more, between two readings of this one.
    fn compare(&self, sent: Timestamp, served: Timestamp, received: Timestamp) {
        let _ = (sent, served, received);
    }
}

/// Returns by how much a clock is certainly ahead of another one that showed `served`, or a part of
/// a second more, at some moment between `sent` and `received`; negative if it is behind.
#[must_use]
pub fn skew(sent: Timestamp, served: Timestamp, received: Timestamp) -> SignedDuration {
    let ahead = sent.duration_since(served).saturating_sub(SignedDuration::from_secs(1));
    let behind = received.duration_since(served);
    if ahead.is_positive() {
        ahead
    } else if behind.is_negative() {
        behind
    } else {
        SignedDuration::ZERO
    }
}

/// The system's clock. Its clones know of the same comparisons.
#[derive(Clone, Debug, Default)]
pub struct SystemClock {
    /// In milliseconds.
    skew: Arc<AtomicI64>,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn read() -> Timestamp {
    Timestamp::now()
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        read()
    }

    fn skew(&self) -> SignedDuration {
        SignedDuration::from_millis(self.skew.load(Ordering::Relaxed))
    }

    fn compare(&self, sent: Timestamp, served: Timestamp, received: Timestamp) {
        let skew = i64::try_from(skew(sent, served, received).as_millis()).unwrap_or(i64::MAX);
        self.skew.store(skew, Ordering::Relaxed);
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let left = at.duration_since(read());
                let Ok(left) = Duration::try_from(left) else { return };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(NAP)).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_skew_excludes_network_delay_and_rounding() {
        let at = |millis: i64| Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap();
        let rows = [
            ("the same second", 100, 200, 0),
            ("rounding", 900, 950, 0),
            ("a slow answer", -30_000, 40_000, 0),
            ("ahead", 61_000, 61_500, 60_000),
            ("behind", -61_500, -61_000, -61_000),
            ("a year ahead", 31_536_001_000, 31_536_001_100, 31_536_000_000),
        ];
        for (what, sent, received, expected) in rows {
            assert_eq!(skew(at(sent), at(0), at(received)).as_millis(), expected, "{what}");
        }
    }
}
