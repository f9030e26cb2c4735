//! What people are told of ledgers that were restored, deleted or lost.

use crate::{
    api::{Reason, ledger_name},
    lifecycle::{
        failure::Failure,
        inherit,
        ledger::{Inheritance, Inherited},
        plan::Outcome,
        surgery::Recovery,
    },
};

use super::{Conclusion, EventNote};

impl Conclusion<'_> {
    pub(super) fn inherited(&mut self, inherited: &Inherited) {
        let ledger = ledger_name(&self.world.subject.name);
        let message = match inherited.how {
            Inheritance::Borrowed | Inheritance::Other(_) => format!(
                "the ledger {ledger} was written on another cluster: its credential stays published while it works, and is never \
                 revoked from here; this cluster issues its own when that is due. If it is this cluster's, say so: {}",
                inherit::claim_command(self.world)
            ),
            Inheritance::Adopted | Inheritance::Rebuilt => format!(
                "the ledger {ledger} was restored or put back: its credential stays published while it works, and nothing is \
                 revoked before one that is issued from now on has replaced it"
            ),
        };
        self.tell(Reason::Inherited, message);
    }

    pub(super) fn recovered(&mut self, recovery: &Recovery, outcome: &Outcome) {
        let ledger = ledger_name(&self.world.subject.name);
        if let Outcome::Failed(failure) = outcome {
            return self.not_made_again(failure);
        }
        self.report.memory.unrecoverable = None;
        let kept = match &recovery.published {
            Some(published) if published.revision <= recovery.inherited.borrowed() => format!(
                "the credential in the Secret {} is kept, and never revoked from here, for another cluster made it, or may have made it. \
                 If it is this cluster's, say so: {}",
                published.target,
                inherit::claim_command(self.world)
            ),
            Some(published) => format!("the credential in the Secret {} is kept", published.target),
            None => "no Secret holds its credential, so a new one is issued".to_owned(),
        };
        let message =
            format!("the ledger {ledger} was lost, and put together again from status and target: {kept}");
        self.tell(Reason::LedgerRebuilt, message);
    }

    fn not_made_again(&mut self, failure: &Failure) {
        self.report.memory.unrecoverable = Some(self.now);
        let ledger = ledger_name(&self.world.subject.name);
        let message = format!("the ledger {ledger} cannot be put together again: {}", failure.message);
        self.tell(Reason::LedgerLost, message);
    }

    pub(super) fn restored(&mut self, outcome: &Outcome) {
        if let Outcome::Failed(failure) = outcome {
            return self.not_made_again(failure);
        }
        let ledger = ledger_name(&self.world.subject.name);
        let message = format!(
            "the ledger {ledger} was deleted and made anew as it was: it is Credwright's record, and is only removed with its object"
        );
        self.tell(Reason::LedgerRebuilt, message);
    }

    fn tell(&mut self, reason: Reason, message: String) {
        self.report.events.push(EventNote { warning: true, reason, message });
    }
}
