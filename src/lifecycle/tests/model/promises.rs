//! The promises that hold in every story, checked before and after each step.

use super::*;

impl Model {
    /// An unreachable provider is not called, and nothing is revoked that a Secret holds.
    pub(super) fn check_plan(&self, world: &World, step: &Step) {
        let called = match step {
            Step::Mint(revision) => Some(revision.account.clone()),
            Step::Settle { revision }
            | Step::Verify { revision }
            | Step::CheckRemoval { revision, .. }
            | Step::Revoke { revision } => Some(self.revision(*revision).account),
            _ => None,
        };
        let usable = called.map(|account| world.provider(&account).and_then(ProviderView::usable).cloned());
        if usable.is_some_and(|it| it.is_none_or(|it| it.paused.is_some())) {
            self.fail("an unreachable provider is called");
        }
        if let Step::Mint(revision) = step {
            self.check_mint(revision);
        }
        if let (Step::Abandon(it), Some(document)) = (step, world.document()) {
            let hopeless = match it.kind {
                AbandonedKind::NotRevoked => {
                    let rebuilt = document.revision(it.revision).is_some_and(|it| it.rebuilt);
                    !self.capabilities.can_revoke() || rebuilt && !self.capabilities.can_list()
                }
                AbandonedKind::Unconfirmed => !self.capabilities.can_list(),
            };
            let refused = document.failures.get(&StepKind::Settle).is_some_and(|it| it.count >= 3);
            if !hopeless && !refused && self.deleting_since().is_none_or(|at| self.now < at + DEADLINE) {
                self.fail("what may still be revoked is given up");
            }
        }
        let Step::Record(Edit::StartRevoking(revisions)) = step else { return };
        let wanted = world.target().map(|it| it.name.clone());
        let held = |number: &u32| {
            self.targets.iter().filter(|it| it.view.ours).any(|it| {
                let Some(rendered) = &it.view.intact else { return false };
                // The previous pair is a service to the overlap, and leaves with it; but only the
                // current Secret is rendered.
                rendered.revision == *number
                    || it.previous == Some(*number) && Some(&it.view.name) == wanted.as_ref()
            })
        };
        if !self.deleting() && revisions.iter().any(held) {
            self.fail("what a Secret holds is to be revoked");
        }
    }

    pub(super) fn check_world(&mut self) {
        let window = self.creates.iter().filter(|at| self.now.duration_since(**at) < hours(1)).count();
        if window > CREATES_PER_HOUR {
            self.fail("too many credentials were made within the hour");
        }
        let Some(document) = self.document().filter(|it| !it.closed) else { return };
        for client in self.clients().filter(|it| self.is_alive(it)) {
            let listed = document.revisions.iter().any(|it| client.is(it) && it.state.may_be_alive());
            let excused = client.forgotten || client.elsewhere || self.abandoned.contains(&client.name);
            if !listed && !excused {
                self.fail(&format!("{} is alive, and the ledger does not say so", client.name));
            }
        }
        let held = self.targets.iter().filter(|it| it.view.intact.is_some()).filter_map(|it| it.id.as_ref());
        for id in held {
            let client = self.clients().find(|it| it.id == *id);
            if !client.is_some_and(|it| it.alive || it.killed) && !self.deleting() {
                self.fail("a Secret holds what we revoked");
            }
        }
    }

    /// Returns whether one of our Secrets holds what the provider has, or what somebody else has
    /// ended there.
    pub(super) fn a_secret_works(&self) -> bool {
        let intact = self.targets.iter().filter(|it| it.view.ours && it.view.intact.is_some());
        intact.filter_map(|it| it.id.as_ref()).any(|id| {
            let client = self.clients().find(|it| it.id == *id);
            client.is_some_and(|it| self.is_alive(it) || it.killed)
        })
    }
}
