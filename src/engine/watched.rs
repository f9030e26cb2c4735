//! The kinds of objects that are watched: how their events change the stores, and which items
//! these changes concern.

mod namespaces;
mod providers;
mod secrets;

use kube::Resource;

use super::{
    Engine,
    kubernetes::version,
    stores::{Key, ProviderKey},
    wire::Decoded,
};
use crate::api::{AbandonedCredential, ApiCredential};

/// An item that a change concerns: it is processed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// An ApiCredential, or the remains of one.
    Credential(Key),
    /// A provider.
    Provider(ProviderKey),
    /// The finalizer of a login Secret.
    Login(Key),
    /// An AbandonedCredential.
    Abandoned(Key),
}

/// A kind of objects that is watched.
pub trait Watched: Resource + Sized {
    /// Stores an object as the API server has just given it.
    fn see(self, engine: &Engine) -> Vec<Concern>;

    /// Forgets the object of `key`, unless one newer than `version` is stored.
    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern>;

    /// Forgets a deleted object.
    fn see_deleted(&self, engine: &Engine) -> Vec<Concern> {
        Self::forget(engine, &Key::of(self), version(self))
    }

    /// Returns the stored objects of this kind for which `is` is true.
    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key>;
}

impl Watched for Decoded<ApiCredential> {
    fn see(self, engine: &Engine) -> Vec<Concern> {
        let key = Key::of(&self);
        engine.see_credential(self).then_some(Concern::Credential(key)).into_iter().collect()
    }

    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern> {
        engine.stores.remove_credential(key, version);
        vec![Concern::Credential(key.clone())]
    }

    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key> {
        engine.stores.credentials.select(|key, _| is(key).then(|| key.clone()))
    }
}

impl Watched for Decoded<AbandonedCredential> {
    fn see(self, engine: &Engine) -> Vec<Concern> {
        let key = Key::of(&self);
        engine.see_abandoned(self).then_some(Concern::Abandoned(key)).into_iter().collect()
    }

    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern> {
        engine.forget_abandoned(key, version);
        Vec::new()
    }

    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key> {
        engine.stores.abandoned.select(|key, _| is(key).then(|| key.clone()))
    }
}
