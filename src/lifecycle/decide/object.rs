//! The object itself: whether it is suspended, has our finalizer, and names another policy.

use crate::{
    api::Reason,
    lifecycle::model::{
        ledger::Edit,
        plan::{Plan, Step},
        time::to_second,
    },
};

use super::{facts::Pass, permitted, recovery};

pub(super) fn suspended(pass: &Pass<'_>) -> Option<Plan> {
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

pub(super) fn not_held(pass: &Pass<'_>) -> Option<Plan> {
    if pass.world.object_is_held() { None } else { pass.step(Step::HoldObject, Reason::FirstIssue) }
}

/// The ledger outlives the object whose finalizer was forced off, and then its own record of the
/// policy counts: it has to be that of today.
pub(super) fn note_policy(pass: &Pass<'_>) -> Option<Plan> {
    let policy = pass.object()?.spec.deletion_policy;
    if pass.document()?.deletion_policy == policy {
        return None;
    }
    pass.step(Step::Record(Edit::Policy { policy }), Reason::SpecChanged)
}
