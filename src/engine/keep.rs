//! The way of an answer into the ledger.
//!
//! The secret is only in this process. Waiting for the API server is therefore never given up, but
//! it is done outside of the slot, so that other objects go on. A refusal is no reason to wait:
//! then the credential is given back to the provider, or put on record.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;

use crate::{
    api::AbandonedKind,
    lifecycle::{
        Abandonment, Answer, Failure, FailureKind, Revision,
        abandoned::{record_name, to_do},
    },
    ops::metrics::{Outcome, Unwritten},
    providers::{CreateRequest, Issued, NotIssued, Provider, RevokeRequest, needed},
};

use super::{
    EngineError, Pass, ProviderKey, Secrets,
    ending::{Doomed, end},
    seal,
};

/// The refusals after which an answer is given back. One alone may be an accident: a role or a
/// policy that is being changed.
const REFUSALS: u32 = 5;
/// The shortest and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The time after which the pass leaves its slot.
const PATIENCE: Duration = Duration::from_secs(30);

/// A credential that was just made, and that no ledger has yet.
struct Made<'a> {
    revision: &'a Revision,
    answer: Answer,
    secrets: Secrets,
    driver: &'a dyn Provider,
}

/// The history of attempts to write something down.
struct Attempts {
    since: Instant,
    count: u32,
    refusals: u32,
    /// The pause that the API server has asked for, up to the longest: until the answer is written
    /// down, a crash of this process loses it.
    asked: Option<Duration>,
    unwritten: Option<Unwritten>,
}

impl Attempts {
    fn begin() -> Self {
        Self { since: Instant::now(), count: 0, refusals: 0, asked: None, unwritten: None }
    }

    /// Counts a failure. Returns whether another attempt can help.
    fn go_on_after(&mut self, error: &EngineError) -> bool {
        self.count += 1;
        self.refusals += u32::from(error.is_refusal());
        self.asked = error.retry_after().map(|it| it.unsigned_abs().min(PAUSES.1));
        let is_final =
            matches!(error, EngineError::Gone(_) | EngineError::Ledger(_) | EngineError::Illegal(_));
        !is_final && self.refusals < REFUSALS
    }

    /// The pause before the next attempt, after the one that the API server has asked for. Up to a
    /// half of it is random, because many may wait for the same API server.
    fn pause(&self) -> Duration {
        let longest = PAUSES.0.saturating_mul(1 << self.count.saturating_sub(1).min(10)).min(PAUSES.1);
        let shorter = u32::try_from(seal::entropy() % 512).unwrap_or(0);
        self.asked.unwrap_or_default() + longest - longest / 1024 * shorter
    }
}

impl Pass<'_> {
    /// Writes an answer down, as a credential to revoke if it `is_doomed`. On a conflict the ledger
    /// is read again, and the answer is attached to its intent, in any state.
    pub(super) async fn keep(
        &mut self,
        revision: &Revision,
        (issued, is_doomed): (Issued, bool),
        driver: &dyn Provider,
    ) -> Result<(), EngineError> {
        let answer = Answer {
            intent_id: revision.intent.id.clone(),
            client_id: issued.client_id,
            secret_id: issued.secret_id,
            ids: issued.ids,
            fields: issued.fields,
            secret_aliases: issued.secret_aliases,
            scopes: revision.request.scopes.clone(),
            expires_at: issued.expires_at,
            is_doomed,
        };
        let secrets = Secrets { client_secret: issued.client_secret, handle: issued.handle };
        let made = Made { revision, answer, secrets, driver };
        let mut attempts = Attempts::begin();
        loop {
            let secrets = (revision.revision, made.secrets.clone());
            let Err(error) = self.ledger.write_answer(made.answer.clone(), secrets).await else {
                return Ok(());
            };
            if !attempts.go_on_after(&error) {
                return Err(self.give_back(&made, error).await);
            }
            tracing::warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "create response not stored, retrying");
            self.pause(&mut attempts).await;
        }
    }

    /// Waits before the next attempt, and leaves the slot to others once that has taken long.
    async fn pause(&mut self, attempts: &mut Attempts) {
        if attempts.since.elapsed() >= PATIENCE {
            attempts.unwritten.get_or_insert_with(|| self.engine.metrics.unwritten());
            self.leave_slot();
        }
        tokio::time::sleep(attempts.pause()).await;
    }

    /// No ledger takes the secret, so the credential must not live. Until it is revoked or on
    /// record, this process is the only one that knows of it. Returns the error that led here.
    async fn give_back(&mut self, made: &Made<'_>, error: EngineError) -> EngineError {
        let Made { revision, answer, secrets, driver } = made;
        let mut attempts = Attempts::begin();
        loop {
            let Err(failure) = self.revoke_made(made).await else { return error };
            let action = to_do(AbandonedKind::NotRevoked, driver.capabilities());
            let it = given_back(revision, answer, (failure.message, action));
            let scopes = revision.request.scopes.clone();
            let Err(why) = self.engine.abandon(&self.key, &it, Some(secrets.clone()), scopes).await else {
                return error;
            };
            let (namespace, name, client) = (&self.key.namespace, &self.key.name, &answer.client_id);
            tracing::error!(
                %namespace, %name, %client, %why,
                "credential without a ledger neither revoked nor recorded"
            );
            if !attempts.go_on_after(&why) {
                return error;
            }
            self.pause(&mut attempts).await;
        }
    }

    /// Revokes the credential that was just made.
    async fn revoke_made(&self, made: &Made<'_>) -> Result<(), Failure> {
        let Made { revision, answer, secrets, driver } = made;
        if driver.revoker().is_none() {
            let message = "the provider has no call that revokes".to_owned();
            return Err(Failure::new(FailureKind::Rejected, message));
        }
        let request = RevokeRequest {
            client_id: answer.client_id.clone(),
            secret_id: answer.secret_id.clone(),
            ids: answer.ids.clone(),
            parameters: revision.parameters.clone(),
            handle: secrets.handle.clone(),
        };
        // Its pair need not be accepted yet, nor be listed, so only the provider's word counts. It
        // has just created the credential, so "not found" is not believed.
        let doomed = Doomed { name: &revision.name, request: Some(request), pair: None };
        let revoked = end(*driver, &doomed).await.and_then(|ended| {
            let message = "the provider does not know what it has just made".to_owned();
            let unknown = Failure::new(FailureKind::Unexplained, message);
            if ended.said { Ok(()) } else { Err(unknown) }
        });
        let meter = self.engine.meter(&ProviderKey::of_account(&revision.account, &self.key.namespace));
        meter.revoked(revoked.as_ref().map_or_else(|failure| failure.kind.into(), |_| Outcome::Done));
        revoked
    }
}

/// Calls the driver. A bug in it counts as a lost response: the credential that it may have made is
/// searched.
pub(super) async fn created(driver: &dyn Provider, request: &CreateRequest) -> Result<Issued, NotIssued> {
    let message =
        "a bug of Credwright ended the create request; please report it with the panic in the log".to_owned();
    let defect = Failure::new(FailureKind::Ambiguous, message);
    let issuer = needed(driver.issuer())?;
    AssertUnwindSafe(issuer.create(request)).catch_unwind().await.unwrap_or(Err(defect.into()))
}

/// The record of a credential that no ledger took. The tag is in its name.
fn given_back(revision: &Revision, answer: &Answer, (why, action): (String, Option<String>)) -> Abandonment {
    let tag = revision.tag().unwrap_or(&revision.name);
    Abandonment {
        record: record_name(tag, revision.revision),
        revision: revision.revision,
        kind: AbandonedKind::NotRevoked,
        name: revision.name.clone(),
        client_id: Some(answer.client_id.clone()),
        secret_id: answer.secret_id.clone(),
        ids: answer.ids.clone(),
        parameters: revision.parameters.clone(),
        account: revision.account.clone(),
        expires_at: answer.expires_at,
        why: format!("it could not be written into its ledger, and revoking it failed: {why}"),
        action,
    }
}

#[cfg(test)]
mod tests;
