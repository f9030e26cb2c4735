//! The Secrets that workloads read, as far as decisions need them.
//!
//! Anybody may put the label on a Secret of theirs, with as many annotations as fit into one. So of
//! each, only bounded fields are kept; and of those that belong to no known object, only the last
//! ones.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::{ResourceExt, core::ObjectMeta};
use parking_lot::Mutex;

use super::{keys::Key, store::Store};
use crate::{
    api::{
        APPLIED_METADATA_ANNOTATION, DIGEST_ANNOTATION, RENDERED_FROM_ANNOTATION, REVISION_ANNOTATION,
        SecretOutput,
    },
    engine::{Sealer, Secret, owner_uid, version},
    lifecycle::Rendered,
};

/// The number of targets kept that no known object owns or names: the watch may deliver the Secret
/// before its object.
pub(super) const UNCLAIMED_MAX: usize = 1024;
/// The longest UID and name that an owner has.
const OWNER_MAX: (usize, usize) = (64, 253);
/// The number of labels and annotations that a spec may ask for.
const APPLIED_MAX: usize = 64;

/// A target, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEntry {
    /// The Secret's UID.
    pub uid: String,
    /// The Secret's version.
    pub version: u64,
    /// The UID of the ApiCredential that controls it.
    pub owner: Option<String>,
    /// The name of its controller.
    pub controller: Option<String>,
    /// The credential in it, if that is exactly what Credwright wrote.
    pub intact: Option<Rendered>,
    /// Hash of the labels and annotations that it has because a spec asked for them.
    pub applied: u64,
    /// True if it is immutable.
    pub immutable: bool,
    /// True if it is being deleted.
    pub terminating: bool,
    /// The time at which it was created.
    pub created_at: Option<Timestamp>,
}

/// The source of a target that has a digest by the previous sealing key: it matches no spec, so the
/// target is rendered again.
const SEALED_BEFORE: &str = "sealed-before";

/// A target Secret as it is kept: recognised by its digest, and stripped.
#[must_use]
pub fn target_entry(secret: &Secret, sealer: &Sealer) -> TargetEntry {
    TargetEntry {
        uid: secret.uid().unwrap_or_default(),
        version: version(secret),
        owner: owner_uid(secret).filter(|uid| uid.len() <= OWNER_MAX.0),
        controller: controller(&secret.metadata),
        intact: intact(secret, sealer),
        applied: applied(&secret.metadata),
        immutable: secret.immutable == Some(true),
        terminating: secret.metadata.deletion_timestamp.is_some(),
        created_at: secret.creation_timestamp().map(|time| time.0),
    }
}

/// The name of an object's controller. The API server accepts names that are longer than any
/// object's: they are cut.
#[must_use]
pub fn controller(metadata: &ObjectMeta) -> Option<String> {
    let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    owner.map(|owner| owner.name.chars().take(OWNER_MAX.1).collect())
}

fn intact(secret: &Secret, sealer: &Sealer) -> Option<Rendered> {
    let annotations = secret.annotations();
    let rendered = Rendered {
        revision: annotations.get(REVISION_ANNOTATION)?.parse().ok()?,
        from: annotations.get(RENDERED_FROM_ANNOTATION)?.clone(),
    };
    let digest = annotations.get(DIGEST_ANNOTATION)?;
    if *digest == target_digest(secret, &rendered, sealer) {
        return Some(rendered);
    }
    // It is rendered again, since nobody recognises it once a person has removed the key before.
    let before = sealer.previous_digest(parts(&head(secret, &rendered), secret));
    (before.as_ref() == Some(digest)).then(|| Rendered { from: SEALED_BEFORE.to_owned(), ..rendered })
}

/// The digest that says: Credwright wrote exactly this, here, from that. Not for whom: a restore
/// takes the owner away, and whose it is, is seen from the owner reference or from the ledger.
pub(in crate::engine) fn target_digest(secret: &Secret, rendered: &Rendered, sealer: &Sealer) -> String {
    let head = head(secret, rendered);
    sealer.digest(parts(&head, secret))
}

fn head(secret: &Secret, rendered: &Rendered) -> [String; 4] {
    let place = (secret.namespace().unwrap_or_default(), secret.name_any());
    [place.0, place.1, rendered.revision.to_string(), rendered.from.clone()]
}

fn parts<'a>(head: &'a [String], secret: &'a Secret) -> impl Iterator<Item = &'a [u8]> {
    let data = secret.data.iter().flatten();
    let data = data.flat_map(|(key, ByteString(value))| [key.as_bytes(), value.as_slice()]);
    head.iter().map(String::as_bytes).chain(data)
}

/// The labels and annotations on a target, as Credwright recorded them when it added them.
fn applied(metadata: &ObjectMeta) -> u64 {
    let value = |there: &Option<BTreeMap<String, String>>, key: &str| there.as_ref()?.get(key).cloned();
    let noted = metadata.annotations.iter().flatten().find(|(key, _)| *key == APPLIED_METADATA_ANNOTATION);
    let keys = noted.iter().flat_map(|(_, applied)| applied.split(' ')).take(APPLIED_MAX);
    let pairs = keys.filter_map(|applied| match applied.split_once(':')? {
        ("label", key) => Some((false, key.to_owned(), value(&metadata.labels, key)?)),
        ("annotation", key) => Some((true, key.to_owned(), value(&metadata.annotations, key)?)),
        _ => None,
    });
    hash(pairs.collect())
}

/// Returns the labels and annotations of a target that are as a spec asks for.
pub(in crate::engine) fn asked(output: Option<&SecretOutput>) -> u64 {
    let Some(output) = output else { return hash(Vec::new()) };
    let labels = output.labels.iter().map(|(key, value)| (false, key.clone(), value.clone()));
    let annotations = output.annotations.iter().map(|(key, value)| (true, key.clone(), value.clone()));
    hash(labels.chain(annotations).collect())
}

fn hash(mut pairs: Vec<(bool, String, String)>) -> u64 {
    pairs.sort();
    BuildHasherDefault::<DefaultHasher>::new().hash_one(pairs)
}

/// Targets, by their own key.
#[derive(Default)]
pub struct Targets {
    entries: Store<Key, TargetEntry>,
    /// Kept in step with the entries under this lock.
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    /// By the UID of their owner.
    owned: HashMap<String, HashSet<Key>>,
    /// The targets that no known object claims, the oldest first.
    unclaimed: VecDeque<Key>,
}

impl Index {
    fn own(&mut self, key: &Key, entry: &TargetEntry) {
        if let Some(owner) = &entry.owner {
            self.owned.entry(owner.clone()).or_default().insert(key.clone());
        }
    }

    fn disown(&mut self, key: &Key, entry: &TargetEntry) {
        let Some(owner) = &entry.owner else { return };
        if let Some(keys) = self.owned.get_mut(owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.owned.remove(owner);
            }
        }
    }
}

impl Targets {
    /// Returns the entry of `key`.
    pub fn get(&self, key: &Key) -> Option<TargetEntry> {
        self.entries.get(key)
    }

    /// The version of the entry of `key`; 0 if there is none.
    pub fn version(&self, key: &Key) -> u64 {
        self.entries.version(key)
    }

    /// Everything for which `select` gives a value.
    pub fn select<T>(&self, select: impl FnMut(&Key, &TargetEntry) -> Option<T>) -> Vec<T> {
        self.entries.select(select)
    }

    /// Stores `entry` unless one at least as new is there. Returns whether it was news.
    pub(super) fn put(&self, key: &Key, entry: TargetEntry) -> bool {
        let mut index = self.index.lock();
        let before = self.entries.get(key);
        if !self.entries.put(key.clone(), entry.version, entry.clone()) {
            return false;
        }
        if let Some(before) = &before {
            index.disown(key, before);
        }
        index.own(key, &entry);
        true
    }

    /// Forgets `key`, unless one newer than `version` is there.
    pub fn remove(&self, key: &Key, version: u64) -> bool {
        let mut index = self.index.lock();
        let Some(before) = self.entries.get(key) else { return false };
        let removed = self.entries.remove(key, version);
        if removed {
            index.disown(key, &before);
        }
        removed
    }

    /// The targets of an object, in its own namespace: anybody may write its UID into an owner
    /// reference elsewhere.
    pub(super) fn of(&self, namespace: &str, owner: &str) -> Vec<(Key, TargetEntry)> {
        let index = self.index.lock();
        let keys = index.owned.get(owner).into_iter().flatten().filter(|key| *key.namespace == *namespace);
        keys.filter_map(|key| Some((key.clone(), self.entries.get(key)?))).collect()
    }

    /// Notes targets that no object claims just now. Of too many, the oldest are forgotten, but for
    /// those that are `claimed` by now.
    pub(super) fn unclaimed(&self, keys: Vec<Key>, claimed: impl Fn(&Key, &TargetEntry) -> bool) {
        let mut index = self.index.lock();
        index.unclaimed.extend(keys);
        while index.unclaimed.len() > UNCLAIMED_MAX {
            let Some(oldest) = index.unclaimed.pop_front() else { return };
            if let Some(entry) = self.entries.get(&oldest).filter(|entry| !claimed(&oldest, entry)) {
                self.entries.remove(&oldest, u64::MAX);
                index.disown(&oldest, &entry);
            }
        }
    }

    /// Returns the number of entries.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        (self.entries.select(|_, _| Some(())).len(), self.index.lock().owned.len())
    }
}
