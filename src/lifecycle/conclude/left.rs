//! Credentials that are left behind at a provider: Events and records.

use crate::{
    api::{AbandonedKind, Reason},
    lifecycle::{
        decide::{deletion, facts::Facts},
        model::{Abandonment, Edit, FailureKind, ProviderView, Revision, StepKind},
    },
};

use super::{Complaint, Conclusion};

impl Conclusion<'_> {
    /// The record exists; now the ledger need not account for it any more.
    pub(super) fn abandoned(&mut self, it: &Abandonment) {
        let client = it.client_id.as_deref().unwrap_or("unknown");
        let what = match it.kind {
            AbandonedKind::NotRevoked => "was not revoked",
            AbandonedKind::Unconfirmed => "may have been created",
        };
        let next = it.action.as_deref().unwrap_or("Credwright retries until it is gone");
        let message = format!(
            "{} (client {client}) {what}: {}; it is recorded as the AbandonedCredential {}: {next}",
            it.name, it.why, it.record
        );
        self.warn(Reason::Abandoned, message);
        let given_up =
            deletion::without_ledger::ledger_is_given_up(&Facts { world: self.world, now: self.now });
        let document = self.world.document().filter(|_| !given_up);
        let listed = document.and_then(|document| document.revision(it.revision));
        let Some(revision) = listed else { return self.report.memory.abandoned.push(it.revision) };
        self.report.edits.push(Edit::Abandon { revision: it.revision });
        let unlisted = it.kind == AbandonedKind::Unconfirmed && it.action.is_none();
        if unlisted && !self.world.deleting() {
            self.space_mints(revision, &it.why);
        }
    }

    /// It is not known whether the last attempt has left something behind, so the next one waits.
    fn space_mints(&mut self, revision: &Revision, why: &str) {
        let about = self.about_minting(revision);
        let complaint = Complaint::new(Reason::Unconfirmed, why.to_owned(), FailureKind::Ambiguous);
        self.record(StepKind::Mint, revision, about, complaint);
    }

    /// Publishes Events about credentials left at the provider before the ledger that lists them is
    /// deleted, except those that the user asked to keep.
    pub(super) fn closed(&mut self) {
        let kept = |it: &Revision| it.state.is_usable() && deletion::retains(self.world);
        let left = self.world.document().into_iter().flat_map(|it| &it.revisions);
        for revision in left.filter(|it| it.state.may_be_alive() && !kept(it)) {
            let capabilities = self.provider_view(revision).and_then(ProviderView::usable);
            let place = capabilities.map_or("the provider", |it| &it.capabilities.place);
            let message = format!(
                "a credential named {} may be left behind: look at {place} and remove it by hand",
                revision.described()
            );
            self.warn(Reason::Unconfirmed, message);
        }
    }
}
