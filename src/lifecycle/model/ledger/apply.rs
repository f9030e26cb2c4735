//! The effect of an [`Edit`] on a ledger's document, as far as the state diagram allows it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    DEAD_KEPT, Document, FailureRecord, MINT_WINDOW, Renamed, Revision, State, StepKind,
    edit::{Answer, Edit, IllegalEdit},
    inherited::{Inheritance, Inherited},
};

/// The number of earlier objects remembered of a ledger that is restored again and again.
const PREDECESSORS_KEPT: usize = 8;

impl Document {
    /// Applies `edit` as of `now`.
    ///
    /// # Errors
    /// If it does not follow the state diagram; the document is then unchanged.
    pub fn apply(&mut self, edit: &Edit, now: Timestamp) -> Result<(), IllegalEdit> {
        let mut edited = self.clone();
        edited.edit(edit, now)?;
        edited.forget_old(now);
        edited.schema = edited.lowest_schema();
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
            Edit::Unconfirm(revision) => self.step(*revision, State::Unconfirmed)?.unconfirmed_at = Some(now),
            Edit::Found { revision, found } => {
                let it = self.step(*revision, State::Revoking)?;
                it.client_id = Some(found.client_id.clone());
                it.secret_id.clone_from(&found.secret_id);
                it.ids.clone_from(&found.ids);
            }
            Edit::Absent { revision, refused } => self.absent(*revision, *refused, now)?,
            Edit::Retire(revisions) => {
                for revision in revisions {
                    self.step(*revision, State::Retiring)?.retired_at = Some(now);
                }
                self.failures.remove(&StepKind::Mint);
            }
            Edit::StartRevoking(revisions) => {
                revisions.iter().try_for_each(|it| self.step(*it, State::Revoking).map(drop))?;
            }
            Edit::Revoked(revision) => {
                self.step(*revision, State::Revoked)?.ended_at = Some(now);
                self.failures.remove(&StepKind::Revoke);
            }
            Edit::Abandon(revision) => self.step(*revision, State::Abandoned)?.ended_at = Some(now),
            Edit::Refused { revision, refused } => {
                let it = self.find(*revision)?;
                it.refused_at = refused.then_some(now);
                it.dead_at = None;
            }
            Edit::Verified(revision) => self.find(*revision)?.unverified = false,
            Edit::Dead(revision) => self.find(*revision)?.dead_at = Some(now),
            Edit::Fail { step, record } => self.fail(*step, record),
            Edit::Succeed(step) => drop(self.failures.remove(step)),
            Edit::Policy { policy } => self.deletion_policy = *policy,
            Edit::Rename(to) => self.renamed = Some(Renamed { to: to.clone(), at: now }),
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

    fn add(&mut self, revision: &Revision) -> Result<(), IllegalEdit> {
        if revision.revision < self.next_revision() {
            return Err(IllegalEdit::NotNewer(revision.revision));
        }
        self.revisions.push(revision.clone());
        Ok(())
    }

    /// Attaches an answer to its intent, whatever state that has: an answer that nobody waits for
    /// any more is revoked.
    fn answer(&mut self, answer: &Answer, now: Timestamp) -> Result<(), IllegalEdit> {
        let is_it = |it: &&mut Revision| it.intent.id == answer.intent_id;
        let it = self.revisions.iter_mut().find(is_it).ok_or(IllegalEdit::NoIntent)?;
        if it.state.is_usable() {
            return Ok(());
        }
        it.client_id = Some(answer.client_id.clone());
        it.secret_id.clone_from(&answer.secret_id);
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

    fn step(&mut self, revision: u32, to: State) -> Result<&mut Revision, IllegalEdit> {
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

impl Document {
    /// The edits that concern inherited credentials.
    fn edit_inherited(&mut self, edit: &Edit, now: Timestamp) -> Result<(), IllegalEdit> {
        match edit {
            Edit::Inherit { cluster_id, object_uid, inherited } => {
                self.inherit(cluster_id, object_uid, inherited);
            }
            Edit::Claim => {
                if let Some(inherited) = &mut self.inherited {
                    (inherited.how, inherited.borrowed_through) = (Inheritance::Adopted, 0);
                }
            }
            Edit::Disinherit => self.inherited = None,
            Edit::Rebuild { inherited, revisions, mints } => {
                self.mints.extend(mints);
                for revision in revisions {
                    self.add(revision)?;
                }
                let (cluster_id, object_uid) = (self.cluster_id.clone(), self.object_uid.clone());
                self.inherit(&cluster_id, &object_uid, inherited);
            }
            Edit::Stray(revision) => self.add(revision)?,
            Edit::Leave(revisions) => {
                for revision in revisions {
                    self.step(*revision, State::Left)?.ended_at = Some(now);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Inherits the revisions listed for another object. Calls that another cluster had left open
    /// there are that cluster's to finish.
    fn inherit(&mut self, cluster_id: &str, object_uid: &str, inherited: &Inherited) {
        let mut inherited = inherited.clone();
        if let Some(before) = self.inherited.take() {
            inherited.borrowed_through = inherited.borrowed_through.max(before.borrowed());
            // A credential with another cluster's tag is not looked for.
            if before.how != Inheritance::Borrowed || inherited.how == Inheritance::Borrowed {
                inherited.tags.extend(before.tags);
            }
            inherited.objects.extend(before.objects);
            inherited.through = inherited.through.max(before.through);
        }
        for list in [&mut inherited.tags, &mut inherited.objects] {
            let mut seen = BTreeSet::new();
            list.retain(|it| seen.insert(it.clone()));
            list.truncate(PREDECESSORS_KEPT);
        }
        if inherited.how == Inheritance::Borrowed {
            self.mints.clear();
            for it in &mut self.revisions {
                if matches!(it.state, State::Intended | State::Unconfirmed | State::Revoking) {
                    it.state = State::Left;
                }
            }
        }
        self.inherited = Some(inherited);
        self.failures.clear();
        (self.closed, self.orphaned_at) = (false, None);
        cluster_id.clone_into(&mut self.cluster_id);
        object_uid.clone_into(&mut self.object_uid);
    }
}
