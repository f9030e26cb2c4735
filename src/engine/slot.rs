//! Slots: the bounded number of items that are processed at the same time.
//!
//! A slot is for the pass: a decision, and calls of the API server. While an item works at a
//! provider it has a permit in place of its slot, so that slow providers never fill the slots. An
//! item that can only wait for the API server to store something that must not be lost leaves both
//! to others and continues outside, where a third bound holds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{any::Any, sync::Arc};

use tokio::sync::Notify;

/// The most items that go on outside.
const OUTSIDE_MAX: usize = 64;

/// The slots of one process.
#[derive(Debug, Default)]
pub struct Slots {
    taken: AtomicUsize,
    outside: AtomicUsize,
    freed: Notify,
}

/// The place of one item: its slot, or its permit. Free again when this is dropped.
pub struct Slot {
    slots: Arc<Slots>,
    place: Place,
}

enum Place {
    Slot,
    AtWork(Permit),
    Outside,
}

/// The permit of an item that works at a provider. It is dropped with the place.
pub type Permit = Box<dyn Any + Send + Sync>;

impl Slots {
    /// Takes a slot; the caller compares [`Self::taken`] with its limit before.
    #[must_use]
    pub fn take(self: &Arc<Self>) -> Slot {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Slot { slots: self.clone(), place: Place::Slot }
    }

    /// The number of slots that are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The number of items that go on outside.
    #[must_use]
    pub fn outside(&self) -> usize {
        self.outside.load(Ordering::Relaxed)
    }

    /// Resolves once an item has left its slot to others.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Slot {
    /// Leaves the slot to others while the item works under `permit`.
    pub fn work_under(&mut self, permit: impl Any + Send + Sync) {
        if !matches!(self.place, Place::Outside) {
            self.move_to(Place::AtWork(Box::new(permit)));
        }
    }

    /// Takes a slot again. Returns the permit, unless that was left to others meanwhile.
    pub fn work_is_done(&mut self) -> Option<Permit> {
        if !matches!(self.place, Place::AtWork(_)) {
            return None;
        }
        match self.move_to(Place::Slot) {
            Place::AtWork(permit) => Some(permit),
            Place::Slot | Place::Outside => None,
        }
    }

    /// Leaves slot and permit to others while the item continues. Returns `false`, and keeps them,
    /// when too many items are outside already.
    pub fn leave(&mut self) -> bool {
        let outside = &self.slots.outside;
        let room = |count| (count < OUTSIDE_MAX).then_some(count + 1);
        if matches!(self.place, Place::Outside) {
            return true;
        }
        let there_is_room = outside.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        if there_is_room {
            self.move_to(Place::Outside);
        }
        there_is_room
    }

    fn move_to(&mut self, place: Place) -> Place {
        if matches!(place, Place::Slot) {
            self.slots.taken.fetch_add(1, Ordering::Relaxed);
        }
        let before = std::mem::replace(&mut self.place, place);
        if matches!(before, Place::Slot) {
            self.slots.taken.fetch_sub(1, Ordering::Relaxed);
            self.slots.freed.notify_one();
        }
        before
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        match self.place {
            Place::Slot => self.slots.taken.fetch_sub(1, Ordering::Relaxed),
            Place::Outside => self.slots.outside.fetch_sub(1, Ordering::Relaxed),
            Place::AtWork(_) => return,
        };
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_a_slot_or_a_permit_or_is_outside() {
        let (slots, permit) = (Arc::<Slots>::default(), Arc::new(()));
        let held = || Arc::strong_count(&permit) - 1;
        let mut item = slots.take();
        item.work_under(permit.clone());
        assert_eq!((slots.taken(), slots.outside(), held()), (0, 0, 1));
        let kept = item.work_is_done();
        assert_eq!((slots.taken(), slots.outside(), held()), (1, 0, 1));
        drop(kept);
        assert_eq!(held(), 0);
        item.work_under(permit.clone());
        assert!(item.leave() && item.leave());
        assert_eq!((slots.taken(), slots.outside(), held()), (0, 1, 0), "the permit is others' now");
        assert!(item.work_is_done().is_none());
        item.work_under(permit.clone());
        assert_eq!((slots.taken(), slots.outside(), held()), (0, 1, 0), "it stays outside to its end");
        drop(item);
        assert_eq!((slots.taken(), slots.outside()), (0, 0));
    }

    #[test]
    fn the_number_of_items_outside_is_limited() {
        let slots = Arc::<Slots>::default();
        let mut all: Vec<Slot> = (0..=OUTSIDE_MAX).map(|_| slots.take()).collect();
        assert_eq!(all.iter_mut().filter_map(|slot| slot.leave().then_some(())).count(), OUTSIDE_MAX);
        assert_eq!((slots.taken(), slots.outside()), (1, OUTSIDE_MAX));
        drop(all);
        assert_eq!((slots.taken(), slots.outside()), (0, 0));
    }
}
