//! The time that a piece of work spends at its provider.
//!
//! An account is judged by it. A step also reads and writes at the API server; if that time
//! counted, every account would look slow while the API server is slow.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

tokio::task_local! {
    /// The stopwatch of the work that this task does.
    static RUNNING: Arc<Stopwatch>;
}

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
    /// Begins a call.
    pub fn start(&self, now: Instant) {
        let mut laps = self.0.lock();
        laps.first.get_or_insert(now);
        laps.current.get_or_insert(now);
    }

    /// Ends the call that is under way, if there is one.
    pub fn stop(&self, now: Instant) {
        let mut laps = self.0.lock();
        if let Some(since) = laps.current.take() {
            laps.ended += now.duration_since(since);
        }
    }

    /// Returns when the first call began; `None` before it.
    #[must_use]
    pub fn began(&self) -> Option<Instant> {
        self.0.lock().first
    }

    /// Returns whether a call is under way.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.0.lock().current.is_some()
    }

    /// Returns the length of all calls together, up to `now`.
    #[must_use]
    pub fn total(&self, now: Instant) -> Duration {
        let laps = *self.0.lock();
        laps.ended + laps.current.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// Does `work`, and runs during its calls of providers. The work is kept on the heap: a step is
    /// large.
    pub fn during<T>(self: Arc<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        RUNNING.scope(self, Box::pin(work))
    }
}

/// Makes one call of a provider. Without a stopwatch nobody reads its time.
pub(super) async fn timed<T>(call: impl Future<Output = T>) -> T {
    let _lap = RUNNING.try_with(|stopwatch| Lap::begin(stopwatch.clone())).ok();
    call.await
}

/// A call under way; it ends when this is dropped, and so also if the call is given up.
struct Lap(Arc<Stopwatch>);

impl Lap {
    fn begin(stopwatch: Arc<Stopwatch>) -> Self {
        stopwatch.start(Instant::now());
        Self(stopwatch)
    }
}

impl Drop for Lap {
    fn drop(&mut self) {
        self.0.stop(Instant::now());
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
        let stopwatch = Arc::<Stopwatch>::default();
        let mut call = Box::pin(stopwatch.clone().during(timed(std::future::pending::<()>())));
        assert!(call.as_mut().now_or_never().is_none() && stopwatch.runs());
        drop(call);
        assert!(!stopwatch.runs());
    }
}
