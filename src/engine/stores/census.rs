//! What the ledgers say of each account, kept in step with them: with thousands of objects, a question about an account must
//! not take a look at each of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Key, LedgerEntry, ProviderKey};
use crate::{
    api::CredentialCounts,
    lifecycle::{
        ledger::{Revision, State},
        suspect::TOGETHER,
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
    /// How many workloads may use.
    pub(in crate::engine) usable: u32,
    /// How many may be alive, by the fingerprint of the account that they were made at.
    pub(in crate::engine) alive: BTreeMap<String, u32>,
    /// Those that the provider refuses, and those that it refused until they were over.
    refused: BTreeSet<Refused>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Refused {
    at: Timestamp,
    key: Key,
    revision: u32,
    over: bool,
}

impl Census {
    pub(super) fn of(&self, provider: &ProviderKey) -> Option<&Tally> {
        self.0.get(provider)
    }

    pub(super) fn add(&mut self, key: &Key, entry: &LedgerEntry) {
        for revision in revisions(entry) {
            self.0
                .entry(ProviderKey::of_account(&revision.account, &key.namespace))
                .or_default()
                .add(key, revision);
        }
    }

    pub(super) fn subtract(&mut self, key: &Key, entry: &LedgerEntry) {
        for revision in revisions(entry) {
            let provider = ProviderKey::of_account(&revision.account, &key.namespace);
            if let Some(tally) = self.0.get_mut(&provider) {
                tally.subtract(key, revision);
                if *tally == Tally::default() {
                    self.0.remove(&provider);
                }
            }
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
    Some(Refused { at, key: key.clone(), revision: it.revision, over: !it.state.may_be_alive() })
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

    /// How many credentials may be alive.
    pub(in crate::engine) fn living(&self) -> u32 {
        self.alive.values().sum()
    }

    /// How many credentials that may be alive were made at an account with another fingerprint.
    pub(in crate::engine) fn made_elsewhere(&self, fingerprint: &str) -> u32 {
        self.alive.iter().filter(|(it, _)| *it != fingerprint).map(|(_, count)| count).sum()
    }

    /// When credentials came to be refused, in order of time: those that still are, and those that were replaced just now. What
    /// a person knows of, up to `known`, is left out.
    pub(in crate::engine) fn refusals(
        &self,
        known: Option<Timestamp>,
        now: Timestamp,
    ) -> impl DoubleEndedIterator<Item = (Timestamp, &Key)> {
        let recent = move |it: &&Refused| !it.over || now.duration_since(it.at) < TOGETHER;
        let news = move |it: &&Refused| known.is_none_or(|known| it.at > known);
        self.refused.iter().filter(recent).filter(news).map(|it| (it.at, &it.key))
    }
}
