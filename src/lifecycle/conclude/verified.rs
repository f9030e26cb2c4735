//! Conclusions from trying a pair: a new one that is not accepted yet, or never, or a published one
//! that is refused.

use crate::{
    api::Reason,
    lifecycle::{
        model::{Acceptances, Edit, FailureKind, Moved, Outcome, Revision, StepKind, Tried},
        rules::{suspect, verification::Verification},
    },
};

use super::{Complaint, Conclusion, reason};

impl Conclusion<'_> {
    pub(super) fn verified(&mut self, revision: &Revision, outcome: &Outcome) {
        let number = revision.revision;
        let published = self.facts.world.published().is_some_and(|it| it.revision == number);
        let accepted = match outcome {
            Outcome::Tried { accepted } => *accepted,
            Outcome::Failed(failure) => {
                self.remember_try(number, published);
                let message = format!("trying {} failed: {}", revision.name, failure.message);
                let complaint = Complaint::of_call(reason(failure.kind), message, failure);
                return self.call_failed(StepKind::Verify, revision, complaint);
            }
            _ => return,
        };
        self.remember_try(number, published);
        self.forget(StepKind::Verify);
        if !accepted {
            self.report.memory.acceptances = None;
        }
        // Workloads may use it from a Secret of an earlier name, or from one that is just being
        // restored.
        let in_use = self.facts.world.active().is_some_and(|it| it.revision == number)
            || self.facts.world.held().any(|held| held == number)
            || self.facts.world.document().is_some_and(|it| it.inheritance(number).is_some());
        match accepted {
            true => {
                self.accepted(revision, in_use);
                if revision.unverified {
                    self.report.edits.push(Edit::Verified(number));
                }
                if revision.refused_at.is_some() {
                    self.report.edits.push(Edit::Refused { revision: number, refused: false });
                }
            }
            false if in_use => self.refused_though_in_use(revision),
            false if self.facts.verification(revision) == Some(Verification::List) => {
                self.not_listed_yet(revision)
            }
            false => self.refused_so_far(revision),
        }
    }

    /// Counts the acceptances of a new credential. It is verified after as many in a row as its
    /// provider needs.
    fn accepted(&mut self, revision: &Revision, in_use: bool) {
        let (facts, memory) = (&self.facts, &mut self.report.memory);
        let last = Tried::new(revision.revision, facts.now);
        let needed = facts.capabilities(revision).map_or(1, |it| it.acceptances);
        let before = memory.acceptances.filter(|it| it.last.revision == revision.revision);
        let count = before.map_or(0, |it| it.count) + 1;
        if in_use || count >= needed {
            (memory.verified, memory.acceptances) = (Some(last), None);
        } else {
            memory.acceptances = Some(Acceptances { last, count });
        }
    }

    fn remember_try(&mut self, revision: u32, published: bool) {
        let memory = &mut self.report.memory;
        *(if published { &mut memory.checked } else { &mut memory.tried }) =
            Some(Tried::new(revision, self.facts.now));
    }

    /// A new credential is looked for in the list until it appears there.
    fn not_listed_yet(&mut self, revision: &Revision) {
        let message = format!(
            "the provider does not list {} yet, and it cannot be tried, because it works only from subnets that \
             Credwright is not in",
            revision.name
        );
        let complaint = Complaint::new(Reason::Verifying, message, FailureKind::Malformed);
        self.call_failed(StepKind::Verify, revision, complaint);
    }

    /// A new credential may be refused until it has propagated; after that it will never be
    /// accepted.
    fn refused_so_far(&mut self, revision: &Revision) {
        let since = revision.issued_at.unwrap_or(self.facts.now);
        let view = self.facts.provider(&revision.account);
        if view.is_none_or(|provider| self.facts.now < since.later(provider.capabilities.propagation)) {
            return;
        }
        self.report.edits.push(Edit::StartRevoking(vec![revision.revision]));
        let next = match view {
            Some(provider) if provider.capabilities.is_by_hand() => "a person has to make another one",
            _ => "it is revoked, and another one is tried",
        };
        let message = format!("the provider never accepted {}; {next}", revision.name);
        self.minting_failed(revision, Complaint::new(Reason::NeverAccepted, message, FailureKind::Malformed));
    }

    /// Marks a credential as dead if it is refused twice, a settle time apart, while the account's
    /// probe passes (the second refusal comes with one) and its other credentials are accepted.
    fn refused_though_in_use(&mut self, revision: &Revision) {
        let number = revision.revision;
        let Some(first) = revision.refused_at else {
            return self.report.edits.push(Edit::Refused { revision: number, refused: true });
        };
        let view = self.facts.provider(&revision.account);
        let its_own =
            view.is_some_and(|it| suspect::is_its_own(it, &revision.account, first, self.facts.now));
        if its_own && revision.dead_at.is_none() {
            self.report.edits.push(Edit::Dead(number));
            let next = match view {
                Some(provider) if provider.capabilities.is_by_hand() => "a person has to make another one",
                _ => "another one is issued at once",
            };
            let message = format!("the provider refuses the published credential {}; {next}", revision.name);
            self.warn(Reason::FoundRevoked, message);
        }
    }
}
