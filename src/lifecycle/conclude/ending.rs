//! Conclusions from the end of a credential. A revocation is believed only once the pair is
//! refused. A credential that is left behind at its provider is recorded, or named in an Event.

use jiff::SignedDuration;

use crate::{
    api::{AbandonedKind, Reason},
    lifecycle::{
        decide::{deletion, reminders::TOLD_AFTER},
        model::{Abandonment, Edit, FailureKind, Moved, Outcome, Revision, StepKind},
    },
};

use super::{Complaint, Conclusion};

/// Returns the message about `what`, whether the provider says that it has revoked it or that it
/// does not know it.
#[must_use]
pub fn yet_accepted(said: bool, what: &str) -> String {
    let says = if said { "says that it has revoked" } else { "does not know" };
    format!("the provider {says} {what}, but still accepts it")
}

impl Conclusion<'_> {
    pub(super) fn revoked(&mut self, revision: &Revision, outcome: &Outcome) {
        match outcome {
            Outcome::Revoked { said: true, still_accepted: Some(true) } if self.is_lagging(revision) => {
                self.report.memory.said_revoked.entry(revision.revision).or_insert(self.facts.now);
            }
            Outcome::Revoked { said, still_accepted: Some(true) } => {
                let kind = if *said { FailureKind::Ambiguous } else { FailureKind::Malformed };
                let message = yet_accepted(*said, &revision.name);
                let complaint = Complaint::new(Reason::RevocationFailed, message.clone(), kind);
                self.call_failed(StepKind::Revoke, revision, complaint);
                if *said {
                    self.told_of_a_lag(message);
                }
            }
            Outcome::Revoked { .. } => {
                self.report.memory.said_revoked.remove(&revision.revision);
                self.report.edits.push(Edit::Revoked(revision.revision));
                let message = format!("{} was revoked", revision.described());
                self.note(Reason::Revoked, message);
            }
            Outcome::Failed(failure) => {
                let message = format!("revoking {} failed: {}", revision.name, failure.message);
                let complaint = Complaint::of_call(Reason::RevocationFailed, message, failure);
                self.call_failed(StepKind::Revoke, revision, complaint);
            }
            _ => {}
        }
    }

    /// Returns whether a pair that was revoked may still be accepted.
    fn is_lagging(&self, revision: &Revision) -> bool {
        let said = self.facts.world.memory.said_revoked.get(&revision.revision);
        let lag = self.facts.capabilities(revision).map_or(SignedDuration::ZERO, |it| it.revocation_lag);
        self.facts.now < said.copied().unwrap_or(self.facts.now).later(lag)
    }

    /// Reports a lag only if it goes on: some providers accept a revoked pair a little longer.
    fn told_of_a_lag(&mut self, message: String) {
        let reason = Reason::RevocationFailed;
        self.report.events.retain(|it| it.reason != reason);
        if self.facts.failed(StepKind::Revoke).is_some_and(|it| it.count == TOLD_AFTER) {
            self.warn(reason, message);
        }
    }

    /// The record exists; now the ledger need not account for it any more.
    pub(super) fn abandoned(&mut self, it: &Abandonment) {
        let client = it.client_id.as_deref().unwrap_or("unknown");
        let what = match it.kind {
            AbandonedKind::NotRevoked => "was not revoked",
            AbandonedKind::Unconfirmed => "may have been created",
        };
        let next = it.action.as_deref().unwrap_or("Credwright retries until it is gone");
        let message = format!(
            "{} (client {client}) {what}: {}; it is recorded as the AbandonedCredential {}: {next}",
            it.name, it.why, it.record
        );
        self.warn(Reason::Abandoned, message);
        let given_up = deletion::without_ledger::ledger_is_given_up(&self.facts);
        let document = self.facts.document().filter(|_| !given_up);
        let Some(revision) = document.and_then(|document| document.revision(it.revision)) else {
            return self.report.memory.abandoned.push(it.revision);
        };
        self.report.edits.push(Edit::Abandon(it.revision));
        let unlisted = it.kind == AbandonedKind::Unconfirmed && it.action.is_none();
        if unlisted && !self.facts.world.deleting() {
            // The attempt may have left something behind, so the next one waits.
            let complaint = Complaint::new(Reason::Unconfirmed, it.why.clone(), FailureKind::Ambiguous);
            self.record(StepKind::Mint, revision, self.about_minting(revision), complaint);
        }
    }

    /// Publishes Events about credentials left at the provider before the ledger that lists them is
    /// deleted, except those that the user asked to keep.
    pub(super) fn closed(&mut self) {
        let kept = |it: &Revision| it.state.is_usable() && deletion::retains(self.facts.world);
        for revision in self.facts.revisions().filter(|it| it.state.may_be_alive() && !kept(it)) {
            let place = self.facts.capabilities(revision).map_or("the provider", |it| &it.place);
            let message = format!(
                "a credential named {} may be left behind: look at {place} and remove it by hand",
                revision.described()
            );
            self.warn(Reason::Unconfirmed, message);
        }
    }
}
