//! The times at which the places of an account were listed, and are to be listed next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::lifecycle::{Moved, Parameters, schedule::CHECK_EVERY};

/// The pause after a list that failed.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// The listings of an account.
#[derive(Clone, Default)]
pub(super) struct Listings {
    /// The time of the last list of each place that succeeded.
    pub(super) done: Arc<BTreeMap<Parameters, Timestamp>>,
    /// The time at which each place is listed next.
    next: BTreeMap<Parameters, Timestamp>,
}

impl Listings {
    /// Returns the places that are due, those that have waited longest first, and forgets those
    /// that are none any more.
    pub(super) fn due(&mut self, places: &BTreeSet<Parameters>, now: Timestamp) -> Vec<Parameters> {
        self.next.retain(|place, _| places.contains(place));
        if self.done.keys().any(|place| !places.contains(place)) {
            Arc::make_mut(&mut self.done).retain(|place, _| places.contains(place));
        }
        let next = |place: &&Parameters| self.next.get(*place).copied().unwrap_or(Timestamp::MIN);
        let mut due: Vec<&Parameters> = places.iter().filter(|place| next(place) <= now).collect();
        due.sort_by_key(next);
        due.into_iter().cloned().collect()
    }

    /// Notes that a place was listed or, if not, that the list failed.
    pub(super) fn note(&mut self, place: Parameters, listed: bool, now: Timestamp) {
        if listed {
            Arc::make_mut(&mut self.done).insert(place.clone(), now);
        }
        self.next.insert(place, now.later(if listed { CHECK_EVERY } else { TRY_AGAIN }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_listed_in_its_own_time() {
        let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let place = |project: &str| Parameters::from([("project".to_owned(), project.to_owned())]);
        let both = BTreeSet::from([place("41"), place("42")]);
        let mut listings = Listings::default();
        assert_eq!(listings.due(&both, at(0)), [place("41"), place("42")]);
        listings.note(place("41"), false, at(0));
        listings.note(place("42"), true, at(0));
        assert_eq!(listings.due(&both, at(4)), []);
        assert_eq!(listings.due(&both, at(5)), [place("41")], "a list that failed is tried again soon");
        assert_eq!(listings.done.get(&place("41")), None, "and counts as none");
        assert_eq!(listings.due(&both, at(60)), both.iter().cloned().collect::<Vec<_>>());
        assert_eq!(listings.due(&BTreeSet::from([place("43")]), at(60)), [place("43")]);
        assert!(listings.done.is_empty(), "places that are none any more are forgotten");
    }
}
