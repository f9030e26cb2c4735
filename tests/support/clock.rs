//! A clock that stands still until a test moves it.

use std::sync::Arc;

use credwright::clock::Clock;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct TestClock(Arc<watch::Sender<Timestamp>>);

impl TestClock {
    /// Begins at the real time, because the API server's own stamps are real.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Timestamp::now())))
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    /// The clock of a simulated provider, which shows the same time.
    pub(crate) fn of_a_provider(&self) -> credwright_simulator::Clock {
        let clock = self.clone();
        credwright_simulator::Clock::following(move || clock.now())
    }

    /// Never moves back.
    pub(crate) fn move_to(&self, at: Timestamp) {
        self.0.send_if_modified(|now| {
            let later = at > *now;
            *now = at.max(*now);
            later
        });
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.move_to(self.now() + by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut moves = self.0.subscribe();
        Box::pin(async move {
            if moves.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending().await
            }
        })
    }
}
