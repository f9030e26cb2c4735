//! The amount of each kind of harm that a hostile tenant does in this test.

use std::time::Duration;

use credwright_harness::hostile::Tenant;
use credwright_simulator::hostile;

use crate::support::Scene;

/// The number of each kind.
const TARPITS: usize = 400;
const SLOW: usize = 40;
const TALKATIVE: usize = 32;
const POISONED: usize = 100;

/// An attack from some namespaces.
pub(crate) struct Attack(Tenant);

impl Attack {
    pub(crate) fn new(scene: &Scene, namespaces: Vec<String>) -> Self {
        Self(Tenant::new(scene.client.clone(), namespaces))
    }

    /// Does it all.
    pub(crate) async fn begin(&self) {
        let slow = hostile::slow(Duration::from_secs(9)).await.unwrap();
        let (tarpit, talkative) = (hostile::tarpit().await.unwrap(), hostile::talkative().await.unwrap());
        self.0.tarpits(&tarpit, 0..TARPITS).await.unwrap();
        self.0.providers(&slow, &talkative, SLOW).await.unwrap();
        self.0.slow(0..SLOW).await.unwrap();
        self.0.talkative(0..TALKATIVE).await.unwrap();
        self.0.poison(0..POISONED).await.unwrap();
    }

    /// Removes all of it, whatever its finalizers say.
    pub(crate) async fn end(&self) {
        self.0.end().await.unwrap();
    }
}
