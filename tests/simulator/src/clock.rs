//! The provider's own idea of what time it is.
//!
//! Expiry, token lifetimes, propagation and listing lag follow this clock. How long an answer takes
//! on the wire does not: that is real time (`Fault::Slow`) or until a test says so (`Gate`).

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::lock;

/// A clock that tests may move. Clones are the same clock.
#[derive(Clone)]
pub struct Clock {
    base: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    offset: Arc<Mutex<SignedDuration>>,
}

impl Clock {
    /// Runs with the machine's clock.
    pub fn real() -> Self {
        Self::following(Timestamp::now)
    }

    /// Stands still until moved.
    pub fn manual(start: Timestamp) -> Self {
        Self::following(move || start)
    }

    /// Follows another clock, such as the one a test injects into the operator.
    pub fn following(base: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { base: Arc::new(base), offset: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        (self.base)() + *lock(&self.offset)
    }

    pub fn advance(&self, by: Duration) {
        let mut offset = lock(&self.offset);
        *offset = offset.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX));
    }

    /// Moves to an instant, backwards too: a provider's clock may be wrong and then be put right.
    pub fn set(&self, to: Timestamp) {
        *lock(&self.offset) = to.duration_since((self.base)());
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
