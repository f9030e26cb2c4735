//! The watches: their events go into the stores, stripped, and wake the items that they concern.
//!
//! Secrets are watched by label only, so that memory grows with Credwright's own Secrets only.

mod follow;
mod namespaces;
mod others;
mod pace;
mod scope;
mod secrets;
mod trouble;

use std::{collections::HashSet, sync::Arc};

use futures::FutureExt;
use kube::{Api, Resource, core::NamespaceResourceScope, runtime::watcher};

use crate::{
    api::{ApiCredential, ClusterCredentialProvider, CredentialProvider},
    engine::{
        stores::{Asks, Key, ProviderKey, ProviderObject},
        version,
        wire::Decoded,
    },
};

use self::scope::{Listing, WatchEvent};
pub(super) use self::{
    scope::{Scoped, Watch},
    trouble::Trouble,
};
use super::{
    Operator, RETRY,
    boundary::{Task, contained},
    queue::Item,
};

impl Operator {
    /// The watches that this operator needs.
    pub(super) fn watches(&self) -> Vec<Scoped> {
        let each = |namespace: Option<String>| Watch::OF_A_NAMESPACE.map(|watch| (watch, namespace.clone()));
        let mut watches: Vec<Scoped> = match self.options.namespaces.as_slice() {
            [] => each(None).into(),
            namespaces => namespaces.iter().flat_map(|namespace| each(Some(namespace.clone()))).collect(),
        };
        if self.options.cluster_providers {
            watches.extend([(Watch::ClusterProviders, None), (Watch::Namespaces, None)]);
        }
        watches.push((Watch::Abandoned, Some(self.engine.namespace().to_owned())));
        watches
    }

    pub(super) async fn watch_all(&self) {
        let watches = self.watches().into_iter().map(|watch| self.keep_watching(watch));
        futures::future::join_all(watches).await;
    }

    /// Follows one watch for ever, and restarts it after a panic.
    async fn keep_watching(&self, scoped: Scoped) {
        loop {
            let (watch, namespace) = scoped.clone();
            let followed = match watch {
                Watch::Credentials => self.watch_credentials(namespace).boxed(),
                Watch::Secrets => self.watch_secrets(namespace).boxed(),
                Watch::Providers => self.watch_providers(namespace).boxed(),
                Watch::ClusterProviders => self.watch_cluster_providers().boxed(),
                Watch::Namespaces => self.watch_namespaces().boxed(),
                Watch::Abandoned => self.watch_abandoned(namespace).boxed(),
            };
            if let Err(panicked) = contained(Task::Watch, followed).await {
                tracing::error!(watch = ?scoped, error = %panicked, "watch panicked, restarting");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn api<K>(&self, namespace: Option<&String>) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        let client = self.engine.client().clone();
        match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }

    async fn watch_credentials(&self, namespace: Option<String>) {
        let api: Api<Decoded<ApiCredential>> = self.api(namespace.as_ref());
        let scoped = (Watch::Credentials, namespace);
        let mut listed = Listing::none();
        self.follow(&scoped, api, watcher::Config::default(), |change| match change {
            WatchEvent::Listing => listed.begin(),
            WatchEvent::There(object) => {
                let key = Key::of(&object);
                listed.name(key.clone());
                if self.engine.see_credential(object) {
                    self.queue.wake(Item::Credential(key));
                }
            }
            WatchEvent::Gone(object) => self.forget_credential(&Key::of(&object), version(&object)),
            WatchEvent::Complete => {
                let unlisted = unlisted(&scoped.1, listed.complete());
                for key in self.engine.stores.credentials.select(|key, _| unlisted(key)) {
                    self.forget_credential(&key, u64::MAX);
                }
            }
        })
        .await;
    }

    fn forget_credential(&self, key: &Key, version: u64) {
        self.engine.stores.remove_credential(key, version);
        self.queue.wake(Item::Credential(key.clone()));
    }

    async fn watch_providers(&self, namespace: Option<String>) {
        let api: Api<Decoded<CredentialProvider>> = self.api(namespace.as_ref());
        let scoped = (Watch::Providers, namespace);
        let mut listed = Listing::none();
        self.follow(&scoped, api, watcher::Config::default(), |change| match change {
            WatchEvent::Listing => listed.begin(),
            WatchEvent::There(object) => {
                self.see_provider(ProviderObject::Namespaced(Arc::new(object)), &mut listed)
            }
            WatchEvent::Gone(object) => self.provider_is_gone(&ProviderObject::Namespaced(Arc::new(object))),
            WatchEvent::Complete => {
                let listed = listed.complete();
                let within = |key: &ProviderKey| {
                    !key.namespace.is_empty() && scoped.1.as_ref().is_none_or(|it| *it == key.namespace)
                };
                self.forget_unlisted(|key| within(key) && !listed.contains(key));
            }
        })
        .await;
    }

    async fn watch_cluster_providers(&self) {
        let api: Api<Decoded<ClusterCredentialProvider>> = Api::all(self.engine.client().clone());
        let mut listed = Listing::none();
        self.follow(
            &(Watch::ClusterProviders, None),
            api,
            watcher::Config::default(),
            |change| match change {
                WatchEvent::Listing => listed.begin(),
                WatchEvent::There(object) => {
                    self.see_provider(ProviderObject::Cluster(Arc::new(object)), &mut listed)
                }
                WatchEvent::Gone(object) => self.provider_is_gone(&ProviderObject::Cluster(Arc::new(object))),
                WatchEvent::Complete => {
                    let listed = listed.complete();
                    self.forget_unlisted(|key| key.namespace.is_empty() && !listed.contains(key));
                }
            },
        )
        .await;
    }

    fn see_provider(&self, object: ProviderObject, listed: &mut Listing<ProviderKey>) {
        let key = object.key();
        listed.name(key.clone());
        let before = self.engine.stores.providers.get(&key);
        let same = before.as_ref().is_some_and(|before| before.asks_the_same(&object));
        if self.engine.stores.see_provider(object) && !same {
            let login = before.and_then(|before| before.login(&key));
            login.into_iter().for_each(|login| self.queue.wake(Item::Login(login)));
            self.queue.wake(Item::Provider(key));
        }
    }

    /// Its login belongs to no provider any more, and needs no finalizer.
    fn forget_provider(&self, key: &ProviderKey, version: u64) {
        let login = self.engine.stores.providers.get(key).and_then(|object| object.login(key));
        login.into_iter().for_each(|login| self.queue.wake(Item::Login(login)));
        self.engine.stores.forget_provider(key, version);
        self.queue.wake(Item::Provider(key.clone()));
    }

    fn forget_unlisted(&self, unlisted: impl Fn(&ProviderKey) -> bool) {
        for key in self.engine.stores.providers.select(|key, _| unlisted(key).then(|| key.clone())) {
            self.forget_provider(&key, u64::MAX);
        }
    }

    fn provider_is_gone(&self, object: &ProviderObject) {
        self.forget_provider(&object.key(), object.version());
    }
}

/// Tells the keys of a namespace (or of all) that a complete list did not name.
fn unlisted(namespace: &Option<String>, listed: HashSet<Key>) -> impl Fn(&Key) -> Option<Key> {
    move |key| {
        let within = namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace);
        (within && !listed.contains(key)).then(|| key.clone())
    }
}
