//! Finalizers on provider objects and login Secrets: neither is deleted before the credentials made
//! with it.
//!
//! They are added before the first credential is requested. A provider's stays until that is
//! deleted and has no more credentials, so a restart writes nothing.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use crate::{
    api::{ClusterCredentialProvider, CredentialProvider, LOGIN_FINALIZER, PROVIDER_FINALIZER, ProviderKind},
    engine::{
        Engine, EngineError, Key, Partial, ProviderKey, ProviderObject, Secret, call, finalizer::Change,
    },
    lifecycle::{
        Document,
        holding::{self, Hold, Login, User},
    },
};

/// Returns whether anything that the ledger of the object at `key` lists may be alive at
/// `provider`.
fn lives_at(document: &Document, provider: &ProviderKey, key: &Key) -> bool {
    document.living().any(|it| ProviderKey::of_account(&it.account, &key.namespace) == *provider)
}

impl Engine {
    /// Adds finalizers to a provider and its login, before anything is made with them.
    ///
    /// # Errors
    /// If a finalizer cannot be added: an object is terminating, or the API server cannot be
    /// reached.
    pub(in crate::engine) async fn add_account_finalizers(
        &self,
        key: &ProviderKey,
    ) -> Result<(), EngineError> {
        let object = self.stores.providers.get(key).ok_or(EngineError::Gone("the provider"))?;
        if !object.held() {
            self.change_provider_finalizer(key, Change::Add(&object.uid())).await?;
        }
        for secret in object.secrets(key) {
            self.add_login_finalizer(&secret).await?;
        }
        Ok(())
    }

    /// A login only has our finalizer while its owner consents and it is not deleted.
    async fn add_login_finalizer(&self, at: &Key) -> Result<(), EngineError> {
        let Some(entry) = self.stores.logins.get(at).filter(|it| !it.held && it.terminating.is_none()) else {
            return Ok(());
        };
        let api: Api<Partial<Secret>> = self.within(&at.namespace);
        Change::Add(&entry.uid).of(LOGIN_FINALIZER, &api, &at.name).await
    }

    /// Puts finalizers on a provider that has credentials, and takes them off one that is being
    /// deleted and has none any more.
    pub(super) async fn tend_finalizers(
        &self,
        key: &ProviderKey,
        object: &ProviderObject,
    ) -> Result<(), EngineError> {
        match (object.deleting(), self.living_at(key) > 0) {
            (false, true) => self.add_account_finalizers(key).await,
            (true, false) if object.held() => self.change_provider_finalizer(key, Change::Remove).await,
            _ => Ok(()),
        }
    }

    async fn change_provider_finalizer(
        &self,
        key: &ProviderKey,
        change: Change<'_>,
    ) -> Result<(), EngineError> {
        match key.kind {
            ProviderKind::CredentialProvider => {
                let api: Api<Partial<CredentialProvider>> = self.within(&key.namespace);
                change.of(PROVIDER_FINALIZER, &api, &key.name).await
            }
            ProviderKind::ClusterCredentialProvider => {
                let api: Api<Partial<ClusterCredentialProvider>> = Api::all(self.client.clone());
                change.of(PROVIDER_FINALIZER, &api, &key.name).await
            }
            ProviderKind::Other(_) => Ok(()),
        }
    }

    /// Returns how many credentials that were made at a provider may be alive.
    pub(super) fn living_at(&self, key: &ProviderKey) -> u32 {
        let listed = self.stores.ledgers.of(key, |tally| tally.living()).unwrap_or_default();
        listed.saturating_add(u32::try_from(self.only_copied(key).len()).unwrap_or(u32::MAX))
    }

    /// The objects whose ledger is being recreated, and lists credentials made at a provider.
    fn only_copied(&self, provider: &ProviderKey) -> Vec<Key> {
        self.stores.copies.select(|key, copy| {
            let document = copy.document.as_ref().filter(|_| self.stores.ledgers.get(key).is_none())?;
            lives_at(document, provider, key).then(|| key.clone())
        })
    }

    /// Adds or removes the finalizer on one login Secret. Returns when the next check is due.
    ///
    /// # Errors
    /// If the API server cannot be read or written.
    pub async fn tend_login(&self, at: &Key) -> Result<Option<Timestamp>, EngineError> {
        let entry = self.stores.logins.get(at);
        if entry.as_ref().is_some_and(|entry| !entry.held) {
            return Ok(None);
        }
        let terminating = entry.as_ref().and_then(|entry| entry.terminating);
        let namespace_going = terminating.is_some() && self.is_going(&at.namespace).await?;
        let doomed = namespace_going.then_some(&*at.namespace);
        // Living credentials are only counted if it is being deleted: that reads every ledger.
        let user = |provider: &ProviderKey| match terminating {
            Some(_) => self.user(provider, doomed),
            None => User::default(),
        };
        let login = Login {
            offered: entry.is_some(),
            terminating,
            namespace_going,
            users: self.stores.that_refer_to(at, true).iter().map(user).collect(),
            revocation_deadline: self.settings.revocation_deadline,
        };
        match holding::login(&login, self.now()) {
            Hold::Keep => Ok(None),
            Hold::Until(until) => Ok(Some(until)),
            Hold::LetGo => self.remove_login_finalizer(at).await.map(|()| None),
        }
    }

    pub(super) async fn remove_login_finalizer(&self, at: &Key) -> Result<(), EngineError> {
        let api: Api<Partial<Secret>> = self.within(&at.namespace);
        Change::Remove.of(LOGIN_FINALIZER, &api, &at.name).await
    }

    /// Returns whether a provider, or its login, only still exists for the credentials made with
    /// it.
    #[must_use]
    pub fn is_waiting_to_go(&self, provider: &ProviderKey) -> bool {
        let deleting = self.stores.providers.get(provider).is_some_and(|object| object.deleting());
        deleting || self.login_is_going(provider).is_some()
    }

    /// The login of a provider, if it is being deleted and waits for credentials made with it.
    #[must_use]
    pub fn login_is_going(&self, provider: &ProviderKey) -> Option<Key> {
        let mut secrets = self.stores.providers.get(provider)?.secrets(provider).into_iter();
        secrets.find(|at| self.stores.logins.get(at).is_some_and(|it| it.terminating.is_some()))
    }

    /// Returns what a login is needed for at one provider; in a namespace that is `doomed`, all
    /// objects are about to be deleted.
    fn user(&self, provider: &ProviderKey, doomed: Option<&str>) -> User {
        let deleting = self.stores.providers.get(provider).is_some_and(|object| object.deleting());
        let mut user = User { deleting, lives: false, going: false };
        let listed = self.stores.ledgers.select(|key, entry| {
            let lives = match &entry.document {
                Ok(document) => lives_at(document, provider, key),
                // Its credentials are known from status at the deadline, at the provider that the
                // object names.
                Err(_) => {
                    let object = self.stores.credentials.get(key);
                    object.is_some_and(|object| ProviderKey::wanted_by(&object, &key.namespace) == *provider)
                }
            };
            lives.then(|| key.clone())
        });
        for key in listed.into_iter().chain(self.only_copied(provider)) {
            let object = self.stores.credentials.get(&key);
            let stays = object.is_some_and(|object| object.metadata.deletion_timestamp.is_none());
            user.lives = true;
            user.going |= !stays || doomed == Some(&*key.namespace);
        }
        user
    }

    /// Returns whether a namespace is being deleted. Without the right to read it, that is not
    /// known, and `true` is the safe answer.
    async fn is_going(&self, namespace: &str) -> Result<bool, EngineError> {
        match self.read_namespace(namespace).await {
            Ok(there) => Ok(there.is_none_or(|it| it.metadata.deletion_timestamp.is_some())),
            Err(error) if error.is_refusal() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Reads the metadata of a namespace, if it exists.
    pub(in crate::engine) async fn read_namespace(
        &self,
        name: &str,
    ) -> Result<Option<Partial<Namespace>>, EngineError> {
        let namespaces: Api<Partial<Namespace>> = Api::all(self.client.clone());
        call("reading a namespace", namespaces.get_opt(name)).await
    }
}
