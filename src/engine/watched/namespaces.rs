//! The watch of namespaces: their labels, for providers that choose by them who may use them.
//!
//! Only metadata is requested, and only labels are kept: some hundred bytes for each namespace of
//! the cluster. Keeping those of namespaces with ApiCredentials alone would save little, and need
//! another read whenever a first object is created.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use super::{Concern, Watched};
use crate::{
    api::ProviderKind,
    engine::{Engine, Key, Partial, version},
};

/// The size up to which the labels of one namespace are kept, in bytes.
const LABELS_MAX: usize = 16 * 1024;

/// The labels that are kept: all, or none if there are more than any namespace needs. Such a
/// namespace is then admitted by name only.
fn kept(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let bytes: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > LABELS_MAX { BTreeMap::new() } else { labels.clone() }
}

impl Watched for Partial<Namespace> {
    fn see(self, engine: &Engine) -> Vec<Concern> {
        let name = Arc::<str>::from(self.name_any());
        let namespaces = &engine.stores.namespaces;
        let before = namespaces.get(&name);
        let labels = Arc::new(kept(self.labels()));
        let changed = before.as_ref() != Some(&labels);
        let news = namespaces.put(name.clone(), version(&self), labels) && changed;
        if news { engine.sharers_in(&name) } else { Vec::new() }
    }

    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern> {
        engine.stores.namespaces.remove(&key.name, version);
        engine.sharers_in(&key.name)
    }

    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key> {
        engine.stores.namespaces.select(|name, _| Some(Key::new("", name)).filter(|key| is(key)))
    }
}

impl Engine {
    /// The credentials in a namespace whose provider chooses by label who may use it.
    fn sharers_in(&self, namespace: &str) -> Vec<Concern> {
        self.stores.credentials.select(|key, object| {
            let shared = object.spec.provider_ref.kind == ProviderKind::ClusterCredentialProvider;
            (shared && *key.namespace == *namespace).then(|| Concern::Credential(key.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_a_namespace_are_kept_up_to_a_bound() {
        let labels = |count: usize| (0..count).map(|it| (format!("label-{it}"), "x".repeat(63))).collect();
        let (usual, too_many): (BTreeMap<_, _>, BTreeMap<_, _>) = (labels(100), labels(1000));
        assert_eq!(kept(&usual), usual);
        assert!(kept(&too_many).is_empty());
    }
}
