//! Answers to our own writes. A write without a resourceVersion is merged with the state that is
//! there by then, and its answer contains that state: it is the echo of the write only if nothing
//! else came with it.

use std::{hash::Hash, sync::Arc};

use kube::core::ObjectMeta;

use crate::api::{AbandonedCredential, ApiCredential};

use super::store::Store;

/// An object that others change and Credwright adds to.
pub trait Asks {
    /// Returns whether both ask for the same: they differ at most in fields that Credwright itself
    /// writes.
    fn asks_the_same(&self, other: &Self) -> bool;
}

impl Asks for Arc<ApiCredential> {
    fn asks_the_same(&self, other: &Self) -> bool {
        same_but_for_status(&self.metadata, &other.metadata)
    }
}

impl Asks for Arc<AbandonedCredential> {
    fn asks_the_same(&self, other: &Self) -> bool {
        same_but_for_status(&self.metadata, &other.metadata)
    }
}

/// Returns whether two versions of an object differ in their status at most: any other change shows
/// in the metadata, a change of the spec by its generation.
fn same_but_for_status(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    let theirs = |it: &ObjectMeta| ObjectMeta { resource_version: None, managed_fields: None, ..it.clone() };
    theirs(one) == theirs(other)
}

impl<K: Clone + Eq + Hash, V: Clone> Store<K, V> {
    /// Stores the answer to a write of ours that was sent without a resourceVersion. Returns
    /// whether another writer's change came with it: the watch reports no version up to this one
    /// any more, so the caller has to look again.
    ///
    /// A write that names the version it was based on needs only [`Self::put`]: the API server
    /// refuses it after any other change.
    #[must_use]
    pub fn put_answer(&self, key: K, version: u64, based_on: &V, answer: V) -> bool
    where
        V: Asks,
    {
        let news = !based_on.asks_the_same(&answer);
        self.put(key, version, answer);
        news
    }
}
