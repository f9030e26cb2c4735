//! Mints of deleted objects, remembered for an hour. Otherwise deleting and recreating an object,
//! or forcing its ledger away, would reset its mint limit.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, core::ObjectMeta};
use parking_lot::Mutex;

use crate::{api::MINTS_NAME, lifecycle::MINT_WINDOW};

use super::{Engine, EngineError, Key, LedgerEntry, call, put, stores::PastMint};

/// The key in the ConfigMap.
const KEY: &str = "mints";
/// The longest list that is kept. A ConfigMap takes 1 MiB, and each write of it is stored by etcd
/// as a whole.
const LENGTH_MAX: usize = 512 * 1024;
/// The time for which a write waits for more to write: many objects are often deleted at once.
const GATHERED_FOR: Duration = Duration::from_millis(100);
/// The number of attempts at a write that meets conflicts.
const ATTEMPTS: usize = 10;

impl Engine {
    /// Reads the mints of deleted objects from the ConfigMap in Credwright's own namespace.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn recall_mints(&self) -> Result<(), EngineError> {
        let api = self.config_maps();
        let there = call("reading the mints of deleted objects", api.get_opt(MINTS_NAME)).await?;
        let kept = there.map(|it| listed(&it)).unwrap_or_default();
        self.stores.ledgers.set_stored(recent(kept, self.now()));
        Ok(())
    }

    /// Stores the mints within the hour in the ledger of `key`. Its object was deleted, and it is
    /// about to be. That never waits for this to succeed: mints that cannot be stored count in this
    /// process all the same.
    pub(super) async fn keep_mints(&self, key: &Key, entry: &LedgerEntry) {
        let past_mints = recent(PastMint::all(key, entry), self.now());
        if !past_mints.is_empty() {
            self.store_mints(past_mints).await;
        }
    }

    /// Stores the mints of ledgers that were removed in another way, before another mint.
    pub(super) async fn keep_lost(&self) {
        if self.stores.ledgers.take_lost() {
            self.store_mints(Vec::new()).await;
        }
    }

    async fn store_mints(&self, past_mints: Vec<PastMint>) {
        self.gathered_mints
            .write(past_mints, async |past_mints| {
                if let Err(error) = self.write_mints(&past_mints).await {
                    tracing::warn!(%error, "mints of deleted objects not stored, counted in this process only");
                }
            })
            .await;
    }

    async fn write_mints(&self, past_mints: &[PastMint]) -> Result<(), EngineError> {
        let api = self.config_maps();
        let with = |mut all: Vec<PastMint>| {
            all.extend(self.stores.ledgers.past_mints());
            all.extend(past_mints.iter().cloned());
            recent(all, self.now())
        };
        self.stores.ledgers.set_past_mints(with(Vec::new()));
        for _ in 0..ATTEMPTS {
            let there = call("reading the mints of deleted objects", api.get_opt(MINTS_NAME)).await?;
            let all = with(there.as_ref().map(listed).unwrap_or_default());
            let new = || ObjectMeta { name: Some(MINTS_NAME.to_owned()), ..ObjectMeta::default() };
            let map = config_map(there.map_or_else(new, |it| it.metadata), &all);
            match put("storing the mints of deleted objects", &api, &map).await {
                Ok(_) => {
                    self.stores.ledgers.set_stored(all);
                    return Ok(());
                }
                Err(error) if error.is_overtaken() => {}
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::Conflict("the mints of deleted objects"))
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        self.within(&self.settings.namespace)
    }
}

fn listed(map: &ConfigMap) -> Vec<PastMint> {
    let text = map.data.as_ref().and_then(|data| data.get(KEY));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn config_map(metadata: ObjectMeta, all: &[PastMint]) -> ConfigMap {
    let text = serde_json::to_string(all).unwrap_or_default();
    ConfigMap { metadata, data: Some(BTreeMap::from([(KEY.to_owned(), text)])), ..ConfigMap::default() }
}

/// Returns the mints of the last hour, each once, in order of time. If the list is too long, the
/// oldest are left out.
fn recent(mut past_mints: Vec<PastMint>, now: Timestamp) -> Vec<PastMint> {
    past_mints.retain(|it| now.duration_since(it.at) < MINT_WINDOW);
    past_mints.sort_unstable();
    past_mints.dedup();
    let mut room = LENGTH_MAX;
    let fits = |it: &&PastMint| {
        let length = serde_json::to_string(it).map_or(usize::MAX, |text| text.len().saturating_add(1));
        let left = room.checked_sub(length);
        room = left.unwrap_or(0);
        left.is_some()
    };
    let kept = past_mints.iter().rev().take_while(fits).count();
    past_mints.drain(..past_mints.len().saturating_sub(kept));
    past_mints
}

/// Writes for many at once: the task whose turn it is writes all waiting entries.
#[derive(Debug)]
pub(super) struct Gathered<T> {
    /// The number of times that waiting entries were taken, and those that wait now.
    waiting: Mutex<(u64, Vec<T>)>,
    turn: tokio::sync::Mutex<()>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self { waiting: Mutex::new((0, Vec::new())), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> Gathered<T> {
    /// Returns when `items` were written, by this call or by another.
    async fn write(&self, items: Vec<T>, write: impl AsyncFnOnce(Vec<T>)) {
        let before = {
            let mut waiting = self.waiting.lock();
            waiting.1.extend(items);
            waiting.0
        };
        let _turn = self.turn.lock().await;
        if self.waiting.lock().0 > before {
            return;
        }
        tokio::time::sleep(GATHERED_FOR).await;
        let all = {
            let mut waiting = self.waiting.lock();
            waiting.0 += 1;
            std::mem::take(&mut waiting.1)
        };
        write(all).await;
    }
}

#[cfg(test)]
mod tests;
