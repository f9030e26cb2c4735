//! Metrics that are read from the stores when they are scraped.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{Accounts, ProviderKey, ProviderObject, Sealer, Stores, Tally};
use crate::{
    api::{ApiCredential, CredentialCounts},
    clock::Clock,
    lifecycle::budget,
    ops::metrics::{AccountFacts, MintFacts, Source},
};

/// The source of metrics.
pub(super) struct MetricsSource {
    pub(super) stores: Arc<Stores>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sealer: Arc<Sealer>,
}

impl Source for MetricsSource {
    fn credentials(&self) -> Vec<Arc<ApiCredential>> {
        self.stores.credentials.select(|_, object| Some(object.clone()))
    }

    fn unreadable(&self) -> BTreeMap<String, u32> {
        self.stores.unreadable.counts()
    }

    fn sealed_before(&self) -> BTreeMap<&'static str, u32> {
        // Before all is known, a count of zero would mislead.
        if !self.sealer.has_previous() || !self.stores.has_settled() {
            return BTreeMap::new();
        }
        let ledgers = self.stores.ledgers.select(|_, entry| (!entry.up_to_date).then_some(()));
        [("ledger", u32::try_from(ledgers.len()).unwrap_or(u32::MAX))].into()
    }

    fn accounts(&self) -> Vec<AccountFacts> {
        let mut abandoned = self.abandoned();
        let counted = self.stores.ledgers.accounts(|tally| tally.counts);
        // The mints of deleted objects are remembered a while longer.
        let counted = counted.into_iter().filter(|(_, counts)| *counts != CredentialCounts::default());
        let mut counts: HashMap<_, _> = counted.collect();
        let objects = self.stores.providers.select(|key, object| Some((key.clone(), object.clone())));
        let objects: HashMap<_, _> = objects.into_iter().collect();
        // Providers that are gone may still have entries.
        let all: HashSet<_> = objects.keys().chain(counts.keys()).chain(abandoned.keys()).cloned().collect();
        let facts = all.into_iter().map(|key| {
            let object = objects.get(&key);
            let mints = object.filter(|_| !self.accounts.is_by_hand(&key)).map(|it| self.mints(&key, it));
            AccountFacts {
                provider: key.label(),
                ready: object.and_then(|_| self.accounts.ready(&key)),
                counts: counts.remove(&key).unwrap_or_default(),
                abandoned: abandoned.remove(&key).unwrap_or_default(),
                mints,
                requests_per_minute: object.and_then(|_| self.accounts.requests_per_minute(&key)),
            }
        });
        facts.collect()
    }
}

impl MetricsSource {
    fn abandoned(&self) -> HashMap<ProviderKey, u32> {
        let mut counts = HashMap::new();
        let records = self.stores.abandoned.select(|_, record| Some(record.clone()));
        for of in records.iter().map(|record| &record.spec.provider) {
            let namespace = of.namespace.as_deref().unwrap_or_default();
            *counts.entry(ProviderKey::resolve(of.kind, &of.name, namespace)).or_default() += 1;
        }
        counts
    }

    fn mints(&self, key: &ProviderKey, object: &ProviderObject) -> MintFacts {
        let limits = object.settings().limits.as_ref();
        let now = self.clock.now();
        let of_tally = |tally: &Tally| MintFacts {
            recent: u32::try_from(tally.minted(now)).unwrap_or(u32::MAX),
            limit: budget::limit(limits, tally.needed),
            suffice: tally.limits_too_low(key, limits).is_none(),
        };
        let unused = MintFacts { recent: 0, limit: budget::limit(limits, 0), suffice: true };
        self.stores.ledgers.of(key, of_tally).unwrap_or(unused)
    }
}
