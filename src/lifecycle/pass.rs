//! One decision in the making: the world and the time, with the questions that several checks ask.

use jiff::{SignedDuration, Timestamp};

use crate::api::{ApiCredential, IntakeVerify, Reason};

use super::{
    backoff,
    capability::Capabilities,
    ledger::{Document, Inheritance, Revision, State, StepKind},
    plan::{Plan, Step, Wake},
    removal, render,
    schedule::{self, Schedule},
    suspect,
    world::{TargetView, UsableProvider, World, previous_of},
};

/// How long after one look for a lost answer the next one follows.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// The longest time between two looks at a published credential that is refused.
const SETTLE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// One decision: the world and the time, with the questions that several checks ask.
pub(super) struct Pass<'a> {
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
}

impl<'a> Pass<'a> {
    pub(super) fn object(&self) -> Option<&'a ApiCredential> {
        self.world.subject.object.as_deref()
    }

    pub(super) fn document(&self) -> Option<&'a Document> {
        self.world.document()
    }

    pub(super) fn revisions(&self) -> std::slice::Iter<'a, Revision> {
        self.document().map(|document| document.revisions.as_slice()).unwrap_or_default().iter()
    }

    /// The number of the next revision.
    pub(super) fn next_revision(&self) -> u32 {
        self.document().map_or(1, Document::next_revision)
    }

    /// The provider that `revision` was made at, if it can be called now. A provider that now stands for another account is told
    /// nothing of what was made at the earlier one.
    pub(super) fn callable(&self, revision: &Revision) -> Option<&'a UsableProvider> {
        self.world
            .provider(&revision.account)?
            .usable()
            .filter(|provider| provider.paused.is_none() && suspect::is_the_same(provider, &revision.account))
    }

    pub(super) fn capabilities(&self, revision: &Revision) -> Option<&'a Capabilities> {
        self.world.provider(&revision.account)?.usable().map(|provider| &*provider.capabilities)
    }

    /// How a revision was come by, if it was inherited.
    pub(super) fn inheritance(&self, revision: u32) -> Option<Inheritance> {
        self.document()?.inheritance(revision)
    }

    /// Whether what the ledger lists is to end: its object is being deleted, is gone, or has been replaced by another.
    pub(super) fn is_ending(&self) -> bool {
        let replaced = || self.document().is_some_and(|it| it.object_uid != self.world.object_uid());
        self.world.deleting() || self.world.subject.object.is_none() || replaced()
    }

    /// Whether `revision` may be revoked: what is inherited only when one that was minted here is published and no other Secret
    /// holds it, or when the object is deleted, and what is borrowed never.
    pub(super) fn is_ours_to_end(&self, revision: &Revision) -> bool {
        let own = || self.document()?.inherited.as_ref().zip(self.published());
        match self.inheritance(revision.revision) {
            None => true,
            Some(Inheritance::Borrowed) => false,
            Some(Inheritance::Adopted | Inheritance::Rebuilt) => {
                let is_held = self.world.held().any(|it| it == revision.revision);
                let is_replaced = own().is_some_and(|(inherited, it)| it.revision > inherited.through);
                self.is_ending() || is_replaced && !is_held
            }
        }
    }

    /// Whether Credwright can revoke `revision` at its provider.
    pub(super) fn can_revoke(&self, revision: &Revision, capabilities: &Capabilities) -> bool {
        capabilities.revoke && (!revision.rebuilt || capabilities.list)
    }

    /// Whether `revision` can be tried at its provider: a person may have said that it cannot from here.
    pub(super) fn verifies(&self, revision: &Revision) -> bool {
        let intake = self.object().and_then(|object| object.spec.intake.as_ref());
        self.capabilities(revision).is_some_and(|it| {
            let skipped = it.by_hand && intake.is_some_and(|it| it.verify == IntakeVerify::Skip);
            it.verify && !skipped
        })
    }

    /// When `step` may be tried again, if it failed and that time has not come.
    pub(super) fn held_back(&self, step: StepKind) -> Option<Timestamp> {
        let record = self.document()?.failures.get(&step)?;
        Some(backoff::next_attempt(step, record)).filter(|at| *at > self.now)
    }

    /// The same for publishing; after a change of `spec.secret` it is tried at once.
    pub(super) fn publishing_is_held_back(&self) -> bool {
        let output = self.object().and_then(|object| object.spec.secret.as_ref());
        let record = self.document().and_then(|it| it.failures.get(&StepKind::Publish));
        record.is_some_and(|it| it.about == render::about(output))
            && self.held_back(StepKind::Publish).is_some()
    }

    /// When the Secret may be put right again, if others change it all the time.
    pub(super) fn repair_due(&self) -> Option<Timestamp> {
        self.world.memory.repaired.map(backoff::next_repair).filter(|at| *at > self.now)
    }

    /// Of several, the first after the one that failed last, so that one that keeps failing does not starve the others.
    pub(super) fn in_turn<'b>(&self, step: StepKind, all: &[&'b Revision]) -> Option<&'b Revision> {
        let failed = self.document()?.failures.get(&step).and_then(|it| it.revision).unwrap_or_default();
        all.iter().find(|it| it.revision > failed).or_else(|| all.first()).copied()
    }

    pub(super) fn schedule(&self, revision: &Revision) -> Option<Schedule> {
        schedule::schedule(self.world.object_uid(), &self.object()?.spec, revision)
    }

    /// The newest revision, if it is what the target holds as the spec wants it.
    pub(super) fn published(&self) -> Option<&'a Revision> {
        let newest = self.document()?.newest_issued()?;
        let rendered = self.world.published()?;
        (rendered.revision == newest.revision && rendered.from == self.source(newest).1).then_some(newest)
    }

    /// The revision to publish beside `revision`, and the hash of what the target is rendered from.
    pub(super) fn source(&self, revision: &Revision) -> (Option<u32>, String) {
        let output = self.object().and_then(|object| object.spec.secret.as_ref());
        let wanted = output.is_some_and(|output| output.include_previous);
        let previous = self
            .document()
            .filter(|_| wanted)
            .and_then(|document| previous_of(document, revision.revision))
            .filter(|previous| self.revoke_at(previous, revision).is_none_or(|at| at > self.now));
        (previous.map(|it| it.revision), render::source(output, revision, previous))
    }

    pub(super) fn revoke_at(&self, old: &Revision, new: &Revision) -> Option<Timestamp> {
        schedule::revoke_at(&self.object()?.spec, old, self.schedule(new))
    }

    pub(super) fn step(&self, step: Step, reason: Reason) -> Option<Plan> {
        let (message, action, wake) = (String::new(), None, Wake::OnChange);
        Some(Plan { step: Some(step), reason, message, action, wake })
    }

    /// Rest, with every instant at which something may become due.
    pub(super) fn rest(&self, reason: Reason, message: String) -> Plan {
        Plan { step: None, reason, message, action: None, wake: Wake::earliest(self.instants()) }
    }

    pub(super) fn instants(&self) -> Vec<Timestamp> {
        let mut instants: Vec<Timestamp> = Vec::new();
        for step in [StepKind::Mint, StepKind::Settle, StepKind::Verify, StepKind::Publish, StepKind::Revoke]
        {
            instants.extend(self.held_back(step));
        }
        let newest = self.document().and_then(Document::newest_issued);
        for revision in self.revisions() {
            match revision.state {
                State::Intended | State::Unconfirmed => instants.extend(self.settle_due(revision)),
                State::Issued => {
                    instants.extend(revision.expires_at);
                    instants.extend(self.schedule(revision).map(|times| times.end));
                    instants.extend(self.schedule(revision).map(|times| times.renewal));
                }
                State::Retiring => instants.extend(newest.and_then(|new| self.revoke_at(revision, new))),
                State::Revoking | State::Revoked | State::Absent | State::Left | State::Abandoned => {}
            }
        }
        instants.extend(self.published().map(|it| self.check_due(it)));
        instants.extend(removal::instants(self));
        instants.extend(self.repair_due());
        instants.extend(self.renamed_target().and_then(|_| self.renaming_is_over()));
        instants.extend(newest.filter(|_| self.published().is_none()).and_then(|it| self.verify_due(it)));
        instants.retain(|at| *at > self.now);
        instants
    }

    /// A Secret of ours that the spec does not name any more.
    pub(super) fn renamed_target(&self) -> Option<&'a TargetView> {
        let current = self.world.target()?;
        self.world.targets.iter().find(|it| it.ours && it.name != current.name && !it.terminating)
    }

    /// When workloads have had an overlap's time to move to a new `secret.name`.
    pub(super) fn renaming_is_over(&self) -> Option<Timestamp> {
        let rotation = self.object()?.spec.rotation.as_ref();
        let since = self.world.target()?.created_at?;
        Some(since.checked_add(schedule::overlap(rotation)).unwrap_or(Timestamp::MAX))
    }

    /// When an unanswered call is next looked for.
    pub(super) fn settle_due(&self, revision: &Revision) -> Option<Timestamp> {
        let capabilities = self.capabilities(revision)?;
        let from = settle_from(revision, capabilities);
        if revision.state == State::Unconfirmed && !capabilities.list {
            return None;
        }
        // Whichever was looked for last: several lost answers take turns, and do not call without a pause.
        Some(match self.world.memory.looked {
            Some((_, at)) if at >= from && at < from + capabilities.listing_lag => {
                (at + LOOK_AGAIN).min(from + capabilities.listing_lag)
            }
            Some((_, at)) if at >= from => at + LOOK_AGAIN,
            _ => from,
        })
    }

    /// When a revision that waits for acceptance is next tried: soon after it was issued, then ever more seldom.
    pub(super) fn verify_due(&self, revision: &Revision) -> Option<Timestamp> {
        let issued = revision.issued_at?;
        let tried = self.world.memory.tried.filter(|(which, _)| *which == revision.revision);
        Some(tried.map_or(issued, |(_, at)| {
            let age = at.duration_since(issued);
            at + (age / 4).clamp(SignedDuration::from_secs(1), SignedDuration::from_secs(15))
        }))
    }

    /// When the published revision is next tried.
    pub(super) fn check_due(&self, revision: &Revision) -> Timestamp {
        let checked =
            self.world.memory.checked.filter(|(which, _)| *which == revision.revision).map(|(_, at)| at);
        if let Some(refused) = revision.refused_at.filter(|_| revision.dead_at.is_none()) {
            // Soon at first, then ever more seldom: it may be waiting for others, or for a person.
            let settle = self.capabilities(revision).map_or(SignedDuration::ZERO, |it| it.propagation);
            let checked = checked.unwrap_or(refused);
            return checked
                + (checked.duration_since(refused) / 4)
                    .clamp(settle.max(LOOK_AGAIN), SETTLE_MAX.max(settle));
        }
        let uid = self.world.object_uid();
        let due = schedule::next_check(uid, revision, checked, self.world.operator.started);
        let alarmed = self.callable(revision).and_then(|provider| {
            let at = provider.standing.sibling_refused_at?;
            let looks = suspect::is_in_the_sample(provider, schedule::spread(uid, revision.revision));
            (looks && checked.is_none_or(|checked| checked < at)).then_some(at)
        });
        alarmed.map_or(due, |alarmed| alarmed.min(due))
    }
}

/// From when on an unanswered call may be settled: at once if its own caller gave it up, and otherwise not before the caller
/// can no longer be waiting for it.
pub(super) fn settle_from(revision: &Revision, capabilities: &Capabilities) -> Timestamp {
    revision.unconfirmed_at.unwrap_or(revision.intent.call_by + capabilities.create_timeout)
}
