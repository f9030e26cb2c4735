//! The watches: what the API server says goes into the stores, stripped, and wakes whom it concerns.
//!
//! Secrets are watched by label only, so that memory grows with Credwright's own, whatever else the cluster holds.

mod namespaces;
mod others;

use std::{collections::HashSet, fmt::Debug, hash::Hash, sync::Arc};

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource, ResourceExt,
    core::{NamespaceResourceScope, ObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use crate::{
    api::{
        ApiCredential, COPY_SUFFIX, ClusterCredentialProvider, CredentialProvider, LEDGER_SUFFIX,
        ROLE_INTAKE, ROLE_LABEL, ROLE_LEDGER, ROLE_LOGIN, ROLE_TARGET,
    },
    engine::intake::intake_entry,
    engine::stores::{Key, ProviderKey, ProviderObject, copy_entry, ledger_entry, login_entry, target_entry},
    engine::version,
};

use super::{Operator, health::Trouble, queue::Item};

/// Which of the watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Watch {
    Credentials,
    Secrets,
    Providers,
    ClusterProviders,
    Namespaces,
    Abandoned,
}

impl Watch {
    /// Those that tell what is in a namespace where credentials are.
    pub(super) const OF_A_NAMESPACE: [Self; 3] = [Self::Credentials, Self::Secrets, Self::Providers];
}

/// A watch over one namespace, or over all of them.
pub(super) type Scoped = (Watch, Option<String>);

/// What a watch tells.
enum Change<K> {
    /// A list begins; one that was cut short does not count.
    Listing,
    There(K),
    Gone(K),
    /// A complete list has been told; nothing else exists.
    Complete,
}

/// The keys that a list has named so far. What comes after the list is not kept: it would stay in memory, and an object that
/// went while no watch was open would be taken for one that the next list has named.
struct Listing<K>(Option<HashSet<K>>);

impl<K: Eq + Hash> Listing<K> {
    fn none() -> Self {
        Self(None)
    }

    fn begin(&mut self) {
        self.0 = Some(HashSet::new());
    }

    fn name(&mut self, key: K) {
        if let Some(named) = &mut self.0 {
            named.insert(key);
        }
    }

    fn complete(&mut self) -> HashSet<K> {
        self.0.take().unwrap_or_default()
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
        let watches = self.watches().into_iter().map(|(watch, namespace)| match watch {
            Watch::Credentials => self.watch_credentials(namespace).boxed(),
            Watch::Secrets => self.watch_secrets(namespace).boxed(),
            Watch::Providers => self.watch_providers(namespace).boxed(),
            Watch::ClusterProviders => self.watch_cluster_providers().boxed(),
            Watch::Namespaces => self.watch_namespaces().boxed(),
            Watch::Abandoned => self.watch_abandoned(namespace).boxed(),
        });
        futures::future::join_all(watches).await;
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
        let api: Api<ApiCredential> = self.api(namespace.as_ref());
        let scoped = (Watch::Credentials, namespace);
        let mut listed = Listing::none();
        self.follow(&scoped, api, watcher::Config::default(), |change| match change {
            Change::Listing => listed.begin(),
            Change::There(object) => {
                let key = Key::of(&object);
                listed.name(key.clone());
                if self.engine.see_credential(object) {
                    self.queue.wake(Item::Credential(key));
                }
            }
            Change::Gone(object) => self.forget_credential(&Key::of(&object), version(&object)),
            Change::Complete => {
                let unlisted = unlisted(&scoped.1, listed.complete());
                for key in self.engine.stores.credentials.select(|key, _| unlisted(key)) {
                    self.forget_credential(&key, u64::MAX);
                }
            }
        })
        .await;
    }

    fn forget_credential(&self, key: &Key, version: u64) {
        self.engine.stores.credentials.remove(key, version);
        self.queue.wake(Item::Credential(key.clone()));
    }

    async fn watch_providers(&self, namespace: Option<String>) {
        let api: Api<CredentialProvider> = self.api(namespace.as_ref());
        let scoped = (Watch::Providers, namespace);
        let mut listed = Listing::none();
        self.follow(&scoped, api, watcher::Config::default(), |change| match change {
            Change::Listing => listed.begin(),
            Change::There(object) => {
                self.see_provider(ProviderObject::Namespaced(stripped(object)), &mut listed)
            }
            Change::Gone(object) => self.provider_is_gone(&ProviderObject::Namespaced(Arc::new(object))),
            Change::Complete => {
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
        let api: Api<ClusterCredentialProvider> = Api::all(self.engine.client().clone());
        let mut listed = Listing::none();
        self.follow(
            &(Watch::ClusterProviders, None),
            api,
            watcher::Config::default(),
            |change| match change {
                Change::Listing => listed.begin(),
                Change::There(object) => {
                    self.see_provider(ProviderObject::Cluster(stripped(object)), &mut listed)
                }
                Change::Gone(object) => self.provider_is_gone(&ProviderObject::Cluster(Arc::new(object))),
                Change::Complete => {
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
        let same = before.as_ref().is_some_and(|before| before.says_the_same(&object));
        if self.engine.see_provider(object) && !same {
            let login = before.and_then(|before| before.login(&key));
            login.into_iter().for_each(|login| self.queue.wake(Item::Login(login)));
            self.queue.wake(Item::Provider(key));
        }
    }

    /// Its login is no provider's any more, and need not be held.
    fn forget_provider(&self, key: &ProviderKey, version: u64) {
        let login = self.engine.stores.providers.get(key).and_then(|object| object.login(key));
        login.into_iter().for_each(|login| self.queue.wake(Item::Login(login)));
        self.engine.stores.providers.remove(key, version);
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

    async fn watch_secrets(&self, namespace: Option<String>) {
        let api: Api<Secret> = self.api(namespace.as_ref());
        let scoped = (Watch::Secrets, namespace);
        let mut listed = Listing::none();
        self.follow(&scoped, api, watcher::Config::default().labels(ROLE_LABEL), |change| match change {
            Change::Listing => listed.begin(),
            Change::There(secret) => {
                listed.name(Key::of(&secret));
                self.see_secret(&secret);
            }
            Change::Gone(secret) => self.forget_secret(&secret),
            Change::Complete => self.forget_unlisted_secrets(unlisted(&scoped.1, listed.complete())),
        })
        .await;
    }

    fn see_secret(&self, secret: &Secret) {
        let role = secret.labels().get(ROLE_LABEL).map(String::as_str);
        let (key, version) = (Key::of(secret), version(secret));
        if role != Some(ROLE_LOGIN) {
            self.forget_login(&key, version);
        }
        match role {
            Some(ROLE_LEDGER) => self.see_ledger(secret),
            Some(ROLE_TARGET) => self.see_target(secret),
            Some(ROLE_LOGIN) => {
                self.forget_target(&key, version);
                self.engine.stores.intakes.remove(&key, version);
                self.see_login(secret);
            }
            Some(ROLE_INTAKE) => {
                self.forget_target(&key, version);
                self.see_intake(secret);
            }
            // Its label was changed: whatever it was to us, it is no more.
            _ => self.forget_secret(secret),
        }
    }

    /// Opening a ledger takes some work, so the echo of a write of ours is told by its version first.
    fn see_ledger(&self, secret: &Secret) {
        if let Some(owner) = owner_by_suffix(&Key::of(secret), COPY_SUFFIX) {
            let entry = copy_entry(secret, &owner.name, self.engine.sealer());
            if self.engine.stores.copies.put(owner.clone(), entry.version, entry) {
                self.queue.wake(Item::Credential(owner));
            }
        }
        let Some(owner) = ledger_owner(&Key::of(secret)) else { return };
        let ledgers = &self.engine.stores.ledgers;
        let known = ledgers.version(&owner);
        if version(secret) <= known {
            return;
        }
        let entry = ledger_entry(secret, self.engine.sealer());
        if ledgers.put(owner.clone(), entry) {
            self.queue.wake(Item::Credential(owner));
        }
    }

    /// Whose it was is woken too: its owner may have been taken off.
    fn see_target(&self, secret: &Secret) {
        let key = Key::of(secret);
        let before = self.engine.stores.targets.get(&key);
        if self.engine.stores.put_target(key.clone(), target_entry(secret, self.engine.sealer())) {
            self.wake_owner(&key, &secret.metadata);
            if let Some(before) = before {
                self.wake_owner(&key, &before.metadata);
            }
        }
    }

    fn see_login(&self, secret: &Secret) {
        let (key, entry) = (Key::of(secret), login_entry(secret, self.engine.sealer()));
        let logins = &self.engine.stores.logins;
        let same = logins.get(&key).is_some_and(|it| (&it.uid, &it.content) == (&entry.uid, &entry.content));
        if logins.put(key.clone(), entry.version, entry) {
            if !same {
                self.wake_users(&key);
            }
            self.queue.wake(Item::Login(key));
        }
    }

    fn see_intake(&self, secret: &Secret) {
        let key = Key::of(secret);
        let entry = intake_entry(secret, self.engine.sealer(), self.engine.now());
        if self.engine.stores.intakes.put(key.clone(), entry.version, entry) {
            self.wake_takers(&key);
        }
    }

    /// Those whose pair a person puts there.
    fn wake_takers(&self, intake: &Key) {
        let takers = self.engine.stores.credentials.select(|key, object| {
            let named = &object.spec.intake.as_ref()?.secret_name;
            (key.namespace == intake.namespace && *named == intake.name).then(|| key.clone())
        });
        for key in takers {
            self.queue.wake(Item::Credential(key));
        }
    }

    fn forget_secret(&self, secret: &Secret) {
        let key = Key::of(secret);
        self.forget_secret_at(&key, version(secret));
        self.wake_owner(&key, &secret.metadata);
    }

    fn forget_target(&self, key: &Key, version: u64) {
        if let Some(before) = self.engine.stores.targets.get(key)
            && self.engine.stores.targets.remove(key, version)
        {
            self.wake_owner(key, &before.metadata);
        }
    }

    fn forget_login(&self, key: &Key, version: u64) {
        if self.engine.stores.logins.remove(key, version) {
            self.wake_users(key);
            self.queue.wake(Item::Login(key.clone()));
        }
    }

    /// Whatever the Secret was: its label may have been taken off, so it is not asked.
    fn forget_secret_at(&self, key: &Key, version: u64) {
        let stores = &self.engine.stores;
        self.forget_target(key, version);
        self.forget_login(key, version);
        if stores.intakes.remove(key, version) {
            self.wake_takers(key);
        }
        if let Some(owner) = ledger_owner(key)
            && stores.ledgers.remove(&owner, version)
        {
            self.queue.wake(Item::Credential(owner));
        }
        if let Some(owner) = owner_by_suffix(key, COPY_SUFFIX)
            && stores.copies.remove(&owner, version)
        {
            self.queue.wake(Item::Credential(owner));
        }
    }

    fn forget_unlisted_secrets(&self, unlisted: impl Fn(&Key) -> Option<Key>) {
        let stores = &self.engine.stores;
        let ledgers = stores.ledgers.select(|key, _| {
            unlisted(&Key { namespace: key.namespace.clone(), name: crate::api::ledger_name(&key.name) })
        });
        let copies = stores.copies.select(|key, _| {
            unlisted(&Key { namespace: key.namespace.clone(), name: crate::api::copy_name(&key.name) })
        });
        let targets = stores.targets.select(|key, _| unlisted(key));
        let logins = stores.logins.select(|key, _| unlisted(key));
        let intakes = stores.intakes.select(|key, _| unlisted(key));
        for key in ledgers.into_iter().chain(copies).chain(targets).chain(logins).chain(intakes) {
            self.forget_secret_at(&key, u64::MAX);
        }
    }

    fn wake_owner(&self, secret: &Key, metadata: &ObjectMeta) {
        let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        if let Some(owner) = owner {
            let key = Key { namespace: secret.namespace.clone(), name: owner.name.clone() };
            self.queue.wake(Item::Credential(key));
        }
    }

    fn wake_users(&self, login: &Key) {
        for provider in self.engine.that_log_in_with(login) {
            self.queue.wake(Item::Provider(provider));
        }
    }

    /// Follows one watch for ever. Errors are retried with backoff; a broken object is logged and passed over.
    async fn follow<K>(
        &self,
        watch: &Scoped,
        api: Api<K>,
        config: watcher::Config,
        mut tell: impl FnMut(Change<K>) + Send,
    ) where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let config =
            if self.options.streaming_lists { config.streaming_lists() } else { config.page_size(10) };
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut well = true;
        while let Some(event) = events.next().await {
            if !std::mem::replace(&mut well, event.is_ok()) && well {
                self.is_well(watch);
            }
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => tell(Change::There(object)),
                Ok(Event::Delete(object)) => tell(Change::Gone(object)),
                Ok(Event::Init) => tell(Change::Listing),
                Ok(Event::InitDone) => {
                    tell(Change::Complete);
                    self.has_synced(watch);
                }
                Err(error) => {
                    self.has_trouble(watch, Trouble::of(&error));
                    tracing::warn!(?watch, %error, "a watch failed and is taken up again");
                }
            }
        }
    }
}

fn stripped<K: Resource>(mut object: K) -> Arc<K> {
    object.meta_mut().managed_fields = None;
    Arc::new(object)
}

/// Tells the keys of a namespace (or of all) that a complete list did not name.
fn unlisted(namespace: &Option<String>, listed: HashSet<Key>) -> impl Fn(&Key) -> Option<Key> {
    move |key| {
        let within = namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace);
        (within && !listed.contains(key)).then(|| key.clone())
    }
}

/// The ApiCredential that a Secret of this name would be the ledger of.
fn ledger_owner(secret: &Key) -> Option<Key> {
    owner_by_suffix(secret, LEDGER_SUFFIX)
}

fn owner_by_suffix(secret: &Key, suffix: &str) -> Option<Key> {
    let name = secret.name.strip_suffix(suffix)?.to_owned();
    Some(Key { namespace: secret.namespace.clone(), name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_list_names_counts_as_listed() {
        let mut listing = Listing::none();
        listing.begin();
        listing.name("named by a list that was cut short");
        listing.begin();
        listing.name("named");
        assert_eq!(listing.complete(), HashSet::from(["named"]));
        listing.name("seen by the watch, and gone while it was down");
        listing.begin();
        listing.name("named");
        assert_eq!(listing.complete(), HashSet::from(["named"]));
    }
}
