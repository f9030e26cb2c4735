//! The hourly listing of an account: one list serves all its objects. A credential that has an
//! object's tag but is in no ledger is either left over or belongs to a clone of this cluster.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::time::timeout;

use crate::{
    lifecycle::{naming, plan::FoundCredential, schedule::CHECK_EVERY, time::Moved},
    providers::{Failure, FailureKind, Found, Provider},
};

use super::{
    super::{
        Engine,
        stores::{Key, ProviderKey},
        turns::{Turns, Work},
    },
    Account,
};

/// The prefix of all tags.
const TAGS: &str = "kw";
/// The pause after a list that failed.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// The longest time for a list with all of its pages.
const LIST_WITHIN: Duration = Duration::from_secs(120);

/// The credentials that were found and are in no ledger, by the object whose tag they have.
#[derive(Default)]
pub(super) struct Strays(Mutex<HashMap<Key, (ProviderKey, Vec<FoundCredential>)>>);

impl Strays {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, (ProviderKey, Vec<FoundCredential>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the credentials found at `account` with the tag of `key`. Those at an earlier
    /// provider of that object do not count for this one.
    pub(super) fn of(&self, key: &Key, account: &ProviderKey) -> Vec<FoundCredential> {
        let all = self.all();
        all.get(key).filter(|(at, _)| at == account).map(|(_, found)| found.clone()).unwrap_or_default()
    }

    /// Replaces the credentials found at `account` before. Returns the objects that they concern.
    pub(super) fn replace(
        &self,
        account: &ProviderKey,
        found: HashMap<Key, Vec<FoundCredential>>,
    ) -> Vec<Key> {
        let mut all = self.all();
        let mut concerned: Vec<Key> =
            all.iter().filter(|(_, (at, _))| at == account).map(|(key, _)| key.clone()).collect();
        all.retain(|_, (at, _)| at != account);
        concerned.extend(found.keys().filter(|key| !concerned.contains(key)).cloned().collect::<Vec<_>>());
        all.extend(found.into_iter().map(|(key, found)| (key, (account.clone(), found))));
        concerned
    }
}

impl Engine {
    /// Lists an account if that is due. Returns the objects that the result concerns.
    pub(super) async fn list_account(
        &self,
        key: &ProviderKey,
        account: &mut Account,
        turns: &mut dyn Turns,
    ) -> Vec<Key> {
        let now = self.now();
        let Ok(usable) = &account.setup else { return Vec::new() };
        let due = account.listed.is_none_or(|at| at.later(CHECK_EVERY) <= now);
        let trusted = account.health.is_well() && account.standing.suspicion.is_none();
        let owners = if due && trusted && usable.capabilities.list {
            self.owners_by_tag(key)
        } else {
            return Vec::new();
        };
        if owners.is_empty() {
            // An object whose tags were found there earlier has moved to another provider, or was
            // deleted.
            return self.accounts.strays.replace(key, HashMap::new());
        }
        if !turns.begin(Work::List, key) {
            return Vec::new();
        }
        let driver = usable.driver.clone();
        let late = |_| {
            let message = format!("it took longer than {} s", LIST_WITHIN.as_secs());
            Err(Failure { kind: FailureKind::Unavailable, retry_after: None, message })
        };
        let found = timeout(LIST_WITHIN, driver.find(TAGS)).await.unwrap_or_else(late);
        turns.end();
        match found {
            Ok(found) => {
                account.listed = Some(self.now());
                let strays = self.strays(&owners, found, (driver.as_ref(), &usable.fingerprint));
                self.accounts.strays.replace(key, strays)
            }
            Err(failure) => {
                tracing::warn!(
                    provider = %key.name, why = %failure.message,
                    "listing the account's credentials failed, retrying"
                );
                account.listed = Some(now.earlier(CHECK_EVERY).later(TRY_AGAIN));
                Vec::new()
            }
        }
    }

    /// The objects at this account whose ledgers can be read, by every tag that is theirs.
    fn owners_by_tag(&self, account: &ProviderKey) -> HashMap<String, Key> {
        let ledgers =
            self.stores.ledgers.select(|key, entry| Some((key.clone(), entry.document.clone().ok()?)));
        let mut owners = HashMap::new();
        for (key, document) in ledgers {
            let Some(object) = self.stores.credentials.get(&key) else { continue };
            let at = ProviderKey::wanted_by(&object, &key.namespace);
            // For a suspended object nothing is called.
            if at != *account || object.spec.suspend {
                continue;
            }
            let own = document.tag(&key.namespace, &key.name);
            // Its own tag is certain; the tags that it inherited may come from a status.
            for tag in document.tags(&key.namespace, &key.name).into_iter().filter(|it| *it != own) {
                owners.entry(tag).or_insert_with(|| key.clone());
            }
            owners.insert(own, key);
        }
        owners
    }

    fn strays(
        &self,
        owners: &HashMap<String, Key>,
        found: Vec<Found>,
        (driver, fingerprint): (&dyn Provider, &str),
    ) -> HashMap<Key, Vec<FoundCredential>> {
        let mut strays: HashMap<Key, Vec<FoundCredential>> = HashMap::new();
        for it in found {
            let Some(key) = naming::parts(&it.name).and_then(|(tag, _)| owners.get(tag)) else { continue };
            // The current ledger: an intent of a create in progress is in it already.
            let entry = self.stores.ledgers.get(key);
            if entry.is_none_or(|entry| {
                entry.document.is_ok_and(|document| document.expects(&it.name, &it.client_id))
            }) {
                continue;
            }
            let held_elsewhere = driver.identity() == Some(&it.client_id)
                || self.stores.ledgers.held_by_another(&it.client_id, fingerprint, key);
            let Found { name, ids, client_id } = it;
            strays.entry(key.clone()).or_default().push(FoundCredential {
                name,
                client_id,
                ids,
                held_elsewhere,
            });
        }
        strays
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::ProviderKind;

    #[test]
    fn what_was_found_at_an_account_is_of_that_account_and_ends_when_nothing_of_it_is_found_any_more() {
        let (strays, namespace) = (Strays::default(), "shop".to_owned());
        let account = |name: &str| ProviderKey::resolve(ProviderKind::CredentialProvider, name, "shop");
        let orders = Key { namespace, name: "orders".to_owned() };
        let found = FoundCredential {
            name: "shop-orders-kw-1".to_owned(),
            client_id: "one".to_owned(),
            ids: BTreeMap::new(),
            held_elsewhere: false,
        };
        let concerned = strays.replace(&account("acme"), HashMap::from([(orders.clone(), vec![found])]));
        assert_eq!(concerned, std::slice::from_ref(&orders));
        assert_eq!(strays.of(&orders, &account("acme")).len(), 1);
        assert!(strays.of(&orders, &account("other")).is_empty(), "the object has moved away");
        assert!(strays.replace(&account("other"), HashMap::new()).is_empty());
        assert_eq!(strays.of(&orders, &account("acme")).len(), 1);
        assert_eq!(
            strays.replace(&account("acme"), HashMap::new()),
            std::slice::from_ref(&orders),
            "it looks again"
        );
        assert!(strays.of(&orders, &account("acme")).is_empty());
    }
}
