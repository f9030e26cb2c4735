//! One step, performed, and its end written down. No policy here: each step says what to do, each
//! outcome says how it ended, and each report says what follows.

use crate::{
    api::ProviderKind,
    lifecycle::{
        Edit, Failure, FailureKind, Memory, Outcome, Rendered, Report, Rest, RotationEnd, Step, Wake, World,
    },
    ops::metrics::RotationOutcome,
};

use super::{EngineError, Pass, ProviderKey};

impl Pass<'_> {
    /// Performs `step`.
    ///
    /// # Errors
    /// If Kubernetes is in the way. What a provider answers, good or bad, is an [`Outcome`].
    pub async fn perform(&mut self, world: &World, step: &Step) -> Result<Outcome, EngineError> {
        let object = || world.subject.object.as_deref().ok_or(EngineError::Gone("the object"));
        self.confirm_absence(world).await?;
        self.confirm_decision(world, step).await?;
        match step {
            Step::HoldObject => self.add_finalizer(object()?).await?,
            Step::Mint(revision) => return self.mint(object()?, revision).await,
            Step::Take(revision) => return self.take(world, object()?, revision).await,
            Step::Remind(_) => {}
            Step::CheckRemoval { revision, beside } => return self.check_removal(*revision, *beside).await,
            Step::Settle { revision } => return self.settle(world, *revision).await,
            Step::Verify { revision } => return self.verify(world, *revision).await,
            Step::Publish { revision, previous, from } => {
                let rendered = Rendered { revision: *revision, from: from.clone() };
                return self.publish(object()?, rendered, *previous).await;
            }
            Step::Record(edit) => self.ledger.write(std::slice::from_ref(edit)).await?,
            Step::Revoke { revision } => return self.revoke(world, *revision).await,
            Step::Abandon(it) => self.abandon(world, it).await?,
            Step::DeleteTarget { name } => self.engine.delete_target(&self.target_key(name)).await?,
            Step::ReleaseTarget { name } => self.engine.release_target(&self.target_key(name)).await?,
            Step::Inherit(inherited) => self.inherit(object()?, inherited).await?,
            Step::Recover(recovery) => {
                let recovered = self.recover(object()?, recovery).await;
                return or_refused(world, recovered);
            }
            Step::CopyLedger => self.copy_ledger().await?,
            Step::DropLedger => self.engine.drop_ledger(&self.key, self.ledger.seen()).await?,
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
        if let Some(RotationEnd { why, done }) = report.rotation {
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

    /// Writes down the result of a step, unless a concurrent writer has done so already.
    async fn note(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
        let disturbed = self.ledger.catch_up();
        match self.ledger.write(edits).await {
            Err(EngineError::Illegal(_)) if disturbed => Err(EngineError::Conflict("the ledger")),
            written => written,
        }
    }
}

/// A terminating namespace accepts no new Secrets, so a ledger cannot be created for an object that
/// is being deleted there; it is deleted without one.
fn or_refused(world: &World, done: Result<Outcome, EngineError>) -> Result<Outcome, EngineError> {
    match done {
        Err(error) if error.is_refusal() && world.deleting() => {
            Ok(Outcome::Failed(Failure::new(FailureKind::Forbidden, error.to_string())))
        }
        done => done,
    }
}
