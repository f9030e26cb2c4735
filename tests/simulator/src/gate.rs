//! Holds requests still at a point a test has chosen, so that no test sleeps and hopes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Nothing on the loopback interface takes this long: a wait that does is a failed test, not a slow
/// one.
const PATIENCE: Duration = Duration::from_secs(30);

/// A closed gate. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<watch::Sender<usize>>,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    pub fn closed() -> Self {
        Self { arrived: Arc::new(watch::Sender::new(0)), open: Arc::new(watch::Sender::new(false)) }
    }

    /// Waits until a request stands at the gate, or has gone through it.
    ///
    /// # Panics
    ///
    /// After thirty seconds of real time.
    pub async fn wait_arrived(&self) {
        self.wait_arrived_count(1).await;
    }

    /// The same for `count` requests, with the same deadline.
    pub async fn wait_arrived_count(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= count))
            .await
            .expect("a request arrives at the gate in time")
            .expect("the gate outlives the wait");
    }

    /// Opens the gate for good: to those that wait and those still to come.
    pub fn release(&self) {
        self.open.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        // The sender lives in `self`, so the wait cannot end early.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
