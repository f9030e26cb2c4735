//! Permits: whose turn it is to work at a provider.
//!
//! Slow or numerous work must not keep others waiting. Each kind of work has a lane of its own, and
//! in each lane the same rules hold:
//!
//! - An account has as many permits at once as it takes requests at once, and no more.
//! - The last quarter of a lane is for accounts and namespaces that have nothing running, and the
//!   last eighth of those only for accounts that have been quick lately.
//! - An account is slow once something took longer there than [`SLOW`], until ten others were
//!   quicker; ten quick ones in a row excuse one stall. All slow accounts together have an eighth.
//!   Work that has been there for longer than [`SLOW`] counts there, too, and so frees its place.
//!   The time of the API server does not count.
//! - The most urgent goes first; among equals the namespace that waited longest, and then the item
//!   whose credential ends soonest. Every fourth permit goes to another namespace in any case, so
//!   that the urgent ones of one do not keep the others waiting for ever.
//!
//! An item that gets no permit is parked: it is put back, woken when its turn has come, and then
//! decides again. With a permit it may do two pieces of work in a row, so that what it has created
//! is tried at once; each is timed by itself. `shares.rs` has the rules, this file the waiting.

mod shares;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::shares::{Running, Shares};
use super::queue::{Item, Queue};
use crate::{engine::ProviderKey, lifecycle::Urgency, providers::stopwatch::Stopwatch};

/// The time at the provider after which a piece of work counts as slow.
pub const SLOW: Duration = Duration::from_secs(5);

/// Every so many permits, only the turns of namespaces count.
const FAIR: u64 = 4;

/// The lowest goes first: urgency, the last turn of the namespace, the end, and since when it
/// waits.
type Rank = (Urgency, u64, Timestamp, u64);

/// The kinds of work that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A step for one credential.
    Steps,
    /// The probe of an account.
    Probes,
    /// Listing an account's credentials.
    Lists,
}

/// The request of an item.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The kind of work.
    pub lane: Lane,
    /// The account where it is done.
    pub account: ProviderKey,
    /// Its urgency.
    pub urgency: Urgency,
    /// The end of the item's current credential: of the equally urgent, the earliest end goes
    /// first.
    pub ends: Timestamp,
    /// The number of permits that the account may have at once.
    pub at_once: usize,
}

/// The right to work at one account, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Arc<Permits>,
    given: Given,
}

/// The place that a permit has among those that are given.
#[derive(Debug)]
struct Given {
    lane: Lane,
    account: ProviderKey,
    number: u64,
    stopwatch: Arc<Stopwatch>,
    /// True if it is for the second piece of work in a row.
    again: bool,
}

/// One pass of an item: the wait before it, and the permit that it was woken with or has kept.
#[derive(Debug)]
pub struct Turn {
    permits: Arc<Permits>,
    item: Item,
    granted: Option<Permit>,
    waited: Vec<Wait>,
}

/// All permits of one process.
#[derive(Debug)]
pub struct Permits {
    queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lanes: BTreeMap<Lane, Waiting>,
    shares: Shares,
    /// The place of each parked item.
    parked: HashMap<Item, Vec<Wait>>,
    /// Permits that were given to items which have not been processed since.
    granted: HashMap<Item, Given>,
    /// Counts asks and permits, so that earlier ones have lower numbers.
    number: u64,
}

/// The items that wait in one lane, by account.
#[derive(Debug, Default)]
struct Waiting {
    accounts: BTreeMap<ProviderKey, AtAccount>,
    /// The number of the last permit of each namespace.
    served: HashMap<Arc<str>, u64>,
}

#[derive(Debug, Default)]
struct AtAccount {
    at_once: usize,
    by_namespace: BTreeMap<(Urgency, Arc<str>), InOrder>,
}

/// Items of one namespace that are equally urgent: the earliest end first, then the first that
/// came.
type InOrder = BTreeSet<(Timestamp, u64, Item)>;

#[derive(Clone, Debug)]
struct Wait {
    ask: Ask,
    number: u64,
    since: Timestamp,
}

impl Permits {
    /// Permits for `concurrency` steps at once; probes and lists have pools in proportion.
    #[must_use]
    pub fn new(queue: Arc<Queue>, concurrency: usize) -> Arc<Self> {
        let sizes = [
            (Lane::Steps, concurrency.max(1)),
            (Lane::Probes, (concurrency / 2).max(2)),
            (Lane::Lists, (concurrency / 8).max(2)),
        ];
        let state = State {
            lanes: BTreeMap::new(),
            shares: Shares::new(sizes.into()),
            parked: HashMap::new(),
            granted: HashMap::new(),
            number: 0,
        };
        Arc::new(Self { queue, state: Mutex::new(state) })
    }

    /// Learns of an account. A single one may use all of its lane.
    pub fn know(&self, account: &ProviderKey) {
        self.state.lock().shares.know(account);
    }

    /// Drops a deleted account.
    pub fn forget(&self, account: &ProviderKey) {
        self.state.lock().shares.forget(account);
    }

    /// Begins a pass of `item`: it waits no longer, and has the permit that it was given meanwhile.
    #[must_use]
    pub fn turn(self: &Arc<Self>, item: &Item) -> Turn {
        let mut state = self.state.lock();
        let waited = state.withdraw(item);
        let granted = state.granted.remove(item);
        drop(state);
        let granted = granted.map(|given| Permit { permits: self.clone(), given });
        Turn { permits: self.clone(), item: item.clone(), granted, waited }
    }

    /// Gives permits to those that may have one by now, because others turned out to be slow.
    /// Returns when the next one turns out to be.
    pub fn shift(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state.lock();
        let woken = [Lane::Steps, Lane::Probes, Lane::Lists].map(|lane| state.grant(lane, now));
        let next = if state.parked.is_empty() { None } else { state.shares.next_slow(now) };
        drop(state);
        woken.into_iter().flatten().for_each(|item| self.queue.wake(item));
        next
    }

    fn end(&self, lane: Lane, number: u64, now: Instant) {
        let mut state = self.state.lock();
        state.shares.end(number, now);
        let woken = state.grant(lane, now);
        drop(state);
        woken.into_iter().for_each(|item| self.queue.wake(item));
    }

    /// Returns how many permits are given, and how many items wait for one.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.shares.running(), state.parked.len())
    }
}

impl Turn {
    /// Asks for a permit.
    ///
    /// # Errors
    /// Since when the item has waited, if it has to wait: it is parked, and woken in its turn.
    pub fn ask(&mut self, ask: Ask, at: Timestamp, now: Instant) -> Result<Permit, Timestamp> {
        let fits = |it: &Permit| it.given.lane == ask.lane && it.given.account == ask.account;
        let granted = self.granted.take().filter(fits);
        let used = match granted {
            Some(granted) if granted.given.stopwatch.began().is_none() => return Ok(granted),
            used => used.filter(|it| !it.given.again),
        };
        let mut state = self.permits.state.lock();
        if let Some(used) = &used {
            state.shares.end(used.given.number, now);
        }
        let same = |it: &&Wait| it.ask.lane == ask.lane && it.ask.account == ask.account;
        let earlier = self.waited.iter().find(same).cloned();
        let asked = state.ask(&self.item, ask, earlier, (at, now));
        drop(state);
        Ok(Permit { permits: self.permits.clone(), given: Given { again: used.is_some(), ..asked? } })
    }

    /// Keeps a permit for the next step of this pass. Without one that asks for it, it is given
    /// back.
    pub fn keep(&mut self, permit: Option<Permit>) {
        self.granted = permit;
    }

    /// Gives back a permit that has been used.
    pub fn give_back_used(&mut self) {
        self.granted.take_if(|it| it.given.stopwatch.began().is_some());
    }
}

impl Permit {
    /// The stopwatch that the calls of the provider are timed by.
    #[must_use]
    pub fn stopwatch(&self) -> &Arc<Stopwatch> {
        &self.given.stopwatch
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.end(self.given.lane, self.given.number, Instant::now());
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn ask(
        &mut self,
        item: &Item,
        ask: Ask,
        earlier: Option<Wait>,
        (at, now): (Timestamp, Instant),
    ) -> Result<Given, Timestamp> {
        let namespace = item.namespace();
        if self.shares.admits((ask.lane, &ask.account, namespace), ask.at_once, now) {
            return Ok(self.give((ask.lane, &ask.account, namespace)));
        }
        let (number, since) = match earlier {
            Some(earlier) => (earlier.number, earlier.since),
            None => (self.next_number(), at),
        };
        let there = self.lanes.entry(ask.lane).or_default().accounts.entry(ask.account.clone()).or_default();
        there.at_once = ask.at_once;
        let items = there.by_namespace.entry((ask.urgency, namespace.clone())).or_default();
        items.insert((ask.ends, number, item.clone()));
        let wait = Wait { ask, number, since };
        // Nearly always it waits at one account.
        self.parked.entry(item.clone()).or_insert_with(|| Vec::with_capacity(1)).push(wait);
        Err(since)
    }

    fn give(&mut self, (lane, account, namespace): (Lane, &ProviderKey, &Arc<str>)) -> Given {
        let number = self.next_number();
        let (account, namespace) = (account.clone(), namespace.clone());
        let waiting = self.lanes.entry(lane).or_default();
        waiting.served.insert(namespace.clone(), number);
        if waiting.accounts.is_empty() {
            waiting.served.clear();
        }
        let stopwatch = Arc::<Stopwatch>::default();
        let given =
            Given { lane, account: account.clone(), number, stopwatch: stopwatch.clone(), again: false };
        self.shares.start(number, Running { lane, account, namespace, stopwatch });
        given
    }

    /// Takes an item out of all places where it waits.
    fn withdraw(&mut self, item: &Item) -> Vec<Wait> {
        let waited = self.parked.remove(item).unwrap_or_default();
        for Wait { ask, number, .. } in &waited {
            let Some(accounts) = self.lanes.get_mut(&ask.lane).map(|it| &mut it.accounts) else { continue };
            let Some(there) = accounts.get_mut(&ask.account) else { continue };
            let key = (ask.urgency, item.namespace().clone());
            if let Some(items) = there.by_namespace.get_mut(&key) {
                items.remove(&(ask.ends, *number, item.clone()));
                if items.is_empty() {
                    there.by_namespace.remove(&key);
                }
            }
            if there.by_namespace.is_empty() {
                accounts.remove(&ask.account);
            }
        }
        waited
    }

    /// Gives permits while there are some, and returns the items to wake with one.
    fn grant(&mut self, lane: Lane, now: Instant) -> Vec<Item> {
        let mut woken = Vec::new();
        while let Some((account, item)) = self.next(lane, now) {
            self.withdraw(&item);
            let given = self.give((lane, &account, item.namespace()));
            self.granted.insert(item.clone(), given);
            woken.push(item);
        }
        woken
    }

    /// The one whose turn it is, among those that may have a permit now.
    fn next(&self, lane: Lane, now: Instant) -> Option<(ProviderKey, Item)> {
        let waiting = self.lanes.get(&lane)?;
        let fair = self.number.is_multiple_of(FAIR);
        let mut best: Option<(Rank, &ProviderKey, &Item)> = None;
        for (account, there) in &waiting.accounts {
            if self.shares.has_enough(lane, account, there.at_once) {
                continue;
            }
            for ((urgency, namespace), items) in &there.by_namespace {
                // An item has one permit at a time.
                let free = items.iter().find(|(.., item)| !self.granted.contains_key(item));
                let Some((ends, number, item)) = free else { continue };
                let served = waiting.served.get(namespace).copied().unwrap_or_default();
                let urgency = if fair { Urgency::Leaked } else { *urgency };
                let rank = (urgency, served, *ends, *number);
                if best.as_ref().is_none_or(|(best, ..)| rank < *best)
                    && self.shares.admits((lane, account, namespace), there.at_once, now)
                {
                    best = Some((rank, account, item));
                }
            }
        }
        best.map(|(_, account, item)| (account.clone(), item.clone()))
    }
}
