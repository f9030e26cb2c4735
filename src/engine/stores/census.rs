//! Sums over the ledgers of each account, kept up to date: with thousands of objects, a question
//! about an account must not read each of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    document::LedgerEntry,
    keys::{Key, ProviderKey},
};
use crate::{
    api::{CredentialCounts, Limits, ProviderKind},
    lifecycle::{
        Revision, State, backoff,
        budget::{self, Asked},
        may_be,
        suspect::{TOGETHER, is_judged},
    },
};

/// Accounts, by their provider object.
#[derive(Default)]
pub(super) struct Census(HashMap<ProviderKey, Tally>);

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Tally {
    /// Credentials by state.
    pub(in crate::engine) counts: CredentialCounts,
    /// The number that workloads may use.
    pub(in crate::engine) usable: u32,
    /// The numbers that may be alive, by the fingerprint of the account that they were made at.
    pub(in crate::engine) alive: BTreeMap<String, u32>,
    /// The millionths of a credential that the schedules need within an hour.
    pub(in crate::engine) needed: u64,
    /// The same for each namespace that needs any.
    needed_by: BTreeMap<Arc<str>, u64>,
    /// Revisions that the provider refuses now or refused when they ended.
    refused: BTreeSet<Refused>,
    /// The times of mints, of all and by namespace; some may be older than anybody asks about.
    mints: Mints,
    mints_of: BTreeMap<String, Mints>,
}

/// Times and their number: a question in each pass of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mints {
    count: usize,
    at: BTreeMap<Timestamp, u32>,
}

impl Mints {
    fn add(&mut self, at: Timestamp) {
        self.count += 1;
        *self.at.entry(at).or_default() += 1;
    }

    fn subtract(&mut self, at: Timestamp) {
        let Some(count) = self.at.get_mut(&at) else { return };
        (*count, self.count) = (*count - 1, self.count - 1);
        if *count == 0 {
            self.at.remove(&at);
        }
    }

    /// Returns the times of the last hour, in order.
    fn recent(&self, now: Timestamp) -> Vec<Timestamp> {
        let recent = self.at.iter().filter(|(at, _)| backoff::counts(**at, now));
        recent.flat_map(|(at, count)| std::iter::repeat_n(*at, *count as usize)).collect()
    }
}

/// A credential that was asked for.
pub(super) struct Mint<'a> {
    pub(super) provider: ProviderKey,
    pub(super) namespace: &'a str,
    pub(super) at: Timestamp,
}

/// Returns the recent mints in the ledger of `key`. A mint of an unnamed provider counts at the
/// last one.
pub(super) fn mints<'a>(key: &'a Key, entry: &'a LedgerEntry) -> impl Iterator<Item = Mint<'a>> {
    let document = entry.document.as_ref().ok();
    document.into_iter().flat_map(|document| &document.mints).filter_map(move |at| {
        let revisions = &entry.document.as_ref().ok()?.revisions;
        let asked = revisions.iter().find(|it| it.intent.at == *at).or(revisions.last())?;
        let provider = ProviderKey::of_account(&asked.account, &key.namespace);
        Some(Mint { provider, namespace: &key.namespace, at: *at })
    })
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Refused {
    at: Timestamp,
    key: Key,
    revision: u32,
    issued: Option<Timestamp>,
    over: bool,
}

impl Census {
    pub(super) fn of(&self, provider: &ProviderKey) -> Option<&Tally> {
        self.0.get(provider)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&ProviderKey, &Tally)> {
        self.0.iter()
    }

    pub(super) fn count(&mut self, mint: &Mint<'_>) {
        let tally = self.0.entry(mint.provider.clone()).or_default();
        tally.mints.add(mint.at);
        tally.mints_of.entry(mint.namespace.to_owned()).or_default().add(mint.at);
    }

    pub(super) fn discount(&mut self, mint: &Mint<'_>) {
        let Some(tally) = self.0.get_mut(&mint.provider) else { return };
        tally.mints.subtract(mint.at);
        if let Some(mints) = tally.mints_of.get_mut(mint.namespace) {
            mints.subtract(mint.at);
            if mints.count == 0 {
                tally.mints_of.remove(mint.namespace);
            }
        }
        self.drop_if_empty(&mint.provider);
    }

    fn drop_if_empty(&mut self, provider: &ProviderKey) {
        if self.0.get(provider).is_some_and(|tally| *tally == Tally::default()) {
            self.0.remove(provider);
        }
    }

    pub(super) fn add(&mut self, key: &Key, entry: &LedgerEntry) {
        mints(key, entry).for_each(|mint| self.count(&mint));
        for revision in revisions(entry) {
            self.0
                .entry(ProviderKey::of_account(&revision.account, &key.namespace))
                .or_default()
                .add(key, revision);
        }
    }

    pub(super) fn subtract(&mut self, key: &Key, entry: &LedgerEntry) {
        mints(key, entry).for_each(|mint| self.discount(&mint));
        for revision in revisions(entry) {
            let provider = ProviderKey::of_account(&revision.account, &key.namespace);
            if let Some(tally) = self.0.get_mut(&provider) {
                tally.subtract(key, revision);
            }
            self.drop_if_empty(&provider);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn revisions(entry: &LedgerEntry) -> impl Iterator<Item = &Revision> {
    let open = entry.document.as_ref().ok().filter(|document| !document.closed);
    open.into_iter().flat_map(|document| &document.revisions)
}

fn refused(key: &Key, it: &Revision) -> Option<Refused> {
    let at = it.refused_at.or(it.dead_at)?;
    let (revision, issued) = (it.revision, it.issued_at);
    Some(Refused { at, key: key.clone(), revision, issued, over: !it.state.may_be_alive() })
}

impl Tally {
    fn count(&mut self, state: State) -> Option<&mut u32> {
        match state {
            State::Issued => Some(&mut self.counts.active),
            State::Retiring | State::Revoking => Some(&mut self.counts.retiring),
            State::Intended | State::Unconfirmed => Some(&mut self.counts.unconfirmed),
            State::Revoked | State::Absent | State::Left | State::Abandoned => None,
        }
    }

    fn add(&mut self, key: &Key, it: &Revision) {
        if let Some(count) = self.count(it.state) {
            *count += 1;
        }
        self.usable += u32::from(it.state.is_usable());
        let needed = budget::needed(it);
        self.needed += needed;
        if needed > 0 {
            *self.needed_by.entry(key.namespace.clone()).or_default() += needed;
        }
        if it.state.may_be_alive() {
            *self.alive.entry(it.account.fingerprint.clone()).or_default() += 1;
        }
        self.refused.extend(refused(key, it));
    }

    fn subtract(&mut self, key: &Key, it: &Revision) {
        if let Some(count) = self.count(it.state) {
            *count -= 1;
        }
        self.usable -= u32::from(it.state.is_usable());
        let needed = budget::needed(it);
        self.needed -= needed;
        if let Some(of_namespace) = self.needed_by.get_mut(&key.namespace) {
            *of_namespace -= needed;
            if *of_namespace == 0 {
                self.needed_by.remove(&key.namespace);
            }
        }
        if it.state.may_be_alive()
            && let Some(count) = self.alive.get_mut(&it.account.fingerprint)
        {
            *count -= 1;
            if *count == 0 {
                self.alive.remove(&it.account.fingerprint);
            }
        }
        if let Some(refused) = refused(key, it) {
            self.refused.remove(&refused);
        }
    }

    /// Returns the mints within the hour, of all and, if a namespace is given, of that; `None` if
    /// they are far from `limit`.
    pub(in crate::engine) fn asked(
        &self,
        namespace: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Option<Asked> {
        let of = namespace.map(|it| self.mints_of.get(it));
        let by_one = of.map(|mints| mints.map_or(0, |mints| mints.count));
        if budget::is_left(limit, self.mints.count, by_one) {
            return None;
        }
        let by_one = of.map(|mints| mints.map(|mints| mints.recent(now)).unwrap_or_default());
        Some(Asked { by_all: self.mints.recent(now), by_one })
    }

    /// Returns how many millionths of a credential the schedules of a namespace need within an
    /// hour.
    pub(in crate::engine) fn needed_by(&self, namespace: &str) -> u64 {
        self.needed_by.get(namespace).copied().unwrap_or_default()
    }

    /// Returns why the limits of the account are too low for its schedules, if they are.
    pub(in crate::engine) fn limits_too_low(
        &self,
        provider: &ProviderKey,
        limits: Option<&Limits>,
    ) -> Option<String> {
        let shared = provider.kind == ProviderKind::ClusterCredentialProvider;
        let most = self.needed_by.iter().filter(|_| shared).max_by_key(|(_, needed)| **needed);
        let most = most.map(|(namespace, needed)| (&**namespace, *needed));
        budget::too_low(limits, self.needed, self.usable)
            .or_else(|| budget::share_too_low(limits, self.needed, most))
    }

    /// Returns how many credentials were requested within the hour.
    pub(in crate::engine) fn minted(&self, now: Timestamp) -> usize {
        self.mints.recent(now).len()
    }

    /// Returns how many credentials may be alive.
    pub(in crate::engine) fn living(&self) -> u32 {
        self.alive.values().sum()
    }

    /// Returns how many credentials that may be alive were made at an account with another
    /// fingerprint.
    pub(in crate::engine) fn made_elsewhere(&self, fingerprint: &str) -> u32 {
        self.alive.iter().filter(|(it, _)| !may_be(it, fingerprint)).map(|(_, count)| count).sum()
    }

    /// Returns the times at which credentials came to be refused, in order: those that still are,
    /// and those that were replaced just now. A credential that a person has judged is left out.
    pub(in crate::engine) fn refusals(
        &self,
        judged: Option<Timestamp>,
        now: Timestamp,
    ) -> impl DoubleEndedIterator<Item = (Timestamp, &Key)> {
        let recent = move |it: &&Refused| !it.over || now.duration_since(it.at) < TOGETHER;
        let news = move |it: &&Refused| !is_judged(judged, it.issued, it.at);
        self.refused.iter().filter(recent).filter(news).map(|it| (it.at, &it.key))
    }
}
