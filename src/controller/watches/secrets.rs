//! The watch of Secrets: ledgers and their copies, targets, logins and intakes, each known by its
//! label.

use kube::{Api, ResourceExt, core::ObjectMeta, runtime::watcher};

use crate::{
    api::{COPY_SUFFIX, LEDGER_SUFFIX, ROLE_INTAKE, ROLE_LABEL, ROLE_LEDGER, ROLE_LOGIN, ROLE_TARGET},
    engine::{
        stores::{Key, controller, copy_entry, intake_entry, ledger_entry, login_entry, target_entry},
        version,
        wire::Secret,
    },
};

use super::{Item, Listing, Operator, Watch, WatchEvent, unlisted};

impl Operator {
    pub(super) async fn watch_secrets(&self, namespace: Option<String>) {
        let api: Api<Secret> = self.api(namespace.as_ref());
        let scoped = (Watch::Secrets, namespace);
        let mut listed = Listing::none();
        self.follow(&scoped, api, watcher::Config::default().labels(ROLE_LABEL), |change| match change {
            WatchEvent::Listing => listed.begin(),
            WatchEvent::There(secret) => {
                listed.name(Key::of(&secret));
                self.see_secret(&secret);
            }
            WatchEvent::Gone(secret) => self.forget_secret(&secret),
            WatchEvent::Complete => self.forget_unlisted_secrets(unlisted(&scoped.1, listed.complete())),
        })
        .await;
    }

    fn see_secret(&self, secret: &Secret) {
        let role = secret.labels().get(ROLE_LABEL).map(String::as_str);
        let (key, version) = (Key::of(secret), version(secret));
        if role != Some(ROLE_LOGIN) {
            self.forget_login(&key, version);
        }
        match role {
            Some(ROLE_LEDGER) => self.see_ledger(secret),
            Some(ROLE_TARGET) => self.see_target(secret),
            Some(ROLE_LOGIN) => {
                self.forget_target(&key, version);
                self.engine.stores.intakes.remove(&key, version);
                self.see_login(secret);
            }
            Some(ROLE_INTAKE) => {
                self.forget_target(&key, version);
                self.see_intake(secret);
            }
            // Its label was changed: it is not one of ours any more.
            _ => self.forget_secret(secret),
        }
    }

    /// Opening a ledger takes some work, so the echo of a write of ours is recognised by its
    /// version first.
    fn see_ledger(&self, secret: &Secret) {
        if let Some(owner) = owner_by_suffix(&Key::of(secret), COPY_SUFFIX) {
            let entry = copy_entry(secret, &owner.name, self.engine.sealer());
            if self.engine.stores.copies.put(owner.clone(), entry.version, entry) {
                self.queue.wake(Item::Credential(owner));
            }
        }
        let Some(owner) = ledger_owner(&Key::of(secret)) else { return };
        let ledgers = &self.engine.stores.ledgers;
        let known = ledgers.version(&owner);
        if version(secret) <= known {
            return;
        }
        let entry = ledger_entry(secret, self.engine.sealer());
        if ledgers.put(owner.clone(), entry) {
            self.queue.wake(Item::Credential(owner));
        }
    }

    /// Also wakes the former owner: the owner reference may have been removed.
    fn see_target(&self, secret: &Secret) {
        let key = Key::of(secret);
        let before = self.engine.stores.targets.get(&key);
        if self.engine.stores.put_target(&key, target_entry(secret, self.engine.sealer())) {
            self.wake_controller(&key, &secret.metadata);
            if let Some(before) = before {
                self.wake_owner(&key, before.controller);
            }
        }
    }

    fn see_login(&self, secret: &Secret) {
        let (key, entry) = (Key::of(secret), login_entry(secret, self.engine.sealer()));
        let logins = &self.engine.stores.logins;
        let same = logins.get(&key).is_some_and(|it| (&it.uid, &it.content) == (&entry.uid, &entry.content));
        if logins.put(key.clone(), entry.version, entry) {
            if !same {
                self.wake_users(&key);
            }
            self.queue.wake(Item::Login(key));
        }
    }

    fn see_intake(&self, secret: &Secret) {
        let key = Key::of(secret);
        let entry = intake_entry(secret, self.engine.sealer(), self.engine.now());
        if self.engine.stores.intakes.put(key.clone(), entry.version, entry) {
            self.wake_takers(&key);
        }
    }

    /// Wakes the objects for which a person fills this Secret.
    fn wake_takers(&self, intake: &Key) {
        let takers = self.engine.stores.credentials.select(|key, object| {
            let named = &object.spec.intake.as_ref()?.secret_name;
            (key.namespace == intake.namespace && *named == intake.name).then(|| key.clone())
        });
        for key in takers {
            self.queue.wake(Item::Credential(key));
        }
    }

    fn forget_secret(&self, secret: &Secret) {
        let key = Key::of(secret);
        self.forget_secret_at(&key, version(secret));
        self.wake_controller(&key, &secret.metadata);
    }

    fn forget_target(&self, key: &Key, version: u64) {
        if let Some(before) = self.engine.stores.targets.get(key)
            && self.engine.stores.targets.remove(key, version)
        {
            self.wake_owner(key, before.controller);
        }
    }

    fn forget_login(&self, key: &Key, version: u64) {
        if self.engine.stores.logins.remove(key, version) {
            self.wake_users(key);
            self.queue.wake(Item::Login(key.clone()));
        }
    }

    /// The Secret of any role: its label may have been removed, so it is not used.
    fn forget_secret_at(&self, key: &Key, version: u64) {
        let stores = &self.engine.stores;
        self.forget_target(key, version);
        self.forget_login(key, version);
        if stores.intakes.remove(key, version) {
            self.wake_takers(key);
        }
        if let Some(owner) = ledger_owner(key)
            && stores.ledgers.remove(&owner, version)
        {
            self.queue.wake(Item::Credential(owner));
        }
        if let Some(owner) = owner_by_suffix(key, COPY_SUFFIX)
            && stores.copies.remove(&owner, version)
        {
            self.queue.wake(Item::Credential(owner));
        }
    }

    fn forget_unlisted_secrets(&self, unlisted: impl Fn(&Key) -> Option<Key>) {
        let stores = &self.engine.stores;
        let ledgers = stores.ledgers.select(|key, _| {
            unlisted(&Key { namespace: key.namespace.clone(), name: crate::api::ledger_name(&key.name) })
        });
        let copies = stores.copies.select(|key, _| {
            unlisted(&Key { namespace: key.namespace.clone(), name: crate::api::copy_name(&key.name) })
        });
        let targets = stores.targets.select(|key, _| unlisted(key));
        let logins = stores.logins.select(|key, _| unlisted(key));
        let intakes = stores.intakes.select(|key, _| unlisted(key));
        for key in ledgers.into_iter().chain(copies).chain(targets).chain(logins).chain(intakes) {
            self.forget_secret_at(&key, u64::MAX);
        }
    }

    fn wake_controller(&self, secret: &Key, metadata: &ObjectMeta) {
        self.wake_owner(secret, controller(metadata));
    }

    fn wake_owner(&self, secret: &Key, name: Option<String>) {
        if let Some(name) = name {
            self.queue.wake(Item::Credential(Key { namespace: secret.namespace.clone(), name }));
        }
    }

    fn wake_users(&self, login: &Key) {
        for provider in self.engine.stores.that_log_in_with(login) {
            self.queue.wake(Item::Provider(provider));
        }
    }
}

/// The ApiCredential that a Secret of this name would be the ledger of.
fn ledger_owner(secret: &Key) -> Option<Key> {
    owner_by_suffix(secret, LEDGER_SUFFIX)
}

fn owner_by_suffix(secret: &Key, suffix: &str) -> Option<Key> {
    let name = secret.name.strip_suffix(suffix)?.to_owned();
    Some(Key { namespace: secret.namespace.clone(), name })
}
