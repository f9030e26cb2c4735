//! Conclusions from the steps in which a person has a part.

use crate::{
    api::{Reason, TRY_AGAIN_ANNOTATION},
    lifecycle::{
        decide::{permitted, removal},
        model::{Edit, FailureKind, IntakeView, Outcome, Removed, Revision, StepKind, Tried, to_second},
        rules::about,
    },
};

use super::{Complaint, Conclusion, reason};

impl Conclusion<'_> {
    pub(super) fn taken(&mut self, revision: &Revision, outcome: &Outcome) {
        let provider = self.facts.provider(&revision.account);
        let intake = self.facts.object().and_then(|object| object.spec.intake.as_ref());
        let about = match (provider, &self.facts.world.intake) {
            (Some(provider), Some(IntakeView::Holds(pair))) => {
                about::taking(&revision.request, provider, (pair, intake))
            }
            _ => String::new(),
        };
        if self.facts.failed(StepKind::Mint).is_some_and(|record| record.about != about) {
            self.report.memory.retried = Some(self.facts.now);
        }
        let client = revision.client_id.as_deref().unwrap_or_default();
        let title = provider.map_or("the provider", |it| &*it.capabilities.title);
        match outcome {
            Outcome::Done => {
                self.report.memory.verified = Some(Tried::new(revision.revision, self.facts.now));
                let message = format!(
                    "client {client} was taken from the intake Secret as revision {}",
                    revision.revision
                );
                self.note(revision.reason, message);
            }
            Outcome::Tried { accepted: false } => {
                let portal = provider.and_then(|it| it.capabilities.portal());
                let more = portal.map(|it| &*it.when_refused).filter(|it| !it.is_empty());
                let more = more.map(|it| format!("{it} ")).unwrap_or_default();
                let message = format!(
                    "{title} refuses the pair of client {client}, so it is not published: the client ID or the secret is \
                     mistyped, it was removed or has expired, or it may not be used from here. {more}{}",
                    self.how_to_try_again()
                );
                let complaint = Complaint::new(Reason::IntakeRefused, message, FailureKind::Rejected);
                self.record(StepKind::Mint, revision, about, complaint);
            }
            Outcome::Failed(failure) => {
                let message = format!("trying the pair of client {client} failed: {}", failure.message);
                let message = if failure.kind.is_of_one_credential() {
                    format!("{message}. {}", self.how_to_try_again())
                } else {
                    message
                };
                let why = match failure.kind {
                    FailureKind::Rejected => Reason::IntakeRefused,
                    kind => reason(kind),
                };
                self.fail(StepKind::Mint, revision, about, Complaint::of_call(why, message, failure));
            }
            _ => {}
        }
    }

    /// The same content is tried again with long pauses, so a person has to say when another cause
    /// was fixed.
    fn how_to_try_again(&self) -> String {
        let intake = self.facts.object().and_then(|object| object.spec.intake.as_ref());
        let name = intake.map_or("", |intake| intake.secret_name.as_str());
        format!(
            "If that is fixed and the pair is right, have it tried again: kubectl annotate secret {name} \
             --namespace={} --overwrite {TRY_AGAIN_ANNOTATION}=\"$(date)\"",
            self.facts.world.subject.namespace
        )
    }

    pub(super) fn looked_for_removal(&mut self, revision: &Revision, outcome: &Outcome) {
        self.report.memory.removals.insert(revision.revision, self.facts.now);
        match outcome {
            Outcome::Removed(Removed::Yes) => {
                self.report.memory.removals.remove(&revision.revision);
                self.report.edits.push(Edit::Revoked(revision.revision));
                let message = format!("{} was removed: the provider refuses it", revision.described());
                self.note(Reason::Revoked, message);
            }
            // A failure that does not concern the account is retried after a while.
            Outcome::Failed(failure) => self.report.trouble = self.account_trouble(revision, failure),
            _ => {}
        }
    }

    /// Hands the credentials that Credwright cannot revoke over to a person.
    pub(super) fn handed_over(&mut self, revisions: &[u32]) {
        let facts = self.facts;
        for it in facts.revisions().filter(|it| revisions.contains(&it.revision)) {
            if let Some(capabilities) = facts.capabilities(it).filter(|it| !it.can_revoke()) {
                self.warn(Reason::RemovalAwaited, removal::to_remove(&facts, it, capabilities));
            }
        }
    }

    /// Publishes an Event that the published credential is revoked without a replacement.
    pub(super) fn outlived(&mut self, revisions: &[u32]) {
        let Some(it) = self.facts.world.active().filter(|it| revisions.contains(&it.revision)) else {
            return;
        };
        let Some(end) = permitted::end(&self.facts, it).filter(|end| *end <= self.facts.now) else { return };
        let message = format!(
            "the published credential {} is being revoked: its life at the shared provider {} ended at \
             {}, and it may not be renewed",
            it.name,
            it.account.name,
            to_second(end)
        );
        self.warn(Reason::NotAllowed, message);
    }

    pub(super) fn reminded(&mut self, notes: &[(Reason, String)]) {
        self.report.memory.reminded = Some(self.facts.now);
        notes.iter().for_each(|(reason, message)| self.warn(*reason, message.clone()));
    }
}
