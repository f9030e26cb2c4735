//! The watches of providers. A change of one concerns its Secrets, too: they may belong to no
//! provider any more, and need no finalizer then.

use std::sync::Arc;

use super::{Concern, Watched};
use crate::{
    api::{ClusterCredentialProvider, CredentialProvider, ProviderKind},
    engine::{Decoded, Engine, Key, ProviderKey, ProviderObject, wire::Own},
};

impl Watched for Decoded<CredentialProvider> {
    fn see(self, engine: &Engine) -> Vec<Concern> {
        see(engine, ProviderObject::Namespaced(Arc::new(self)))
    }

    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern> {
        forget::<CredentialProvider>(engine, ProviderKind::CredentialProvider, (key, version))
    }

    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key> {
        stored(engine, ProviderKind::CredentialProvider, is)
    }
}

impl Watched for Decoded<ClusterCredentialProvider> {
    fn see(self, engine: &Engine) -> Vec<Concern> {
        see(engine, ProviderObject::Cluster(Arc::new(self)))
    }

    fn forget(engine: &Engine, key: &Key, version: u64) -> Vec<Concern> {
        forget::<ClusterCredentialProvider>(engine, ProviderKind::ClusterCredentialProvider, (key, version))
    }

    fn stored(engine: &Engine, is: impl Fn(&Key) -> bool) -> Vec<Key> {
        stored(engine, ProviderKind::ClusterCredentialProvider, is)
    }
}

fn see(engine: &Engine, object: ProviderObject) -> Vec<Concern> {
    let key = object.key();
    let before = engine.stores.providers.get(&key);
    let same = before.as_ref().is_some_and(|before| before.asks_the_same(&object));
    engine.stores.note_readable(&object);
    if !engine.stores.providers.put(key.clone(), object.version(), object) || same {
        return Vec::new();
    }
    let secrets = before.map(|before| before.secrets(&key)).unwrap_or_default();
    secrets.into_iter().map(Concern::Login).chain([Concern::Provider(key)]).collect()
}

fn forget<K: Own>(engine: &Engine, kind: ProviderKind, (at, version): (&Key, u64)) -> Vec<Concern> {
    let key = ProviderKey::resolve(kind, &at.name, &at.namespace);
    let object = engine.stores.providers.get(&key);
    let secrets = object.map(|object| object.secrets(&key)).unwrap_or_default();
    engine.stores.providers.remove(&key, version);
    engine.stores.unreadable.forget::<K>(at);
    secrets.into_iter().map(Concern::Login).chain([Concern::Provider(key)]).collect()
}

fn stored(engine: &Engine, kind: ProviderKind, is: impl Fn(&Key) -> bool) -> Vec<Key> {
    let of_kind = |key: &ProviderKey| (key.kind == kind).then(|| Key::new(&key.namespace, &key.name));
    engine.stores.providers.select(|key, _| of_kind(key).filter(|key| is(key)))
}
