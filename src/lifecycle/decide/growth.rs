//! The bounds of a ledger: how much it may list, and how large it may become.
//!
//! Limits for ledgers that fill up. If a provider cannot revoke, or refuses to, each renewal leaves
//! a credential that has to be accounted for. A ledger that listed them all would one day be larger
//! than its Secret may be, and the renewal that meets that limit would be the last one. So renewals
//! slow down first, and the oldest credentials are handed over to records of their own.

use crate::{
    api::{AbandonedKind, Reason},
    lifecycle::model::{Document, LedgerView, Plan, Request, Revision, State, to_second},
};

use super::{deletion::giving_up, facts::Facts};

/// The longest document that is written or read.
pub const DOCUMENT_MAX: usize = 256 * 1024;
/// The longest sealed part. A Secret takes 1 MiB of both together.
pub const SEALED_MAX: usize = 512 * 1024;
/// The longest answer to a create, with its secrets.
pub const ANSWER_MAX: usize = 64 * 1024;
/// A revision in JSON, without its request and its answer.
const REVISION_MAX: usize = 2 * 1024;

/// The credentials that may wait to be revoked before renewals slow down.
const UNREVOKED_MAX: usize = 20;
/// The credentials that may be alive before only renewals and first issues go on.
const LIVING_MAX: usize = 50;

/// Hands the oldest credential that waits to be revoked over to a record, when there are too many
/// or the ledger is half full. Comes after all that may still revoke it now.
pub(super) fn hand_over(facts: &Facts<'_>) -> Option<Plan> {
    let waits = |it: &&Revision| it.state == State::Revoking && facts.is_ours_to_end(it);
    let waiting: Vec<&Revision> = facts.revisions().filter(waits).collect();
    let oldest = waiting.first()?;
    let too_many = waiting.len() > UNREVOKED_MAX;
    if facts.world.uninstalling || !too_many && !is_half_full(facts) {
        return None;
    }
    let why = giving_up::why_not_revoked(facts, oldest);
    let why = format!("its ledger has no room for more unrevoked credentials: {why}");
    Some(giving_up::abandon(facts, oldest, AbandonedKind::NotRevoked, why))
}

/// Returns why no credential is minted, if the ledger lists too much already.
pub(super) fn holds(facts: &Facts<'_>, request: &Request, reason: Reason) -> Option<Plan> {
    let document = facts.document()?;
    let next = REVISION_MAX.saturating_add(length(request).saturating_mul(2)).saturating_add(ANSWER_MAX);
    if length(document).saturating_add(next) > DOCUMENT_MAX
        || sealed(facts).saturating_add(2 * ANSWER_MAX) > SEALED_MAX
    {
        let what = "the ledger of this object is full, so no more credentials are issued".to_owned();
        return Some(Plan::rest(Reason::LedgerFull, with_advice(facts, what)));
    }
    let count = |is: fn(State) -> bool| document.living().filter(|it| is(it.state)).count();
    let unrevoked = count(|state| state == State::Revoking);
    match reason {
        Reason::RenewalDue if unrevoked >= UNREVOKED_MAX => {
            let until = facts.last_third().filter(|at| *at > facts.now)?;
            let what = format!(
                "{unrevoked} credentials of this object are not revoked, and its ledger has room for no \
                 more, so the renewal waits until {}",
                to_second(until)
            );
            Some(Plan::rest_until(until, Reason::LedgerFull, with_advice(facts, what)))
        }
        Reason::Requested | Reason::SpecChanged
            if count(State::may_be_alive) >= LIVING_MAX || is_half_full(facts) =>
        {
            let what =
                "so many credentials of this object may still work that only scheduled renewals continue";
            Some(Plan::rest(Reason::LedgerFull, with_advice(facts, what.to_owned())))
        }
        _ => None,
    }
}

fn with_advice(facts: &Facts<'_>, what: String) -> String {
    let subject = &facts.world.subject;
    let oldest = facts.revisions().find(|it| it.state == State::Revoking);
    let why = oldest.map(|it| format!(" ({})", giving_up::why_not_revoked(facts, it))).unwrap_or_default();
    format!(
        "{what}. Find out why the older ones are not revoked{why}, remove them at the provider, or shorten \
         spec.rotation.overlap: kubectl get apicred {} --namespace={} -o yaml lists them",
        subject.name, subject.namespace
    )
}

fn is_half_full(facts: &Facts<'_>) -> bool {
    facts.document().is_some_and(|it| length(it) > DOCUMENT_MAX / 2) || sealed(facts) > SEALED_MAX / 2
}

fn sealed(facts: &Facts<'_>) -> usize {
    match facts.world.ledger {
        LedgerView::Present { sealed, .. } => sealed,
        LedgerView::Absent | LedgerView::Unreadable { .. } => 0,
    }
}

/// The length of something in JSON.
fn length(it: &impl serde::Serialize) -> usize {
    serde_json::to_vec(it).map_or(usize::MAX, |json| json.len())
}

/// The length of a document in JSON.
#[must_use]
pub fn document_length(document: &Document) -> usize {
    length(document)
}
