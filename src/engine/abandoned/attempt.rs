//! One attempt to end an abandoned credential, with the same checks as any other revocation. A
//! client that a ledger, an object or the login holds is not revoked. A credential that the
//! provider does not know is believed to be gone only if it is refused, too.

use std::sync::Arc;

use kube::ResourceExt;
use secrecy::ExposeSecret;

use crate::{
    api::{AbandonedCredential, AbandonedKind, ProviderKind},
    lifecycle::{
        Account, CredentialKind, Document, Identity, Moved, Parameters, ProviderView, abandoned::to_do,
        may_be, naming, suspect, yet_accepted,
    },
    ops::metrics::Outcome,
    providers::{
        Found, Provider, RevokeRequest, VerifyRequest,
        registry::{self, EgressPolicy},
    },
};

use super::record::RetryMaterial;
use crate::engine::{
    Engine, Key, ProviderKey, Turns,
    asking::found_under,
    ending::{Doomed, Ended, end},
};

/// A provider that a record can be tried at.
pub(super) struct Reachable {
    driver: Arc<dyn Provider>,
    /// The fingerprint of its account; empty if that is not known.
    account: String,
    /// The obstacle to a call now, if there is one.
    pause: Option<String>,
    /// True if the driver was built for one attempt.
    is_temporary: bool,
}

/// The outcome of an attempt.
pub(super) enum Attempt {
    /// The credential does not live any more.
    Gone,
    /// It may; the sentence says why.
    Failed(String),
}

/// The provider object that a credential was made at.
pub(super) fn provider_of(record: &AbandonedCredential) -> ProviderKey {
    let of = &record.spec.provider;
    ProviderKey::resolve(of.kind, &of.name, of.namespace.as_deref().unwrap_or_default())
}

impl Engine {
    /// The provider to try `record` at: the current account if it is still the same, or the stored
    /// data of it.
    pub(super) fn reachable(
        &self,
        record: &AbandonedCredential,
        material: Option<&RetryMaterial>,
    ) -> Result<Reachable, String> {
        let reachable = self.reachable_now(record).or_else(|| self.reachable_as_stored(record, material?));
        let action = match &reachable {
            Some(reachable) => to_do(record.spec.kind, reachable.driver.capabilities()),
            None => Some(
                "its provider or the provider's login no longer exists, so Credwright cannot revoke it: \
                 look for it at the provider and remove it"
                    .to_owned(),
            ),
        };
        match (reachable, action) {
            (Some(reachable), None) => Ok(reachable),
            (_, action) => Err(for_a_person(record, &action.unwrap_or_default())),
        }
    }

    fn reachable_now(&self, record: &AbandonedCredential) -> Option<Reachable> {
        let of = &record.spec.provider;
        let key = provider_of(record);
        let ProviderView::Usable(view) = self.accounts.view(&key)? else { return None };
        let same = may_be(&of.account, &view.fingerprint);
        let pause = view.paused.map(|pause| pause.message);
        let driver = self.accounts.driver(&key)?;
        Some(Reachable { driver, account: view.fingerprint, pause, is_temporary: false }).filter(|_| same)
    }

    fn reachable_as_stored(
        &self,
        record: &AbandonedCredential,
        material: &RetryMaterial,
    ) -> Option<Reachable> {
        let settings = material.spec.settings.as_ref()?;
        if material.spec.needs_login && material.login.is_empty() {
            return None;
        }
        let private_allowed = record.spec.provider.kind == ProviderKind::ClusterCredentialProvider;
        let tls = material.tls.clone();
        let egress = EgressPolicy { tls, ..self.settings.egress_policy(private_allowed) };
        let login = material.spec.needs_login.then_some(&material.login);
        let meter = self.meter(&provider_of(record));
        let driver = registry::build(settings, login, &egress, meter).ok()?;
        let account = record.spec.provider.account.clone();
        Some(Reachable { driver, account, pause: None, is_temporary: true })
    }

    /// Ends one in its turn.
    pub(super) async fn end_one(
        &self,
        record: &AbandonedCredential,
        reachable: &Reachable,
        material: Option<&RetryMaterial>,
        turns: &mut dyn Turns,
    ) -> Attempt {
        let attempt = Trial { engine: self, record, reachable, material }.end().await;
        if reachable.is_temporary {
            reachable.driver.close().await;
        }
        turns.end();
        attempt
    }
}

/// All that an attempt goes by.
struct Trial<'a> {
    engine: &'a Engine,
    record: &'a AbandonedCredential,
    reachable: &'a Reachable,
    material: Option<&'a RetryMaterial>,
}

impl Trial<'_> {
    async fn end(&self) -> Attempt {
        let Self { record, reachable, material, .. } = self;
        if let Some(pause) = &reachable.pause {
            return Attempt::Failed(pause.clone());
        }
        let spec = &record.spec;
        let mut known = spec.client_id.clone().map(|client_id| Found {
            name: spec.name.clone(),
            client_id,
            secret_id: spec.id.clone(),
            ids: spec.ids.clone(),
            place: self.place(),
        });
        // A credential that the ledger never knew is looked for by its exact name, and so is one of
        // a client's secrets whose ID is not known. If the account is not known to be the same,
        // only credentials found there are believed.
        let sure = !spec.provider.account.is_empty();
        let is_client = reachable.driver.capabilities().kind == CredentialKind::Client;
        if spec.kind == AbandonedKind::Unconfirmed || !sure || !is_client && spec.id.is_none() {
            match self.look_for().await {
                Err(message) => return Attempt::Failed(message),
                Ok(Some(found)) => known = Some(found),
                Ok(None) if sure => return self.not_listed(),
                Ok(None) => return Attempt::Failed(for_a_person(record, "the provider does not list it")),
            }
        }
        let Some(known) = known else {
            return Attempt::Failed(for_a_person(record, "its client ID is not known"));
        };
        if self.is_in_use(&known.identity()) {
            let client = &known.client_id;
            return Attempt::Failed(format!("client {client} is used by someone; it is not revoked"));
        }
        let secrets = material.and_then(|material| material.secrets.as_ref());
        let handle = secrets.and_then(|secrets| secrets.handle.clone());
        let Found { client_id, secret_id, ids, .. } = known;
        let pair = material.and_then(|material| pair_of((&client_id, &spec.parameters), material));
        let parameters = spec.parameters.clone();
        let request = RevokeRequest { client_id, secret_id, ids, parameters, handle };
        let doomed = Doomed { name: &spec.name, request: Some(request), pair };
        let (attempt, outcome) = match end(reachable.driver.as_ref(), &doomed).await {
            Ok(Ended { said, still_accepted: Some(true) }) => {
                (Attempt::Failed(yet_accepted(said, "it")), Outcome::StillAccepted)
            }
            Ok(_) => (Attempt::Gone, Outcome::Done),
            Err(failure) => {
                (Attempt::Failed(format!("revoking it failed: {}", failure.message)), failure.kind.into())
            }
        };
        self.engine.meter(&provider_of(record)).revoked(outcome);
        attempt
    }

    /// Returns whether anything uses the credential that the record is about. Only ledgers count:
    /// tenants can write a status.
    fn is_in_use(&self, identity: &Identity<'_>) -> bool {
        let Self { engine, record, reachable, .. } = self;
        let namespace = &record.spec.credential.namespace;
        identity.is_login(reachable.driver.identity())
            || engine.stores.ledgers.held_against(identity, &reachable.account, namespace)
    }

    /// Returns the place in which it is listed.
    fn place(&self) -> Parameters {
        self.reachable.driver.capabilities().place(&self.record.spec.parameters)
    }

    async fn look_for(&self) -> Result<Option<Found>, String> {
        let Self { record, reachable, .. } = self;
        let driver = reachable.driver.as_ref();
        if driver.lister().is_none() {
            return Ok(None);
        }
        // The tag in its own name: an inherited credential has another than the record.
        let name = record.name_any();
        let recorded = || name.rsplit_once('-').map_or(name.as_str(), |(tag, _)| tag);
        let tag = naming::parts(&record.spec.name).map_or_else(recorded, |(tag, _)| tag);
        let found = found_under(tag.to_owned(), &record.spec.parameters, driver).await;
        let found = found.map_err(|failure| format!("looking for it failed: {}", failure.message))?;
        match found.iter().position(|it| it.name == record.spec.name) {
            Some(index) => Ok(found.into_iter().nth(index)),
            None => self.not_hidden(tag, &found).map(|()| None),
        }
    }

    /// Returns whether the list shows a credential that its object's ledger knows to work.
    fn not_hidden(&self, tag: &str, found: &[Found]) -> Result<(), String> {
        let Self { engine, record, reachable, .. } = self;
        let of = &record.spec.credential;
        let key = Key::new(&of.namespace, &of.name);
        let document = engine.stores.ledgers.get(&key).and_then(|entry| entry.document.ok());
        let provider = &record.spec.provider;
        let account = Account {
            kind: provider.kind,
            name: provider.name.clone(),
            fingerprint: provider.account.clone(),
        };
        let is_listed = |name: &str| found.iter().any(|it| it.name == name);
        let (lag, place) = (reachable.driver.capabilities().listing_lag(), self.place());
        let hides = |document: &Document| {
            suspect::hides(document, (tag, &account, &place), is_listed, (engine.now(), lag))
        };
        document.as_deref().and_then(hides).map_or(Ok(()), Err)
    }

    /// Concludes that a credential does not exist if it is not listed although a call that may have
    /// made it must be over.
    fn not_listed(&self) -> Attempt {
        let capabilities = self.reachable.driver.capabilities();
        let settled =
            self.record.spec.since.later(capabilities.create_timeout()).later(capabilities.listing_lag());
        if self.engine.now() >= settled {
            Attempt::Gone
        } else {
            Attempt::Failed("it is not listed yet".to_owned())
        }
    }
}

/// The pair of a record, if its secret was kept.
fn pair_of((client_id, parameters): (&str, &Parameters), material: &RetryMaterial) -> Option<VerifyRequest> {
    let client_secret = material.secrets.as_ref()?.client_secret.clone();
    (!client_secret.expose_secret().is_empty()).then(|| VerifyRequest {
        client_id: client_id.to_owned(),
        client_secret,
        scopes: material.spec.scopes.clone(),
        parameters: parameters.clone(),
    })
}

/// Returns the steps for a person, with the command that confirms them.
fn for_a_person(record: &AbandonedCredential, action: &str) -> String {
    let spec = &record.spec;
    format!(
        "{} (client {}): {action}; then delete this record: kubectl delete abandonedcredential {} --namespace={}",
        spec.name,
        spec.client_id.as_deref().unwrap_or("unknown"),
        record.name_any(),
        record.namespace().unwrap_or_default()
    )
}
