//! The labels of namespaces, for providers that choose by them who may use them.
//!
//! Only metadata is asked for, and only labels are kept: some hundred bytes for each namespace of the cluster. Keeping those
//! of namespaces with ApiCredentials alone would save little, and need a second look whenever a first one is made.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, core::PartialObjectMeta, runtime::watcher};

use crate::api::ProviderKind;

use super::{Change, Item, Listing, Operator, Watch};

impl Operator {
    pub(super) async fn watch_namespaces(&self) {
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.engine.client().clone());
        let mut listed = Listing::none();
        self.follow(&(Watch::Namespaces, None), api, watcher::Config::default(), |change| match change {
            Change::Listing => listed.begin(),
            Change::There(namespace) => {
                listed.name(namespace.name_any());
                self.see_namespace(&namespace);
            }
            Change::Gone(namespace) => self.forget_namespace(&namespace.name_any()),
            Change::Complete => {
                let listed = listed.complete();
                let unlisted = |name: &String| (!listed.contains(name)).then(|| name.clone());
                for name in self.engine.stores.namespaces.select(|name, _| unlisted(name)) {
                    self.forget_namespace(&name);
                }
            }
        })
        .await;
    }

    fn see_namespace(&self, namespace: &PartialObjectMeta<Namespace>) {
        let name = namespace.name_any();
        let namespaces = &self.engine.stores.namespaces;
        let before = namespaces.get(&name);
        let labels = Arc::new(namespace.labels().clone());
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
