//! Providers, as they were found.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::{
    api::{Allow, ProviderKind, Reason},
    lifecycle::model::{capability::Capabilities, ledger::Parameters, time::to_second},
};

use super::World;

/// A provider, as it was found.
#[derive(Clone, Debug)]
pub enum ProviderView {
    /// The object does not exist, or cannot be used; nothing can be called.
    Unusable {
        /// The cause.
        reason: Reason,
        /// A sentence that says what to do.
        message: String,
    },
    /// It can be called.
    Usable(Box<UsableProvider>),
}

/// A provider that can be called.
#[derive(Clone, Debug)]
pub struct UsableProvider {
    /// The capabilities.
    pub capabilities: Arc<Capabilities>,
    /// The fields of a Secret besides a pair and its scope, as they are now; empty if they are not
    /// known.
    pub fields: BTreeMap<String, String>,
    /// Hash of its identifying fields and of our login there.
    pub fingerprint: String,
    /// Hash of its whole spec and of the content of its login: a failure there is over when it
    /// changes.
    pub setup: String,
    /// The namespaces and requests that it allows: `None` for a provider in the object's own
    /// namespace.
    pub allow: Option<Allow>,
    /// Set while nothing is to be asked of it.
    pub paused: Option<Pause>,
    /// Set while this object waits for its turn at the account.
    pub busy: Option<Pause>,
    /// The state of the account as a whole.
    pub standing: Standing,
    /// The budget of new credentials that remains.
    pub budget: Budget,
    /// The times at which this process last listed all that it holds of ours, by place.
    pub listed: Arc<BTreeMap<Parameters, Timestamp>>,
    /// True if its object is being deleted: nothing is minted there any more, but existing
    /// credentials are still revoked.
    pub deleting: bool,
}

/// A pause of a provider account, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The reason that conditions show.
    pub reason: Reason,
    /// A sentence without any secret.
    pub message: String,
}

/// The state of an account as a whole, beyond whether it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// True if a person says that this is the account where earlier credentials were made, although
    /// it looks different.
    pub confirmed: bool,
    /// The cause for which nothing is to be minted or revoked here, if there is one, and what to
    /// do.
    pub suspicion: Option<String>,
    /// The number of credentials in ledgers here that workloads may use.
    pub usable: u32,
    /// The time at which another credential of the account was last found to be refused, while it
    /// still is.
    pub sibling_refused_at: Option<Timestamp>,
    /// The time up to which a person has judged refusals: those credentials are gone for good.
    pub judged: Option<Timestamp>,
    /// The names or client IDs, separated by commas, that the owner of the provider confirms as
    /// removed.
    pub removed: Option<String>,
}

/// The share of an account's budget that remains for one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The number of new credentials that are allowed within an hour.
    pub limit: u32,
    /// The time at which the next one is allowed, if it is not allowed now.
    pub opens: Option<Timestamp>,
    /// True if only this namespace has to wait.
    pub unfair: bool,
    /// Renewals close to their end wait, too: the schedules of this namespace need more than its
    /// share.
    pub renewals_wait: bool,
}

impl UsableProvider {
    /// Returns why it cannot be called just now.
    #[must_use]
    pub fn in_the_way(&self) -> Option<&Pause> {
        self.paused.as_ref().or(self.busy.as_ref())
    }
}

impl ProviderView {
    /// The provider, if it can be called.
    #[must_use]
    pub fn usable(&self) -> Option<&UsableProvider> {
        match self {
            Self::Usable(provider) => Some(provider),
            Self::Unusable { .. } => None,
        }
    }

    /// Returns why no call can be made, if anything is known.
    #[must_use]
    pub fn why_not_callable(&self) -> Option<String> {
        match self {
            Self::Usable(provider) => provider.in_the_way().map(|pause| pause.message.clone()),
            Self::Unusable { message, .. } => Some(message.clone()),
        }
    }
}

impl World {
    /// Marks an account as busy with others' work since `since`: nothing can be asked of it now,
    /// which is no failure. Returns `false` if it was so before, or cannot be called at all.
    pub fn set_busy(&mut self, (kind, name): &(ProviderKind, String), since: Timestamp) -> bool {
        let message = format!(
            "the provider {name} is busy with other credentials; this one has waited for its turn since {}",
            to_second(since)
        );
        match self.providers.get_mut(&(*kind, name.clone())) {
            Some(ProviderView::Usable(provider)) if provider.busy.is_none() => {
                provider.busy = Some(Pause { reason: Reason::ProviderBusy, message });
                true
            }
            _ => false,
        }
    }
}
