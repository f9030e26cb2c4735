//! A list that is read page by page. An account may hold other people's credentials by the
//! thousand, so only wanted entries are kept, and there is a bound for all pages together.

use std::collections::{BTreeMap, HashSet, hash_map::RandomState};
use std::hash::BuildHasher;

use crate::lifecycle::Text;

use super::{
    Failure, FailureKind,
    http::{ENTRY_MIN, KEPT_MAX, LIST_MAX},
};

/// The entries of a list by their IDs.
pub(super) struct Listing<W> {
    title: Text,
    wanted: W,
    /// Tells entries apart without keeping them: of each ID, a hash with a random key.
    seen: HashSet<u64>,
    hasher: RandomState,
    kept: BTreeMap<String, Option<String>>,
    read: usize,
    size: usize,
}

impl<W: Fn(&str, Option<&str>) -> bool> Listing<W> {
    /// A list at the provider `title`, of which only the entries that are `wanted` by ID and name
    /// are kept.
    pub(super) fn new(title: Text, wanted: W) -> Self {
        let (seen, hasher) = (HashSet::new(), RandomState::new());
        Self { title, wanted, seen, hasher, kept: BTreeMap::new(), read: 0, size: 0 }
    }

    /// Counts a page of so many bytes.
    pub(super) fn page(&mut self, bytes: usize) -> Result<(), Failure> {
        self.read += bytes;
        if self.read > LIST_MAX { Err(self.too_long("pages", LIST_MAX)) } else { Ok(()) }
    }

    /// Adds an entry. One that is listed again counts once.
    pub(super) fn add(&mut self, id: String, name: Option<String>) -> Result<(), Failure> {
        if self.seen.insert(self.hasher.hash_one(&id)) {
            self.size += size_of::<u64>();
        }
        if (self.wanted)(&id, name.as_deref()) {
            self.size += (id.len() + name.as_ref().map_or(0, String::len)).max(ENTRY_MIN);
            self.kept.insert(id, name);
        }
        if self.size > KEPT_MAX { Err(self.too_long("entries", KEPT_MAX)) } else { Ok(()) }
    }

    /// The number of entries, wanted or not.
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Returns whether this entry is kept.
    pub(super) fn keeps(&self, id: &str) -> bool {
        self.kept.contains_key(id)
    }

    /// The wanted entries.
    pub(super) fn kept(self) -> BTreeMap<String, Option<String>> {
        self.kept
    }

    fn too_long(&self, what: &str, max: usize) -> Failure {
        let message = format!("the {what} of {}'s list are more than {max} bytes", self.title);
        Failure::new(FailureKind::Malformed, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(_: &str, name: Option<&str>) -> bool {
        name.is_some_and(|name| name.contains("kw1"))
    }

    #[test]
    fn entries_are_counted_once_and_kept_if_they_are_wanted() {
        let mut list = Listing::new("Acme".into(), tagged);
        for (id, name) in [("a", Some("x-kw1-1")), ("b", Some("other")), ("c", None), ("a", Some("x-kw1-1"))]
        {
            list.add(id.to_owned(), name.map(str::to_owned)).unwrap();
        }
        assert_eq!(list.len(), 3);
        assert_eq!(list.kept(), BTreeMap::from([("a".to_owned(), Some("x-kw1-1".to_owned()))]));
    }

    #[test]
    fn a_list_that_nobody_could_keep_is_not_believed() {
        let failed = |result: Result<(), Failure>| result.unwrap_err();
        let mut list = Listing::new("Acme".into(), tagged);
        for _ in 0..32 {
            list.page(1024 * 1024).unwrap();
        }
        assert_eq!(failed(list.page(1)).kind, FailureKind::Malformed);
        let names = |name: &str| {
            let mut list = Listing::new("Acme".into(), tagged);
            let all = (0..800_000).try_for_each(|id| list.add(id.to_string(), Some(name.to_owned())));
            (list.len(), all.map_err(|failure| failure.kind))
        };
        let malformed = Err(FailureKind::Malformed);
        assert_eq!(names("other"), (KEPT_MAX / 8 + 1, malformed));
        let (count, ended) = names(&format!("{}-kw1-1", "x".repeat(1000)));
        assert!(count < 4400 && ended == malformed, "{count}");
        let mut list = Listing::new("Acme".into(), tagged);
        (0..20_000).try_for_each(|id| list.add(id.to_string(), Some("x".repeat(1000)))).unwrap();
        assert_eq!(list.len(), 20_000, "what is not wanted is counted only");
    }
}
