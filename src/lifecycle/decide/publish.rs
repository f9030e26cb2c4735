//! The Secret that workloads read: restored, verified, published, renamed, and tried from time to
//! time.

use jiff::SignedDuration;

use crate::{
    api::Reason,
    lifecycle::model::{Edit, Moved, Plan, Revision, State, Step, StepKind},
};

use super::facts::Facts;

/// Updates the fields beside the pair when the provider's change: endpoints move, and settings
/// change. No credential is made for that.
pub(super) fn follow_the_provider(facts: &Facts<'_>) -> Option<Plan> {
    let moved = |it: &Revision| facts.fields_now(it).filter(|fields| *fields != it.fields);
    let usable = facts.revisions().filter(|it| it.state.is_usable());
    let (revision, fields) = usable.filter_map(|it| Some((it.revision, moved(it)?))).next()?;
    Some(Plan::record(Edit::Follow { revision, fields }, Reason::Publishing))
}

/// Restores the Secret of workloads before anything else, provider up or down: if it was deleted,
/// edited or renamed, or has another template.
pub(super) fn render_what_is_active(facts: &Facts<'_>) -> Option<Plan> {
    let active = facts.world.active()?;
    let (previous, from) = facts.source(active);
    let target = facts.world.target();
    let right = target.filter(|it| !it.inherited).and_then(|it| it.intact.as_ref());
    let right = right.is_some_and(|it| it.revision == active.revision && it.from == from);
    let writable = target.is_none_or(|it| it.ours && !it.immutable && !it.terminating);
    if right || !writable || facts.held_back(StepKind::Publish).is_some() || facts.repair_due().is_some() {
        return None;
    }
    Some(Plan::act(Step::Publish { revision: active.revision, previous, from }, Reason::Publishing))
}

fn waits_to_be_published<'a>(facts: &Facts<'a>) -> Option<&'a Revision> {
    let newest = facts.document()?.newest_issued()?;
    let there = facts.world.published().is_some_and(|target| target.revision == newest.revision);
    let is_repaired = || {
        facts.repair_due().is_some() && facts.world.active().map(|it| it.revision) == Some(newest.revision)
    };
    (!there && newest.dead_at.is_none() && !is_repaired()).then_some(newest)
}

pub(super) fn verify(facts: &Facts<'_>) -> Option<Plan> {
    let newest = waits_to_be_published(facts)?;
    let verified = facts.is_verified(newest);
    if verified || facts.trying_is_held_back(newest) || facts.verify_due(newest)? > facts.now {
        return None;
    }
    if facts.callable(newest).is_none() || !facts.verifies(newest) {
        return None;
    }
    Some(Plan::act(Step::Verify { revision: newest.revision }, Reason::Verifying))
}

pub(super) fn publish(facts: &Facts<'_>) -> Option<Plan> {
    let newest = waits_to_be_published(facts)?;
    let verified = facts.is_verified(newest);
    if !verified && (facts.capabilities(newest).is_none() || facts.verifies(newest)) {
        return None;
    }
    if target_is_taken(facts).is_some() || facts.held_back(StepKind::Publish).is_some() {
        return None;
    }
    let (previous, from) = facts.source(newest);
    Some(Plan::act(Step::Publish { revision: newest.revision, previous, from }, Reason::Publishing))
}

/// Returns why the target cannot be written, if it cannot.
pub(super) fn target_is_taken(facts: &Facts<'_>) -> Option<Plan> {
    let target = facts.world.target()?;
    let name = &target.name;
    let (reason, message) = if !target.ours {
        (
            Reason::TargetForeign,
            format!(
                "the Secret {name} exists and does not belong to this object, so it is not overwritten: \
                 delete or rename it, or choose another spec.secret.name"
            ),
        )
    } else if target.immutable {
        (
            Reason::TargetRefused,
            format!("the Secret {name} is immutable: delete it, and Credwright recreates it at once"),
        )
    } else {
        return None;
    };
    let soon = facts.now.later(SignedDuration::from_mins(1));
    Some(Plan::rest_until(soon, reason, message))
}

pub(super) fn retire(facts: &Facts<'_>) -> Option<Plan> {
    let newest = facts.published()?;
    let older = |it: &&Revision| it.state == State::Issued && it.revision < newest.revision;
    let revisions: Vec<u32> = facts.revisions().filter(older).map(|it| it.revision).collect();
    if revisions.is_empty() {
        return None;
    }
    Some(Plan::record(Edit::Retire(revisions), newest.reason))
}

pub(super) fn try_what_is_published(facts: &Facts<'_>) -> Option<Plan> {
    // If a person has to replace it, a credential that seemed dead may come back: an account that
    // was switched off is switched on.
    let by_hand =
        |it: &Revision| facts.capabilities(it).is_some_and(|capabilities| capabilities.is_by_hand());
    let published = facts.published().filter(|it| it.dead_at.is_none() || by_hand(it))?;
    let due = facts.check_due(published) <= facts.now && !facts.trying_is_held_back(published);
    let expired = published.expires_at.is_some_and(|end| end <= facts.now);
    if !due || expired || facts.callable(published).is_none() || !facts.verifies(published) {
        return None;
    }
    Some(Plan::act(Step::Verify { revision: published.revision }, Reason::Verifying))
}

/// Notes when `secret.name` was changed. The age of the Secret does not tell: after a change back,
/// the Secret with the present name is older than the one that workloads have moved to.
pub(super) fn note_renaming(facts: &Facts<'_>) -> Option<Plan> {
    facts.renamed_target()?;
    facts.world.published()?;
    let to = facts.world.target()?.name.clone();
    if facts.document()?.renamed.as_ref().is_some_and(|it| it.to == to) {
        return None;
    }
    Some(Plan::record(Edit::Rename(to), Reason::SpecChanged))
}

/// Deletes the Secret of an earlier `secret.name` after the overlap, so that workloads can be moved
/// to the new one, but no later than the end of the credential in it.
pub(super) fn remove_renamed_target(facts: &Facts<'_>) -> Option<Plan> {
    let newest = facts.published()?;
    let old = facts.renamed_target()?;
    let held = old.intact.as_ref().and_then(|it| facts.document()?.revision(it.revision));
    let ends = held.is_some_and(|it| facts.revoke_at(it, newest).is_some_and(|at| at <= facts.now));
    if !ends && facts.renaming_is_over(old)? > facts.now {
        return None;
    }
    Some(Plan::act(Step::DeleteTarget { name: old.name.clone() }, Reason::Publishing))
}
