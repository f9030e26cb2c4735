//! AbandonedCredentials: created when a ledger gives a credential up, and retried until that is
//! gone.
//!
//! The record comes first, then a Secret with the data for retries, which belongs to the record
//! from the beginning; only then does the ledger drop the credential. The names follow from the
//! tag, so that a repetition after a crash finds both.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::{
    api::AbandonedStatus,
    lifecycle::{Abandonment, Moved, Verification, World, abandoned::next_attempt, to_second, verification},
};

use super::{Engine, EngineError, Key, Pass, ProviderKey, Secrets, Turns, Work};

mod attempt;
mod bounds;
mod record;

/// The pause between two checks of whether a record that waits for a person can be tried after all.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

impl Pass<'_> {
    /// Puts `it` on record.
    pub(super) async fn abandon(&mut self, world: &World, it: &Abandonment) -> Result<(), EngineError> {
        let listed = world.document().or(world.copied()).and_then(|document| document.revision(it.revision));
        let scopes = listed.map(|it| it.request.scopes.clone()).unwrap_or_default();
        let is_tried =
            listed.and_then(|it| verification::of(world, it)).is_none_or(|it| it == Verification::Pair);
        let secrets = if world.document().is_some() {
            self.ledger.read().await?.material.get(it.revision).cloned()
        } else if world.copied().is_some() {
            let (_, material) = self.engine.read_copy(&self.key).await?;
            material.get(it.revision).cloned()
        } else {
            None
        };
        // Elsewhere a refusal of the pair would prove nothing.
        let untried = |it: Secrets| Secrets { client_secret: SecretString::default(), ..it };
        let secrets = secrets.map(|it| if is_tried { it } else { untried(it) });
        self.engine.abandon(&self.key, it, secrets, scopes).await
    }
}

impl Engine {
    /// Creates the record of `it`, a credential of the object at `key`, and its Secret with the
    /// data for retries.
    pub(super) async fn abandon(
        &self,
        key: &Key,
        it: &Abandonment,
        secrets: Option<Secrets>,
        scopes: Vec<String>,
    ) -> Result<(), EngineError> {
        let provider = ProviderKey::of_account(&it.account, &key.namespace);
        if self.has_too_many_records(&provider, &it.record) {
            return self.count_abandoned(key, it, &provider).await;
        }
        let record = self.put_record(self.record_of(key, it, &provider)).await?;
        if it.action.is_none() {
            let stored = self.store_material(&record, &provider, secrets, scopes).await;
            go_without(stored, &it.record)?;
        }
        let (namespace, name) = (&key.namespace, &key.name);
        tracing::warn!(%namespace, %name, record = %it.record, why = %it.why, "credential abandoned");
        Ok(())
    }

    /// Runs the pass of one record: tries it when that is due, and removes it when the credential
    /// is gone. Returns when the next pass is due.
    ///
    /// # Errors
    /// If the API server cannot be read or written.
    pub async fn tend_abandoned(
        &self,
        key: &Key,
        turns: &mut dyn Turns,
    ) -> Result<Option<Timestamp>, EngineError> {
        let Some(record) = self.stores.abandoned.get(key) else { return Ok(None) };
        if record.metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        let now = self.now();
        let before = record.status.clone().unwrap_or_default();
        if let Some(at) = before.next_attempt.filter(|at| *at > now) {
            return Ok(Some(at));
        }
        self.ensure_leading().await?;
        if bounds::counts_others(&record) {
            return self.tend_count(&record, before).await;
        }
        if self.ends_with_its_namespace(&record).await? {
            self.remove_abandoned(&record).await?;
            return Ok(None);
        }
        let material = self.retry_material(&record).await?;
        let status = match self.reachable(&record, material.as_ref()) {
            Err(message) => AbandonedStatus { next_attempt: None, message: Some(message), ..before },
            Ok(_) if before.next_attempt.is_none() => AbandonedStatus {
                next_attempt: Some(to_second(next_attempt(1, now))),
                message: Some("Credwright retries until it is gone".to_owned()),
                ..before
            },
            Ok(_) if !turns.begin(Work::Attempt, &attempt::provider_of(&record)) => return Ok(None),
            Ok(reachable) => match self.end_one(&record, &reachable, material.as_ref(), turns).await {
                attempt::Attempt::Gone => {
                    let (namespace, name) = (&record.spec.credential.namespace, &record.spec.name);
                    tracing::info!(%namespace, credential = %name, "abandoned credential gone");
                    self.remove_abandoned(&record).await?;
                    return Ok(None);
                }
                attempt::Attempt::Failed(message) => {
                    let attempts = before.attempts.saturating_add(1);
                    let next = to_second(next_attempt(attempts, self.now()));
                    AbandonedStatus {
                        attempts,
                        last_attempt: Some(to_second(now)),
                        next_attempt: Some(next),
                        message: Some(message),
                        ..before
                    }
                }
            },
        };
        let next = status.next_attempt.unwrap_or(now.later(LOOK_AGAIN));
        let status = AbandonedStatus { observed_generation: record.metadata.generation, ..status };
        let overtaken = self.write_abandoned_status(&record, status).await?;
        Ok(Some(if overtaken { self.now() } else { next }))
    }
}

/// A refusal to store the data for retries stops no deletion: the record alone says what a person
/// has to do once its provider is gone.
fn go_without(stored: Result<(), EngineError>, record: &str) -> Result<(), EngineError> {
    match stored {
        Err(error) if error.is_refusal() => {
            tracing::warn!(record, %error, "data for retries of a revocation not stored");
            Ok(())
        }
        stored => stored,
    }
}
