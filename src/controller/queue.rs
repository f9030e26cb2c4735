//! The queue of items, and the times at which they are due.
//!
//! A small queue instead of kube-runtime's `Controller`: its delays are the injected clock's, so
//! that tests move time; it keeps no second copy of any object; and no item is processed by two
//! passes at once. docs/adr/0003 has the reasons.

mod ready;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use self::ready::Ready;
use crate::{
    engine::{Key, ProviderKey},
    lifecycle::backoff,
    ops::metrics,
};

/// Waits after errors of Kubernetes.
const RETRIES: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(1), SignedDuration::from_mins(1));
/// The time that there is for each item in error: of ten thousand, fifty come back in a second.
const FOR_EACH: SignedDuration = SignedDuration::from_millis(20);

/// The result of a pass that failed: the time of the next attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// The least pause, as the API server asked.
    pub after: Option<SignedDuration>,
}

impl Retry {
    /// Returns how long `item` waits after so many failures in a row, where so many items are
    /// `in_error`.
    fn pause(self, item: &Item, failures: u32, in_error: usize) -> SignedDuration {
        let wait = backoff::doubling(failures, RETRIES.0, RETRIES.1);
        let all = FOR_EACH * i32::try_from(in_error).unwrap_or(i32::MAX);
        let least = (wait / 2).max(self.after.unwrap_or_default());
        least + backoff::part_of(wait.max(all), (item, failures))
    }
}

/// An item to process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// A provider. In its namespace these come first: credentials wait for them.
    Provider(ProviderKey),
    /// An ApiCredential, or the remains of one.
    Credential(Key),
    /// An AbandonedCredential.
    Abandoned(Key),
    /// The finalizer of a login Secret.
    Login(Key),
    /// Credwright's rights in a namespace.
    Rights(Arc<str>),
}

impl Item {
    /// The namespace that it is in, unless it is shared by all.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        match self {
            Self::Provider(key) => &key.namespace,
            Self::Credential(key) | Self::Abandoned(key) | Self::Login(key) => &key.namespace,
            Self::Rights(namespace) => namespace,
        }
    }

    /// Returns the name of its object. A namespace's rights have none.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Provider(key) => &key.name,
            Self::Credential(key) | Self::Abandoned(key) | Self::Login(key) => &key.name,
            Self::Rights(_) => "",
        }
    }

    /// Returns its label in metrics.
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
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: Ready,
    due: HashMap<Item, Timestamp>,
    timeline: BTreeSet<(Timestamp, Item)>,
    running: HashSet<Item>,
    again: HashSet<Item>,
    errors: HashMap<Item, u32>,
    /// The time since which items are ready and none has been taken up or has ended.
    stuck_since: Option<Instant>,
}

impl State {
    fn moves_on(&mut self) {
        self.stuck_since = (!self.ready.is_empty()).then(Instant::now);
    }

    /// Adds an item to those that are ready, or notes that its pass has to be repeated.
    fn push(&mut self, item: Item, add: fn(&mut Ready, Item)) {
        if self.running.contains(&item) {
            self.again.insert(item);
        } else {
            add(&mut self.ready, item);
            self.stuck_since.get_or_insert_with(Instant::now);
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
    /// Processes `item` as soon as possible.
    pub fn wake(&self, item: Item) {
        self.state.lock().push(item, Ready::push);
        self.changed.notify_one();
    }

    /// Processes `item` at `at`, or earlier if that is planned already.
    pub fn wake_by(&self, item: Item, at: Timestamp) {
        let mut state = self.state.lock();
        if state.due.get(&item).is_none_or(|planned| *planned > at) {
            state.schedule(item, at);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The next item to process, if one is ready or due.
    pub fn take(&self, now: Timestamp) -> Option<Item> {
        let mut state = self.state.lock();
        while let Some((at, item)) = state.timeline.first().cloned() {
            if at > now {
                break;
            }
            state.unschedule(&item);
            state.push(item, Ready::push_due);
        }
        let item = state.ready.pop()?;
        state.moves_on();
        state.unschedule(&item);
        state.running.insert(item.clone());
        Some(item)
    }

    /// Sorts the ready items again.
    pub fn order<R: Ord>(&self, rank: impl FnMut(&Item) -> R) {
        self.state.lock().ready.order(rank);
    }

    /// Takes an item back after its pass: `next` is the time of the next one, or the error.
    pub fn done(&self, item: Item, next: Result<Option<Timestamp>, Retry>, now: Timestamp) {
        let mut state = self.state.lock();
        state.running.remove(&item);
        state.moves_on();
        let at = match next {
            Ok(at) => {
                state.errors.remove(&item);
                at
            }
            Err(retry) => {
                let count = state.errors.entry(item.clone()).or_default();
                *count += 1;
                let failures = *count;
                Some(now + retry.pause(&item, failures, state.errors.len()))
            }
        };
        let planned = state.due.get(&item).copied();
        if let Some(at) = at.into_iter().chain(planned).min() {
            state.schedule(item.clone(), at);
        }
        if state.again.remove(&item) {
            state.push(item, Ready::push);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Returns for how long items have been ready while none was taken up and none has ended.
    #[must_use]
    pub fn stuck_for(&self) -> Option<Duration> {
        self.state.lock().stuck_since.map(|since| since.elapsed())
    }

    /// Returns when the next item is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state.lock().timeline.first().map(|(at, _)| *at)
    }

    /// Returns whether no item is being processed or ready.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.running.is_empty() && state.ready.is_empty()
    }

    /// Resolves after the queue has changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests;
