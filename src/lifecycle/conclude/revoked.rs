//! Conclusions from the response to a revocation, which is believed only once the pair is refused.

use crate::{
    api::Reason,
    lifecycle::{
        decide::reminders::TOLD_AFTER,
        model::{
            failure::{Failure, FailureKind},
            ledger::{Edit, Revision, StepKind},
            plan::Outcome,
        },
    },
};

use super::{Conclusion, EventNote};

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
                let failure = Failure { kind, retry_after: None, message: String::new() };
                let what = (Reason::RevocationFailed, message.clone(), &failure);
                self.call_failed(StepKind::Revoke, revision, what);
                if *said {
                    self.told_of_a_lag(message);
                }
            }
            Outcome::Revoked { .. } => {
                self.report.edits.push(Edit::Revoked { revision: revision.revision });
                let client = revision.client_id.as_deref().unwrap_or_default();
                let message = format!("{} (client {client}) was revoked", revision.name);
                self.report.events.push(EventNote { warning: false, reason: Reason::Revoked, message });
            }
            Outcome::Failed(failure) => {
                let message = format!("revoking {} failed: {}", revision.name, failure.message);
                self.call_failed(StepKind::Revoke, revision, (Reason::RevocationFailed, message, failure));
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
            self.report.events.push(EventNote { warning: true, reason, message });
        }
    }
}
