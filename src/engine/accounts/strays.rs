//! The strays of the last listing of each account.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use crate::{
    engine::{Key, ProviderKey},
    lifecycle::{FoundCredential, Parameters},
};

/// The credentials that were found and are in no ledger, by the object whose tag they have.
#[derive(Default)]
pub(super) struct Strays(Mutex<HashMap<Key, (ProviderKey, Vec<FoundCredential>)>>);

impl Strays {
    /// Returns the credentials found at `account` with the tag of `key`. Those at an earlier
    /// provider of that object do not count for this one.
    pub(super) fn of(&self, key: &Key, account: &ProviderKey) -> Vec<FoundCredential> {
        let all = self.0.lock();
        all.get(key).filter(|(at, _)| at == account).map(|(_, found)| found.clone()).unwrap_or_default()
    }

    /// Forgets the credentials found at `account`. Returns the objects that they concern.
    pub(super) fn forget(&self, account: &ProviderKey) -> Vec<Key> {
        self.0.lock().extract_if(|_, (at, _)| at == account).map(|(key, _)| key).collect()
    }

    /// Replaces the credentials found in a place of `account` before. Returns the objects that they
    /// concern.
    pub(super) fn replace(
        &self,
        account: &ProviderKey,
        place: &Parameters,
        found: HashMap<Key, Vec<FoundCredential>>,
    ) -> HashSet<Key> {
        let mut all = self.0.lock();
        let mut concerned: HashSet<Key> = found.keys().cloned().collect();
        all.retain(|key, (at, strays)| {
            let is_there = |it: &FoundCredential| at == account && it.found.place == *place;
            if strays.iter().any(is_there) {
                concerned.insert(key.clone());
                strays.retain(|it| !is_there(it));
            }
            !strays.is_empty()
        });
        for (key, found) in found {
            let (at, strays) = all.entry(key).or_insert_with(|| (account.clone(), Vec::new()));
            if at != account {
                (*at, *strays) = (account.clone(), Vec::new());
            }
            strays.extend(found);
        }
        concerned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::ProviderKind, lifecycle::Found};

    #[test]
    fn strays_belong_to_their_account_and_are_forgotten_once_they_are_not_found() {
        let strays = Strays::default();
        let account = |name: &str| ProviderKey::resolve(ProviderKind::CredentialProvider, name, "shop");
        let orders = Key::new("shop", "orders");
        let place = |project: &str| Parameters::from([("project".to_owned(), project.to_owned())]);
        let found = |project: &str| {
            let found = Found { place: place(project), ..Found::default() };
            HashMap::from([(orders.clone(), vec![FoundCredential { found, held_elsewhere: false }])])
        };
        let (acme, other) = (account("acme"), account("other"));
        let it_alone = HashSet::from([orders.clone()]);
        assert_eq!(strays.replace(&acme, &place("41"), found("41")), it_alone);
        assert_eq!(strays.replace(&acme, &place("42"), found("42")), it_alone);
        assert_eq!(strays.of(&orders, &acme).len(), 2);
        assert!(strays.of(&orders, &other).is_empty(), "the object has moved away");
        assert!(strays.replace(&other, &place("41"), HashMap::new()).is_empty());
        assert_eq!(strays.replace(&acme, &place("41"), HashMap::new()), it_alone, "it looks again");
        assert_eq!(strays.of(&orders, &acme)[0].found.place, place("42"));
        assert_eq!(strays.forget(&acme), std::slice::from_ref(&orders));
        assert!(strays.of(&orders, &acme).is_empty());
    }
}
