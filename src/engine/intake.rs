//! The pair in an intake Secret, and the check whether a person has removed an old credential.

use crate::{
    api::ApiCredential,
    lifecycle::{
        Edit, Identity, IntakePair, IntakeView, Outcome, Removed, Revision, Verification, World, verification,
    },
    providers::{Verdict, VerifyRequest},
};

use super::{Engine, EngineError, Key, Pass, ProviderKey, Secrets, call, stores::read_intake};

impl Engine {
    /// The intake of the object at `of`, as a decision sees it.
    pub(super) fn intake(&self, of: &Key, object: &ApiCredential) -> Option<IntakeView> {
        let key = Key::new(&of.namespace, &object.spec.intake.as_ref()?.secret_name);
        let Some(entry) = self.stores.intakes.get(&key) else { return Some(IntakeView::Missing) };
        let account = self.accounts.fingerprint(&ProviderKey::wanted_by(object, &of.namespace));
        Some(match entry.holds {
            Err(why) => IntakeView::Unusable(why),
            Ok(it) => IntakeView::Holds(IntakePair {
                held_elsewhere: self.stores.ledgers.held_by_another(
                    &Identity::of_client(&it.client_id),
                    &account,
                    of,
                ),
                client_id: it.client_id,
                pair: it.pair,
                pair_before: it.pair_before,
                content: it.content,
                issued_at: it.issued_at,
                expires_at: it.expires_at,
                since: entry.since,
            }),
        })
    }
}

impl Pass<'_> {
    /// Tries the pair in the intake, and adds it to the ledger. That makes nothing at the provider,
    /// so nothing has to be written before.
    pub(super) async fn take(
        &mut self,
        world: &World,
        object: &ApiCredential,
        revision: &Revision,
    ) -> Result<Outcome, EngineError> {
        let intake = object.spec.intake.as_ref().ok_or(EngineError::Gone("spec.intake"))?;
        let driver = self.engine.accounts.driver_of(&revision.account, &self.key.namespace)?;
        self.confirm(object).await?;
        self.engine
            .add_account_finalizers(&ProviderKey::of_account(&revision.account, &self.key.namespace))
            .await?;
        let api = self.engine.secrets(&self.key.namespace);
        let secret = call("reading the intake Secret", api.get_opt(&intake.secret_name)).await?;
        let secret = secret.ok_or(EngineError::Gone("the intake Secret"))?;
        let read = read_intake(&secret, &self.engine.sealer);
        let (content, client_secret) = read.map_err(|_| EngineError::Conflict("the intake Secret"))?;
        let decided = matches!(&world.intake, Some(IntakeView::Holds(it)) if it.content == content.content);
        let (ledgers, fingerprint) = (&self.engine.stores.ledgers, &revision.account.fingerprint);
        let identity = Identity::of_client(&content.client_id);
        if !decided || ledgers.held_by_another(&identity, fingerprint, &self.key) {
            return Err(EngineError::Conflict("the intake Secret"));
        }
        let pair = VerifyRequest {
            client_id: content.client_id,
            client_secret: client_secret.clone(),
            scopes: revision.request.scopes.clone(),
            parameters: revision.parameters.clone(),
        };
        let is_tried = verification::of(world, revision) == Some(Verification::Pair);
        let verdict = if is_tried { driver.verify(&pair).await } else { Ok(Verdict::Accepted) };
        let outcome = match verdict {
            Ok(Verdict::Accepted) => Outcome::Done,
            Ok(Verdict::Refused) => Outcome::Tried { accepted: false },
            Err(failure) => Outcome::Failed(failure),
        };
        if self.ledger.seen().is_none() {
            // Somewhere has to be written that the pair was refused.
            self.ledger.write_or_create(object, &[], None).await?;
        }
        if outcome == Outcome::Done {
            let taken = Revision {
                fields: driver.fields(&revision.request.scopes),
                unverified: !is_tried,
                ..revision.clone()
            };
            let secrets = (revision.revision, Secrets { client_secret, handle: None });
            self.ledger.write_keeping(&[Edit::Take(Box::new(taken))], secrets).await?;
        }
        Ok(outcome)
    }

    /// Returns whether the provider refuses the credential that a person was to remove, while it
    /// accepts the published one.
    pub(super) async fn check_removal(&mut self, revision: u32, beside: u32) -> Result<Outcome, EngineError> {
        let (engine, key) = (self.engine, &self.key);
        let open = self.ledger.read().await?;
        Ok(match engine.tried(key, open, revision).await? {
            Ok(Verdict::Accepted) => Outcome::Removed(Removed::NotYet),
            Ok(Verdict::Refused) => match engine.tried(key, open, beside).await? {
                Ok(Verdict::Accepted) => Outcome::Removed(Removed::Yes),
                Ok(Verdict::Refused) => Outcome::Removed(Removed::Unproved),
                Err(failure) => Outcome::Failed(failure),
            },
            Err(failure) => Outcome::Failed(failure),
        })
    }
}
