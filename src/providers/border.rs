//! The border for requests and answers. No request goes out that the provider cannot honour, or
//! that would revoke our own login. Nothing longer than any credential needs comes in, and no
//! invalid time. The ledger has to store it, and so have the Secret that workloads read and an
//! AbandonedCredential.
//!
//! All drivers are built behind it, so that none can forget it. Their work ends there, too, and
//! their calls can be reached only if their capabilities have them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedMutexGuard;

use crate::lifecycle::{Expiry, Scopes, growth::ANSWER_MAX};

use super::{
    Capabilities, CreateRequest, CredentialKind, Driver, Failure, FailureKind, FindRequest, Found, Issued,
    Issuer, Lister, NotIssued, Parameters, Provider, Revocation, RevokeRequest, Revoker, Verdict,
    VerifyRequest,
    deadline::ending,
    http::{Http, KEPT_MAX},
    stopwatch::timed,
    turns::Turns,
};
use crate::api::instant;

const CLIENT_ID_MAX: usize = 1024;
const NAME_MAX: usize = 1024;
const SECRET_MAX: usize = 16 * 1024;
const FIELD_MAX: usize = 4 * 1024;
/// The most ids, fields or aliases, of each.
const COUNT_MAX: usize = 16;

/// A driver behind the border, and its HTTP.
struct Bounded<D> {
    driver: D,
    http: Arc<Http>,
    turns: Turns,
}

/// Puts a driver behind the border.
pub(super) fn bounded(driver: impl Driver + 'static, http: Arc<Http>) -> Arc<dyn Provider> {
    Arc::new(Bounded { driver, http, turns: Turns::default() })
}

#[async_trait]
impl<D: Driver> Provider for Bounded<D> {
    fn capabilities(&self) -> &Capabilities {
        self.driver.capabilities()
    }

    fn identity(&self) -> Option<&str> {
        self.driver.identity()
    }

    fn fields(&self, scopes: &[String]) -> BTreeMap<String, String> {
        self.driver.fields(scopes)
    }

    fn requests_per_minute(&self) -> Option<u32> {
        self.http.per_minute()
    }

    fn issuer(&self) -> Option<&dyn Issuer> {
        (!self.capabilities().is_by_hand()).then_some(self)
    }

    fn lister(&self) -> Option<&dyn Lister> {
        self.capabilities().can_list().then_some(self)
    }

    fn revoker(&self) -> Option<&dyn Revoker> {
        self.capabilities().can_revoke().then_some(self)
    }

    async fn probe(&self) -> Result<(), Failure> {
        ending(self.driver.probe()).await
    }

    async fn verify(&self, request: &VerifyRequest) -> Result<Verdict, Failure> {
        ending(self.driver.verify(request)).await
    }

    async fn close(&self) {
        timed(self.driver.close()).await;
    }
}

#[async_trait]
impl<D: Driver> Issuer for Bounded<D> {
    async fn create(&self, request: &CreateRequest) -> Result<Issued, NotIssued> {
        if let Some(what) = lacks(self.capabilities(), request) {
            let message = format!("{} has no {what}", self.capabilities().title);
            return Err(Failure::new(FailureKind::Rejected, message).into());
        }
        let _turn = self.turn(&request.parameters).await?;
        let answer = timed(self.driver.create(request)).await;
        let own = self.driver.fields(&request.scopes);
        let is_own = |key: &str, value: &str| {
            own.get(key).is_some_and(|own| own == value) || value == request.scopes.join(" ")
        };
        let believed = answer.and_then(|issued| match self.believed(&issued, is_own) {
            Ok(()) => Ok(issued),
            Err(why) => {
                Err(NotIssued { failure: untrue("create request", &why), made: Some(Box::new(issued)) })
            }
        });
        believed.map_err(|NotIssued { failure, made }| {
            let made = made.and_then(|made| revocable(*made)).map(Box::new);
            NotIssued { failure, made }
        })
    }
}

impl<D: Driver> Bounded<D> {
    /// Waits for the turn at a client, where a call changes one.
    async fn turn(&self, client: &Parameters) -> Result<Option<OwnedMutexGuard<()>>, Failure> {
        match self.capabilities().kind {
            CredentialKind::Client => Ok(None),
            CredentialKind::Secret => self.turns.take(client).await.map(Some),
        }
    }

    /// Checks that an answer to a create can be true.
    fn believed(&self, issued: &Issued, is_own: impl Fn(&str, &str) -> bool) -> Result<(), String> {
        let has_id = issued.secret_id.as_ref().is_some_and(|id| !id.is_empty());
        if self.capabilities().kind == CredentialKind::Secret && !has_id {
            return Err("a secret without an ID".to_owned());
        }
        check_issued(issued, is_own)
    }
}

#[async_trait]
impl<D: Driver> Lister for Bounded<D> {
    async fn find(&self, request: &FindRequest) -> Result<Vec<Found>, Failure> {
        let mut found = ending(self.driver.find(request)).await?;
        check_found(&found).map_err(|why| untrue("list request", &why))?;
        found.iter_mut().for_each(|it| it.place.clone_from(&request.place));
        Ok(found)
    }
}

#[async_trait]
impl<D: Driver> Revoker for Bounded<D> {
    async fn revoke(&self, request: &RevokeRequest) -> Result<Revocation, Failure> {
        if request.identity().is_login(self.identity()) {
            let message = "refusing to revoke the client ID that Credwright itself logs in with";
            return Err(Failure::new(FailureKind::Rejected, message));
        }
        let _turn = self.turn(&request.parameters).await?;
        ending(self.driver.revoke(request)).await
    }
}

/// Returns the part of a request that the provider does not have, if there is one. The lifecycle
/// refuses it beforehand; nothing that was requested is ever dropped.
fn lacks(able: &Capabilities, request: &CreateRequest) -> Option<&'static str> {
    [
        (able.scopes == Scopes::None && !request.scopes.is_empty(), "scopes"),
        (!able.subnets && !request.subnets.is_empty(), "subnets"),
        (able.expiry == Expiry::None && request.expires_at.is_some(), "expiry that can be requested"),
    ]
    .into_iter()
    .find_map(|(lacks, what)| lacks.then_some(what))
}

fn untrue(what: &str, why: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("the provider answered the {what} with {why}"))
}

/// The measured sum, and the first member that is too long. Members are named, their values never.
#[derive(Default)]
struct Measure {
    sum: usize,
    wrong: Option<String>,
}

impl Measure {
    fn add(&mut self, member: &str, length: usize, max: usize) {
        self.sum += length;
        if length > max && self.wrong.is_none() {
            self.wrong = Some(format!("{member} of more than {max} bytes"));
        }
    }

    fn add_all<'a>(&mut self, member: &str, all: impl Iterator<Item = (&'a str, usize)>) {
        let mut count = 0;
        for (key, length) in all {
            count += 1;
            self.add(&format!("a key in {member}"), key.len(), NAME_MAX);
            let key = if key.len() <= NAME_MAX { key } else { "key" };
            self.add(&format!("{member}.{key}"), length, FIELD_MAX);
        }
        if count > COUNT_MAX && self.wrong.is_none() {
            self.wrong = Some(format!("more than {COUNT_MAX} {member}"));
        }
    }

    fn result(self, what: &str, max: usize) -> Result<(), String> {
        match self.wrong {
            Some(wrong) => Err(wrong),
            None if self.sum > max => Err(format!("{what} of more than {max} bytes in all")),
            None => Ok(()),
        }
    }
}

/// Returns an error if an answer to a create cannot be true: a member is too long, or its end is no
/// valid time. A field that `is_own` does not come from the provider but follows from the specs,
/// which have bounds of their own.
fn check_issued(issued: &Issued, is_own: impl Fn(&str, &str) -> bool) -> Result<(), String> {
    let Issued { ids, client_id, secret_id, client_secret, expires_at, handle, fields, secret_aliases } =
        issued;
    if expires_at.is_some_and(|at| instant::told(at).is_none()) {
        return Err(format!("an expiry that is not a {}", instant::FORM));
    }
    let mut all = Measure::default();
    all.add("a client ID", client_id.len(), CLIENT_ID_MAX);
    all.add("the ID of a secret", secret_id.as_ref().map_or(0, String::len), CLIENT_ID_MAX);
    all.add("a secret", client_secret.expose_secret().len(), SECRET_MAX);
    let handle = handle.as_ref().map_or(0, |handle| handle.expose_secret().len());
    all.add("a registration access token with its URI", handle, SECRET_MAX);
    all.add_all("ids", ids.iter().map(|(key, value)| (key.as_str(), value.len())));
    let told = fields.iter().filter(|(key, value)| !is_own(key, value));
    all.add_all("fields", told.map(|(key, value)| (key.as_str(), value.len())));
    all.add_all("aliases", secret_aliases.iter().map(|alias| (alias.as_str(), 0)));
    all.result("a credential", ANSWER_MAX)
}

/// Returns as much of an unusable credential as revoking needs, if that can be kept.
fn revocable(made: Issued) -> Option<Issued> {
    let short = |secret: SecretString| {
        if secret.expose_secret().len() > SECRET_MAX { SecretString::default() } else { secret }
    };
    let made = Issued {
        client_secret: short(made.client_secret),
        handle: made.handle.map(short).filter(|handle| !handle.expose_secret().is_empty()),
        expires_at: made.expires_at.and_then(instant::told),
        fields: BTreeMap::new(),
        secret_aliases: Vec::new(),
        ..made
    };
    check_issued(&made, |_, _| false).is_ok().then_some(made)
}

/// Checks that listed credentials are short enough.
fn check_found(found: &[Found]) -> Result<(), String> {
    let mut all = Measure::default();
    for Found { name, ids, client_id, secret_id, place: _ } in found {
        all.add("a name", name.len(), NAME_MAX);
        all.add("a client ID", client_id.len(), CLIENT_ID_MAX);
        all.add("the ID of a secret", secret_id.as_ref().map_or(0, String::len), CLIENT_ID_MAX);
        all.add_all("ids", ids.iter().map(|(key, value)| (key.as_str(), value.len())));
    }
    all.result("a list", KEPT_MAX)
}

#[cfg(test)]
mod tests;
