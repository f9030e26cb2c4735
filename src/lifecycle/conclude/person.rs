//! Conclusions from the steps in which a person has a part.

use crate::{
    api::{Reason, TRY_AGAIN_ANNOTATION},
    lifecycle::{
        decide::{facts::Facts, permitted, removal},
        model::{Edit, FailureKind, IntakeView, Outcome, ProviderView, Revision, StepKind, to_second},
        rules::about,
    },
};

use super::{Complaint, Conclusion, EventNote, reason};

impl Conclusion<'_> {
    pub(super) fn taken(&mut self, revision: &Revision, outcome: &Outcome) {
        let provider = self.provider_view(revision).and_then(ProviderView::usable);
        let pair = match &self.world.intake {
            Some(IntakeView::Holds(pair)) => Some(pair),
            _ => None,
        };
        let intake = self.world.subject.object.as_ref().and_then(|object| object.spec.intake.as_ref());
        let about = provider
            .zip(pair)
            .map(|(provider, pair)| about::taking(&revision.request, provider, (pair, intake)));
        let about = about.unwrap_or_default();
        let failed = self.world.document().and_then(|it| it.failures.get(&StepKind::Mint));
        if failed.is_some_and(|record| record.about != about) {
            self.report.memory.retried = Some(self.now);
        }
        let client = revision.client_id.as_deref().unwrap_or_default();
        let title = provider.map_or("the provider", |it| it.capabilities.title);
        match outcome {
            Outcome::Done => {
                self.report.memory.verified = Some((revision.revision, self.now));
                let message = format!(
                    "client {client} was taken from the intake Secret as revision {}",
                    revision.revision
                );
                self.report.events.push(EventNote::normal(revision.reason, message));
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
        let intake = self.world.subject.object.as_ref().and_then(|object| object.spec.intake.as_ref());
        let name = intake.map_or("", |intake| intake.secret_name.as_str());
        format!(
            "If that is fixed and the pair is right, have it tried again: kubectl annotate secret {name} \
             --namespace={} --overwrite {TRY_AGAIN_ANNOTATION}=\"$(date)\"",
            self.world.subject.namespace
        )
    }

    pub(super) fn looked_for_removal(&mut self, revision: &Revision, outcome: &Outcome) {
        self.report.memory.removals.insert(revision.revision, self.now);
        match outcome {
            Outcome::Removed(Some(true)) => {
                self.report.memory.removals.remove(&revision.revision);
                self.report.edits.push(Edit::Revoked { revision: revision.revision });
                let message = format!("{} was removed: the provider refuses it", revision.described());
                self.report.events.push(EventNote::normal(Reason::Revoked, message));
            }
            // A failure that does not concern the account is retried after a while.
            Outcome::Failed(failure) => self.report.trouble = self.account_trouble(revision, failure),
            _ => {}
        }
    }

    /// Hands the credentials that Credwright cannot revoke over to a person.
    pub(super) fn handed_over(&mut self, revisions: &[u32]) {
        let facts = Facts { world: self.world, now: self.now };
        let doomed = facts.revisions().filter(|it| revisions.contains(&it.revision));
        let notes = doomed.filter_map(|it| {
            let capabilities = facts.capabilities(it).filter(|it| !it.can_revoke())?;
            let message = removal::to_remove(&facts, it, capabilities);
            Some(EventNote::warning(Reason::RemovalAwaited, message))
        });
        self.report.events.extend(notes);
    }

    /// Publishes an Event that the published credential is revoked without a replacement.
    pub(super) fn outlived(&mut self, revisions: &[u32]) {
        let facts = Facts { world: self.world, now: self.now };
        let Some(it) = self.world.active().filter(|it| revisions.contains(&it.revision)) else { return };
        let Some(end) = permitted::end(&facts, it).filter(|end| *end <= self.now) else { return };
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
        self.report.memory.reminded = Some(self.now);
        let notes = notes.iter().cloned();
        self.report.events.extend(notes.map(|(reason, message)| EventNote::warning(reason, message)));
    }
}
