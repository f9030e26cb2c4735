//! The kinds of objects that are watched: how their events change the stores, and which items
//! these changes concern.

mod config_maps;
mod namespaces;
mod providers;
mod secrets;

use kube::Resource;

use super::{Decoded, Engine, Key, ProviderKey, version};
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

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending, sync::Arc};

    use http::{Request, Response};
    use jiff::SignedDuration;
    use kube::{Client, client::Body};
    use serde_json::json;

    use super::*;
    use crate::{
        clock::SystemClock,
        engine::{Sealer, Settings},
    };

    fn engine() -> Engine {
        let silent = tower::service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
        let settings = Settings {
            egress_addresses: Default::default(),
            namespace: "credwright".to_owned(),
            cluster_id: "one".to_owned(),
            writer: "writer".to_owned(),
            egress: Arc::default(),
            more_roots: None,
            provider_proxy: None,
            revocation_deadline: SignedDuration::from_mins(10),
            role_binding: None,
            lease: None,
        };
        let sealer = Sealer::new(&Sealer::new_key()).unwrap();
        Engine::new(Client::new(silent, "shop"), Arc::new(SystemClock::default()), settings, sealer)
    }

    #[tokio::test]
    async fn a_late_delete_event_does_not_remove_the_next_object_of_that_name() {
        let engine = engine();
        let object = |uid: &str, version: u64| -> Decoded<ApiCredential> {
            let object = json!({
                "apiVersion": "credwright.dev/v1alpha1", "kind": "ApiCredential",
                "metadata": {
                    "name": "orders", "namespace": "shop", "uid": uid, "resourceVersion": version.to_string(),
                },
                "spec": { "providerRef": { "name": "acme" } },
            });
            serde_json::from_value::<ApiCredential>(object).unwrap().into()
        };
        let uid = || engine.stores.credentials.get(&Key::new("shop", "orders"))?.metadata.uid.clone();
        object("one", 10).see(&engine);
        // It was read, before the watch tells what happened to the one before.
        object("two", 12).see(&engine);
        object("one", 11).see_deleted(&engine);
        assert_eq!(uid().as_deref(), Some("two"));
        object("two", 13).see_deleted(&engine);
        assert_eq!(uid(), None);
    }
}
