//! Events about ledgers that were restored, deleted or lost.

use crate::{
    api::{Reason, ledger_name},
    lifecycle::{
        decide::inherit,
        model::{Failure, Inheritance, Inherited, Outcome, Recovery},
    },
};

use super::Conclusion;

impl Conclusion<'_> {
    pub(super) fn inherited(&mut self, inherited: &Inherited) {
        let ledger = ledger_name(&self.facts.world.subject.name);
        let message = match inherited.how {
            Inheritance::Borrowed | Inheritance::Other(_) => format!(
                "the ledger {ledger} was written on another cluster: its credential stays published while \
                 it works, and is never revoked from here. This cluster issues its own when a renewal is \
                 due. If the credential belongs to this cluster, claim it: {}",
                inherit::claim_command(self.facts.world)
            ),
            Inheritance::Adopted | Inheritance::Rebuilt => format!(
                "the ledger {ledger} was restored: its credential stays published while it works, and \
                 nothing is revoked until a newly issued credential has replaced it"
            ),
        };
        self.warn(Reason::Inherited, message);
    }

    pub(super) fn recovered(&mut self, recovery: &Recovery, outcome: &Outcome) {
        let ledger = ledger_name(&self.facts.world.subject.name);
        if let Outcome::Failed(failure) = outcome {
            return self.not_made_again(failure);
        }
        self.report.memory.unrecoverable = None;
        let kept = match &recovery.published {
            Some(published) if published.revision <= recovery.inherited.borrowed() => format!(
                "the credential in the Secret {} is kept and never revoked from here, because another \
                 cluster issued it, or may have issued it. If it belongs to this cluster, claim it: {}",
                published.target,
                inherit::claim_command(self.facts.world)
            ),
            Some(published) => format!("the credential in the Secret {} is kept", published.target),
            None => "no Secret holds its credential, so a new one is issued".to_owned(),
        };
        let message = format!(
            "the ledger {ledger} was lost and has been rebuilt from the object's status and the published \
             Secret: {kept}"
        );
        self.warn(Reason::LedgerRebuilt, message);
    }

    fn not_made_again(&mut self, failure: &Failure) {
        self.report.memory.unrecoverable = Some(self.facts.now);
        let ledger = ledger_name(&self.facts.world.subject.name);
        let message = format!("the ledger {ledger} cannot be rebuilt: {}", failure.message);
        self.warn(Reason::LedgerLost, message);
    }

    pub(super) fn restored(&mut self, outcome: &Outcome) {
        if let Outcome::Failed(failure) = outcome {
            return self.not_made_again(failure);
        }
        let ledger = ledger_name(&self.facts.world.subject.name);
        let message = format!(
            "the ledger {ledger} was deleted and has been recreated unchanged: it is Credwright's record, \
             and is only removed with its object"
        );
        self.warn(Reason::LedgerRebuilt, message);
    }
}
