//! Queries of the provider: what a lost response made, and whether a pair works.

use secrecy::ExposeSecret;

use crate::{
    lifecycle::{Failure, FoundCredential, Outcome, Parameters, Revision, Verification, World, verification},
    providers::{FindRequest, Found, Provider, Verdict, VerifyRequest, needed},
};

use super::{Engine, EngineError, Key, Pass, fence::OpenLedger};

impl Pass<'_> {
    pub(super) async fn settle(&mut self, world: &World, revision: u32) -> Result<Outcome, EngineError> {
        let revision = revision_of(world, revision)?;
        let driver = self.engine.accounts.driver_of(&revision.account, &self.key.namespace)?;
        let made_under = revision.tag().map_or_else(|| world.tag(), str::to_owned);
        let found = match found_under(made_under, &revision.parameters, driver.as_ref()).await {
            Ok(found) => found,
            Err(failure) => return Ok(Outcome::Failed(failure)),
        };
        let own = |it: &Found| world.document().and_then(|all| all.sibling(revision, &it.identity()));
        let of = (&*revision.account.fingerprint, &self.key);
        let credentials = found.into_iter().map(|found| FoundCredential {
            held_elsewhere: self.engine.belongs_to_another(&found.identity(), of, driver.as_ref())
                || (found.is_named(revision) && own(&found).is_some()),
            found,
        });
        Ok(Outcome::Found(credentials.collect()))
    }

    pub(super) async fn verify(&mut self, world: &World, revision: u32) -> Result<Outcome, EngineError> {
        let open = self.ledger.read().await?;
        if let Some(it) = open.document.revision(revision)
            && verification::of(world, it) == Some(Verification::List)
        {
            let driver = self.engine.accounts.driver_of(&it.account, &self.key.namespace)?;
            return Ok(match is_listed(driver.as_ref(), it).await {
                Ok(accepted) => Outcome::Tried { accepted },
                Err(failure) => Outcome::Failed(failure),
            });
        }
        let tried = self.engine.tried(&self.key, open, revision).await?;
        let before = open.document.revision(revision).filter(|it| it.refused_at.is_some());
        Ok(match (tried, before) {
            (Ok(Verdict::Accepted), _) => Outcome::Tried { accepted: true },
            (Ok(Verdict::Refused), None) => Outcome::Tried { accepted: false },
            // Refused once more: that counts only if the account itself is well.
            (Ok(Verdict::Refused), Some(it)) => {
                let driver = self.engine.accounts.driver_of(&it.account, &self.key.namespace)?;
                match driver.probe().await {
                    Ok(()) => Outcome::Tried { accepted: false },
                    Err(failure) => Outcome::Failed(failure),
                }
            }
            (Err(failure), _) => Outcome::Failed(failure),
        })
    }
}

impl Engine {
    /// Tries the pair of a revision in the ledger of the object at `key`.
    pub(super) async fn tried(
        &self,
        key: &Key,
        open: &OpenLedger,
        revision: u32,
    ) -> Result<Result<Verdict, Failure>, EngineError> {
        let it = open.document.revision(revision).ok_or(EngineError::Gone("the revision"))?;
        let pair = pair_of(open, it).ok_or(EngineError::Gone("the secret"))?;
        Ok(self.accounts.driver_of(&it.account, &key.namespace)?.verify(&pair).await)
    }
}

/// Returns whether the provider lists the credential of a revision under its exact name.
async fn is_listed(driver: &dyn Provider, it: &Revision) -> Result<bool, Failure> {
    let tag = it.tag().unwrap_or(&it.name).to_owned();
    let found = found_under(tag, &it.parameters, driver).await?;
    Ok(found.iter().any(|found| found.is_named(it)))
}

/// Returns the credentials that the provider lists under a tag, where those with `parameters` are.
///
/// # Errors
/// If the provider fails, or has no list.
pub(super) async fn found_under(
    tag: String,
    parameters: &Parameters,
    driver: &dyn Provider,
) -> Result<Vec<Found>, Failure> {
    let place = driver.capabilities().place(parameters);
    needed(driver.lister())?.find(&FindRequest { tag, place }).await
}

/// The pair of a revision, if its ledger holds the secret.
pub(super) fn pair_of(open: &OpenLedger, revision: &Revision) -> Option<VerifyRequest> {
    let secrets = open.material.get(revision.revision)?;
    // An answer that could not be used may have come without one.
    let has_secret = !secrets.client_secret.expose_secret().is_empty();
    has_secret.then(|| VerifyRequest {
        client_id: revision.client_id.clone().unwrap_or_default(),
        client_secret: secrets.client_secret.clone(),
        scopes: revision.request.scopes.clone(),
        parameters: revision.parameters.clone(),
    })
}

fn revision_of(world: &World, revision: u32) -> Result<&Revision, EngineError> {
    world.document().and_then(|document| document.revision(revision)).ok_or(EngineError::Gone("the revision"))
}
