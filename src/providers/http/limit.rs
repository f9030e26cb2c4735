//! The limits of an account: so many requests each second, so many at the same time, and no more
//! than it lets pass.

use std::{num::NonZeroU32, time::Duration};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

use super::throttle::Throttle;
use crate::api::Limits;

const REQUESTS_PER_SECOND: NonZeroU32 =
    NonZeroU32::new(Limits::REQUESTS_PER_SECOND).expect("the default is not zero");
const CONCURRENT: usize = Limits::CONCURRENT as usize;

/// The gate for every request to an account.
pub(super) struct Gate {
    slots: Semaphore,
    rate: DefaultDirectRateLimiter,
    throttle: Mutex<Throttle>,
}

impl Gate {
    pub(super) fn new(limits: Option<&Limits>) -> Self {
        let rate = limits.and_then(|limits| limits.requests_per_second).and_then(NonZeroU32::new);
        let rate = rate.unwrap_or(REQUESTS_PER_SECOND);
        let concurrent = limits.and_then(|limits| limits.concurrent).and_then(|count| count.try_into().ok());
        Self {
            slots: Semaphore::new(concurrent.unwrap_or(CONCURRENT).max(1)),
            rate: RateLimiter::direct(Quota::per_second(rate)),
            throttle: Mutex::new(Throttle::new(rate.get())),
        }
    }

    /// Waits for one of the slots, which is taken until the permit is dropped. It comes before
    /// [`Self::turn`], so that a request that waits for it has not used up a part of the rate.
    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.acquire().await.ok()
    }

    /// Waits until a request may be sent.
    pub(super) async fn turn(&self) {
        loop {
            let turn = self.throttle.lock().turn(Instant::now());
            sleep_until(turn).await;
            self.rate.until_ready().await;
            if !self.throttle.lock().is_closed(Instant::now()) {
                return;
            }
        }
    }

    /// Takes note of an answer that is no 429.
    pub(super) fn answered(&self) {
        self.throttle.lock().answered(Instant::now());
    }

    /// Takes note of a 429. A request is worth sending again in its next turn if others are
    /// answered meanwhile: then this returns how many were so far, and takes the number of its last
    /// time as `before`.
    pub(super) fn limited(&self, asked: Option<Duration>, before: Option<u64>) -> Option<u64> {
        self.throttle.lock().limited((asked, before), Instant::now())
    }

    /// Returns how many requests a minute the account is asked at the most, while that is less than
    /// its limits allow.
    pub(super) fn per_minute(&self) -> Option<u32> {
        self.throttle.lock().per_minute()
    }
}
