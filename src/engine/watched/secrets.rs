//! The watch of Secrets: ledgers and their copies, targets, logins and intakes, each known by its
//! label.

use kube::ResourceExt;

use super::{Concern, Watched};
use crate::{
    api::{
        COPY_SUFFIX, LEDGER_SUFFIX, ROLE_INTAKE, ROLE_LABEL, ROLE_LEDGER, ROLE_LOGIN, ROLE_TARGET, copy_name,
        ledger_name,
    },
    engine::{
        Engine, Key, Secret, copy_entry, ledger_entry,
        stores::{controller, intake_entry, login_entry},
        target_entry, version,
    },
};

impl Watched for Secret {
    fn see(self, engine: &Engine) -> Vec<Concern> {
        let role = self.labels().get(ROLE_LABEL).map(String::as_str);
        let (key, version) = (Key::of(&self), version(&self));
        let mut concerned = Vec::new();
        if role != Some(ROLE_LOGIN) {
            concerned.extend(engine.forget_login(&key, version));
        }
        if matches!(role, Some(ROLE_LOGIN | ROLE_INTAKE)) {
            concerned.extend(engine.forget_target(&key, version));
        }
        concerned.extend(match role {
            Some(ROLE_LEDGER) => engine.see_ledger(&self),
            Some(ROLE_TARGET) => engine.see_target(&self),
            Some(ROLE_LOGIN) => engine.see_login(&self),
            Some(ROLE_INTAKE) => engine.see_intake(&self),
            // Its label was changed: it is not one of ours any more.
            _ => self.see_deleted(engine),
        });
        concerned
    }

    /// Forgets the Secret of any role: its label may have been removed, so it is not used.
    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern> {
        let stores = &engine.stores;
        let mut concerned = engine.forget_target(key, version);
        concerned.extend(engine.forget_login(key, version));
        if stores.intakes.remove(key, version) {
            concerned.extend(engine.takers_of(key));
        }
        let ledger = owner_by_suffix(key, LEDGER_SUFFIX);
        concerned.extend(ledger.filter(|it| stores.ledgers.remove(it, version)).map(Concern::Credential));
        let copied = owner_by_suffix(key, COPY_SUFFIX);
        concerned.extend(copied.filter(|it| stores.copies.remove(it, version)).map(Concern::Credential));
        concerned
    }

    fn see_deleted(&self, engine: &Engine) -> Vec<Concern> {
        let key = Key::of(self);
        let mut concerned = Self::forget(engine, &key, version(self));
        concerned.extend(owner(&key, controller(&self.metadata)));
        concerned
    }

    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key> {
        let stores = &engine.stores;
        let ledger = |key: &Key| Key::new(&key.namespace, ledger_name(&key.name));
        let copy = |key: &Key| Key::new(&key.namespace, copy_name(&key.name));
        let mut all = stores.ledgers.select(|key, _| Some(ledger(key)).filter(&is));
        all.extend(stores.copies.select(|key, _| Some(copy(key)).filter(&is)));
        all.extend(stores.targets.select(|key, _| is(key).then(|| key.clone())));
        all.extend(stores.logins.select(|key, _| is(key).then(|| key.clone())));
        all.extend(stores.intakes.select(|key, _| is(key).then(|| key.clone())));
        all
    }
}

impl Engine {
    /// Opening a ledger takes some work, so the echo of a write of ours is recognised by its
    /// version first.
    fn see_ledger(&self, secret: &Secret) -> Vec<Concern> {
        let (key, stores) = (Key::of(secret), &self.stores);
        let mut concerned = Vec::new();
        if let Some(owner) = owner_by_suffix(&key, COPY_SUFFIX) {
            let entry = copy_entry(secret, &owner.name, &self.sealer);
            if stores.copies.put(owner.clone(), entry.version, entry) {
                concerned.push(Concern::Credential(owner));
            }
        }
        if let Some(owner) = owner_by_suffix(&key, LEDGER_SUFFIX)
            && version(secret) > stores.ledgers.version(&owner)
            && stores.ledgers.put(owner.clone(), ledger_entry(secret, &self.sealer))
        {
            concerned.push(Concern::Credential(owner));
        }
        concerned
    }

    /// Concerns the former owner, too: the owner reference may have been removed.
    fn see_target(&self, secret: &Secret) -> Vec<Concern> {
        let key = Key::of(secret);
        let before = self.stores.targets.get(&key);
        if !self.stores.put_target(&key, target_entry(secret, &self.sealer)) {
            return Vec::new();
        }
        let former = before.and_then(|before| owner(&key, before.controller));
        owner(&key, controller(&secret.metadata)).into_iter().chain(former).collect()
    }

    fn see_login(&self, secret: &Secret) -> Vec<Concern> {
        let (key, entry) = (Key::of(secret), login_entry(secret, &self.sealer));
        self.stores.intakes.remove(&key, entry.version);
        let logins = &self.stores.logins;
        let same = logins.get(&key).is_some_and(|it| (&it.uid, &it.content) == (&entry.uid, &entry.content));
        if !logins.put(key.clone(), entry.version, entry) {
            return Vec::new();
        }
        let mut concerned = if same { Vec::new() } else { self.users_of(&key) };
        concerned.push(Concern::Login(key));
        concerned
    }

    fn see_intake(&self, secret: &Secret) -> Vec<Concern> {
        let key = Key::of(secret);
        let entry = intake_entry(secret, &self.sealer, self.now());
        let news = self.stores.intakes.put(key.clone(), entry.version, entry);
        if news { self.takers_of(&key) } else { Vec::new() }
    }

    fn forget_target(&self, key: &Key, version: u64) -> Vec<Concern> {
        let before = self.stores.targets.get(key).filter(|_| self.stores.targets.remove(key, version));
        before.and_then(|before| owner(key, before.controller)).into_iter().collect()
    }

    fn forget_login(&self, key: &Key, version: u64) -> Vec<Concern> {
        if !self.stores.logins.remove(key, version) {
            return Vec::new();
        }
        let mut concerned = self.users_of(key);
        concerned.push(Concern::Login(key.clone()));
        concerned
    }

    /// The objects for which a person fills this Secret.
    fn takers_of(&self, intake: &Key) -> Vec<Concern> {
        self.stores.credentials.select(|key, object| {
            let named = &object.spec.intake.as_ref()?.secret_name;
            let takes = key.namespace == intake.namespace && **named == *intake.name;
            takes.then(|| Concern::Credential(key.clone()))
        })
    }

    /// The providers that refer to this Secret.
    fn users_of(&self, login: &Key) -> Vec<Concern> {
        self.stores.that_refer_to(login, true).into_iter().map(Concern::Provider).collect()
    }
}

/// The owner of a Secret, by the name of its controller.
fn owner(secret: &Key, name: Option<String>) -> Option<Concern> {
    name.map(|name| Concern::Credential(Key::new(&secret.namespace, name)))
}

/// The ApiCredential that a Secret with this name would be the ledger of, or the copy of one.
fn owner_by_suffix(secret: &Key, suffix: &str) -> Option<Key> {
    Some(Key::new(&secret.namespace, secret.name.strip_suffix(suffix)?))
}
