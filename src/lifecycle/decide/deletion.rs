//! Deletion always finishes: revokes what can be revoked, records the rest once the deadline has
//! passed, and then lets the object be deleted.

pub(in crate::lifecycle) mod without_ledger;

use jiff::Timestamp;

use crate::{
    api::{AbandonedKind, Reason},
    lifecycle::{
        model::{
            Abandonment, Document, Edit, FailureKind, FailureRecord, LONGEST_CALL, LedgerView, Moved, Plan,
            Revision, State, Step, StepKind, World, to_second,
        },
        rules::{
            abandoned::{record_name, to_do},
            schedule::settle_from,
        },
    },
};

use super::{facts::Facts, inherit, permitted, removal, revoke};

/// The number of refusals to list after which a lost response is given up.
const REFUSALS: u32 = 3;
/// The number of unreliable lists after which a lost response is given up.
const UNRELIABLE: u32 = 4;

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
    let usable = |it: &&Revision| it.state.is_usable() && Some(it.revision) != kept.map(|it| it.revision);
    let doomed: Vec<u32> = document.revisions.iter().filter(usable).map(|it| it.revision).collect();
    if let Some(left) = inherit::leave(facts, &doomed).or_else(|| inherit::leave_to_a_clone(facts, &doomed)) {
        return Some(left);
    }
    if !doomed.is_empty() {
        return Some(Plan::act(Step::Record(Edit::StartRevoking { revisions: doomed }), Reason::Deleting));
    }
    // Only now: the Secret shows which revision workloads use, while it is ours.
    if let Some(plan) = release_target(facts, retain) {
        return Some(plan);
    }
    removal::said_to_be_gone(facts)
        .or_else(|| revoke::settle(facts))
        .or_else(|| revoke::revoke(facts))
        .or_else(|| end(facts, document, kept))
}

/// The object was deleted or replaced: closes its ledger using only what the ledger says.
fn finish(facts: &Facts<'_>, document: &Document) -> Option<Plan> {
    let usable = |it: &&Revision| it.state.is_usable();
    let doomed: Vec<u32> = document.revisions.iter().filter(usable).map(|it| it.revision).collect();
    if retains(facts.world) {
        return Some(Plan::act(Step::Record(Edit::Close), Reason::Deleting));
    }
    if let Some(left) = inherit::leave(facts, &doomed) {
        return Some(left);
    }
    if !doomed.is_empty() {
        return Some(Plan::act(Step::Record(Edit::StartRevoking { revisions: doomed }), Reason::Deleting));
    }
    if ending_since(facts).is_none() && document.living().next().is_some() {
        return Some(Plan::act(Step::Record(Edit::Orphan), Reason::Deleting));
    }
    revoke::settle(facts).or_else(|| revoke::revoke(facts)).or_else(|| end(facts, document, None))
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
            let deadline = deadline(facts);
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
        usable.chain(last).all(|it| permitted::may_retain(world, it))
    };
    world.uninstalling || is_asked_to_retain(world) && world.document().or(world.copied()).is_none_or(may)
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

/// Our part is done. With foreground deletion, the object is deleted only after its dependents, so
/// its ledger must not wait for it.
fn released(facts: &Facts<'_>) -> Option<Plan> {
    match &facts.world.ledger {
        LedgerView::Present { document, held: true, .. }
            if document.closed && document.object_uid == facts.world.object_uid() =>
        {
            Some(Plan::act(Step::ReleaseLedger, Reason::Deleting))
        }
        _ => Some(Plan::rest(Reason::Deleting, "waiting for other finalizers".to_owned())),
    }
}

/// Waits for revisions that may still be revoked, gives up the others, and closes the ledger when
/// it accounts for nothing any more.
fn end(facts: &Facts<'_>, document: &Document, kept: Option<&Revision>) -> Option<Plan> {
    let left: Vec<&Revision> =
        document.revisions.iter().filter(|it| it.state.may_be_alive() && !lives_on(it, kept)).collect();
    // With the CRDs deleted, a record cannot be created; `conclude` publishes an Event when the
    // ledger is closed.
    let told = |it: &&&Revision| facts.world.uninstalling && until(facts, it) <= facts.now;
    let Some(first) = left.iter().find(|it| !told(it)) else {
        return Some(Plan::act(Step::Record(Edit::Close), Reason::Deleting));
    };
    if !facts.world.uninstalling
        && let Some(abandonment) = left.iter().find_map(|it| give_up(facts, it))
    {
        return Some(Plan::act(Step::Abandon(Box::new(abandonment)), Reason::Abandoned));
    }
    let next = left.iter().map(|it| until(facts, it)).filter(|at| *at > facts.now).min();
    let failed =
        document.failures.get(&StepKind::Revoke).or_else(|| document.failures.get(&StepKind::Settle));
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

/// Returns whether this revision is retained: it is the kept one, or shares its client ID. A
/// recreated secret of the same client lives and ends with it.
fn lives_on(it: &Revision, kept: Option<&Revision>) -> bool {
    kept.is_some_and(|kept| {
        let same = || kept.client_id.as_deref().is_some_and(|client| it.is_client(client, &kept.account));
        kept.revision == it.revision || same()
    })
}

/// Returns the deadline of the object's deletion.
fn deadline(facts: &Facts<'_>) -> Timestamp {
    let object = facts.object().filter(|_| !is_of_a_predecessor(facts.world));
    let of_object = object.and_then(|object| object.metadata.deletion_timestamp.as_ref()).map(|it| it.0);
    let since = of_object.or_else(|| ending_since(facts)).unwrap_or(facts.now);
    let deadline = since.later(facts.world.operator.revocation_deadline);
    if waits_for_a_first_look(facts) { deadline.max(first_look_by(facts)) } else { deadline }
}

/// Returns whether a provider that is needed exists and this process has not checked it yet. A
/// process that starts after the deadline has tried nothing: it must not give up a credential that
/// one call would revoke.
fn waits_for_a_first_look(facts: &Facts<'_>) -> bool {
    let made_there = |it: &Revision| it.state.may_be_alive() && facts.world.provider(&it.account).is_none();
    let wanted = facts.object().is_some() && facts.world.desired_provider().is_none();
    wanted || facts.revisions().any(made_there)
}

/// Returns the time by which this process has checked every provider that answers.
fn first_look_by(facts: &Facts<'_>) -> Timestamp {
    facts.world.operator.started.later(LONGEST_CALL)
}

/// Returns when finishing the ledger without its object began. Not when it was last written: each
/// failed attempt writes it.
fn ending_since(facts: &Facts<'_>) -> Option<Timestamp> {
    match &facts.world.ledger {
        LedgerView::Present { terminating, document, .. } => {
            [*terminating, document.orphaned_at].into_iter().flatten().min()
        }
        _ => None,
    }
}

/// Returns the deadline for one revision: never less than the time that a call in progress can
/// take.
fn until(facts: &Facts<'_>, it: &Revision) -> Timestamp {
    let deadline = deadline(facts);
    if it.state == State::Intended { deadline.max(it.intent.call_by.later(LONGEST_CALL)) } else { deadline }
}

fn give_up(facts: &Facts<'_>, it: &Revision) -> Option<Abandonment> {
    let late = until(facts, it) <= facts.now;
    let failed = |step| facts.document().and_then(|it| it.failures.get(&step));
    let (kind, why) = match it.state {
        State::Revoking => (AbandonedKind::NotRevoked, why(facts, it, late, failed(StepKind::Revoke))?),
        State::Intended | State::Unconfirmed => {
            let why =
                cannot_be_confirmed(facts, it).or_else(|| why(facts, it, late, failed(StepKind::Settle)))?;
            (AbandonedKind::Unconfirmed, why)
        }
        _ => return None,
    };
    Some(abandonment(facts, it, kind, why))
}

/// Returns why a revision is given up: at once if the provider cannot revoke at all, and otherwise
/// when the deadline has passed.
fn why(facts: &Facts<'_>, it: &Revision, late: bool, failed: Option<&FailureRecord>) -> Option<String> {
    if it.state == State::Revoking && facts.capabilities(it).is_some_and(|able| !able.revokes(it)) {
        return Some("the provider has no call that revokes".to_owned());
    }
    if !late {
        return None;
    }
    let unusable = match facts.world.provider(&it.account) {
        Some(view) => view.why_not_callable(),
        None => Some(format!("{:?} {} did not answer", it.account.kind, it.account.name)),
    };
    let failed = failed.map(|record| record.message.clone());
    Some(
        unusable
            .or(failed)
            .unwrap_or_else(|| "the deadline passed before the revocation could be tried".to_owned()),
    )
}

/// Returns why an unanswered create can never be looked for, if that is so.
fn cannot_be_confirmed(facts: &Facts<'_>, it: &Revision) -> Option<String> {
    let capabilities = facts.capabilities(it);
    match it.state {
        State::Unconfirmed if capabilities.is_some_and(|it| !it.can_list()) => {
            return Some(
                "the response to its create request was lost, and the provider cannot list its credentials"
                    .to_owned(),
            );
        }
        State::Unconfirmed => {}
        // Its caller has ended without an answer: it is searched as well, once nothing can arrive
        // any more.
        State::Intended if capabilities.is_some_and(|able| settle_from(it, able) <= facts.now) => {}
        _ => return None,
    }
    let document = facts.document()?;
    let refused = document.failures.get(&StepKind::Settle).filter(|record| {
        let enough = match record.kind {
            Some(FailureKind::Forbidden | FailureKind::Rejected) => REFUSALS,
            Some(FailureKind::Malformed) => UNRELIABLE,
            _ => u32::MAX,
        };
        record.revision.and_then(|it| document.revision(it)).is_some_and(|of| of.account == it.account)
            && record.count >= enough
    })?;
    Some(format!(
        "the response to its create request was lost, and the provider's list is not reliable: {}",
        refused.message
    ))
}

/// Records a credential that can never be confirmed, outside deletion, too, so that the ledger does
/// not list it for ever.
pub(super) fn never_confirmed(facts: &Facts<'_>) -> Option<Plan> {
    let (it, why) = facts.revisions().find_map(|it| Some((it, cannot_be_confirmed(facts, it)?)))?;
    let abandonment = abandonment(facts, it, AbandonedKind::Unconfirmed, why);
    Some(Plan::act(Step::Abandon(Box::new(abandonment)), Reason::Abandoned))
}

/// Returns why something that waits to be revoked has not been.
pub(super) fn why_not_revoked(facts: &Facts<'_>, it: &Revision) -> String {
    let failed = facts.document().and_then(|document| document.failures.get(&StepKind::Revoke));
    why(facts, it, true, failed).unwrap_or_default()
}

/// The record of something that is not revoked.
pub(super) fn not_revoked(facts: &Facts<'_>, it: &Revision, why: String) -> Abandonment {
    abandonment(facts, it, AbandonedKind::NotRevoked, why)
}

fn abandonment(facts: &Facts<'_>, it: &Revision, kind: AbandonedKind, why: String) -> Abandonment {
    Abandonment {
        record: record_name(&facts.world.tag(), it.revision),
        revision: it.revision,
        kind,
        name: it.name.clone(),
        client_id: it.client_id.clone(),
        ids: it.ids.clone(),
        account: it.account.clone(),
        expires_at: it.expires_at,
        why,
        action: facts.capabilities(it).and_then(|capabilities| to_do(kind, capabilities)),
    }
}
