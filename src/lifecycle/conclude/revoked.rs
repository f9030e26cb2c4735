//! Conclusions from the response to a revocation, which is believed only once the pair is refused.

use crate::{
    api::Reason,
    lifecycle::{
        decide::reminders::TOLD_AFTER,
        model::{Edit, FailureKind, Outcome, Revision, StepKind},
    },
};

use super::{Complaint, Conclusion, EventNote};

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
                self.report.edits.push(Edit::Revoked { revision: revision.revision });
                let message = format!("{} was revoked", revision.described());
                self.report.events.push(EventNote::normal(Reason::Revoked, message));
            }
            Outcome::Failed(failure) => {
                let message = format!("revoking {} failed: {}", revision.name, failure.message);
                let complaint = Complaint::of_call(Reason::RevocationFailed, message, failure);
                self.call_failed(StepKind::Revoke, revision, complaint);
            }
            _ => {}
        }
    }

    /// Reports a lag only if it goes on: some providers accept a revoked pair a little longer.
    fn told_of_a_lag(&mut self, message: String) {
        let reason = Reason::RevocationFailed;
        self.report.events.retain(|it| it.reason != reason);
        let failures = self.world.document().and_then(|it| it.failures.get(&StepKind::Revoke));
        if failures.is_some_and(|it| it.count == TOLD_AFTER) {
            self.warn(reason, message);
        }
    }
}
