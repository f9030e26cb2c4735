//! The end of credentials: lost responses are settled, and retired credentials are revoked.

use crate::{
    api::Reason,
    lifecycle::model::{
        ledger::{Edit, Revision, State, StepKind},
        plan::{Plan, Step},
    },
};

use super::{facts::Pass, inherit};

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

pub(super) fn start_revoking(pass: &Pass<'_>) -> Option<Plan> {
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
