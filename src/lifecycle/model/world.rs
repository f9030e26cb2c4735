//! Everything that a decision may depend on.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use crate::api::{ApiCredential, CREDENTIAL_FINALIZER, ProviderKind, ProviderRef};

use super::{
    ledger::{Account, Document, Revision, State},
    naming,
    plan::FoundCredential,
};

mod provider;

pub use provider::{Budget, Pause, ProviderView, Standing, UsableProvider};

/// One ApiCredential and its surroundings, as far as they are known at the moment of a decision.
#[derive(Clone, Debug)]
pub struct World {
    /// The object, or only its ledger if the object was deleted.
    pub subject: Subject,
    /// The ledger.
    pub ledger: LedgerView,
    /// A copy of the ledger, if there is one: the ledger is being recreated from it.
    pub copy: Option<CopyView>,
    /// Credentials with our tag that were in no ledger when the provider was last listed.
    pub strays: Vec<FoundCredential>,
    /// Secrets that this object owns, and any Secret with the name of its target.
    pub targets: Vec<TargetView>,
    /// The intake Secret, if the spec names one.
    pub intake: Option<IntakeView>,
    /// The provider that the spec refers to, and those that the ledger's revisions were made at.
    pub providers: BTreeMap<(ProviderKind, String), ProviderView>,
    /// True if the CRD of ApiCredentials is itself being deleted: then deletion means Retain.
    pub uninstalling: bool,
    /// The times of mints for earlier objects of this name within the last hour, so that recreating
    /// an object does not reset its limit.
    pub minted_before: Vec<Timestamp>,
    /// The memory of this process between passes. Losing it costs a check, never a write.
    pub memory: Memory,
    /// This process.
    pub operator: Operator,
}

/// The subject of this pass.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object, unless it was deleted.
    pub object: Option<Arc<ApiCredential>>,
    /// The labels of its namespace, if they are known: they are not read while no provider is
    /// shared.
    pub namespace_labels: Option<Arc<BTreeMap<String, String>>>,
}

/// The ledger, as it was found.
#[derive(Clone, Debug)]
pub enum LedgerView {
    /// There is none.
    Absent,
    /// It cannot be used.
    Unreadable {
        /// The cause.
        why: String,
        /// True if it has our finalizer.
        held: bool,
        /// True if it is being deleted.
        terminating: bool,
    },
    /// It can be used.
    Present {
        /// The document.
        document: Arc<Document>,
        /// The length of its sealed part.
        sealed: usize,
        /// The ledger Secret's UID, to tell a restored one.
        uid: String,
        /// True if it has our finalizer.
        held: bool,
        /// The time at which its deletion began.
        terminating: Option<Timestamp>,
        /// True if it belongs to an object.
        owned: bool,
        /// True if it carries our label, without which no watch tells of it, and is sealed with the
        /// current key.
        up_to_date: bool,
    },
}

/// A copy of a ledger, as it was found.
#[derive(Clone, Debug)]
pub struct CopyView {
    /// The document; `None` if it does not open.
    pub document: Option<Arc<Document>>,
}

/// A target Secret, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// True if this object is its controller, by kind, group and UID; or it is [`Self::inherited`].
    pub ours: bool,
    /// True if Credwright wrote it for an earlier object, or it has lost its owner in a restore: it
    /// may be adopted.
    pub inherited: bool,
    /// The credential in it, if its content is exactly what Credwright wrote.
    pub intact: Option<Rendered>,
    /// True if it is immutable.
    pub immutable: bool,
    /// True if it is being deleted.
    pub terminating: bool,
    /// The time at which it was created.
    pub created_at: Option<Timestamp>,
}

/// The source from which a target was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The revision in it.
    pub revision: u32,
    /// Hash of all that it was rendered from, see `render::source`.
    pub from: String,
}

/// An intake Secret, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeView {
    /// It does not exist, or its owner has not consented to its use.
    Missing,
    /// The content is no usable pair; the sentence says why.
    Unusable(String),
    /// It holds a pair.
    Holds(IntakePair),
}

/// A pair that a person put into an intake Secret, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakePair {
    /// The public half of the pair.
    pub client_id: String,
    /// Keyed hash of the pair.
    pub pair: String,
    /// The same by the sealing key before, if there is one.
    pub pair_before: Option<String>,
    /// Keyed hash of all that the Secret says.
    pub content: String,
    /// The time at which it was made, if the person says so.
    pub issued_at: Option<Timestamp>,
    /// The time at which it ends, if the person says so.
    pub expires_at: Option<Timestamp>,
    /// The time since which its content is unchanged, as far as this process knows.
    pub since: Timestamp,
    /// True if another ledger holds this client ID.
    pub held_elsewhere: bool,
}

impl IntakePair {
    /// Returns whether the pair has this hash, by either key.
    #[must_use]
    pub fn has_hash(&self, hash: &str) -> bool {
        self.pair == hash || self.pair_before.as_deref() == Some(hash)
    }
}

/// The memory of this process about an object, between passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The last time that the provider accepted a revision: that counts for a while.
    pub verified: Option<Tried>,
    /// The last time that the published revision was tried.
    pub checked: Option<Tried>,
    /// The last time that a revision which waits for acceptance was tried.
    pub tried: Option<Tried>,
    /// The acceptances of a new revision that has to be accepted several times.
    pub acceptances: Option<Acceptances>,
    /// The time at which the provider said of each revision that it is revoked, while it may still
    /// accept it.
    pub said_revoked: BTreeMap<u32, Timestamp>,
    /// The last search for a lost response.
    pub looked: Option<Tried>,
    /// The time at which each revision that a person is to remove was last tried.
    pub removals: BTreeMap<u32, Timestamp>,
    /// The repairs of the Secret in a row.
    pub repaired: Option<Repairs>,
    /// The time at which the intake was last tried because it had changed after a failure.
    pub retried: Option<Timestamp>,
    /// The time of the last reminder to a person.
    pub reminded: Option<Timestamp>,
    /// The time at which a ledger that was lost or deleted could not be recreated.
    pub unrecoverable: Option<Timestamp>,
    /// The time since which the API server has refused every write of the ledger.
    pub unwritable: Option<Timestamp>,
    /// Revisions that are on record elsewhere, where the ledger cannot say so.
    pub abandoned: Vec<u32>,
    /// The last write into the status.
    pub told: Option<Told>,
    /// The number of passes in a row that ended as an error.
    pub failed: u32,
}

/// A question about a revision that was put to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The revision.
    pub revision: u32,
    /// The time of the answer.
    pub at: Timestamp,
}

impl Tried {
    /// The question about this revision at this time.
    #[must_use]
    pub fn new(revision: u32, at: Timestamp) -> Self {
        Self { revision, at }
    }

    /// Returns the time of the answer, if the question was about `revision`.
    #[must_use]
    pub fn of(self, revision: u32) -> Option<Timestamp> {
        (self.revision == revision).then_some(self.at)
    }
}

/// The times in a row that a provider has accepted a new revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptances {
    /// The revision, and the time of the last one.
    pub last: Tried,
    /// Their number.
    pub count: u16,
}

/// Repairs of a Secret in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repairs {
    /// Their number.
    pub count: u32,
    /// The time of the last one.
    pub last: Timestamp,
}

/// The last write into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Hash of the written content.
    pub what: u64,
    /// The number of times that it was written again.
    pub again: u32,
    /// The time of the last one.
    pub at: Timestamp,
}

/// This process.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The cluster's id.
    pub cluster_id: String,
    /// Random text that tells this process from all others.
    pub writer: String,
    /// The amount by which its clock is ahead of the API server's.
    pub skew: SignedDuration,
    /// The time at which it began to work: all caches were complete, and it led.
    pub started: Timestamp,
    /// The time that an object which is being deleted waits for its credentials to be revoked.
    pub revocation_deadline: SignedDuration,
    /// The addresses from which requests leave the cluster; empty if nobody says.
    pub egress: Arc<[IpNet]>,
    /// Randomness for this pass, drawn outside so that a decision stays a function.
    pub entropy: u128,
}

/// The time for which an intent may wait for its call.
pub const CALL_WITHIN: SignedDuration = SignedDuration::from_secs(20);
/// The longest time that a create may take, with all of its requests.
pub const LONGEST_CREATE: SignedDuration = SignedDuration::from_secs(75);
/// The longest time between the intent to call a provider and its answer.
pub const LONGEST_CALL: SignedDuration = SignedDuration::from_mins(2);
const _: () = assert!(LONGEST_CALL.as_secs() > CALL_WITHIN.as_secs() + LONGEST_CREATE.as_secs());

impl World {
    /// The ledger's document, if it can be used.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        match &self.ledger {
            LedgerView::Present { document, .. } => Some(document),
            LedgerView::Absent | LedgerView::Unreadable { .. } => None,
        }
    }

    /// Returns the document in a copy of the ledger, if it opens.
    #[must_use]
    pub fn copied(&self) -> Option<&Document> {
        self.copy.as_ref()?.document.as_deref()
    }

    /// The Secret with the name that the spec wants, if it exists.
    #[must_use]
    pub fn target(&self) -> Option<&TargetView> {
        let object = self.subject.object.as_ref()?;
        let name = object.spec.target_name(&self.subject.name);
        self.targets.iter().find(|target| target.name == name)
    }

    /// Returns the credential in the target, if it is ours and exactly what Credwright wrote.
    #[must_use]
    pub fn published(&self) -> Option<&Rendered> {
        self.target().filter(|target| target.ours).and_then(|target| target.intact.as_ref())
    }

    /// The revision that workloads use: the one in the target or, if the target was deleted, the
    /// last one seen there.
    ///
    /// The second is read from status, the only field there that a decision depends on: it spares a
    /// provider call (and so works while the provider is down) when a target that was deleted is
    /// restored. A wrong status can only name a revision whose secret the ledger still keeps.
    #[must_use]
    pub fn active(&self) -> Option<&Revision> {
        let document = self.document()?;
        let usable = |revision| document.revision(revision).filter(|it| it.state.is_usable());
        let in_target = self.published().and_then(|rendered| usable(rendered.revision));
        let in_status = || usable(self.subject.object.as_ref()?.status.as_ref()?.revision?);
        let elsewhere = || self.held().filter_map(usable).max_by_key(|it| it.revision);
        in_target.or_else(elsewhere).or_else(in_status)
    }

    /// The revisions in Secrets of ours, of any name.
    pub fn held(&self) -> impl Iterator<Item = u32> {
        self.targets
            .iter()
            .filter(|target| target.ours)
            .filter_map(|target| Some(target.intact.as_ref()?.revision))
    }

    /// The provider that `account` names.
    #[must_use]
    pub fn provider(&self, account: &Account) -> Option<&ProviderView> {
        self.providers.get(&(account.kind, account.name.clone()))
    }

    /// The provider that the spec refers to.
    #[must_use]
    pub fn desired_provider(&self) -> Option<&ProviderView> {
        let reference = &self.subject.object.as_ref()?.spec.provider_ref;
        self.providers.get(&(reference.kind, reference.name.clone()))
    }

    /// Returns the provider that the spec refers to, if the object is new: nothing has been made
    /// for it, and its first credential could be requested there.
    #[must_use]
    pub fn provider_of_new(&self) -> Option<(&ProviderRef, &UsableProvider)> {
        let object = self.subject.object.as_ref().filter(|_| matches!(self.ledger, LedgerView::Absent))?;
        let has_had_one = object.status.as_ref().is_some_and(|it| !it.credentials.is_empty());
        let provider = self.desired_provider()?.usable()?;
        let is_new = !has_had_one && self.copy.is_none();
        let mints = !provider.capabilities.is_by_hand() && provider.paused.is_none() && !provider.deleting;
        (is_new && mints).then_some((&object.spec.provider_ref, provider))
    }

    /// Returns the common part of our names at the provider for this object.
    #[must_use]
    pub fn tag(&self) -> String {
        let uid = self.object_uid();
        naming::tag(&self.operator.cluster_id, &self.subject.namespace, &self.subject.name, uid)
    }

    /// The object's UID; from the ledger or its copy if the object was deleted.
    #[must_use]
    pub fn object_uid(&self) -> &str {
        let from_object = self.subject.object.as_ref().and_then(|object| object.metadata.uid.as_deref());
        let recorded = || self.document().or(self.copied()).map(|it| it.object_uid.as_str());
        from_object.or_else(recorded).unwrap_or_default()
    }

    /// Returns whether the object is being deleted.
    #[must_use]
    pub fn deleting(&self) -> bool {
        self.subject.object.as_ref().is_some_and(|object| object.metadata.deletion_timestamp.is_some())
    }

    /// Returns whether the ledger's credentials are to end: its object is being deleted, is gone,
    /// or has been replaced by another.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        let replaced = || self.document().is_some_and(|it| it.object_uid != self.object_uid());
        self.deleting() || self.subject.object.is_none() || replaced()
    }

    /// Returns whether the object has our finalizer.
    #[must_use]
    pub fn object_is_held(&self) -> bool {
        let finalizers = self.subject.object.as_ref().and_then(|object| object.metadata.finalizers.as_ref());
        finalizers.is_some_and(|all| all.iter().any(|one| one == CREDENTIAL_FINALIZER))
    }
}

/// The revision below `published` that still works, for `includePrevious`.
#[must_use]
pub fn previous_of(document: &Document, published: u32) -> Option<&Revision> {
    document.revisions.iter().rev().find(|it| {
        it.revision < published && matches!(it.state, State::Issued | State::Retiring) && it.dead_at.is_none()
    })
}
