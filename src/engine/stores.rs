//! In-memory copies of all watched objects, one trimmed copy each. The freshest version wins,
//! whether it came by a watch or as the answer to a write of ours; so a pass reads its own writes,
//! and the echo of a write is recognised.

mod census;
mod document;
mod intakes;
mod keys;
mod ledgers;
mod logins;
mod providers;
mod sources;
mod store;
mod targets;
mod unreadable;

use std::sync::atomic::{AtomicBool, Ordering};
use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt;

pub(super) use self::{
    census::Tally,
    document::{DOCUMENT_KEY, SEALED_KEY, open_as, open_ledger},
    intakes::read_intake,
    logins::login_content,
    targets::{asked, target_digest},
};
pub use self::{
    document::{CopyEntry, LedgerEntry, copy_entry, ledger_entry},
    intakes::{IntakeEntry, intake_entry},
    keys::{Key, ProviderKey},
    ledgers::{Ledgers, PastMint},
    logins::{LoginEntry, login_entry},
    providers::ProviderObject,
    sources::{Purpose, Source},
    store::Store,
    targets::{TargetEntry, Targets, controller, target_entry},
    unreadable::Unreadable,
};

use crate::api::{AbandonedCredential, ApiCredential};

/// All stores.
#[derive(Default)]
pub struct Stores {
    /// ApiCredentials.
    pub credentials: Store<Key, Arc<ApiCredential>>,
    /// Ledgers, by their ApiCredential's key.
    pub ledgers: Ledgers,
    /// Copies of ledgers that are being recreated, by their ApiCredential's key.
    pub copies: Store<Key, CopyEntry>,
    /// Targets, by their own key.
    pub targets: Targets,
    /// Login Secrets, by their own key.
    pub logins: Store<Key, LoginEntry>,
    /// ConfigMaps with certificates, by their own key. Nothing of them is kept: an account reads
    /// what it needs.
    pub ca_bundles: Store<Key, ()>,
    /// Intakes, by their own key.
    pub intakes: Store<Key, IntakeEntry>,
    /// AbandonedCredentials, by their own key.
    pub abandoned: Store<Key, Arc<AbandonedCredential>>,
    /// Providers.
    pub providers: Store<ProviderKey, ProviderObject>,
    /// The objects of these kinds that cannot be read.
    pub unreadable: Unreadable,
    /// The labels of each namespace, and nothing else of it; empty if no provider is shared.
    pub namespaces: Store<Arc<str>, Arc<BTreeMap<String, String>>>,
    /// True if all ApiCredentials are known: until then, it is not known which targets are theirs.
    settled: AtomicBool,
}

impl Stores {
    /// Returns whether a namespace has anything that Credwright must end, or that has its
    /// finalizer.
    #[must_use]
    pub fn has_anything_in(&self, namespace: &str) -> bool {
        let within = |key: &Key| *key.namespace == *namespace;
        self.credentials.any(|key, _| within(key))
            || self.ledgers.any(|key, _| within(key))
            || self.copies.any(|key, _| within(key))
            || self.logins.any(|key, login| within(key) && login.held)
            || self.providers.any(|key, provider| *key.namespace == *namespace && provider.held())
    }

    /// Returns the providers that refer to a Secret, or to a ConfigMap if it `is_secret` not. The
    /// objects are read, not the accounts: a provider in its first pass has to learn of its login,
    /// too.
    #[must_use]
    pub fn that_refer_to(&self, at: &Key, is_secret: bool) -> Vec<ProviderKey> {
        let refers = |it: &Source| it.at == *at && it.is_secret() == is_secret;
        self.providers.select(|key, object| object.sources(key).iter().any(refers).then(|| key.clone()))
    }

    /// Notes whether a provider object can be read.
    pub(super) fn note_readable(&self, object: &ProviderObject) {
        match object {
            ProviderObject::Namespaced(it) => self.unreadable.note(&**it),
            ProviderObject::Cluster(it) => self.unreadable.note(&**it),
        }
    }

    /// Keeps a target.
    pub fn put_target(&self, key: &Key, target: TargetEntry) -> bool {
        let unclaimed = self.settled.load(Ordering::Acquire) && !self.claims(key, &target);
        let news = self.targets.put(key, target);
        if news && unclaimed {
            self.unclaimed(vec![key.clone()]);
        }
        news
    }

    /// The targets of an object.
    #[must_use]
    pub fn targets_of(&self, namespace: &str, owner: &str) -> Vec<(Key, TargetEntry)> {
        self.targets.of(namespace, owner)
    }

    /// Forgets an ApiCredential, unless one newer than `version` is there.
    pub fn remove_credential(&self, key: &Key, version: u64) -> bool {
        let Some(object) = self.credentials.get(key) else { return false };
        let removed = self.credentials.remove(key, version);
        if removed {
            self.unreadable.forget::<ApiCredential>(key);
            let owner = object.uid().unwrap_or_default();
            self.unclaimed(self.targets_of(&key.namespace, &owner).into_iter().map(|(key, _)| key).collect());
        }
        removed
    }

    /// Says that all ApiCredentials are known.
    pub fn settle(&self) {
        if !self.settled.swap(true, Ordering::AcqRel) {
            let unclaimed =
                |key: &Key, target: &TargetEntry| (!self.claims(key, target)).then(|| key.clone());
            self.unclaimed(self.targets.select(unclaimed));
        }
    }

    /// Returns whether everything was known once.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    fn unclaimed(&self, keys: Vec<Key>) {
        self.targets.unclaimed(keys, |key, target| self.claims(key, target));
    }

    /// Returns whether a known ApiCredential owns a target, or names it.
    fn claims(&self, key: &Key, target: &TargetEntry) -> bool {
        let owner = target.controller.as_ref().map(|name| Key::new(&key.namespace, name));
        let owned =
            owner.and_then(|owner| self.credentials.get(&owner)).is_some_and(|it| it.uid() == target.owner);
        owned
            || self
                .credentials
                .any(|at, it| at.namespace == key.namespace && it.spec.target_name(&at.name) == &*key.name)
    }
}

#[cfg(test)]
mod tests;
