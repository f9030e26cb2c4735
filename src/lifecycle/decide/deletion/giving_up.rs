//! Credentials that are given up, because they can never be confirmed, or could not be revoked
//! before the deadline. A record accounts for each.

use jiff::Timestamp;

use crate::{
    api::{AbandonedKind, Reason},
    lifecycle::{
        decide::facts::Facts,
        model::{
            Abandonment, FailureKind, LONGEST_CALL, LedgerView, Moved, Plan, Revision, State, Step, StepKind,
        },
        rules::{abandoned, schedule},
    },
};

use super::is_of_a_predecessor;

/// The number of refusals to list after which a lost response is given up.
const REFUSALS: u32 = 3;
/// The number of unreliable lists after which a lost response is given up.
const UNRELIABLE: u32 = 4;

/// Returns the deadline of the object's deletion.
pub(super) fn deadline(facts: &Facts<'_>) -> Timestamp {
    let object = facts.object().filter(|_| !is_of_a_predecessor(facts.world));
    let of_object = object.and_then(|object| object.metadata.deletion_timestamp.as_ref()).map(|it| it.0);
    let since = of_object.or_else(|| ending_since(facts)).unwrap_or(facts.now);
    let deadline = since.later(facts.world.operator.revocation_deadline);
    // By then this process has checked every provider that answers.
    let first_look = facts.world.operator.started.later(LONGEST_CALL);
    if waits_for_a_first_look(facts) { deadline.max(first_look) } else { deadline }
}

/// Returns whether a provider that is needed exists and this process has not checked it yet. A
/// process that starts after the deadline has tried nothing: it must not give up a credential that
/// one call would revoke.
fn waits_for_a_first_look(facts: &Facts<'_>) -> bool {
    let made_there = |it: &Revision| it.state.may_be_alive() && facts.world.provider(&it.account).is_none();
    let wanted = facts.object().is_some() && facts.world.desired_provider().is_none();
    wanted || facts.revisions().any(made_there)
}

/// Returns when finishing the ledger without its object began. Not when it was last written: each
/// failed attempt writes it.
pub(super) fn ending_since(facts: &Facts<'_>) -> Option<Timestamp> {
    match &facts.world.ledger {
        LedgerView::Present { terminating, document, .. } => {
            [*terminating, document.orphaned_at].into_iter().flatten().min()
        }
        _ => None,
    }
}

/// Returns the deadline for one revision: never less than the time that a call in progress can
/// take.
pub(super) fn deadline_of(facts: &Facts<'_>, it: &Revision) -> Timestamp {
    let deadline = deadline(facts);
    if it.state == State::Intended { deadline.max(it.intent.call_by.later(LONGEST_CALL)) } else { deadline }
}

/// Records a revision that is not revoked or confirmed in time, or never can be.
pub(super) fn give_up(facts: &Facts<'_>, it: &Revision) -> Option<Plan> {
    let too_late = || (deadline_of(facts, it) <= facts.now).then(|| why(facts, it));
    let (kind, why) = match it.state {
        State::Revoking => (AbandonedKind::NotRevoked, no_call(facts, it).or_else(too_late)?),
        State::Intended | State::Unconfirmed => {
            (AbandonedKind::Unconfirmed, cannot_be_confirmed(facts, it).or_else(too_late)?)
        }
        _ => return None,
    };
    Some(abandon(facts, it, kind, why))
}

fn no_call(facts: &Facts<'_>, it: &Revision) -> Option<String> {
    let cannot = facts.capabilities(it).is_some_and(|able| !able.revokes(it));
    cannot.then(|| "the provider has no call that revokes".to_owned())
}

/// Returns what has kept a revision from being revoked or confirmed.
fn why(facts: &Facts<'_>, it: &Revision) -> String {
    let unusable = match facts.world.provider(&it.account) {
        Some(view) => view.why_not_callable(),
        None => Some(format!("{:?} {} did not answer", it.account.kind, it.account.name)),
    };
    let step = if it.state == State::Revoking { StepKind::Revoke } else { StepKind::Settle };
    let failed = || facts.failed(step).map(|record| record.message.clone());
    unusable
        .or_else(failed)
        .unwrap_or_else(|| "the deadline passed before the revocation could be tried".to_owned())
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
        State::Intended if capabilities.is_some_and(|able| schedule::settle_from(it, able) <= facts.now) => {}
        _ => return None,
    }
    let refused = facts.failed(StepKind::Settle).filter(|record| {
        let enough = match record.kind {
            Some(FailureKind::Forbidden | FailureKind::Rejected) => REFUSALS,
            Some(FailureKind::Malformed) => UNRELIABLE,
            _ => u32::MAX,
        };
        record
            .revision
            .and_then(|it| facts.document()?.revision(it))
            .is_some_and(|of| of.account == it.account)
            && record.count >= enough
    })?;
    Some(format!(
        "the response to its create request was lost, and the provider's list is not reliable: {}",
        refused.message
    ))
}

/// Records a credential that can never be confirmed, outside deletion, too, so that the ledger does
/// not list it for ever.
pub(in crate::lifecycle::decide) fn never_confirmed(facts: &Facts<'_>) -> Option<Plan> {
    let (it, why) = facts.revisions().find_map(|it| Some((it, cannot_be_confirmed(facts, it)?)))?;
    Some(abandon(facts, it, AbandonedKind::Unconfirmed, why))
}

/// Returns why something that waits to be revoked has not been.
pub(in crate::lifecycle::decide) fn why_not_revoked(facts: &Facts<'_>, it: &Revision) -> String {
    no_call(facts, it).unwrap_or_else(|| why(facts, it))
}

/// Puts a revision on record elsewhere.
pub(in crate::lifecycle::decide) fn abandon(
    facts: &Facts<'_>,
    it: &Revision,
    kind: AbandonedKind,
    why: String,
) -> Plan {
    let abandonment = Abandonment {
        record: abandoned::record_name(&facts.world.tag(), it.revision),
        revision: it.revision,
        kind,
        name: it.name.clone(),
        client_id: it.client_id.clone(),
        secret_id: it.secret_id.clone(),
        ids: it.ids.clone(),
        parameters: it.parameters.clone(),
        account: it.account.clone(),
        expires_at: it.expires_at,
        why,
        action: facts.capabilities(it).and_then(|capabilities| abandoned::to_do(kind, capabilities)),
    };
    Plan::act(Step::Abandon(Box::new(abandonment)), Reason::Abandoned)
}
