//! One step, performed. No policy here: each step says what to do, and each outcome says how it
//! ended.

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::{
    api::{ApiCredential, ProviderKind, Reason},
    lifecycle::{
        Report,
        failure::{Failure, FailureKind},
        ledger::{Account, Edit, Revision, State},
        plan::{Outcome, Rest, Step, Wake},
        render::{self, RenderError, WithSecret},
        skew,
        world::{Memory, Rendered, TargetView, World},
    },
    ops::metrics::{self, RotationOutcome},
    providers::{CreateRequest, Issued, NotIssued, Provider},
};

use super::{
    Engine, EngineError,
    keep::created,
    ledger::OpenLedger,
    observe::is_ours,
    slot::Slot,
    stores::{Key, ProviderKey, TargetEntry},
    target::Written,
};

/// One pass over one object: the state that it has read and opened is kept for its length only.
pub struct Pass<'a> {
    pub(super) engine: &'a Engine,
    pub(super) key: Key,
    slot: &'a mut Slot,
    pub(super) open: Option<OpenLedger>,
    /// True if the object was read from the API server, not from a watch, since the pass began.
    confirmed: bool,
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

    /// Performs `step`.
    ///
    /// # Errors
    /// If Kubernetes is in the way. What a provider answers, good or bad, is an [`Outcome`].
    pub async fn perform(&mut self, world: &World, step: &Step) -> Result<Outcome, EngineError> {
        let object = || world.subject.object.as_deref().ok_or(EngineError::Gone("the object"));
        self.confirm_absence(world).await?;
        self.confirm_decision(world, step).await?;
        match step {
            Step::HoldObject => {
                self.engine.add_finalizer(object()?).await?;
                self.confirmed = true;
            }
            Step::Mint(revision) => return self.mint(object()?, revision).await,
            Step::Take(revision) => return self.take(world, object()?, revision).await,
            Step::Remind(_) => {}
            Step::CheckRemoval { revision, beside } => return self.check_removal(*revision, *beside).await,
            Step::Settle { revision } => return self.settle(world, *revision).await,
            Step::Verify { revision } => return self.verify(*revision).await,
            Step::Publish { revision, previous, from } => {
                let rendered = Rendered { revision: *revision, from: from.clone() };
                return self.publish(object()?, rendered, *previous).await;
            }
            Step::Record(edit) => {
                self.record(std::slice::from_ref(edit)).await?;
            }
            Step::Revoke { revision } => return self.revoke(*revision).await,
            Step::Abandon(it) => self.abandon(world, it).await?,
            Step::DeleteTarget { name } => self.engine.delete_target(&self.target_key(name)).await?,
            Step::ReleaseTarget { name } => self.engine.release_target(&self.target_key(name)).await?,
            Step::Inherit(inherited) => self.inherit(object()?, inherited).await?,
            Step::Recover(recovery) => {
                let recovered = self.recover(object()?, recovery).await;
                return or_refused(world, recovered);
            }
            Step::CopyLedger => self.copy_ledger().await?,
            Step::DropLedger => self.engine.drop_ledger(&self.key, self.seen).await?,
            Step::RestoreLedger => {
                let restored = self.engine.restore_ledger(object()?).await;
                return or_refused(world, restored.map(|()| Outcome::Done));
            }
            Step::RemoveCopy => self.engine.remove_copy(&self.key).await?,
            Step::ReleaseObject => self.engine.remove_finalizer(object()?).await?,
            Step::ReleaseLedger => self.engine.release_ledger(&self.key).await?,
        }
        Ok(Outcome::Done)
    }

    /// Writes down the result of a step. Returns when the next pass of its account is due.
    ///
    /// # Errors
    /// If the ledger cannot be written.
    pub async fn conclude(
        &mut self,
        world: &World,
        report: Report,
    ) -> Result<Option<(ProviderKey, jiff::Timestamp)>, EngineError> {
        // The step may have written the ledger since the world was observed.
        let unwritable = self.engine.remembered(&self.key).unwritable;
        self.engine.remember(&self.key, Memory { unwritable, ..report.memory });
        if !report.edits.is_empty() {
            self.note(&report.edits).await?;
        }
        if let Some((why, done)) = report.rotation {
            let outcome = if done { RotationOutcome::Done } else { RotationOutcome::Failed };
            self.engine.metrics.rotated(why, outcome);
        }
        if let Some(object) = &world.subject.object {
            for note in &report.events {
                self.engine.publish_event(object, note).await;
            }
        }
        let now = self.engine.now();
        let key =
            |(kind, name): &(ProviderKind, String)| ProviderKey::resolve(*kind, name, &self.key.namespace);
        let accounts = &self.engine.accounts;
        let failed = report.trouble.and_then(|trouble| {
            let account = key(&trouble.account);
            let at = accounts.step_failed(&account, &self.key, &trouble.failure, now)?;
            Some((account, at))
        });
        Ok(failed.or_else(|| {
            let account = key(report.answered.as_ref()?);
            let at = accounts.step_succeeded(&account, now)?;
            Some((account, at))
        }))
    }

    /// Ends the pass: writes the rest into status. Returns when the next pass is due.
    ///
    /// # Errors
    /// If status cannot be written.
    pub async fn rest(&self, world: &World, rest: &Rest) -> Result<Wake, EngineError> {
        let memory = match world.subject.object {
            Some(_) => Memory { failed: 0, ..world.memory.clone() },
            None => Memory::default(),
        };
        self.engine.remember(&self.key, memory);
        self.engine.write_status(world, rest).await
    }

    /// The place of this pass among those that are limited in number.
    pub fn slot(&mut self) -> &mut Slot {
        self.slot
    }

    /// Leaves the slot to others while the pass continues; see [`Slot::leave`].
    pub(super) fn leave_slot(&mut self) -> bool {
        self.slot.leave()
    }

    fn target_key(&self, name: &str) -> Key {
        Key { namespace: self.key.namespace.clone(), name: name.to_owned() }
    }

    /// Confirms with the API server, once in a pass, that the object no longer exists, before its
    /// ledger is closed without it.
    async fn confirm_absence(&mut self, world: &World) -> Result<(), EngineError> {
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
    async fn confirm_decision(&mut self, world: &World, step: &Step) -> Result<(), EngineError> {
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
    fn catch_up(&mut self) -> bool {
        let known = self.open.as_ref().map(OpenLedger::version).or(self.seen);
        self.seen = self.engine.stores.ledgers.get(&self.key).map(|entry| entry.version);
        known != self.seen
    }

    /// Writes down the result of a step, unless a concurrent writer has done so already.
    async fn note(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
        let disturbed = self.catch_up();
        match self.record(edits).await {
            Err(EngineError::Illegal(_)) if disturbed => Err(EngineError::Conflict("the ledger")),
            written => written,
        }
    }

    async fn record(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
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

    /// Writes the intent into the ledger, calls the provider, and writes the answer into the
    /// ledger; nothing else happens between.
    async fn mint(&mut self, object: &ApiCredential, revision: &Revision) -> Result<Outcome, EngineError> {
        let driver = self.driver(&revision.account)?;
        let provider = ProviderKey::of_account(&revision.account, &self.key.namespace);
        self.engine.ensure_leading().await?;
        self.engine.add_account_finalizers(&provider).await?;
        let intend = [Edit::Intend(Box::new(revision.clone()))];
        let open = if self.seen.is_some() {
            let open = self.open().await?;
            self.engine.write_ledger(&self.key, open, &intend, None).await?
        } else {
            self.engine.create_ledger(object, &intend, None).await?
        };
        self.open = Some(open);
        // The Lease is read before the clock: the answer may take longer than there is time left.
        let leading = self.engine.ensure_leading().await;
        let now = self.engine.now();
        // Even with the finalizer in place: a credential created after the provider object was
        // deleted could not be revoked.
        let going = self.engine.stores.providers.get(&provider).is_none_or(|object| object.deleting());
        if going || leading.is_err() || now >= revision.intent.call_by {
            return self.not_sent(revision).await;
        }
        let request = CreateRequest {
            name: revision.name.clone(),
            scopes: revision.request.scopes.clone(),
            expires_at: crate::lifecycle::asked_expiry(revision, driver.capabilities(), now),
            subnets: revision.request.subnets.clone(),
        };
        let issued = self.believed(created(driver.as_ref(), &request).await, revision, driver.as_ref());
        let outcome = issued.as_ref().map_or_else(|it| it.failure.kind.into(), |_| metrics::Outcome::Done);
        self.engine.meter(&provider).minted(outcome);
        match issued {
            Ok(issued) => {
                self.keep(revision, (issued, false), driver.as_ref()).await?;
                Ok(Outcome::Done)
            }
            Err(NotIssued { failure, made: None }) => Ok(Outcome::Failed(failure)),
            Err(NotIssued { failure, made: Some(made) }) => {
                self.keep(revision, (*made, true), driver.as_ref()).await?;
                Ok(Outcome::Unusable(failure))
            }
        }
    }

    /// Nothing was sent. A concurrent pass may have settled the intent already.
    async fn not_sent(&mut self, revision: &Revision) -> Result<Outcome, EngineError> {
        self.catch_up();
        let open = self.open().await?;
        let is_ours = open.document.revision(revision.revision).is_some_and(|it| it.state == State::Intended);
        self.open = Some(open);
        if is_ours { Ok(Outcome::TooLate) } else { Err(EngineError::Conflict("the intent")) }
    }

    /// Checks an answer before it is believed. A client that belongs to somebody else is not
    /// touched, even if the answer is wrong otherwise.
    fn believed(
        &self,
        answer: Result<Issued, NotIssued>,
        revision: &Revision,
        driver: &dyn Provider,
    ) -> Result<Issued, NotIssued> {
        let made = match &answer {
            Ok(issued) => Some(&issued.client_id),
            Err(it) => it.made.as_ref().map(|made| &made.client_id),
        };
        let whose = made.and_then(|client_id| self.is_of_another(client_id, revision, driver));
        let issued = match (answer, whose) {
            (Ok(_), Some(message)) => {
                return Err(Failure { kind: FailureKind::Malformed, retry_after: None, message }.into());
            }
            (Err(it), Some(_)) => return Err(it.failure.into()),
            (answer, None) => answer?,
        };
        let untrue = if issued.client_id.is_empty() || issued.client_secret.expose_secret().is_empty() {
            Err("the provider answered with an empty client ID or secret")
        } else if issued.expires_at.is_some_and(|at| at <= self.engine.now()) {
            Err("the provider answered with a credential that has already expired")
        } else {
            Ok(())
        };
        NotIssued::unless(untrue, issued, true)
    }

    /// Returns whose this client is, if it is not the one that was just made.
    fn is_of_another(&self, client_id: &str, revision: &Revision, driver: &dyn Provider) -> Option<String> {
        if driver.identity() == Some(client_id) || self.held_elsewhere(client_id, &revision.account) {
            return Some(format!(
                "the provider answered with client {client_id}, which belongs to someone else"
            ));
        }
        let own = self.open.as_ref().and_then(|open| open.document.sibling(revision, client_id))?;
        Some(format!("the provider answered with client {client_id}, which is already {}", own.name))
    }

    /// Returns whether another object has this client at the same account. At another one the same
    /// ID is another client.
    pub(super) fn held_elsewhere(&self, client_id: &str, account: &Account) -> bool {
        self.engine.stores.ledgers.held_by_another(client_id, &account.fingerprint, &self.key)
    }

    async fn publish(
        &mut self,
        object: &ApiCredential,
        rendered: Rendered,
        previous: Option<u32>,
    ) -> Result<Outcome, EngineError> {
        let open = self.open().await?;
        let with_secret = |number: u32| {
            let revision = open.document.revision(number)?;
            Some(WithSecret { revision, client_secret: &open.material.get(number)?.client_secret })
        };
        let current = with_secret(rendered.revision).ok_or(EngineError::Gone("the secret"))?;
        let data = render::render(object.spec.secret.as_ref(), current, previous.and_then(with_secret));
        self.open = Some(open);
        let data = match data {
            Ok(data) => data,
            Err(error @ RenderError::NoThread(_)) => return Err(error.into()),
            Err(error) => {
                let message = format!("{error}; correct it, and the Secret is written");
                return Ok(Outcome::NotPublished { reason: Reason::TemplateInvalid, message });
            }
        };
        let ledger = self.engine.stores.ledgers.get(&self.key);
        let may_write = |key: &Key, entry: &TargetEntry| is_ours(key, entry, object, ledger.as_ref());
        match self.engine.write_target(object, &rendered, data, may_write).await {
            Ok(Written::Done) => Ok(Outcome::Done),
            Ok(Written::Foreign) => {
                self.inspected = None;
                let name = object.spec.target_name(&self.key.name);
                let message = format!(
                    "the Secret {name} exists and does not belong to this object; it is not overwritten"
                );
                Ok(Outcome::NotPublished { reason: Reason::TargetForeign, message })
            }
            Err(error) if error.is_refusal() => {
                let why = error.status().map(|status| status.message.clone()).unwrap_or_default();
                let message = format!("the API server refuses the Secret: {why}");
                Ok(Outcome::NotPublished { reason: Reason::TargetRefused, message })
            }
            Err(error) => Err(error),
        }
    }
}

/// A terminating namespace accepts no new Secrets, so a ledger cannot be created for an object that
/// is being deleted there; it is deleted without one.
fn or_refused(world: &World, done: Result<Outcome, EngineError>) -> Result<Outcome, EngineError> {
    match done {
        Err(error) if error.is_refusal() && world.deleting() => Ok(Outcome::Failed(Failure {
            kind: FailureKind::Forbidden,
            retry_after: None,
            message: error.to_string(),
        })),
        done => done,
    }
}
