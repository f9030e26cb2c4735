//! The changes that a ledger's document can go through.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::DeletionPolicy;

use super::{FailureRecord, Found, Inherited, Revision, State, StepKind};

/// A change to the document.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A new credential is about to be asked for.
    Intend(Box<Revision>),
    /// A person made it, and its secret is kept from now on.
    Take(Box<Revision>),
    /// The person who made it says when it was made, and when it ends.
    Restate {
        /// The revision.
        revision: u32,
        /// The time at which it was made.
        issued_at: Option<Timestamp>,
        /// The time at which it ends.
        expires_at: Option<Timestamp>,
        /// Keyed hash of the pair, by the current key.
        pair: String,
    },
    /// The fields that its provider tells workloads besides the pair have changed.
    Follow {
        /// The revision.
        revision: u32,
        /// All of it.
        fields: BTreeMap<String, String>,
    },
    /// The provider made it.
    Answer(Box<Answer>),
    /// The call was made and its answer cannot be used.
    Unconfirm(u32),
    /// The credential of an unanswered call was found, without its secret: it can only be revoked.
    Found {
        /// The revision.
        revision: u32,
        /// The credential.
        found: Box<Found>,
    },
    /// It was never made.
    Absent {
        /// The revision.
        revision: u32,
        /// True if that is certain because the provider refused, or was never asked: then it does
        /// not count as a mint.
        refused: bool,
    },
    /// Their replacement is published.
    Retire(Vec<u32>),
    /// It is to be revoked, and there is no way back.
    StartRevoking(Vec<u32>),
    /// The provider refuses it.
    Revoked(u32),
    /// It is on record as an AbandonedCredential.
    Abandon(u32),
    /// The provider refused it for the first time, or accepts it again.
    Refused {
        /// The revision.
        revision: u32,
        /// True if it was refused.
        refused: bool,
    },
    /// The provider has accepted a client that only its own namespace had vouched for.
    Verified(u32),
    /// The provider has refused it long enough.
    Dead(u32),
    /// A step failed.
    Fail {
        /// The kind of step.
        step: StepKind,
        /// The failure; its count is made here.
        record: Box<FailureRecord>,
    },
    /// A kind of step succeeded, and its failures are forgotten.
    Succeed(StepKind),
    /// The object's deletion policy has changed.
    Policy {
        /// The new policy.
        policy: DeletionPolicy,
    },
    /// The Secret that workloads read has another name than before.
    Rename(String),
    /// The listed credentials were made for another object, or on another cluster, and are
    /// inherited.
    Inherit {
        /// The cluster that it is on.
        cluster_id: String,
        /// The object that it is of.
        object_uid: String,
        /// The origin.
        inherited: Inherited,
    },
    /// A person claims the borrowed credentials for this cluster.
    Claim,
    /// No inherited credential is left.
    Disinherit,
    /// It was lost, and is rebuilt from status and target.
    Rebuild {
        /// The origin.
        inherited: Inherited,
        /// The revisions that were alive, oldest first.
        revisions: Vec<Revision>,
        /// The mints of late that are known.
        mints: Vec<Timestamp>,
    },
    /// A credential with our tag that is in no ledger is to be revoked.
    Stray(Box<Revision>),
    /// They are another cluster's, and are left to it.
    Leave(Vec<u32>),
    /// It is written once more, and so learns the UID of its Secret.
    Identify,
    /// Its object was deleted, and it is finished without it.
    Orphan,
    /// Nothing is left to do.
    Close,
}

/// The provider's answer to a create, without the secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The intent it belongs to.
    pub intent_id: String,
    /// The public half of the pair.
    pub client_id: String,
    /// The provider's ID of the secret, if it is one of several of its client.
    pub secret_id: Option<String>,
    /// Provider-side ids.
    pub ids: BTreeMap<String, String>,
    /// More keys for the Secret that workloads read.
    pub fields: BTreeMap<String, String>,
    /// More keys under which workloads read the secret.
    pub secret_aliases: Vec<String>,
    /// The scopes that it was asked with: a revision that is over has forgotten them.
    pub scopes: Vec<String>,
    /// The time at which the provider ends it.
    pub expires_at: Option<Timestamp>,
    /// True if it cannot be used, and is to be revoked.
    pub is_doomed: bool,
}

/// An edit that does not follow the diagram.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEdit {
    /// No such revision.
    #[error("the ledger has no revision {0}")]
    NoRevision(u32),
    /// No such intent.
    #[error("the ledger has no intent for this response")]
    NoIntent,
    /// No such arrow.
    #[error("revision {revision} cannot go from {from:?} to {to:?}")]
    NoArrow {
        /// The revision.
        revision: u32,
        /// The current state.
        from: State,
        /// The requested state.
        to: State,
    },
    /// A revision must be newer than all others.
    #[error("revision {0} is not newer than the ledger's")]
    NotNewer(u32),
}
