//! The hourly listing of an account, once for each place in which its objects have credentials.
//!
//! A credential that has an object's tag but is in no ledger is either left over or belongs to a
//! clone of this cluster.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use crate::{
    lifecycle::{Capabilities, FoundCredential, Parameters, naming},
    providers::{Failure, FailureKind, FindRequest, Found, Lister, Provider},
};

use super::account::Account;
use crate::engine::{Engine, Key, ProviderKey, Turns, Work};

/// The prefix of all tags.
const TAGS: &str = "kw";
/// The longest time for a list with all of its pages.
const LIST_WITHIN: Duration = Duration::from_secs(120);
/// The time after which a pass leaves further places to the next one.
const LONG: Duration = Duration::from_secs(20);

/// The objects that an account is listed for.
#[derive(Default)]
struct Owners {
    by_tag: HashMap<String, Key>,
    places: BTreeSet<Parameters>,
}

impl Engine {
    /// Lists the places of an account that are due. What fails at one of them holds up no other.
    /// Returns the objects that the result concerns.
    pub(super) async fn list_account(
        &self,
        key: &ProviderKey,
        account: &mut Account,
        turns: &mut dyn Turns,
    ) -> Vec<Key> {
        let Ok(usable) = &account.setup else { return Vec::new() };
        let trusted = account.health.is_well() && account.standing.suspicion.is_none();
        let (driver, fingerprint) = (usable.driver.clone(), usable.fingerprint.clone());
        let Some(lister) = driver.lister().filter(|_| trusted) else { return Vec::new() };
        let owners = self.owners(key, &usable.capabilities);
        if owners.by_tag.is_empty() {
            // An object whose tags were found there earlier has moved to another provider, or was
            // deleted.
            return self.accounts.strays.forget(key);
        }
        let due = account.listings.due(&owners.places, self.now());
        if due.is_empty() || !turns.begin(Work::List, key) {
            return Vec::new();
        }
        let began = Instant::now();
        let mut concerned = Vec::new();
        for place in due {
            let found = listed(lister, &place).await;
            account.listings.note(place.clone(), found.is_ok(), self.now());
            match found {
                Ok(found) => {
                    let strays = self.strays(&owners.by_tag, found, (driver.as_ref(), &fingerprint));
                    concerned.extend(self.accounts.strays.replace(key, &place, strays));
                }
                Err(failure) => tracing::warn!(
                    provider = %key.name, ?place, why = %failure.message,
                    "listing the account's credentials failed, retrying"
                ),
            }
            if began.elapsed() > LONG {
                break;
            }
        }
        turns.end();
        concerned
    }

    /// The objects at this account whose ledgers can be read, by every tag that is theirs, and the
    /// places of their credentials.
    fn owners(&self, account: &ProviderKey, capabilities: &Capabilities) -> Owners {
        let ledgers =
            self.stores.ledgers.select(|key, entry| Some((key.clone(), entry.document.clone().ok()?)));
        let mut owners = Owners::default();
        if !capabilities.parameters.iter().any(|it| it.lists) {
            owners.places.insert(Parameters::new());
        }
        for (key, document) in ledgers {
            let Some(object) = self.stores.credentials.get(&key) else { continue };
            let at = ProviderKey::wanted_by(&object, &key.namespace);
            // For a suspended object nothing is called.
            if at != *account || object.spec.suspend {
                continue;
            }
            let made_here = document
                .revisions
                .iter()
                .filter(|it| ProviderKey::of_account(&it.account, &key.namespace) == at);
            owners.places.extend(made_here.map(|it| capabilities.place(&it.parameters)));
            let own = document.tag(&key.namespace, &key.name);
            // Its own tag is certain; the tags that it inherited may come from a status.
            for tag in document.tags(&key.namespace, &key.name).into_iter().filter(|it| *it != own) {
                owners.by_tag.entry(tag).or_insert_with(|| key.clone());
            }
            owners.by_tag.insert(own, key);
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
            if entry.is_none_or(|entry| entry.document.is_ok_and(|document| document.expects(&it))) {
                continue;
            }
            let held_elsewhere = self.belongs_to_another(&it.identity(), (fingerprint, key), driver);
            strays.entry(key.clone()).or_default().push(FoundCredential { found: it, held_elsewhere });
        }
        strays
    }
}

/// Lists all our credentials in a place.
async fn listed(lister: &dyn Lister, place: &Parameters) -> Result<Vec<Found>, Failure> {
    let all = FindRequest { tag: TAGS.to_owned(), place: place.clone() };
    let late = |_| {
        let message = format!("it took longer than {} s", LIST_WITHIN.as_secs());
        Err(Failure::new(FailureKind::Unavailable, message))
    };
    timeout(LIST_WITHIN, lister.find(&all)).await.unwrap_or_else(late)
}
