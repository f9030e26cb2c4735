//! How much may be asked of an account: so many requests each second, so many at the same time.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::api::Limits;

const REQUESTS_PER_SECOND: NonZeroU32 =
    NonZeroU32::new(Limits::REQUESTS_PER_SECOND).expect("the default is not zero");
const CONCURRENT: usize = 4;

/// The gate that every request to an account goes through.
pub(super) struct Gate {
    slots: Semaphore,
    rate: DefaultDirectRateLimiter,
}

impl Gate {
    pub(super) fn new(limits: Option<&Limits>) -> Self {
        let rate = limits.and_then(|limits| limits.requests_per_second).and_then(NonZeroU32::new);
        let concurrent = limits.and_then(|limits| limits.concurrent).and_then(|count| count.try_into().ok());
        Self {
            slots: Semaphore::new(concurrent.unwrap_or(CONCURRENT).max(1)),
            rate: RateLimiter::direct(Quota::per_second(rate.unwrap_or(REQUESTS_PER_SECOND))),
        }
    }

    /// Waits for a turn, which lasts until the permit is dropped. The slot comes first, so that what waits for it has
    /// not used up a part of the rate.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        let slot = self.slots.acquire().await.ok();
        self.rate.until_ready().await;
        slot
    }
}
