//! One store: a map whose entries only ever become newer.

use std::{collections::HashMap, hash::Hash};

use parking_lot::Mutex;

/// A map whose entries only ever become newer.
pub struct Store<K, V>(Mutex<HashMap<K, (u64, V)>>);

impl<K, V> Default for Store<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Store<K, V> {
    /// Returns the entry of `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        self.0.lock().get(key).map(|(_, value)| value.clone())
    }

    /// The version of the entry of `key`; 0 if there is none.
    pub fn version(&self, key: &K) -> u64 {
        self.0.lock().get(key).map_or(0, |(version, _)| *version)
    }

    /// Stores `value` unless a version at least as new is there. Returns whether it was news.
    pub fn put(&self, key: K, version: u64, value: V) -> bool {
        let mut entries = self.0.lock();
        let news = entries.get(&key).is_none_or(|(known, _)| *known < version);
        if news {
            entries.insert(key, (version, value));
        }
        news
    }

    /// Removes `key`, unless something newer than `version` is stored: a recreated object is not
    /// removed by the delete event of its predecessor.
    pub fn remove(&self, key: &K, version: u64) -> bool {
        let mut entries = self.0.lock();
        let old = entries.get(key).is_some_and(|(known, _)| *known <= version);
        if old {
            entries.remove(key);
        }
        old
    }

    /// Returns whether `is` is true of any entry.
    pub fn any(&self, is: impl Fn(&K, &V) -> bool) -> bool {
        self.0.lock().iter().any(|(key, (_, value))| is(key, value))
    }

    /// Everything for which `select` gives a value.
    pub fn select<T>(&self, mut select: impl FnMut(&K, &V) -> Option<T>) -> Vec<T> {
        self.0.lock().iter().filter_map(|(key, (_, value))| select(key, value)).collect()
    }
}
