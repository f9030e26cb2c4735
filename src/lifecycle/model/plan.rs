//! Plans: the result of a decision is at most one step, or rest with a reason.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::{AbandonedKind, Reason};

use super::{
    failure::Failure,
    ledger::{Account, Edit, Found, Inherited, Parameters, Revision},
    recovery::Recovery,
};

/// The plan: one step, or rest.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Take a step.
    Act {
        /// The step.
        step: Step,
        /// The reason.
        reason: Reason,
        /// The message: the cause.
        message: String,
    },
    /// Do nothing for now.
    Rest(Rest),
}

/// A rest: why nothing is done now, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The reason.
    pub reason: Reason,
    /// The message: the cause, and what to do about it if anything.
    pub message: String,
    /// The steps for a person, if only a person can do them.
    pub action: Option<String>,
    /// The time of the next pass. A check gives the time that only it knows, and
    /// [`decide`](crate::lifecycle::decide) adds all others.
    pub wake: Wake,
}

impl Plan {
    /// Returns the plan to take `step`.
    #[must_use]
    pub fn act(step: Step, reason: Reason) -> Self {
        Self::Act { step, reason, message: String::new() }
    }

    /// Returns the plan to write `edit` into the ledger, and nothing else.
    #[must_use]
    pub fn record(edit: Edit, reason: Reason) -> Self {
        Self::act(Step::Record(edit), reason)
    }

    /// Returns the plan to rest until something changes.
    #[must_use]
    pub fn rest(reason: Reason, message: String) -> Self {
        Self::Rest(Rest::new(reason, message))
    }

    /// Returns the plan to rest until `at`, or until something changes.
    #[must_use]
    pub fn rest_until(at: Timestamp, reason: Reason, message: String) -> Self {
        Self::Rest(Rest { wake: Wake::At(at), ..Rest::new(reason, message) })
    }

    /// The step, if there is one to take.
    #[must_use]
    pub fn step(&self) -> Option<&Step> {
        match self {
            Self::Act { step, .. } => Some(step),
            Self::Rest(_) => None,
        }
    }

    /// Returns the rest that is left of the plan if its step is not taken.
    #[must_use]
    pub fn at_rest(self) -> Rest {
        match self {
            Self::Act { reason, message, .. } => Rest::new(reason, message),
            Self::Rest(rest) => rest,
        }
    }
}

impl Rest {
    /// Returns a rest that only a change ends.
    #[must_use]
    pub fn new(reason: Reason, message: String) -> Self {
        Self { reason, message, action: None, wake: Wake::OnChange }
    }

    /// Returns the full message: the cause, and the steps for a person if there are any.
    #[must_use]
    pub fn in_full(&self) -> String {
        let action = self.action.as_ref().map(|action| format!(". To do: {action}")).unwrap_or_default();
        format!("{}{action}", self.message)
    }
}

/// The time of the next pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The next change.
    OnChange,
    /// At this instant, or when something changes.
    At(Timestamp),
}

impl Wake {
    /// The same, and at this instant at the latest.
    #[must_use]
    pub fn or_at(self, at: Timestamp) -> Self {
        Self::At(self.instant().map_or(at, |planned| planned.min(at)))
    }

    /// The instant, if there is one.
    #[must_use]
    pub fn instant(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::OnChange => None,
        }
    }

    /// The earliest of some instants.
    #[must_use]
    pub fn earliest(instants: impl IntoIterator<Item = Timestamp>) -> Self {
        instants.into_iter().filter(|at| *at < Timestamp::MAX).min().map_or(Self::OnChange, Self::At)
    }
}

/// One step. Each has at most one effect at the provider.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Add our finalizer to the object, before anything is made for it.
    HoldObject,
    /// Write the intent, call the provider, write its answer.
    Mint(Box<Revision>),
    /// Try the pair that a person made, and write it into the ledger.
    Take(Box<Revision>),
    /// Remind people of what they have to do: reasons and sentences.
    Remind(Vec<(Reason, String)>),
    /// Check whether a person has removed a credential: the provider refuses it and accepts the
    /// other.
    CheckRemoval {
        /// The revision.
        revision: u32,
        /// The one that is published.
        beside: u32,
    },
    /// Search for the credential of an unanswered call.
    Settle {
        /// The revision.
        revision: u32,
    },
    /// Try a pair at the provider.
    Verify {
        /// The revision.
        revision: u32,
    },
    /// Write the Secret that workloads read.
    Publish {
        /// The revision to put into it.
        revision: u32,
        /// The one before it, if the spec wants that too.
        previous: Option<u32>,
        /// Hash of all that it is rendered from.
        from: String,
    },
    /// Write the ledger, and nothing else.
    Record(Edit),
    /// Make a credential invalid at the provider.
    Revoke {
        /// The revision.
        revision: u32,
    },
    /// Record elsewhere what cannot be revoked, or never be confirmed.
    Abandon(Box<Abandonment>),
    /// Remove a Secret of ours that the spec does not name any more.
    DeleteTarget {
        /// Its name.
        name: String,
    },
    /// Release a Secret, so that it outlives the object.
    ReleaseTarget {
        /// Its name.
        name: String,
    },
    /// Take over a ledger that was restored, cloned or put back.
    Inherit(Inherited),
    /// Put a lost ledger together again.
    Recover(Box<Recovery>),
    /// Copy a ledger that is being deleted.
    CopyLedger,
    /// Remove the finalizer of a ledger that is being deleted.
    DropLedger,
    /// Recreate a ledger from its copy.
    RestoreLedger,
    /// Remove the copy.
    RemoveCopy,
    /// Take our finalizer off the object.
    ReleaseObject,
    /// Delete the ledger.
    ReleaseLedger,
}

impl Step {
    /// Returns the revision that the step is about; `None` if it is about none, or about several.
    #[must_use]
    pub fn revision(&self) -> Option<u32> {
        match self {
            Self::Mint(it) | Self::Take(it) => Some(it.revision),
            Self::Abandon(it) => Some(it.revision),
            Self::Settle { revision }
            | Self::Verify { revision }
            | Self::CheckRemoval { revision, .. }
            | Self::Publish { revision, .. }
            | Self::Revoke { revision }
            | Self::Record(Edit::Unconfirm(revision)) => Some(*revision),
            _ => None,
        }
    }

    /// Returns whether another process can safely repeat the step: any step but a create, whose
    /// answer comes once.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Mint(_))
    }
}

/// One credential that is to be put on record elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Abandonment {
    /// The record's name: the same each time, so that a repetition finds its own.
    pub record: String,
    /// The revision.
    pub revision: u32,
    /// The kind: it could not be revoked, or it is not known whether it exists.
    pub kind: AbandonedKind,
    /// Its name at the provider.
    pub name: String,
    /// The public half of the pair.
    pub client_id: Option<String>,
    /// The provider's ID of the secret, if it is one of several of its client.
    pub secret_id: Option<String>,
    /// Provider-side ids.
    pub ids: BTreeMap<String, String>,
    /// The parameters that it was made with.
    pub parameters: Parameters,
    /// The account that it was made at.
    pub account: Account,
    /// The time at which the provider ends it.
    pub expires_at: Option<Timestamp>,
    /// The cause, as a sentence without any secret.
    pub why: String,
    /// The steps for a person, if Credwright can never do it.
    pub action: Option<String>,
}

/// The result of looking for a removal by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The provider refuses it, and accepts the published one.
    Yes,
    /// The provider still accepts it.
    NotYet,
    /// The provider refuses the published one, too, which proves nothing.
    Unproved,
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done, and the stores know.
    Done,
    /// The intent's time had passed before the call could be made; nothing was sent.
    TooLate,
    /// The credentials at the provider under our tag.
    Found(Vec<FoundCredential>),
    /// The provider's verdict on the pair.
    Tried {
        /// It does.
        accepted: bool,
    },
    /// The result of looking for a removal by a person.
    Removed(Removed),
    /// The provider says that it revoked, or does not know, the credential.
    Revoked {
        /// It says that it revoked it.
        said: bool,
        /// True if the pair, tried afterwards, still works; `None` if it could not or need not be
        /// tried.
        still_accepted: Option<bool>,
    },
    /// The Secret cannot be written.
    NotPublished {
        /// The reason.
        reason: Reason,
        /// A sentence without any secret.
        message: String,
    },
    /// The provider call failed.
    Failed(Failure),
    /// A credential was made that cannot be used. The ledger lists it as one to revoke.
    Unusable(Failure),
}

/// A credential at a provider, and whether anyone else claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCredential {
    /// The credential.
    pub found: Found,
    /// True if another ledger, or the login, holds it.
    pub held_elsewhere: bool,
}
