//! The end of a step, and of a pass: written into the ledger, Events and status.

use crate::{
    api::ProviderKind,
    lifecycle::{
        Report,
        ledger::Edit,
        plan::{Rest, Wake},
        world::{Memory, World},
    },
    ops::metrics::RotationOutcome,
};

use super::{EngineError, Pass, stores::ProviderKey};

impl Pass<'_> {
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

    /// Writes down the result of a step, unless a concurrent writer has done so already.
    async fn note(&mut self, edits: &[Edit]) -> Result<(), EngineError> {
        let disturbed = self.ledger.catch_up();
        match self.ledger.write(edits).await {
            Err(EngineError::Illegal(_)) if disturbed => Err(EngineError::Conflict("the ledger")),
            written => written,
        }
    }
}
