//! The Secret that workloads read: restored, verified, published, renamed, and tried from time to
//! time.

use jiff::SignedDuration;

use crate::{
    api::Reason,
    lifecycle::model::{
        ledger::{Edit, Revision, State, StepKind},
        plan::{Plan, Step, Wake},
        time::Moved,
    },
};

use super::facts::Pass;

/// Updates the fields beside the pair when the provider's change: endpoints move, and settings
/// change. No credential is made for that.
pub(super) fn follow_the_provider(pass: &Pass<'_>) -> Option<Plan> {
    let moved = |it: &Revision| pass.fields_now(it).filter(|fields| *fields != it.fields);
    let usable = pass.revisions().filter(|it| it.state.is_usable());
    let (revision, fields) = usable.filter_map(|it| Some((it.revision, moved(it)?))).next()?;
    pass.step(Step::Record(Edit::Follow { revision, fields }), Reason::Publishing)
}

/// Restores the Secret of workloads before anything else, provider up or down: if it was deleted,
/// edited or renamed, or has another template.
pub(super) fn render_what_is_active(pass: &Pass<'_>) -> Option<Plan> {
    let active = pass.world.active()?;
    let (previous, from) = pass.source(active);
    let target = pass.world.target();
    let right = target.filter(|it| !it.inherited).and_then(|it| it.intact.as_ref());
    let right = right.is_some_and(|it| it.revision == active.revision && it.from == from);
    let writable = target.is_none_or(|it| it.ours && !it.immutable && !it.terminating);
    if right || !writable || pass.held_back(StepKind::Publish).is_some() || pass.repair_due().is_some() {
        return None;
    }
    pass.step(Step::Publish { revision: active.revision, previous, from }, Reason::Publishing)
}

fn waits_to_be_published<'a>(pass: &Pass<'a>) -> Option<&'a Revision> {
    let newest = pass.document()?.newest_issued()?;
    let there = pass.world.published().is_some_and(|target| target.revision == newest.revision);
    let is_repaired =
        || pass.repair_due().is_some() && pass.world.active().map(|it| it.revision) == Some(newest.revision);
    (!there && newest.dead_at.is_none() && !is_repaired()).then_some(newest)
}

pub(super) fn verify(pass: &Pass<'_>) -> Option<Plan> {
    let newest = waits_to_be_published(pass)?;
    let verified = pass.is_verified(newest);
    if verified || pass.trying_is_held_back(newest) || pass.verify_due(newest)? > pass.now {
        return None;
    }
    if pass.callable(newest).is_none() || !pass.verifies(newest) {
        return None;
    }
    pass.step(Step::Verify { revision: newest.revision }, Reason::Verifying)
}

pub(super) fn publish(pass: &Pass<'_>) -> Option<Plan> {
    let newest = waits_to_be_published(pass)?;
    let verified = pass.is_verified(newest);
    if !verified && (pass.capabilities(newest).is_none() || pass.verifies(newest)) {
        return None;
    }
    if target_is_taken(pass).is_some() || pass.held_back(StepKind::Publish).is_some() {
        return None;
    }
    let (previous, from) = pass.source(newest);
    pass.step(Step::Publish { revision: newest.revision, previous, from }, Reason::Publishing)
}

/// Returns why the target cannot be written, if it cannot.
pub(super) fn target_is_taken(pass: &Pass<'_>) -> Option<Plan> {
    let target = pass.world.target()?;
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
    let soon = pass.now.later(SignedDuration::from_mins(1));
    let again = Wake::earliest(pass.instants().into_iter().chain([soon]));
    Some(Plan { wake: again, ..pass.rest(reason, message) })
}

pub(super) fn retire(pass: &Pass<'_>) -> Option<Plan> {
    let newest = pass.published()?;
    let older = |it: &&Revision| it.state == State::Issued && it.revision < newest.revision;
    let revisions: Vec<u32> = pass.revisions().filter(older).map(|it| it.revision).collect();
    if revisions.is_empty() {
        return None;
    }
    pass.step(Step::Record(Edit::Retire { revisions }), newest.reason)
}

pub(super) fn try_what_is_published(pass: &Pass<'_>) -> Option<Plan> {
    // If a person has to replace it, a credential that seemed dead may come back: an account that
    // was switched off is switched on.
    let by_hand = |it: &Revision| pass.capabilities(it).is_some_and(|capabilities| capabilities.by_hand);
    let published = pass.published().filter(|it| it.dead_at.is_none() || by_hand(it))?;
    let due = pass.check_due(published) <= pass.now && !pass.trying_is_held_back(published);
    let expired = published.expires_at.is_some_and(|end| end <= pass.now);
    if !due || expired || pass.callable(published).is_none() || !pass.verifies(published) {
        return None;
    }
    pass.step(Step::Verify { revision: published.revision }, Reason::Verifying)
}

/// Notes when `secret.name` was changed. The age of the Secret does not tell: after a change back,
/// the Secret with the present name is older than the one that workloads have moved to.
pub(super) fn note_renaming(pass: &Pass<'_>) -> Option<Plan> {
    pass.renamed_target()?;
    pass.world.published()?;
    let to = pass.world.target()?.name.clone();
    if pass.document()?.renamed.as_ref().is_some_and(|it| it.to == to) {
        return None;
    }
    pass.step(Step::Record(Edit::Rename { to }), Reason::SpecChanged)
}

/// Deletes the Secret of an earlier `secret.name` after the overlap, so that workloads can be moved
/// to the new one, but no later than the end of the credential in it.
pub(super) fn remove_renamed_target(pass: &Pass<'_>) -> Option<Plan> {
    let newest = pass.published()?;
    let old = pass.renamed_target()?;
    let held = old.intact.as_ref().and_then(|it| pass.document()?.revision(it.revision));
    let ends = held.is_some_and(|it| pass.revoke_at(it, newest).is_some_and(|at| at <= pass.now));
    if !ends && pass.renaming_is_over(old)? > pass.now {
        return None;
    }
    pass.step(Step::DeleteTarget { name: old.name.clone() }, Reason::Publishing)
}
