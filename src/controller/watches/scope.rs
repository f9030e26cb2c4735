//! The watches, and what one of them tells.

use std::{collections::HashSet, hash::Hash};

/// The kind of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::controller) enum Watch {
    Credentials,
    Secrets,
    CaBundles,
    Providers,
    ClusterProviders,
    Namespaces,
    Abandoned,
}

impl Watch {
    /// The watches of a namespace in which credentials are.
    pub(in crate::controller) const OF_A_NAMESPACE: [Self; 4] =
        [Self::Credentials, Self::Secrets, Self::CaBundles, Self::Providers];
}

/// A watch over one namespace, or over all of them.
pub(in crate::controller) type Scoped = (Watch, Option<String>);

/// An event of a watch.
pub(super) enum WatchEvent<K> {
    /// A list begins; one that was cut short does not count.
    Listing,
    There(K),
    Gone(K),
    /// The list is complete; nothing else exists.
    Complete,
}

/// The keys that a list has named so far. Later keys are not kept: they would stay in memory, and
/// an object that was deleted while no watch was open would be taken for one that the next list has
/// named.
pub(super) struct Listing<K>(Option<HashSet<K>>);

impl<K: Eq + Hash> Listing<K> {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn begin(&mut self) {
        self.0 = Some(HashSet::new());
    }

    pub(super) fn name(&mut self, key: K) {
        if let Some(named) = &mut self.0 {
            named.insert(key);
        }
    }

    pub(super) fn complete(&mut self) -> HashSet<K> {
        self.0.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_list_names_counts_as_listed() {
        let mut listing = Listing::none();
        listing.begin();
        listing.name("named by a list that was cut short");
        listing.begin();
        listing.name("named");
        assert_eq!(listing.complete(), HashSet::from(["named"]));
        listing.name("seen by the watch, and gone while it was down");
        listing.begin();
        listing.name("named");
        assert_eq!(listing.complete(), HashSet::from(["named"]));
    }
}
