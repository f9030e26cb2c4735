//! What an account holds of ours, looked over once an hour: one list serves all its objects. What carries an object's tag and is in
//! no ledger was left behind, or is somebody else's who believes to be us.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::SignedDuration;

use crate::{
    lifecycle::{naming, plan::FoundCredential, schedule::CHECK_EVERY},
    providers::{Found, Provider},
};

use super::{
    super::{
        Engine,
        stores::{Key, ProviderKey},
    },
    Account,
};

/// What all tags begin with.
const TAGS: &str = "kw";
/// How long after a list that failed the next attempt is made.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// What was found and is in no ledger, by whose tag it carries.
#[derive(Default)]
pub(super) struct Strays(Mutex<HashMap<Key, (ProviderKey, Vec<FoundCredential>)>>);

impl Strays {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, (ProviderKey, Vec<FoundCredential>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, key: &Key) -> Vec<FoundCredential> {
        self.all().get(key).map(|(_, found)| found.clone()).unwrap_or_default()
    }

    /// Keeps what was found at `account` in place of what was found there before. Returns whom it concerns.
    fn replace(&self, account: &ProviderKey, found: HashMap<Key, Vec<FoundCredential>>) -> Vec<Key> {
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
    /// Lists an account if that is due. Returns whom what was found concerns.
    pub(super) async fn list_account(&self, key: &ProviderKey, account: &mut Account) -> Vec<Key> {
        let now = self.now();
        let Ok(usable) = &account.setup else { return Vec::new() };
        let due = account.listed.is_none_or(|at| at + CHECK_EVERY <= now);
        let trusted = account.trouble.is_none() && account.standing.suspicion.is_none();
        let owners = if due && trusted && usable.capabilities.list {
            self.owners_by_tag(key)
        } else {
            return Vec::new();
        };
        if owners.is_empty() {
            return Vec::new();
        }
        let driver = usable.driver.clone();
        match driver.find(TAGS).await {
            Ok(found) => {
                account.listed = Some(self.now());
                let strays = self.strays(&owners, found, driver.as_ref());
                self.accounts.strays.replace(key, strays)
            }
            Err(failure) => {
                tracing::warn!(provider = %key.name, failure = %failure.message, "what the account holds cannot be listed");
                account.listed = Some(now - CHECK_EVERY + TRY_AGAIN);
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
            for tag in document.tags(&key.namespace, &key.name) {
                owners.insert(tag, key.clone());
            }
        }
        owners
    }

    fn strays(
        &self,
        owners: &HashMap<String, Key>,
        found: Vec<Found>,
        driver: &dyn Provider,
    ) -> HashMap<Key, Vec<FoundCredential>> {
        let mut strays: HashMap<Key, Vec<FoundCredential>> = HashMap::new();
        for it in found {
            let Some(key) = naming::parts(&it.name).and_then(|(tag, _)| owners.get(tag)) else { continue };
            // The ledger as it is now: what is being made just now is in it already.
            let entry = self.stores.ledgers.get(key);
            if entry.is_none_or(|entry| {
                entry.document.is_ok_and(|document| document.expects(&it.name, &it.client_id))
            }) {
                continue;
            }
            let held_elsewhere = driver.identity() == Some(&it.client_id)
                || self.stores.ledgers.held_by_another(&it.client_id, key);
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
