//! The provider's record of its credentials: the truth by which tests judge the operator.
//!
//! The record forgets nothing. It knows no provider either: a driver's `clientId`, token id or key
//! id is the `client_id` here, and whatever a workload would prove itself with is the secret.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::traffic::Traffic;
use crate::{Clock, Operation, Outcome, SeenRequest, lock};

/// A credential that was created, alive or not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The provider's internal id.
    pub id: String,
    pub client_id: String,
    pub name: Option<String>,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The client, or the person in the portal, that asked for it; none for the login that came
    /// from outside.
    pub created_by: Option<String>,
    #[serde(skip)]
    secret: String,
    /// The time from which the token endpoint accepts it: `created`, plus the propagation delay of
    /// that moment.
    accepted_from: Timestamp,
    /// Until then it is accepted and refused in turns of this length; zero: it is refused.
    flapping: Duration,
    /// The time from which a listing shows it, and until which although it was revoked. The listing
    /// lag moves both.
    listed_from: Timestamp,
    listed_until: Option<Timestamp>,
}

impl Credential {
    /// Neither revoked nor expired. It may be so new that nothing shows or accepts it yet.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires.is_none_or(|expires| now < expires)
    }

    pub fn secret(&self) -> &str {
        &self.secret
    }

    fn is_accepted(&self, now: Timestamp) -> bool {
        let turns = || {
            now.duration_since(self.created).as_millis().checked_div(self.flapping.as_millis().cast_signed())
        };
        self.accepted_from <= now || turns().is_some_and(|turns| turns % 2 == 0)
    }

    fn is_listed(&self, now: Timestamp) -> bool {
        self.listed_from <= now
            && self.listed_until.is_none_or(|until| now < until)
            && self.expires.is_none_or(|expires| now < expires)
    }
}

/// The provider's decisions about a credential. The record adds the rest.
#[derive(Debug)]
pub struct NewCredential {
    pub id: String,
    pub client_id: String,
    pub secret: String,
    pub name: Option<String>,
    pub expires: Option<Timestamp>,
    pub created_by: Option<String>,
}

/// The delays between a provider's parts. Visibility follows the simulator's clock.
#[derive(Clone, Copy, Debug, Default)]
struct Lags {
    propagation: Duration,
    flapping: Duration,
    listing: Duration,
}

/// Everything a provider ever made. Clones are the same record.
#[derive(Clone, Debug)]
pub struct Record {
    clock: Clock,
    kept: Arc<Mutex<Kept>>,
    pub(crate) traffic: Arc<Traffic>,
}

#[derive(Debug, Default)]
struct Kept {
    /// In order of creation.
    credentials: Vec<Credential>,
    by_client_id: HashMap<String, usize>,
    /// Indices that a listing has to look at: all but those revoked and long out of sight, so that
    /// listing stays cheap after thousands of rotations.
    listable: BTreeSet<usize>,
    mutations: usize,
    lags: Lags,
    /// The number of bytes in which the name of a new credential is compared with those of the live
    /// ones. A live credential with the same beginning is returned instead of a new one.
    upsert: Option<usize>,
}

impl Kept {
    /// The live credential that a provider which upserts takes a new name to mean.
    fn namesake(&self, name: Option<&str>, now: Timestamp) -> Option<&Credential> {
        let beginning = |name: &str| name.bytes().take(self.upsert?).collect::<Vec<_>>().into();
        let wanted: Option<Vec<u8>> = name.and_then(beginning);
        let alike = |it: &&Credential| it.is_live(now) && it.name.as_deref().and_then(beginning) == wanted;
        wanted.as_ref().and_then(|_| self.credentials.iter().find(alike))
    }
}

impl Record {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { traffic: Arc::new(Traffic::new(clock.clone())), clock, kept: Arc::default() }
    }

    /// The time on the simulator's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Credentials that were made through the API and would still work. The operator's own login is
    /// not among them.
    pub fn live(&self) -> Vec<Credential> {
        let now = self.clock.now();
        self.chosen(|credential| credential.created_by.is_some() && credential.is_live(now))
    }

    /// The live ones with `tag` in their name.
    pub fn live_with_tag(&self, tag: &str) -> Vec<Credential> {
        let now = self.clock.now();
        self.chosen(|credential| {
            credential.created_by.is_some()
                && credential.is_live(now)
                && credential.name.as_ref().is_some_and(|name| name.contains(tag))
        })
    }

    /// Every credential ever made through the API, in order of creation.
    pub fn all(&self) -> Vec<Credential> {
        self.chosen(|credential| credential.created_by.is_some())
    }

    /// Returns the number of credentials that were ever created through the API.
    pub fn created_count(&self) -> usize {
        lock(&self.kept).credentials.iter().filter(|credential| credential.created_by.is_some()).count()
    }

    /// The credential, live or not, the login included.
    pub fn credential(&self, client_id: &str) -> Option<Credential> {
        let kept = lock(&self.kept);
        kept.by_client_id.get(client_id).map(|index| kept.credentials[*index].clone())
    }

    /// Returns whether the token endpoint accepts this pair now.
    pub fn accepts(&self, client_id: &str, secret: &str) -> bool {
        let now = self.clock.now();
        let kept = lock(&self.kept);
        kept.by_client_id.get(client_id).is_some_and(|index| {
            let credential = &kept.credentials[*index];
            credential.secret == secret && credential.is_live(now) && credential.is_accepted(now)
        })
    }

    /// Returns the number of requests with an effect: creates that made a credential and deletes
    /// that revoked one, answered or not.
    pub fn mutations(&self) -> usize {
        lock(&self.kept).mutations
    }

    /// Every request, in order of arrival.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.traffic.requests()
    }

    /// Returns the number of requests by operation and outcome.
    pub fn endings(&self) -> BTreeMap<(Operation, Outcome), u64> {
        self.traffic.endings()
    }

    /// Returns the number of requests for this operation that have arrived, ended or not.
    pub fn arrived(&self, operation: Operation) -> usize {
        self.traffic.arrived(operation)
    }

    /// The largest number of requests that were being worked on at one moment.
    pub fn max_concurrent(&self) -> usize {
        self.traffic.max_concurrent()
    }

    /// Waits until `count` requests for this operation have arrived; false if they have not by the
    /// deadline, which is in real time.
    pub async fn wait_for(&self, operation: Operation, count: usize, deadline: Duration) -> bool {
        self.traffic.wait_for(operation, count, deadline).await
    }

    /// Returns the current list in order of creation, the login included.
    pub(crate) fn listed(&self) -> Vec<Credential> {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        let Kept { credentials, listable, .. } = &mut *kept;
        listable.retain(|index| credentials[*index].listed_until.is_none_or(|until| now < until));
        listable.iter().map(|index| &credentials[*index]).filter(|it| it.is_listed(now)).cloned().collect()
    }

    pub(crate) fn issue(&self, new: NewCredential) -> Credential {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        if let Some(namesake) = kept.namesake(new.name.as_deref(), now) {
            return namesake.clone();
        }
        let lags = if new.created_by.is_some() { kept.lags } else { Lags::default() };
        let credential = Credential {
            id: new.id,
            client_id: new.client_id,
            name: new.name,
            created: now,
            expires: new.expires,
            revoked_at: None,
            secret: new.secret,
            accepted_from: now + lags.propagation,
            flapping: lags.flapping,
            listed_from: now + lags.listing,
            listed_until: None,
            created_by: new.created_by,
        };
        let index = kept.credentials.len();
        kept.mutations += usize::from(credential.created_by.is_some());
        kept.by_client_id.insert(credential.client_id.clone(), index);
        kept.listable.insert(index);
        kept.credentials.push(credential.clone());
        credential
    }

    /// Revokes a live credential; false if there is none of this client id.
    pub(crate) fn revoke(&self, client_id: &str) -> bool {
        let now = self.clock.now();
        let mut kept = lock(&self.kept);
        let listed_until = now + kept.lags.listing;
        let Some(index) = kept.by_client_id.get(client_id).copied() else { return false };
        let credential = &mut kept.credentials[index];
        if !credential.is_live(now) {
            return false;
        }
        credential.revoked_at = Some(now);
        credential.listed_until = Some(listed_until);
        kept.mutations += 1;
        true
    }

    pub(crate) fn set_propagation_delay(&self, delay: Duration) {
        lock(&self.kept).lags.propagation = delay;
    }

    pub(crate) fn set_flapping(&self, turn: Duration) {
        lock(&self.kept).lags.flapping = turn;
    }

    pub(crate) fn set_upsert(&self, compared: Option<usize>) {
        lock(&self.kept).upsert = compared;
    }

    /// No lags and no oddities from now on; what was made before keeps its own.
    pub(crate) fn behave(&self) {
        let mut kept = lock(&self.kept);
        kept.lags = Lags::default();
        kept.upsert = None;
    }

    pub(crate) fn set_listing_lag(&self, lag: Duration) {
        lock(&self.kept).lags.listing = lag;
    }

    fn chosen(&self, choose: impl Fn(&Credential) -> bool) -> Vec<Credential> {
        lock(&self.kept).credentials.iter().filter(|credential| choose(credential)).cloned().collect()
    }
}
