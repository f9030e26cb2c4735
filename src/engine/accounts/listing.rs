//! The hourly listing of an account: one list serves all its objects. A credential that has an
//! object's tag but is in no ledger is either left over or belongs to a clone of this cluster.

use std::{collections::HashMap, time::Duration};

use jiff::SignedDuration;
use tokio::time::timeout;

use crate::{
    lifecycle::{FoundCredential, Moved, naming, schedule::CHECK_EVERY},
    providers::{Failure, FailureKind, FindRequest, Found, Provider},
};

use super::account::Account;
use crate::engine::{Engine, Key, ProviderKey, Turns, Work};

/// The prefix of all tags.
const TAGS: &str = "kw";
/// The pause after a list that failed.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// The longest time for a list with all of its pages.
const LIST_WITHIN: Duration = Duration::from_secs(120);

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
        let driver = usable.driver.clone();
        let Some(lister) = driver.lister().filter(|_| due && trusted) else { return Vec::new() };
        let owners = self.owners_by_tag(key);
        if owners.is_empty() {
            // An object whose tags were found there earlier has moved to another provider, or was
            // deleted.
            return self.accounts.strays.replace(key, HashMap::new());
        }
        if !turns.begin(Work::List, key) {
            return Vec::new();
        }
        let late = |_| {
            let message = format!("it took longer than {} s", LIST_WITHIN.as_secs());
            Err(Failure::new(FailureKind::Unavailable, message))
        };
        let all = FindRequest { tag: TAGS.to_owned() };
        let found = timeout(LIST_WITHIN, lister.find(&all)).await.unwrap_or_else(late);
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
            let held_elsewhere = self.belongs_to_another(&it.client_id, fingerprint, key, driver);
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
