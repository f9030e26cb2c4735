//! The ledgers, and who holds which client ID: a question that comes with each mint, and with thousands of objects must not
//! take a look at each of them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Key, LedgerEntry, ProviderKey, Store,
    census::{Census, Mint, Tally, mints},
};

/// A credential that was minted for an object which has gone since.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Departed {
    /// When.
    pub at: Timestamp,
    provider: ProviderKey,
    object: Key,
    uid: String,
}

impl Departed {
    /// What the ledger of `key` says was minted.
    pub(in crate::engine) fn all(key: &Key, entry: &LedgerEntry) -> Vec<Self> {
        let uid = entry.document.as_ref().map(|document| document.object_uid.clone()).unwrap_or_default();
        let departed = |Mint { provider, at, .. }: Mint<'_>| Self {
            at,
            provider,
            object: key.clone(),
            uid: uid.clone(),
        };
        mints(key, entry).map(departed).collect()
    }

    fn mint(&self) -> Mint<'_> {
        Mint { provider: self.provider.clone(), namespace: &self.object.namespace, at: self.at }
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
    /// The ledgers that list each client ID.
    holders: HashMap<String, Vec<Key>>,
    /// What they say of each account.
    census: Census,
    /// What was minted for objects that are gone.
    departed: Vec<Departed>,
}

impl Ledgers {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of `key`.
    pub fn get(&self, key: &Key) -> Option<LedgerEntry> {
        self.entries.get(key)
    }

    /// Keeps `entry` unless one at least as new is there. Returns whether it was news.
    pub fn put(&self, key: Key, entry: LedgerEntry) -> bool {
        let mut index = self.index();
        let Index { holders, census, .. } = &mut *index;
        let before = self.entries.get(&key);
        if !self.entries.put(key.clone(), entry.version, entry.clone()) {
            return false;
        }
        if let Some(before) = &before {
            census.subtract(&key, before);
        }
        census.add(&key, &entry);
        let (before, after) = (client_ids(before.as_ref()), client_ids(Some(&entry)));
        for gone in before.iter().filter(|id| !after.contains(id)) {
            forget(holders, gone, &key);
        }
        for new in after.into_iter().filter(|id| !before.contains(id)) {
            let keys = holders.entry(new).or_insert_with(|| Vec::with_capacity(1));
            if !keys.contains(&key) {
                keys.push(key.clone());
            }
        }
        true
    }

    /// The version of what is known of `key`; 0 if nothing is.
    pub fn version(&self, key: &Key) -> u64 {
        self.entries.version(key)
    }

    /// Forgets the ledger of `key`, unless one newer than `version` is there.
    pub fn remove(&self, key: &Key, version: u64) -> bool {
        let mut index = self.index();
        let before = self.entries.get(key);
        if !self.entries.remove(key, version) {
            return false;
        }
        for id in client_ids(before.as_ref()) {
            forget(&mut index.holders, &id, key);
        }
        if let Some(before) = &before {
            index.census.subtract(key, before);
        }
        true
    }

    /// What was minted for objects that are gone, all of it; it counts at their accounts like the rest.
    pub fn set_departed(&self, departed: Vec<Departed>) {
        let mut index = self.index();
        let Index { census, departed: known, .. } = &mut *index;
        known.iter().for_each(|it| census.discount(&it.mint()));
        departed.iter().for_each(|it| census.count(&it.mint()));
        *known = departed;
    }

    /// What was minted for objects that are gone.
    pub fn departed(&self) -> Vec<Departed> {
        self.index().departed.clone()
    }

    /// When credentials were minted for earlier objects at `key`.
    pub fn minted_before(&self, key: &Key) -> Vec<Timestamp> {
        self.index().departed.iter().filter(|it| it.object == *key).map(|it| it.at).collect()
    }

    /// Whether there is any that `is` is true of.
    pub fn any(&self, is: impl Fn(&Key, &LedgerEntry) -> bool) -> bool {
        self.entries.any(is)
    }

    /// Everything for which `select` gives a value.
    pub fn select<T>(&self, select: impl FnMut(&Key, &LedgerEntry) -> Option<T>) -> Vec<T> {
        self.entries.select(select)
    }

    /// Asks what the ledgers say of an account.
    pub(in crate::engine) fn of<T>(
        &self,
        provider: &ProviderKey,
        ask: impl FnOnce(&Tally) -> T,
    ) -> Option<T> {
        self.index().census.of(provider).map(ask)
    }

    /// Asks what the ledgers say of all accounts.
    pub(in crate::engine) fn accounts<T>(&self, ask: impl Fn(&Tally) -> T) -> Vec<(ProviderKey, T)> {
        self.index().census.all().map(|(key, tally)| (key.clone(), ask(tally))).collect()
    }

    /// Whether a ledger other than that of `key` lists this client ID.
    #[must_use]
    pub fn held_by_another(&self, client_id: &str, key: &Key) -> bool {
        self.index().holders.get(client_id).is_some_and(|keys| keys.iter().any(|holder| holder != key))
    }
}

fn client_ids(entry: Option<&LedgerEntry>) -> Vec<String> {
    let document = entry.and_then(|entry| entry.document.as_ref().ok());
    document.into_iter().flat_map(|it| &it.revisions).filter_map(|it| it.client_id.clone()).collect()
}

fn forget(holders: &mut HashMap<String, Vec<Key>>, client_id: &str, key: &Key) {
    if let Some(keys) = holders.get_mut(client_id) {
        keys.retain(|holder| holder != key);
        if keys.is_empty() {
            holders.remove(client_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        api::{DeletionPolicy, ProviderKind, Reason},
        lifecycle::ledger::{Account, Document, Intent, Request, Revision},
    };

    fn key(name: &str) -> Key {
        Key { namespace: "shop".to_owned(), name: name.to_owned() }
    }

    fn entry(version: u64, clients: &[&str]) -> LedgerEntry {
        let mut document = Document::new("cluster", "uid", DeletionPolicy::Revoke);
        for (number, client) in (1..).zip(clients) {
            let at = Timestamp::UNIX_EPOCH;
            let intent = Intent { writer: String::new(), id: String::new(), at, call_by: at };
            let account = Account {
                kind: ProviderKind::CredentialProvider,
                name: "acme".to_owned(),
                fingerprint: String::new(),
            };
            let request = Request {
                name: String::new(),
                scopes: Vec::new(),
                lifetime: None,
                subnets: Vec::new(),
                rotation_request: None,
            };
            let revision =
                Revision::intended((number, String::new()), (Reason::FirstIssue, request), intent, account);
            document.revisions.push(Revision { client_id: Some((*client).to_owned()), ..revision });
        }
        LedgerEntry {
            owned: true,
            uid: "ledger".to_owned(),
            version,
            held: true,
            terminating: None,
            document: Ok(Arc::new(document)),
        }
    }

    #[test]
    fn a_client_id_is_held_by_those_ledgers_that_list_it_now() {
        let ledgers = Ledgers::default();
        assert!(ledgers.put(key("a"), entry(1, &["one", "two"])));
        assert!(!ledgers.held_by_another("one", &key("a")), "its own");
        assert!(ledgers.held_by_another("one", &key("b")));
        assert!(ledgers.put(key("a"), entry(2, &["two", "three"])));
        assert!(!ledgers.held_by_another("one", &key("b")), "it is not listed any more");
        assert!(ledgers.held_by_another("three", &key("b")));
        assert!(!ledgers.put(key("a"), entry(1, &["one"])), "what is old is no news");
        assert!(!ledgers.held_by_another("one", &key("b")));
        assert!(ledgers.put(key("b"), entry(3, &["two"])));
        assert!(ledgers.held_by_another("two", &key("a")), "pasted from another");
        assert!(!ledgers.remove(&key("b"), 2), "that was an earlier one");
        assert!(ledgers.held_by_another("two", &key("a")));
        assert!(ledgers.remove(&key("b"), 3));
        assert!(!ledgers.held_by_another("two", &key("a")));
        assert!(!ledgers.index().census.is_empty());
        let unreadable = LedgerEntry { document: Err("it does not open".to_owned()), ..entry(9, &[]) };
        assert!(ledgers.put(key("a"), unreadable));
        assert_eq!(ledgers.index().holders.len(), 0, "nothing is left behind");
        assert!(ledgers.index().census.is_empty());
    }
}
