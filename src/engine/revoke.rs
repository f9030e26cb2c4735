//! Making a credential invalid at its provider: never one that another owner holds.

use secrecy::SecretString;

use crate::{
    lifecycle::{
        failure::{Failure, FailureKind},
        ledger::Revision,
        plan::Outcome,
    },
    providers::{FindRequest, Found, Provider, RevokeRequest, needed},
};

use super::{
    Engine, EngineError, Pass,
    asking::pair_of,
    ending::{Doomed, Ended, end},
    fence::OpenLedger,
    meter,
    stores::{Key, ProviderKey},
};

impl Pass<'_> {
    /// Ends a revision's credential, unless it belongs to somebody else or is in use.
    pub(super) async fn revoke(&mut self, revision: u32) -> Result<Outcome, EngineError> {
        let (engine, open) = (self.engine, self.ledger.read().await?);
        let it = open.document.revision(revision).ok_or(EngineError::Gone("the revision"))?;
        let driver = engine.accounts.driver_of(&it.account, &self.key.namespace)?;
        let client_id = it.client_id.clone().unwrap_or_default();
        let in_use = open.document.sibling(it, &client_id).is_some_and(|it| it.state.is_usable());
        let fingerprint = &it.account.fingerprint;
        if in_use || engine.belongs_to_another(&client_id, fingerprint, &self.key, driver.as_ref()) {
            let message = if in_use {
                format!("client {client_id} is also another revision that is in use; it is not revoked")
            } else {
                format!("client {client_id} belongs to someone else; it is not revoked")
            };
            return Ok(Outcome::Failed(Failure { kind: FailureKind::Rejected, retry_after: None, message }));
        }
        engine.ensure_leading().await?;
        let handle = open.material.get(revision).and_then(|secrets| secrets.handle.clone());
        let pair = pair_of(open, it);
        let ended = match engine.to_revoke(&self.key, (open, it), (client_id, handle), driver.as_ref()).await
        {
            Ok(request) => end(driver.as_ref(), &Doomed { name: &it.name, request, pair }).await,
            Err(failure) => Err(failure),
        };
        let outcome = match ended {
            Ok(Ended { said, still_accepted }) => Outcome::Revoked { said, still_accepted },
            Err(failure) => Outcome::Failed(failure),
        };
        let provider = ProviderKey::of_account(&it.account, &self.key.namespace);
        engine.meter(&provider).revoked(meter::revocation(&outcome));
        Ok(outcome)
    }
}

impl Engine {
    /// Returns the credential to revoke. For a revision of a rebuilt ledger, that is only one that
    /// the provider lists under the revision's tag; `None` if the provider does not list it.
    async fn to_revoke(
        &self,
        key: &Key,
        (open, revision): (&OpenLedger, &Revision),
        (client_id, handle): (String, Option<SecretString>),
        driver: &dyn Provider,
    ) -> Result<Option<RevokeRequest>, Failure> {
        if !revision.rebuilt {
            return Ok(Some(RevokeRequest { client_id, ids: revision.ids.clone(), handle }));
        }
        let Key { namespace, name } = key;
        let mut found = Vec::new();
        for tag in open.document.tags_of(revision, namespace, name) {
            found.extend(needed(driver.lister())?.find(&FindRequest { tag }).await?);
        }
        let is_it = |it: &Found| match client_id.as_str() {
            "" => it.name == revision.name,
            known => it.client_id == known,
        };
        let fingerprint = &revision.account.fingerprint;
        let is_free = |it: &Found| !self.stores.ledgers.held_by_another(&it.client_id, fingerprint, key);
        let mut same = found.into_iter().filter(is_it).filter(is_free);
        Ok(same.next().map(|it| RevokeRequest { client_id: it.client_id, ids: it.ids, handle }))
    }
}
