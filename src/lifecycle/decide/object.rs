//! The object itself: whether it is suspended, has our finalizer, and names another policy.

use crate::{
    api::Reason,
    lifecycle::model::{
        ledger::Edit,
        plan::{Plan, Step},
        time::to_second,
    },
};

use super::{facts::Facts, permitted, recovery, waiting};

pub(super) fn suspended(facts: &Facts<'_>) -> Option<Plan> {
    if !facts.object()?.spec.suspend {
        return None;
    }
    // A restored object has lost its finalizer. It needs one: nothing would be revoked when it is
    // deleted.
    if !facts.world.object_is_held() && facts.document().is_some_and(|it| it.living().next().is_some()) {
        return Some(Plan::act(Step::HoldObject, Reason::Suspended));
    }
    // It has to open whenever the object goes on, or goes.
    if let Some(plan) = recovery::outdated_ledger(facts) {
        return Some(plan);
    }
    let ends =
        facts.revisions().filter_map(|it| permitted::end(facts, it)).filter(|end| *end > facts.now).min();
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
    Some(Plan::rest(Reason::Suspended, message))
}

pub(super) fn not_held(facts: &Facts<'_>) -> Option<Plan> {
    if facts.world.object_is_held() {
        return None;
    }
    if let Some((_, provider)) = facts.world.provider_of_new()
        && provider.busy.is_some()
    {
        return waiting::paused(provider);
    }
    Some(Plan::act(Step::HoldObject, Reason::FirstIssue))
}

/// The ledger outlives the object whose finalizer was forced off, and then its own record of the
/// policy counts: it has to be that of today.
pub(super) fn note_policy(facts: &Facts<'_>) -> Option<Plan> {
    let policy = facts.object()?.spec.deletion_policy;
    if facts.document()?.deletion_policy == policy {
        return None;
    }
    Some(Plan::act(Step::Record(Edit::Policy { policy }), Reason::SpecChanged))
}
