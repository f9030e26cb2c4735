//! What was minted for objects that are gone. It counts for an hour, or whoever deletes an object and makes it again could have
//! credentials minted without end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    core::{ObjectMeta, Status},
};

use crate::{api::MINTS_NAME, lifecycle::ledger::MINT_WINDOW};

use super::{
    Engine, EngineError,
    kubernetes::{call, post},
    stores::{Departed, Key, LedgerEntry},
};

/// The key in the ConfigMap.
const KEY: &str = "mints";
/// How many are kept at the most: the newest. A ConfigMap has room for a few thousand.
const KEPT: usize = 4000;
/// How often a write is tried that others get in the way of.
const ATTEMPTS: usize = 10;

impl Engine {
    /// Learns what was minted for objects that have gone, from the ConfigMap in Credwright's own namespace.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn recall_departed(&self) -> Result<(), EngineError> {
        let api = self.config_maps();
        let there = call("reading what was minted before", api.get_opt(MINTS_NAME)).await?;
        let kept = there.map(|it| listed(&it)).unwrap_or_default();
        self.stores.ledgers.set_departed(recent(kept, self.now()));
        Ok(())
    }

    /// Keeps what the ledger of `key` says was minted within the hour. Its object is gone, and it is about to go.
    pub(super) async fn depart(&self, key: &Key, entry: &LedgerEntry) -> Result<(), EngineError> {
        let departed = recent(Departed::all(key, entry), self.now());
        if departed.is_empty() {
            return Ok(());
        }
        let _one_at_a_time = self.departing.lock().await;
        let api = self.config_maps();
        for _ in 0..ATTEMPTS {
            let there = call("reading what was minted before", api.get_opt(MINTS_NAME)).await?;
            let mut all = there.as_ref().map(listed).unwrap_or_default();
            all.extend(self.stores.ledgers.departed());
            all.extend(departed.iter().cloned());
            let all = recent(all, self.now());
            let written = match there {
                Some(there) => {
                    let map = config_map(there.metadata, &all);
                    call("keeping what was minted", api.replace(MINTS_NAME, &post(), &map)).await
                }
                None => {
                    let metadata = ObjectMeta { name: Some(MINTS_NAME.to_owned()), ..ObjectMeta::default() };
                    call("keeping what was minted", api.create(&post(), &config_map(metadata, &all))).await
                }
            };
            match written {
                Ok(_) => {
                    self.stores.ledgers.set_departed(all);
                    return Ok(());
                }
                Err(error)
                    if error.is_already_exists() || error.status().is_some_and(Status::is_conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::Conflict("what was minted"))
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.settings.namespace)
    }
}

fn listed(map: &ConfigMap) -> Vec<Departed> {
    let text = map.data.as_ref().and_then(|data| data.get(KEY));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn config_map(metadata: ObjectMeta, all: &[Departed]) -> ConfigMap {
    let text = serde_json::to_string(all).unwrap_or_default();
    ConfigMap { metadata, data: Some(BTreeMap::from([(KEY.to_owned(), text)])), ..ConfigMap::default() }
}

/// Those of the last hour, each once, in order of time.
fn recent(mut departed: Vec<Departed>, now: Timestamp) -> Vec<Departed> {
    departed.retain(|it| now.duration_since(it.at) < MINT_WINDOW);
    departed.sort_unstable();
    departed.dedup();
    departed.drain(..departed.len().saturating_sub(KEPT));
    departed
}
