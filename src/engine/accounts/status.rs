//! The status of a provider object: what it says about its account.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::Api;

use super::account::Account;
use crate::{
    api::{ClusterCredentialProvider, ConditionType, CredentialProvider, ProviderStatus, Reason},
    engine::{Decoded, Engine, EngineError, ProviderKey, ProviderObject, Tally},
    lifecycle::{Moved, status},
    providers::registry,
};

/// The shortest pause between two writes of counts into a provider's status.
pub const COUNT_EVERY: SignedDuration = SignedDuration::from_secs(10);

impl Engine {
    /// Writes a provider's status if it has changed. Counts alone are written with long pauses: the
    /// return value says when they are due.
    ///
    /// # Errors
    /// A conflict if somebody else has changed the object meanwhile.
    pub(super) async fn write_provider_status(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        account: &mut Account,
    ) -> Result<Option<Timestamp>, EngineError> {
        let now = self.now();
        let before = object.status();
        let (holds, reason, message) = match object.deleting() {
            true => (false, Reason::ProviderDeleting, status::going(self.living_at(key))),
            false => account.says(),
        };
        let mut drafts = vec![(ConditionType::Ready, holds, reason, message)];
        if let Ok(usable) = &account.setup
            && !usable.capabilities.is_by_hand()
        {
            drafts.push(self.limits_suffice(key, object));
        }
        let known = before.map(|it| it.conditions.as_slice()).unwrap_or_default();
        let notes: Vec<_> = drafts.iter().filter_map(|draft| status::told(draft, known)).collect();
        let slowed = account.setup.as_ref().ok().and_then(|usable| usable.driver.requests_per_minute());
        let condition = |draft| status::condition(draft, known, Some(object.generation()), now);
        let mut status = ProviderStatus {
            observed_generation: Some(object.generation()),
            conditions: drafts.into_iter().map(condition).collect(),
            driver: Some(registry::driver_name(object.settings()).to_owned()),
            capabilities: account
                .setup
                .as_ref()
                .map(|usable| usable.capabilities.in_words())
                .unwrap_or_default(),
            credentials: before.and_then(|it| it.credentials),
            // A slowdown is news, but its degree is a number like the counts.
            requests_per_minute: slowed.map(|to| before.and_then(|it| it.requests_per_minute).unwrap_or(to)),
        };
        let counts = Some(self.stores.ledgers.of(key, |tally| tally.counts).unwrap_or_default());
        if before == Some(&status) {
            let due = account.written_at.map_or(now, |at| at.later(COUNT_EVERY));
            let changed = status.credentials != counts || status.requests_per_minute != slowed;
            if !changed || due > now {
                return Ok(changed.then_some(due));
            }
        }
        (status.credentials, status.requests_per_minute) = (counts, slowed);
        account.written_at = Some(now);
        self.put_provider_status(key, object, &status).await?;
        for note in &notes {
            self.publish_provider_event(object, note).await;
        }
        Ok(None)
    }

    fn limits_suffice(&self, key: &ProviderKey, object: &ProviderObject) -> status::Draft {
        let limits = object.settings().limits.as_ref();
        let judge = |tally: &Tally| tally.limits_too_low(key, limits);
        match self.stores.ledgers.of(key, judge).flatten() {
            Some(why) => (ConditionType::LimitsSuffice, false, Reason::LimitsTooLow, why),
            None => {
                let message = "the limits allow what the schedules need, with a fifth to spare".to_owned();
                (ConditionType::LimitsSuffice, true, Reason::LimitsSuffice, message)
            }
        }
    }

    async fn put_provider_status(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        status: &ProviderStatus,
    ) -> Result<(), EngineError> {
        let written = match object {
            ProviderObject::Namespaced(it) => {
                let api: Api<Decoded<CredentialProvider>> = self.within(&key.namespace);
                let written = self.replace_status(&api, &it.metadata, status).await;
                written.map(|(it, is_written)| (ProviderObject::Namespaced(Arc::new(it)), is_written))
            }
            ProviderObject::Cluster(it) => {
                let api: Api<Decoded<ClusterCredentialProvider>> = Api::all(self.client.clone());
                let written = self.replace_status(&api, &it.metadata, status).await;
                written.map(|(it, is_written)| (ProviderObject::Cluster(Arc::new(it)), is_written))
            }
        };
        let (there, is_written) = match written {
            Err(error) if error.is_not_found() => return Ok(()),
            written => written?,
        };
        self.stores.note_readable(&there);
        self.stores.providers.put(key.clone(), there.version(), there);
        if is_written { Ok(()) } else { Err(EngineError::Conflict("the provider")) }
    }
}
