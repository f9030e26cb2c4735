//! The items that are ready, in an order that no tenant can use to delay the others.
//!
//! A credential for which something is due goes before the news of other objects: a renewal before
//! a hundred new providers. Of the namespaces, the one whose last turn was longest ago is next. So
//! neither ten thousand objects of one tenant nor its many namespaces delay a tenant with few
//! objects. Every fourth turn disregards what is due. Otherwise the plans of one tenant could delay
//! the news of another without end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::Item;

/// Every so many turns, it does not count what is due.
const FAIR: u64 = 4;

/// The order of items within a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// A credential for which something was planned, and its time has come.
    Due,
    /// A provider: the credentials of its namespace may wait for it.
    Provider,
    Other,
}

/// The lowest goes first; the number is that of its arrival.
type Place = (Class, u64);

/// The lowest goes first: the last turn of the namespace, and since when it waits.
type Turn = (u64, u64, Arc<str>);

/// The items that are ready.
#[derive(Debug, Default)]
pub(super) struct Ready {
    places: HashMap<Item, Place>,
    namespaces: HashMap<Arc<str>, InOrder>,
    /// The namespaces that have some.
    waiting: BTreeSet<Turn>,
    /// Those of them that have something due.
    due: BTreeSet<Turn>,
    /// The last turn of each namespace since nothing was ready.
    turns: HashMap<Arc<str>, u64>,
    /// Counts turns and arrivals, so that earlier ones have lower numbers.
    number: u64,
    taken: u64,
}

/// The items of one namespace.
#[derive(Debug)]
struct InOrder {
    turn: Turn,
    items: BTreeMap<Place, Item>,
}

impl Ready {
    /// Adds an item, unless it is there already.
    pub(super) fn push(&mut self, item: Item) {
        if !self.places.contains_key(&item) {
            let class = if matches!(item, Item::Provider(_)) { Class::Provider } else { Class::Other };
            self.put(item, class);
        }
    }

    /// Adds an item whose time has come, or moves it forward if it is there already.
    pub(super) fn push_due(&mut self, item: Item) {
        if !matches!(item, Item::Credential(_)) {
            return self.push(item);
        }
        let place = self.places.get(&item);
        if place.is_some_and(|(class, _)| *class == Class::Due) {
            return;
        }
        if let (Some(place), Some(there)) = (place, self.namespaces.get_mut(item.namespace())) {
            there.items.remove(place);
        }
        self.put(item, Class::Due);
    }

    /// Takes the next item of the namespace whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Item> {
        self.taken += 1;
        let all = self.due.is_empty() || self.taken.is_multiple_of(FAIR);
        let turn = if all { &self.waiting } else { &self.due }.first()?.clone();
        self.waiting.remove(&turn);
        self.due.remove(&turn);
        let number = self.next_number();
        let (.., namespace) = turn;
        self.turns.insert(namespace.clone(), number);
        let there = self.namespaces.get_mut(&namespace)?;
        let (_, item) = there.items.pop_first()?;
        self.places.remove(&item);
        match there.items.first_key_value() {
            Some(((class, _), _)) => {
                there.turn = (number, number, namespace);
                self.waiting.insert(there.turn.clone());
                if *class == Class::Due {
                    self.due.insert(there.turn.clone());
                }
            }
            None => drop(self.namespaces.remove(&namespace)),
        }
        if self.is_empty() {
            self.turns.clear();
        }
        Some(item)
    }

    /// Puts the items of each namespace into another order, within their classes.
    pub(super) fn order<R: Ord>(&mut self, mut rank: impl FnMut(&Item) -> R) {
        for there in self.namespaces.values_mut() {
            let mut items: Vec<_> = std::mem::take(&mut there.items).into_iter().collect();
            items.sort_by_cached_key(|((class, _), item)| (*class, rank(item)));
            for ((class, _), item) in items {
                self.number += 1;
                self.places.insert(item.clone(), (class, self.number));
                there.items.insert((class, self.number), item);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn put(&mut self, item: Item, class: Class) {
        let number = self.next_number();
        let namespace = item.namespace();
        let there = self.namespaces.entry(namespace.clone()).or_insert_with(|| {
            let last = self.turns.get(namespace).copied().unwrap_or_default();
            let turn = (last, number, namespace.clone());
            self.waiting.insert(turn.clone());
            InOrder { turn, items: BTreeMap::new() }
        });
        if class == Class::Due {
            self.due.insert(there.turn.clone());
        }
        self.places.insert(item.clone(), (class, number));
        there.items.insert((class, number), item);
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}
