//! Writes that only tell people something: the status of an object, and Events.
//!
//! A tenant may have hundreds of providers, and each that turns out to be down reports it. Few of
//! these writes go on at once, so that a ledger or a Secret that workloads wait for does not have
//! to wait behind them.

use std::fmt::Debug;

use futures::FutureExt;
use kube::api::{Api, ObjectMeta, Request, Resource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Engine, EngineError, call, post};

/// The number of such writes at once.
const AT_ONCE: usize = 8;

/// The places for such writes. Who waits for one longest gets the next.
pub(super) struct Telling(Semaphore);

impl Default for Telling {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Engine {
    /// Awaits a write that only tells people something, when there is a place for it. Not an async
    /// function: that would keep room for `write` twice.
    pub(super) fn tell<T>(
        &self,
        what: &'static str,
        write: impl Future<Output = kube::Result<T>>,
    ) -> impl Future<Output = Result<T, EngineError>> {
        self.telling.0.acquire().then(move |place| call(what, write).inspect(move |_| drop(place)))
    }

    /// Replaces the status of an object that still has the version of `based_on`. Returns the
    /// object as it is now, and whether it is as written: if not, somebody else has changed it
    /// meanwhile.
    ///
    /// The API server takes the rest of the object from what it has, so that need not be sent.
    pub(super) async fn replace_status<K>(
        &self,
        api: &Api<K>,
        based_on: &ObjectMeta,
        status: &impl Serialize,
    ) -> Result<(K, bool), EngineError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let ObjectMeta { name, namespace, uid, resource_version, .. } = based_on;
        let body = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": status,
            "metadata": {
                "name": name, "namespace": namespace, "uid": uid, "resourceVersion": resource_version,
            },
        });
        let name = name.as_deref().unwrap_or_default();
        let request = async {
            let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
            let request = Request::new(api.resource_url()).replace_subresource("status", name, &post(), body);
            self.client.request(request.map_err(kube::Error::BuildRequest)?).await
        };
        match self.tell("writing status", request).await {
            Err(error) if error.is_write_conflict() => {
                Ok((call("reading the object", api.get(name)).await?, false))
            }
            written => Ok((written?, true)),
        }
    }
}
