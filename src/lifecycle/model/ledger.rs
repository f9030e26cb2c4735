//! The ledger's document: credentials that are about to be made, that were made, and how they
//! ended.
//!
//! Anyone who may read Secrets in the namespace can read the document; the secrets are sealed
//! beside it. It changes only by an [`Edit`]. An edit against the state diagram is refused, so that
//! no bug above can revive a revoked credential or forget a live one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::{DeletionPolicy, Duration, ProviderKind, Reason, Word};

use super::{failure::FailureKind, naming};

mod apply;
mod edit;
mod identity;
mod inherited;
mod state;

pub use edit::{Answer, Edit, IllegalEdit};
pub use identity::{CredentialKind, Found, Identity, Parameters, agree};
pub use inherited::{Inheritance, Inherited};
pub use state::State;

/// The highest schema that this Credwright writes. A document with a higher one is not written to.
///
/// Each document has the lowest schema that can hold it, so that an earlier version reads all that
/// it could have written itself, and leaves the rest alone instead of dropping what it does not
/// know: 2 has parameters and secrets of a client.
pub const SCHEMA: u32 = 2;

/// The number of dead revisions kept.
const DEAD_KEPT: usize = 5;

/// The time for which a mint counts for the breaker.
pub const MINT_WINDOW: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// The record of one ApiCredential's credentials. Fields that this version does not know are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The schema's version.
    pub schema: u32,
    /// The cluster that it was written on.
    pub cluster_id: String,
    /// The ApiCredential's UID.
    pub object_uid: String,
    /// The ledger Secret's own UID, from its second write on (the first one cannot know it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_uid: Option<String>,
    /// The deletion policy of the ApiCredential, to finish the ledger without its object.
    pub deletion_policy: DeletionPolicy,
    /// Nothing is left to do: the object is deleted, or about to be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// The time from which it is finished without its object, which was deleted: the deadline
    /// counts from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphaned_at: Option<Timestamp>,
    /// The origin of its older credentials, if that is not this object on this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Inherited>,
    /// The credentials, oldest first.
    pub revisions: Vec<Revision>,
    /// The times of mints within the last hour, for the mint breaker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mints: Vec<Timestamp>,
    /// The name that `secret.name` was last changed to. The Secret of the earlier name stays for an
    /// overlap from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed: Option<Renamed>,
    /// The last failures, by kind of step, so that backoff survives a restart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<StepKind, FailureRecord>,
    /// Random text of the last write: proves to a writer that lost the answer that it took effect.
    pub write_id: String,
    /// The time of the last write, by the writer's clock.
    pub written_at: Timestamp,
    /// Fields that a newer minor version added.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A change of the name of the Secret that workloads read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// The new name.
    pub to: String,
    /// The time at which a Secret of that name was there beside the earlier one.
    pub at: Timestamp,
}

/// One credential, from its intent to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Our count of this object's credentials.
    pub revision: u32,
    /// The unique name at the provider.
    pub name: String,
    /// The state.
    pub state: State,
    /// The reason for the request.
    pub reason: Reason,
    /// The intent: who may make the call, and until when.
    pub intent: Intent,
    /// The account it is made at.
    pub account: Account,
    /// The request that it is made for.
    pub request: Request,
    /// Provider-side ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// The public half of the pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The thing at the provider that is the credential.
    #[serde(default, skip_serializing_if = "CredentialKind::is_client")]
    pub kind: CredentialKind,
    /// The provider's ID of the secret, if it is one of several of its client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<String>,
    /// The parameters that it was made with; they go with every call about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: Parameters,
    /// More keys for the Secret that workloads read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The number of times that the fields have followed the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<u32>,
    /// More keys under which workloads read the secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_aliases: Vec<String>,
    /// Keyed hash of the pair, if a person made it: it is recognised by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// Its record was lost and has been rebuilt: provider-side ids and handles are not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rebuilt: bool,
    /// The provider has never confirmed it: only its own namespace says that it exists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// The time at which its response arrived, or since which it exists if a person made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Timestamp>,
    /// The time at which the provider ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The time at which its response was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed_at: Option<Timestamp>,
    /// The time at which the provider first refused it after it had been published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<Timestamp>,
    /// The time at which it was known to be dead at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_at: Option<Timestamp>,
    /// The time at which its replacement was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// The time at which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Fields that a newer minor version added.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Revision {
    /// A credential that is about to be made: which, why and for what, by whom and where.
    #[must_use]
    pub fn intended(
        (revision, name): (u32, String),
        (reason, request): (Reason, Request),
        intent: Intent,
        account: Account,
    ) -> Self {
        Self {
            revision,
            name,
            state: State::Intended,
            reason,
            intent,
            account,
            request,
            ids: BTreeMap::new(),
            client_id: None,
            kind: CredentialKind::Client,
            secret_id: None,
            parameters: Parameters::new(),
            fields: BTreeMap::new(),
            followed: None,
            secret_aliases: Vec::new(),
            pair: None,
            rebuilt: false,
            unverified: false,
            issued_at: None,
            expires_at: None,
            unconfirmed_at: None,
            refused_at: None,
            dead_at: None,
            retired_at: None,
            ended_at: None,
            rest: Map::new(),
        }
    }
}

impl Revision {
    /// Returns the tag in its own name: a restored object has another UID, and so another tag, than
    /// the one that the credential was made for. `None` if the whole name is not known.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        naming::parts(&self.name).map(|(tag, _)| tag)
    }

    /// Drops the fields that are only needed while it may be alive: they may be the larger part of
    /// it by far.
    fn forget_details(&mut self) {
        self.request.scopes = Vec::new();
        self.request.subnets = Vec::new();
        self.ids.clear();
        self.fields.clear();
        self.secret_aliases = Vec::new();
    }
}

/// The permission of one writer to make the create call until a deadline. Others settle it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The process that wrote the intent, and that alone may call.
    pub writer: String,
    /// Random text by which an answer finds its intent again.
    pub id: String,
    /// The time at which it was written.
    pub at: Timestamp,
    /// The call is made before this, or never.
    pub call_by: Timestamp,
}

impl Intent {
    /// The intent of a credential that this ledger never asked for.
    #[must_use]
    pub fn of_nobody(name: &str, at: Timestamp) -> Self {
        Self { writer: String::new(), id: naming::fingerprint(&[name]), at, call_by: at }
    }
}

/// The account that a credential was made at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The provider object's kind.
    pub kind: ProviderKind,
    /// The provider object's name; a `CredentialProvider` is in the ledger's own namespace.
    pub name: String,
    /// Hash of the provider's identity and of who logs in there; empty if nobody knew it then.
    pub fingerprint: String,
}

impl Account {
    /// Returns whether it may be the account with this fingerprint.
    #[must_use]
    pub fn may_be(&self, fingerprint: &str) -> bool {
        may_be(&self.fingerprint, fingerprint)
    }
}

/// Returns whether a recorded fingerprint may be that of an account. An empty one was unknown.
#[must_use]
pub fn may_be(written: &str, fingerprint: &str) -> bool {
    written.is_empty() || written == fingerprint
}

/// The request that a credential was made for. A difference from the spec causes a rotation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The name, without the tag.
    pub name: String,
    /// The scopes, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Duration>,
    /// The subnets, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// The value of `rotation.request` that this credential satisfies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_request: Option<String>,
}

/// Kinds of step whose failures are spaced apart, so that a failing mint holds up no repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StepKind {
    /// Making a credential.
    Mint,
    /// Searching for the credential of a lost response.
    Settle,
    /// Trying a pair.
    Verify,
    /// Writing the Secret.
    Publish,
    /// Revoking.
    Revoke,
    /// A word of a newer version.
    #[serde(untagged)]
    Other(Word),
}

/// The last failures of one kind of step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureRecord {
    /// The reason that conditions and Events show.
    pub reason: Reason,
    /// A sentence without any secret.
    pub message: String,
    /// The kind of failure at the provider, if it happened there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FailureKind>,
    /// The number of failures in a row, about the same and for the same reason.
    pub count: u32,
    /// The time of the last one.
    pub at: Timestamp,
    /// The revision that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Hash of the request and the provider: a failure is forgotten when that changes.
    pub about: String,
}

impl Document {
    /// An empty document.
    #[must_use]
    pub fn new(cluster_id: &str, object_uid: &str, deletion_policy: DeletionPolicy) -> Self {
        Self {
            schema: 1,
            cluster_id: cluster_id.to_owned(),
            object_uid: object_uid.to_owned(),
            deletion_policy,
            ..Self::default()
        }
    }

    /// Returns the lowest schema that can hold it.
    fn lowest_schema(&self) -> u32 {
        let is_new = |it: &Revision| it.kind != CredentialKind::Client || !it.parameters.is_empty();
        if self.revisions.iter().any(is_new) { 2 } else { 1 }
    }

    /// The revisions that may be alive and are this ledger's business: a closed one has none.
    pub fn living(&self) -> impl Iterator<Item = &Revision> {
        self.revisions.iter().filter(|it| !self.closed && it.state.may_be_alive())
    }

    /// One revision.
    #[must_use]
    pub fn revision(&self, revision: u32) -> Option<&Revision> {
        self.revisions.iter().find(|it| it.revision == revision)
    }

    /// The newest revision whose secret is kept and which is not being retired.
    #[must_use]
    pub fn newest_issued(&self) -> Option<&Revision> {
        self.revisions.iter().rev().find(|it| it.state == State::Issued)
    }

    /// The number for the next revision.
    #[must_use]
    pub fn next_revision(&self) -> u32 {
        let last = self.revisions.last().map_or(0, |it| it.revision);
        let before = self.inherited.as_ref().map_or(0, |it| it.through);
        last.max(before) + 1
    }

    /// Returns the common part of its own credentials' names, if its object has this name.
    #[must_use]
    pub fn tag(&self, namespace: &str, name: &str) -> String {
        naming::tag(&self.cluster_id, namespace, name, &self.object_uid)
    }

    /// The same, and the tags of the revisions that it inherited.
    #[must_use]
    pub fn tags(&self, namespace: &str, name: &str) -> Vec<String> {
        let inherited = self.inherited.iter().flat_map(|it| &it.tags).cloned();
        inherited.chain([self.tag(namespace, name)]).collect()
    }

    /// Returns the tags under which a provider is asked for `revision`: the one in its own name or,
    /// if that is not known, all tags of this ledger.
    #[must_use]
    pub fn tags_of(&self, revision: &Revision, namespace: &str, name: &str) -> Vec<String> {
        revision.tag().map_or_else(|| self.tags(namespace, name), |tag| vec![tag.to_owned()])
    }
}
