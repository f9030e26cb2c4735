//! One step, performed. No policy here: each step says what to do, and each outcome says how it
//! ended.

use crate::lifecycle::{
    failure::{Failure, FailureKind},
    plan::{Outcome, Step},
    world::{Rendered, World},
};

use super::{EngineError, Pass};

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
            Step::Verify { revision } => return self.verify(*revision).await,
            Step::Publish { revision, previous, from } => {
                let rendered = Rendered { revision: *revision, from: from.clone() };
                return self.publish(object()?, rendered, *previous).await;
            }
            Step::Record(edit) => self.ledger.write(std::slice::from_ref(edit)).await?,
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
