//! The labels of namespaces, for providers that choose by them who may use them.
//!
//! Only metadata is requested, and only labels are kept: some hundred bytes for each namespace of
//! the cluster. Keeping those of namespaces with ApiCredentials alone would save little, and need
//! another read whenever a first object is created.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, runtime::watcher};

use crate::{api::ProviderKind, engine::wire::Partial};

use super::{Item, Listing, Operator, Watch, WatchEvent};

/// The size up to which the labels of one namespace are kept, in bytes.
const LABELS_MAX: usize = 16 * 1024;

/// The labels that are kept: all, or none if there are more than any namespace needs. Such a
/// namespace is then admitted by name only.
fn kept(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let bytes: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > LABELS_MAX { BTreeMap::new() } else { labels.clone() }
}

impl Operator {
    pub(super) async fn watch_namespaces(&self) {
        let api: Api<Partial<Namespace>> = Api::all(self.engine.client().clone());
        let mut listed = Listing::none();
        self.follow(&(Watch::Namespaces, None), api, watcher::Config::default(), |change| match change {
            WatchEvent::Listing => listed.begin(),
            WatchEvent::There(namespace) => {
                listed.name(namespace.name_any());
                self.see_namespace(&namespace);
            }
            WatchEvent::Gone(namespace) => self.forget_namespace(&namespace.name_any()),
            WatchEvent::Complete => {
                let listed = listed.complete();
                let unlisted = |name: &String| (!listed.contains(name)).then(|| name.clone());
                for name in self.engine.stores.namespaces.select(|name, _| unlisted(name)) {
                    self.forget_namespace(&name);
                }
            }
        })
        .await;
    }

    fn see_namespace(&self, namespace: &Partial<Namespace>) {
        let name = namespace.name_any();
        let namespaces = &self.engine.stores.namespaces;
        let before = namespaces.get(&name);
        let labels = Arc::new(kept(namespace.labels()));
        let changed = before.as_ref() != Some(&labels);
        if namespaces.put(name.clone(), crate::engine::version(namespace), labels) && changed {
            self.wake_sharers(&name);
        }
    }

    fn forget_namespace(&self, name: &str) {
        self.engine.stores.namespaces.remove(&name.to_owned(), u64::MAX);
        self.wake_sharers(name);
    }

    /// The credentials in a namespace whose provider chooses by label who may use it.
    fn wake_sharers(&self, namespace: &str) {
        let sharers = self.engine.stores.credentials.select(|key, object| {
            let shared = object.spec.provider_ref.kind == ProviderKind::ClusterCredentialProvider;
            (shared && key.namespace == namespace).then(|| key.clone())
        });
        for key in sharers {
            self.queue.wake(Item::Credential(key));
        }
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
