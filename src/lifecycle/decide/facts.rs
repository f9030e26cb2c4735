//! One decision in the making: the world and the time, with the questions that several checks ask.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::ApiCredential,
    lifecycle::{
        model::{
            Acceptances, Account, CALL_WITHIN, Capabilities, Divided, Document, FailureKind, FailureRecord,
            Inheritance, Intent, Moved, Revision, Standing, State, StepKind, TargetView, Tried,
            UsableProvider, World, naming, previous_of,
        },
        rules::{
            about, backoff, render, schedule, suspect,
            verification::{self, Verification},
        },
    },
};

/// The key of a Secret that holds what the pair was issued for.
const SCOPE: &str = "scope";
/// The time between two searches for a lost response.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// The time for which it counts that a new credential was accepted, if it cannot be published at
/// once.
pub(super) const VERIFIED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// The longest time between two tries of a published credential that is refused.
const SETTLE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// One decision: the world and the time, with the questions that several checks ask.
#[derive(Clone, Copy)]
pub(in crate::lifecycle) struct Facts<'a> {
    pub(in crate::lifecycle) world: &'a World,
    pub(in crate::lifecycle) now: Timestamp,
}

impl<'a> Facts<'a> {
    pub(in crate::lifecycle) fn object(&self) -> Option<&'a ApiCredential> {
        self.world.subject.object.as_deref()
    }

    pub(in crate::lifecycle) fn document(&self) -> Option<&'a Document> {
        self.world.document()
    }

    pub(in crate::lifecycle) fn revisions(&self) -> std::slice::Iter<'a, Revision> {
        self.document().map(|document| document.revisions.as_slice()).unwrap_or_default().iter()
    }

    /// The number of the next revision.
    pub(in crate::lifecycle) fn next_revision(&self) -> u32 {
        self.document().map_or(1, Document::next_revision)
    }

    /// Returns the provider of `account`, if it can be called at all.
    pub(in crate::lifecycle) fn provider(&self, account: &Account) -> Option<&'a UsableProvider> {
        self.world.provider(account)?.usable()
    }

    /// Returns the last failure of `step`, whatever has changed since.
    pub(in crate::lifecycle) fn failed(&self, step: StepKind) -> Option<&'a FailureRecord> {
        self.document()?.failures.get(&step)
    }

    /// Returns an annotation of the object.
    pub(in crate::lifecycle) fn annotation(&self, name: &str) -> Option<&'a String> {
        self.object()?.metadata.annotations.as_ref()?.get(name)
    }

    /// Returns the provider that `revision` was made at, if it can be called now. `None` if the
    /// provider object now points at another account.
    pub(in crate::lifecycle) fn callable(&self, revision: &Revision) -> Option<&'a UsableProvider> {
        self.provider(&revision.account).filter(|provider| {
            provider.in_the_way().is_none() && suspect::is_the_same(provider, &revision.account)
        })
    }

    /// Returns why `revision` is not revoked or searched where it was made, if that is suspect.
    pub(in crate::lifecycle) fn suspicion(&self, revision: &Revision) -> Option<&'a str> {
        self.provider(&revision.account)?.standing.suspicion.as_deref()
    }

    pub(in crate::lifecycle) fn capabilities(&self, revision: &Revision) -> Option<&'a Capabilities> {
        self.provider(&revision.account).map(|provider| &*provider.capabilities)
    }

    /// Returns the fields of `revision` as its provider gives them now; `None` if it does not. The
    /// scope is the one that it was issued with.
    pub(in crate::lifecycle) fn fields_now(&self, revision: &Revision) -> Option<BTreeMap<String, String>> {
        let provider = self.callable(revision).filter(|provider| !provider.fields.is_empty())?;
        let scope = revision.fields.get(SCOPE).map(|scope| (SCOPE.to_owned(), scope.clone()));
        Some(provider.fields.clone().into_iter().filter(|(key, _)| key != SCOPE).chain(scope).collect())
    }

    /// Returns how a revision was inherited, if it was.
    pub(in crate::lifecycle) fn inheritance(&self, revision: u32) -> Option<Inheritance> {
        self.document()?.inheritance(revision)
    }

    /// Returns whether `revision` may be revoked. Own: yes. Borrowed: never. Adopted or rebuilt:
    /// once a credential that was minted here is published and no other Secret holds it, or when
    /// the object is deleted.
    pub(in crate::lifecycle) fn is_ours_to_end(&self, revision: &Revision) -> bool {
        let own = || self.document()?.inherited.as_ref().zip(self.published());
        match self.inheritance(revision.revision) {
            None => true,
            Some(Inheritance::Borrowed | Inheritance::Other(_)) => false,
            Some(Inheritance::Adopted | Inheritance::Rebuilt) => {
                let is_held = self.world.held().any(|it| it == revision.revision);
                let is_replaced = own().is_some_and(|(inherited, it)| it.revision > inherited.through);
                self.world.is_ending() || is_replaced && !is_held
            }
        }
    }

    /// Returns how `revision` is verified, if its provider is known.
    pub(in crate::lifecycle) fn verification(&self, revision: &Revision) -> Option<Verification> {
        verification::of(self.world, revision)
    }

    /// Returns whether something about `revision` can be found out at its provider.
    pub(in crate::lifecycle) fn verifies(&self, revision: &Revision) -> bool {
        self.verification(revision).is_some_and(Verification::tells)
    }

    /// Returns whether the provider has accepted `revision` recently. A revision that could not be
    /// published since then is tried again first.
    pub(in crate::lifecycle) fn is_verified(&self, revision: &Revision) -> bool {
        let verified = self.world.memory.verified.and_then(|it| it.of(revision.revision));
        verified.is_some_and(|at| self.now < at.later(VERIFIED_FOR))
    }

    /// The last failure of `step`, if nothing that it is about has changed since.
    pub(in crate::lifecycle) fn failure(&self, step: StepKind) -> Option<&'a FailureRecord> {
        self.failed(step).filter(|record| about::is_current(self.world, step, record))
    }

    /// Returns when `step` may be tried again, if it failed and that time has not come.
    pub(in crate::lifecycle) fn held_back(&self, step: StepKind) -> Option<Timestamp> {
        let record = self.failure(step)?;
        Some(backoff::next_attempt(step, record)).filter(|at| *at > self.now)
    }

    /// The same for trying `revision`: the result of another one says nothing about it.
    pub(in crate::lifecycle) fn trying_is_held_back(&self, revision: &Revision) -> bool {
        let its_own = self.failure(StepKind::Verify).is_some_and(|it| it.revision == Some(revision.revision));
        its_own && self.held_back(StepKind::Verify).is_some()
    }

    /// Returns until when `revision`, which is revoked, may still be accepted.
    pub(in crate::lifecycle) fn lags_until(&self, revision: &Revision) -> Option<Timestamp> {
        let said = self.world.memory.said_revoked.get(&revision.revision)?;
        Some(said.later(self.capabilities(revision)?.revocation_lag))
    }

    /// The same for revoking `revision`. The provider's answer about one credential holds back no
    /// later one; those before it have had their turn and wait for the next round.
    pub(in crate::lifecycle) fn revoking_is_held_back(&self, revision: &Revision) -> bool {
        if self.lags_until(revision).is_some_and(|at| at > self.now) {
            return true;
        }
        let Some(record) = self.failure(StepKind::Revoke) else { return false };
        let has_its_turn = record.kind.is_some_and(FailureKind::is_of_one_credential)
            && record.revision.is_some_and(|failed| failed < revision.revision);
        !has_its_turn && self.held_back(StepKind::Revoke).is_some()
    }

    /// Returns when the Secret may be repaired again, if others keep changing it.
    pub(in crate::lifecycle) fn repair_due(&self) -> Option<Timestamp> {
        self.world.memory.repaired.map(backoff::next_repair).filter(|at| *at > self.now)
    }

    /// Returns the first of `all` after the one that failed last, so that one that keeps failing
    /// does not starve the others.
    pub(in crate::lifecycle) fn in_turn<'b>(
        &self,
        step: StepKind,
        all: &[&'b Revision],
    ) -> Option<&'b Revision> {
        let failed = self.failed(step).and_then(|it| it.revision).unwrap_or_default();
        all.iter().find(|it| it.revision > failed).or_else(|| all.first()).copied()
    }

    pub(in crate::lifecycle) fn schedule(&self, revision: &Revision) -> Option<schedule::Schedule> {
        schedule::schedule(self.world.object_uid(), &self.object()?.spec, revision)
    }

    /// The newest revision, if the target holds it as the spec wants it.
    pub(in crate::lifecycle) fn published(&self) -> Option<&'a Revision> {
        let newest = self.document()?.newest_issued()?;
        let rendered = self.world.published()?;
        (rendered.revision == newest.revision && rendered.from == self.source(newest).1).then_some(newest)
    }

    /// The revision to publish beside `revision`, and the hash of the target's sources.
    pub(in crate::lifecycle) fn source(&self, revision: &Revision) -> (Option<u32>, String) {
        let output = self.object().and_then(|object| object.spec.secret.as_ref());
        let wanted = output.is_some_and(|output| output.include_previous);
        let previous = self
            .document()
            .filter(|_| wanted)
            .and_then(|document| previous_of(document, revision.revision))
            .filter(|previous| self.revoke_at(previous, revision).is_none_or(|at| at > self.now));
        (previous.map(|it| it.revision), render::source(output, revision, previous))
    }

    pub(in crate::lifecycle) fn revoke_at(&self, old: &Revision, new: &Revision) -> Option<Timestamp> {
        schedule::revoke_at(&self.object()?.spec, old, self.schedule(new))
    }

    /// Returns the beginning of the last third of the life of the credential that workloads use.
    pub(in crate::lifecycle) fn last_third(&self) -> Option<Timestamp> {
        schedule::last_third(self.world.active()?).map(|(third, _)| third)
    }

    /// An intent of this process.
    pub(in crate::lifecycle) fn intent(&self) -> Intent {
        let operator = &self.world.operator;
        Intent {
            writer: operator.writer.clone(),
            id: naming::random_letters(operator.entropy.rotate_left(64), 16),
            at: self.now,
            call_by: self.now.later(CALL_WITHIN),
        }
    }

    /// The account that the spec refers to.
    pub(in crate::lifecycle) fn account(&self, provider: &UsableProvider) -> Option<Account> {
        let reference = &self.object()?.spec.provider_ref;
        let fingerprint = provider.fingerprint.clone();
        Some(Account { kind: reference.kind, name: reference.name.clone(), fingerprint })
    }

    /// A Secret of ours that the spec does not name any more.
    pub(in crate::lifecycle) fn renamed_target(&self) -> Option<&'a TargetView> {
        let current = self.world.target()?;
        self.world.targets.iter().find(|it| it.ours && it.name != current.name && !it.terminating)
    }

    /// Returns when workloads have had an overlap's time to move from `old` to a new `secret.name`;
    /// `None` before the ledger has recorded when the name changed.
    pub(in crate::lifecycle) fn renaming_is_over(&self, old: &TargetView) -> Option<Timestamp> {
        let rotation = self.object()?.spec.rotation.as_ref();
        let target = self.world.target()?;
        let renamed = self.document()?.renamed.as_ref().filter(|it| it.to == target.name)?;
        let created = [target.created_at, old.created_at].into_iter().flatten();
        Some(created.fold(renamed.at, Timestamp::max).later(schedule::overlap(rotation)))
    }

    /// Returns when an unanswered call is looked for next.
    pub(in crate::lifecycle) fn settle_due(&self, revision: &Revision) -> Option<Timestamp> {
        let capabilities = self.capabilities(revision)?;
        let from = schedule::settle_from(revision, capabilities);
        if revision.state == State::Unconfirmed && !capabilities.can_list() {
            return None;
        }
        let listed = from.later(capabilities.listing_lag());
        // The last search of any revision counts: several lost responses take turns, and do not
        // call without a pause.
        Some(match self.world.memory.looked {
            Some(Tried { at, .. }) if at >= from && at < listed => at.later(LOOK_AGAIN).min(listed),
            Some(Tried { at, .. }) if at >= from => at.later(LOOK_AGAIN),
            _ => from,
        })
    }

    /// Returns when a revision that waits for acceptance is next tried: soon after it was issued or
    /// after the cause of a failure was corrected, then with growing pauses.
    pub(in crate::lifecycle) fn verify_due(&self, revision: &Revision) -> Option<Timestamp> {
        let issued = revision.issued_at?;
        let tried = self.world.memory.tried.and_then(|it| it.of(revision.revision));
        let failed = self.failed(StepKind::Verify).filter(|it| it.revision == Some(revision.revision));
        let accepted = self.world.memory.acceptances.filter(|it| it.last.revision == revision.revision);
        if let Some(Acceptances { last, .. }) = accepted {
            let able = self.capabilities(revision)?;
            return Some(last.at.later(able.propagation.part(able.acceptances)));
        }
        let corrected = failed.is_some_and(|it| !about::is_current(self.world, StepKind::Verify, it));
        Some(tried.map_or(issued, |at| {
            let age = if corrected { SignedDuration::ZERO } else { at.duration_since(issued) };
            at.later(age.part(4).clamp(SignedDuration::from_secs(1), SignedDuration::from_secs(15)))
        }))
    }

    /// Returns when the published revision is tried next.
    pub(in crate::lifecycle) fn check_due(&self, revision: &Revision) -> Timestamp {
        let checked = self.world.memory.checked.and_then(|it| it.of(revision.revision));
        if let Some(refused) = revision.refused_at.filter(|_| revision.dead_at.is_none()) {
            // Soon at first, then with growing pauses: it may be waiting for others, or for a
            // person. Once it waits for nobody, because the others work or a person has judged
            // them, the next refusal decides.
            let settle = self.capabilities(revision).map_or(SignedDuration::ZERO, |it| it.propagation);
            let (shortest, longest) = (settle.max(LOOK_AGAIN), SETTLE_MAX.max(settle));
            let decides = |it: &UsableProvider| suspect::is_its_own(it, &revision.account, refused, self.now);
            let waits = !self.callable(revision).is_some_and(decides);
            let checked = checked.unwrap_or(refused);
            let wait = checked.duration_since(refused).part(4);
            return checked.later(wait.clamp(shortest, if waits { longest } else { shortest }));
        }
        let uid = self.world.object_uid();
        let due = schedule::next_check(uid, revision, checked, self.world.operator.started);
        let Some(provider) = self.callable(revision) else { return due };
        let Standing { sibling_refused_at, judged, .. } = provider.standing;
        let looks = suspect::is_in_the_sample(provider, schedule::spread(uid, revision.revision));
        let alarmed = sibling_refused_at.filter(|_| looks);
        // After a person has judged the account, all of its credentials are checked, and not only a
        // sample.
        let judged = judged.filter(|judged| revision.issued_at.is_some_and(|issued| issued <= *judged));
        let unchecked = |at: &Timestamp| checked.is_none_or(|checked| checked < *at);
        [alarmed, judged].into_iter().flatten().filter(unchecked).fold(due, Timestamp::min)
    }
}
