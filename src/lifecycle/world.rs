//! Everything that a decision may look at.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::api::{Allow, ApiCredential, CREDENTIAL_FINALIZER, ProviderKind, Reason};

use super::{
    budget::Budget,
    capability::Capabilities,
    ledger::{Account, Document, Revision, State},
    naming,
    plan::FoundCredential,
    suspect::Standing,
    telling::Told,
};

/// One ApiCredential and what surrounds it, as far as it is known at the moment of a decision.
#[derive(Clone, Debug)]
pub struct World {
    /// The object, or only its ledger if the object is gone.
    pub subject: Subject,
    /// The ledger.
    pub ledger: LedgerView,
    /// A copy of the ledger, if there is one: it is being made anew from it.
    pub copy: Option<CopyView>,
    /// What carries our tag at the provider and was in no ledger when the provider was last looked over.
    pub strays: Vec<FoundCredential>,
    /// Secrets that this object owns, and whatever has the name of its target.
    pub targets: Vec<TargetView>,
    /// The intake Secret, if the spec names one.
    pub intake: Option<IntakeView>,
    /// The provider that the spec refers to, and those that the ledger's revisions were made at.
    pub providers: BTreeMap<(ProviderKind, String), ProviderView>,
    /// Whether the definition of ApiCredentials is itself being deleted: then deletion means Retain.
    pub uninstalling: bool,
    /// When credentials were minted for earlier objects of this name within the last hour: a new one does not begin anew.
    pub minted_before: Vec<Timestamp>,
    /// What this process remembers between passes. Losing it costs a look, never a write.
    pub memory: Memory,
    /// This process.
    pub operator: Operator,
}

/// Whose pass this is.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object, unless it is gone.
    pub object: Option<Arc<ApiCredential>>,
    /// The labels of its namespace, where they are known: nobody looks while no provider is shared.
    pub namespace_labels: Option<Arc<BTreeMap<String, String>>>,
}

/// The ledger, as it was found.
#[derive(Clone, Debug)]
pub enum LedgerView {
    /// There is none.
    Absent,
    /// It cannot be used.
    Unreadable {
        /// Why.
        why: String,
        /// True if our finalizer holds it.
        held: bool,
        /// Whether it is being deleted.
        terminating: bool,
    },
    /// It can be used.
    Present {
        /// What it says.
        document: Arc<Document>,
        /// The length of its sealed part.
        sealed: usize,
        /// The ledger Secret's UID, to tell a restored one.
        uid: String,
        /// Whether our finalizer holds it.
        held: bool,
        /// Since when it is being deleted.
        terminating: Option<Timestamp>,
        /// Whether it belongs to an object.
        owned: bool,
        /// True if it carries our label, without which no watch tells of it, and is sealed with the
        /// current key.
        up_to_date: bool,
    },
}

/// A copy of a ledger, as it was found.
#[derive(Clone, Debug)]
pub struct CopyView {
    /// What it says; `None` if it does not open.
    pub document: Option<Arc<Document>>,
}

/// A target Secret, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// Whether this object is its controller, by kind, group and UID; or it is [`Self::inherited`].
    pub ours: bool,
    /// Whether Credwright wrote it for an earlier object, or it has lost its owner in a restore: it may be taken over.
    pub inherited: bool,
    /// What it holds, if its content is exactly what Credwright wrote.
    pub intact: Option<Rendered>,
    /// Whether nobody may change it any more.
    pub immutable: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

/// What a target was rendered from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The revision in it.
    pub revision: u32,
    /// Hash of all that it was rendered from, see [`super::render::source`].
    pub from: String,
}

/// An intake Secret, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeView {
    /// It does not exist, or its owner has not consented to its use.
    Missing,
    /// What it holds is no pair; the sentence says why.
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
    /// When it was made, if the person says so.
    pub issued_at: Option<Timestamp>,
    /// When it ends, if the person says so.
    pub expires_at: Option<Timestamp>,
    /// Since when it has been as it is, as far as this process knows.
    pub since: Timestamp,
    /// Whether another ledger holds this client ID.
    pub held_elsewhere: bool,
}

impl IntakePair {
    /// Returns whether the pair has this hash, by either key.
    #[must_use]
    pub fn has_hash(&self, hash: &str) -> bool {
        self.pair == hash || self.pair_before.as_deref() == Some(hash)
    }
}

/// A provider, as it was found.
#[derive(Clone, Debug)]
pub enum ProviderView {
    /// The object does not exist, or cannot be used; nothing can be called.
    Unusable {
        /// Why.
        reason: Reason,
        /// A sentence that says what to do.
        message: String,
    },
    /// It can be called.
    Usable(Box<UsableProvider>),
}

/// A provider that can be called.
#[derive(Clone, Debug)]
pub struct UsableProvider {
    /// What it can do.
    pub capabilities: Arc<Capabilities>,
    /// The fields of a Secret besides a pair and its scope, as they are now; empty if they are not
    /// known.
    pub fields: BTreeMap<String, String>,
    /// Hash of its identifying fields and of our login there.
    pub fingerprint: String,
    /// Hash of its whole spec and of the content of its login: a failure there is over when it
    /// changes.
    pub setup: String,
    /// Who may use it: `None` for a provider in the object's own namespace.
    pub allow: Option<Allow>,
    /// Set while nothing is to be asked of it.
    pub paused: Option<Pause>,
    /// Set while this object waits for its turn at the account.
    pub busy: Option<Pause>,
    /// What is known of the account as a whole.
    pub standing: Standing,
    /// How many more credentials it may be asked for.
    pub budget: Budget,
    /// When all that it holds of ours was last listed by this process; `None` before that, where it can be listed.
    pub listed: Option<Timestamp>,
    /// Whether its object is being deleted: nothing is minted there any more, but what was is still revoked.
    pub deleting: bool,
}

/// Why a provider account is left alone for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What people are told.
    pub reason: Reason,
    /// A sentence without any secret.
    pub message: String,
}

/// What this process remembers of an object between passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The revision that the provider accepted, and when: that counts for a while.
    pub verified: Option<(u32, Timestamp)>,
    /// When the published revision was last tried.
    pub checked: Option<(u32, Timestamp)>,
    /// When a revision that waits for acceptance was last tried.
    pub tried: Option<(u32, Timestamp)>,
    /// When a lost answer was last looked for.
    pub looked: Option<(u32, Timestamp)>,
    /// When each revision that a person is to remove was last tried.
    pub removals: BTreeMap<u32, Timestamp>,
    /// How often in a row the Secret was put right, and when last.
    pub repaired: Option<(u32, Timestamp)>,
    /// When people were last reminded of what they have to do.
    pub reminded: Option<Timestamp>,
    /// When a ledger that was lost or deleted could not be made again.
    pub unrecoverable: Option<Timestamp>,
    /// Since when the API server has refused every write of the ledger.
    pub unwritable: Option<Timestamp>,
    /// Revisions that are on record elsewhere, where the ledger cannot say so.
    pub abandoned: Vec<u32>,
    /// What was last written into the status.
    pub told: Option<Told>,
    /// How many passes in a row have ended as an error.
    pub failed: u32,
}

/// This process.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The cluster's id.
    pub cluster_id: String,
    /// Random text that tells this process from all others.
    pub writer: String,
    /// By how much its clock is ahead of the API server's.
    pub skew: SignedDuration,
    /// The time at which it began to work: all caches were complete, and it led.
    pub started: Timestamp,
    /// How long an object that is being deleted waits for its credentials to be revoked.
    pub revocation_deadline: SignedDuration,
    /// Randomness for this pass, drawn outside so that a decision stays a function.
    pub entropy: u128,
}

/// How long an intent may wait for its call.
pub const CALL_WITHIN: SignedDuration = SignedDuration::from_secs(20);
/// The longest time between the intent to call a provider and its answer.
pub const LONGEST_CALL: SignedDuration = SignedDuration::from_mins(2);

impl World {
    /// The ledger's document, if it can be used.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        match &self.ledger {
            LedgerView::Present { document, .. } => Some(document),
            LedgerView::Absent | LedgerView::Unreadable { .. } => None,
        }
    }

    /// What a copy of the ledger says, if it opens.
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

    /// What the target holds, if it is ours and exactly what Credwright wrote.
    #[must_use]
    pub fn published(&self) -> Option<&Rendered> {
        self.target().filter(|target| target.ours).and_then(|target| target.intact.as_ref())
    }

    /// The revision that workloads use: the one in the target or, when that is gone, the one that was last seen there.
    ///
    /// The second is read from status, the only thing there that a decision looks at: it spares a provider call (and so works
    /// while the provider is down) when a target that was deleted is restored. A wrong status can only name a revision
    /// whose secret the ledger still keeps.
    #[must_use]
    pub fn active(&self) -> Option<&Revision> {
        let document = self.document()?;
        let usable = |revision| document.revision(revision).filter(|it| it.state.is_usable());
        let in_target = self.published().and_then(|rendered| usable(rendered.revision));
        let in_status = || usable(self.subject.object.as_ref()?.status.as_ref()?.revision?);
        let elsewhere = || self.held().filter_map(usable).max_by_key(|it| it.revision);
        in_target.or_else(elsewhere).or_else(in_status)
    }

    /// The revisions that Secrets of ours hold, of whatever name.
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

    /// What our names at the provider have in common for this object.
    #[must_use]
    pub fn tag(&self) -> String {
        let uid = self.object_uid();
        naming::tag(&self.operator.cluster_id, &self.subject.namespace, &self.subject.name, uid)
    }

    /// The object's UID; from the ledger or its copy if the object is gone.
    #[must_use]
    pub fn object_uid(&self) -> &str {
        let from_object = self.subject.object.as_ref().and_then(|object| object.metadata.uid.as_deref());
        let recorded = || self.document().or(self.copied()).map(|it| it.object_uid.as_str());
        from_object.or_else(recorded).unwrap_or_default()
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub fn deleting(&self) -> bool {
        self.subject.object.as_ref().is_some_and(|object| object.metadata.deletion_timestamp.is_some())
    }

    /// Whether our finalizer is on the object.
    #[must_use]
    pub fn object_is_held(&self) -> bool {
        let finalizers = self.subject.object.as_ref().and_then(|object| object.metadata.finalizers.as_ref());
        finalizers.is_some_and(|all| all.iter().any(|one| one == CREDENTIAL_FINALIZER))
    }
}

impl UsableProvider {
    /// Returns why it cannot be called just now.
    #[must_use]
    pub fn in_the_way(&self) -> Option<&Pause> {
        self.paused.as_ref().or(self.busy.as_ref())
    }
}

impl ProviderView {
    /// The provider, if it can be called.
    #[must_use]
    pub fn usable(&self) -> Option<&UsableProvider> {
        match self {
            Self::Usable(provider) => Some(provider),
            Self::Unusable { .. } => None,
        }
    }

    /// What is in the way of a call, if anything is known.
    #[must_use]
    pub fn why_not_callable(&self) -> Option<String> {
        match self {
            Self::Usable(provider) => provider.in_the_way().map(|pause| pause.message.clone()),
            Self::Unusable { message, .. } => Some(message.clone()),
        }
    }
}

/// The revision below `published` that still works, for `includePrevious`.
#[must_use]
pub fn previous_of(document: &Document, published: u32) -> Option<&Revision> {
    document.revisions.iter().rev().find(|it| {
        it.revision < published && matches!(it.state, State::Issued | State::Retiring) && it.dead_at.is_none()
    })
}
