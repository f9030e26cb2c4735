//! The changes that a ledger's document can go through, and which of them the state diagram allows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::DeletionPolicy;

use super::{DEAD_KEPT, Document, FailureRecord, Inherited, MINT_WINDOW, Renamed, Revision, State, StepKind};

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
    Unconfirm {
        /// The revision.
        revision: u32,
    },
    /// The credential of an unanswered call was found, without its secret: it can only be revoked.
    Found {
        /// The revision.
        revision: u32,
        /// The public half of the pair.
        client_id: String,
        /// Provider-side ids.
        ids: BTreeMap<String, String>,
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
    Retire {
        /// The revisions.
        revisions: Vec<u32>,
    },
    /// It is to be revoked, and there is no way back.
    StartRevoking {
        /// The revisions.
        revisions: Vec<u32>,
    },
    /// The provider refuses it.
    Revoked {
        /// The revision.
        revision: u32,
    },
    /// It is on record as an AbandonedCredential.
    Abandon {
        /// The revision.
        revision: u32,
    },
    /// The provider refused it for the first time, or accepts it again.
    Refused {
        /// The revision.
        revision: u32,
        /// True if it was refused.
        refused: bool,
    },
    /// The provider has accepted a client that only its own namespace had vouched for.
    Verified {
        /// The revision.
        revision: u32,
    },
    /// The provider has refused it long enough.
    Dead {
        /// The revision.
        revision: u32,
    },
    /// A step failed.
    Fail {
        /// The kind of step.
        step: StepKind,
        /// The failure; its count is made here.
        record: Box<FailureRecord>,
    },
    /// A kind of step succeeded, and its failures are forgotten.
    Succeed {
        /// The kind of step.
        step: StepKind,
    },
    /// The object's deletion policy has changed.
    Policy {
        /// The new policy.
        policy: DeletionPolicy,
    },
    /// The Secret that workloads read has another name than before.
    Rename {
        /// The new name.
        to: String,
    },
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
    Leave {
        /// The revisions.
        revisions: Vec<u32>,
    },
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

impl Document {
    /// Applies `edit` as of `now`.
    ///
    /// # Errors
    /// If it does not follow the state diagram; the document is then unchanged.
    pub fn apply(&mut self, edit: &Edit, now: Timestamp) -> Result<(), IllegalEdit> {
        let mut edited = self.clone();
        edited.edit(edit, now)?;
        edited.forget_old(now);
        *self = edited;
        Ok(())
    }

    fn edit(&mut self, edit: &Edit, now: Timestamp) -> Result<(), IllegalEdit> {
        match edit {
            Edit::Intend(revision) => {
                self.add(revision)?;
                self.mints.push(revision.intent.at);
            }
            Edit::Take(revision) => {
                self.add(revision)?;
                self.failures.remove(&StepKind::Mint);
            }
            Edit::Restate { revision, issued_at, expires_at, pair } => {
                let it = self.find(*revision)?;
                (it.issued_at, it.expires_at) = (*issued_at, *expires_at);
                it.pair = Some(pair.clone());
            }
            Edit::Follow { revision, fields } => {
                let it = self.find(*revision)?;
                it.fields.clone_from(fields);
                it.followed = Some(it.followed.unwrap_or_default().saturating_add(1));
            }
            Edit::Answer(answer) => self.answer(answer, now)?,
            Edit::Unconfirm { revision } => {
                self.step(*revision, State::Unconfirmed)?.unconfirmed_at = Some(now)
            }
            Edit::Found { revision, client_id, ids } => {
                let found = self.step(*revision, State::Revoking)?;
                found.client_id = Some(client_id.clone());
                found.ids = ids.clone();
            }
            Edit::Absent { revision, refused } => self.absent(*revision, *refused, now)?,
            Edit::Retire { revisions } => {
                for revision in revisions {
                    self.step(*revision, State::Retiring)?.retired_at = Some(now);
                }
                self.failures.remove(&StepKind::Mint);
            }
            Edit::StartRevoking { revisions } => {
                revisions.iter().try_for_each(|it| self.step(*it, State::Revoking).map(drop))?;
            }
            Edit::Revoked { revision } => {
                self.step(*revision, State::Revoked)?.ended_at = Some(now);
                self.failures.remove(&StepKind::Revoke);
            }
            Edit::Abandon { revision } => self.step(*revision, State::Abandoned)?.ended_at = Some(now),
            Edit::Refused { revision, refused } => {
                let it = self.find(*revision)?;
                it.refused_at = refused.then_some(now);
                it.dead_at = None;
            }
            Edit::Verified { revision } => self.find(*revision)?.unverified = false,
            Edit::Dead { revision } => self.find(*revision)?.dead_at = Some(now),
            Edit::Fail { step, record } => self.fail(*step, record),
            Edit::Succeed { step } => drop(self.failures.remove(step)),
            Edit::Policy { policy } => self.deletion_policy = *policy,
            Edit::Rename { to } => self.renamed = Some(Renamed { to: to.clone(), at: now }),
            Edit::Identify => {}
            Edit::Orphan => self.orphaned_at = Some(now),
            Edit::Close => self.closed = true,
            inheriting => self.edit_inherited(inheriting, now)?,
        }
        Ok(())
    }

    fn absent(&mut self, revision: u32, refused: bool, now: Timestamp) -> Result<(), IllegalEdit> {
        let absent = self.step(revision, State::Absent)?;
        absent.ended_at = Some(now);
        let minted_at = absent.intent.at;
        let counted = self.mints.iter().position(|at| refused && *at == minted_at);
        counted.map(|index| self.mints.remove(index));
        Ok(())
    }

    pub(super) fn add(&mut self, revision: &Revision) -> Result<(), IllegalEdit> {
        if revision.revision < self.next_revision() {
            return Err(IllegalEdit::NotNewer(revision.revision));
        }
        self.revisions.push(revision.clone());
        Ok(())
    }

    /// Attaches an answer to its intent, whatever state that has: an answer that nobody waits for
    /// any more is revoked.
    fn answer(&mut self, answer: &Answer, now: Timestamp) -> Result<(), IllegalEdit> {
        let it = self
            .revisions
            .iter_mut()
            .find(|it| it.intent.id == answer.intent_id)
            .ok_or(IllegalEdit::NoIntent)?;
        if it.state.is_usable() {
            return Ok(());
        }
        it.client_id = Some(answer.client_id.clone());
        it.ids.clone_from(&answer.ids);
        it.fields.clone_from(&answer.fields);
        it.secret_aliases.clone_from(&answer.secret_aliases);
        it.request.scopes.clone_from(&answer.scopes);
        it.expires_at = answer.expires_at;
        it.issued_at = Some(now);
        match it.state {
            State::Intended => it.state = if answer.is_doomed { State::Revoking } else { State::Issued },
            State::Unconfirmed | State::Absent | State::Revoked | State::Left | State::Abandoned => {
                it.state = State::Revoking;
                it.ended_at = None;
            }
            State::Revoking | State::Issued | State::Retiring => {}
        }
        Ok(())
    }

    fn fail(&mut self, step: StepKind, record: &FailureRecord) {
        let same = |before: &&FailureRecord| before.about == record.about && before.reason == record.reason;
        let before = self.failures.get(&step).filter(same);
        let count = before.map_or(0, |before| before.count) + 1;
        self.failures.insert(step, FailureRecord { count, ..record.clone() });
    }

    fn find(&mut self, revision: u32) -> Result<&mut Revision, IllegalEdit> {
        self.revisions.iter_mut().find(|it| it.revision == revision).ok_or(IllegalEdit::NoRevision(revision))
    }

    pub(super) fn step(&mut self, revision: u32, to: State) -> Result<&mut Revision, IllegalEdit> {
        let it = self.find(revision)?;
        if !it.state.may_become(to) {
            return Err(IllegalEdit::NoArrow { revision, from: it.state, to });
        }
        it.state = to;
        if !to.may_be_alive() {
            it.forget_details();
        }
        Ok(it)
    }

    /// Keeps the document small: old mints and all but the last few dead revisions go. The newest
    /// revision always stays, because the next one's number is counted from it.
    fn forget_old(&mut self, now: Timestamp) {
        self.mints.retain(|mint| now.duration_since(*mint) < MINT_WINDOW);
        let newest = self.revisions.last().map(|it| it.revision);
        let mut dead = self.revisions.iter().filter(|it| !it.state.may_be_alive()).count();
        self.revisions.retain(|it| {
            let goes = !it.state.may_be_alive() && dead > DEAD_KEPT && Some(it.revision) != newest;
            dead -= usize::from(goes);
            !goes
        });
    }
}
