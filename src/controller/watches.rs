//! The watches: their events wake the items that they concern. The engine knows which, and stores
//! what it needs of each object (`engine/watched.rs`).
//!
//! Secrets and ConfigMaps are watched by label only, so that memory grows with those that are for
//! Credwright only.

mod follow;
mod pace;
mod scope;
mod trouble;

use std::fmt::Debug;

use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Resource, core::NamespaceResourceScope, runtime::watcher};
use serde::de::DeserializeOwned;

use crate::{
    api::{
        AbandonedCredential, ApiCredential, ClusterCredentialProvider, CredentialProvider, ROLE_CA_BUNDLE,
        ROLE_LABEL,
    },
    engine::{
        ConfigMap, Decoded, Key, Partial, Secret,
        watched::{Concern, Watched},
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

impl From<Concern> for Item {
    fn from(concern: Concern) -> Self {
        match concern {
            Concern::Credential(key) => Self::Credential(key),
            Concern::Provider(key) => Self::Provider(key),
            Concern::Login(key) => Self::Login(key),
            Concern::Abandoned(key) => Self::Abandoned(key),
        }
    }
}

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
            let (watch, client) = (&scoped, self.engine.client().clone());
            let all = watcher::Config::default();
            let followed = match watch.0 {
                Watch::Credentials => {
                    self.watch::<Decoded<ApiCredential>>(watch, self.within(watch), all).boxed()
                }
                Watch::Secrets => {
                    self.watch::<Secret>(watch, self.within(watch), all.labels(ROLE_LABEL)).boxed()
                }
                Watch::CaBundles => {
                    let labelled = all.labels(&format!("{ROLE_LABEL}={ROLE_CA_BUNDLE}"));
                    self.watch::<Partial<ConfigMap>>(watch, self.within(watch), labelled).boxed()
                }
                Watch::Providers => {
                    self.watch::<Decoded<CredentialProvider>>(watch, self.within(watch), all).boxed()
                }
                Watch::ClusterProviders => {
                    self.watch::<Decoded<ClusterCredentialProvider>>(watch, Api::all(client), all).boxed()
                }
                Watch::Namespaces => self.watch::<Partial<Namespace>>(watch, Api::all(client), all).boxed(),
                Watch::Abandoned => {
                    self.watch::<Decoded<AbandonedCredential>>(watch, self.within(watch), all).boxed()
                }
            };
            if let Err(panicked) = contained(Task::Watch, followed).await {
                tracing::error!(watch = ?scoped, error = %panicked, "watch panicked, restarting");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn within<K>(&self, (_, namespace): &Scoped) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        let client = self.engine.client().clone();
        match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }

    /// Follows one watch for ever: its events go into the stores, and wake the items that they
    /// concern.
    async fn watch<K>(&self, scoped: &Scoped, api: Api<K>, config: watcher::Config)
    where
        K: Watched + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let (mut listed, engine) = (Listing::none(), &self.engine);
        self.follow(scoped, api, config, |event| {
            let concerned = match event {
                WatchEvent::Listing => {
                    listed.begin();
                    Vec::new()
                }
                WatchEvent::There(object) => {
                    listed.name(Key::of(&object));
                    object.see(engine)
                }
                WatchEvent::Gone(object) => object.see_deleted(engine),
                WatchEvent::Complete => {
                    let listed = listed.complete();
                    let within = |key: &Key| scoped.1.as_ref().is_none_or(|it| **it == *key.namespace);
                    let unlisted = K::stored(engine, |key| within(key) && !listed.contains(key));
                    unlisted.iter().flat_map(|key| K::forget(engine, key, u64::MAX)).collect()
                }
            };
            concerned.into_iter().for_each(|concern| self.queue.wake(concern.into()));
        })
        .await;
    }
}
