//! A clock that stands still until a test moves it.

use std::sync::Arc;

use credwright::clock::Clock;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct TestClock {
    right: Arc<watch::Sender<Timestamp>>,
    /// The error of this clock.
    off_by: SignedDuration,
    /// `true` if the difference is known.
    compared: bool,
}

impl TestClock {
    /// Begins at the real time, because the API server's own stamps are real.
    pub(crate) fn new() -> Self {
        let right = Arc::new(watch::Sender::new(Timestamp::now()));
        Self { right, off_by: SignedDuration::ZERO, compared: false }
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.right.borrow() + self.off_by
    }

    /// A clock that goes like this one, and is wrong by so much, as the API server shows.
    pub(crate) fn wrong_by(&self, off_by: SignedDuration) -> Self {
        Self { off_by, compared: true, ..self.clone() }
    }

    /// The same where nobody knows.
    pub(crate) fn secretly_wrong_by(&self, off_by: SignedDuration) -> Self {
        Self { off_by, ..self.clone() }
    }

    /// The clock of a simulated provider, which shows the same time.
    pub(crate) fn of_a_provider(&self) -> credwright_simulator::Clock {
        let clock = self.clone();
        credwright_simulator::Clock::following(move || clock.now())
    }

    /// Never moves back.
    pub(crate) fn move_to(&self, at: Timestamp) {
        let at = at - self.off_by;
        self.right.send_if_modified(|now| {
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

    fn skew(&self) -> SignedDuration {
        if self.compared { self.off_by } else { SignedDuration::ZERO }
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut moves = self.right.subscribe();
        let at = at.checked_sub(self.off_by).unwrap_or(Timestamp::MAX);
        Box::pin(async move {
            if moves.wait_for(|now| *now >= at).await.is_err() {
                std::future::pending().await
            }
        })
    }
}
