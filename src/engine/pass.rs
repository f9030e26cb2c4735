//! One pass over one object: what it has read, and what it has confirmed with the API server.

use crate::{
    api::ApiCredential,
    lifecycle::{Edit, Step, TargetView, World, skew},
};

use super::{Engine, EngineError, Key, fence::Ledger, slot::Slot};

/// One pass over one object: the state that it has read and opened is kept for its length only.
pub struct Pass<'a> {
    pub(super) engine: &'a Engine,
    pub(super) key: Key,
    pub(super) ledger: Ledger<'a>,
    pub(super) slot: &'a mut Slot,
    /// True if the object was read from the API server, not from a watch, since the pass began.
    confirmed: bool,
    /// The Secret with the target's name, if it had to be asked for.
    pub(super) inspected: Inspected,
    /// True if our CRDs are being deleted; `None` until that is known.
    pub(super) uninstalling: Option<bool>,
}

/// The API server's answer, once in a pass, about a Secret that no watch shows.
pub(super) enum Inspected {
    NotYet,
    Missing,
    There(TargetView),
}

impl Engine {
    /// Begins a pass.
    #[must_use]
    pub fn pass<'a>(&'a self, key: Key, slot: &'a mut Slot) -> Pass<'a> {
        Pass {
            engine: self,
            ledger: Ledger::of(self, key.clone()),
            key,
            slot,
            confirmed: false,
            inspected: Inspected::NotYet,
            uninstalling: None,
        }
    }
}

impl Pass<'_> {
    /// The object's key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The place of this pass among those that are limited in number.
    pub fn slot(&mut self) -> &mut Slot {
        self.slot
    }

    /// Leaves the slot to others while the pass continues; see [`Slot::leave`].
    pub(super) fn leave_slot(&mut self) -> bool {
        self.slot.leave()
    }

    pub(super) fn target_key(&self, name: &str) -> Key {
        Key::new(&self.key.namespace, name)
    }

    /// Confirms with the API server, once in a pass, that the object no longer exists, before its
    /// ledger is closed without it.
    pub(super) async fn confirm_absence(&mut self, world: &World) -> Result<(), EngineError> {
        match &world.subject.object {
            None if !self.confirmed => {
                self.engine.confirm_absence(&self.key).await?;
                self.confirmed = true;
                Ok(())
            }
            Some(object)
                if world
                    .document()
                    .is_some_and(|it| Some(&it.object_uid) != object.metadata.uid.as_ref()) =>
            {
                self.confirm(object).await
            }
            _ => Ok(()),
        }
    }

    /// Adds our finalizer to the object. That succeeds only if the object is as the watch says.
    pub(super) async fn add_finalizer(&mut self, object: &ApiCredential) -> Result<(), EngineError> {
        self.engine.add_finalizer(object).await?;
        self.confirmed = true;
        Ok(())
    }

    /// Confirms with the API server, once in a pass, that the object is as the watch says.
    pub(super) async fn confirm(&mut self, object: &ApiCredential) -> Result<(), EngineError> {
        if !self.confirmed {
            self.engine.confirm_object(object).await?;
            self.confirmed = true;
        }
        Ok(())
    }

    /// Confirms, before a step that cannot be undone, that it would still be decided on: the watch
    /// may lag, and the answer to the read shows whether the clock was set meanwhile.
    pub(super) async fn confirm_decision(&mut self, world: &World, step: &Step) -> Result<(), EngineError> {
        let is_final = matches!(step, Step::Mint(_) | Step::Record(Edit::StartRevoking { .. }));
        if let Some(object) = world.subject.object.as_deref().filter(|_| is_final) {
            self.confirm(object).await?;
        }
        let stopped = skew::stops(world, step, self.engine.clock.skew());
        if stopped { Err(EngineError::Conflict("the clock")) } else { Ok(()) }
    }
}
