//! The bucket of calls that every key has, as far as its answers tell.

use std::time::Duration;

use jiff::SignedDuration;
use moka::future::Cache;
use reqwest::StatusCode;
use tokio::time::Instant;

use crate::providers::{Failure, FailureKind, RetryAfter, http::Answer};

/// The time after which one call comes back by default, for answers that do not say.
const REPLENISH_TIME: Duration = Duration::from_secs(15);
/// An odd header must not pause the calls for longer.
const LONGEST: Duration = Duration::from_mins(10);
/// Keys that are being verified at one time, and far more.
const KEYS_MAX: u64 = 1024;

/// Keys that have no call left, and until when.
pub(super) struct Paces {
    empty_until: Cache<String, Instant>,
}

impl Default for Paces {
    fn default() -> Self {
        let empty_until = Cache::builder().max_capacity(KEYS_MAX).time_to_live(LONGEST).build();
        Self { empty_until }
    }
}

impl Paces {
    /// Fails without a call while a key has none left: the workload that uses it needs the next
    /// one.
    pub(super) async fn check(&self, client_id: &str) -> Result<(), Failure> {
        let Some(until) = self.empty_until.get(client_id).await else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let message = "CloudConnexa allows no more calls with this credential for now; none was made";
        Err(Failure {
            kind: FailureKind::RateLimited,
            retry_after: Some(delay(left)),
            message: message.into(),
        })
    }

    /// Reads the state of its key from an answer, and how long to pause if it is empty.
    pub(super) async fn note(&self, client_id: &str, answer: &Answer) -> Option<RetryAfter> {
        let number = |name: &str| answer.header(name)?.trim().parse::<u32>().ok();
        let is_empty = answer.status == StatusCode::TOO_MANY_REQUESTS
            || number("x-ratelimit-remaining").is_some_and(|left| left == 0);
        if !is_empty {
            return None;
        }
        let wait = wait(number("x-ratelimit-replenish-rate"), number("x-ratelimit-replenish-time"));
        self.empty_until.insert(client_id.to_owned(), Instant::now() + wait).await;
        Some(delay(wait))
    }
}

/// Returns the time after which one call comes back, in whole seconds: so many calls come in so
/// many seconds.
fn wait(rate: Option<u32>, seconds: Option<u32>) -> Duration {
    let (Some(rate), Some(seconds)) = (rate.filter(|rate| *rate > 0), seconds) else {
        return REPLENISH_TIME;
    };
    Duration::from_secs(seconds.div_ceil(rate).max(1).into()).min(LONGEST)
}

fn delay(wait: Duration) -> RetryAfter {
    RetryAfter::Delay(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_comes_back_at_the_rate_that_the_headers_state() {
        for (rate, seconds, expected) in [
            (Some(1), Some(15), 15),
            (Some(10), Some(15), 2),
            (Some(1000), Some(1), 1),
            (Some(1), Some(0), 1),
            (Some(0), Some(15), 15),
            (None, Some(7), 15),
            (Some(1), None, 15),
            (Some(1), Some(u32::MAX), 600),
        ] {
            assert_eq!(wait(rate, seconds), Duration::from_secs(expected), "{rate:?} in {seconds:?} s");
        }
    }
}
