//! The conclusions from a step: edits to the ledger, Events, and memory.
//!
//! The whole policy for failures is [`reason`], [`backoff::next_attempt`] and the few lines
//! that call them.

mod ending;
mod person;
mod restore;
mod verified;

pub use ending::yet_accepted;

use jiff::Timestamp;

use crate::api::{ProviderKind, Reason};

use super::{
    decide::facts::Facts,
    model::{
        Capabilities, Edit, Failure, FailureKind, FailureRecord, FoundCredential, Memory, Moved, Outcome,
        Revision, Step, StepKind, Tried, World,
    },
    rules::{about, backoff, render, schedule, suspect},
};

/// The conclusions from a step and its outcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Changes to the ledger, written together.
    pub edits: Vec<Edit>,
    /// The Events to publish.
    pub events: Vec<EventNote>,
    /// A finished attempt to replace a published credential.
    pub rotation: Option<RotationEnd>,
    /// A failure that may be the whole account's.
    pub trouble: Option<AccountTrouble>,
    /// The account that the step called, if it answered.
    pub answered: Option<(ProviderKind, String)>,
    /// The memory of this process from now on.
    pub memory: Memory,
}

/// The end of an attempt to replace a published credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationEnd {
    /// The reason for which it was made.
    pub why: Reason,
    /// True if the replacement is published.
    pub done: bool,
}

/// A note for people, published as a Kubernetes Event on the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNote {
    /// True if it is a Warning.
    pub warning: bool,
    /// The reason.
    pub reason: Reason,
    /// A sentence without any secret.
    pub message: String,
}

/// A failure to report.
struct Complaint<'a> {
    reason: Reason,
    message: String,
    /// The kind of failure: the next attempt depends on it.
    kind: FailureKind,
    /// The call that failed; `None` if it succeeded, but not as it should have.
    call: Option<&'a Failure>,
}

impl<'a> Complaint<'a> {
    fn new(reason: Reason, message: String, kind: FailureKind) -> Self {
        Self { reason, message, kind, call: None }
    }

    fn of_call(reason: Reason, message: String, failure: &'a Failure) -> Self {
        Self { reason, message, kind: failure.kind, call: Some(failure) }
    }
}

/// A failure that concerns a whole account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountTrouble {
    /// The provider object's kind and name.
    pub account: (ProviderKind, String),
    /// The failure.
    pub failure: Failure,
}

/// The reason that people are shown for a kind of failure.
#[must_use]
pub fn reason(kind: FailureKind) -> Reason {
    match kind {
        FailureKind::Unavailable | FailureKind::Ambiguous | FailureKind::Other(_) => {
            Reason::ProviderUnavailable
        }
        FailureKind::RateLimited => Reason::ProviderRateLimited,
        FailureKind::LoginRefused => Reason::ProviderLoginRefused,
        FailureKind::Forbidden => Reason::ProviderForbidden,
        FailureKind::Rejected => Reason::InvalidForProvider,
        FailureKind::Unexplained => Reason::ProviderRefused,
        FailureKind::NotFound => Reason::FoundRevoked,
        FailureKind::Conflict => Reason::NameTaken,
        FailureKind::Malformed => Reason::ProviderProtocolError,
        FailureKind::Busy => Reason::ProviderBusy,
    }
}

/// Returns whether a failure is the account's rather than one credential's: then one probe stands
/// for all.
fn concerns_account(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Unavailable | FailureKind::RateLimited | FailureKind::LoginRefused)
}

/// Returns whether the called account has answered, even with a refusal.
fn has_answered(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::TooLate => false,
        Outcome::Failed(failure) => {
            !concerns_account(failure.kind)
                && !matches!(
                    failure.kind,
                    // A proxy may have sent the last one.
                    FailureKind::Ambiguous | FailureKind::Busy | FailureKind::Unexplained
                )
        }
        _ => true,
    }
}

/// Concludes from `outcome` which edits, Events and memory follow. A function, like
/// [`super::decide`].
#[must_use]
pub fn conclude(world: &World, step: &Step, outcome: &Outcome, now: Timestamp) -> Report {
    let report = Report { memory: world.memory.clone(), ..Report::default() };
    let mut conclusion = Conclusion { facts: Facts { world, now }, report };
    let listed = step.revision().and_then(|number| world.document()?.revision(number));
    match (step, listed) {
        (Step::Mint(intended), _) => conclusion.minted(intended, outcome),
        (Step::Take(taken), _) => conclusion.taken(taken, outcome),
        (Step::Settle { .. }, Some(it)) => conclusion.settled(it, outcome),
        (Step::Verify { .. }, Some(it)) => conclusion.verified(it, outcome),
        (Step::Publish { .. }, Some(it)) => conclusion.published(it, outcome),
        (Step::Revoke { .. }, Some(it)) => conclusion.revoked(it, outcome),
        (Step::CheckRemoval { .. }, Some(it)) => conclusion.looked_for_removal(it, outcome),
        (Step::Record(Edit::Unconfirm(_)), Some(it)) => conclusion.never_answered(it),
        (Step::Record(Edit::Close), _) => conclusion.closed(),
        (Step::Record(Edit::StartRevoking(revisions)), _) => {
            conclusion.handed_over(revisions);
            conclusion.outlived(revisions);
        }
        (Step::Abandon(it), _) => conclusion.abandoned(it),
        (Step::Remind(notes), _) => conclusion.reminded(notes),
        (Step::Inherit(inherited), _) => conclusion.inherited(inherited),
        (Step::Recover(recovery), _) => conclusion.recovered(recovery, outcome),
        (Step::RestoreLedger, _) => conclusion.restored(outcome),
        (
            Step::Settle { .. }
            | Step::Verify { .. }
            | Step::Publish { .. }
            | Step::Revoke { .. }
            | Step::CheckRemoval { .. }
            | Step::CopyLedger
            | Step::DropLedger
            | Step::RemoveCopy
            | Step::Record(_)
            | Step::HoldObject
            | Step::DeleteTarget { .. }
            | Step::ReleaseTarget { .. }
            | Step::ReleaseObject
            | Step::ReleaseLedger,
            _,
        ) => {}
    }
    let account = step.account(world).filter(|_| has_answered(outcome));
    conclusion.report.answered = account.map(|it| (it.kind, it.name.clone()));
    conclusion.report
}

struct Conclusion<'a> {
    facts: Facts<'a>,
    report: Report,
}

impl Conclusion<'_> {
    fn minted(&mut self, intended: &Revision, outcome: &Outcome) {
        let revision = intended.revision;
        let failure = match outcome {
            Outcome::TooLate | Outcome::Failed(Failure { kind: FailureKind::Busy, .. }) => {
                self.report.edits.push(Edit::Absent { revision, refused: true });
                return;
            }
            Outcome::Failed(failure) => failure,
            Outcome::Unusable(failure) => return self.unusable(intended, failure),
            _ => return,
        };
        let can_list = self.facts.capabilities(intended).is_some_and(|it| it.can_list());
        let lost = matches!(failure.kind, FailureKind::Ambiguous | FailureKind::Malformed);
        self.report.edits.push(if lost {
            Edit::Unconfirm(revision)
        } else {
            Edit::Absent { revision, refused: true }
        });
        let why = &failure.message;
        let (reason, message) = if lost && !can_list {
            let message = format!(
                "the response to the create request for {} cannot be used ({why}), and the provider cannot \
                 list its credentials: look there for that name and remove it",
                intended.name
            );
            (Reason::Unconfirmed, message)
        } else {
            (reason(failure.kind), format!("creating a credential failed: {why}"))
        };
        self.minting_failed(intended, Complaint::of_call(reason, message, failure));
    }

    /// The ledger lists the credential, and it is revoked. The next answer would be the same: it is
    /// asked for after long pauses, or when something is corrected.
    fn unusable(&mut self, intended: &Revision, failure: &Failure) {
        let message = format!(
            "the provider created a credential that cannot be used, so it is revoked: {}",
            failure.message
        );
        let complaint = Complaint::new(Reason::ProviderProtocolError, message, FailureKind::Rejected);
        self.minting_failed(intended, complaint);
    }

    /// A crash took the answer, and the provider cannot be asked for it: as with a lost response,
    /// the next attempt waits.
    fn never_answered(&mut self, revision: &Revision) {
        let message = format!(
            "{} may have been created, and the provider cannot list its credentials: look there for that \
             name and remove it",
            revision.name
        );
        self.minting_failed(revision, Complaint::new(Reason::Unconfirmed, message, FailureKind::Ambiguous));
    }

    fn settled(&mut self, revision: &Revision, outcome: &Outcome) {
        self.report.memory.looked = Some(Tried::new(revision.revision, self.facts.now));
        let found = match outcome {
            Outcome::Found(found) => found,
            Outcome::Failed(failure) => {
                let message = format!("searching for {} failed: {}", revision.name, failure.message);
                let complaint = Complaint::of_call(reason(failure.kind), message, failure);
                return self.call_failed(StepKind::Settle, revision, complaint);
            }
            _ => return,
        };
        match found.iter().find(|it| it.found.is_named(revision)) {
            Some(it) if it.held_elsewhere => {
                let message = format!(
                    "the provider lists client {} under the name {}, but it belongs to someone else; it is \
                     not revoked",
                    it.found.client_id, revision.name
                );
                return self.list_is_wrong(revision, message);
            }
            Some(it) => {
                let found = Box::new(it.found.clone());
                self.report.edits.push(Edit::Found { revision: revision.revision, found });
            }
            None => {
                if let Some(message) = self.hides(revision, found) {
                    return self.list_is_wrong(revision, message);
                }
                let is_over = |it: &Capabilities| {
                    self.facts.now >= schedule::settle_from(revision, it).later(it.listing_lag())
                };
                if self.facts.capabilities(revision).is_some_and(is_over) {
                    self.report.edits.push(Edit::Absent { revision: revision.revision, refused: false });
                }
            }
        }
        self.forget(StepKind::Settle);
    }

    /// Returns why the list in which `revision` was searched is not reliable.
    fn hides(&self, revision: &Revision, found: &[FoundCredential]) -> Option<String> {
        let capabilities = self.facts.capabilities(revision)?;
        let (lag, place) = (capabilities.listing_lag(), capabilities.place(&revision.parameters));
        let tag = revision.tag()?;
        let is_listed = |name: &str| found.iter().any(|it| it.found.name == name);
        suspect::hides(
            self.facts.world.document()?,
            (tag, &revision.account, &place),
            is_listed,
            (self.facts.now, lag),
        )
    }

    fn list_is_wrong(&mut self, revision: &Revision, message: String) {
        let complaint = Complaint::new(Reason::ProviderProtocolError, message, FailureKind::Malformed);
        self.call_failed(StepKind::Settle, revision, complaint);
    }

    fn published(&mut self, revision: &Revision, outcome: &Outcome) {
        let name = &self.facts.world.subject.name;
        let spec = self.facts.object().map(|object| &object.spec);
        let target = spec.map_or(name.as_str(), |spec| spec.target_name(name));
        if let Outcome::NotPublished { reason, message } = outcome {
            let complaint = Complaint::new(*reason, message.clone(), FailureKind::Unavailable);
            let about = render::about(spec.and_then(|spec| spec.secret.as_ref()));
            return self.record(StepKind::Publish, revision, about, complaint);
        }
        if !matches!(outcome, Outcome::Done) {
            return;
        }
        let client = revision.client_id.as_deref().unwrap_or_default();
        let before = self.facts.world.active().map(|it| it.revision);
        let mut warning = false;
        let (reason, message) = match before {
            Some(before) if before == revision.revision => {
                let repairs = backoff::repaired(self.report.memory.repaired, self.facts.now);
                self.report.memory.repaired = Some(repairs);
                warning = repairs.count > backoff::REPAIRS_AT_ONCE;
                (Reason::Restored, format!("the Secret {target} was written again with revision {before}"))
            }
            Some(before) => {
                self.report.rotation = Some(RotationEnd { why: revision.reason, done: true });
                let why = revision.reason.as_str();
                (
                    Reason::Rotated,
                    format!(
                        "the Secret {target} now holds revision {} (client {client}) in place of {before}: {why}",
                        revision.revision
                    ),
                )
            }
            None => (
                Reason::Issued,
                format!("the Secret {target} holds revision {} (client {client})", revision.revision),
            ),
        };
        self.report.events.push(EventNote { warning, reason, message });
        self.forget(StepKind::Publish);
        if before != Some(revision.revision) {
            self.forget(StepKind::Mint);
        }
    }

    fn note(&mut self, reason: Reason, message: String) {
        self.report.events.push(EventNote { warning: false, reason, message });
    }

    fn warn(&mut self, reason: Reason, message: String) {
        self.report.events.push(EventNote { warning: true, reason, message });
    }

    fn about_minting(&self, revision: &Revision) -> String {
        let provider = self.facts.provider(&revision.account);
        provider
            .map(|provider| about::minting((&revision.request, &revision.parameters), provider))
            .unwrap_or_default()
    }

    /// No credential was made, or none that can be used.
    fn minting_failed(&mut self, revision: &Revision, complaint: Complaint<'_>) {
        self.fail(StepKind::Mint, revision, self.about_minting(revision), complaint);
    }

    /// A call about one credential failed.
    fn call_failed(&mut self, step: StepKind, revision: &Revision, complaint: Complaint<'_>) {
        let provider = self.facts.provider(&revision.account);
        self.fail(step, revision, about::calling(step, revision, provider), complaint);
    }

    fn fail(&mut self, step: StepKind, revision: &Revision, about: String, complaint: Complaint<'_>) {
        if complaint.kind == FailureKind::Busy {
            return;
        }
        if step == StepKind::Mint
            && self.facts.world.active().is_some_and(|it| it.revision < revision.revision)
        {
            self.report.rotation = Some(RotationEnd { why: revision.reason, done: false });
        }
        let trouble = complaint.call.and_then(|failure| self.account_trouble(revision, failure));
        self.report.trouble = trouble.or_else(|| self.report.trouble.take());
        // Slowing down and a refused login are the account's alone: its probe tells when they are
        // over.
        let only_the_account = matches!(complaint.kind, FailureKind::RateLimited | FailureKind::LoginRefused);
        if !only_the_account || self.report.trouble.is_none() {
            self.record(step, revision, about, complaint);
        }
    }

    /// The trouble that the whole account is in, if a failure says so. Where a provider counts
    /// requests by credential, being asked to slow down concerns that one only.
    fn account_trouble(&self, revision: &Revision, failure: &Failure) -> Option<AccountTrouble> {
        let its_own = failure.kind == FailureKind::RateLimited
            && self.facts.capabilities(revision).is_some_and(|it| it.limits_per_credential);
        let account = (revision.account.kind, revision.account.name.clone());
        (concerns_account(failure.kind) && !its_own)
            .then(|| AccountTrouble { account, failure: failure.clone() })
    }

    fn record(&mut self, step: StepKind, revision: &Revision, about: String, complaint: Complaint<'_>) {
        let Complaint { reason, message, kind, .. } = complaint;
        if self.facts.failed(step).is_none_or(|known| known.reason != reason) {
            self.warn(reason, message.clone());
        }
        let record = FailureRecord {
            reason,
            message,
            kind: Some(kind),
            count: 1,
            at: self.facts.now,
            revision: Some(revision.revision),
            about,
        };
        self.report.edits.push(Edit::Fail { step, record: Box::new(record) });
    }

    /// Removes the failures of a kind of step, if there are any, to avoid needless writes of the
    /// ledger.
    fn forget(&mut self, step: StepKind) {
        if self.facts.failed(step).is_some() {
            self.report.edits.push(Edit::Succeed(step));
        }
    }
}
