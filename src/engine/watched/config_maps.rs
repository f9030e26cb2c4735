//! The watch of ConfigMaps with the certificates that providers trust, each known by its label.
//!
//! Only metadata is requested, and nothing is kept but the version.

use super::{Concern, Watched};
use crate::engine::{ConfigMap, Engine, Key, Partial, version};

impl Watched for Partial<ConfigMap> {
    fn see(self, engine: &Engine) -> Vec<Concern> {
        let key = Key::of(&self);
        let news = engine.stores.ca_bundles.put(key.clone(), version(&self), ());
        if news { trusting(engine, &key) } else { Vec::new() }
    }

    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern> {
        let removed = engine.stores.ca_bundles.remove(key, version);
        if removed { trusting(engine, key) } else { Vec::new() }
    }

    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key> {
        engine.stores.ca_bundles.select(|key, ()| is(key).then(|| key.clone()))
    }
}

/// The providers that trust the certificates in a ConfigMap.
fn trusting(engine: &Engine, key: &Key) -> Vec<Concern> {
    engine.stores.that_refer_to(key, false).into_iter().map(Concern::Provider).collect()
}
