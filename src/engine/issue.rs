//! A new credential: its intent, the call that creates it, and the check of the answer.

use secrecy::ExposeSecret;

use crate::{
    api::ApiCredential,
    lifecycle::{Edit, Failure, FailureKind, Identity, Outcome, Revision, State},
    ops::metrics,
    providers::{CreateRequest, Issued, NotIssued, Provider},
};

use super::{EngineError, Pass, ProviderKey, keep::created};

impl Pass<'_> {
    /// Writes the intent into the ledger, calls the provider, and writes the answer into the
    /// ledger; nothing else happens between.
    pub(super) async fn mint(
        &mut self,
        object: &ApiCredential,
        revision: &Revision,
    ) -> Result<Outcome, EngineError> {
        let driver = self.engine.accounts.driver_of(&revision.account, &self.key.namespace)?;
        let provider = ProviderKey::of_account(&revision.account, &self.key.namespace);
        self.engine.ensure_leading().await?;
        self.engine.add_account_finalizers(&provider).await?;
        let intend = [Edit::Intend(Box::new(revision.clone()))];
        self.ledger.write_or_create(object, &intend, None).await?;
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
            parameters: revision.parameters.clone(),
            scopes: revision.request.scopes.clone(),
            expires_at: crate::lifecycle::asked_expiry(revision, driver.capabilities(), now),
            now,
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
        self.ledger.catch_up();
        let document = &self.ledger.read().await?.document;
        let is_ours = document.revision(revision.revision).is_some_and(|it| it.state == State::Intended);
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
            Ok(issued) => Some(issued),
            Err(it) => it.made.as_deref(),
        };
        let whose = made.and_then(|made| self.is_of_another(made, revision, driver));
        let issued = match (answer, whose) {
            (Ok(_), Some(message)) => {
                return Err(Failure::new(FailureKind::Malformed, message).into());
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

    /// Returns whose this credential is, if it is not the one that was just made.
    fn is_of_another(&self, made: &Issued, revision: &Revision, driver: &dyn Provider) -> Option<String> {
        let Issued { client_id, secret_id, .. } = made;
        let secret_id = secret_id.as_deref();
        let identity = Identity { client_id, secret_id, parameters: &revision.parameters };
        let of = (&*revision.account.fingerprint, &self.key);
        if self.engine.belongs_to_another(&identity, of, driver) {
            return Some(format!(
                "the provider answered with client {client_id}, which belongs to someone else"
            ));
        }
        let own = self.ledger.opened().and_then(|open| open.document.sibling(revision, &identity))?;
        Some(format!("the provider answered with client {client_id}, which is already {}", own.name))
    }
}
