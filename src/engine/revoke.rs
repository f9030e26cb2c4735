//! Making a credential invalid at its provider: never one that somebody else holds.

use secrecy::SecretString;

use crate::{
    lifecycle::{
        failure::{Failure, FailureKind},
        ledger::Revision,
        plan::Outcome,
    },
    providers::{Found, Provider, Revocation, RevokeRequest, Verdict},
};

use super::{
    EngineError, Pass,
    ledger::OpenLedger,
    metrics,
    stores::{Key, ProviderKey},
};

impl Pass<'_> {
    /// Revokes, and tries the pair afterwards: "not found" alone proves nothing, and a success may be none.
    pub(super) async fn revoke(&mut self, revision: u32) -> Result<Outcome, EngineError> {
        let open = self.open().await?;
        let it = open.document.revision(revision).ok_or(EngineError::Gone("the revision"))?;
        let driver = self.driver(&it.account)?;
        let client_id = it.client_id.clone().unwrap_or_default();
        let in_use = open.document.sibling(revision, &client_id).is_some_and(|it| it.state.is_usable());
        if driver.identity() == Some(&client_id) || self.held_elsewhere(&client_id) || in_use {
            let message = if in_use {
                format!("client {client_id} is also another revision that is in use; it is not revoked")
            } else {
                format!("client {client_id} belongs to someone else; it is not revoked")
            };
            self.hold(open);
            return Ok(Outcome::Failed(Failure { kind: FailureKind::Rejected, retry_after: None, message }));
        }
        self.engine.ensure_leading().await?;
        let handle = open.material.get(revision).and_then(|secrets| secrets.handle.clone());
        let revoked = match self.to_revoke(&open, it, (client_id, handle), driver.as_ref()).await {
            Ok(Some(request)) => driver.revoke(&request).await,
            Ok(None) => Ok(Revocation::NotFound),
            Err(failure) => Err(failure),
        };
        let outcome = match revoked {
            Ok(said) => self.tried_afterwards(&open, revision, said, driver.as_ref()).await?,
            Err(failure) => Outcome::Failed(failure),
        };
        let provider = ProviderKey::of_account(&it.account, &self.key.namespace);
        self.engine.meter(&provider).revoked(metrics::revocation(&outcome));
        self.hold(open);
        Ok(outcome)
    }

    /// What to revoke. Where a ledger was put together again, that is only what the provider lists under our tag; `None` if it
    /// lists no such thing.
    async fn to_revoke(
        &self,
        open: &OpenLedger,
        revision: &Revision,
        (client_id, handle): (String, Option<SecretString>),
        driver: &dyn Provider,
    ) -> Result<Option<RevokeRequest>, Failure> {
        if !revision.rebuilt {
            return Ok(Some(RevokeRequest { client_id, ids: revision.ids.clone(), handle }));
        }
        let Key { namespace, name } = &self.key;
        let tag = open.document.tag(namespace, name);
        let found = driver.find(&tag).await?.into_iter();
        let is_it = |it: &Found| match client_id.as_str() {
            "" => it.name == revision.name,
            known => it.client_id == known,
        };
        let mut same = found.filter(is_it).filter(|it| !self.held_elsewhere(&it.client_id));
        Ok(same.next().map(|it| RevokeRequest { client_id: it.client_id, ids: it.ids, handle }))
    }

    /// Whether it is over.
    async fn tried_afterwards(
        &self,
        open: &OpenLedger,
        revision: u32,
        said: Revocation,
        driver: &dyn Provider,
    ) -> Result<Outcome, EngineError> {
        let revoked = |still_accepted| Outcome::Revoked { said: said == Revocation::Revoked, still_accepted };
        if open.material.get(revision).is_none() || !driver.capabilities().verify {
            return Ok(revoked(None));
        }
        let tried = self.tried(open, revision).await?;
        Ok(still_accepted(said, tried).map_or_else(Outcome::Failed, revoked))
    }
}

/// Whether what was revoked still works, as the pair tried afterwards shows. A provider that says so is believed where the pair
/// cannot be tried just now; "not found" is not.
pub(super) fn still_accepted(
    said: Revocation,
    tried: Result<Verdict, Failure>,
) -> Result<Option<bool>, Failure> {
    match tried {
        Ok(verdict) => Ok(Some(verdict == Verdict::Accepted)),
        Err(_) if said == Revocation::Revoked => Ok(None),
        Err(failure) => Err(failure),
    }
}
