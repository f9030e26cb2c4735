//! One pass over one object: what it has read, and what it has confirmed with the API server.

use std::sync::Arc;

use crate::{
    api::ApiCredential,
    lifecycle::{
        ledger::{Account, Edit},
        plan::Step,
        skew,
        world::{TargetView, World},
    },
    providers::Provider,
};

use super::{
    Engine, EngineError,
    ledger::OpenLedger,
    slot::Slot,
    stores::{Key, ProviderKey},
};

/// One pass over one object: the state that it has read and opened is kept for its length only.
pub struct Pass<'a> {
    pub(super) engine: &'a Engine,
    pub(super) key: Key,
    slot: &'a mut Slot,
    pub(super) open: Option<OpenLedger>,
    /// True if the object was read from the API server, not from a watch, since the pass began.
    pub(super) confirmed: bool,
    /// The ledger's version that was decided on.
    pub(super) seen: Option<u64>,
    pub(super) inspected: Option<Option<TargetView>>,
    /// True if our CRDs are being deleted; `None` until that is known.
    pub(super) uninstalling: Option<bool>,
}

impl Engine {
    /// Begins a pass.
    #[must_use]
    pub fn pass<'a>(&'a self, key: Key, slot: &'a mut Slot) -> Pass<'a> {
        Pass {
            engine: self,
            key,
            slot,
            open: None,
            confirmed: false,
            seen: None,
            inspected: None,
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
        Key { namespace: self.key.namespace.clone(), name: name.to_owned() }
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

    /// The open ledger, if it is the one that was decided on. A change by another writer since then
    /// is a conflict, and never overwritten.
    pub(super) async fn open(&mut self) -> Result<OpenLedger, EngineError> {
        if let Some(open) = self.open.take()
            && Some(open.version()) == self.seen
        {
            return Ok(open);
        }
        let open = self.engine.read_ledger(&self.key).await?.ok_or(EngineError::Gone("the ledger"))?;
        if Some(open.version()) == self.seen { Ok(open) } else { Err(EngineError::Conflict("the ledger")) }
    }

    /// Keeps the ledger open for the rest of the pass.
    pub(super) fn hold(&mut self, open: OpenLedger) {
        self.open = Some(open);
    }

    /// Moves the fence to the ledger's current version, because the outcome has to be recorded even
    /// if somebody wrote meanwhile. Returns whether somebody did.
    pub(super) fn catch_up(&mut self) -> bool {
        let known = self.open.as_ref().map(OpenLedger::version).or(self.seen);
        self.seen = self.engine.stores.ledgers.get(&self.key).map(|entry| entry.version);
        known != self.seen
    }

    pub(super) async fn record(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
        let open = self.open().await?;
        self.open = Some(self.engine.write_ledger(&self.key, open, edits, None).await?);
        Ok(())
    }

    pub(super) fn driver(&self, account: &Account) -> Result<Arc<dyn Provider>, EngineError> {
        self.engine
            .accounts
            .driver(&ProviderKey::of_account(account, &self.key.namespace))
            .ok_or(EngineError::Gone("the provider"))
    }

    /// Returns whether another object has this client at the same account. At another one the same
    /// ID is another client.
    pub(super) fn held_elsewhere(&self, client_id: &str, account: &Account) -> bool {
        self.engine.stores.ledgers.held_by_another(client_id, &account.fingerprint, &self.key)
    }
}
