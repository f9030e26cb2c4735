//! In-memory copies of all watched objects, one trimmed copy each. The freshest version wins,
//! whether it came by a watch or as the answer to a write of ours; so a pass reads its own writes,
//! and the echo of a write is recognised.

mod answers;
mod census;
mod ledgers;
mod targets;
mod unreadable;

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

pub use self::{
    answers::Asks,
    ledgers::{Ledgers, PastMint},
    targets::{TargetEntry, Targets, controller, target_entry},
    unreadable::Unreadable,
};
pub(super) use self::{
    census::Tally,
    targets::{asked, target_digest},
};

use crate::{
    api::{
        AbandonedCredential, ApiCredential, ClusterCredentialProvider, CredentialProvider, LEDGER_FINALIZER,
        LOGIN_FINALIZER, ProviderKind, ROLE_LABEL, ROLE_LEDGER,
    },
    lifecycle::{
        growth::DOCUMENT_MAX,
        ledger::{Account, Document, SCHEMA},
    },
};

use super::{
    intake::IntakeEntry,
    kubernetes::{carries, owner_uid, version},
    seal::{Place, Sealer},
    wire::{Decoded, Secret},
};

/// The key of a ledger Secret that holds the document.
pub(super) const DOCUMENT_KEY: &str = "document";
/// The key of a ledger Secret that holds the sealed material.
pub(super) const SEALED_KEY: &str = "sealed";

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of an object.
    #[must_use]
    pub fn of<K: kube::Resource>(object: &K) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

/// A provider object of either kind; a cluster-scoped one has an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProviderKey {
    /// The kind.
    pub kind: ProviderKind,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ProviderKey {
    /// The provider that an object in `namespace` means by `kind` and `name`.
    #[must_use]
    pub fn resolve(kind: ProviderKind, name: &str, namespace: &str) -> Self {
        let namespace = match kind {
            ProviderKind::CredentialProvider | ProviderKind::Other(_) => namespace.to_owned(),
            ProviderKind::ClusterCredentialProvider => String::new(),
        };
        Self { kind, namespace, name: name.to_owned() }
    }

    /// Returns the provider of the credentials in a ledger in `namespace`.
    #[must_use]
    pub fn of_account(account: &Account, namespace: &str) -> Self {
        Self::resolve(account.kind, &account.name, namespace)
    }

    /// The provider that an object in `namespace` refers to.
    #[must_use]
    pub fn wanted_by(object: &ApiCredential, namespace: &str) -> Self {
        let reference = &object.spec.provider_ref;
        Self::resolve(reference.kind, &reference.name, namespace)
    }
}

/// A provider object of either kind.
#[derive(Clone, Debug)]
pub enum ProviderObject {
    /// The keys of one namespace.
    Namespaced(Arc<Decoded<CredentialProvider>>),
    /// Shared.
    Cluster(Arc<Decoded<ClusterCredentialProvider>>),
}

/// A ledger, without its secrets.
#[derive(Clone, Debug)]
pub struct LedgerEntry {
    /// True if it belongs to an ApiCredential.
    pub owned: bool,
    /// True if it carries our label, and is sealed with the current key. Also true if it is not
    /// genuine, because Credwright does not write that.
    pub up_to_date: bool,
    /// The Secret's UID.
    pub uid: String,
    /// The Secret's version.
    pub version: u64,
    /// True if it has our finalizer.
    pub held: bool,
    /// The time at which its deletion began.
    pub terminating: Option<Timestamp>,
    /// The length of the sealed part.
    pub sealed: usize,
    /// The document, or why it cannot be used.
    pub document: Result<Arc<Document>, String>,
}

/// A copy of a ledger, without its secrets.
#[derive(Clone, Debug)]
pub struct CopyEntry {
    /// The Secret's version.
    pub version: u64,
    /// The document, if it opens.
    pub document: Option<Arc<Document>>,
}

/// A login Secret, without its content.
#[derive(Clone, Debug)]
pub struct LoginEntry {
    /// Its UID.
    pub uid: String,
    /// Keyed hash of its content.
    pub content: String,
    /// Its resourceVersion.
    pub version: u64,
    /// True if it has our finalizer.
    pub held: bool,
    /// The time at which its deletion began.
    pub terminating: Option<Timestamp>,
}

/// A map whose entries only ever become newer.
pub struct Store<K, V>(Mutex<HashMap<K, (u64, V)>>);

impl<K, V> Default for Store<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Store<K, V> {
    fn entries(&self) -> MutexGuard<'_, HashMap<K, (u64, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the entry of `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        self.entries().get(key).map(|(_, value)| value.clone())
    }

    /// The version of the entry of `key`; 0 if there is none.
    pub fn version(&self, key: &K) -> u64 {
        self.entries().get(key).map_or(0, |(version, _)| *version)
    }

    /// Stores `value` unless a version at least as new is there. Returns whether it was news.
    pub fn put(&self, key: K, version: u64, value: V) -> bool {
        let mut entries = self.entries();
        let news = entries.get(&key).is_none_or(|(known, _)| *known < version);
        if news {
            entries.insert(key, (version, value));
        }
        news
    }

    /// Removes `key`, unless something newer than `version` is stored: a recreated object is not
    /// removed by the delete event of its predecessor.
    pub fn remove(&self, key: &K, version: u64) -> bool {
        let mut entries = self.entries();
        let old = entries.get(key).is_some_and(|(known, _)| *known <= version);
        if old {
            entries.remove(key);
        }
        old
    }

    /// Returns whether `is` is true of any entry.
    pub fn any(&self, is: impl Fn(&K, &V) -> bool) -> bool {
        self.entries().iter().any(|(key, (_, value))| is(key, value))
    }

    /// Everything for which `select` gives a value.
    pub fn select<T>(&self, mut select: impl FnMut(&K, &V) -> Option<T>) -> Vec<T> {
        self.entries().iter().filter_map(|(key, (_, value))| select(key, value)).collect()
    }
}

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
    /// Intakes, by their own key.
    pub intakes: Store<Key, IntakeEntry>,
    /// AbandonedCredentials, by their own key.
    pub abandoned: Store<Key, Arc<AbandonedCredential>>,
    /// Providers.
    pub providers: Store<ProviderKey, ProviderObject>,
    /// The objects of these kinds that cannot be read.
    pub unreadable: Unreadable,
    /// The labels of each namespace, and nothing else of it; empty if no provider is shared.
    pub namespaces: Store<String, Arc<BTreeMap<String, String>>>,
    /// True if all ApiCredentials are known: until then, it is not known which targets are theirs.
    settled: AtomicBool,
}

impl Stores {
    /// Returns whether a namespace has anything that Credwright must end, or that has its
    /// finalizer.
    #[must_use]
    pub fn has_anything_in(&self, namespace: &str) -> bool {
        let within = |key: &Key| key.namespace == namespace;
        self.credentials.any(|key, _| within(key))
            || self.ledgers.any(|key, _| within(key))
            || self.copies.any(|key, _| within(key))
            || self.logins.any(|key, login| within(key) && login.held)
            || self.providers.any(|key, provider| key.namespace == namespace && provider.held())
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
        let owner = target
            .controller
            .as_ref()
            .map(|name| Key { namespace: key.namespace.clone(), name: name.clone() });
        let owned =
            owner.and_then(|owner| self.credentials.get(&owner)).is_some_and(|it| it.uid() == target.owner);
        owned
            || self
                .credentials
                .any(|at, it| at.namespace == key.namespace && it.spec.target_name(&at.name) == key.name)
    }
}

/// A ledger Secret as it is kept: opened once to see that it is genuine, and stripped.
#[must_use]
pub fn ledger_entry(secret: &Secret, sealer: &Sealer) -> LedgerEntry {
    let document = open_ledger(secret, sealer).map(|(document, _)| Arc::new(document));
    LedgerEntry {
        owned: owner_uid(secret).is_some(),
        up_to_date: document.is_err() || is_up_to_date(secret, sealer),
        uid: secret.uid().unwrap_or_default(),
        version: version(secret),
        held: carries(secret, LEDGER_FINALIZER),
        terminating: secret.metadata.deletion_timestamp.as_ref().map(|time| time.0),
        sealed: secret.data.as_ref().and_then(|data| data.get(SEALED_KEY)).map_or(0, |it| it.0.len()),
        document,
    }
}

/// Returns whether nothing of a genuine ledger is mended by writing it once more.
fn is_up_to_date(secret: &Secret, sealer: &Sealer) -> bool {
    let data =
        |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.as_slice());
    let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
    let current = |(document, sealed)| {
        sealer.is_current(sealed, Place { namespace: &namespace, name: &name, document })
    };
    secret.labels().get(ROLE_LABEL).is_some_and(|role| role == ROLE_LEDGER)
        && data(DOCUMENT_KEY).zip(data(SEALED_KEY)).is_none_or(current)
}

/// A copy of the ledger of `credential` as it is kept. It is sealed for the ledger's place, not for
/// its own.
#[must_use]
pub fn copy_entry(secret: &Secret, credential: &str, sealer: &Sealer) -> CopyEntry {
    let opened = open_as(secret, &crate::api::ledger_name(credential), sealer);
    CopyEntry { version: version(secret), document: opened.ok().map(|(document, _)| Arc::new(document)) }
}

/// Returns the keyed hash of a login Secret's content.
pub(super) fn login_content(secret: &Secret, sealer: &Sealer) -> String {
    let data = secret.data.iter().flatten();
    sealer.digest(data.flat_map(|(key, ByteString(value))| [key.as_bytes(), value.as_slice()]))
}

/// Returns the part of a login Secret that is kept.
#[must_use]
pub fn login_entry(secret: &Secret, sealer: &Sealer) -> LoginEntry {
    LoginEntry {
        uid: secret.uid().unwrap_or_default(),
        content: login_content(secret, sealer),
        version: version(secret),
        held: carries(secret, LOGIN_FINALIZER),
        terminating: secret.metadata.deletion_timestamp.as_ref().map(|time| time.0),
    }
}

/// Opens a ledger Secret.
///
/// # Errors
/// A sentence that says why it cannot be used.
pub(super) fn open_ledger(
    secret: &Secret,
    sealer: &Sealer,
) -> Result<(Document, super::seal::Material), String> {
    open_as(secret, &secret.name_any(), sealer)
}

/// The part of a ledger's document that every version can decode.
#[derive(Deserialize)]
struct Header {
    schema: u32,
}

/// Opens the material that was sealed for a ledger of this name.
pub(super) fn open_as(
    secret: &Secret,
    name: &str,
    sealer: &Sealer,
) -> Result<(Document, super::seal::Material), String> {
    let key = |key: &str| {
        secret.data.as_ref().and_then(|data| data.get(key)).map(|ByteString(bytes)| bytes.as_slice())
    };
    let missing = |key| format!("the ledger {name} has no key {key}; restore it from a backup");
    let document = key(DOCUMENT_KEY).ok_or_else(|| missing(DOCUMENT_KEY))?;
    let sealed = key(SEALED_KEY).ok_or_else(|| missing(SEALED_KEY))?;
    if document.len() > DOCUMENT_MAX {
        return Err(format!(
            "the ledger {name} is larger than Credwright ever writes; restore it from a backup"
        ));
    }
    let namespace = secret.namespace().unwrap_or_default();
    let material = sealer.open(sealed, Place { namespace: &namespace, name, document }).map_err(|error| {
        format!(
            "the ledger {name} cannot be opened: {error}; restore it, or the key it was sealed with, from \
             a backup"
        )
    })?;
    let decoded = serde_json::from_slice::<Document>(document);
    // A newer Credwright may have written words that this one cannot decode.
    let schema = match &decoded {
        Ok(decoded) => decoded.schema,
        Err(_) => serde_json::from_slice::<Header>(document).map_or(SCHEMA, |it| it.schema),
    };
    if schema > SCHEMA {
        return Err(format!(
            "the ledger {name} has schema {schema}, written by a newer Credwright; upgrade this one"
        ));
    }
    let mut decoded = decoded.map_err(|error| format!("the ledger {name} cannot be decoded: {error}"))?;
    // Decoding makes room for four.
    decoded.revisions.shrink_to_fit();
    decoded.mints.shrink_to_fit();
    Ok((decoded, material))
}

#[cfg(test)]
mod tests;
