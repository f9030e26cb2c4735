//! Deletion without a ledger: the object is terminating or deleted, and there is no ledger that can
//! be used to revoke its credentials, or none that can be written. The credentials in the ledger,
//! its copy or status are recorded, so that the object can be deleted and nothing is forgotten.

use jiff::SignedDuration;

use crate::{
    api::{AbandonedKind, CredentialStatus, Reason, ledger_name},
    lifecycle::{
        decide::{
            facts::Facts,
            inherit::foreign,
            recovery::{self, is_over},
        },
        model::{
            Abandonment, Document, Inheritance, LedgerView, Moved, Plan, Revision, State, Step, to_second,
        },
        rules::abandoned::record_name,
    },
};

use super::{
    giving_up::{abandon, deadline, ending_since},
    lives_on, release_target, retains,
};

/// The reason for putting on record the credentials that a copy lists.
const NO_LEDGER: &str = "its ledger was deleted and could not be recreated";

/// The shortest time of refusals after which a ledger counts as not writable: a role or a policy
/// may just be being changed.
const REFUSED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// The object is being deleted and its ledger cannot be had.
pub(in crate::lifecycle) fn check(facts: &Facts<'_>) -> Option<Plan> {
    if !facts.world.deleting() || !facts.world.object_is_held() {
        return None;
    }
    match &facts.world.ledger {
        LedgerView::Present { .. } => None,
        LedgerView::Unreadable { why, .. } => by_status(facts, why),
        LedgerView::Absent => by_copy(facts).or_else(|| {
            let why = format!("the ledger {} is gone", ledger_name(&facts.world.subject.name));
            by_status(facts, &why)
        }),
    }
}

/// Returns whether the deletion continues without the ledger, because the API server refuses to
/// write it and the deadline has passed: it is immutable, or a policy refuses it. It cannot be used
/// to revoke, since each revocation begins with a write.
///
/// The deadline is counted from the deletion, so that a restart does not extend it. Only a ledger
/// whose object was deleted by force, and which cannot say when, is given the whole time again.
pub(in crate::lifecycle) fn ledger_is_given_up(facts: &Facts<'_>) -> bool {
    let LedgerView::Present { document, held: true, .. } = &facts.world.ledger else { return false };
    let Some(since) = facts.world.memory.unwritable.filter(|_| facts.world.is_ending() && !document.closed)
    else {
        return false;
    };
    let own = facts.world.deleting() && document.object_uid == facts.world.object_uid();
    let longest = facts.world.operator.revocation_deadline;
    let dated = own || ending_since(facts).is_some();
    let deadline = if dated { deadline(facts) } else { since.later(longest) };
    deadline.max(since.later(REFUSED_FOR.min(longest))) <= facts.now
}

/// The ledger cannot be written: its credentials are recorded first, and then the finalizer of the
/// object is removed, or that of the ledger of a deleted object.
pub(in crate::lifecycle) fn unwritable(facts: &Facts<'_>) -> Option<Plan> {
    let document = facts.document().filter(|_| ledger_is_given_up(facts))?;
    let own = document.object_uid == facts.world.object_uid() && facts.object().is_some();
    let retain = retains(facts.world);
    let borrowed =
        foreign(&facts.world.ledger, &facts.world.operator.cluster_id) == Some(Inheritance::Borrowed);
    let recorded = || {
        let published = facts.world.active().filter(|_| own).map(|it| it.revision);
        let why = "its ledger could not be written, so it could not be revoked";
        put_on_record(facts, document, (retain, published), why)
    };
    let record = if borrowed || facts.world.uninstalling { None } else { recorded() };
    record.or_else(|| release_target(facts, retain && own)).or_else(|| {
        let held = own && facts.world.object_is_held();
        Some(Plan::act(if held { Step::ReleaseObject } else { Step::ReleaseLedger }, Reason::Deleting))
    })
}

/// The ledger was being recreated. If that is not possible any more, as in a terminating namespace,
/// its copy says which credentials it listed.
fn by_copy(facts: &Facts<'_>) -> Option<Plan> {
    let copied = facts.world.copied();
    if copied.is_some() && facts.world.memory.unrecoverable.is_none() {
        return Some(Plan::act(Step::RestoreLedger, Reason::LedgerRebuilt));
    }
    let published = facts.object().and_then(|object| object.status.as_ref()?.revision);
    copied
        .and_then(|document| put_on_record(facts, document, (retains(facts.world), published), NO_LEDGER))
        .or_else(|| remove_copy(facts))
}

/// The object was deleted, too.
pub(super) fn only_a_copy(facts: &Facts<'_>) -> Option<Plan> {
    let copied = facts.world.copied();
    copied
        .and_then(|document| put_on_record(facts, document, (retains(facts.world), None), NO_LEDGER))
        .or_else(|| remove_copy(facts))
}

fn remove_copy(facts: &Facts<'_>) -> Option<Plan> {
    facts.world.copy.as_ref().map(|_| Plan::act(Step::RemoveCopy, Reason::Deleting))
}

/// Returns the next credential in a ledger or its copy. The retained one is the one that is known
/// to be published, or the newest that can be used.
fn put_on_record(
    facts: &Facts<'_>,
    document: &Document,
    (retain, published): (bool, Option<u32>),
    why: &str,
) -> Option<Plan> {
    let usable = |it: &&Revision| it.state.is_usable();
    let newest = || document.revisions.iter().rev().find(usable);
    let published = published.and_then(|number| document.revision(number)).filter(usable);
    let kept = published.or_else(newest).filter(|_| retain);
    let left = |it: &&Revision| {
        it.state.may_be_alive()
            && !lives_on(it, kept)
            && document.inheritance(it.revision) != Some(Inheritance::Borrowed)
            && !facts.world.memory.abandoned.contains(&it.revision)
    };
    let it = document.revisions.iter().find(left)?;
    let kind = match it.state {
        State::Intended | State::Unconfirmed => AbandonedKind::Unconfirmed,
        _ => AbandonedKind::NotRevoked,
    };
    Some(abandon(facts, it, kind, why.to_owned()))
}

/// Waits until the deadline for the ledger to be restored or rebuilt, and then records the
/// credentials in status.
fn by_status(facts: &Facts<'_>, why: &str) -> Option<Plan> {
    let (object, at) = (facts.object()?, deadline(facts));
    let status = object.status.clone().unwrap_or_default();
    let retain = retains(facts.world);
    let left = |it: &&CredentialStatus| {
        let kept = retain && Some(it.revision) == status.revision;
        !is_over(it) && !kept && !facts.world.memory.abandoned.contains(&it.revision)
    };
    let next = status.credentials.iter().find(left).filter(|_| !facts.world.uninstalling);
    let lost = matches!(facts.world.ledger, LedgerView::Absent);
    if at > facts.now && !(lost && next.is_none()) {
        let message = format!(
            "{why}. Credwright waits for it until {}. Then AbandonedCredentials record the credentials in \
             status, and this object is deleted",
            to_second(at)
        );
        let again = recovery::lost_ledger(facts).filter(|plan| lost && plan.step().is_some());
        return again.or_else(|| Some(Plan::rest_until(at, Reason::LedgerUnreadable, message)));
    }
    if let Some(it) = next {
        let abandonment = Abandonment {
            record: record_name(&facts.world.tag(), it.revision),
            revision: it.revision,
            kind: AbandonedKind::NotRevoked,
            name: it.name.clone(),
            client_id: it.client_id.clone(),
            secret_id: it.id.clone(),
            ids: Default::default(),
            parameters: it.parameters.clone(),
            account: recovery::made_at(facts, object, it),
            expires_at: it.expires_at,
            why: why.to_owned(),
            action: None,
        };
        return Some(Plan::act(Step::Abandon(Box::new(abandonment)), Reason::Abandoned));
    }
    release_target(facts, retain).or_else(|| Some(Plan::act(Step::ReleaseObject, Reason::Deleting)))
}
