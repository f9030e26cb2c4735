//! One account, and all of them: what is known, and its state in a word.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::{health::Health, listings::Listings, strays::Strays};
use crate::{
    api::{Allow, Reason},
    engine::{EngineError, Key, ProviderKey},
    lifecycle::{
        Budget, Capabilities, Failure, FoundCredential, ProviderView, Standing, UsableProvider, ledger,
        status,
    },
    providers::Provider,
};

/// All accounts.
#[derive(Default)]
pub struct Accounts {
    pub(super) all: Mutex<HashMap<ProviderKey, Account>>,
    pub(super) strays: Strays,
}

#[derive(Clone)]
pub(super) struct Account {
    pub(super) built_from: BuiltFrom,
    pub(super) deleting: bool,
    pub(super) setup: Result<Usable, (Reason, String)>,
    pub(super) health: Health,
    /// True if it was slowed down when a step last succeeded there.
    pub(super) slowed: bool,
    /// True if it has been probed since it was built; `true`, too, if nothing can be probed.
    pub(super) probed: bool,
    /// The listings of our credentials there.
    pub(super) listings: Listings,
    pub(super) written_at: Option<Timestamp>,
    /// The standing after the last pass.
    pub(super) standing: Standing,
    /// The same: what a Secret holds besides a pair and its scope.
    pub(super) fields: BTreeMap<String, String>,
}

/// The parts from which an account was built.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct BuiltFrom {
    /// The provider object's UID and generation.
    pub(super) object: (String, i64),
    /// The resourceVersions of the objects that it refers to; 0 if there is no such object.
    pub(super) versions: Vec<u64>,
    /// Keyed hash of their contents; `None` if one of them cannot be used.
    pub(super) content: Option<String>,
}

#[derive(Clone)]
pub(super) struct Usable {
    pub(super) driver: Arc<dyn Provider>,
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) fingerprint: String,
    /// Hash of the whole spec, and of the contents of the objects that it refers to.
    pub(super) setup: String,
    pub(super) allow: Option<Allow>,
    /// The number of steps that may run at once.
    pub(super) at_once: usize,
}

/// The parts of an account that its credentials depend on; when one changes, they are woken.
#[derive(PartialEq)]
pub(super) struct Visible {
    trouble: Option<Reason>,
    /// The fingerprint and the setup, which covers all other fields of the spec. If it cannot be
    /// used, why: a person may correct one mistake after the other.
    built: Result<(String, String), (Reason, String)>,
    fields: BTreeMap<String, String>,
    /// True if one of its credentials was found to be refused; which one does not matter.
    alarmed: bool,
    /// The rest of its standing, without the number of its credentials.
    standing: Standing,
}

impl Account {
    /// Returns whether it was built once, and is not another one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.setup, &other.setup) {
            (Ok(known), Ok(other)) => Arc::ptr_eq(&known.driver, &other.driver),
            _ => false,
        }
    }

    /// Returns the driver of an account that is to be probed at `now`.
    pub(super) fn driver_to_probe(&self, now: Timestamp) -> Option<Arc<dyn Provider>> {
        let usable = self.setup.as_ref().ok()?;
        self.health.is_probe_due(now).then(|| usable.driver.clone())
    }

    pub(super) fn view(&self) -> ProviderView {
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
                listed: self.listings.done.clone(),
                deleting: self.deleting,
            })),
        }
    }

    /// Returns the parts of this account that its credentials depend on.
    pub(super) fn visible(&self) -> Visible {
        let trouble = self.health.pause().or(self.health.busy()).map(|pause| pause.reason);
        let trouble = trouble.or(self.deleting.then_some(Reason::ProviderDeleting));
        let built = |usable: &Usable| (usable.fingerprint.clone(), usable.setup.clone());
        Visible {
            trouble,
            built: self.setup.as_ref().map(built).map_err(Clone::clone),
            fields: self.fields.clone(),
            alarmed: self.standing.sibling_refused_at.is_some(),
            standing: Standing { usable: 0, sibling_refused_at: None, ..self.standing.clone() },
        }
    }

    /// Returns whether it can be used, and why or why not.
    pub(super) fn says(&self) -> (bool, Reason, String) {
        match (&self.setup, self.health.pause()) {
            (Err((reason, message)), _) => (false, *reason, message.clone()),
            (Ok(_), Some(pause)) => (false, pause.reason, pause.message),
            (Ok(_), None) if let Some(why) = &self.standing.suspicion => {
                (false, Reason::ProviderSuspect, why.clone())
            }
            (Ok(usable), None) => {
                let (reason, message) = status::reached(&usable.capabilities);
                (true, reason, message.to_owned())
            }
        }
    }
}

impl Accounts {
    /// The driver of an account that can be called.
    pub(in crate::engine) fn driver(&self, key: &ProviderKey) -> Option<Arc<dyn Provider>> {
        self.all.lock().get(key)?.setup.as_ref().ok().map(|usable| usable.driver.clone())
    }

    /// Returns the driver of the account of a credential in `namespace`.
    ///
    /// # Errors
    /// If the account cannot be called.
    pub(in crate::engine) fn driver_of(
        &self,
        account: &ledger::Account,
        namespace: &str,
    ) -> Result<Arc<dyn Provider>, EngineError> {
        let provider = ProviderKey::of_account(account, namespace);
        self.driver(&provider).ok_or(EngineError::Gone("the provider"))
    }

    /// The account as a decision sees it; `None` before it has been probed.
    pub(in crate::engine) fn view(&self, key: &ProviderKey) -> Option<ProviderView> {
        self.all.lock().get(key).filter(|account| account.probed).map(Account::view)
    }

    /// The fingerprint of an account; empty if that is not known.
    pub(in crate::engine) fn fingerprint(&self, key: &ProviderKey) -> String {
        let fingerprint = |it: &Account| it.setup.as_ref().ok().map(|usable| usable.fingerprint.clone());
        self.all.lock().get(key).and_then(fingerprint).unwrap_or_default()
    }

    /// Records a failed step for the object `of`. Returns when the account's next pass is due;
    /// `None` if there is no such account.
    pub(in crate::engine) fn step_failed(
        &self,
        key: &ProviderKey,
        of: &Key,
        failure: &Failure,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut all = self.all.lock();
        let health = &mut all.get_mut(key)?.health;
        health.step_failed(of, failure, now);
        Some(health.next())
    }

    /// Records a step that an account answered. Returns when its next pass is due, if that changed
    /// something.
    pub(in crate::engine) fn step_succeeded(&self, key: &ProviderKey, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.all.lock();
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
        let all = self.all.lock();
        let usable = all.get(key).and_then(|account| Some((account, account.setup.as_ref().ok()?)));
        usable.map_or(1, |(account, usable)| account.health.at_once(usable.at_once))
    }

    /// Stores a newly built account; the state of the one before is kept if it is the same.
    pub(super) fn keep(&self, key: &ProviderKey, built: Account) {
        let mut all = self.all.lock();
        match all.get_mut(key) {
            Some(known) if known.is_same(&built) => known.built_from = built.built_from,
            _ => {
                all.insert(key.clone(), built);
            }
        }
    }

    pub(super) fn with<T>(&self, key: &ProviderKey, change: impl FnOnce(&mut Account) -> T) -> Option<T> {
        self.all.lock().get_mut(key).map(change)
    }

    /// Returns the credentials with the tag of `key` at its provider that were in no ledger at the
    /// last listing.
    pub(in crate::engine) fn strays_of(&self, key: &Key, account: &ProviderKey) -> Vec<FoundCredential> {
        self.strays.of(key, account)
    }

    /// Returns whether this account has been probed, or cannot be.
    #[must_use]
    pub fn is_known(&self, key: &ProviderKey) -> bool {
        self.all.lock().get(key).is_some_and(|account| account.probed)
    }

    /// Returns whether an account can be used, and why or why not; `None` before its first pass.
    pub(in crate::engine) fn ready(&self, key: &ProviderKey) -> Option<(bool, Reason)> {
        let all = self.all.lock();
        let account = all.get(key)?;
        if account.deleting {
            return Some((false, Reason::ProviderDeleting));
        }
        let (holds, reason, _) = account.says();
        Some((holds, reason))
    }

    /// The requests a minute that an account is asked at the most, while that is less than its
    /// limits allow.
    pub(in crate::engine) fn requests_per_minute(&self, key: &ProviderKey) -> Option<u32> {
        self.driver(key)?.requests_per_minute()
    }

    /// Returns whether a person makes the credentials of this account.
    pub(in crate::engine) fn is_by_hand(&self, key: &ProviderKey) -> bool {
        let all = self.all.lock();
        all.get(key).is_some_and(|it| it.setup.as_ref().is_ok_and(|usable| usable.capabilities.is_by_hand()))
    }
}
