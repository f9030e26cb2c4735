//! The items that are ready: in order within a namespace, and the namespaces in turns, so that a
//! tenant with ten thousand objects does not keep the others waiting.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::Item;

/// The items that are ready.
#[derive(Debug, Default)]
pub(super) struct Ready {
    by_namespace: HashMap<Arc<str>, VecDeque<Item>>,
    /// The namespaces that have some; the first is next.
    turns: VecDeque<Arc<str>>,
}

impl Ready {
    /// Adds an item. Providers come before the credentials that wait for them.
    pub(super) fn push(&mut self, item: Item) {
        let namespace = item.namespace().clone();
        if !self.by_namespace.contains_key(&namespace) {
            self.turns.push_back(namespace.clone());
        }
        let items = self.by_namespace.entry(namespace).or_default();
        match item {
            Item::Provider(_) => items.push_front(item),
            _ => items.push_back(item),
        }
    }

    /// Takes the next item of the namespace whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let namespace = self.turns.pop_front()?;
        let items = self.by_namespace.get_mut(&namespace)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.by_namespace.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        item
    }

    /// Puts the items of each namespace into another order.
    pub(super) fn order<R: Ord>(&mut self, mut rank: impl FnMut(&Item) -> R) {
        for items in self.by_namespace.values_mut() {
            items.make_contiguous().sort_by_cached_key(&mut rank);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}
