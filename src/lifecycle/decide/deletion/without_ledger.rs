//! Deletion without a ledger: the object is terminating or deleted, and there is no ledger that can
//! be used to revoke its credentials, or none that can be written. The credentials in the ledger,
//! its copy or status are recorded, so that the object can be deleted and nothing is forgotten.

use crate::{
    api::{AbandonedKind, CredentialStatus, Reason, ledger_name},
    lifecycle::{
        decide::{
            facts::Pass,
            inherit::foreign,
            recovery::{self, is_over},
        },
        model::{
            ledger::{Document, Inheritance, Revision, State},
            plan::{Abandonment, Plan, Step},
            time::{Moved, to_second},
            world::LedgerView,
        },
        rules::abandoned::record_name,
    },
};

use super::{abandonment, deadline, lives_on, release_target, retains};

/// The reason for putting on record the credentials that a copy lists.
const NO_LEDGER: &str = "its ledger was deleted and could not be recreated";

/// The object is being deleted and its ledger cannot be had.
pub(in crate::lifecycle) fn check(pass: &Pass<'_>) -> Option<Plan> {
    if !pass.world.deleting() || !pass.world.object_is_held() {
        return None;
    }
    match &pass.world.ledger {
        LedgerView::Present { .. } => None,
        LedgerView::Unreadable { why, .. } => by_status(pass, why),
        LedgerView::Absent => by_copy(pass).or_else(|| {
            let why = format!("the ledger {} is gone", ledger_name(&pass.world.subject.name));
            by_status(pass, &why)
        }),
    }
}

/// Returns whether the deletion continues without the ledger, because the API server has refused to
/// write it for the length of the deadline: it is immutable, or a policy refuses it. It cannot be
/// used to revoke, since each revocation begins with a write.
pub(in crate::lifecycle) fn ledger_is_given_up(pass: &Pass<'_>) -> bool {
    let LedgerView::Present { document, held: true, .. } = &pass.world.ledger else { return false };
    let Some(since) = pass.world.memory.unwritable.filter(|_| pass.world.is_ending() && !document.closed)
    else {
        return false;
    };
    let own = pass.world.deleting() && document.object_uid == pass.world.object_uid();
    let of_object = if own { deadline(pass) } else { since };
    of_object.max(since.later(pass.world.operator.revocation_deadline)) <= pass.now
}

/// The ledger cannot be written: its credentials are recorded first, and then the finalizer of the
/// object is removed, or that of the ledger of a deleted object.
pub(in crate::lifecycle) fn unwritable(pass: &Pass<'_>) -> Option<Plan> {
    let document = pass.document().filter(|_| ledger_is_given_up(pass))?;
    let own = document.object_uid == pass.world.object_uid() && pass.object().is_some();
    let retain = retains(pass.world);
    let borrowed =
        foreign(&pass.world.ledger, &pass.world.operator.cluster_id) == Some(Inheritance::Borrowed);
    let recorded = || {
        let published = pass.world.active().filter(|_| own).map(|it| it.revision);
        let why = "its ledger could not be written, so it could not be revoked";
        put_on_record(pass, document, (retain, published), why)
    };
    let record = if borrowed || pass.world.uninstalling { None } else { recorded() };
    record.or_else(|| release_target(pass, retain && own)).or_else(|| {
        let held = own && pass.world.object_is_held();
        pass.step(if held { Step::ReleaseObject } else { Step::ReleaseLedger }, Reason::Deleting)
    })
}

/// The ledger was being recreated. If that is not possible any more, as in a terminating namespace,
/// its copy says which credentials it listed.
fn by_copy(pass: &Pass<'_>) -> Option<Plan> {
    let copied = pass.world.copied();
    if copied.is_some() && pass.world.memory.unrecoverable.is_none() {
        return pass.step(Step::RestoreLedger, Reason::LedgerRebuilt);
    }
    let published = pass.object().and_then(|object| object.status.as_ref()?.revision);
    copied
        .and_then(|document| put_on_record(pass, document, (retains(pass.world), published), NO_LEDGER))
        .or_else(|| remove_copy(pass))
}

/// The object was deleted, too.
pub(super) fn only_a_copy(pass: &Pass<'_>) -> Option<Plan> {
    let copied = pass.world.copied();
    copied
        .and_then(|document| put_on_record(pass, document, (retains(pass.world), None), NO_LEDGER))
        .or_else(|| remove_copy(pass))
}

fn remove_copy(pass: &Pass<'_>) -> Option<Plan> {
    pass.world.copy.as_ref().and_then(|_| pass.step(Step::RemoveCopy, Reason::Deleting))
}

/// Returns the next credential in a ledger or its copy. The retained one is the one that is known
/// to be published, or the newest that can be used.
fn put_on_record(
    pass: &Pass<'_>,
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
            && !pass.world.memory.abandoned.contains(&it.revision)
    };
    let it = document.revisions.iter().find(left)?;
    let kind = match it.state {
        State::Intended | State::Unconfirmed => AbandonedKind::Unconfirmed,
        _ => AbandonedKind::NotRevoked,
    };
    pass.step(Step::Abandon(Box::new(abandonment(pass, it, kind, why.to_owned()))), Reason::Abandoned)
}

/// Waits until the deadline for the ledger to be restored or rebuilt, and then records the
/// credentials in status.
fn by_status(pass: &Pass<'_>, why: &str) -> Option<Plan> {
    let (object, at) = (pass.object()?, deadline(pass));
    let status = object.status.clone().unwrap_or_default();
    let retain = retains(pass.world);
    let left = |it: &&CredentialStatus| {
        let kept = retain && Some(it.revision) == status.revision;
        !is_over(it) && !kept && !pass.world.memory.abandoned.contains(&it.revision)
    };
    let next = status.credentials.iter().find(left).filter(|_| !pass.world.uninstalling);
    let lost = matches!(pass.world.ledger, LedgerView::Absent);
    if at > pass.now && !(lost && next.is_none()) {
        let message = format!(
            "{why}. Credwright waits for it until {}. Then AbandonedCredentials record the credentials in \
             status, and this object is deleted",
            to_second(at)
        );
        let again = recovery::lost_ledger(pass).filter(|plan| lost && plan.step.is_some());
        return again.or_else(|| Some(pass.rest_until(at, Reason::LedgerUnreadable, message)));
    }
    if let Some(it) = next {
        let abandonment = Abandonment {
            record: record_name(&pass.world.tag(), it.revision),
            revision: it.revision,
            kind: AbandonedKind::NotRevoked,
            name: it.name.clone(),
            client_id: it.client_id.clone(),
            ids: Default::default(),
            account: recovery::made_at(pass, object, it),
            expires_at: it.expires_at,
            why: why.to_owned(),
            action: None,
        };
        return pass.step(Step::Abandon(Box::new(abandonment)), Reason::Abandoned);
    }
    release_target(pass, retain).or_else(|| pass.step(Step::ReleaseObject, Reason::Deleting))
}
