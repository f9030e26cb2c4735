//! The ordered, named checks. The first that returns a plan wins; read from top to bottom, they are
//! the specification.

use jiff::{SignedDuration, Timestamp};

use crate::api::Reason;

use super::{
    model::{
        ledger::{Edit, Revision, State, StepKind},
        plan::{Plan, Step, Wake},
        time::Moved,
        world::World,
    },
    status::to_second,
};

mod by_hand;
pub mod clock;
pub(super) mod deletion;
pub(super) mod facts;
pub mod growth;
pub mod inherit;
pub(super) mod mint;
pub(super) mod permitted;
pub mod recovery;
pub(super) mod reminders;
pub(super) mod removal;
mod supported;

use self::facts::Pass;

/// Decides the next step. A function: same world, same time, same plan.
#[must_use]
pub fn decide(world: &World, now: Timestamp) -> Plan {
    let pass = Pass { world, now };
    let plan = CHECKS.iter().find_map(|check| check(&pass));
    reminders::with_reminder(&pass, plan.unwrap_or_else(|| pass.rest(Reason::Issued, String::new())))
}

type Check = fn(&Pass<'_>) -> Option<Plan>;

const CHECKS: &[Check] = &[
    recovery::needless_copy,
    deletion::without_ledger::unwritable,
    deletion::without_its_object,
    deletion::without_ledger::check,
    recovery::unreadable_ledger,
    deletion::predecessor,
    clock::check,
    inherit::take_over,
    inherit::claim,
    deletion::check,
    permitted::outlived,
    suspended,
    object_is_not_held,
    recovery::deleted_ledger,
    recovery::outdated_ledger,
    recovery::lost_ledger,
    note_policy,
    follow_the_provider,
    render_what_is_active,
    removal::said_to_be_gone,
    deletion::never_confirmed,
    settle,
    verify,
    publish,
    retire,
    try_what_is_published,
    inherit::identity_clash,
    inherit::strays,
    note_renaming,
    remove_renamed_target,
    start_revoking,
    revoke,
    removal::look,
    growth::hand_over,
    mint::give_up,
    mint::check,
];

fn suspended(pass: &Pass<'_>) -> Option<Plan> {
    if !pass.object()?.spec.suspend {
        return None;
    }
    // A restored object has lost its finalizer. It needs one: nothing would be revoked when it is
    // deleted.
    if !pass.world.object_is_held() && pass.document().is_some_and(|it| it.living().next().is_some()) {
        return pass.step(Step::HoldObject, Reason::Suspended);
    }
    // It has to open whenever the object goes on, or goes.
    if let Some(plan) = recovery::outdated_ledger(pass) {
        return Some(plan);
    }
    let ends = pass.revisions().filter_map(|it| permitted::end(pass, it)).filter(|end| *end > pass.now).min();
    let unless = ends.map(|at| {
        format!(
            ", but a credential of a shared provider is revoked at the end of its life, at {}",
            to_second(at)
        )
    });
    let message = format!(
        "spec.suspend is true: Credwright calls no provider and writes nothing until it is false{}",
        unless.unwrap_or_default()
    );
    Some(pass.rest(Reason::Suspended, message))
}

fn object_is_not_held(pass: &Pass<'_>) -> Option<Plan> {
    if pass.world.object_is_held() { None } else { pass.step(Step::HoldObject, Reason::FirstIssue) }
}

/// The ledger outlives the object whose finalizer was forced off, and then its own record of the
/// policy counts: it has to be that of today.
fn note_policy(pass: &Pass<'_>) -> Option<Plan> {
    let policy = pass.object()?.spec.deletion_policy;
    if pass.document()?.deletion_policy == policy {
        return None;
    }
    pass.step(Step::Record(Edit::Policy { policy }), Reason::SpecChanged)
}

/// Updates the fields beside the pair when the provider's change: endpoints move, and settings
/// change. No credential is made for that.
fn follow_the_provider(pass: &Pass<'_>) -> Option<Plan> {
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

pub(super) fn settle(pass: &Pass<'_>) -> Option<Plan> {
    let open = |it: &&Revision| matches!(it.state, State::Intended | State::Unconfirmed);
    let due = |it: &&Revision| pass.settle_due(it).is_some_and(|at| at <= pass.now);
    let (listed, unlisted): (Vec<&Revision>, Vec<&Revision>) = pass
        .revisions()
        .filter(open)
        .filter(due)
        .filter(|it| pass.is_ours_to_end(it))
        .partition(|it| pass.capabilities(it).is_some_and(|it| it.list));
    if let Some(revision) = unlisted.first().map(|it| it.revision) {
        return pass.step(Step::Record(Edit::Unconfirm { revision }), Reason::Unconfirmed);
    }
    if pass.held_back(StepKind::Settle).is_some() {
        return None;
    }
    // A login that was swapped shows a list in which nothing of ours is.
    let can_be = |it: &&Revision| pass.callable(it).is_some() && pass.suspicion(it).is_none();
    let callable: Vec<&Revision> = listed.into_iter().filter(can_be).collect();
    let revision = pass.in_turn(StepKind::Settle, &callable)?.revision;
    pass.step(Step::Settle { revision }, Reason::Unconfirmed)
}

fn waits_to_be_published<'a>(pass: &Pass<'a>) -> Option<&'a Revision> {
    let newest = pass.document()?.newest_issued()?;
    let there = pass.world.published().is_some_and(|target| target.revision == newest.revision);
    let is_repaired =
        || pass.repair_due().is_some() && pass.world.active().map(|it| it.revision) == Some(newest.revision);
    (!there && newest.dead_at.is_none() && !is_repaired()).then_some(newest)
}

fn verify(pass: &Pass<'_>) -> Option<Plan> {
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

fn publish(pass: &Pass<'_>) -> Option<Plan> {
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

fn retire(pass: &Pass<'_>) -> Option<Plan> {
    let newest = pass.published()?;
    let older = |it: &&Revision| it.state == State::Issued && it.revision < newest.revision;
    let revisions: Vec<u32> = pass.revisions().filter(older).map(|it| it.revision).collect();
    if revisions.is_empty() {
        return None;
    }
    pass.step(Step::Record(Edit::Retire { revisions }), newest.reason)
}

fn start_revoking(pass: &Pass<'_>) -> Option<Plan> {
    let newest = pass.published()?;
    let due = |it: &&Revision| {
        it.state == State::Retiring
            && pass.suspicion(it).is_none()
            && pass.revoke_at(it, newest).is_some_and(|revoke_at| revoke_at <= pass.now)
    };
    let over: Vec<&Revision> = pass.revisions().filter(due).collect();
    let revisions: Vec<u32> = over.iter().map(|it| it.revision).collect();
    if let Some(left) = inherit::leave(pass, &revisions) {
        return Some(left);
    }
    let revisions: Vec<u32> =
        over.iter().filter(|it| pass.is_ours_to_end(it)).map(|it| it.revision).collect();
    if revisions.is_empty() {
        return None;
    }
    pass.step(Step::Record(Edit::StartRevoking { revisions }), Reason::Revoked)
}

pub(super) fn revoke(pass: &Pass<'_>) -> Option<Plan> {
    revoke_one(pass, |_| true)
}

/// Revokes one of the credentials that wait for it and for which `is` is true.
pub(super) fn revoke_one(pass: &Pass<'_>, is: impl Fn(&Revision) -> bool) -> Option<Plan> {
    let can_be = |it: &&Revision| {
        let callable = pass.callable(it);
        !pass.revoking_is_held_back(it)
            && callable.is_some_and(|provider| pass.can_revoke(it, &provider.capabilities))
            && pass.is_ours_to_end(it)
            && pass.suspicion(it).is_none()
    };
    let doomed: Vec<&Revision> =
        pass.revisions().filter(|it| it.state == State::Revoking && is(it)).filter(can_be).collect();
    let revision = pass.in_turn(StepKind::Revoke, &doomed)?.revision;
    pass.step(Step::Revoke { revision }, Reason::Revoked)
}

/// Notes when `secret.name` was changed. The age of the Secret does not tell: after a change back,
/// the Secret with the present name is older than the one that workloads have moved to.
fn note_renaming(pass: &Pass<'_>) -> Option<Plan> {
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
fn remove_renamed_target(pass: &Pass<'_>) -> Option<Plan> {
    let newest = pass.published()?;
    let old = pass.renamed_target()?;
    let held = old.intact.as_ref().and_then(|it| pass.document()?.revision(it.revision));
    let ends = held.is_some_and(|it| pass.revoke_at(it, newest).is_some_and(|at| at <= pass.now));
    if !ends && pass.renaming_is_over(old)? > pass.now {
        return None;
    }
    pass.step(Step::DeleteTarget { name: old.name.clone() }, Reason::Publishing)
}

fn try_what_is_published(pass: &Pass<'_>) -> Option<Plan> {
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
