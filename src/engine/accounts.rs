//! Provider accounts: a driver for each provider object, its health, and its status.
//!
//! Health is the account's, not a credential's: while a login fails or a provider is down, one
//! probe stands for all the credentials that wait, and they wake when it succeeds.

mod build;
mod health;
mod holding;
mod listing;
mod shown;
mod standing;
mod status;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Allow, ClusterCredentialProvider, CredentialProvider, ProviderKind, Reason},
    lifecycle::{
        budget::Budget,
        capability::Capabilities,
        failure::Failure,
        plan::FoundCredential,
        suspect::Standing,
        world::{ProviderView, UsableProvider},
    },
    providers::Provider,
};

use super::{
    Engine, EngineError,
    stores::{Key, ProviderKey, ProviderObject},
    turns::{Turns, Work},
};

use health::Health;
use listing::Strays;

/// The shortest pause between two writes of counts into a provider's status.
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
    health: Health,
    /// True if it was slowed down when a step last succeeded there.
    slowed: bool,
    /// True if it has been probed since it was built; `true`, too, if nothing can be probed.
    probed: bool,
    /// The time at which our credentials there were last listed.
    listed: Option<Timestamp>,
    written_at: Option<Timestamp>,
    /// The standing after the last pass.
    standing: Standing,
    /// The same: what a Secret holds besides a pair and its scope.
    fields: BTreeMap<String, String>,
}

/// The parts from which an account was built.
#[derive(Clone, PartialEq, Eq)]
struct BuiltFrom {
    /// The provider object's UID and generation.
    object: (String, i64),
    /// The login Secret's resourceVersion.
    login: u64,
    /// Keyed hash of its content; `None` if it may not be read.
    content: Option<String>,
}

#[derive(Clone)]
struct Usable {
    driver: Arc<dyn Provider>,
    capabilities: Arc<Capabilities>,
    fingerprint: String,
    /// Hash of the whole spec and of the login's content.
    setup: String,
    allow: Option<Allow>,
    /// The number of steps that may run at once.
    at_once: usize,
}

/// The parts of an account that its credentials depend on; when one changes, they are woken.
#[derive(PartialEq)]
struct Visible {
    trouble: Option<Reason>,
    /// The fingerprint and the setup, which covers all other fields of the spec.
    built: Option<(String, String)>,
    fields: BTreeMap<String, String>,
    confirmed: bool,
    suspicion: Option<String>,
    alarmed: bool,
    judged: Option<Timestamp>,
    removed: Option<String>,
}

impl Account {
    /// Returns whether it was built once, and is not another one.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.setup, &other.setup) {
            (Ok(known), Ok(other)) => Arc::ptr_eq(&known.driver, &other.driver),
            _ => false,
        }
    }

    /// Returns the driver of an account that is to be probed at `now`.
    fn driver_to_probe(&self, now: Timestamp) -> Option<Arc<dyn Provider>> {
        let usable = self.setup.as_ref().ok()?;
        self.health.is_probe_due(now).then(|| usable.driver.clone())
    }

    fn view(&self) -> ProviderView {
        match &self.setup {
            Err((reason, message)) => ProviderView::Unusable { reason: *reason, message: message.clone() },
            Ok(usable) => ProviderView::Usable(Box::new(UsableProvider {
                capabilities: usable.capabilities.clone(),
                fields: self.fields.clone(),
                fingerprint: usable.fingerprint.clone(),
                setup: usable.setup.clone(),
                allow: usable.allow.clone(),
                paused: self.health.pause(),
                busy: self.health.busy(),
                standing: Standing::default(),
                budget: Budget::default(),
                listed: self.listed,
                deleting: self.deleting,
            })),
        }
    }

    /// Returns the parts of this account that its credentials depend on.
    fn visible(&self) -> Visible {
        let trouble = self.health.pause().or(self.health.busy()).map(|pause| pause.reason);
        let trouble = trouble.or(self.deleting.then_some(Reason::ProviderDeleting));
        let (trouble, built) = match &self.setup {
            Err((reason, _)) => (Some(*reason), None),
            Ok(usable) => (trouble, Some((usable.fingerprint.clone(), usable.setup.clone()))),
        };
        let Standing { confirmed, suspicion, sibling_refused_at, judged, removed, usable: _ } =
            self.standing.clone();
        Visible {
            trouble,
            built,
            fields: self.fields.clone(),
            confirmed,
            suspicion,
            alarmed: sibling_refused_at.is_some(),
            judged,
            removed,
        }
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

    /// The account as a decision sees it; `None` before it has been probed.
    pub(super) fn view(&self, key: &ProviderKey) -> Option<ProviderView> {
        self.all().get(key).filter(|account| account.probed).map(Account::view)
    }

    /// The fingerprint of an account; empty if that is not known.
    pub(super) fn fingerprint(&self, key: &ProviderKey) -> String {
        let fingerprint = |it: &Account| it.setup.as_ref().ok().map(|usable| usable.fingerprint.clone());
        self.all().get(key).and_then(fingerprint).unwrap_or_default()
    }

    /// Records a failed step for the object `of`. Returns when the account's next pass is due;
    /// `None` if there is no such account.
    pub(super) fn step_failed(
        &self,
        key: &ProviderKey,
        of: &Key,
        failure: &Failure,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut all = self.all();
        let health = &mut all.get_mut(key)?.health;
        health.step_failed(of, failure, now);
        Some(health.next())
    }

    /// Records a step that an account answered. Returns when its next pass is due, if that changed
    /// something.
    pub(super) fn step_succeeded(&self, key: &ProviderKey, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.all();
        let account = all.get_mut(key)?;
        let slowed = account.setup.as_ref().is_ok_and(|usable| usable.driver.requests_per_minute().is_some());
        let was_well = account.health.is_well();
        account.health.step_succeeded();
        let news = account.health.is_well() != was_well || account.slowed != slowed;
        account.slowed = slowed;
        news.then_some(now)
    }

    /// Returns how many steps may be under way at an account at once.
    #[must_use]
    pub fn at_once(&self, key: &ProviderKey) -> usize {
        let all = self.all();
        let usable = all.get(key).and_then(|account| Some((account, account.setup.as_ref().ok()?)));
        usable.map_or(1, |(account, usable)| account.health.at_once(usable.at_once))
    }

    /// Stores a newly built account; the state of the one before is kept if it is the same.
    fn keep(&self, key: &ProviderKey, built: Account) {
        let mut all = self.all();
        match all.get_mut(key) {
            Some(known) if known.is_same(&built) => known.built_from = built.built_from,
            _ => {
                all.insert(key.clone(), built);
            }
        }
    }

    fn with<T>(&self, key: &ProviderKey, change: impl FnOnce(&mut Account) -> T) -> Option<T> {
        self.all().get_mut(key).map(change)
    }

    /// Returns the credentials with the tag of `key` at its provider that were in no ledger at the
    /// last listing.
    pub(super) fn strays_of(&self, key: &Key, account: &ProviderKey) -> Vec<FoundCredential> {
        self.strays.of(key, account)
    }

    /// Returns whether this account has been probed, or cannot be.
    #[must_use]
    pub fn is_known(&self, key: &ProviderKey) -> bool {
        self.all().get(key).is_some_and(|account| account.probed)
    }
}

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
    /// Returns the providers that log in with this Secret. The objects are read, not the accounts:
    /// a provider in its first pass has to learn of its login, too.
    #[must_use]
    pub fn that_log_in_with(&self, login: &Key) -> Vec<ProviderKey> {
        let uses = |key: &ProviderKey, object: &ProviderObject| object.login(key).as_ref() == Some(login);
        self.stores.providers.select(|key, object| uses(key, object).then(|| key.clone()))
    }

    /// Runs the pass of one provider: builds its driver when it is new or has changed, probes it
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
            let changed = self.accounts.all().remove(key).is_some();
            self.accounts.strays.replace(key, HashMap::new());
            return Ok(Tended { changed, ..Tended::default() });
        };
        let before = self.accounts.all().get(key).cloned();
        let (built, unread) = match self.built_account(key, &object, before.clone()).await {
            Ok(account) => (account, None),
            Err(error) if error.is_refusal() => (self.without_login(&object, &error), Some(error)),
            Err(error) => return Err(error),
        };
        self.accounts.keep(key, built);
        let waits = !self.probe(key, turns).await;
        let held = self.tend_finalizers(key, &object).await;
        let Some(mut account) = self.accounts.all().get(key).cloned() else {
            return Err(EngineError::Gone("the provider"));
        };
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
            let Account { standing, fields, listed, written_at, .. } = account;
            (it.standing, it.fields) = (standing, fields);
            (it.listed, it.written_at) = (listed, written_at);
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

    /// Drops a deleted provider object.
    pub fn forget_provider(&self, key: &ProviderKey, version: u64) {
        self.stores.providers.remove(key, version);
        let at = Key { namespace: key.namespace.clone(), name: key.name.clone() };
        match key.kind {
            ProviderKind::CredentialProvider => self.stores.unreadable.forget::<CredentialProvider>(&at),
            _ => self.stores.unreadable.forget::<ClusterCredentialProvider>(&at),
        }
    }

    fn note_readable(&self, object: &ProviderObject) {
        match object {
            ProviderObject::Namespaced(it) => self.stores.unreadable.note(&**it),
            ProviderObject::Cluster(it) => self.stores.unreadable.note(&**it),
        }
    }

    /// Keeps a provider object as the API server has just given it.
    pub fn see_provider(&self, object: ProviderObject) -> bool {
        self.note_readable(&object);
        self.stores.providers.put(object.key(), object.version(), object)
    }
}
