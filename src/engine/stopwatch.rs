//! The time that a piece of work spends at its provider.
//!
//! An account is judged by it. A step also reads and writes at the API server; if that time
//! counted, every account would look slow while the API server is slow.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::providers::{
    Capabilities, CreateRequest, Failure, FindRequest, Found, Issued, Issuer, Lister, NotIssued, Provider,
    Revocation, RevokeRequest, Revoker, Verdict, VerifyRequest, needed,
};

/// A stopwatch that runs during calls of a provider.
#[derive(Debug, Default)]
pub struct Stopwatch(Mutex<Laps>);

#[derive(Clone, Copy, Debug, Default)]
struct Laps {
    first: Option<Instant>,
    /// The beginning of the call that is under way.
    current: Option<Instant>,
    /// The length of the calls that have ended.
    ended: Duration,
}

impl Stopwatch {
    fn laps(&self) -> MutexGuard<'_, Laps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call.
    pub fn start(&self, now: Instant) {
        let mut laps = self.laps();
        laps.first.get_or_insert(now);
        laps.current.get_or_insert(now);
    }

    /// Ends the call that is under way, if there is one.
    pub fn stop(&self, now: Instant) {
        let mut laps = self.laps();
        if let Some(since) = laps.current.take() {
            laps.ended += now.duration_since(since);
        }
    }

    /// Returns when the first call began; `None` before it.
    #[must_use]
    pub fn began(&self) -> Option<Instant> {
        self.laps().first
    }

    /// Returns whether a call is under way.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.laps().current.is_some()
    }

    /// Returns the length of all calls together, up to `now`.
    #[must_use]
    pub fn total(&self, now: Instant) -> Duration {
        let laps = *self.laps();
        laps.ended + laps.current.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    async fn time<T>(&self, call: impl Future<Output = T>) -> T {
        let _lap = Lap::begin(self);
        call.await
    }
}

/// A call under way; it ends when this is dropped, and so also if the call is given up.
struct Lap<'a>(&'a Stopwatch);

impl<'a> Lap<'a> {
    fn begin(stopwatch: &'a Stopwatch) -> Self {
        stopwatch.start(Instant::now());
        Self(stopwatch)
    }
}

impl Drop for Lap<'_> {
    fn drop(&mut self) {
        self.0.stop(Instant::now());
    }
}

/// A driver whose calls are timed.
struct Timed {
    driver: Arc<dyn Provider>,
    stopwatch: Arc<Stopwatch>,
}

/// Returns a driver whose calls are timed by `stopwatch`.
pub(super) fn timed(driver: Arc<dyn Provider>, stopwatch: Arc<Stopwatch>) -> Arc<dyn Provider> {
    Arc::new(Timed { driver, stopwatch })
}

#[async_trait]
impl Provider for Timed {
    fn capabilities(&self) -> &Capabilities {
        self.driver.capabilities()
    }

    fn identity(&self) -> Option<&str> {
        self.driver.identity()
    }

    fn fields(&self, scopes: &[String]) -> BTreeMap<String, String> {
        self.driver.fields(scopes)
    }

    fn requests_per_minute(&self) -> Option<u32> {
        self.driver.requests_per_minute()
    }

    fn issuer(&self) -> Option<&dyn Issuer> {
        self.driver.issuer().is_some().then_some(self)
    }

    fn lister(&self) -> Option<&dyn Lister> {
        self.driver.lister().is_some().then_some(self)
    }

    fn revoker(&self) -> Option<&dyn Revoker> {
        self.driver.revoker().is_some().then_some(self)
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.stopwatch.time(self.driver.probe()).await
    }

    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        self.stopwatch.time(self.driver.verify(request)).await
    }

    async fn close(&self) {
        self.stopwatch.time(self.driver.close()).await;
    }
}

#[async_trait]
impl Issuer for Timed {
    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        self.stopwatch.time(needed(self.driver.issuer())?.create(request)).await
    }
}

#[async_trait]
impl Lister for Timed {
    async fn find(&self, request: &FindRequest) -> Result<Vec<Found>, Failure> {
        self.stopwatch.time(needed(self.driver.lister())?.find(request)).await
    }
}

#[async_trait]
impl Revoker for Timed {
    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure> {
        self.stopwatch.time(needed(self.driver.revoker())?.revoke(request)).await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn only_the_time_of_calls_counts() {
        let (stopwatch, start) = (Stopwatch::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!((stopwatch.began(), stopwatch.total(at(9))), (None, Duration::ZERO));
        stopwatch.start(at(10));
        assert_eq!(stopwatch.total(at(12)).as_secs(), 2, "so far");
        stopwatch.stop(at(13));
        assert_eq!((stopwatch.runs(), stopwatch.total(at(60)).as_secs()), (false, 3));
        stopwatch.start(at(60));
        stopwatch.stop(at(61));
        assert_eq!((stopwatch.began(), stopwatch.total(at(99)).as_secs()), (Some(at(10)), 4));
    }

    #[test]
    fn a_call_that_is_given_up_has_ended() {
        let stopwatch = Stopwatch::default();
        let mut call = Box::pin(stopwatch.time(std::future::pending::<()>()));
        assert!(call.as_mut().now_or_never().is_none() && stopwatch.runs());
        drop(call);
        assert!(!stopwatch.runs());
    }
}
