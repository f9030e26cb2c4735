//! Provider accounts: a driver for each provider object, its health, and its status.
//!
//! Health is the account's, not a credential's: while a login fails or a provider is down, one probe stands for all the
//! credentials that wait, and they wake when it succeeds.

mod build;
mod holding;
mod listing;
mod object;
mod shown;
mod standing;
mod status;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Allow, Reason},
    lifecycle::{
        backoff,
        budget::Budget,
        capability::Capabilities,
        failure::Failure,
        plan::FoundCredential,
        reason,
        status::to_second,
        suspect::Standing,
        world::{Pause, ProviderView, UsableProvider},
    },
    providers::Provider,
};

use super::{
    Engine, EngineError,
    stores::{Key, ProviderKey, ProviderObject},
};

use listing::Strays;

/// How often a healthy account is probed.
const PROBE_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The first and the longest wait for an account in trouble.
const PAUSES: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(5), SignedDuration::from_mins(5));
/// How soon after an account was well again new trouble counts as the old.
const RELAPSE: SignedDuration = SignedDuration::from_mins(10);
/// How often counts are written to a provider's status at the most.
pub const COUNT_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// All accounts.
#[derive(Default)]
pub struct Accounts {
    accounts: Mutex<HashMap<ProviderKey, Account>>,
    strays: Strays,
}

#[derive(Clone)]
struct Account {
    built_from: BuiltFrom,
    deleting: bool,
    setup: Result<Usable, (Reason, String)>,
    trouble: Option<Trouble>,
    /// When it was last well again, and how often it had been in trouble until then.
    recovered: Option<(Timestamp, u32)>,
    probe_at: Timestamp,
    /// When what it holds of ours was last listed.
    listed: Option<Timestamp>,
    written_at: Option<Timestamp>,
    /// As it was when it was last looked after.
    standing: Standing,
}

/// What an account was built from.
#[derive(Clone, PartialEq, Eq)]
struct BuiltFrom {
    /// The provider object's UID and generation.
    object: (String, i64),
    /// The login Secret's resourceVersion.
    login: u64,
    /// Keyed hash of what that says; `None` if it may not be read.
    content: Option<String>,
}

#[derive(Clone)]
struct Usable {
    driver: Arc<dyn Provider>,
    capabilities: Arc<Capabilities>,
    fingerprint: String,
    allow: Option<Allow>,
    mints_per_hour: Option<u32>,
}

/// What credentials of an account look at it for.
#[derive(PartialEq)]
struct Essence {
    trouble: Option<Reason>,
    built: Option<(String, Option<Allow>, Option<u32>)>,
    confirmed: bool,
    suspicion: Option<String>,
    alarmed: bool,
}

#[derive(Clone, PartialEq)]
struct Trouble {
    pause: Pause,
    count: u32,
}

impl Account {
    /// A login that works while nothing else does must not make it look well each time: what comes soon after is a relapse.
    fn troubled(&mut self, failure: &Failure, now: Timestamp) {
        let relapse = self.recovered.filter(|(at, _)| now.duration_since(*at) < RELAPSE);
        let before = self.trouble.as_ref().map(|trouble| trouble.count).or(relapse.map(|(_, count)| count));
        let count = before.unwrap_or_default() + 1;
        let by_backoff = now + backoff::doubling(count, PAUSES.0, PAUSES.1);
        // What the provider asks for only ever makes it longer.
        self.probe_at = failure.retry_after.map_or(by_backoff, |asked| asked.instant(now).max(by_backoff));
        let message = format!("{}; it is tried again at {}", failure.message, to_second(self.probe_at));
        self.trouble = Some(Trouble { pause: Pause { reason: reason(failure.kind), message }, count });
    }

    fn view(&self) -> ProviderView {
        match &self.setup {
            Err((reason, message)) => ProviderView::Unusable { reason: *reason, message: message.clone() },
            Ok(usable) => ProviderView::Usable(Box::new(UsableProvider {
                capabilities: usable.capabilities.clone(),
                fingerprint: usable.fingerprint.clone(),
                allow: usable.allow.clone(),
                paused: self.trouble.as_ref().map(|trouble| trouble.pause.clone()),
                standing: Standing::default(),
                budget: Budget::default(),
                listed: self.listed,
                deleting: self.deleting,
            })),
        }
    }

    /// What credentials that wait for this account wait for.
    fn essence(&self) -> Essence {
        let trouble = self.trouble.as_ref().map(|trouble| trouble.pause.reason);
        let trouble = trouble.or(self.deleting.then_some(Reason::ProviderDeleting));
        let (trouble, built) = match &self.setup {
            Err((reason, _)) => (Some(*reason), None),
            Ok(usable) => {
                (trouble, Some((usable.fingerprint.clone(), usable.allow.clone(), usable.mints_per_hour)))
            }
        };
        let Standing { confirmed, suspicion, sibling_refused_at, usable: _ } = self.standing.clone();
        Essence { trouble, built, confirmed, suspicion, alarmed: sibling_refused_at.is_some() }
    }
}

impl Accounts {
    fn all(&self) -> MutexGuard<'_, HashMap<ProviderKey, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver of an account that can be called.
    pub(super) fn driver(&self, key: &ProviderKey) -> Option<Arc<dyn Provider>> {
        self.all().get(key)?.setup.as_ref().ok().map(|usable| usable.driver.clone())
    }

    /// The account as a decision sees it; `None` before it has been looked at.
    pub(super) fn view(&self, key: &ProviderKey) -> Option<ProviderView> {
        self.all().get(key).map(Account::view)
    }

    /// Leaves an account alone for a while; `None` if there is no such account. Returns when it is to be probed.
    pub(super) fn pause(&self, key: &ProviderKey, failure: &Failure, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.all();
        let account = all.get_mut(key)?;
        account.troubled(failure, now);
        Some(account.probe_at)
    }

    /// What carries the tag of `key` at its provider and was in no ledger when that was last listed.
    pub(super) fn strays_of(&self, key: &Key) -> Vec<FoundCredential> {
        self.strays.of(key)
    }

    /// Whether this account has been looked at.
    #[must_use]
    pub fn is_known(&self, key: &ProviderKey) -> bool {
        self.all().contains_key(key)
    }
}

/// What looking after a provider came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tended {
    /// When to look again.
    pub wake: Option<Timestamp>,
    /// Whether credentials that wait for this provider should look again.
    pub changed: bool,
    /// Whose tag something carries there that is in no ledger.
    pub strays: Vec<Key>,
}

impl Engine {
    /// Providers that log in with this Secret. The objects are asked, not the accounts: one that is being looked at for the first
    /// time has to learn of its login, too.
    #[must_use]
    pub fn that_log_in_with(&self, login: &Key) -> Vec<ProviderKey> {
        let uses = |key: &ProviderKey, object: &ProviderObject| object.login(key).as_ref() == Some(login);
        self.stores.providers.select(|key, object| uses(key, object).then(|| key.clone()))
    }

    /// Looks after one provider: builds its driver when it is new or has changed, probes it when that is due, and writes its
    /// status when that has changed.
    ///
    /// # Errors
    /// If the API server cannot be read or written.
    pub async fn tend_provider(&self, key: &ProviderKey) -> Result<Tended, EngineError> {
        let Some(object) = self.stores.providers.get(key) else {
            let changed = self.accounts.all().remove(key).is_some();
            return Ok(Tended { wake: None, changed, strays: Vec::new() });
        };
        let before = self.accounts.all().get(key).cloned();
        let mut account = self.built_account(key, &object, before.clone()).await?;
        let now = self.now();
        if let Ok(usable) = &account.setup
            && account.probe_at <= now
        {
            match usable.driver.clone().probe().await {
                Ok(()) => {
                    if let Some(trouble) = account.trouble.take() {
                        account.recovered = Some((self.now(), trouble.count));
                    }
                    account.probe_at = self.now() + PROBE_EVERY;
                }
                Err(failure) => account.troubled(&failure, self.now()),
            }
        }
        self.tend_finalizers(key, &object).await?;
        account.standing = self.standing_of(key, &object, &account);
        let strays = self.list_account(key, &mut account).await;
        let count_at = self.write_provider_status(key, &object, &mut account).await?;
        let mut all = self.accounts.all();
        let trouble = |account: &Option<Account>| account.as_ref().and_then(|it| it.trouble.clone());
        if let Some(meanwhile) = all.get(key)
            && meanwhile.trouble.is_some()
            && meanwhile.trouble != trouble(&before)
        {
            // A credential of this account met trouble while it was being probed.
            account.trouble.clone_from(&meanwhile.trouble);
            account.probe_at = meanwhile.probe_at;
        }
        let changed = before.is_none_or(|before| before.essence() != account.essence());
        let probe_at = account.setup.is_ok().then_some(account.probe_at);
        all.insert(key.clone(), account);
        drop(all);
        Ok(Tended { wake: [count_at, probe_at].into_iter().flatten().min(), changed, strays })
    }

    /// Keeps a provider object as the API server has just given it.
    pub fn see_provider(&self, object: ProviderObject) -> bool {
        self.stores.providers.put(object.key(), object.version(), object)
    }
}
