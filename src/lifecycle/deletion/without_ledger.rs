//! The object is being deleted, or gone, and there is no ledger that its credentials could be revoked by: what a copy of it or
//! status lists is put on record, so that the object goes and nothing is forgotten.

use crate::{
    api::{AbandonedKind, CredentialStatus, DeletionPolicy, Reason, ledger_name},
    lifecycle::{
        abandoned::{Abandonment, record_name},
        ledger::{Document, Inheritance, Revision, State},
        mint::rest_until,
        pass::Pass,
        plan::{Plan, Step},
        status::{is_over, to_second},
        surgery,
        world::LedgerView,
    },
};

use super::{abandonment, deadline, lives_on, release_target, retains};

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

/// The ledger was being made anew. Where that cannot be done any more, as in a namespace that is going, its copy tells what it
/// listed.
fn by_copy(pass: &Pass<'_>) -> Option<Plan> {
    let copied = pass.world.copied();
    if copied.is_some() && pass.world.memory.unrecoverable.is_none() {
        return pass.step(Step::RestoreLedger, Reason::LedgerRebuilt);
    }
    let published = pass.object().and_then(|object| object.status.as_ref()?.revision);
    copied
        .and_then(|document| put_on_record(pass, document, retains(pass.world), published))
        .or_else(|| remove_copy(pass))
}

/// The object is gone, too.
pub(super) fn only_a_copy(pass: &Pass<'_>) -> Option<Plan> {
    let retain = |document: &Document| document.deletion_policy == DeletionPolicy::Retain;
    let copied = pass.world.copied();
    copied
        .and_then(|document| put_on_record(pass, document, retain(document), None))
        .or_else(|| remove_copy(pass))
}

fn remove_copy(pass: &Pass<'_>) -> Option<Plan> {
    pass.world.copy.as_ref().and_then(|_| pass.step(Step::RemoveCopy, Reason::Deleting))
}

/// The next of what a copy lists. What is retained is the one that is known to be published, or the newest that can be used.
fn put_on_record(pass: &Pass<'_>, document: &Document, retain: bool, published: Option<u32>) -> Option<Plan> {
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
    let why = "its ledger was deleted and could not be made anew".to_owned();
    pass.step(Step::Abandon(Box::new(abandonment(pass, it, kind, why))), Reason::Abandoned)
}

/// Until the deadline the ledger may be restored, or put together again; then what status lists is put on record.
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
            "{why}. Until {} it is waited for; then what status lists is put on record and this object goes",
            to_second(at)
        );
        let again = surgery::lost_ledger(pass).filter(|plan| lost && plan.step.is_some());
        return again.or_else(|| Some(rest_until(pass, at, Reason::LedgerUnreadable, message)));
    }
    if let Some(it) = next {
        let abandonment = Abandonment {
            record: record_name(&pass.world.tag(), it.revision),
            revision: it.revision,
            kind: AbandonedKind::NotRevoked,
            name: it.name.clone(),
            client_id: it.client_id.clone(),
            ids: Default::default(),
            account: surgery::made_at(pass, object, it),
            expires_at: it.expires_at,
            why: why.to_owned(),
            action: None,
        };
        return pass.step(Step::Abandon(Box::new(abandonment)), Reason::Abandoned);
    }
    release_target(pass, retain).or_else(|| pass.step(Step::ReleaseObject, Reason::Deleting))
}
