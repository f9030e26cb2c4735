//! What to look at next, and when.
//!
//! A small queue instead of kube-runtime's `Controller`: its delays are the injected clock's, so that tests move time; it keeps no
//! second copy of any object; and nothing is looked at by two passes at once. docs/adr/0003 has the reasons.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::{
    engine::stores::{Key, ProviderKey},
    lifecycle::backoff,
    ops::metrics,
};

/// Waits after errors that are nobody's but Kubernetes'.
const RETRIES: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(1), SignedDuration::from_mins(1));

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// A provider. These come first: credentials wait for them.
    Provider(ProviderKey),
    /// An ApiCredential, or what is left of one.
    Credential(Key),
    /// An AbandonedCredential.
    Abandoned(Key),
    /// The finalizer of a login Secret.
    Login(Key),
    /// Credwright's rights in a namespace.
    Rights(String),
}

impl Item {
    /// The namespace that it is in, unless it is shared by all.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Provider(key) => &key.namespace,
            Self::Credential(key) | Self::Abandoned(key) | Self::Login(key) => &key.namespace,
            Self::Rights(namespace) => namespace,
        }
    }

    /// What it is, for metrics.
    #[must_use]
    pub fn label(&self) -> metrics::Item {
        match self {
            Self::Provider(_) => metrics::Item::Provider,
            Self::Credential(_) => metrics::Item::Credential,
            Self::Abandoned(_) => metrics::Item::Abandoned,
            Self::Login(_) => metrics::Item::Login,
            Self::Rights(_) => metrics::Item::Rights,
        }
    }
}

/// The queue.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Item>,
    waiting: HashSet<Item>,
    due: HashMap<Item, Timestamp>,
    timeline: BTreeSet<(Timestamp, Item)>,
    running: HashSet<Item>,
    again: HashSet<Item>,
    errors: HashMap<Item, u32>,
}

impl State {
    fn push(&mut self, item: Item) {
        if self.running.contains(&item) {
            self.again.insert(item);
        } else if self.waiting.insert(item.clone()) {
            match item {
                Item::Provider(_) => self.ready.push_front(item),
                _ => self.ready.push_back(item),
            }
        }
    }

    fn schedule(&mut self, item: Item, at: Timestamp) {
        if let Some(before) = self.due.insert(item.clone(), at) {
            self.timeline.remove(&(before, item.clone()));
        }
        self.timeline.insert((at, item));
    }

    fn unschedule(&mut self, item: &Item) {
        if let Some(at) = self.due.remove(item) {
            self.timeline.remove(&(at, item.clone()));
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at `item` as soon as may be.
    pub fn wake(&self, item: Item) {
        self.state().push(item);
        self.changed.notify_one();
    }

    /// Looks at `item` at `at`, or earlier if that is planned already.
    pub fn wake_by(&self, item: Item, at: Timestamp) {
        let mut state = self.state();
        if state.due.get(&item).is_none_or(|planned| *planned > at) {
            state.schedule(item, at);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The next item to look at, if one is ready or due.
    pub fn take(&self, now: Timestamp) -> Option<Item> {
        let mut state = self.state();
        while let Some((at, item)) = state.timeline.first().cloned() {
            if at > now {
                break;
            }
            state.unschedule(&item);
            state.push(item);
        }
        let item = state.ready.pop_front()?;
        state.waiting.remove(&item);
        state.unschedule(&item);
        state.running.insert(item.clone());
        Some(item)
    }

    /// Puts what is ready into another order.
    pub fn order<R: Ord>(&self, rank: impl FnMut(&Item) -> R) {
        self.state().ready.make_contiguous().sort_by_cached_key(rank);
    }

    /// Takes an item back after it was looked at: `next` is when to look again, or what went wrong.
    pub fn done(&self, item: Item, next: Result<Option<Timestamp>, ()>, now: Timestamp) {
        let mut state = self.state();
        state.running.remove(&item);
        let at = match next {
            Ok(at) => {
                state.errors.remove(&item);
                at
            }
            Err(()) => {
                let count = state.errors.entry(item.clone()).or_default();
                *count += 1;
                Some(now + backoff::doubling(*count, RETRIES.0, RETRIES.1))
            }
        };
        let planned = state.due.get(&item).copied();
        if let Some(at) = at.into_iter().chain(planned).min() {
            state.schedule(item.clone(), at);
        }
        if state.again.remove(&item) {
            state.push(item);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// When the next item is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state().timeline.first().map(|(at, _)| *at)
    }

    /// Whether nothing is being looked at and nothing is ready to be.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.running.is_empty() && state.ready.is_empty()
    }

    /// Resolves after the queue has changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests;
