//! The end of credentials: lost responses are settled, and retired credentials are revoked.

use crate::{
    api::Reason,
    lifecycle::model::{Edit, Plan, Revision, State, Step, StepKind},
};

use super::{facts::Facts, inherit};

pub(super) fn settle(facts: &Facts<'_>) -> Option<Plan> {
    let open = |it: &&Revision| matches!(it.state, State::Intended | State::Unconfirmed);
    let due = |it: &&Revision| facts.settle_due(it).is_some_and(|at| at <= facts.now);
    let (listed, unlisted): (Vec<&Revision>, Vec<&Revision>) = facts
        .revisions()
        .filter(open)
        .filter(due)
        .filter(|it| facts.is_ours_to_end(it))
        .partition(|it| facts.capabilities(it).is_some_and(|it| it.can_list()));
    if let Some(revision) = unlisted.first().map(|it| it.revision) {
        return Some(Plan::act(Step::Record(Edit::Unconfirm { revision }), Reason::Unconfirmed));
    }
    if facts.held_back(StepKind::Settle).is_some() {
        return None;
    }
    // A login that was swapped shows a list in which nothing of ours is.
    let can_be = |it: &&Revision| facts.callable(it).is_some() && facts.suspicion(it).is_none();
    let callable: Vec<&Revision> = listed.into_iter().filter(can_be).collect();
    let revision = facts.in_turn(StepKind::Settle, &callable)?.revision;
    Some(Plan::act(Step::Settle { revision }, Reason::Unconfirmed))
}

pub(super) fn start_revoking(facts: &Facts<'_>) -> Option<Plan> {
    let newest = facts.published()?;
    let due = |it: &&Revision| {
        it.state == State::Retiring
            && facts.suspicion(it).is_none()
            && facts.revoke_at(it, newest).is_some_and(|revoke_at| revoke_at <= facts.now)
    };
    let over: Vec<&Revision> = facts.revisions().filter(due).collect();
    let revisions: Vec<u32> = over.iter().map(|it| it.revision).collect();
    if let Some(left) = inherit::leave(facts, &revisions) {
        return Some(left);
    }
    let revisions: Vec<u32> =
        over.iter().filter(|it| facts.is_ours_to_end(it)).map(|it| it.revision).collect();
    if revisions.is_empty() {
        return None;
    }
    Some(Plan::act(Step::Record(Edit::StartRevoking { revisions }), Reason::Revoked))
}

pub(super) fn revoke(facts: &Facts<'_>) -> Option<Plan> {
    revoke_one(facts, |_| true)
}

/// Revokes one of the credentials that wait for it and for which `is` is true.
pub(super) fn revoke_one(facts: &Facts<'_>, is: impl Fn(&Revision) -> bool) -> Option<Plan> {
    let can_be = |it: &&Revision| {
        let callable = facts.callable(it);
        !facts.revoking_is_held_back(it)
            && callable.is_some_and(|provider| provider.capabilities.revokes(it))
            && facts.is_ours_to_end(it)
            && facts.suspicion(it).is_none()
    };
    let doomed: Vec<&Revision> =
        facts.revisions().filter(|it| it.state == State::Revoking && is(it)).filter(can_be).collect();
    let revision = facts.in_turn(StepKind::Revoke, &doomed)?.revision;
    Some(Plan::act(Step::Revoke { revision }, Reason::Revoked))
}
