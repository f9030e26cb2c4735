//! The ledgers, and the holders of credentials: a question in each mint, which with thousands of
//! objects must not read each of them.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::lifecycle::{Identity, Parameters, Revision, may_be};

use super::{
    census::{Census, Mint, Tally, mints},
    document::LedgerEntry,
    keys::{Key, ProviderKey},
    store::Store,
};

/// The largest number of mints of deleted ledgers; the oldest are dropped first. The ConfigMap has
/// a bound of its own.
const PAST_MINTS_MAX: usize = 8192;

/// A credential that was minted for an object or a ledger which was deleted since.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastMint {
    /// The time.
    pub at: Timestamp,
    provider: ProviderKey,
    object: Key,
    uid: String,
}

impl PastMint {
    /// Returns the mints in the ledger of `key`.
    pub(in crate::engine) fn all(key: &Key, entry: &LedgerEntry) -> Vec<Self> {
        let uid = entry.document.as_ref().map(|document| document.object_uid.clone()).unwrap_or_default();
        let past_mint = |Mint { provider, at, .. }: Mint<'_>| Self {
            at,
            provider,
            object: key.clone(),
            uid: uid.clone(),
        };
        mints(key, entry).map(past_mint).collect()
    }

    /// Returns whether a ledger in its object's place lists it: that of the same object, or one
    /// that was restored from it.
    fn is_listed(&self, entry: &LedgerEntry) -> bool {
        entry.document.as_ref().is_ok_and(|document| {
            let mut before = document.inherited.iter().flat_map(|it| &it.objects);
            document.mints.contains(&self.at)
                && (document.object_uid == self.uid || before.any(|it| *it == self.uid))
        })
    }

    fn mint(&self) -> Mint<'_> {
        Mint { provider: self.provider.clone(), namespace: &self.object.namespace, at: self.at }
    }
}

/// A ledger that holds a credential.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    /// The key of its ApiCredential.
    key: Key,
    /// The fingerprint of the account that the credential is of.
    account: String,
    secret_id: Option<String>,
    parameters: Parameters,
    /// Only its own namespace says that the credential exists, so it blocks nothing in other
    /// namespaces.
    unverified: bool,
}

impl Holder {
    /// Returns the identity of the credential, which is of this client.
    fn identity<'a>(&'a self, client_id: &'a str) -> Identity<'a> {
        Identity { client_id, secret_id: self.secret_id.as_deref(), parameters: &self.parameters }
    }

    fn counts_in(&self, namespace: &str) -> bool {
        !self.unverified || *self.key.namespace == *namespace
    }
}

/// Ledgers, by their ApiCredential's key.
#[derive(Default)]
pub struct Ledgers {
    entries: Store<Key, LedgerEntry>,
    /// Kept in step with the entries under this lock.
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    /// The holders of credentials of each client ID.
    holders: HashMap<String, Vec<Holder>>,
    /// The sums for each account.
    census: Census,
    /// Mints that are in no ledger any more; those in a ledger count there.
    past_mints: Vec<PastMint>,
    /// The entries that are stored.
    stored: Vec<PastMint>,
    /// Some of them are not stored.
    lost: bool,
}

impl Index {
    /// Keeps counting mints that `before` lists and `after` does not. Not every ledger is removed
    /// by [`Engine::release_ledger`](crate::engine::Engine::release_ledger): anyone who may write
    /// Secrets can force one away or put an earlier one in its place.
    fn lose(&mut self, key: &Key, before: &LedgerEntry, after: Option<&LedgerEntry>) {
        for it in PastMint::all(key, before) {
            if after.is_some_and(|after| it.is_listed(after)) || self.past_mints.contains(&it) {
                continue;
            }
            self.census.count(&it.mint());
            self.lost |= !self.stored.contains(&it);
            self.past_mints.push(it);
        }
        let Some(too_many @ 1..) = self.past_mints.len().checked_sub(PAST_MINTS_MAX) else { return };
        self.past_mints.sort_unstable();
        self.past_mints.drain(..too_many).for_each(|it| self.census.discount(&it.mint()));
    }

    /// Counts the mints of a ledger that is back once only.
    fn resume(&mut self, key: &Key, entry: &LedgerEntry) {
        if entry.document.as_ref().is_ok_and(|document| !document.mints.is_empty()) {
            let back = self.past_mints.extract_if(.., |it| it.object == *key && it.is_listed(entry));
            back.for_each(|it| self.census.discount(&it.mint()));
        }
    }
}

/// Returns whether a ledger does not continue the one before it.
fn goes_back(before: &LedgerEntry, after: &LedgerEntry) -> bool {
    match (&before.document, &after.document) {
        (Ok(before), Ok(after)) => after.written_at < before.written_at,
        (before, after) => before.is_ok() && after.is_err(),
    }
}

impl Ledgers {
    /// Returns the entry of `key`.
    pub fn get(&self, key: &Key) -> Option<LedgerEntry> {
        self.entries.get(key)
    }

    /// Stores `entry` unless one at least as new is there. Returns whether it was news.
    pub fn put(&self, key: Key, entry: LedgerEntry) -> bool {
        let mut index = self.index.lock();
        let Index { holders, census, .. } = &mut *index;
        let before = self.entries.get(&key);
        if !self.entries.put(key.clone(), entry.version, entry.clone()) {
            return false;
        }
        if let Some(before) = &before {
            census.subtract(&key, before);
        }
        census.add(&key, &entry);
        forget(holders, before.as_ref(), &key);
        for (id, holder) in holders_in(&entry, &key) {
            let held = holders.entry(id).or_insert_with(|| Vec::with_capacity(1));
            if !held.contains(&holder) {
                held.push(holder);
            }
        }
        if let Some(before) = before.filter(|before| goes_back(before, &entry)) {
            index.lose(&key, &before, Some(&entry));
        }
        index.resume(&key, &entry);
        true
    }

    /// The version of the entry of `key`; 0 if there is none.
    pub fn version(&self, key: &Key) -> u64 {
        self.entries.version(key)
    }

    /// Forgets the ledger of `key`, unless one newer than `version` is there.
    pub fn remove(&self, key: &Key, version: u64) -> bool {
        let mut index = self.index.lock();
        let before = self.entries.get(key);
        if !self.entries.remove(key, version) {
            return false;
        }
        forget(&mut index.holders, before.as_ref(), key);
        if let Some(before) = &before {
            index.census.subtract(key, before);
            index.lose(key, before, None);
        }
        true
    }

    /// Stores all mints of deleted objects and ledgers. They count at their accounts like the rest;
    /// a mint that is still in a ledger counts there.
    pub fn set_past_mints(&self, mut past_mints: Vec<PastMint>) {
        let mut index = self.index.lock();
        past_mints.retain(|it| self.entries.get(&it.object).is_none_or(|entry| !it.is_listed(&entry)));
        let Index { census, past_mints: known, .. } = &mut *index;
        known.iter().for_each(|it| census.discount(&it.mint()));
        past_mints.iter().for_each(|it| census.count(&it.mint()));
        *known = past_mints;
    }

    /// The same, when it is stored.
    pub fn set_stored(&self, past_mints: Vec<PastMint>) {
        self.index.lock().stored.clone_from(&past_mints);
        self.set_past_mints(past_mints);
    }

    /// Returns whether a mint was lost that is not stored, once.
    pub fn take_lost(&self) -> bool {
        std::mem::take(&mut self.index.lock().lost)
    }

    /// Returns the mints of deleted objects.
    pub fn past_mints(&self) -> Vec<PastMint> {
        self.index.lock().past_mints.clone()
    }

    /// Returns the times of mints for earlier objects at `key`.
    pub fn minted_before(&self, key: &Key) -> Vec<Timestamp> {
        self.index.lock().past_mints.iter().filter(|it| it.object == *key).map(|it| it.at).collect()
    }

    /// Returns whether `is` is true of any ledger.
    pub fn any(&self, is: impl Fn(&Key, &LedgerEntry) -> bool) -> bool {
        self.entries.any(is)
    }

    /// Everything for which `select` gives a value.
    pub fn select<T>(&self, select: impl FnMut(&Key, &LedgerEntry) -> Option<T>) -> Vec<T> {
        self.entries.select(select)
    }

    /// Reads the sums of the ledgers for an account.
    pub(in crate::engine) fn of<T>(
        &self,
        provider: &ProviderKey,
        ask: impl FnOnce(&Tally) -> T,
    ) -> Option<T> {
        self.index.lock().census.of(provider).map(ask)
    }

    /// Reads the sums of the ledgers for all accounts.
    pub(in crate::engine) fn accounts<T>(&self, ask: impl Fn(&Tally) -> T) -> Vec<(ProviderKey, T)> {
        self.index.lock().census.all().map(|(key, tally)| (key.clone(), ask(tally))).collect()
    }

    /// Returns whether a ledger other than that of `key` holds this credential against it, at an
    /// account that may have this fingerprint. If IDs are small numbers, two accounts have the same
    /// ones.
    #[must_use]
    pub fn held_by_another(&self, identity: &Identity<'_>, fingerprint: &str, key: &Key) -> bool {
        self.is_held(identity, fingerprint, |it| it.key != *key && it.counts_in(&key.namespace))
    }

    /// Returns whether any ledger holds this credential against `namespace`.
    #[must_use]
    pub fn held_against(&self, identity: &Identity<'_>, fingerprint: &str, namespace: &str) -> bool {
        self.is_held(identity, fingerprint, |it| it.counts_in(namespace))
    }

    fn is_held(&self, identity: &Identity<'_>, fingerprint: &str, by: impl Fn(&Holder) -> bool) -> bool {
        let there = |it: &Holder| fingerprint.is_empty() || may_be(&it.account, fingerprint);
        let holds = |it: &Holder| it.identity(identity.client_id).may_be(identity) && there(it) && by(it);
        self.index.lock().holders.get(identity.client_id).is_some_and(|holders| holders.iter().any(holds))
    }
}

/// Returns the client IDs of the credentials that a ledger holds, each with its holder.
fn holders_in(entry: &LedgerEntry, key: &Key) -> Vec<(String, Holder)> {
    let revisions = entry.document.iter().flat_map(|document| document.holding());
    let holder = |it: &Revision| {
        let Identity { client_id, secret_id, parameters } = it.identity()?;
        let holder = Holder {
            key: key.clone(),
            account: it.account.fingerprint.clone(),
            secret_id: secret_id.map(str::to_owned),
            parameters: parameters.clone(),
            unverified: it.unverified,
        };
        Some((client_id.to_owned(), holder))
    };
    revisions.filter_map(holder).collect()
}

/// Removes the entries for the ledger of `key` in its state `before`.
fn forget(holders: &mut HashMap<String, Vec<Holder>>, before: Option<&LedgerEntry>, key: &Key) {
    for (id, _) in before.map(|it| holders_in(it, key)).unwrap_or_default() {
        let Some(held) = holders.get_mut(&id) else { continue };
        held.retain(|it| it.key != *key);
        if held.is_empty() {
            holders.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
