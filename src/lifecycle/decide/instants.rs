//! The instants at which something may become due without any change.

use jiff::Timestamp;

use crate::lifecycle::model::{Document, Moved, State, StepKind};

use super::{
    facts::{Facts, VERIFIED_FOR},
    permitted, removal,
};

/// Returns all of them that are still to come, whatever the plan is.
pub(super) fn all(facts: &Facts<'_>) -> Vec<Timestamp> {
    let mut instants: Vec<Timestamp> = Vec::new();
    for step in [StepKind::Mint, StepKind::Settle, StepKind::Verify, StepKind::Publish, StepKind::Revoke] {
        instants.extend(facts.held_back(step));
    }
    let newest = facts.document().and_then(Document::newest_issued);
    for revision in facts.revisions() {
        match revision.state {
            State::Intended | State::Unconfirmed => instants.extend(facts.settle_due(revision)),
            State::Issued => {
                instants.extend(revision.expires_at);
                let times = facts.schedule(revision).into_iter();
                instants.extend(times.flat_map(|times| [times.end, times.renewal]));
            }
            State::Retiring => instants.extend(newest.and_then(|new| facts.revoke_at(revision, new))),
            State::Revoking => instants.extend(facts.lags_until(revision)),
            State::Revoked | State::Absent | State::Left | State::Abandoned => {}
        }
    }
    instants.extend(facts.revisions().filter_map(|it| permitted::end(facts, it)));
    instants.extend(facts.published().map(|it| facts.check_due(it)));
    instants.extend(removal::instants(facts));
    instants.extend(facts.repair_due());
    instants.extend(facts.renamed_target().and_then(|old| facts.renaming_is_over(old)));
    if let Some(unpublished) = newest.filter(|_| facts.published().is_none()) {
        instants.extend(facts.verify_due(unpublished));
        // A credential that could not be published for so long is tried again.
        instants.extend(facts.world.memory.verified.map(|it| it.at.later(VERIFIED_FOR)));
    }
    instants.retain(|at| *at > facts.now);
    instants
}
