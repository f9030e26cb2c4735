//! The objects whose spec cannot be read: nothing is done by them, and they are named.

use std::{collections::BTreeMap, sync::Arc};

use kube::Resource;
use parking_lot::Mutex;

use super::keys::Key;
use crate::engine::{Decoded, wire::Own};

/// Kind, and namespace and name.
type At = (String, Key);

/// The causes for which the specs of objects cannot be read.
#[derive(Default)]
pub struct Unreadable(Mutex<BTreeMap<At, Arc<str>>>);

impl Unreadable {
    /// Notes whether an object can be read. It is logged once, and again when the cause changes.
    pub fn note<K: Own>(&self, decoded: &Decoded<K>) {
        let (kind, key) = (K::kind(&()).into_owned(), Key::of(decoded));
        let Some(why) = &decoded.unreadable else { return self.forget::<K>(&key) };
        let Key { namespace, name } = key.clone();
        let before = self.0.lock().insert((kind.clone(), key), why.as_str().into());
        if before.as_deref() != Some(why) {
            tracing::warn!(kind, %namespace, %name, why, "spec of an object not readable, skipping it");
        }
    }

    /// Drops a deleted object.
    pub fn forget<K: Resource<DynamicType = ()>>(&self, key: &Key) {
        let mut all = self.0.lock();
        // Mostly there are none, and then nothing is copied to look for one.
        if !all.is_empty() {
            all.remove(&(K::kind(&()).into_owned(), key.clone()));
        }
    }

    /// Returns why the spec of an object cannot be read, if it cannot.
    #[must_use]
    pub fn why<K: Resource<DynamicType = ()>>(&self, key: &Key) -> Option<Arc<str>> {
        let all = self.0.lock();
        if all.is_empty() {
            return None;
        }
        all.get(&(K::kind(&()).into_owned(), key.clone())).cloned()
    }

    /// Returns how many there are of each kind.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for (kind, _) in self.0.lock().keys() {
            *counts.entry(kind.clone()).or_default() += 1;
        }
        counts
    }
}
