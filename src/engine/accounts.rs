//! Provider accounts: a driver for each provider object, its health, and its status.
//!
//! Health is the account's, not a credential's: while a login fails or a provider is down, one probe stands for all the
//! credentials that wait, and they wake when it succeeds.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use secrecy::SecretString;
use serde_json::json;

use crate::{
    api::{
        Allow, ConditionType, CredentialCounts, FIELD_MANAGER, GROUP, ProviderKind, ProviderSettings,
        ProviderStatus, ROLE_LABEL, ROLE_LOGIN, Reason,
    },
    lifecycle::{
        backoff,
        capability::Capabilities,
        failure::Failure,
        ledger::State,
        naming, reason, status,
        world::{Pause, ProviderView, UsableProvider},
    },
    providers::{Provider, registry},
};

use super::{
    Engine, EngineError,
    kubernetes::{call, version},
    stores::{Key, ProviderKey, ProviderObject},
};

/// How often a healthy account is probed.
const PROBE_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The first and the longest wait for an account in trouble.
const PAUSES: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(5), SignedDuration::from_mins(5));
/// How often counts are written to a provider's status at the most.
pub const COUNT_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// All accounts.
#[derive(Default)]
pub struct Accounts(Mutex<HashMap<ProviderKey, Account>>);

#[derive(Clone)]
struct Account {
    /// What it was built from: object UID, generation, and version of the login Secret.
    built_from: (String, i64, u64),
    login: Option<Key>,
    setup: Result<Usable, (Reason, String)>,
    trouble: Option<Trouble>,
    probe_at: Timestamp,
    written_at: Option<Timestamp>,
}

#[derive(Clone)]
struct Usable {
    driver: Arc<dyn Provider>,
    capabilities: Arc<Capabilities>,
    fingerprint: String,
    allow: Option<Allow>,
}

#[derive(Clone, PartialEq)]
struct Trouble {
    pause: Pause,
    count: u32,
}

impl Account {
    fn troubled(&mut self, failure: &Failure, now: Timestamp) {
        let count = self.trouble.as_ref().map_or(0, |trouble| trouble.count) + 1;
        let by_backoff = now + backoff::doubling(count, PAUSES.0, PAUSES.1);
        self.probe_at = failure.retry_after.map_or(by_backoff, |asked| asked.instant(now));
        let message =
            format!("{}; it is tried again at {}", failure.message, status::to_second(self.probe_at));
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
            })),
        }
    }

    /// What credentials that wait for this account wait for.
    fn essence(&self) -> (Option<Reason>, Option<(String, Option<Allow>)>) {
        let trouble = self.trouble.as_ref().map(|trouble| trouble.pause.reason);
        match &self.setup {
            Err((reason, _)) => (Some(*reason), None),
            Ok(usable) => (trouble, Some((usable.fingerprint.clone(), usable.allow.clone()))),
        }
    }
}

impl Accounts {
    fn all(&self) -> MutexGuard<'_, HashMap<ProviderKey, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Accounts that log in with a Secret.
    #[must_use]
    pub fn that_use(&self, login: &Key) -> Vec<ProviderKey> {
        self.all()
            .iter()
            .filter(|(_, account)| account.login.as_ref() == Some(login))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Whether this account has been looked at.
    #[must_use]
    pub fn is_known(&self, key: &ProviderKey) -> bool {
        self.all().contains_key(key)
    }
}

/// What looking after a provider came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tended {
    /// When to look again.
    pub wake: Option<Timestamp>,
    /// Whether credentials that wait for this provider should look again.
    pub changed: bool,
}

impl Engine {
    /// Looks after one provider: builds its driver when it is new or has changed, probes it when that is due, and writes its
    /// status when that has changed.
    ///
    /// # Errors
    /// If the API server cannot be read or written.
    pub async fn tend_provider(&self, key: &ProviderKey) -> Result<Tended, EngineError> {
        let Some(object) = self.stores.providers.get(key) else {
            let changed = self.accounts.all().remove(key).is_some();
            return Ok(Tended { wake: None, changed });
        };
        let before = self.accounts.all().get(key).cloned();
        let mut account = self.built_account(key, &object, before.clone()).await?;
        let now = self.now();
        if let Ok(usable) = &account.setup
            && account.probe_at <= now
        {
            match usable.driver.clone().probe().await {
                Ok(()) => {
                    account.trouble = None;
                    account.probe_at = self.now() + PROBE_EVERY;
                }
                Err(failure) => account.troubled(&failure, self.now()),
            }
        }
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
        Ok(Tended { wake: [count_at, probe_at].into_iter().flatten().min(), changed })
    }

    /// The account as it stands, or built anew if the object or its login has changed.
    async fn built_account(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        before: Option<Account>,
    ) -> Result<Account, EngineError> {
        let login = object.login(key);
        let secret = match &login {
            None => None,
            Some(at) => call("reading the login Secret", self.logins(at).get_opt(&at.name)).await?,
        };
        let login_version = secret.as_ref().map_or(0, version);
        let built_from = (object.uid(), object.generation(), login_version);
        if let Some(before) = before
            && before.built_from == built_from
        {
            return Ok(before);
        }
        let setup = self.build(object, login.as_ref(), secret);
        Ok(Account { built_from, login, setup, trouble: None, probe_at: self.now(), written_at: None })
    }

    fn logins(&self, at: &Key) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &at.namespace)
    }

    fn build(
        &self,
        object: &ProviderObject,
        login: Option<&Key>,
        secret: Option<Secret>,
    ) -> Result<Usable, (Reason, String)> {
        let settings = object.settings();
        let data = login.map(|at| login_data(at, secret)).transpose()?;
        let private_allowed = matches!(object, ProviderObject::Cluster(_));
        let egress = registry::EgressPolicy { allow: self.settings.allow_egress.clone(), private_allowed };
        let driver = registry::build(settings, data.as_ref(), &egress).map_err(|error| {
            let reason = if error.lacks_login() { Reason::LoginMissing } else { Reason::ProviderInvalid };
            (reason, error.message())
        })?;
        let identity = driver.identity().unwrap_or_default().to_owned();
        Ok(Usable {
            capabilities: Arc::new(driver.capabilities().clone()),
            fingerprint: naming::fingerprint(&[&object.uid(), &registry::account(settings), &identity]),
            allow: object.allow(),
            driver,
        })
    }

    /// Writes a provider's status if it has changed. Counts alone are written seldom: the return value says when they are due.
    async fn write_provider_status(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        account: &mut Account,
    ) -> Result<Option<Timestamp>, EngineError> {
        let now = self.now();
        let before = object.status();
        let (holds, reason, message) = match (&account.setup, &account.trouble) {
            (Err((reason, message)), _) => (false, *reason, message.clone()),
            (Ok(_), Some(Trouble { pause, .. })) => (false, pause.reason, pause.message.clone()),
            (Ok(usable), None) => {
                let (reason, message) = status::reached(&usable.capabilities);
                (true, reason, message.to_owned())
            }
        };
        let draft = (ConditionType::Ready, holds, reason, message);
        let conditions = before.map(|it| it.conditions.as_slice()).unwrap_or_default();
        let mut status = ProviderStatus {
            observed_generation: Some(object.generation()),
            conditions: vec![status::condition(draft, conditions, Some(object.generation()), now)],
            driver: Some(registry::driver_name(object.settings()).to_owned()),
            capabilities: account
                .setup
                .as_ref()
                .map(|usable| usable.capabilities.in_words())
                .unwrap_or_default(),
            credentials: before.and_then(|it| it.credentials),
        };
        let counts = Some(self.counts(key));
        if before == Some(&status) {
            let due = account.written_at.map_or(now, |at| at + COUNT_EVERY);
            if status.credentials == counts || due > now {
                return Ok((status.credentials != counts).then_some(due));
            }
        }
        status.credentials = counts;
        account.written_at = Some(now);
        self.apply_provider_status(key, object, &status).await?;
        Ok(None)
    }

    fn counts(&self, key: &ProviderKey) -> CredentialCounts {
        let mut counts = CredentialCounts::default();
        let _: Vec<()> = self.stores.ledgers.select(|at, entry| {
            for revision in &entry.document.as_ref().ok()?.revisions {
                let account = &revision.account;
                if ProviderKey::resolve(account.kind, &account.name, &at.namespace) == *key {
                    match revision.state {
                        State::Issued => counts.active += 1,
                        State::Retiring | State::Revoking => counts.retiring += 1,
                        State::Intended | State::Unconfirmed => counts.unconfirmed += 1,
                        State::Revoked | State::Absent => {}
                    }
                }
            }
            None
        });
        counts
    }

    async fn apply_provider_status(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
        status: &ProviderStatus,
    ) -> Result<(), EngineError> {
        let (kind, uid) = (format!("{:?}", key.kind), object.uid());
        let patch = Patch::Apply(json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": kind,
            "metadata": { "name": key.name, "uid": uid }, "status": status,
        }));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = match key.kind {
            ProviderKind::CredentialProvider => {
                let api = Api::namespaced(self.client.clone(), &key.namespace);
                let patched =
                    call("writing a provider's status", api.patch_status(&key.name, &params, &patch)).await;
                patched.map(|object| self.see_provider(ProviderObject::Namespaced(Arc::new(object))))
            }
            ProviderKind::ClusterCredentialProvider => {
                let api = Api::all(self.client.clone());
                let patched =
                    call("writing a provider's status", api.patch_status(&key.name, &params, &patch)).await;
                patched.map(|object| self.see_provider(ProviderObject::Cluster(Arc::new(object))))
            }
        };
        super::ledger::ignore_absence(written.map(drop))
    }

    /// Keeps a provider object as the API server has just given it.
    pub fn see_provider(&self, object: ProviderObject) -> bool {
        self.stores.providers.put(object.key(), object.version(), object)
    }
}

/// The data of a login Secret, if its owner consents to its use.
fn login_data(at: &Key, secret: Option<Secret>) -> Result<registry::LoginData, (Reason, String)> {
    let Key { namespace, name } = at;
    let Some(secret) = secret else {
        let message = format!(
            "the login Secret {namespace}/{name} does not exist: create it with the label {ROLE_LABEL}: {ROLE_LOGIN}"
        );
        return Err((Reason::LoginMissing, message));
    };
    if secret.labels().get(ROLE_LABEL).map(String::as_str) != Some(ROLE_LOGIN) {
        let message = format!(
            "the Secret {namespace}/{name} may not be used as a login: its owner has to give it the label {ROLE_LABEL}: {ROLE_LOGIN}"
        );
        return Err((Reason::LoginMissing, message));
    }
    let text = |(key, ByteString(bytes)): (String, ByteString)| match String::from_utf8(bytes) {
        Ok(text) => Ok((key, SecretString::from(text))),
        Err(_) => Err((
            Reason::ProviderInvalid,
            format!("the login Secret {namespace}/{name}: the key {key} is not text"),
        )),
    };
    secret.data.unwrap_or_default().into_iter().map(text).collect::<Result<BTreeMap<_, _>, _>>()
}

impl ProviderObject {
    /// Where it is kept.
    #[must_use]
    pub fn key(&self) -> ProviderKey {
        match self {
            Self::Namespaced(it) => ProviderKey::resolve(
                ProviderKind::CredentialProvider,
                &it.name_any(),
                &it.namespace().unwrap_or_default(),
            ),
            Self::Cluster(it) => {
                ProviderKey::resolve(ProviderKind::ClusterCredentialProvider, &it.name_any(), "")
            }
        }
    }

    /// Its resourceVersion.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Namespaced(it) => version(&**it),
            Self::Cluster(it) => version(&**it),
        }
    }

    fn uid(&self) -> String {
        let uid = match self {
            Self::Namespaced(it) => it.uid(),
            Self::Cluster(it) => it.uid(),
        };
        uid.unwrap_or_default()
    }

    fn generation(&self) -> i64 {
        let generation = match self {
            Self::Namespaced(it) => it.metadata.generation,
            Self::Cluster(it) => it.metadata.generation,
        };
        generation.unwrap_or_default()
    }

    fn settings(&self) -> &ProviderSettings {
        match self {
            Self::Namespaced(it) => &it.spec.settings,
            Self::Cluster(it) => &it.spec.settings,
        }
    }

    fn status(&self) -> Option<&ProviderStatus> {
        match self {
            Self::Namespaced(it) => it.status.as_ref(),
            Self::Cluster(it) => it.status.as_ref(),
        }
    }

    /// Who may use it: for a shared provider that does not say so, nobody.
    fn allow(&self) -> Option<Allow> {
        match self {
            Self::Namespaced(_) => None,
            Self::Cluster(it) => Some(it.spec.allow.clone().unwrap_or_default()),
        }
    }

    fn login(&self, key: &ProviderKey) -> Option<Key> {
        match self {
            Self::Namespaced(it) => {
                let name = it.spec.login.as_ref()?.secret_ref.name.clone();
                Some(Key { namespace: key.namespace.clone(), name })
            }
            Self::Cluster(it) => {
                let secret = &it.spec.login.as_ref()?.secret_ref;
                Some(Key { namespace: secret.namespace.clone(), name: secret.name.clone() })
            }
        }
    }
}
