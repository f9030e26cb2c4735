//! Calls to the API server: a bound on their time, and errors in the terms that matter here.

use std::{fmt::Debug, time::Duration};

use futures::FutureExt;
use jiff::SignedDuration;
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PostParams, Preconditions, Resource, ResourceExt};
use kube::core::Status;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{Engine, Secret};

/// The longest time of one call. The client's own retries are off, so this is one attempt.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest wait that the API server is obeyed in.
const OBEYED: SignedDuration = SignedDuration::from_mins(5);

/// The cause for which a step could not be completed. None of these is the provider's fault.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another writer was first; look again.
    #[error("{0} was changed by another writer")]
    Conflict(&'static str),
    /// The API server refused, or the call failed.
    #[error("{what}: {source}")]
    Kubernetes {
        /// The call that was being made.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time; the effect is unknown.
    #[error("{0}: the API server did not answer in time")]
    Timeout(&'static str),
    /// The ledger cannot be opened.
    #[error("the ledger cannot be used: {0}")]
    Ledger(String),
    /// The CRDs in the cluster are older than this Credwright.
    #[error(
        "the CRDs in the cluster have schema {there}, and this Credwright needs {needed}, or fields would be lost: apply \
             those of this version (with the chart: set crds.install to true; or: kubectl apply --server-side \
             --filename crds/credwright.dev.yaml). It starts by itself then"
    )]
    OldDefinitions {
        /// The version of their fields.
        there: u32,
        /// The version that is needed.
        needed: u32,
    },
    /// The ledger would get an illegal state: a bug of ours, and nothing was written.
    #[error("refused to write the ledger: {0}")]
    Illegal(#[from] crate::lifecycle::ledger::IllegalEdit),
    /// Another process works in our place, or may do so any moment.
    #[error("this process does not hold the Lease")]
    NotLeading,
    /// Another process continues in our place.
    #[error("this process is stopping and starts nothing new")]
    Stopping,
    /// Nothing is wrong with the templates; this machine cannot render them just now.
    #[error(transparent)]
    Rendering(#[from] crate::lifecycle::render::RenderError),
    /// The pass gets nowhere, so that it is left for a while.
    #[error("{0}")]
    Stuck(#[from] crate::lifecycle::progress::Stuck),
    /// An object that the step needs was deleted in the meantime.
    #[error("{0} is gone")]
    Gone(&'static str),
}

impl EngineError {
    /// Returns whether looking again is all that is needed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Gone(_))
    }

    /// The API server's answer, if it gave one.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Kubernetes { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns how long the API server asks to wait before the next attempt, if it says so, within
    /// reason.
    #[must_use]
    pub fn retry_after(&self) -> Option<SignedDuration> {
        let seconds = self.status()?.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| SignedDuration::from_secs(seconds.into()).min(OBEYED))
    }

    /// Returns whether the API server has no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// Returns whether the API server refused a write because of another one in between.
    #[must_use]
    pub fn is_write_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }

    /// Returns whether an object of that name exists already.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }

    /// Returns whether another writer was first, whether the object was to be created or replaced.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        self.is_already_exists() || self.is_write_conflict()
    }

    /// Returns whether the API server refused for good: no retry of the same request can succeed.
    /// It says so by 403 or 422, by 413 if it is too large, and a webhook or a policy may say it by
    /// 400.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.status().is_some_and(|status| {
            status.is_forbidden() || status.is_invalid() || matches!(status.code, 400 | 403 | 413 | 422)
        })
    }
}

impl Engine {
    /// The objects of a kind in a namespace.
    pub(super) fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The Secrets in a namespace.
    pub(super) fn secrets(&self, namespace: &str) -> Api<Secret> {
        self.within(namespace)
    }
}

/// Awaits a call to the API server, for so long. Not an async function: that would keep room for
/// the call twice.
pub(super) fn call<T>(
    what: &'static str,
    call: impl Future<Output = kube::Result<T>>,
) -> impl Future<Output = Result<T, EngineError>> {
    tokio::time::timeout(CALL_TIMEOUT, call).map(move |answered| match answered {
        Err(_) => Err(EngineError::Timeout(what)),
        Ok(Err(source)) => Err(EngineError::Kubernetes { what, source: Box::new(source) }),
        Ok(Ok(answer)) => Ok(answer),
    })
}

/// Replaces the version of an object that was read, or creates the object if it has none.
pub(super) async fn put<K>(what: &'static str, api: &Api<K>, object: &K) -> Result<K, EngineError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    match object.meta().resource_version {
        Some(_) => call(what, api.replace(&object.name_any(), &post(), object)).await,
        None => call(what, api.create(&post(), object)).await,
    }
}

/// Ignores a missing object, which need not be removed.
pub(super) fn ignore_absence(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

/// An object's resourceVersion as a number (Kubernetes 1.35 promises that it is one; etcd's always
/// were).
#[must_use]
pub fn version<K: Resource>(object: &K) -> u64 {
    metadata_version(object.meta())
}

/// The same of an object's metadata alone.
pub(super) fn metadata_version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Returns the parameters of creates and replaces: under Credwright's own field manager.
#[must_use]
pub fn post() -> PostParams {
    PostParams { field_manager: Some(crate::api::FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// A deletion of just the object that was seen, and of none that has its name by now.
pub(super) fn only(uid: Option<String>) -> DeleteParams {
    let preconditions = Some(Preconditions { uid, resource_version: None });
    DeleteParams { preconditions, ..DeleteParams::default() }
}

/// Returns whether an object has a finalizer.
pub(super) fn carries<K: Resource>(object: &K, finalizer: &str) -> bool {
    object.finalizers().iter().any(|it| it == finalizer)
}

/// Returns a patch that removes one finalizer from an object, if that still has this version, and
/// whether it was the last one.
pub(super) fn without(
    finalizer: &str,
    finalizers: &[String],
    version: Option<String>,
) -> (Patch<serde_json::Value>, bool) {
    let left: Vec<_> = finalizers.iter().filter(|it| *it != finalizer).collect();
    let metadata = json!({ "resourceVersion": version, "finalizers": left });
    (Patch::Merge(json!({ "metadata": metadata })), left.is_empty())
}

/// The UID of an object's controller, if it is an ApiCredential.
#[must_use]
pub fn owner_uid<K: Resource>(object: &K) -> Option<String> {
    let kind = crate::api::ApiCredential::kind(&());
    let ours = |reference: &&OwnerReference| {
        let group = reference.api_version.split('/').next();
        reference.controller == Some(true) && reference.kind == kind && group == Some(crate::api::GROUP)
    };
    object.owner_references().iter().find(ours).map(|reference| reference.uid.clone())
}
