//! Provider accounts: a driver for each provider object, its health, and its status.
//!
//! Health is the account's, not a credential's: while a login fails or a provider is down, one
//! probe stands for all the credentials that wait, and they wake when it succeeds.

mod account;
mod build;
mod closing;
mod contents;
mod health;
mod holding;
mod listing;
mod listings;
mod standing;
mod status;
mod strays;

use std::sync::Arc;

use jiff::Timestamp;

use super::{Engine, EngineError, Key, ProviderKey, Turns, Work};

use account::Account;
pub use account::Accounts;
pub use contents::CA_BUNDLE_MAX;
pub use status::COUNT_EVERY;

/// The outcome of one pass for a provider.
#[derive(Debug, Default)]
pub struct Tended {
    /// The time of the next pass.
    pub wake: Option<Timestamp>,
    /// True if credentials that wait for this provider should look again.
    pub changed: bool,
    /// The objects of strays: a credential there has the object's tag and is in no ledger.
    pub strays: Vec<Key>,
    /// True if its object was changed while its status was written, which no watch may tell of any
    /// more.
    pub overtaken: bool,
    /// The error of a write to its object. The account can be used all the same.
    pub failed: Option<EngineError>,
}

impl Engine {
    /// Runs the pass of one provider: builds its driver when it is new, or when it or
    /// an object that it refers to has changed, probes it
    /// when that is due, and writes its status when that has changed.
    ///
    /// # Errors
    /// If the API server cannot be read.
    pub async fn tend_provider(
        &self,
        key: &ProviderKey,
        turns: &mut dyn Turns,
    ) -> Result<Tended, EngineError> {
        let Some(object) = self.stores.providers.get(key) else {
            let before = self.accounts.all.lock().remove(key);
            self.accounts.strays.forget(key);
            self.close_former(key, before.as_ref(), turns).await;
            return Ok(Tended { changed: before.is_some(), ..Tended::default() });
        };
        let before = self.accounts.all.lock().get(key).cloned();
        let (built, unread) = match self.built_account(key, &object, before.clone()).await {
            Ok(account) => (account, None),
            Err(error) if error.is_refusal() => (self.without_sources(&object, &error), Some(error)),
            Err(error) => return Err(error),
        };
        self.accounts.keep(key, built);
        self.close_former(key, before.as_ref(), turns).await;
        let waits = !self.probe(key, turns).await;
        let held = self.tend_finalizers(key, &object).await;
        let Some(mut account) = self.accounts.all.lock().get(key).cloned() else {
            return Err(EngineError::Gone("the provider"));
        };
        // Nothing is known of it yet.
        if waits && !account.probed && !object.deleting() {
            return held.map(|()| Tended::default());
        }
        account.standing = self.standing_of(key, &object, &account);
        account.fields = account.setup.as_ref().map(|it| it.driver.fields(&[])).unwrap_or_default();
        let strays = self.list_account(key, &mut account, turns).await;
        let shown = self.write_provider_status(key, &object, &mut account).await;
        let overtaken = shown.as_ref().is_err_and(EngineError::is_conflict);
        let (count_at, unwritten) = match shown {
            Ok(count_at) => (count_at, None),
            Err(error) => (None, Some(error).filter(|_| !overtaken)),
        };
        let now = self.now();
        let after = self.accounts.with(key, |it| {
            it.health.open(now);
            let Account { standing, fields, listings, written_at, .. } = account;
            (it.standing, it.fields) = (standing, fields);
            (it.listings, it.written_at) = (listings, written_at);
            (it.probed, it.visible(), it.setup.is_ok().then(|| it.health.next()))
        });
        let Some((probed, visible, next)) = after else { return Err(EngineError::Gone("the provider")) };
        let news = before.is_none_or(|before| !before.probed || before.visible() != visible);
        let next = next.filter(|_| !waits);
        let wake = [count_at, next].into_iter().flatten().min();
        let failed = unread.or(held.err()).or(unwritten);
        Ok(Tended { wake, changed: probed && news, strays, overtaken, failed })
    }

    /// Probes an account if that is due. Returns whether nothing is left to do: it was not due, or
    /// it was done, or nothing can be probed. Otherwise it waits for its turn.
    async fn probe(&self, key: &ProviderKey, turns: &mut dyn Turns) -> bool {
        let now = self.now();
        let due = self.accounts.with(key, |it| it.driver_to_probe(now)).flatten();
        let Some(driver) = due else { return true };
        if !turns.begin(Work::Probe, key) {
            return false;
        }
        let probed = driver.probe().await;
        turns.end();
        let now = self.now();
        self.accounts.with(key, |it| {
            // A change of its settings has replaced the account meanwhile.
            if it.setup.as_ref().is_ok_and(|usable| Arc::ptr_eq(&usable.driver, &driver)) {
                it.probed = true;
                it.health.probed(probed.as_ref().copied(), now);
            }
        });
        true
    }
}
