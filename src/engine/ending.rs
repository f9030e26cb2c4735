//! The one door through which a credential is ended: revoking it, and trying its pair afterwards.
//!
//! The provider's word alone proves nothing: "not found" may be a wrong path or a restart, and a
//! success may have had no effect. Nor does its refusal: a person may have removed the credential
//! there. The pair tells. Where there is none, as after a lost response, the list tells.

use secrecy::SecretString;

use crate::{
    lifecycle::{
        Failure, FailureKind, Identity, Outcome, Revision, Verification, World, naming, verification,
    },
    providers::{Found, Provider, Revocation, RevokeRequest, Verdict, VerifyRequest, needed},
};

use super::{
    Engine, EngineError, Key, Pass, ProviderKey,
    asking::{found_under, pair_of},
    fence::OpenLedger,
    meter,
};

/// A credential that is to be ended.
pub(super) struct Doomed<'a> {
    /// Its name at the provider.
    pub(super) name: &'a str,
    /// The call that revokes it; `None` if the provider lists no such credential.
    pub(super) request: Option<RevokeRequest>,
    /// Its pair, if that is kept.
    pub(super) pair: Option<VerifyRequest>,
}

/// A credential that the provider was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// True if the provider said that it has ended it.
    pub(super) said: bool,
    /// True if it accepts the pair all the same; `None` if that cannot be tried.
    pub(super) still_accepted: Option<bool>,
}

/// The evidence for an answer.
enum Proof {
    /// There is none.
    Nothing,
    /// The pair was tried.
    Tried(Result<Verdict, Failure>),
    /// The provider was asked whether it lists the credential.
    Listed(Result<bool, Failure>),
}

impl Pass<'_> {
    /// Ends a revision's credential, unless it belongs to somebody else or is in use.
    pub(super) async fn revoke(&mut self, world: &World, revision: u32) -> Result<Outcome, EngineError> {
        let (engine, open) = (self.engine, self.ledger.read().await?);
        let it = open.document.revision(revision).ok_or(EngineError::Gone("the revision"))?;
        let driver = engine.accounts.driver_of(&it.account, &self.key.namespace)?;
        let sibling = it.identity().and_then(|identity| open.document.sibling(it, &identity));
        let of = (&*it.account.fingerprint, &self.key);
        let another = || it.identity().is_some_and(|it| engine.belongs_to_another(&it, of, driver.as_ref()));
        let why_not = match sibling {
            Some(sibling) if sibling.state.is_usable() => "is also another revision that is in use",
            _ if another() => "belongs to someone else",
            _ => "",
        };
        if !why_not.is_empty() {
            let message = format!("{} {why_not}; it is not revoked", it.described());
            return Ok(Outcome::Failed(Failure::new(FailureKind::Rejected, message)));
        }
        engine.ensure_leading().await?;
        let handle = open.material.get(revision).and_then(|secrets| secrets.handle.clone());
        // Elsewhere a refusal would prove nothing.
        let pair = pair_of(open, it).filter(|_| verification::of(world, it) == Some(Verification::Pair));
        let ended = match engine.to_revoke(&self.key, (open, it), handle, driver.as_ref()).await {
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
    /// Returns whether a credential is not one of the object at `key`: it is our login, or another
    /// object has it at the same account. At another account the same ID is another credential.
    pub(super) fn belongs_to_another(
        &self,
        identity: &Identity<'_>,
        (fingerprint, key): (&str, &Key),
        driver: &dyn Provider,
    ) -> bool {
        identity.is_login(driver.identity())
            || self.stores.ledgers.held_by_another(identity, fingerprint, key)
    }

    /// Returns the credential to revoke. For a revision of a rebuilt ledger, that is only one that
    /// the provider lists under the revision's tag; `None` if the provider does not list it.
    async fn to_revoke(
        &self,
        key: &Key,
        (open, revision): (&OpenLedger, &Revision),
        handle: Option<SecretString>,
        driver: &dyn Provider,
    ) -> Result<Option<RevokeRequest>, Failure> {
        let request = RevokeRequest {
            client_id: revision.client_id.clone().unwrap_or_default(),
            secret_id: revision.secret_id.clone(),
            ids: revision.ids.clone(),
            parameters: revision.parameters.clone(),
            handle,
        };
        if !revision.rebuilt {
            return Ok(Some(request));
        }
        let Key { namespace, name } = key;
        let mut found = Vec::new();
        for tag in open.document.tags_of(revision, namespace, name) {
            found.extend(found_under(tag, &revision.parameters, driver).await?);
        }
        let is_it = |it: &Found| match revision.identity() {
            Some(known) => it.identity().may_be(&known),
            None => it.is_named(revision),
        };
        let fingerprint = &revision.account.fingerprint;
        let is_free = |it: &Found| !self.stores.ledgers.held_by_another(&it.identity(), fingerprint, key);
        let same = found.into_iter().filter(is_it).find(is_free);
        Ok(same.map(|Found { client_id, secret_id, ids, .. }| RevokeRequest {
            client_id,
            secret_id,
            ids,
            ..request
        }))
    }
}

/// Ends a credential.
///
/// # Errors
/// If the provider fails or refuses, and the credential is not known to be dead.
pub(super) async fn end(driver: &dyn Provider, it: &Doomed<'_>) -> Result<Ended, Failure> {
    let answer = match &it.request {
        Some(request) => match needed(driver.revoker()) {
            Ok(revoker) => revoker.revoke(request).await,
            Err(failure) => Err(failure),
        },
        None => Ok(Revocation::NotFound),
    };
    let worth_trying = answer.as_ref().map_or_else(|failure| failure.kind.is_of_one_credential(), |_| true);
    let can_verify = driver.capabilities().verify;
    let proof = match (&it.pair, &it.request, driver.lister()) {
        (Some(pair), ..) if worth_trying && can_verify => Proof::Tried(driver.verify(pair).await),
        (_, Some(request), Some(_)) if matches!(answer, Ok(Revocation::NotFound)) => {
            Proof::Listed(is_listed(driver, it.name, request).await)
        }
        _ => Proof::Nothing,
    };
    judged(answer, proof)
}

/// Returns whether the provider lists the credential of a request: the name need not be the same.
async fn is_listed(driver: &dyn Provider, name: &str, request: &RevokeRequest) -> Result<bool, Failure> {
    let tag = naming::parts(name).map_or(name, |(tag, _)| tag).to_owned();
    let found = found_under(tag, &request.parameters, driver).await?;
    Ok(found.iter().any(|it| it.identity().may_be(&request.identity())))
}

/// Returns what follows from the answer and its proof.
fn judged(answer: Result<Revocation, Failure>, proof: Proof) -> Result<Ended, Failure> {
    match (answer, proof) {
        (Ok(_), Proof::Listed(Ok(true))) => Err(Failure::new(
            FailureKind::Unexplained,
            "the provider answers that there is no such credential, and lists it".to_owned(),
        )),
        (Ok(_), Proof::Listed(Err(failure))) => Err(failure),
        (Ok(answer), Proof::Nothing | Proof::Listed(Ok(false))) => {
            Ok(Ended { said: answer == Revocation::Revoked, still_accepted: None })
        }
        (Ok(answer), Proof::Tried(Ok(verdict))) => Ok(Ended {
            said: answer == Revocation::Revoked,
            still_accepted: Some(verdict == Verdict::Accepted),
        }),
        // A provider that says so is believed if the pair cannot be tried now; "not found" is not.
        (Ok(Revocation::Revoked), Proof::Tried(Err(_))) => Ok(Ended { said: true, still_accepted: None }),
        (Ok(Revocation::NotFound), Proof::Tried(Err(failure))) => Err(failure),
        // A person has removed it.
        (Err(_), Proof::Tried(Ok(Verdict::Refused))) => {
            Ok(Ended { said: false, still_accepted: Some(false) })
        }
        (Err(failure), _) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::{Proof::*, *};

    fn failed(kind: FailureKind) -> Failure {
        Failure::new(kind, String::new())
    }

    #[test]
    fn only_the_pair_or_the_list_proves_that_a_credential_is_dead() {
        use Revocation::{NotFound, Revoked};
        use Verdict::{Accepted, Refused};
        let refusal = || Err(failed(FailureKind::Forbidden));
        let down = || Tried(Err(failed(FailureKind::Unavailable)));
        let rows = [
            (Ok(Revoked), Nothing, Some((true, None))),
            (Ok(NotFound), Nothing, Some((false, None))),
            (Ok(Revoked), Tried(Ok(Refused)), Some((true, Some(false)))),
            (Ok(Revoked), Tried(Ok(Accepted)), Some((true, Some(true)))),
            (Ok(NotFound), Tried(Ok(Refused)), Some((false, Some(false)))),
            (Ok(NotFound), Tried(Ok(Accepted)), Some((false, Some(true)))),
            (Ok(Revoked), down(), Some((true, None))),
            (Ok(NotFound), down(), None),
            (refusal(), Tried(Ok(Refused)), Some((false, Some(false)))),
            (refusal(), Tried(Ok(Accepted)), None),
            (refusal(), down(), None),
            (refusal(), Nothing, None),
            (Ok(NotFound), Listed(Ok(false)), Some((false, None))),
            (Ok(NotFound), Listed(Ok(true)), None),
            (Ok(NotFound), Listed(Err(failed(FailureKind::Unavailable))), None),
        ];
        for (number, (answer, proof, expected)) in rows.into_iter().enumerate() {
            let what = format!("row {number}: {answer:?}");
            let ended = judged(answer, proof).ok().map(|it| (it.said, it.still_accepted));
            assert_eq!(ended, expected, "{what}");
        }
    }
}
