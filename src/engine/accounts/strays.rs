//! The strays of the last listing of each account.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{
    engine::{Key, ProviderKey},
    lifecycle::FoundCredential,
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

    /// Replaces the credentials found at `account` before. Returns the objects that they concern.
    pub(super) fn replace(
        &self,
        account: &ProviderKey,
        found: HashMap<Key, Vec<FoundCredential>>,
    ) -> Vec<Key> {
        let mut all = self.0.lock();
        let mut concerned: Vec<Key> =
            all.iter().filter(|(_, (at, _))| at == account).map(|(key, _)| key.clone()).collect();
        all.retain(|_, (at, _)| at != account);
        concerned.extend(found.keys().filter(|key| !concerned.contains(key)).cloned().collect::<Vec<_>>());
        all.extend(found.into_iter().map(|(key, found)| (key, (account.clone(), found))));
        concerned
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::ProviderKind;

    #[test]
    fn strays_belong_to_their_account_and_are_forgotten_once_they_are_not_found() {
        let strays = Strays::default();
        let account = |name: &str| ProviderKey::resolve(ProviderKind::CredentialProvider, name, "shop");
        let orders = Key::new("shop", "orders");
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
