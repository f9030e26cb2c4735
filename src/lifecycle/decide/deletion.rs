//! The end of credentials, and of their object.
//!
//! The way of a deletion, from top to bottom: what works is to be revoked, lost responses are
//! settled, credentials are revoked one by one, and the ledger is closed. Then the object is
//! released, and its ledger after it. Deletion always finishes: `giving_up` records what cannot be
//! revoked, and `without_ledger` is for a ledger that cannot be had.

pub(super) mod giving_up;
pub(in crate::lifecycle) mod without_ledger;

use jiff::Timestamp;

use crate::{
    api::Reason,
    lifecycle::model::{
        Document, Edit, LedgerView, Plan, ProviderView, Revision, State, Step, StepKind, World, to_second,
    },
};

use super::{facts::Facts, inherit, removal};

/// The object is being deleted.
pub(super) fn check(facts: &Facts<'_>) -> Option<Plan> {
    if !facts.world.deleting() {
        return None;
    }
    let open = facts.document().filter(|document| !document.closed);
    if !facts.world.object_is_held() {
        return released(facts);
    }
    let Some(document) = open else {
        return Some(Plan::act(Step::ReleaseObject, Reason::Deleting));
    };
    let retain = retains(facts.world);
    let newest = || document.revisions.iter().rev().find(|it| it.state.is_usable());
    let kept = facts.world.active().or_else(newest).filter(|_| retain);
    let doomed = doomed(document, kept);
    inherit::leave(facts, &doomed)
        .or_else(|| inherit::leave_to_a_clone(facts, &doomed))
        .or_else(|| all_are_to_be_revoked(doomed))
        // Only now: the Secret shows which revision workloads use, while it is ours.
        .or_else(|| release_target(facts, retain))
        .or_else(|| removal::said_to_be_gone(facts))
        .or_else(|| settle(facts))
        .or_else(|| revoke(facts))
        .or_else(|| end(facts, document, kept))
}

/// Returns all revisions that workloads can use, but not the one that is retained.
fn doomed(document: &Document, kept: Option<&Revision>) -> Vec<u32> {
    let kept = kept.map(|it| it.revision);
    let usable = document.revisions.iter().filter(|it| it.state.is_usable()).map(|it| it.revision);
    usable.filter(|it| Some(*it) != kept).collect()
}

fn all_are_to_be_revoked(doomed: Vec<u32>) -> Option<Plan> {
    (!doomed.is_empty()).then(|| Plan::record(Edit::StartRevoking(doomed), Reason::Deleting))
}

/// The object was deleted or replaced: closes its ledger using only what the ledger says.
fn finish(facts: &Facts<'_>, document: &Document) -> Option<Plan> {
    if retains(facts.world) {
        return Some(Plan::record(Edit::Close, Reason::Deleting));
    }
    let doomed = doomed(document, None);
    let is_undated = || giving_up::ending_since(facts).is_none() && document.living().next().is_some();
    inherit::leave(facts, &doomed)
        .or_else(|| all_are_to_be_revoked(doomed))
        .or_else(|| is_undated().then(|| Plan::record(Edit::Orphan, Reason::Deleting)))
        .or_else(|| settle(facts))
        .or_else(|| revoke(facts))
        .or_else(|| end(facts, document, None))
}

/// The object was deleted. Closes its ledger, except a restored one, which waits for its object to
/// be restored, too.
pub(super) fn without_its_object(facts: &Facts<'_>) -> Option<Plan> {
    if facts.world.subject.object.is_some() {
        return None;
    }
    let rest = || Some(Plan::rest(Reason::Deleting, String::new()));
    match &facts.world.ledger {
        LedgerView::Present { document, held: true, .. } if document.closed => {
            Some(Plan::act(Step::ReleaseLedger, Reason::Deleting))
        }
        LedgerView::Present { document, held: true, terminating, .. } => {
            if inherit::foreign(&facts.world.ledger, &facts.world.operator.cluster_id).is_none() {
                return finish(facts, document);
            }
            let deadline = giving_up::deadline(facts);
            match terminating {
                Some(_) if deadline <= facts.now => Some(Plan::act(Step::ReleaseLedger, Reason::Deleting)),
                Some(_) => Some(Plan::rest_until(deadline, Reason::Deleting, String::new())),
                None => rest(),
            }
        }
        LedgerView::Unreadable { terminating: true, held: true, .. } => {
            Some(Plan::act(Step::DropLedger, Reason::Deleting))
        }
        LedgerView::Absent => without_ledger::only_a_copy(facts).or_else(rest),
        _ => rest(),
    }
}

/// Finishes the ledger of an earlier object with this name before this object gets its own.
pub(super) fn predecessor(facts: &Facts<'_>) -> Option<Plan> {
    let LedgerView::Present { document, held, terminating, .. } = &facts.world.ledger else { return None };
    if !is_of_a_predecessor(facts.world) {
        return None;
    }
    let waiting = || {
        let message =
            "waiting until the credentials of a deleted object with this name are revoked".to_owned();
        Some(Plan::rest(Reason::Deleting, message))
    };
    // A ledger without our finalizer that is not terminating was released in the middle of a
    // deletion, or restored: nobody else removes it.
    match (document.closed, *held || terminating.is_none()) {
        (true, true) => Some(Plan::act(Step::ReleaseLedger, Reason::Deleting)),
        (true, false) => waiting(),
        (false, _) => finish(facts, document).or_else(waiting),
    }
}

/// Returns whether the ledger is that of an earlier object with this name. A restored one is
/// inherited instead.
pub(in crate::lifecycle) fn is_of_a_predecessor(world: &World) -> bool {
    let restored = inherit::foreign(&world.ledger, &world.operator.cluster_id).is_some();
    world.document().is_some_and(|it| it.object_uid != world.object_uid() && (it.closed || !restored))
}

/// Returns whether the credential that workloads use is retained: somebody asks for it, and the
/// owner of a shared provider allows it.
pub(in crate::lifecycle) fn retains(world: &World) -> bool {
    let may = |document: &Document| {
        // Dead or not, the last one decides: the answer must not change during a deletion.
        let last = document.revisions.iter().rev().find(|it| it.issued_at.is_some());
        let usable = document.revisions.iter().filter(|it| it.state.is_usable());
        usable.chain(last).all(|it| may_be_retained(world, it))
    };
    world.uninstalling || is_asked_to_retain(world) && world.document().or(world.copied()).is_none_or(may)
}

/// Returns whether the owner of the provider lets a credential outlive its object. If the owner's
/// rules are not known, nothing could be revoked either.
fn may_be_retained(world: &World, it: &Revision) -> bool {
    let provider = world.provider(&it.account).and_then(ProviderView::usable);
    provider.and_then(|provider| provider.allow.as_ref()).is_none_or(|allow| allow.retain)
}

fn is_asked_to_retain(world: &World) -> bool {
    let own = |document: &&Document| document.object_uid != world.object_uid();
    let record = world.document().or(world.copied()).filter(|it| world.subject.object.is_none() || own(it));
    if let Some(document) = record {
        return document.deletion_policy.retains();
    }
    let Some(object) = &world.subject.object else { return false };
    // After an orphaning deletion, the garbage collector removes the owner and then its own
    // finalizer, maybe before our pass.
    let orphaned = object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == "orphan")
        || matches!(world.ledger, LedgerView::Present { owned: false, .. });
    object.spec.deletion_policy.retains() || orphaned
}

fn release_target(facts: &Facts<'_>, retain: bool) -> Option<Plan> {
    let target = facts.world.targets.iter().find(|target| retain && target.ours)?;
    Some(Plan::act(Step::ReleaseTarget { name: target.name.clone() }, Reason::Deleting))
}

/// Our part is done. The ledger does not wait for the object: with foreground deletion, an object
/// waits for dependents whose owner reference has `blockOwnerDeletion`. Ours have not, but others
/// may have added it.
fn released(facts: &Facts<'_>) -> Option<Plan> {
    match &facts.world.ledger {
        LedgerView::Present { document, held: true, .. } if document.closed => {
            Some(Plan::act(Step::ReleaseLedger, Reason::Deleting))
        }
        _ => Some(Plan::rest(Reason::Deleting, "waiting for other finalizers".to_owned())),
    }
}

/// Waits for revisions that may still be revoked, gives up the others, and closes the ledger when
/// it accounts for nothing any more.
fn end(facts: &Facts<'_>, document: &Document, kept: Option<&Revision>) -> Option<Plan> {
    let until = |it: &Revision| giving_up::deadline_of(facts, it);
    let left: Vec<&Revision> =
        document.revisions.iter().filter(|it| it.state.may_be_alive() && !lives_on(it, kept)).collect();
    // With the CRDs deleted, a record cannot be created; `conclude` publishes an Event when the
    // ledger is closed.
    let told = |it: &&&Revision| facts.world.uninstalling && until(it) <= facts.now;
    let Some(first) = left.iter().find(|it| !told(it)) else {
        return Some(Plan::record(Edit::Close, Reason::Deleting));
    };
    let given_up = || left.iter().find_map(|it| giving_up::give_up(facts, it));
    if let Some(plan) = if facts.world.uninstalling { None } else { given_up() } {
        return Some(plan);
    }
    let next = left.iter().map(|it| until(it)).filter(|at| *at > facts.now).min();
    let failed = facts.failed(StepKind::Revoke).or_else(|| facts.failed(StepKind::Settle));
    let failed = failed.map(|failure| failure.message.as_str());
    let why = facts.suspicion(first).or(failed).map(|why| format!(": {why}")).unwrap_or_default();
    let by = next.unwrap_or(Timestamp::MAX);
    let message = format!(
        "waiting for {} to be revoked{why}. If it cannot be revoked by {}, an AbandonedCredential records \
         it and this object is deleted",
        first.name,
        to_second(by)
    );
    Some(Plan::rest_until(by, Reason::Deleting, message))
}

/// Returns whether this revision is retained: it is the kept one, or the same client. A client
/// lives and ends with its only secret, which a person may have replaced.
fn lives_on(it: &Revision, kept: Option<&Revision>) -> bool {
    kept.is_some_and(|kept| kept.revision == it.revision || it.is_same_as(kept))
}

/// Searches for the credential of a lost response.
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
        return Some(Plan::record(Edit::Unconfirm(revision), Reason::Unconfirmed));
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

/// A retired credential is to be revoked once its overlap is over.
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
    Some(Plan::record(Edit::StartRevoking(revisions), Reason::Revoked))
}

/// Revokes one of the credentials that wait for it.
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
